import numpy as np
import pandas as pd
import pytest

from skdxa.classification import StratifiedPatientKFold
from skdxa.exceptions import CohortError


def make_table(n_patients=40):
    """Two rows a patient, both of the same class, in random order."""
    rng = np.random.default_rng(0)
    order = rng.permutation(2 * n_patients)
    patient = np.repeat(np.arange(n_patients), 2)[order]
    X = pd.DataFrame({"patient": [f"P{number}" for number in patient]})
    return X.set_index(np.arange(1000, 1000 + len(X))), patient % 2


def test_without_the_column_patients_are_torn_apart():
    """Only the column keeps them together: the folds that scikit-learn makes by itself do not."""
    X, y = make_table()
    for group_column, apart in ((None, True), ("patient", False)):
        splitter = StratifiedPatientKFold(4, group_column=group_column, random_state=0)
        for train, test in splitter.split(X, y):
            both = set(X["patient"].iloc[train]) & set(X["patient"].iloc[test])
            assert bool(both) == apart


@pytest.mark.parametrize("group_column", [None, "patient"])
def test_inner_folds_are_stratified_shuffled_and_seeded(group_column):
    X, y = make_table()
    y = np.where(np.arange(len(y)) % 4 == 0, 1, 0)

    def folds(seed):
        splitter = StratifiedPatientKFold(4, group_column=group_column, random_state=seed)
        assert splitter.get_n_splits() == 4
        return [test for _, test in splitter.split(X, y)]

    first = folds(0)
    assert sorted(np.concatenate(first)) == list(range(len(y)))
    for one, again in zip(first, folds(0), strict=True):
        np.testing.assert_array_equal(one, again)
    assert any(set(one) != set(other) for one, other in zip(first, folds(1), strict=True))
    assert any(np.ptp(test) > len(test) for test in first)
    for test in first:
        assert y[test].mean() == pytest.approx(y.mean(), abs=0.11)


def test_mistakes_are_named():
    X, y = make_table(6)
    gap = X.assign(patient=X["patient"].where(X.index != 1002))
    for splitter, table, kind, message in (
        (
            StratifiedPatientKFold(4, group_column="patient"),
            X,
            ValueError,
            "3 patients to train on, fewer than the 4 inner folds",
        ),
        (
            StratifiedPatientKFold(7),
            X,
            ValueError,
            "6 scans to train on, fewer than the 7 inner folds",
        ),
        (
            StratifiedPatientKFold(2, group_column="person"),
            X,
            CohortError,
            "no column 'person'",
        ),
        (
            StratifiedPatientKFold(2, group_column="patient"),
            gap,
            CohortError,
            r"states no patient for 1 of 12 rows.*index 1002",
        ),
    ):
        with pytest.raises(kind, match=message):
            next(splitter.split(table, y))
