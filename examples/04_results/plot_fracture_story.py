"""
Does the image add to the T-score?
==================================

The T-score is cheap, well understood, and reported by every densitometer, so a network for
fractures must add to it. This page compares, on simulated patients, the T-score, clinical
columns, and a stacked model with the network, and ends with the gain and its uncertainty.
"""

# %%
# The patients and their T-scores
# -------------------------------
# A lower T-score is a higher risk, which the models below take into account.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.calibration import CalibrationDisplay
from sklearn.pipeline import make_pipeline

from skdxa.classification import SpineCNNClassifier, make_stack
from skdxa.densitometry import FINNISH_WOMEN, minimum_t_score, t_score
from skdxa.displays import PALETTE, DecisionCurveDisplay, ForestDisplay, RepeatedRocDisplay
from skdxa.evaluation import format_table, performance_table, repeated_cross_validate
from skdxa.preprocessing import SpineCropper
from skdxa.significance import delong_test
from skdxa.simulation import make_spine_cohort

plt.rc("axes", prop_cycle=plt.cycler(color=PALETTE.values()))

cohort = make_spine_cohort(600, random_state=11)
vertebrae = [f"bmd_L{number}" for number in (1, 2, 3, 4)]
data = cohort.data.assign(
    min_t=minimum_t_score(
        pd.concat(
            [
                t_score(cohort.data[vertebrae], FINNISH_WOMEN, site="spine"),
                t_score(cohort.data["bmd_neck"], FINNISH_WOMEN, site="femoral_neck"),
                t_score(cohort.data["bmd_total_hip"], FINNISH_WOMEN, site="total_hip"),
            ],
            axis=1,
        )
    ),
    patient=cohort.groups,
)
y = cohort.target["fracture_ever"].astype(int)
fracture = y.map({0: "no fracture", 1: "fracture"})
data.groupby(fracture)[["min_t", "tbs", "age"]].agg(["mean", "std"]).round(2)

# %%
# The models
# ----------
# A stack is a logistic model of clinical columns and of out-of-fold scores of the network, which
# come from inner folds of the training part. No part of the model is fitted to the fold that is
# scored. Without the network, the same function makes the models for comparison.

network = make_pipeline(SpineCropper(), SpineCNNClassifier(filters=(4, 8, 16, 32), epochs=8))
options = {
    "lower_is_worse": ["min_t"],
    "cv": 2,
    "group_column": "patient",
    "random_state": 0,
}
with_network = make_stack(network, ["min_t"], **options)
clinical = make_stack(
    "drop", ["min_t", "tbs", "age"], **{**options, "lower_is_worse": ["min_t", "tbs"]}
)
models = {
    "Min T-score": make_stack("drop", ["min_t"], **options),
    "Min T-score + TBS + age": clinical,
    "Min T-score + network": with_network,
}
results = {
    name: repeated_cross_validate(
        model,
        data,
        y,
        groups=cohort.groups,
        n_splits=3,
        n_repeats=1,
        random_state=0,
        progress=False,
    )
    for name, model in models.items()
}

# %%
# The table
# ---------
# The threshold is the share of patients with a fracture: patients above the average risk are
# called positive. Three folds are too few for an interval of their mean; these are DeLong's and
# Wilson's intervals of the pooled scores.

table = performance_table(results, threshold=float(y.mean()), interval="delong")
print("Simulated patients")
print(format_table(table))

# %%
# The curves
# ----------
# Where curves cross, neither predictor is better at all thresholds.

figure, ax = plt.subplots(figsize=(4.4, 5.2), layout="constrained")
RepeatedRocDisplay.from_result(
    results["Min T-score + network"],
    name="min T + network",
    benchmarks={
        "min T": results["Min T-score"].repeat_scores(),
        "min T + TBS + age": results["Min T-score + TBS + age"].repeat_scores(),
    },
    threshold=None,
    ax=ax,
    style={"legend": {"fontsize": 10}},
)
ax.set_title("Simulated fractures", fontsize=11)
# sphinx_gallery_start_ignore
figure.suptitle(
    "Three ROC curves a little above the diagonal, which cross each other several times",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# The decision curve shows the net benefit: at each risk from which one would treat, the true
# positives per patient minus the weighted false positives. A model is useful where its curve lies
# above both treating everyone and treating nobody.

figure, ax = plt.subplots(figsize=(4.8, 5), layout="constrained")
DecisionCurveDisplay.from_result(results, ax=ax, style={"legend": {"fontsize": 10}})
ax.set_title("Simulated fractures", fontsize=11)
# sphinx_gallery_start_ignore
figure.suptitle(
    "Net benefit by the risk from which one treats: the three models lie together, above treating "
    "nobody at low risks and above treating everyone at higher ones",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# The decision curve assumes that the risks are calibrated. The calibration curve, over fifths of
# the patients, checks this; scikit-learn draws it.

figure, ax = plt.subplots(figsize=(4.4, 4.4), layout="constrained")
for name, marker, dashes in (("Min T-score", "s", "-"), ("Min T-score + network", "o", "--")):
    risk = results[name].repeat_scores()
    CalibrationDisplay.from_predictions(
        y, risk, n_bins=5, strategy="quantile", name=name, ax=ax, marker=marker, linestyle=dashes
    )
ax.set(xlim=(0, 0.5), ylim=(0, 0.5))
ax.set(xlabel="Mean predicted risk", ylabel="Share with a fracture")
ax.set_title("Simulated fractures", fontsize=11)
ax.legend(loc="upper left")
# sphinx_gallery_start_ignore
figure.suptitle(
    "Observed share of fractures by predicted risk in five groups: both models scatter about the "
    "diagonal",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# Areas under the curve with DeLong's intervals:

figure, ax = plt.subplots(figsize=(5.4, 2.6), layout="constrained")
ForestDisplay.from_results(
    results,
    interval="delong",
    ax=ax,
    style={"texts": {"fontsize": 10}, "whiskers": {"linewidth": 2}, "points": {"markersize": 7}},
)
ax.tick_params(labelsize=10)
ax.xaxis.label.set_size(10)
ax.set_title("Simulated fractures", fontsize=11)
# sphinx_gallery_start_ignore
figure.suptitle(
    "The AUC of three models with intervals, which overlap widely",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# The gain
# --------
# DeLong's test compares two scores of the same patients.

scores = {name: result.repeat_scores() for name, result in results.items()}
gain = delong_test(y, scores["Min T-score + network"], scores["Min T-score"])
low, high = gain.interval.low, gain.interval.high
answer = "yes" if low > 0 else "no, less" if high < 0 else "not shown"
print(
    f"Does the image add to the T-score in these {len(y)} simulated patients, {y.sum()} of whom "
    f"have a fracture?\n{answer.capitalize()}: the AUC changes by {gain.estimate:+.3f} (95 % "
    f"interval {low:+.3f} to {high:+.3f}, p = {gain.pvalue:.2f})."
)

# %%
# If the test shows no gain, there may still be one: the interval contains the gains that are
# compatible with these patients. The simulated fractures depend on density, texture and age, which
# the clinical columns measure more accurately than the image, so little gain is expected. The
# parameter ``image_risk`` of :func:`~skdxa.simulation.make_spine_cohort` adds a risk that only the
# image reveals.
