"""
Choosing a threshold
====================

A threshold turns a score into a label. For the fracture task Nissinen et al. (2021) set it so
that the sensitivity "approximately" matches that of the lowest T-score at -2.5. This page
compares three definitions of that threshold, and applies one with scikit-learn's classifiers.

The model here is a logistic regression on clinical columns of simulated patients, which trains
quickly; a network is used in the same way.
"""

# %%
# Scores out of fold
# ------------------

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdxa.displays import PALETTE
from skdxa.evaluation import (
    repeated_cross_validate,
    sensitivity_score,
    specificity_score,
    threshold_at_sensitivity,
)
from skdxa.simulation import make_spine_cohort

plt.rc("axes", prop_cycle=plt.cycler(color=PALETTE.values()))

cohort = make_spine_cohort(1000, random_state=0)
X = cohort.data[["bmd_neck", "bmd_total_hip", "tbs", "age"]]
y = cohort.target["fracture_ever"].astype(int)
model = make_pipeline(StandardScaler(), LogisticRegression())
result = repeated_cross_validate(
    model, X, y, n_splits=10, n_repeats=1, random_state=0, progress=False
)
score = result.oof_scores()

# %%
# Sixty percent of the fractures
# ------------------------------
# "At least" is the highest threshold with a sensitivity of 60 % or more; "nearest" has the
# sensitivity closest to 60 %; "interpolated" lies between two scores, so its sensitivity in the
# patients differs from 60 %.

thresholds = {
    rule: threshold_at_sensitivity(y, score, 0.60, rule=rule)
    for rule in ("at_least", "nearest", "interpolated")
}
pd.DataFrame(
    {
        "threshold": thresholds,
        "sensitivity": {r: sensitivity_score(y, score >= t) for r, t in thresholds.items()},
        "specificity": {r: specificity_score(y, score >= t) for r, t in thresholds.items()},
    }
).round(4)

# %%
# All are far from 0.5. A calibrated model of a rare outcome has few scores that high, because few
# patients are more likely than not to have a fracture. The figure shows what each threshold costs:

steps = np.linspace(0, 0.6, 601)
figure, ax = plt.subplots(figsize=(4.8, 4.2), layout="constrained")
for name, metric, dashes in (
    ("sensitivity", sensitivity_score, "-"),
    ("specificity", specificity_score, "--"),
):
    ax.plot(steps, [metric(y, score >= step) for step in steps], dashes, lw=2, label=name)
ax.axvline(thresholds["at_least"], color=PALETTE["orange"], lw=1.5, label='"at least 60 %"')
ax.axvline(0.5, color="0.4", ls=":", lw=2, label="one half")
ax.set(xlabel="Threshold", ylabel="Share of the patients", xlim=(0, 0.6), ylim=(0, 1.02))
ax.set_title(f"{len(y)} simulated patients, {y.sum()} with a fracture", fontsize=11)
figure.legend(loc="outside lower center", ncols=2)
# sphinx_gallery_start_ignore
figure.suptitle(
    "As the threshold rises from 0 to 0.6 the sensitivity falls from one to zero and the "
    "specificity rises from zero to one; they cross near the chosen threshold, and at one half "
    "the sensitivity is about zero",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# Apply the threshold
# -------------------
# ``FixedThresholdClassifier`` applies a threshold chosen beforehand, which must come from other
# patients than those on which it is tested.

fixed = FixedThresholdClassifier(model, threshold=thresholds["at_least"]).fit(X, y)

# %%
# ``TunedThresholdClassifierCV`` chooses the threshold by cross-validation within the training
# part, here for the sum of sensitivity and specificity. Inside
# :func:`skdxa.evaluation.repeated_cross_validate` or ``cross_validate`` the scored fold does not
# affect the choice.


def youden(y_true, y_pred):
    return sensitivity_score(y_true, y_pred) + specificity_score(y_true, y_pred) - 1


tuned = TunedThresholdClassifierCV(model, scoring=make_scorer(youden), cv=5).fit(X, y)

# %%
# The three thresholds on another 300 simulated patients. Their sensitivity and specificity differ
# from those in the first patients, because both are estimated from few fractures:

others = make_spine_cohort(300, random_state=1)
X_new, y_new = others.data[X.columns], others.target["fracture_ever"].astype(int)
pd.DataFrame(
    {
        name: {
            "threshold": threshold,
            "sensitivity": sensitivity_score(y_new, classifier.predict(X_new)),
            "specificity": specificity_score(y_new, classifier.predict(X_new)),
        }
        for name, classifier, threshold in (
            ("one half", FixedThresholdClassifier(model, threshold=0.5).fit(X, y), 0.5),
            ("at least 60 %", fixed, thresholds["at_least"]),
            ("tuned", tuned, tuned.best_threshold_),
        )
    }
).T.round(3)
