"""
Does the scan say more than the T-score?
========================================

The T-score is cheap, understood, and printed by every densitometer. A network on the image must
show that it adds to it. This page goes the whole way on simulated patients: from the T-score,
through clinical columns, to a stacked model with the network, and ends in a plain answer with
its uncertainty.
"""

# %%
# The patients, and their T-scores
# --------------------------------
# Lower means worse, so the sign is turned wherever a score is judged.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.calibration import CalibrationDisplay
from sklearn.pipeline import make_pipeline

from skdxa.classification import SpineCNNClassifier, make_stack
from skdxa.densitometry import FINNISH_WOMEN, minimum_t_score, t_score
from skdxa.displays import DecisionCurveDisplay, ForestDisplay, RepeatedRocDisplay
from skdxa.evaluation import format_table, performance_table, repeated_cross_validate
from skdxa.preprocessing import SpineCropper
from skdxa.significance import delong_test
from skdxa.simulation import make_spine_cohort

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
# One recipe for all
# ------------------
# A stack is a logistic model of scores: of columns as they are, and of the network as it judges
# scans that it has not seen. Inner folds within the training part see to that; the fold that is
# scored is seen by nothing. Dropping the network gives the model to compare with.

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
# The threshold is the share of patients with a fracture: whoever has more than the average risk
# is called positive. Three folds are too few for an interval of their mean; these are DeLong's
# and Wilson's, of the pooled scores.

table = performance_table(results, threshold=float(y.mean()), interval="delong")
print("Simulated patients")
print(format_table(table))

# %%
# The curves
# ----------
# Where curves cross, no predictor is better throughout.

display = RepeatedRocDisplay.from_result(
    results["Min T-score + network"],
    name="min T + network",
    benchmarks={
        "min T": results["Min T-score"].repeat_scores(),
        "min T + TBS + age": results["Min T-score + TBS + age"].repeat_scores(),
    },
    threshold=None,
)
display.ax_.set_title("simulated fractures", fontsize="medium")
display.figure_.show()

# %%
# The decision curve asks what a risk is good for: at each risk from which one would treat, how
# many true positives a patient, less the false ones at their price. A model is of use where it
# lies above both treating everyone and treating nobody.

figure, ax = plt.subplots(figsize=(5, 3.6), layout="constrained")
DecisionCurveDisplay.from_result(results, ax=ax)
ax.set_title("simulated patients", fontsize="medium")
figure.show()

# %%
# Both curves take the risks at their word. Whether they may is asked by the calibration curve, in
# fifths of the patients; scikit-learn draws it.

figure, ax = plt.subplots(figsize=(4, 4), layout="constrained")
for name, marker in (("Min T-score", "s"), ("Min T-score + network", "o")):
    risk = results[name].repeat_scores()
    CalibrationDisplay.from_predictions(
        y, risk, n_bins=5, strategy="quantile", name=name, ax=ax, marker=marker
    )
ax.set(xlim=(0, 0.5), ylim=(0, 0.5), title="simulated patients", aspect="equal")
figure.show()

# %%
# Areas under the curve with DeLong's intervals:

display = ForestDisplay.from_results(results, interval="delong")
display.ax_.set_title("simulated patients", fontsize="medium")
display.figure_.show()

# %%
# A plain answer
# --------------
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
# "Not shown" is not "no": the interval says how large a gain these patients could have hidden.
# The simulated fractures depend on density, texture and age, which the image shows less exactly
# than the report does, so little is there to be found. With ``image_risk``,
# :func:`~skdxa.simulation.make_spine_cohort` plants something for the network to find.
