"""Cohorts and a model with which a whole study takes seconds."""

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skdxa.evaluation import Folds

ROWS, COLUMNS = 71, 113


class Cells(TransformerMixin, BaseEstimator):
    """Means of 6 x 5 cells in the middle of each scan."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        scans = [np.nan_to_num(scan)[5:65, 31:81] for scan in X["scan"]]
        return np.stack(scans).reshape(-1, 6, 10, 5, 10).mean(axis=(2, 4)).reshape(-1, 30)


def cheap_model():
    """Return a classifier of scans that is fitted in milliseconds."""
    return make_pipeline(Cells(), StandardScaler(), LogisticRegression(C=0.1))


def small_cohort(n=90, *, seed=0, effect=0.25):
    """Return patients with small scans, in whose middle the labels can be seen.

    Bones differ from patient to patient, in a random field as fine as vertebrae are.
    """
    rng = np.random.default_rng(seed)
    positive = rng.random((4, n)) < np.array([[0.3], [0.45], [0.35], [0.25]])
    scans = []
    for patient in range(n):
        field = gaussian_filter(rng.normal(size=(ROWS, COLUMNS)), 3)
        scan = 1 + 0.2 * field / field.std()
        scan[:, 50:62] += 0.4
        scan[10:30, 40:70] += effect * positive[0, patient]
        scan[40:60, 40:70] += effect * positive[1, patient]
        scan[30:40, 40:70] += effect / 2 * positive[2, patient]
        scans.append(scan.astype(np.float32))
    data = pd.DataFrame(
        {
            "scan": pd.Series(scans, dtype=object),
            "age": rng.normal(68, 3, n).round(1),
            "sex": np.where(rng.random(n) < 0.8, "F", "M"),
            **{f"bmd_L{level}": rng.normal(0.95, 0.15, n) for level in range(1, 5)},
            "bmd_neck": rng.normal(0.85, 0.1, n),
            "bmd_total_hip": rng.normal(0.9, 0.1, n),
            "tbs": rng.normal(1.25, 0.1, n),
        }
    )
    names = ["scoliosis", "unreliable", "fracture_ever"]
    target = pd.DataFrame(positive[:3].T.astype(float), columns=names)
    target["fracture_5y"] = (positive[2] & (rng.random(n) < 0.6)).astype(float)
    target.loc[rng.random(n) < 0.1, "fracture_5y"] = np.nan
    ratings = pd.DataFrame(
        {
            f"{name}_r{rater}": np.where(rng.random(n) < 0.1, 1 - target[name], target[name])
            for name in names[:2]
            for rater in (1, 2)
        }
    )
    return Bunch(
        data=data,
        target=target,
        groups=np.arange(n),
        ratings=ratings,
        spacing_mm=(1.05, 0.60),
        excluded=pd.DataFrame(
            {
                "row": [2],
                "scan": ["b.npy"],
                "reason": ["b.npy: the file is empty."],
                "kind": ["empty"],
            }
        ),
        simulated=False,
        DESCR=f"Cohort of {n} scans of {n} patients",
    )


def folds_of(cohort, n_splits=3, n_repeats=1):
    """Return folds of scoliosis that are always the same."""
    y = cohort.target["scoliosis"].astype(int)
    return Folds.draw(y, n_splits=n_splits, n_repeats=n_repeats, random_state=0).fold_of
