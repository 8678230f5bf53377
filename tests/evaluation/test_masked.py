"""Masked labels and scores, whose masks NumPy drops in silence."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from skdxa.evaluation import (
    Folds,
    conformal_p_values,
    external_test,
    repeated_cross_validate,
    sensitivity_score,
)

Y = np.tile([0, 1], 20)
SCORE = np.linspace(0, 1, 40)
MASK = np.arange(40) == 3


def masked(values):
    return np.ma.masked_array(values, mask=MASK)


def test_masked_labels_are_missing():
    with pytest.raises(
        ValueError, match="y is missing for 1 of 40 scans, the first in position 3"
    ):
        Folds.draw(masked(Y), n_splits=2)
    with pytest.raises(ValueError, match="y_true is missing for 1 of 40 scans"):
        sensitivity_score(masked(Y), Y)
    with pytest.raises(ValueError, match="y_pred is missing for 1 of 40 scans"):
        sensitivity_score(Y, masked(Y))


def test_masked_labels_are_not_scored():
    result = Folds.draw(Y, n_splits=2, n_repeats=1, random_state=0).with_scores(SCORE)
    y = np.where(MASK, np.nan, Y)
    assert result.summary(masked(Y), interval="delong").equals(
        result.summary(y, interval="delong")
    )
    assert result.frame(masked(Y))["y"].isna().sum() == 1


def test_masked_labels_to_stratify_by_are_a_stratum():
    strata = masked(np.tile([0, 1, 1, 0], 10))
    with pytest.raises(ValueError, match=r"fewer scans .* have the label"):
        Folds.draw(Y, stratify=strata, n_splits=2)


def test_masked_scores_are_missing():
    folds = Folds.draw(Y, n_splits=2, n_repeats=1, random_state=0)
    with pytest.raises(ValueError, match="scores must be finite; 1 are not"):
        folds.with_scores(masked(SCORE))
    with pytest.raises(ValueError, match="finite"):
        conformal_p_values(Y, masked(SCORE), [0.5])


def test_masked_labels_are_missing_for_any_splitter():
    with pytest.raises(ValueError, match="y is missing for 1 of 40 scans"):
        Folds.from_splitter(KFold(2), masked(Y))


def test_masked_values_of_a_table_are_missing():
    X = np.ma.masked_array(
        np.column_stack([SCORE, SCORE]), mask=[[False, True]] + [[False] * 2] * 39
    )
    with pytest.raises(ValueError, match="NaN"):
        repeated_cross_validate(
            LogisticRegression(), X, Y, n_splits=2, n_repeats=1, progress=False
        )
    model = LogisticRegression().fit(X.data, Y)
    with pytest.raises(ValueError, match="NaN"):
        external_test([model], X, Y)
