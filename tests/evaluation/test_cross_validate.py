"""Repeated cross-validation: splits, seeds, patients, learning curves and models."""

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    LeaveOneGroupOut,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skdxa.evaluation import compare, repeated_cross_validate

SHORT = {"n_splits": 3, "n_repeats": 2, "random_state": 0, "progress": False}


class ImageClassifier(ClassifierMixin, BaseEstimator):
    """Scores an image by its brightness; keeps curves as a network does."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.middle_ = np.mean([np.mean(image) for image in X])
        self.history_ = {"loss": [3.0, 2.0, len(y)], "val_loss": [3.0, 1.0, 2.0]}
        self.best_epoch_ = 2
        return self

    def predict_proba(self, X):
        positive = 1 / (1 + np.exp(self.middle_ - np.array([np.mean(image) for image in X])))
        return np.column_stack([1 - positive, positive])


class ScanColumn(TransformerMixin, BaseEstimator):
    """Takes the scans out of a table, and remembers which rows it was fitted on."""

    def fit(self, X, y=None):
        self.rows_ = X.index.to_numpy()
        return self

    def transform(self, X):
        return list(X["scan"])


class MemorisedLabel(TransformerMixin, BaseEstimator):
    """Replaces a patient's number by the label that it was fitted with, else by 0.5."""

    def fit(self, X, y):
        self.label_ = dict(zip(X[:, 0], y, strict=True))
        return self

    def transform(self, X):
        return np.array([[self.label_.get(number, 0.5)] for number in X[:, 0]])


class Fixed(ClassifierMixin, BaseEstimator):
    """Returns given probabilities, or raises a given error."""

    def __init__(self, gives=None, history=None):
        self.gives = gives
        self.history = history

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.history is not None:
            self.history_ = self.history
        return self

    def predict_proba(self, X):
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives[: len(X)]


@pytest.fixture(scope="module")
def table():
    X, y = make_classification(97, n_features=4, weights=[0.7], flip_y=0.2, random_state=0)
    return pd.DataFrame(X, columns=list("abcd")), pd.Series(y, name="fracture_ever")


@pytest.fixture(scope="module")
def scans():
    rng = np.random.default_rng(0)
    y = np.tile([0, 0, 1], 14)
    return list(rng.normal(size=(42, 7, 9)) + 0.2 * y[:, None, None]), y


def scores_of(result, split):
    """Return the scores of one fold of one repeat."""
    scores = result.scores
    return scores[(scores["repeat"] == split[0]) & (scores["fold"] == split[1])]


def test_folds_and_scores_are_those_of_scikit_learn(table):
    X, y = table
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    found = repeated_cross_validate(pipeline, X, y, **(SHORT | {"n_splits": 4}))
    kfold = RepeatedStratifiedKFold(n_splits=4, n_repeats=2, random_state=0)
    for number, (train, test) in enumerate(kfold.split(X, y)):
        here = scores_of(found, divmod(number, 4))
        np.testing.assert_array_equal(here["row"], test)
        expected = cross_val_predict(
            pipeline, X, y, cv=_Once(train, test, len(y)), method="predict_proba"
        )
        np.testing.assert_array_equal(here["score"], expected[test, 1])
        line = found.folds.iloc[number]
        assert (line["n_train"], line["n_test"]) == (len(train), len(test))
    assert found.scores.columns.tolist() == ["repeat", "fold", "row", "score"]
    assert found.folds[["fit_time", "score_time"]].gt(0).all(axis=None)
    assert found.folds["best_epoch"].isna().all()
    assert found.histories.empty
    assert found.models == {}


class _Once:
    """A partition whose one part of interest comes first, for cross_val_predict."""

    def __init__(self, train, test, n_scans):
        self.train, self.test = train, test

    def split(self, X, y=None, groups=None):
        yield self.train, self.test
        yield self.test, self.train

    def get_n_splits(self, X=None, y=None, groups=None):
        return 2


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_any_number_of_jobs_gives_the_same_bits(table, backend):
    X, y = table
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(3))
    alone = repeated_cross_validate(forest, X, y, **SHORT)
    with joblib.parallel_config(backend=backend):
        together = repeated_cross_validate(forest, X, y, n_jobs=2, **SHORT)
    pd.testing.assert_frame_equal(alone.scores, together.scores, check_exact=True)


