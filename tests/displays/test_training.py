"""Learning curves."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdxa.classification import SpineCNNClassifier
from skdxa.displays import TrainingCurveDisplay
from skdxa.displays._style import BLUE, GREY, ORANGE
from skdxa.evaluation import (
    CrossValidationResult,
    repeated_cross_validate,
)

# Scores of twelve scans in two repeats of two folds; the AUCs of the folds, worked by hand over
# the nine pairs of each, are 9/9, 5/9, 6/9 and 8/9.
_LABELS = [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1]


_FOLD_SCORES = {
    (0, 0): [0.1, 0.2, 0.3, 0.6, 0.7, 0.8],
    (0, 1): [0.1, 0.5, 0.8, 0.3, 0.6, 0.7],
    (1, 0): [0.1, 0.4, 0.6, 0.3, 0.5, 0.9],
    (1, 1): [0.1, 0.2, 0.5, 0.4, 0.6, 0.8],
}


# Seven epochs, but five of the fold that stopped early.
_LOSS = {
    (0, 0): [0.9, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1],
    (0, 1): [0.8, 0.6, 0.5, 0.45, 0.4],
    (1, 0): [0.7, 0.6, 0.55, 0.5, 0.35, 0.25, 0.15],
    (1, 1): [0.95, 0.65, 0.45, 0.35, 0.3, 0.3, 0.05],
}


_BEST = {(0, 0): 3, (0, 1): 2, (1, 0): 4, (1, 1): 6}


def _result(*, validation=True, curves=True, best_epoch=True, **changes):
    scores, folds, histories = [], [], []
    for (repeat, fold), score in _FOLD_SCORES.items():
        split = {"repeat": repeat, "fold": fold}
        rows = np.arange(6) + 6 * fold
        scores.append(pd.DataFrame({**split, "row": rows, "score": score}))
        folds.append({**split, "n_train": 6, "n_test": 6})
        if best_epoch:
            folds[-1]["best_epoch"] = float(_BEST[repeat, fold])
        loss = np.array(_LOSS[repeat, fold])
        history = {**split, "epoch": np.arange(1, len(loss) + 1), "loss": loss}
        if validation:
            history["val_loss"] = loss + 0.1 * np.abs(history["epoch"] - _BEST[repeat, fold])
        histories.append(pd.DataFrame(history))
    kept = {"histories": pd.concat(histories, ignore_index=True)} if curves else {}
    made = {"scores": pd.concat(scores), "folds": pd.DataFrame(folds), "y": _LABELS, **kept}
    return CrossValidationResult(**{**made, **changes})


class _Remembering(ClassifierMixin, BaseEstimator):
    """A classifier with a given history."""

    def __init__(self, history=None):
        self.history = history

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.history is not None:
            self.history_ = self.history
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_training_curve_of_the_median_fold(ax):
    display = TrainingCurveDisplay.from_result(_result(), ax=ax)
    # Areas in order: 5/9, 6/9, 8/9, 9/9, and of an even number the lower in the middle.
    assert (display.repeat, display.fold) == (1, 0)
    np.testing.assert_array_equal(display.training_.get_xdata(), np.arange(1, 8))
    np.testing.assert_array_equal(display.training_.get_ydata(), _LOSS[1, 0])
    np.testing.assert_allclose(
        display.validation_.get_ydata(), [1.0, 0.8, 0.65, 0.5, 0.45, 0.45, 0.45]
    )
    assert same_color(display.training_.get_color(), BLUE)
    assert same_color(display.validation_.get_color(), ORANGE)
    assert set(display.best_epoch_.get_xdata()) == {4}
    assert same_color(display.best_epoch_.get_color(), GREY)
    assert display.best_point_.get_xydata().tolist() == [[4, 0.5]]
    assert same_color(display.best_point_.get_color(), ORANGE)
    assert display.bands_ == {}
    assert [text.get_text() for text in display.legend_.get_texts()] == [
        "training",
        "validation",
        "epoch kept: 4",
    ]
    assert ax.get_xlabel() == "Epoch"
    assert ax.get_ylabel() == "Mean error (loss)"
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


def test_training_curve_of_a_fold_that_is_named():
    display = TrainingCurveDisplay.from_result(_result(), repeat=0, fold=1)
    np.testing.assert_array_equal(display.training_.get_ydata(), _LOSS[0, 1])
    assert display.best_point_.get_xydata().tolist() == [[2, 0.6]]
    assert display.figure_.get_figwidth() == 3.5


def test_a_single_repeat_need_not_be_named(ax):
    result = _result()
    first = CrossValidationResult(
        *(table.query("repeat == 0") for table in (result.scores, result.folds)),
        result.y,
        histories=result.histories.query("repeat == 0"),
    )
    display = TrainingCurveDisplay.from_result(first, fold=1, ax=ax)
    assert (display.repeat, display.fold) == (0, 1)
    np.testing.assert_array_equal(display.training_.get_ydata(), _LOSS[0, 1])


def test_epochs_are_put_in_order(ax):
    result = _result()
    shuffled = replace(result, histories=result.histories.sample(frac=1, random_state=0))
    display = TrainingCurveDisplay.from_result(shuffled, ax=ax)
    np.testing.assert_array_equal(display.training_.get_ydata(), _LOSS[1, 0])


def test_training_band_is_the_range_of_all_folds(ax):
    display = TrainingCurveDisplay.from_result(_result(), band=True, ax=ax)
    ranges = display.ranges
    assert ranges.index.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert ranges["training_low"].tolist() == [0.7, 0.6, 0.45, 0.35, 0.3, 0.2, 0.05]
    assert ranges["training_high"].tolist() == [0.95, 0.7, 0.55, 0.5, 0.4, 0.3, 0.15]
    # Epoch 1 is two before the best of (0, 0), and one before that of (0, 1), and so on.
    assert ranges.loc[1, "validation_low"] == pytest.approx(min(1.1, 0.9, 1.0, 1.45))
    assert ranges.loc[1, "validation_high"] == pytest.approx(1.45)
    assert ranges["n_folds"].tolist() == [4, 4, 4, 4, 4, 3, 3]
    assert list(display.bands_) == ["training", "validation"]
    heights = display.bands_["training"].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.05, 0.95)
    assert display.legend_.get_texts()[-1].get_text() == "range of 4 folds"


def test_training_frame_with_a_band_goes_on_where_the_fold_stopped(ax):
    frame = TrainingCurveDisplay.from_result(_result(), repeat=0, fold=1, band=True, ax=ax).frame()
    assert frame["epoch"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    np.testing.assert_array_equal(frame["training"], [*_LOSS[0, 1], np.nan, np.nan])
    assert frame["training_low"].tolist()[-2:] == [0.2, 0.05]


def test_training_without_validation(ax):
    display = TrainingCurveDisplay.from_result(_result(validation=False), band=True, ax=ax)
    assert display.validation is None
    assert display.validation_ is None
    assert display.best_point_.get_xydata().tolist() == [[4, 0.5]]
    assert same_color(display.best_point_.get_color(), BLUE)
    assert list(display.bands_) == ["training"]
    frame = display.frame()
    assert frame["validation"].isna().all()
    assert "validation_low" not in frame


def test_a_validation_curve_that_only_other_folds_have_is_not_drawn(ax):
    result = _result()
    result.histories.loc[result.histories["repeat"] == 1, "val_loss"] = np.nan
    assert TrainingCurveDisplay.from_result(result, ax=ax).validation_ is None


def test_an_epoch_that_is_unknown_is_not_marked(ax):
    without = _result(best_epoch=False)
    for result in (without, replace(without, folds=without.folds.assign(best_epoch=np.nan))):
        display = TrainingCurveDisplay.from_result(result, ax=ax)
        assert display.best_epoch is None
        assert display.best_epoch_ is None
        assert display.best_point_ is None
        assert len(display.legend_.get_texts()) == 2


def test_an_epoch_beyond_the_curves_has_no_point(ax):
    display = TrainingCurveDisplay(epochs=[1, 2], training=[0.5, 0.4], best_epoch=3).plot(ax)
    assert set(display.best_epoch_.get_xdata()) == {3}
    assert display.best_point_.get_xydata().size == 0


def test_a_single_epoch_is_seen(ax):
    display = TrainingCurveDisplay(epochs=np.array([1]), training=[0.5]).plot(ax)
    assert display.training_.get_marker() == "o"
    assert [tick for tick in ax.get_xticks() if 0.5 < tick < 1.5] == [1]
    longer = TrainingCurveDisplay(epochs=np.array([1, 2]), training=[0.5, 0.4]).plot(ax)
    assert longer.training_.get_marker() == ""
    assert longer.frame().to_numpy()[:, :2].tolist() == [[1, 0.5], [2, 0.4]]


def test_training_styles(ax):
    display = TrainingCurveDisplay.from_result(
        _result(),
        band=True,
        ax=ax,
        style={
            "training": {"c": "black", "lw": 3},
            "validation": {"ls": ":"},
            "best_epoch": {"color": "red", "label": "restored"},
            "best_point": {"ms": 9},
            "bands": {"alpha": 0.5},
            "legend": {"title": "errors"},
        },
    )
    assert display.training_.get_color() == "black"
    assert display.training_.get_linewidth() == 3
    assert display.validation_.get_linestyle() == ":"
    assert display.best_epoch_.get_color() == "red"
    assert display.best_point_.get_markersize() == 9
    assert [band.get_alpha() for band in display.bands_.values()] == [0.5, 0.5]
    assert display.legend_.get_texts()[2].get_text() == "restored"
    assert display.legend_.get_title().get_text() == "errors"


@pytest.mark.parametrize("wrap", [lambda model: model, "pipeline", "search"])
def test_training_curve_of_a_fitted_classifier(wrap, ax):
    history = {"loss": [0.7, 0.5, 0.4], "val_loss": [0.8, 0.6, 0.65]}
    model = _Remembering(history)
    if wrap == "pipeline":
        model = make_pipeline(FunctionTransformer(), make_pipeline(model))
    elif wrap == "search":
        model = GridSearchCV(make_pipeline(model), {"memory": [None]}, cv=2)
    model.fit(np.zeros((8, 2)), [0, 1] * 4)
    display = TrainingCurveDisplay.from_estimator(model, ax=ax)
    assert display.training_.get_xydata().tolist() == [[1, 0.7], [2, 0.5], [3, 0.4]]
    assert display.validation_.get_ydata().tolist() == [0.8, 0.6, 0.65]
    assert display.best_epoch_ is None
    assert display.frame()["epoch"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("validation_fraction", [0.0, 0.25])
def test_training_curve_of_the_network(validation_fraction, ax):
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 8)
    X = rng.normal(size=(16, 7, 9)).astype("float32") + y[:, None, None]
    cnn = SpineCNNClassifier(
        filters=(2,), epochs=3, validation_fraction=validation_fraction, random_state=0
    ).fit(X, y)
    display = TrainingCurveDisplay.from_estimator(cnn, ax=ax)
    assert display.training_.get_ydata().tolist() == cnn.history_["loss"]
    assert set(display.best_epoch_.get_xdata()) == {cnn.best_epoch_}
    (point,) = display.best_point_.get_ydata()
    if validation_fraction:
        assert point == min(cnn.history_["val_loss"])
    else:
        assert display.validation_ is None
        assert (cnn.best_epoch_, point) == (3, cnn.history_["loss"][-1])


def test_another_metric(ax):
    model = _Remembering(
        {"loss": [0.7, 0.5], "true_rate": [0.6, 0.9], "val_true_rate": [0.5, 0.4]}
    )
    model.fit(np.zeros((2, 2)), [0, 1])
    display = TrainingCurveDisplay.from_estimator(model, metric="true_rate", ax=ax)
    assert display.training_.get_ydata().tolist() == [0.6, 0.9]
    assert display.validation_.get_ydata().tolist() == [0.5, 0.4]
    assert ax.get_ylabel() == "True rate"


def test_training_of_a_cross_validation_that_kept_histories(ax):
    history = {"loss": [0.7, 0.5, 0.4]}
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 10)
    X = rng.normal(size=(20, 3)) + y[:, None]

    class Learner(_Remembering):
        best_epoch_ = 2

        def predict_proba(self, X):
            risk = 1 / (1 + np.exp(-X[:, 0]))
            return np.column_stack([1 - risk, risk])

    result = repeated_cross_validate(
        Learner(history), X, y, n_splits=2, n_repeats=2, random_state=0, progress=False
    )
    display = TrainingCurveDisplay.from_result(result, ax=ax)
    assert display.training_.get_ydata().tolist() == [0.7, 0.5, 0.4]
    assert display.best_point_.get_xydata().tolist() == [[2, 0.5]]


def test_training_errors(ax):
    result = _result()
    for metric in ("accuracy", "val_loss"):
        with pytest.raises(ValueError, match=rf"metric must be one of \['loss'\].*'{metric}'"):
            TrainingCurveDisplay.from_result(result, metric=metric)
    with pytest.raises(ValueError, match="the result holds no learning curves"):
        TrainingCurveDisplay.from_result(_result(curves=False))
    with pytest.raises(ValueError, match=r"given together.*got repeat=None, fold=1"):
        TrainingCurveDisplay.from_result(result, fold=1)
    with pytest.raises(ValueError, match=r"given together.*got repeat=1, fold=None"):
        TrainingCurveDisplay.from_result(result, repeat=1)
    with pytest.raises(ValueError, match="there are repeats 0 to 1, but no repeat 2"):
        TrainingCurveDisplay.from_result(result, repeat=2, fold=0)
    with pytest.raises(ValueError, match="there are folds 0 to 1, but no fold -1"):
        TrainingCurveDisplay.from_result(result, repeat=1, fold=-1)
    some = replace(result, histories=result.histories.query("repeat == 0"))
    with pytest.raises(ValueError, match="repeat 1, fold 0 has no learning curve"):
        TrainingCurveDisplay.from_result(some)
    with pytest.raises(NotFittedError):
        TrainingCurveDisplay.from_estimator(SpineCNNClassifier())
    X, y = np.zeros((2, 2)), [0, 1]
    for model in (LogisticRegression(), _Remembering(), _Remembering({}), _Remembering([1])):
        with pytest.raises(ValueError, match="keeps no learning curves: it has no history_"):
            TrainingCurveDisplay.from_estimator(model.fit(X, y))
    with pytest.raises(ValueError, match=r"metric must be one of \['loss'\]"):
        TrainingCurveDisplay.from_estimator(
            _Remembering({"loss": [1]}).fit(X, y), metric="val_loss"
        )
