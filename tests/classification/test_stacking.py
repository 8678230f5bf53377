import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skdxa._sklearn import NO_PENALTY
from skdxa.classification import ColumnScores, SpineCNNClassifier, make_stack
from skdxa.evaluation import repeated_cross_validate
from skdxa.exceptions import CohortError
from skdxa.preprocessing import SpineCropper
from skdxa.significance import logistic_table


def make_cohort(n_patients=40, *, signal=0.0, seed=0):
    """Two rows a patient; noise for the tree, and a T-score that tells `signal` SDs."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(rng.permutation(n_patients), 2)
    y = np.repeat(np.arange(n_patients) % 2, 2)
    X = pd.DataFrame(rng.normal(size=(len(y), 3)), columns=["a", "b", "c"])
    X["patient"] = [f"P{number}" for number in patient]
    X["t_score"] = rng.normal(size=len(y)) - signal * y
    order = rng.permutation(len(y))
    return X.iloc[order].set_index(np.arange(1000, 1000 + len(y))), y[order]


def tree_of_noise():
    """A model that overfits: it stores its training rows."""
    columns = make_column_transformer(("passthrough", ["a", "b", "c"]))
    return make_pipeline(columns, DecisionTreeClassifier(random_state=0))


def noise_stack(**changes):
    settings = {"lower_is_worse": "t_score", "cv": 4, "group_column": "patient", "random_state": 0}
    return make_stack(tree_of_noise(), "t_score", **{**settings, **changes})


def test_stack_is_the_logistic_model_of_its_scores():
    X, y = make_cohort(signal=1.0)
    stack = noise_stack().fit(X, y)
    assert type(stack) is StackingClassifier
    assert stack.stack_method_ == ["decision_function", "predict_proba"]
    assert stack.get_feature_names_out().tolist() == [
        "stackingclassifier_t_score",
        "stackingclassifier_cnn",
    ]
    scores = stack.transform(X)
    np.testing.assert_array_equal(scores[:, 0], -X["t_score"])
    np.testing.assert_array_equal(scores[:, 1], stack.named_estimators_["cnn"].predict(X))

    # By hand: the tree's scores of rows in the fold it has not seen, and statsmodels.
    unseen = np.empty(len(y))
    for train, test in stack.cv.split(X, y):
        tree = tree_of_noise().fit(X.iloc[train], y[train])
        unseen[test] = tree.predict_proba(X.iloc[test])[:, 1]
    model = pd.DataFrame({"t_score": -X["t_score"], "cnn": unseen})
    model = (model - model.mean()) / model.std(ddof=0)
    expected = logistic_table(pd.Series(y, X.index), model)["coef"]
    np.testing.assert_allclose(
        stack.final_estimator_[-1].coef_[0], expected[["t_score", "cnn"]], rtol=1e-3, atol=1e-4
    )
    # Turned T-score: more risk by the column is a positive coefficient.
    assert expected["t_score"] > 0
    unturned = noise_stack(lower_is_worse=()).fit(X, y)
    np.testing.assert_allclose(unturned.predict_proba(X), stack.predict_proba(X), atol=1e-4)
    assert unturned.final_estimator_[-1].coef_[0, 0] < 0


def test_stack_without_the_network_is_what_to_compare_with():
    X, y = make_cohort(signal=1.0)
    stack = noise_stack().set_params(cnn="drop").fit(X, y)
    alone = LogisticRegression(C=NO_PENALTY).fit(X[["t_score"]], y)
    np.testing.assert_allclose(
        stack.predict_proba(X), alone.predict_proba(X[["t_score"]]), atol=1e-3
    )


def test_final_estimator_on_log_odds_of_the_last_column():
    X, y = make_cohort(signal=1.0)

    def log_odds(probability):
        return logit(np.clip(probability, 0.01, 0.99))

    final = make_pipeline(
        make_column_transformer((FunctionTransformer(log_odds), [-1]), remainder="passthrough"),
        StandardScaler(),
        LogisticRegression(),
    )
    stack = noise_stack(final_estimator=final).fit(X, y)
    seen = stack.final_estimator_[0].transform(stack.transform(X))
    assert sorted(np.unique(seen[:, 0]).round(3)) == [-4.595, 4.595]


class Spy(ClassifierMixin, BaseEstimator):
    """A base model that notes which rows it learnt from and which it scored."""

    fits = ()

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.rows_ = frozenset(X.index)
        type(self).fits.append((self.rows_, set()))
        return self

    def predict_proba(self, X):
        next(scored for rows, scored in self.fits if rows == self.rows_).update(X.index)
        return np.column_stack([1 - X["a"] % 1, X["a"] % 1])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def test_no_patient_on_both_sides_and_outer_fold_never_seen():
    X, y = make_cohort()
    patient = X["patient"]
    stack = make_stack(Spy(), ["t_score"], cv=4, group_column="patient", random_state=0)
    outer = StratifiedGroupKFold(3, shuffle=True, random_state=1)
    for train, test in outer.split(X, y, patient):
        Spy.fits = []
        stack.fit(X.iloc[train], y[train])
        held_out = set(X.index[test])
        whole, *inner = Spy.fits
        assert whole[0] == set(X.index[train])
        assert len(inner) == 4
        for learnt, scored in Spy.fits:
            assert not learnt & held_out
            assert not scored & held_out
        for learnt, scored in inner:
            assert learnt | scored == whole[0]
            assert scored
            assert not set(patient[list(learnt)]) & set(patient[list(scored)])
        assert sum(len(scored) for _, scored in inner) == len(train)


def test_cross_validate_never_fits_on_the_fold_it_scores():
    X, y = make_cohort()
    Spy.fits = []
    outer = StratifiedKFold(3, shuffle=True, random_state=1)
    stack = make_stack(Spy(), ["t_score"], cv=4, random_state=0)
    cross_validate(stack, X, y, cv=outer, scoring="roc_auc", error_score="raise")
    assert len(Spy.fits) == 3 * 5
    for number, (train, _) in enumerate(outer.split(X, y)):
        training = set(X.index[train])
        for learnt, _ in Spy.fits[number * 5 : number * 5 + 5]:
            assert learnt <= training
            assert learnt


def test_unseeded_stack_gives_all_its_models_the_same_folds():
    X, y = make_cohort()
    stack = make_stack(Spy(), ["t_score"], cv=4)
    stack.estimators.append(("twin", Spy()))
    Spy.fits = []
    stack.fit(X, y)
    inner = [learnt for learnt, _ in Spy.fits if len(learnt) < len(y)]
    assert inner[:4] == inner[4:]


def test_whole_study_is_seeded_through_the_stack():
    X, y = make_cohort(24, signal=1.0)
    stack = noise_stack(random_state=None, cv=2)
    runs = [
        repeated_cross_validate(
            stack, X, y, groups=X["patient"], n_splits=2, n_repeats=1, random_state=seed,
            progress=False,
        ).scores["score"]
        for seed in (0, 0, 1)
    ]  # fmt: skip
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.allclose(runs[0], runs[2])


def test_metadata_routing_changes_nothing():
    X, y = make_cohort()
    expected = noise_stack().fit(X, y).predict_proba(X)
    with config_context(enable_metadata_routing=True):
        found = noise_stack().fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(found, expected)


def test_searched_over_in_a_pipeline():
    X, y = make_cohort(24, signal=1.0)
    search = GridSearchCV(
        make_pipeline(FunctionTransformer(), noise_stack(cv=2)),
        {
            "stackingclassifier__cnn__decisiontreeclassifier__max_depth": [1, 2],
            "stackingclassifier__cv__n_splits": [2, 3],
            "stackingclassifier__t_score__lower_is_worse": [True],
        },
        scoring="roc_auc",
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    best = search.best_estimator_[-1]
    assert best.named_estimators_["cnn"][-1].max_depth in (1, 2)
    assert best.cv.group_column == "patient"


def test_mistakes_in_a_stack_are_named():
    X, y = make_cohort(6)
    with pytest.raises(ValueError, match=r"names 'tbs', which is not among the columns \['t_sco"):
        noise_stack(lower_is_worse=["tbs"])
    with pytest.raises(ValueError, match="cv == 1, must be >= 2"):
        noise_stack(cv=1)
    with pytest.raises(ValueError, match="group_column='patient' needs a number of folds"):
        noise_stack(cv=StratifiedKFold(3))
    with pytest.raises(ValueError, match="3 patients to train on, fewer than the 4 inner folds"):
        noise_stack().fit(X, y)
    own = noise_stack(cv=StratifiedKFold(3), group_column=None)
    assert isinstance(own.cv, StratifiedKFold)


def test_a_gap_in_a_column_is_found_before_the_network_is_trained():
    X, y = make_cohort()
    X.iloc[5, X.columns.get_loc("t_score")] = np.nan
    Spy.fits = []
    with pytest.raises(CohortError, match=r"'t_score' is nan in 1 of 80 rows.*index 1005"):
        make_stack(Spy(), "t_score").fit(X, y)
    assert not Spy.fits


class Witness(LogisticRegression):
    """The logistic model, which notes how well the network's score fits its own labels."""

    auc = None

    def fit(self, X, y):
        type(self).auc = roc_auc_score(y, X[:, -1])
        return super().fit(X, y)