def test_each_fit_has_a_seed_of_its_own_unless_one_is_set(table):
    X, y = table

    def seeds(of_forest, **kwargs):
        forest = make_pipeline(StandardScaler(), RandomForestClassifier(1, random_state=of_forest))
        found = repeated_cross_validate(forest, X, y, return_models="all", **(SHORT | kwargs))
        return [model[-1].random_state for model in found.models.values()]

    drawn = seeds(None)
    assert len(set(drawn)) == 6
    assert drawn == seeds(None)
    assert not set(drawn) & set(seeds(None, random_state=1))
    assert seeds(5) == [5] * 6


def test_the_estimator_given_is_left_alone(table):
    forest = RandomForestClassifier(1)
    repeated_cross_validate(forest, *table, **SHORT)
    assert forest.random_state is None
    assert not hasattr(forest, "classes_")


def test_without_a_seed_runs_differ_and_a_generator_is_drawn_from(table):
    model = LogisticRegression()
    first, second = (
        repeated_cross_validate(model, *table, **(SHORT | {"random_state": None}))
        for _ in range(2)
    )
    assert not first.scores.equals(second.scores)
    first, second = (
        repeated_cross_validate(
            model, *table, **(SHORT | {"random_state": np.random.RandomState(1)})
        )
        for _ in range(2)
    )
    assert first.scores.equals(second.scores)


def test_scans_as_list_stack_and_column_give_the_same(scans):
    X, y = scans
    frame = pd.DataFrame({"age": 60.0, "scan": X}, index=np.arange(100, 142))
    pipeline = make_pipeline(ScanColumn(), ImageClassifier())
    found = [
        repeated_cross_validate(ImageClassifier(), X, pd.Series(y), **SHORT),
        repeated_cross_validate(ImageClassifier(), np.stack(X), y, **SHORT),
        repeated_cross_validate(pipeline, frame, y, **SHORT),
    ]
    assert found[0].scores.equals(found[1].scores)
    assert found[0].scores.equals(found[2].scores)


def test_preprocessing_is_fitted_on_the_training_folds_alone(scans):
    X, y = scans
    frame = pd.DataFrame({"scan": X})
    pipeline = make_pipeline(ScanColumn(), ImageClassifier())
    found = repeated_cross_validate(pipeline, frame, y, return_models="all", **SHORT)
    assert len(found.models) == 6
    for split, model in found.models.items():
        assert sorted([*model[0].rows_, *scores_of(found, split)["row"]]) == list(range(42))


def test_labels_memorised_in_training_are_of_no_use():
    y = np.tile([0, 1], 15)
    patients = np.arange(30.0).reshape(-1, 1)
    pipeline = make_pipeline(MemorisedLabel(), LogisticRegression())
    assert roc_auc_score(y, pipeline.fit(patients, y).predict_proba(patients)[:, 1]) == 1
    found = repeated_cross_validate(pipeline, patients, y, **SHORT)
    assert (found.fold_metrics()["auc"] == 0.5).all()


def test_a_patients_scans_are_never_split(table):
    X, y = table
    X, y = pd.concat([X, X], ignore_index=True), np.r_[y, y]
    groups = np.array([f"patient {number}" for number in [*range(97), *range(97)]])
    found = repeated_cross_validate(LogisticRegression(), X, y, groups=groups, **SHORT)
    folds = found.scores.assign(patient=groups[found.scores["row"]])
    assert (folds.groupby(["repeat", "patient"])["fold"].nunique() == 1).all()
    assert found.scores.groupby("repeat")["row"].apply(sorted).map(len).eq(194).all()
    first, second = (found.scores.query("repeat == @r").sort_values("row")["fold"] for r in (0, 1))
    assert not np.array_equal(first, second)
    # The splits are those of scikit-learn.
    kfold = StratifiedGroupKFold(3, shuffle=True, random_state=0)
    test = next(kfold.split(X, y, groups))[1]
    np.testing.assert_array_equal(scores_of(found, (0, 0))["row"], test)


def test_one_warning_lists_patients_that_look_alike(table):
    X, y = table
    groups = ["a7", "A7", *(f"b{number // 2}" for number in range(95))]
    with pytest.warns(UserWarning, match="'A7' and 'a7'") as caught:
        found = repeated_cross_validate(LogisticRegression(), X, y, groups=groups, **SHORT)
    assert len(caught) == 1
    assert found.groups.tolist() == groups


