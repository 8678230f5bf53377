"""A cohort with fractures, and the models of the fracture study computed independently."""

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Bunch

from skdxa._sklearn import NO_PENALTY

SPINE, HIP, MIN = (
    "Spine T-score (min L1-L4)",
    "Hip T-score (min neck/total)",
    "Min T-score (min spine/hip)",
)
TBS, CLINICAL = "TBS (avg L1-L4)", "Min T-score + TBS + age"
WITHOUT = [SPINE, HIP, MIN, "Age", TBS, CLINICAL]
WITH = [
    "Deep learning",
    *WITHOUT,
    "Spine T-score + deep learning",
    "Min T-score + deep learning",
    "Deep learning + TBS",
]
VARIABLES = {
    "Deep learning": ["deep_learning"],
    SPINE: ["spine"],
    HIP: ["hip"],
    MIN: ["min"],
    "Age": ["age"],
    TBS: ["tbs"],
    CLINICAL: ["min", "tbs", "age"],
    "Spine T-score + deep learning": ["spine", "deep_learning"],
    "Min T-score + deep learning": ["min", "deep_learning"],
    "Deep learning + TBS": ["deep_learning", "tbs"],
}
OPTIONS = {"n_splits": 4, "n_repeats": 3, "random_state": 0}


def make_cohort(n=240, seed=0):
    """Return a cohort, its index from 1000; every fifth scan's 5-year label is unknown."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"age": rng.normal(68, 3, n).round(1)}, index=np.arange(n) + 1000)
    risk = rng.normal(size=n)
    for number in range(1, 5):
        data[f"bmd_L{number}"] = (0.95 - 0.08 * risk + rng.normal(0, 0.1, n)).round(3)
    data["bmd_neck"] = (0.80 - 0.05 * risk + rng.normal(0, 0.1, n)).round(3)
    data["bmd_total_hip"] = (0.90 - 0.05 * risk + rng.normal(0, 0.1, n)).round(3)
    data["tbs"] = (1.25 - 0.04 * risk + rng.normal(0, 0.1, n)).round(3)
    ever = risk + rng.normal(0, 1.5, n) > 0.6
    soon = ever & (rng.uniform(size=n) < 0.5)
    target = pd.DataFrame({"fracture_ever": ever, "fracture_5y": soon}, index=data.index)
    target = target.astype(float)
    target.iloc[::5, 1] = np.nan
    return Bunch(data=data, target=target, groups=np.arange(n), truth=risk)


def risk_columns(cohort, cnn=None):
    """Compute the predictors independently; higher is worse."""
    bmd = cohort.data
    spine = (1.20 - bmd[[f"bmd_L{number}" for number in range(1, 5)]].min(axis=1)) / 0.12
    hip = (0.98 - bmd[["bmd_neck", "bmd_total_hip"]].min(axis=1)) / 0.12
    columns = {
        "spine": spine,
        "hip": hip,
        "min": np.maximum(spine, hip),
        "tbs": -bmd["tbs"],
        "age": bmd["age"],
    }
    if cnn is not None:
        columns["deep_learning"] = cnn
    # Equal T-scores are ties, which floating-point errors would break.
    return pd.DataFrame(columns).round(9)


def labels(cohort):
    """Return the labels trained on, those scored on, and where the latter are known."""
    target = cohort.target
    scored_y = target["fracture_5y"].to_numpy()
    return target["fracture_ever"].to_numpy(), scored_y, ~np.isnan(scored_y)


def logit_model(X, y):
    """Fit a logistic model without a penalty."""
    return LogisticRegression(C=NO_PENALTY, tol=1e-10, max_iter=1000).fit(X, y)


def out_of_fold(X, y, fold, scored_y=None):
    """Return the probability by the other folds' model; the 5-year risk if `scored_y` is given."""
    X = (X - X.mean()).to_numpy() / X.std().to_numpy()
    found = np.zeros(len(y))
    for test in (fold == number for number in range(fold.max() + 1)):
        score = X[:, 0]
        if X.shape[1] > 1:
            score = logit_model(X[~test], y[~test]).decision_function(X)
        if scored_y is not None:
            use = ~test & ~np.isnan(scored_y)
            score = logit_model(score[use, None], scored_y[use]).decision_function(score[:, None])
        found[test] = expit(score[test])
    return found


def fold_of(result, repeat):
    """Return the fold of each scan in one repeat."""
    scores = result.scores[result.scores["repeat"] == repeat].sort_values("row")
    return scores["fold"].to_numpy()