def stack_on_noise(seed, *, signal, prefit):
    """Figures of one stack: what its logistic model was shown, and AUC in new patients."""
    X, y = make_cohort(120, signal=signal, seed=seed)
    new, y_new = make_cohort(120, signal=signal, seed=10_000 + seed)
    final = make_pipeline(StandardScaler(), Witness())
    stack = noise_stack(final_estimator=final, random_state=seed)
    if prefit:
        for _, estimator in stack.estimators:
            estimator.fit(X, y)
        stack.set_params(cv="prefit")
    stack.fit(X, y)
    weight = stack.final_estimator_[-1].coef_[0, -1]
    return Witness.auc, weight, roc_auc_score(y_new, stack.predict_proba(new)[:, 1])


def test_stack_gives_no_weight_to_an_overfitted_model():
    honest = np.array([stack_on_noise(seed, signal=0, prefit=False) for seed in range(30)])
    shown, weight, new = honest.mean(axis=0)
    assert shown == pytest.approx(0.5, abs=0.05)
    assert new == pytest.approx(0.5, abs=0.05)
    assert abs(weight) < 0.2

    # The same model, shown the tree's scores of the rows that the tree had learnt.
    wrong = np.array([stack_on_noise(seed, signal=0, prefit=True) for seed in range(30)])
    shown, weight, _ = wrong.mean(axis=0)
    assert shown > 0.95
    assert weight > 2