def test_a_sparse_table(table):
    X, y = table
    found = repeated_cross_validate(LogisticRegression(), sparse.csr_array(X), y, **SHORT)
    expected = repeated_cross_validate(LogisticRegression(), X, y, **SHORT)
    np.testing.assert_allclose(found.scores["score"], expected.scores["score"], atol=1e-4)


def test_patients_with_one_scan_each_make_no_difference(table):
    X, y = table
    found = repeated_cross_validate(LogisticRegression(), X, y, groups=X.index, **SHORT)
    assert found.scores.equals(repeated_cross_validate(LogisticRegression(), X, y, **SHORT).scores)


def test_folds_keep_the_shares_of_two_labels_and_of_the_unknown(table):
    X, y = table
    scored_y = pd.Series(np.where(y == 1, np.tile([1, 0, 0], 33)[:97], 0.0), name="fracture_5y")
    scored_y[::8] = np.nan
    found = repeated_cross_validate(
        LogisticRegression(), X, y, stratify=pd.concat([y, scored_y], axis=1), **SHORT
    )
    frame = found.frame(scored_y)
    for label in (0, 1):
        count = (frame["y"] == label).groupby([frame["repeat"], frame["fold"]]).sum()
        assert count.max() - count.min() <= 2
    unknown = frame["y"].isna().groupby([frame["repeat"], frame["fold"]]).sum()
    assert unknown.max() - unknown.min() <= 2
    single = repeated_cross_validate(LogisticRegression(), X, y, stratify=y, **SHORT)
    assert single.scores.equals(
        repeated_cross_validate(LogisticRegression(), X, y, **SHORT).scores
    )


@pytest.mark.parametrize("labels", [("healthy", "scoliosis"), (False, True), (1.0, 2.0)])
def test_any_two_labels(table, labels):
    X, y = table
    expected = repeated_cross_validate(LogisticRegression(), X, y, **SHORT)
    found = repeated_cross_validate(
        LogisticRegression(), X, y.map(dict(enumerate(labels))), **SHORT
    )
    assert found.scores.equals(expected.scores)
    assert found.classes.tolist() == list(labels)
    assert found.summary().equals(expected.summary())
    # Other labels may be given either way.
    assert found.summary(y).equals(expected.summary())


def test_values_of_a_decision_function(table):
    X, y = table
    found = repeated_cross_validate(RidgeClassifier(), X, y, return_models="all", **SHORT)
    assert found.response_method == "decision_function"
    (split, model), *_ = found.models.items()
    rows = scores_of(found, split)
    np.testing.assert_array_equal(rows["score"], model.decision_function(X.iloc[rows["row"]]))
    called = model.predict(X.iloc[rows["row"]])
    expected = np.mean(called == y.iloc[rows["row"]])
    assert found.fold_metrics().loc[0, "accuracy"] == expected


def test_learning_curves_of_a_final_step(scans):
    X, y = scans
    frame = pd.DataFrame({"scan": X})
    pipeline = make_pipeline(ScanColumn(), ImageClassifier())
    search = GridSearchCV(pipeline, {}, cv=2, scoring="roc_auc")
    for estimator in (pipeline, search):
        found = repeated_cross_validate(estimator, frame, y, **SHORT)
        assert (found.folds["best_epoch"] == 2).all()
        assert found.histories.columns.tolist() == ["repeat", "fold", "epoch", "loss", "val_loss"]
        assert len(found.histories) == 6 * 3
        last = found.histories.query("repeat == 1 and fold == 2 and epoch == 3")
        assert last["loss"].item() == found.folds["n_train"].iloc[-1]


@pytest.mark.parametrize(
    "history", [[1, 2], {"loss": [1.0], "val_loss": [1.0, 2.0]}, {"loss": 1.0}, {}]
)
def test_histories_of_another_kind_are_left_out(table, history):
    fixed = Fixed(np.full((97, 2), 0.5), history)
    assert repeated_cross_validate(fixed, *table, **SHORT).histories.empty


