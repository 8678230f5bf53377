"""Hyperband: its brackets, scikit-learn's conventions, and trainings that go on."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from scipy.stats import loguniform, uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdxa.classification import (
    PAPER_SEARCH_SPACE,
    HyperbandSearchCV,
    SpineCNNClassifier,
    hyperband_table,
)
from skdxa.evaluation import repeated_cross_validate

X, Y = make_classification(90, n_features=7, random_state=0)
# Folds of one class are too small for the network's own split, so that it has none here.
IMAGES = np.random.default_rng(0).normal(size=(36, 9, 7)).astype(np.float32)
LABELS = np.tile([0, 1], 18)
IMAGES += 0.4 * LABELS[:, None, None]


class Scored(ClassifierMixin, BaseEstimator):
    """Scores what its parameters say: `quality`, or as good as all others after few epochs."""

    def __init__(self, quality=0.0, epochs=1, telling=1, fails=False):
        self.quality = quality
        self.epochs = epochs
        self.telling = telling
        self.fails = fails

    def fit(self, X, y):
        if self.fails:
            raise ValueError("no such setting")
        self.classes_ = np.unique(y)
        return self

    def score(self, X, y):
        return self.quality * (self.epochs >= self.telling)


def rounds(table, bracket):
    rows = table[table["bracket"] == bracket]
    return list(zip(rows["n_candidates"], rows["n_resources"], strict=True))


def sgd_search(**settings):
    settings = {"max_resource": 9, "cv": 3, "random_state": 0, **settings}
    return HyperbandSearchCV(
        SGDClassifier(tol=None), {"alpha": loguniform(1e-6, 1e1)}, resource="max_iter", **settings
    )


def cnn_search(estimator=None, space=None, **settings):
    estimator = estimator or SpineCNNClassifier(
        filters=(2,), dense_units=3, validation_fraction=0.25, batch_size=8
    )
    space = space or {"learning_rate": loguniform(1e-3, 1e-1), "dropout": uniform(0, 0.6)}
    settings = {
        "max_resource": 4,
        "eta": 2,
        "cv": StratifiedKFold(2),
        "random_state": 1,
        "scoring": "roc_auc",
        **settings,
    }
    return HyperbandSearchCV(estimator, space, **settings)


def scores_of(search):
    names = [name for name in search.cv_results_ if "time" not in name]
    return {name: np.asarray(search.cv_results_[name]).tolist() for name in names}


def test_brackets_of_the_paper():
    table = hyperband_table(81, eta=3)
    assert table["bracket"].unique().tolist() == [4, 3, 2, 1, 0]
    # Resources and rounds of table 1 for R = 81; the numbers at the start of the brackets are
    # those of algorithm 1: ceil(5 / (s + 1) * 3 ** s).
    assert rounds(table, 4) == [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]
    assert rounds(table, 3) == [(34, 3), (11, 9), (3, 27), (1, 81)]
    assert rounds(table, 2) == [(15, 9), (5, 27), (1, 81)]
    assert rounds(table, 1) == [(8, 27), (2, 81)]
    assert rounds(table, 0) == [(5, 81)]
    assert table["iter"].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 0, 1, 2, 0, 1, 0]


@pytest.mark.parametrize(("eta", "power"), [(3, 5), (5, 3), (10, 3), (2, 29)])
def test_whole_powers_have_all_their_brackets(eta, power):
    # log(243) / log(3) is 4.999999999999999 in floating point.
    assert hyperband_table(eta**power, eta=eta)["bracket"].max() == power
    assert hyperband_table(eta**power - 1, eta=eta)["bracket"].max() == power - 1


def test_costs():
    table = hyperband_table(9, eta=3, n_splits=5)
    assert (table["cost"] == 5 * table["n_candidates"] * table["n_resources"]).all()
    # The one that is left after 3 epochs trains 6 more.
    assert table.query("bracket == 2")["cost_warm"].tolist() == [45, 30, 30]
    assert table.query("iter == 0")["cost"].equals(table.query("iter == 0")["cost_warm"])


def test_smallest_resource_and_uneven_eta():
    assert rounds(hyperband_table(100, min_resource=10, eta=3), 2) == [(9, 11), (3, 33), (1, 100)]
    assert rounds(hyperband_table(6, eta=2.5), 1) == [(3, 2), (1, 6)]
    assert rounds(hyperband_table(7, min_resource=7), 0) == [(1, 7)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_resource": 3, "min_resource": 4}, "min_resource must not be above max_resource"),
        ({"eta": 1.5}, "'eta' parameter"),
        ({"max_resource": 0}, "'max_resource' parameter"),
    ],
)
def test_impossible_schedules_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        hyperband_table(**wrong)
    with pytest.raises(ValueError, match=message):
        sgd_search(**wrong).fit(X, Y)


def test_the_best_of_each_round_go_on():
    space = {"quality": uniform(0, 1)}
    search = HyperbandSearchCV(Scored(), space, max_resource=27, cv=3, random_state=0).fit(X, Y)
    results = search.cv_results_
    for bracket, planned in search.brackets_.groupby("bracket"):
        survivors = None
        for number, n_resources, n in planned[["iter", "n_resources", "n_candidates"]].to_numpy():
            here = (results["bracket"] == bracket) & (results["iter"] == number)
            assert (results["n_resources"][here] == n_resources).all()
            assert (results["param_epochs"][here] == n_resources).all()
            qualities = results["param_quality"][here].astype(float)
            assert len(qualities) == n
            if survivors is not None:
                assert qualities.tolist() == survivors[:n]
            survivors = sorted(qualities, reverse=True)
    assert search.best_score_ == pytest.approx(results["param_quality"].astype(float).max())


def test_a_late_bloomer_is_found_by_the_last_bracket():
    # All are alike until the last round, where the brackets that stop early have few left.
    space = {"quality": uniform(0, 1)}
    search = HyperbandSearchCV(
        Scored(telling=27), space, max_resource=27, cv=3, random_state=0
    ).fit(X, Y)
    results = search.cv_results_
    assert results["bracket"][search.best_index_] in (0, 1, 2, 3)
    assert results["n_resources"][search.best_index_] == 27
    last = results["n_resources"] == 27
    assert search.best_score_ == results["mean_test_score"][last].max() > 0


def test_attributes_and_refit():
    search = sgd_search(scoring="roc_auc", return_train_score=True).fit(X, Y)
    results = search.cv_results_
    assert search.best_score_ == results["mean_test_score"].max()
    assert search.best_params_ == results["params"][search.best_index_]
    assert sorted(search.best_params_) == ["alpha", "max_iter"]
    assert "mean_train_score" in results
    assert not [name for name in results if "random_state" in name or "checkpoint" in name]
    model = search.best_estimator_
    assert (model.alpha, model.max_iter) == tuple(search.best_params_.values())
    assert (search.predict(X) == model.predict(X)).all()
    assert len(results["params"]) == search.brackets_["n_candidates"].sum()
    assert "best_estimator_" not in vars(sgd_search(refit=False).fit(X, Y))


def test_seed_alone_repeats_the_search_and_the_refit():
    first, second, other = (sgd_search(random_state=seed).fit(X, Y) for seed in (3, 3, 4))
    assert scores_of(first) == scores_of(second)
    assert (first.decision_function(X) == second.decision_function(X)).all()
    assert scores_of(first) != scores_of(other)


def test_seeds_that_are_set_or_searched_stay():
    fixed = sgd_search().set_params(estimator__random_state=5).fit(X, Y)
    assert fixed.best_estimator_.random_state == 5
    searched = HyperbandSearchCV(
        SGDClassifier(tol=None),
        {"random_state": [5, 6, 7], "alpha": [1e-4, 1e-3, 1e-2]},
        resource="max_iter",
        max_resource=9,
        random_state=0,
    ).fit(X, Y)
    assert set(searched.cv_results_["param_random_state"]) <= {5, 6, 7}
    assert searched.best_estimator_.random_state == searched.best_params_["random_state"]


def test_splitter_without_a_seed_gives_all_configurations_the_same_folds():
    class Remembering(Scored):
        def score(self, X, y):
            return float(X.sum())

    search = HyperbandSearchCV(
        Remembering(),
        {"quality": uniform(0, 1)},
        max_resource=9,
        cv=StratifiedKFold(3, shuffle=True),
    )
    results = search.fit(X, Y).cv_results_
    assert len(set(results["split0_test_score"])) == 1


def test_lists_with_few_configurations_are_tried_completely():
    search = HyperbandSearchCV(
        Scored(), {"quality": [0.1, 0.2, 0.3, 0.4]}, max_resource=9, cv=3, random_state=0
    ).fit(X, Y)
    assert rounds(search.brackets_, 2) == [(4, 1), (1, 3), (1, 9)]
    first = search.cv_results_["bracket"] == 2
    assert search.cv_results_["param_quality"][first].tolist()[4:] == [0.4, 0.4]
    assert len(search.cv_results_["params"]) == search.brackets_["n_candidates"].sum()


def test_several_metrics():
    search = sgd_search(scoring=["accuracy", "roc_auc"], refit="roc_auc").fit(X, Y)
    results = search.cv_results_
    assert search.best_score_ == results["mean_test_roc_auc"].max()
    here = (results["bracket"] == 2) & (results["iter"] == 0)
    kept = results["param_alpha"][(results["bracket"] == 2) & (results["iter"] == 1)]
    best = np.argsort(-results["mean_test_roc_auc"][here], kind="stable")[:3]
    assert kept.tolist() == results["param_alpha"][here][best].tolist()
    for refit in (False, lambda results: 0):
        with pytest.raises(ValueError, match="refit must name the one by which"):
            sgd_search(scoring=["accuracy", "roc_auc"], refit=refit).fit(X, Y)
    with pytest.raises(ValueError, match="refit must name the one by which"):
        sgd_search(scoring=lambda model, X, y: {"a": 1.0, "b": 2.0}, refit=False).fit(X, Y)


def test_configurations_that_fail_rank_last():
    search = HyperbandSearchCV(
        Scored(),
        {"quality": uniform(0, 1), "fails": [True, False]},
        max_resource=3,
        cv=3,
        random_state=0,
    )
    with pytest.warns((FitFailedWarning, UserWarning)):
        search.fit(X, Y)
    assert np.isnan(search.cv_results_["mean_test_score"]).any()
    assert not search.best_params_["fails"]
    second = search.cv_results_["iter"] == 1
    assert not search.cv_results_["param_fails"][second].any()
    with pytest.raises(ValueError, match="no such setting"):
        search.set_params(error_score="raise").fit(X, Y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"resource": "max_iter"},
            "resource='max_iter' is not a parameter of Pipeline. Did you mean "
            "'sgdclassifier__max_iter'?",
        ),
        ({"resource": "epochs"}, "resource='epochs' is not a parameter of Pipeline.$"),
        (
            {"param_distributions": {"sgdclassifier__max_iter": [1, 2]}},
            "must not hold 'sgdclassifier__max_iter'",
        ),
        (
            {"param_distributions": [{"sgdclassifier": [SGDClassifier()]}]},
            "must not hold 'sgdclassifier__max_iter'",
        ),
    ],
)
def test_wrong_resource(settings, message):
    search = HyperbandSearchCV(
        make_pipeline(StandardScaler(), SGDClassifier(tol=None)),
        {"sgdclassifier__alpha": [1e-3, 1e-2]},
        resource="sgdclassifier__max_iter",
        max_resource=9,
    ).set_params(**settings)
    with pytest.raises(ValueError, match=message):
        search.fit(X, Y)


def test_groups_stay_together():
    groups = np.repeat(np.arange(30), 3)

    class Apart(Scored):
        def fit(self, X, y):
            self.seen = set(X[:, 0])
            return super().fit(X, y)

        def score(self, X, y):
            return float(self.seen.isdisjoint(X[:, 0]))

    patients = np.column_stack([groups, groups]).astype(float)
    search = HyperbandSearchCV(
        Apart(), {"quality": [0.1, 0.2, 0.3]}, max_resource=3, cv=StratifiedGroupKFold(3)
    ).fit(patients, Y, groups=groups)
    assert (search.cv_results_["mean_test_score"] == 1).all()
    search.set_params(cv=StratifiedKFold(3, shuffle=True, random_state=0)).fit(patients, Y)
    assert (search.cv_results_["mean_test_score"] == 0).all()


def test_nested_in_a_cross_validation():
    found = cross_validate(sgd_search(), X, Y, cv=3, return_estimator=True)
    assert {model.n_splits_ for model in found["estimator"]} == {3}
    groups = np.repeat(np.arange(45), 2)
    runs = [
        repeated_cross_validate(
            sgd_search(cv=StratifiedGroupKFold(2), random_state=None),
            X,
            Y,
            groups=groups,
            n_splits=3,
            n_repeats=1,
            random_state=0,
            progress=False,
        )
        for _ in range(2)
    ]
    assert runs[0].scores.equals(runs[1].scores)


def test_n_jobs_does_not_change_anything():
    assert scores_of(sgd_search().fit(X, Y)) == scores_of(sgd_search(n_jobs=2).fit(X, Y))


def test_verbose_shows_the_rounds(capsys):
    sgd_search(verbose=1).fit(X, Y)
    assert "Bracket 2, round 1: 3 configurations, max_iter=3" in capsys.readouterr().out


def test_space_of_the_paper():
    filters = PAPER_SEARCH_SPACE["filters"]
    assert (8, 16, 32, 64) in filters
    assert sorted(PAPER_SEARCH_SPACE) == ["filters"]
    assert len(set(filters)) == len(filters) == 12


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"validation_fraction": 0.0, "restore_best": False},
        {"patience": 1, "learning_rate": 0.05},
        {"optimizer": "sgd", "metrics": ["auc"]},
    ],
    ids=str,
)
def test_warm_search_equals_one_from_scratch(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cnn = SpineCNNClassifier(
        filters=(2,), dense_units=3, batch_size=8, **{"validation_fraction": 0.25, **settings}
    )
    space = {"l2": loguniform(1e-5, 1e-1), "dropout": uniform(0, 0.6)}
    warm, cold = (cnn_search(cnn, space, warm=warm).fit(IMAGES, LABELS) for warm in (True, False))
    assert scores_of(warm) == scores_of(cold)
    for ours, theirs in zip(
        warm.best_estimator_.weights_, cold.best_estimator_.weights_, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert warm.best_estimator_.checkpoint is None
    assert list(tmp_path.glob("skdxa-*")) == []


def epochs_trained(monkeypatch, search):
    """Count the epochs that a search trains."""
    from skdxa.classification._network import EpochNetwork

    counted = []
    measure = EpochNetwork._measure

    def counting(self, labels, scores):
        counted.append(1)
        return measure(self, labels, scores)

    monkeypatch.setattr(EpochNetwork, "_measure", counting)
    search.fit(IMAGES, LABELS)
    return len(counted)


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_costs_are_what_is_trained(monkeypatch, in_pipeline):
    estimator = SpineCNNClassifier(
        filters=(2,), dense_units=3, validation_fraction=0.0, restore_best=False
    )
    settings, space = {"refit": False}, {"learning_rate": loguniform(1e-3, 1e-1)}
    if in_pipeline:
        estimator = make_pipeline(FunctionTransformer(), estimator)
        space = {f"spinecnnclassifier__{name}": value for name, value in space.items()}
        settings["resource"] = "spinecnnclassifier__epochs"
    for warm, column in ((True, "cost_warm"), (False, "cost")):
        search = cnn_search(estimator, space, warm=warm, **settings)
        trained = epochs_trained(monkeypatch, search)
        assert trained == search.brackets_[column].sum()
        monkeypatch.undo()
    planned = hyperband_table(4, eta=2, n_splits=2)
    assert search.brackets_.equals(planned)
    assert planned["cost_warm"].sum() < planned["cost"].sum()


def test_classifier_with_callbacks_starts_anew(monkeypatch):
    import keras

    estimator = SpineCNNClassifier(
        filters=(2,),
        dense_units=3,
        validation_fraction=0.0,
        restore_best=False,
        callbacks=[keras.callbacks.Callback],
    )
    search = cnn_search(estimator, refit=False)
    assert epochs_trained(monkeypatch, search) == search.brackets_["cost"].sum()


def test_workers_go_on_too(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    alone = cnn_search(max_resource=2).fit(IMAGES, LABELS)
    # New workers: those of earlier tests have no TensorFlow yet, and joblib ends workers that
    # grow by as much as it takes.
    with parallel_config("loky", initializer=os.getpid):
        together = cnn_search(max_resource=2, n_jobs=2).fit(IMAGES, LABELS)
    assert scores_of(alone) == scores_of(together)


def test_states_of_dropped_configurations_are_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    most = []

    def score(model, X, y):
        (folder,) = Path(tmp_path).glob("skdxa-*")
        most.append(len(os.listdir(folder)))
        return float(model.predict_proba(X)[:, 1].mean())

    cnn_search(scoring=score, refit=False, max_resource=8).fit(IMAGES, LABELS)
    # Eight configurations at the start of the first bracket, one in the end.
    assert max(most) == 8
    assert list(tmp_path.glob("skdxa-*")) == []


# scikit-learn converts labels to whole numbers before it refuses infinite ones, and NumPy warns.
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@parametrize_with_checks(
    [
        HyperbandSearchCV(
            SGDClassifier(tol=None),
            {"alpha": [1e-4, 1e-3, 1e-2]},
            resource="max_iter",
            max_resource=30,
            min_resource=10,
            cv=2,
            error_score="raise",
            random_state=0,
        )
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