def tiny_network():
    """A convolutional network that overfits sixty scans in a few epochs."""
    return SpineCNNClassifier(
        filters=(4,),
        kernel_size=3,
        dense_units=32,
        dropout=0,
        l2=0,
        learning_rate=0.02,
        batch_size=64,
        epochs=8,
        validation_fraction=0,
        random_state=0,
    )


def auc_on_noise(network, seed, *, wrong):
    """The AUC of the stack that a researcher would publish, of labels that nothing tells.

    Either way it is the mean over the folds of the same cross-validation, of the same logistic
    model of a column and the network's score. In the honest one the network is a part of the
    stack. In the wrong one it has been trained before, on all scans, and its scores of these
    same scans stand in the table like one column more.
    """
    X, y = make_cohort(120, seed=seed)
    scans = np.random.default_rng(seed).normal(size=(len(y), 8, 6)).astype(np.float32)
    X["scan"] = pd.Series(list(scans), index=X.index)
    if wrong:
        X["score"] = clone(network).fit(X, y).predict_proba(X)[:, 1]
        network = ColumnScores("score")
    stack = make_stack(
        network, "t_score", lower_is_worse="t_score", cv=2, group_column="patient", random_state=0
    )
    result = repeated_cross_validate(
        stack, X, y, groups=X["patient"], n_splits=2, n_repeats=1, random_state=seed,
        progress=False,
    )  # fmt: skip
    return result.fold_metrics()["auc"].mean()


def test_stack_is_unbiased_where_there_is_nothing_to_find():
    network = tiny_network()
    honest = [auc_on_noise(network, seed, wrong=False) for seed in range(30)]
    wrong = [auc_on_noise(network, seed, wrong=True) for seed in range(30)]
    # One run scatters with a standard error of about 0.04, the mean of 30 with 0.007.
    assert np.mean(honest) == pytest.approx(0.5, abs=0.02)
    assert np.mean(wrong) > 0.6
    # Nobody does better than 0.5 on new patients: what the wrong one shows is not there.
    assert min(wrong) > max(honest)


def test_an_overfitted_model_does_not_outweigh_an_informative_column():
    # Two normal distributions one SD apart: AUC = Phi(1 / sqrt(2)) = 0.760.
    honest = [stack_on_noise(seed, signal=1, prefit=False)[-1] for seed in range(12)]
    wrong = [stack_on_noise(seed, signal=1, prefit=True)[-1] for seed in range(12)]
    assert np.mean(honest) == pytest.approx(0.760, abs=0.03)
    assert np.mean(wrong) < 0.70