def test_models_of_the_median_repeat(table):
    X, y = table
    kwargs = SHORT | {"n_repeats": 3}
    found = repeated_cross_validate(
        RandomForestClassifier(3), X, y, return_models="median", **kwargs
    )
    assert list(found.models) == [(found.median_repeat(), fold) for fold in range(3)]
    for split, model in found.models.items():
        rows = scores_of(found, split)
        np.testing.assert_array_equal(
            rows["score"], model.predict_proba(X.iloc[rows["row"]])[:, 1]
        )


def test_parameters_of_fit_are_split_like_y(table):
    X, y = table
    weight = np.where(np.arange(97) < 50, 1.0, 0.0)
    weighted, plain = (
        repeated_cross_validate(LogisticRegression(), X, y, params=params, **SHORT)
        for params in ({"sample_weight": weight}, None)
    )
    assert not weighted.scores.equals(plain.scores)


def test_progress_is_shown_on_stderr(table, capfd):
    repeated_cross_validate(LogisticRegression(), *table, **(SHORT | {"progress": True}))
    shown = capfd.readouterr()
    assert "2 x 3 folds: 100%" in shown.err
    assert "6/6" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("gives", "kind", "message"),
    [
        (KeyError("bmd_L1"), RuntimeError, r"repeat 0, fold 0: KeyError: 'bmd_L1'"),
        (ValueError("a bad scan"), ValueError, r"repeat 0, fold 0: ValueError: a bad scan"),
        (np.full((97, 2), np.nan), ValueError, r"repeat 0, fold 0: .* gave nan for 33 of 33"),
        (np.full((97, 3), 0.3), ValueError, r"gave shape \(33, 3\) for 33 scans, not \(33, 2\)"),
    ],
)
def test_the_failure_of_a_fold_names_it(table, gives, kind, message):
    with pytest.raises(kind, match=message) as caught:
        repeated_cross_validate(Fixed(gives), *table, **SHORT)
    assert caught.value.__cause__ is not None


def test_the_failure_of_a_fold_in_another_process_names_it(table):
    with pytest.raises(ValueError, match=r"repeat \d, fold \d: ValueError: a bad scan"):
        repeated_cross_validate(Fixed(ValueError("a bad scan")), *table, n_jobs=2, **SHORT)


def test_unknown_labels_are_refused(table):
    X, y = table
    y = y.astype(float)
    y[[4, 7]] = np.nan
    message = r"y is missing for 2 of 97 scans, the first in position 4 \(counted from 0\)"
    for labels in (y, y.astype("Int64"), y.map({0.0: "no", 1.0: "yes"})):
        with pytest.raises(ValueError, match=message):
            repeated_cross_validate(LogisticRegression(), X, labels, **SHORT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(97)}, r"y must hold two labels, got 1: 0.0"),
        ({"y": np.arange(97)}, r"y must hold two labels, got 97: 0, 1, 2, 3, 4, \.\.\."),
        (
            {"y": np.arange(97) < 2},
            r"fewer scans \(2\) have the label True, as at position 0, than n_splits=3",
        ),
        ({"y": np.zeros(96)}, "X and y must have the same rows, got 97 and 96"),
        ({"groups": [None, *range(96)]}, "groups is missing for 1 of 97 scans"),
        (
            {"groups": np.arange(97) // 49},
            r"fewer patients \(2\) have the label \d, as at position \d, than n_splits=3",
        ),
        (
            {"stratify": np.c_[np.arange(97) < 1, np.zeros(97)]},
            r"fewer scans \(1\) have the label \[1.0, 0.0\], as at position 0",
        ),
        ({"y": pd.Series(np.tile([0, 1], 49)[:97], index=range(1, 98))}, "different indices"),
        ({"n_splits": 1}, "The 'n_splits' parameter of repeated_cross_validate must be an int"),
        ({"return_models": "best"}, "The 'return_models' parameter"),
    ],
)
def test_bad_input_is_refused(table, change, message):
    X, y = table
    arguments = {"X": X, "y": y, **SHORT, **change}
    with pytest.raises(ValueError, match=message):
        repeated_cross_validate(LogisticRegression(), **arguments)


def test_an_estimator_without_scores_is_refused(table):
    class Labels(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            return self

    with pytest.raises(ValueError, match="Labels has neither predict_proba nor decision_function"):
        repeated_cross_validate(Labels(), *table, **SHORT)


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (SVC(), "decision_function"),
        (StackingClassifier([("tree", DecisionTreeClassifier(max_depth=2))]), "predict_proba"),
    ],
)
def test_the_way_to_score_is_that_of_the_fitted_estimator(table, estimator, method):
    assert repeated_cross_validate(estimator, *table, **SHORT).response_method == method


