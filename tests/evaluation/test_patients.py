"""Patients with several scans reach every inner split, or the split is named in a warning."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdxa.classification import SpineCNNClassifier, make_stack
from skdxa.evaluation import (
    INTERVALS,
    compare,
    half_sampling_interval,
    repeated_cross_validate,
)
from skdxa.preprocessing import SpineCropper

N = 48
Y = np.repeat(np.tile([0, 1], N // 4), 2)
PATIENTS = np.repeat(np.arange(N // 2), 2)
X = np.random.default_rng(0).normal(size=(N, 3)) + Y[:, None]


class Spy(ClassifierMixin, BaseEstimator):
    """Notes the patients on which it is trained and those that it scores."""

    fits = ()
    scored = ()

    def __init__(self, C=1.0):
        self.C = C

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.trained_on_ = set(X[:, 0].tolist())
        return self

    def predict_proba(self, X):
        type(self).scored = [*type(self).scored, (self.trained_on_, set(X[:, 0].tolist()))]
        return np.tile([0.4, 0.6], (len(X), 1))

    def predict(self, X):
        return self.classes_[self.predict_proba(X)[:, 1].round().astype(int)]


def by_patient():
    return np.column_stack([PATIENTS, X])


def validate(estimator, X=X, **settings):
    return repeated_cross_validate(
        estimator,
        X,
        Y,
        groups=PATIENTS,
        n_splits=3,
        n_repeats=1,
        random_state=0,
        progress=False,
        **settings,
    )


def scored_apart():
    """Return whether no patient was scored by a model that had seen one of its scans."""
    pairs = [(trained, scored) for trained, scored in Spy.scored if trained != scored]
    assert pairs
    return all(not (trained & scored) for trained, scored in pairs)


def test_a_search_with_a_splitter_for_groups_gets_the_patients():
    Spy.scored = []
    search = GridSearchCV(Spy(), {"C": [1, 2]}, cv=StratifiedGroupKFold(2), refit=True)
    validate(search, by_patient())
    assert scored_apart()
    Spy.scored = []
    validate(make_pipeline("passthrough", search), by_patient())
    assert scored_apart()


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2), "GridSearchCV"),
        (CalibratedClassifierCV(LogisticRegression(), cv=2), "CalibratedClassifierCV"),
        (
            make_pipeline(StandardScaler(), CalibratedClassifierCV(LogisticRegression(), cv=2)),
            r"CalibratedClassifierCV \(calibratedclassifiercv\)",
        ),
    ],
)
def test_a_split_that_cannot_get_them_is_named(estimator, name):
    with pytest.warns(UserWarning, match=rf"Patients have several scans, and {name} cannot be"):
        validate(estimator)


def small_cnn(**settings):
    return SpineCNNClassifier(
        filters=(2,), dense_units=2, epochs=1, batch_size=48, random_state=0, **settings
    )


def test_the_networks_own_split_is_named_within_a_search():
    images = np.random.default_rng(0).normal(size=(N, 6, 5)) + Y[:, None, None]
    search = GridSearchCV(small_cnn(), {"l2": [0.1]}, cv=StratifiedGroupKFold(2))
    with pytest.warns(UserWarning, match=r"and SpineCNNClassifier \(estimator\) cannot"):
        validate(search, images)
    search.set_params(estimator__validation_fraction=0)
    validate(search, images)
    validate(make_pipeline(SpineCropper(6, 5), small_cnn()), images)


def test_the_column_of_patients_of_a_stack_is_known():
    import pandas as pd

    table = pd.DataFrame({"patient": PATIENTS, "age": X[:, 0], "tbs": X[:, 1]})
    stack = make_stack(ByColumn(), ["age"], cv=2, group_column="patient", random_state=0)
    validate(stack, table)
    with pytest.warns(UserWarning, match="StackingClassifier cannot"):
        validate(make_stack(ByColumn(), ["age"], cv=2, random_state=0), table)


class ByColumn(ClassifierMixin, BaseEstimator):
    """Scores by one column of a table."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return X["tbs"].to_numpy()

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


def test_metadata_routing_takes_them_wherever_they_are_requested():
    with sklearn.config_context(enable_metadata_routing=True):
        Spy.scored = []
        search = GridSearchCV(Spy(), {"C": [1, 2]}, cv=StratifiedGroupKFold(2))
        validate(search, by_patient())
        assert scored_apart()
        images = np.random.default_rng(0).normal(size=(N, 6, 5)) + Y[:, None, None]
        cnn = small_cnn().set_fit_request(groups=True)
        validate(GridSearchCV(cnn, {"l2": [0.1]}, cv=StratifiedGroupKFold(2)), images)
        with pytest.warns(UserWarning, match="CalibratedClassifierCV cannot"):
            validate(CalibratedClassifierCV(LogisticRegression(), cv=2))
        validate(LogisticRegression())


def test_no_warning_for_patients_with_one_scan_each():
    repeated_cross_validate(
        CalibratedClassifierCV(LogisticRegression(), cv=2),
        X,
        Y,
        groups=np.arange(N),
        n_splits=3,
        n_repeats=1,
        random_state=0,
        progress=False,
    )


def test_the_number_of_threads_is_recorded():
    folds = validate(LogisticRegression()).folds
    assert (folds["n_threads"] >= 1).all()


def paths(X, y, groups):
    """Return the width of the interval of the AUC, or of its difference, by every path."""
    run = {"n_splits": 5, "random_state": 0, "progress": False, "groups": groups}
    model = LinearDiscriminantAnalysis()
    full, part = (repeated_cross_validate(model, X[:, :n], y, n_repeats=3, **run) for n in (3, 1))
    tables = {name: full.summary(interval=name, random_state=0) for name in INTERVALS}
    tables["half"] = half_sampling_interval(model, X, y, result=full, n_draws=6, **run)
    found = {
        (name, metric): table.loc[metric, "high"] - table.loc[metric, "low"]
        for name, table in tables.items()
        for metric in ("auc", "accuracy")
        if name != "t"
    }
    for metric in ("auc", "accuracy", "brier"):
        ends = compare(full, part, metric=metric).interval
        found["compare", metric] = ends.high - ends.low
    return pd.Series(found)


def test_copies_of_scans_narrow_no_interval_if_their_patients_are_given():
    rng = np.random.default_rng(0)
    y = (np.arange(90) % 3 == 0).astype(int)
    X = rng.normal(size=(90, 3)) + np.outer(y, [0.5, 0.8, 0.3])
    thrice = np.repeat(np.arange(90), 3)
    once, by_patient, by_scan = (
        paths(X[rows], y[rows], groups)
        for rows, groups in ((np.arange(90), None), (thrice, thrice), (thrice, None))
    )
    assert (by_patient / once).min() > 0.8
    assert 0.9 < (by_patient / once).median() < 1.5
    assert (by_patient / by_scan).min() > 1.3
