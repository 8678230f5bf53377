"""
Coefficients, and p-values of scores
====================================

The paper puts an asterisk to predictors that "remained statistically significant" in a logistic
model. This page makes such a table on simulated patients, and then asks what a p-value means
where one of the predictors is the score of a model that was itself trained on these patients.
"""

# %%
# The table
# ---------
# One row a variable, in its own unit; the odds ratio of age is per year. Wald's interval is what
# most programs print; the profile likelihood's is the better one where fractures are few.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from skdxa.densitometry import FINNISH_WOMEN, t_score
from skdxa.displays import ForestDisplay
from skdxa.significance import Interval, likelihood_ratio_test, logistic_table
from skdxa.simulation import make_spine_cohort

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
# Both intervals of the odds ratios, which are drawn on a logarithmic axis because one half is as
# far from 1 as two:

profile = logistic_table(y, X, interval="profile")
intervals = {
    f"{name} ({kind})": Interval(row.odds_ratio, row.low, row.high, 0.95, kind)
    for name in X
    for kind, row in (("Wald", table.loc[name]), ("profile", profile.loc[name]))
}
figure, ax = plt.subplots(figsize=(7.2, 2.8), layout="constrained")
ForestDisplay.from_intervals(intervals, metric="odds ratio", reference=1, ax=ax)
ax.set_xscale("log")
ax.set_xticks([0.5, 0.7, 1.0, 1.4], labels=["0.5", "0.7", "1", "1.4"])
ax.minorticks_off()
ax.set_title(f"{y.sum()} simulated fractures", fontsize="medium")
figure.show()

# %%
# Scores of a model that learnt these very labels
# -----------------------------------------------
# Now labels that depend on nothing, and a model that learns from ten columns of noise. It is a
# decision tree, which like a network can learn its training data by heart. Its scores are
# entered into a logistic model beside one more variable, in two ways: as scores of the patients
# that it was trained on, and out of fold. If the p-value of its likelihood-ratio test is to be
# believed, it lies below 0.05 in one simulated study of twenty.


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
figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.8), sharey=True, layout="constrained")
for ax, (kind, values) in zip(axes, p.items(), strict=True):
    ax.hist(values, bins=20, range=(0, 1), color="tab:blue")
    ax.axhline(len(values) / 20, color="tab:orange", ls="--")
    below = (values < 0.05).mean()
    ax.set(xlabel=f"p-value, {kind}", title=f"below 0.05: {100 * below:.0f} %")
axes[0].set_ylabel("of 300 simulated studies")
figure.show()

# %%
# Scores on the training patients make every study significant: such a p-value says that the
# model has a memory. Those out of fold come near the even distribution (dashed) that a p-value
# must have where there is nothing to find, but not exactly: the folds share patients, and a score
# that leans a little against its own labels is "significant" as well. The sign of its
# coefficient tells: an out-of-fold score that is *negatively* related to the outcome has found
# nothing.
#
# What they mean, then
# --------------------
# - The p-value of an out-of-fold score speaks of these scores, in these patients. Another
#   split gives other scores, and another p-value.
# - It says nothing of how well the model predicts; an AUC with its interval does.
# - It is approximate. Where it decides something, repeat the whole procedure on labels that were
#   shuffled, and see how often that gives as small a p-value.
# - Of ten p-values one is small by chance; :func:`~skdxa.significance.adjust_pvalues` allows for
#   the number.