def test_a_training_part_of_one_class_is_refused():
    # Stratified by another label, all positives may lie in one fold.
    y = np.r_[np.ones(3), np.zeros(9)]
    kwargs = {"n_splits": 3, "n_repeats": 30, "random_state": 0, "progress": False}
    with pytest.raises(ValueError, match=r"has a training part of one class: use fewer folds"):
        repeated_cross_validate(
            LogisticRegression(), np.zeros((12, 1)), y, stratify=np.tile([0, 1], 6), **kwargs
        )


class GroupSpy(ClassifierMixin, BaseEstimator):
    """A classifier that keeps the patients it was given."""

    def fit(self, X, y, groups=None):
        self.classes_ = np.unique(y)
        self.groups_ = groups
        return self

    def predict_proba(self, X):
        return np.tile([0.4, 0.6], (len(X), 1))


def test_patients_reach_the_classifiers_own_split():
    y = np.tile([0, 0, 1, 1], 6)
    X, groups = np.zeros((24, 2)), np.repeat(np.arange(12), 2)
    for model in (GroupSpy(), make_pipeline(StandardScaler(), GroupSpy())):
        result = repeated_cross_validate(
            model,
            X,
            y,
            groups=groups,
            n_splits=3,
            n_repeats=1,
            random_state=0,
            return_models="all",
            progress=False,
        )
        for (_, fold), fitted in result.models.items():
            spy = fitted[-1] if hasattr(fitted, "steps") else fitted
            out_of = set(groups[result.scores.loc[result.scores["fold"] == fold, "row"]])
            assert set(spy.groups_) == set(groups) - out_of


def test_one_hospital_left_out_at_a_time():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1, 0], 30)
    X, site = (
        rng.normal(size=(90, 2)) + y[:, np.newaxis],
        np.repeat(["Oulu", "Turku", "Vaasa"], 30),
    )
    run = {"groups": np.arange(90) // 2, "cv": LeaveOneGroupOut(), "cv_groups": site}
    run |= {"random_state": 0, "progress": False}
    result = repeated_cross_validate(LogisticRegression(), X, y, **run)
    assert (result.n_repeats, result.n_folds) == (1, 3)
    for fold, name in enumerate(["Oulu", "Turku", "Vaasa"]):
        model = LogisticRegression().fit(X[site != name], y[site != name])
        expected = model.predict_proba(X[site == name])[:, 1]
        np.testing.assert_allclose(result.repeat_scores(0)[site == name], expected)
        assert result.folds["n_train"][fold] == 60
    twice = repeated_cross_validate(LogisticRegression(), X, y, n_repeats=2, **run)
    assert np.isnan(twice.stability()).all()
    # The models are the same in both repeats, and so is what they tell.
    ends = ["estimate", "low", "high", "n_folds"]
    for interval in ("stability", "corrected", "t"):
        pd.testing.assert_frame_equal(
            twice.summary(interval=interval)[ends], result.summary(interval=interval)[ends]
        )
    both = [
        compare(found, found.fold_assignment.with_scores(X[:, 0])) for found in (result, twice)
    ]
    assert both[0] == both[1]


def test_a_generator_of_splits_is_used_once():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), np.tile([0, 1], 20)
    splits = StratifiedKFold(4).split(X, y)
    result = repeated_cross_validate(LogisticRegression(), X, y, cv=splits, progress=False)
    assert (result.n_repeats, result.n_folds) == (1, 4)


def test_folds_that_contradict_a_splitter_are_refused():
    X, y = np.random.default_rng(0).normal(size=(40, 2)), np.tile([0, 1], 20)
    for choice, message in (
        ({"n_splits": 5}, "n_splits has no effect with cv"),
        ({"stratify": y}, "stratify has no effect with cv"),
    ):
        with pytest.raises(ValueError, match=message):
            repeated_cross_validate(LogisticRegression(), X, y, cv=StratifiedKFold(4), **choice)
    with pytest.raises(ValueError, match="cv_groups are the groups of a splitter"):
        repeated_cross_validate(LogisticRegression(), X, y, cv_groups=y)