def test_stack_of_a_network_and_columns():
    rng = np.random.default_rng(0)
    y = np.arange(48) % 2
    scans = [rng.normal(size=(16 + i % 3, 20)).astype(np.float32) + y[i] for i in range(48)]
    X = pd.DataFrame({"scan": pd.Series(scans), "age": rng.normal(68, 3, size=48)})
    X["patient"] = np.arange(48) // 2
    cnn = make_pipeline(
        SpineCropper(12, 14),
        SpineCNNClassifier(
            filters=(4,),
            dense_units=8,
            dropout=0,
            learning_rate=0.01,
            validation_fraction=0,
            random_state=0,
        ),
    )
    stack = make_stack(cnn, ["age"], cv=2, group_column="patient", random_state=0)
    search = GridSearchCV(
        stack,
        {"cnn__spinecnnclassifier__epochs": [1, 30]},
        scoring="roc_auc",
        cv=StratifiedGroupKFold(2),
        error_score="raise",
    ).fit(X, y, groups=X["patient"])
    assert search.best_params_ == {"cnn__spinecnnclassifier__epochs": 30}
    assert search.best_score_ > 0.9
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))
    assert again.stack_method_ == ["decision_function", "predict_proba"]


# With four such fractures in a fold, all folds may find the same share of them.
@pytest.mark.filterwarnings("ignore:no interval for sensitivity")
def test_scans_of_unknown_five_year_label_are_trained_on_and_not_scored():
    """Trained on fractures ever, scored on those within five years.

    Scans whose five-year label is unknown say that a high texture is a high risk. The others,
    on their own, say the opposite: most of their fractures came later, and at a low texture.
    Those within five years had a high one.
    """
    kinds = pd.DataFrame(
        {
            "texture": [-2.0, 2.0, 2.0, -2.0, 0.0],
            "fracture_ever": [0, 1, 1, 1, 0],
            "fracture_5y": [np.nan, np.nan, 1.0, 0.0, 0.0],
            "n": [60, 60, 12, 30, 18],
        }
    )
    rng = np.random.default_rng(0)
    table = kinds.loc[rng.permutation(kinds.index.repeat(kinds["n"]))].reset_index(drop=True)
    table["texture"] += rng.normal(size=len(table))
    table["t_score"] = rng.normal(size=len(table))
    network = make_pipeline(
        make_column_transformer(("passthrough", ["texture"])), LogisticRegression()
    )
    stack = make_stack(network, "t_score", lower_is_worse="t_score", cv=2, random_state=0)

    def trained_and_scored(table):
        both = table[["fracture_ever", "fracture_5y"]]
        result = repeated_cross_validate(
            stack,
            table[["texture", "t_score"]],
            table["fracture_ever"],
            stratify=both,
            n_splits=3,
            n_repeats=2,
            random_state=0,
            return_models="all",
            progress=False,
        )
        return result, result.summary(y=table["fracture_5y"]).loc["auc"]

    result, auc = trained_and_scored(table)
    assert auc["estimate"] > 0.8
    # Each fold has its third of every kind of scan, of either label known or not.
    frame = result.scores.join(table, on="row")
    both = [frame["fracture_ever"], frame["fracture_5y"].fillna(-1)]
    counts = pd.crosstab([frame["repeat"], frame["fold"]], both)
    assert counts.columns.tolist() == [(0, -1), (0, 0), (1, -1), (1, 0), (1, 1)]
    assert (counts == [20, 6, 20, 10, 4]).all(axis=None)
    # By hand, the unknown left out of the score; all are trained on.
    areas = [
        roc_auc_score(fold["fracture_5y"], fold["score"])
        for _, fold in frame.dropna().groupby(["repeat", "fold"])
    ]
    assert auc["estimate"] == pytest.approx(np.mean(areas))
    assert auc["n_folds"] == 6
    assert (result.folds["n_train"] == 120).all()
    weights = [model.final_estimator_[-1].coef_[0, -1] for model in result.models.values()]
    assert min(weights) > 0

    # Without the scans of unknown label the same stack learns, and shows, the opposite.
    known = table.dropna().reset_index(drop=True)
    _, auc = trained_and_scored(known)
    assert auc["estimate"] < 0.3
