"""
Coefficients and p-values of scores
===================================

The paper marks predictors that "remained statistically significant" in a logistic model. This
page computes such a table on simulated patients, and then shows what a p-value means if one of
the predictors is the score of a model that was trained on the same patients.
"""

# %%
# The table
# ---------
# There is one row per variable; odds ratios are per unit of the variable, such as one year of age.
# Most programs print Wald's interval; the profile-likelihood interval is more accurate with few
# fractures.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from skdxa.densitometry import FINNISH_WOMEN, t_score
from skdxa.displays import PALETTE, ForestDisplay
from skdxa.significance import Interval, likelihood_ratio_test, logistic_table
from skdxa.simulation import make_spine_cohort

plt.rc("axes", prop_cycle=plt.cycler(color=PALETTE.values()))

cohort = make_spine_cohort(500, random_state=12)
X = pd.DataFrame(
    {
        "hip T-score": t_score(cohort.data["bmd_total_hip"], FINNISH_WOMEN, site="total_hip"),
        "TBS, per 0.1": cohort.data["tbs"] * 10,
        "age, per year": cohort.data["age"],
    }
)
y = cohort.target["fracture_ever"].astype(int)
table = logistic_table(y, X)
table.round(3)

# %%
# Both intervals of the odds ratios, on a logarithmic axis, on which 0.5 and 2 are equally far from
# 1. An interval that does not contain 1 belongs to a coefficient with a p-value below 0.05.

profile = logistic_table(y, X, interval="profile")
intervals = {
    f"{name}, {kind}": Interval(row.odds_ratio, row.low, row.high, 0.95, None)
    for name in X
    for kind, row in (("Wald", table.loc[name]), ("profile", profile.loc[name]))
}
figure, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
ForestDisplay.from_intervals(
    intervals,
    metric="odds ratio",
    reference=1,
    ax=ax,
    style={"texts": {"fontsize": 10}, "whiskers": {"linewidth": 2}, "points": {"markersize": 7}},
)
ax.set_xscale("log")
ax.set_xticks([0.5, 0.7, 1.0, 1.4], labels=["0.5", "0.7", "1", "1.4"])
ax.minorticks_off()
ax.tick_params(labelsize=10)
ax.xaxis.label.set_size(10)
ax.set_title(f"{len(y)} simulated patients, {y.sum()} with a fracture", fontsize=11)
# sphinx_gallery_start_ignore
figure.suptitle(
    "Odds ratios of hip T-score, TBS and age with two intervals each; the Wald and the profile "
    "interval of a variable nearly coincide",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# Scores of a model trained on the same labels
# --------------------------------------------
# Now the labels are random, and the model is trained on ten columns of noise. It is a decision
# tree, which, like a network, can overfit. Its scores enter a logistic model with one more
# variable in two ways: as scores of its training patients, and out of fold. A valid p-value of
# the likelihood-ratio test lies below 0.05 in one of twenty simulated studies.


def p_values(seed):
    rng = np.random.default_rng(seed)
    noise, known = rng.normal(size=(200, 10)), rng.normal(size=(200, 1))
    labels = rng.permutation(np.repeat([0, 1], 100))
    tree = DecisionTreeClassifier(min_samples_leaf=10, random_state=0)
    scores = {
        "trained on them": tree.fit(noise, labels).predict_proba(noise)[:, 1],
        "out of fold": cross_val_predict(tree, noise, labels, cv=5, method="predict_proba")[:, 1],
    }
    return {
        kind: likelihood_ratio_test(labels, known, np.column_stack([known, score])).pvalue
        for kind, score in scores.items()
    }


p = pd.DataFrame([p_values(seed) for seed in range(300)])
significant = (p < 0.05).mean()
figure, ax = plt.subplots(figsize=(4.6, 4), layout="constrained")
for (kind, values), color, width in zip(
    p.items(), (PALETTE["orange"], PALETTE["blue"]), (3.5, 2), strict=True
):
    ax.ecdf(values, color=color, lw=width, label=kind)
ax.plot([0, 1], [0, 1], ":", color="0.5", lw=1.5, label="valid p-value")
ax.axvline(0.05, color="0.5", lw=0.8)
ax.set(xlabel="p-value", ylabel="Share of 300 simulated studies")
ax.set_title("Scores of a model without signal", fontsize=11)
ax.legend(loc="lower right")
# sphinx_gallery_start_ignore
figure.suptitle(
    "Cumulative curves of p-values: for scores of training patients it is at the top from the "
    "left edge on, and out of fold it runs near the diagonal, above it at small p-values",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()
significant.rename("share with p < 0.05").to_frame().round(2)

# %%
# The curve of scores of the training patients rises at once to the top: nearly every simulated
# study is "significant", because the model overfits. The p-values of out-of-fold scores are close
# to the uniform distribution (dotted) that they should have under the null hypothesis, but not
# exactly uniform: the folds share patients, and a score that is slightly *negatively* related to
# the outcome is "significant" as well. A negative coefficient of an out-of-fold score is no
# evidence that the model predicts the outcome.
#
# How to interpret them
# ---------------------
# - The p-value of an out-of-fold score is conditional on these scores of these patients. Another
#   split yields other scores and another p-value.
# - It does not measure how well the model predicts; an AUC with its interval does.
# - It is approximate. Where a decision depends on it, repeat the whole procedure on shuffled
#   labels, and count how often the p-value is as small.
# - Several tests need an adjustment for multiplicity:
#   :func:`~skdxa.significance.adjust_pvalues`.
