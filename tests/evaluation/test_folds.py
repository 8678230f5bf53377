"""Folds: how they are drawn, and other scores judged on them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    TimeSeriesSplit,
    cross_val_score,
)

from skdxa.evaluation import Folds, compare, repeated_cross_validate


@pytest.fixture(scope="module")
def y():
    return np.random.default_rng(0).permutation(np.repeat(["healthy", "fracture"], [60, 25]))


def test_folds_are_those_of_scikit_learn(y):
    folds = Folds.draw(y, n_splits=4, n_repeats=3, random_state=5)
    kfold = RepeatedStratifiedKFold(n_splits=4, n_repeats=3, random_state=5)
    for number, (_, test) in enumerate(kfold.split(y, y)):
        repeat, fold = divmod(number, 4)
        np.testing.assert_array_equal(np.flatnonzero(folds.fold_of[repeat] == fold), test)
    assert repr(folds) == "Folds(3 repeats x 4 folds, 85 scans)"
    assert folds.classes.tolist() == ["fracture", "healthy"]
    assert folds.groups is None


def test_folds_of_patients_are_those_of_scikit_learn(y):
    groups = np.arange(85) // 2
    folds = Folds.draw(y, groups=groups, n_splits=4, n_repeats=2, random_state=5)
    generator = np.random.RandomState(5)
    for repeat in range(2):
        kfold = StratifiedGroupKFold(4, shuffle=True, random_state=generator)
        for fold, (_, test) in enumerate(kfold.split(y, y, groups)):
            np.testing.assert_array_equal(np.flatnonzero(folds.fold_of[repeat] == fold), test)


def test_cross_validation_uses_the_folds_that_are_drawn(y):
    X, groups = np.random.default_rng(1).normal(size=(85, 2)), np.arange(85) // 2
    both = pd.DataFrame({"ever": y, "soon": np.where(np.arange(85) % 2, np.nan, y == "fracture")})
    options = {"n_splits": 3, "n_repeats": 2, "random_state": 7}
    for choice in ({}, {"groups": groups}, {"stratify": both}):
        result = repeated_cross_validate(
            LogisticRegression(), X, y, progress=False, **choice, **options
        )
        drawn, used = Folds.draw(y, **choice, **options), result.fold_assignment
        np.testing.assert_array_equal(drawn.fold_of, used.fold_of)
        assert drawn.fold_of.dtype == used.fold_of.dtype == np.int32
        pd.testing.assert_frame_equal(
            used.table(), result.folds[["repeat", "fold", "n_train", "n_test"]]
        )
        np.testing.assert_array_equal(used.y, y)


def test_without_a_seed_folds_differ_and_a_generator_is_drawn_from(y):
    first, second = (Folds.draw(y, n_splits=3, n_repeats=1) for _ in range(2))
    assert not np.array_equal(first.fold_of, second.fold_of)
    first, second = (
        Folds.draw(y, n_splits=3, n_repeats=1, random_state=np.random.RandomState(1))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.fold_of, second.fold_of)


def test_scores_on_the_folds(y):
    folds = Folds.draw(y, n_splits=4, n_repeats=3, random_state=0)
    t_score = np.random.default_rng(2).normal(-2, 1, 85)
    result = folds.with_scores(-t_score)
    assert result.response_method == "decision_function"
    for repeat in range(3):
        np.testing.assert_array_equal(result.repeat_scores(repeat), -t_score)
    np.testing.assert_array_equal(result.fold_assignment.fold_of, folds.fold_of)
    metrics = result.fold_metrics()
    fold = (folds.fold_of[1] == 2).nonzero()[0]
    expected = roc_auc_score(y[fold] == "healthy", -t_score[fold])
    assert metrics.query("repeat == 1 and fold == 2")["auc"].item() == pytest.approx(expected)

    of_each = np.random.default_rng(3).random((3, 85))
    result = folds.with_scores(of_each, response_method="predict_proba")
    np.testing.assert_array_equal(result.repeat_scores(2), of_each[2])
    assert result.response_method == "predict_proba"
    assert result.folds.columns.tolist() == ["repeat", "fold", "n_train", "n_test"]


def test_scores_that_do_not_fit_are_refused(y):
    folds = Folds.draw(y, n_splits=4, n_repeats=3, random_state=0)
    with pytest.raises(ValueError, match=r"the shape \(85,\) or \(3, 85\), got \(2, 85\)\."):
        folds.with_scores(np.zeros((2, 85)))
    with pytest.raises(ValueError, match=r"scores must be finite; 2 are not\."):
        folds.with_scores([np.nan, np.inf, *np.zeros(83)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": []}, r"y must hold two labels, and is empty\."),
        ({"y": [0, 0, 0]}, r"y must hold two labels, got 1: 0\."),
        ({"y": [0, 1, np.nan]}, "y is missing for 1 of 3 scans, the first in position 2"),
        ({"groups": [1, 2]}, "the patient of each of 3 scans"),
        ({"groups": [1, None, 2]}, "groups is missing for 1 of 3 scans"),
        ({"fold_of": [0, 1, 0]}, r"shape \(n_repeats, 3\), got shape \(3,\)"),
        ({"fold_of": [[0, 1]]}, r"shape \(n_repeats, 3\), got shape \(1, 2\)"),
        ({"fold_of": [[0.0, 1.0, 0.0]]}, "whole numbers .* type float64"),
        ({"fold_of": [[0, 1, 1], [0, 0, 0]]}, "every repeat .* the same folds, counted from 0"),
        ({"fold_of": [[1, 2, 1]]}, "every repeat .* the same folds, counted from 0"),
        ({"fold_of": [[0, -1, 1]]}, "every repeat .* the same folds, counted from 0"),
    ],
)
def test_bad_folds_are_refused(change, message):
    folds = Folds([[0, 1, 1]], [0, 1, 0], ["a", "b", "c"])
    assert folds.fold_of.tolist() == [[0, 1, 1]]
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(folds, **change)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": np.arange(84)}, "y and groups must have the same rows, got 85 and 84"),
        ({"stratify": np.zeros((84, 2))}, "y and stratify must have the same rows"),
        ({"n_splits": 30}, r"fewer scans \(25\) have the label 'fracture', .* n_splits=30"),
        ({"n_splits": 1}, "The 'n_splits' parameter of Folds.draw"),
        ({"n_repeats": 0}, "The 'n_repeats' parameter"),
    ],
)
def test_folds_that_cannot_be_drawn_are_refused(y, arguments, message):
    with pytest.raises(ValueError, match=message):
        Folds.draw(y, **arguments)


def test_folds_of_a_splitter_are_its_own(y):
    cv = RepeatedKFold(n_splits=3, n_repeats=2, random_state=4)
    folds = Folds.from_splitter(cv, y)
    assert (folds.n_repeats, folds.n_folds) == (2, 3)
    for number, (_, test) in enumerate(cv.split(y)):
        repeat, fold = divmod(number, 3)
        np.testing.assert_array_equal(np.flatnonzero(folds.fold_of[repeat] == fold), test)
    splits = list(cv.split(y))
    np.testing.assert_array_equal(Folds.from_splitter(splits, y).fold_of, folds.fold_of)
    masks = [
        (np.isin(np.arange(85), train), np.isin(np.arange(85), test)) for train, test in splits
    ]
    np.testing.assert_array_equal(Folds.from_splitter(masks, y).fold_of, folds.fold_of)


def test_one_hospital_is_left_out_after_the_other(y):
    site = np.random.default_rng(0).choice(["Oulu", "Turku", "Vaasa"], 85, p=[0.6, 0.3, 0.1])
    patient = np.char.add(site, (np.arange(85) // 2).astype(str))
    folds = Folds.from_splitter(LeaveOneGroupOut(), y, groups=patient, cv_groups=site, n_repeats=2)
    np.testing.assert_array_equal(folds.fold_of, [np.unique(site, return_inverse=True)[1]] * 2)
    assert folds.groups.tolist() == patient.tolist()


def test_splitters_without_a_seed_are_seeded(y):
    cv = KFold(4, shuffle=True)
    first, second = (
        Folds.from_splitter(cv, y, n_repeats=2, random_state=3).fold_of for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first[0] != first[1]).any()
    assert cv.random_state is None
    assert (Folds.from_splitter(cv, y, n_repeats=2, random_state=4).fold_of != first).any()


def test_folds_are_a_splitter_of_scikit_learn(y):
    folds = Folds.draw(y, n_splits=3, n_repeats=2, random_state=0)
    X = np.random.default_rng(0).normal(size=(85, 2))
    assert folds.get_n_splits() == len(list(folds.split(X))) == 6
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=folds).fit(X, y)
    expected = cross_val_score(LogisticRegression(C=search.best_params_["C"]), X, y, cv=folds)
    assert search.best_score_ == pytest.approx(expected.mean())
    # Further scans would be in no part of any split.
    with pytest.raises(ValueError, match=r"X and the labels of the folds .* got 170 and 85"):
        next(folds.split(np.vstack([X, X])))


def test_folds_keep_their_patients_as_a_splitter(y):
    patient = np.arange(85) // 2
    folds = Folds.draw(y, groups=patient, n_splits=3, n_repeats=2, random_state=0)
    assert Folds.from_splitter(folds, y).groups.tolist() == patient.tolist()
    named = np.char.add("p", patient.astype(str))
    assert Folds.from_splitter(folds, y, groups=named).groups.tolist() == named.tolist()


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (
            ShuffleSplit(9, test_size=0.3, random_state=0),
            "split 1 tests position .* a second time",
        ),
        (TimeSeriesSplit(4), "in neither part of split 0"),
        (PredefinedSplit([-1, *[0] * 40, *[1] * 44]), "never tests position 0 .* in repeat 0"),
        (
            [(np.arange(85), np.arange(40))],
            "position 0 is in both parts of split 0 .40 positions in all",
        ),
        ([(np.arange(85), [])], "split 0 has no scan to test"),
        ([], "never tests position 0"),
        ([(np.arange(50), np.arange(50, 86))], "split 0 does not fit the 85 rows of y: index 85"),
        ([(np.ones(84, bool), np.zeros(84, bool))], "split 0 does not fit the 85 rows of y"),
    ],
)
def test_splitters_that_do_not_score_each_row_once_are_refused(y, cv, message):
    with pytest.raises(ValueError, match=message):
        Folds.from_splitter(cv, y)


def test_other_folds_that_a_splitter_must_not_make(y):
    rows = np.arange(85)
    thirds = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
    halves = [(rows[rows % 2 != k], rows[rows % 2 == k]) for k in range(2)]
    with pytest.raises(ValueError, match=r"different numbers of folds: \[3, 2\]"):
        Folds.from_splitter(thirds + halves, y)
    with pytest.raises(ValueError, match=r"patient 0 into two .* of 42 patients in all"):
        Folds.from_splitter(halves, y, groups=rows // 2)
    one_class = y == "healthy"
    with pytest.raises(ValueError, match="split 0 has a training part of one class"):
        Folds.from_splitter(LeaveOneGroupOut(), y, cv_groups=one_class)
    with pytest.raises(ValueError, match="cv_groups"):
        Folds.from_splitter(LeaveOneGroupOut(), y, cv_groups=np.where(one_class, 1, np.nan))
    with pytest.raises(ValueError, match="y and cv_groups must have the same rows"):
        Folds.from_splitter(LeaveOneGroupOut(), y, cv_groups=rows[1:])


def test_the_same_folds_in_another_order_are_the_same_folds():
    """Of three hospitals, each left out in turn, there are the same folds in every repeat."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    y = (X[:, 0] + rng.normal(size=90) > 0).astype(int)
    site = np.repeat(["A", "B", "C"], 30)
    run = {"cv_groups": site, "n_repeats": 8, "random_state": 0, "progress": False}
    found = {}
    for name, cv in (("left out", LeaveOneGroupOut()), ("drawn", GroupKFold(3, shuffle=True))):
        one, other = (
            repeated_cross_validate(LogisticRegression(), x, y, cv=cv, **run)
            for x in (X, X[:, 1:])
        )
        fold_of = one.fold_assignment.fold_of
        assert (fold_of == fold_of[0]).all()
        found[name] = [
            *one.summary().loc["auc", ["estimate", "low", "high"]],
            *one.summary(interval="corrected").loc["auc", ["low", "high"]],
            compare(one, other, interval="corrected").pvalue,
        ]
    assert found["drawn"] == pytest.approx(found["left out"])
    # As many patients as folds, each with scans of both labels.
    folds = Folds.draw(
        np.tile([0, 1], 50), groups=np.repeat(np.arange(10), 10), n_repeats=3, random_state=0
    )
    assert (folds.fold_of == folds.fold_of[0]).all()
    # Other folds keep their numbers.
    numbers = [[0, 1, 1, 0], [1, 0, 1, 0]]
    assert Folds(numbers, [0, 1, 0, 1]).fold_of.tolist() == numbers
    assert Folds([[0, 1, 1, 0], [1, 0, 0, 1]], [0, 1, 0, 1]).fold_of.tolist() == [[0, 1, 1, 0]] * 2
