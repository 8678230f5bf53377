"""Learning curves, forest plots and decision curves."""

from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdxa.classification import SpineCNNClassifier
from skdxa.displays import DecisionCurveDisplay, ForestDisplay, TrainingCurveDisplay
from skdxa.displays._style import BLUE, GREY, ORANGE
from skdxa.evaluation import (
    CrossValidationResult,
    external_table,
    performance_table,
    repeated_cross_validate,
)
from skdxa.significance import HypothesisTest, Interval, net_benefit

matplotlib.use("agg")


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    pyplot.close("all")


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
    """A classifier with a history of its own making."""

    def __init__(self, history=None):
        self.history = history

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.history is not None:
            self.history_ = self.history
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


# Learning curves


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
    longer = TrainingCurveDisplay(epochs=np.array([1, 2]), training=[0.5, 0.4]).plot(ax)
    assert longer.training_.get_marker() == ""
    assert longer.frame().to_numpy()[:, :2].tolist() == [[1, 0.5], [2, 0.4]]


def test_training_styles(ax):
    display = TrainingCurveDisplay.from_result(
        _result(),
        band=True,
        ax=ax,
        training_kwargs={"c": "black", "lw": 3},
        validation_kwargs={"ls": ":"},
        epoch_kwargs={"color": "red", "label": "restored"},
        band_kwargs={"alpha": 0.5},
        legend_kwargs={"title": "errors"},
    )
    assert display.training_.get_color() == "black"
    assert display.training_.get_linewidth() == 3
    assert display.validation_.get_linestyle() == ":"
    assert display.best_epoch_.get_color() == "red"
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


# Forest plots

_INTERVALS = {
    "Deep learning": Interval(0.63, 0.58, 0.68, 0.95, "corrected resampled t"),
    "Minimum T-score": Interval(0.62, 0.564, 0.676, 0.95, "corrected resampled t"),
    "TBS": Interval(0.59, np.nan, np.nan, 0.95, "none"),
    "Age": Interval(np.nan, np.nan, np.nan, 0.95, "none"),
}


def _whiskers(display):
    """Ends of the intervals and the heights that they are drawn at."""
    segments = np.array(display.whiskers_.get_segments())
    return segments[:, :, 0], segments[:, :, 1]


def _is_laid_out(display):
    """Whether nothing overlaps, and all lies within the figure."""
    figure = display.figure_
    figure.draw_without_rendering()
    names = display.ax_.get_yticklabels()
    numbers = display.texts_
    boxes = [text.get_window_extent() for text in (*names, *numbers)]
    data = display.ax_.get_window_extent()
    ticks = [tick for tick in display.ax_.get_xticklabels() if tick.get_text()]
    boxes += [display.ax_.xaxis.label.get_window_extent(), data]
    apart = not any(boxes[a].overlaps(boxes[b]) for a in range(len(boxes)) for b in range(a))
    whole = figure.bbox.padded(1)
    inside = all(
        whole.containsx(x) and whole.containsy(y) for box in boxes for x, y in box.corners()
    )
    return apart and inside and len(ticks) > 1


def test_forest_of_intervals():
    display = ForestDisplay.from_intervals(_INTERVALS)
    ends, heights = _whiskers(display)
    assert ends.tolist() == [[0.58, 0.68], [0.564, 0.676]]
    points = display.points_.get_xydata()
    np.testing.assert_array_equal(points[:, 0], [0.63, 0.62, 0.59, np.nan])
    np.testing.assert_array_equal(heights, np.repeat(points[:2, 1:], 2, axis=1))
    assert (np.diff(points[:, 1]) > 0).all()
    bottom, top = display.ax_.get_ylim()
    assert bottom > points[-1, 1] > points[0, 1] > top
    assert [text.get_text() for text in display.texts_] == [
        "0.63 (0.58 to 0.68)",
        "0.62 (0.56 to 0.68)",
        "0.59 (no interval)",
        "undefined",
    ]
    assert [text.get_position()[1] for text in display.texts_] == points[:, 1].tolist()
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == list(_INTERVALS)
    assert display.ax_.get_yticks().tolist() == points[:, 1].tolist()
    assert display.ax_.get_xlabel() == "AUC\n95 % interval (corrected resampled t)"
    assert set(display.reference_.get_xdata()) == {0.5}
    assert _is_laid_out(display)


def test_forest_of_several_methods_tells_them_apart():
    intervals = {
        "Network": _INTERVALS["Deep learning"],
        "Logistic regression of minimum T-score, TBS and age": Interval(
            0.64, 0.58, 0.7, 0.9, "DeLong"
        ),
        "TBS": _INTERVALS["TBS"],
        "T-score": _INTERVALS["Minimum T-score"],
    }
    display = ForestDisplay.from_intervals(intervals)
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == [
        "Network¹",
        "Logistic regression of\nminimum T-score, TBS\nand age²",
        "TBS",
        "T-score¹",
    ]
    assert display.ax_.get_xlabel().splitlines() == [
        "AUC",
        "¹ 95 % interval (corrected resampled t)",
        "² 90 % interval (DeLong)",
    ]
    assert _is_laid_out(display)


@pytest.mark.parametrize("n_rows", [1, 5, 24])
def test_forest_is_as_high_as_its_rows(n_rows):
    display = ForestDisplay.from_intervals(
        {f"model {row}": _INTERVALS["Deep learning"] for row in range(n_rows)}
    )
    assert display.figure_.get_figwidth() == 3.5
    assert display.figure_.get_figheight() == pytest.approx(0.67 + 0.24 * n_rows)
    assert _is_laid_out(display)


def test_forest_of_differences(ax):
    interval = Interval(-0.0004, -0.051, 0.05, 0.95, "paired DeLong")
    display = ForestDisplay.from_intervals(
        {"difference": interval}, metric="difference_of AUC", reference=0, digits=3, ax=ax
    )
    assert display.texts_[0].get_text() == "0.000 (-0.051 to 0.050)"
    assert set(display.reference_.get_xdata()) == {0}
    assert ax.get_xlabel().splitlines()[0] == "Difference of AUC"
    other = ForestDisplay.from_intervals({"difference": interval}, metric="difference", ax=ax)
    assert other.reference_ is None
    assert other.texts_[0].get_text() == "0.00 (-0.05 to 0.05)"
    assert ForestDisplay.from_intervals(_INTERVALS, reference=None, ax=ax).reference_ is None


def test_forest_of_one_end_is_a_bare_point(ax):
    display = ForestDisplay.from_intervals(
        {"half": Interval(0.6, np.nan, 0.7, 0.95, "t"), "TBS": _INTERVALS["TBS"]}, ax=ax
    )
    assert display.whiskers_.get_segments() == []
    assert display.texts_[0].get_text() == "0.60 (no interval)"
    assert ax.get_xlabel() == "AUC"


def test_forest_styles(ax):
    display = ForestDisplay.from_intervals(
        _INTERVALS,
        ax=ax,
        point_kwargs={"c": "black", "marker": "D"},
        whisker_kwargs={"lw": 3},
        reference_kwargs={"ls": "--"},
        text_kwargs={"size": 5, "color": "red"},
    )
    assert (display.points_.get_color(), display.points_.get_marker()) == ("black", "D")
    assert display.whiskers_.get_linewidth() == [3]
    assert display.reference_.get_linestyle() == "--"
    assert {(text.get_fontsize(), text.get_color()) for text in display.texts_} == {(5, "red")}
    assert display.ax_ is ax
    assert ForestDisplay(display.frame()).plot().ax_ is not ax


def test_forest_of_a_table(tmp_path, ax):
    results = {"a": _result(), "b": _result(scores=_result().scores.assign(score=0.5))}
    with pytest.warns(RuntimeWarning, match="no interval for"):
        table = performance_table(results)
    display = ForestDisplay.from_table(table, level=0.95, method="corrected resampled t", ax=ax)
    expected = table[["auc", "auc_low", "auc_high"]].to_numpy()
    np.testing.assert_array_equal(display.frame().iloc[:, :3], expected)
    assert display.points_.get_xdata()[0] == pytest.approx(np.mean([1, 5 / 9, 6 / 9, 8 / 9]))
    assert ax.get_xlabel() == "AUC\n95 % interval (corrected resampled t)"

    table.to_csv(tmp_path / "table1.csv")
    read = pd.read_csv(tmp_path / "table1.csv")
    display = ForestDisplay.from_table(read, metric="sensitivity", ax=ax)
    assert display.frame().index.tolist() == ["a", "b"]
    np.testing.assert_allclose(display.frame()["estimate"], table["sensitivity"])
    assert display.frame()["method"].isna().all()
    assert ax.get_xlabel() == "Sensitivity\ninterval"
    assert display.reference_ is None
    assert (
        ForestDisplay.from_table(read, level=0.9, ax=ax)
        .ax_.get_xlabel()
        .endswith("\n90 % interval")
    )


def test_forest_of_an_external_test(ax):
    test = pd.DataFrame(
        {"mean": [0.7, 0.9, 0.8, 0.93], "minimum": [0.6, 0.8, 0.7, 0.92], "maximum": 0.95},
        index=["sensitivity", "specificity", "accuracy", "auc"],
    )
    display = ForestDisplay.from_table(external_table({"Scoliosis": test}), ax=ax)
    assert display.texts_[0].get_text() == "0.93 (0.92 to 0.95)"
    assert ax.get_xlabel() == "AUC\nminimum to maximum"


def test_forest_of_results(ax):
    results = {"a": _result(), "b": _result(scores=_result().scores.eval("score = 1 - score"))}
    display = ForestDisplay.from_results(results, ax=ax)
    frame = display.frame()
    assert list(frame) == ["estimate", "low", "high", "level", "method"]
    assert frame.index.tolist() == ["a", "b"]
    for name, result in results.items():
        summary = result.summary()
        expected = summary.loc["auc", ["estimate", "low", "high"]].tolist()
        assert frame.loc[name, ["estimate", "low", "high"]].tolist() == expected
    assert ax.get_xlabel() == "AUC\n95 % interval (corrected resampled t)"

    labels = np.array([np.nan, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1])
    options = {
        "threshold": 0.4,
        "interval": "bootstrap",
        "level": 0.8,
        "n_resamples": 99,
        "random_state": 0,
    }
    display = ForestDisplay.from_results(
        {"a": _result()}, metric="specificity", y=labels, ax=ax, **options
    )
    expected = _result().summary(labels, **options).loc["specificity"]
    assert (
        display.frame().iloc[0, :4].tolist()
        == expected[["estimate", "low", "high", "level"]].tolist()
    )
    assert ax.get_xlabel().startswith("Specificity\n80 % interval (")


def test_forest_errors():
    test = HypothesisTest(0.1, 1.0, 0.3, _INTERVALS["TBS"], "DeLong")
    with pytest.raises(TypeError, match=r"'a' must be an Interval .* HypothesisTest. Give its"):
        ForestDisplay.from_intervals({"a": test})
    with pytest.raises(TypeError, match=r"'a' must be an Interval .* got tuple\.$"):
        ForestDisplay.from_intervals({"a": (0.5, 0.4, 0.6)})
    for nothing in (ForestDisplay.from_intervals, ForestDisplay.from_results):
        with pytest.raises(ValueError, match="there is no row to draw"):
            nothing({})
    with pytest.raises(ValueError, match=r"metric must be one of .*got 'kappa'"):
        ForestDisplay.from_results({"a": _result()}, metric="kappa")
    table = pd.DataFrame({"auc": [0.6], "auc_low": [0.5]})
    with pytest.raises(ValueError, match=r"no column 'auc_high'; to draw 'auc' it needs"):
        ForestDisplay.from_table(table)


# Decision curves

# Ten scans, three of them positive.
_OUTCOME = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
_RISK = np.array([0.05, 0.1, 0.1, 0.2, 0.3, 0.5, 0.8, 0.25, 0.6, 0.9])


def test_decision_curve_by_hand(ax):
    display = DecisionCurveDisplay.from_predictions(
        _OUTCOME, _RISK, thresholds=[0.5, 0.2, 0.25], ax=ax
    )
    # At 0.2: all three, and four false alarms at the odds 1/4. At 0.25: three, and three at
    # 1/3. At 0.5: two, and two at 1.
    line = display.lines_["model"]
    assert line.get_xdata().tolist() == [0.2, 0.25, 0.5]
    np.testing.assert_allclose(line.get_ydata(), [0.3 - 0.4 / 4, 0.3 - 0.3 / 3, 0.2 - 0.2])
    np.testing.assert_allclose(
        display.treat_all_.get_ydata(), [0.3 - 0.7 / 4, 0.3 - 0.7 / 3, 0.3 - 0.7]
    )
    assert display.treat_none_.get_ydata() == [0, 0]
    assert display.prevalence == pytest.approx(0.3)
    assert ax.get_ylim() == pytest.approx((-0.045, 0.33))
    assert ax.get_xlabel() == "Threshold risk"
    assert ax.get_ylabel() == "Net benefit"
    assert [text.get_text() for text in display.legend_.get_texts()] == [
        "model",
        "treat all",
        "treat none",
    ]


@pytest.mark.parametrize(
    ("n_positive", "n", "step", "last"),
    [(3, 10, 0.001, 0.975), (1, 25, 0.001, 0.13), (1, 50, 0.0001, 0.065), (9, 10, 0.001, 0.99)],
)
def test_default_thresholds_reach_beyond_three_prevalences(n_positive, n, step, last, ax):
    y = np.arange(n) < n_positive
    display = DecisionCurveDisplay.from_predictions(y, np.full(n, 0.07), ax=ax)
    thresholds = display.frame()["threshold"].to_numpy()
    assert thresholds[0] == step
    assert thresholds[-1] == last
    assert 100 <= len(thresholds) <= 999
    # No rounding error on the way: the risk 0.07 reaches the threshold 0.07.
    assert last < 0.07 or 0.07 in thresholds


def test_decision_curves_of_several_models():
    risks = {"deep learning": _RISK, "prevalence": np.full(10, 0.3)}
    display = DecisionCurveDisplay.from_predictions(_OUTCOME, risks, thresholds=[0.1, 0.4])
    np.testing.assert_allclose(display.lines_["prevalence"].get_ydata(), [0.3 - 0.7 / 9, 0])
    first, second = display.lines_.values()
    assert first.get_color() != second.get_color()
    assert first.get_linestyle() != second.get_linestyle()
    assert display.figure_.get_figwidth() == 3.5

    frame = display.frame()
    assert frame["curve"].tolist() == ["deep learning"] * 2 + ["prevalence"] * 2
    expected = net_benefit(_OUTCOME, _RISK, [0.1, 0.4])
    pd.testing.assert_frame_equal(frame.iloc[:2, 1:], expected)


def test_twenty_decision_curves_differ(ax):
    risks = {f"model {number}": _RISK for number in range(20)}
    display = DecisionCurveDisplay.from_predictions(_OUTCOME, risks, ax=ax)
    looks = {
        (line.get_color(), str(line._unscaled_dash_pattern)) for line in display.lines_.values()
    }
    assert len(looks) == 20


def test_decision_curve_leaves_out_unknown_labels(ax):
    y = np.append(_OUTCOME.astype(float), np.nan)
    risk = np.append(_RISK, np.nan)
    display = DecisionCurveDisplay.from_predictions(y, risk, ax=ax)
    expected = DecisionCurveDisplay.from_predictions(_OUTCOME, _RISK, ax=ax)
    pd.testing.assert_frame_equal(display.frame(), expected.frame())
    words = np.where(_OUTCOME == 1, "sick", "healthy").astype(object)
    named = DecisionCurveDisplay.from_predictions([*words, None], risk, ax=ax)
    pd.testing.assert_frame_equal(named.frame(), expected.frame())


def test_decision_styles(ax):
    display = DecisionCurveDisplay.from_predictions(
        _OUTCOME,
        _RISK,
        name="simulated",
        thresholds=0.2,
        ax=ax,
        curve_kwargs={"c": "black"},
        reference_kwargs={"lw": 3},
        legend_kwargs={"title": "models"},
    )
    assert display.lines_["simulated"].get_color() == "black"
    assert display.lines_["simulated"].get_marker() == "o"
    assert display.treat_all_.get_linewidth() == display.treat_none_.get_linewidth() == 3
    assert display.legend_.get_title().get_text() == "models"
    assert display.plot().ax_ is not ax


def test_decision_curve_of_a_fitted_model(ax):
    rng = np.random.default_rng(0)
    y = np.repeat(["healthy", "sick"], [24, 12])
    X = rng.normal(size=(36, 2)) + (y == "sick")[:, None]
    model = make_pipeline(LogisticRegression()).fit(X, y)
    target = (y == "sick").astype(float)
    target[:3] = np.nan
    display = DecisionCurveDisplay.from_estimator(
        model, X, target, name="logistic", thresholds=[0.2, 0.4], ax=ax
    )
    expected = net_benefit(target[3:], model.predict_proba(X)[3:, 1], [0.2, 0.4])
    pd.testing.assert_frame_equal(display.curves["logistic"], expected)
    other = DecisionCurveDisplay.from_estimator(model, X, y, thresholds=[0.2, 0.4], ax=ax)
    assert other.prevalence == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="RidgeClassifier has the values of a decision_function"):
        DecisionCurveDisplay.from_estimator(RidgeClassifier().fit(X, y), X, y)


def test_decision_curve_of_results(ax):
    result = _result()
    display = DecisionCurveDisplay.from_result(result, thresholds=[0.35, 0.5], ax=ax)
    risk = result.repeat_scores(result.median_repeat())
    expected = net_benefit(_LABELS, risk, [0.35, 0.5])
    pd.testing.assert_frame_equal(display.curves["model"], expected)
    assert display.prevalence == 0.5

    flat = _result(scores=result.scores.assign(score=0.4))
    display = DecisionCurveDisplay.from_result({"a": result, "b": flat}, ax=ax)
    assert list(display.lines_) == ["a", "b"]
    named = DecisionCurveDisplay.from_result(result, name="network", ax=ax)
    assert list(named.lines_) == ["network"]


def test_decision_curve_of_other_labels(ax):
    result = _result()
    y = np.array([0, 1, 0, 1, 0, 1, np.nan, 0, np.nan, 0, 1, 1])
    repeat = result.median_repeat(y)
    # Otherwise the labels trained on would choose the same repeat.
    assert repeat != result.median_repeat()
    display = DecisionCurveDisplay.from_result(result, y, thresholds=[0.35, 0.5], ax=ax)
    known = ~np.isnan(y)
    expected = net_benefit(y[known], result.repeat_scores(repeat)[known], [0.35, 0.5])
    pd.testing.assert_frame_equal(display.curves["model"], expected)
    assert display.prevalence == 0.5


def test_decision_errors():
    draw = DecisionCurveDisplay.from_predictions
    with pytest.raises(ValueError, match="both positive and negative labels, got \\[1\\]"):
        draw(np.ones(10, int), _RISK)
    with pytest.raises(ValueError, match="y and the risk of 'model' must have the same rows"):
        draw(_OUTCOME, _RISK[:9])
    shifted = pd.Series(_RISK, index=np.arange(1, 11))
    with pytest.raises(ValueError, match="have different indices"):
        draw(pd.Series(_OUTCOME), {"a": shifted})
    with pytest.raises(ValueError, match=r"one number a scan.*shape \(10, 2\)"):
        draw(_OUTCOME, np.column_stack([1 - _RISK, _RISK]))
    missing = np.where(_RISK == 0.3, np.nan, _RISK)
    with pytest.raises(ValueError, match=r"'b' lacks a finite number for 1 of 10.*in row 4 "):
        draw(_OUTCOME, {"a": _RISK, "b": missing})
    with pytest.raises(ValueError, match=r"'model' is -0.1 in row 3 .*not a probability"):
        draw(_OUTCOME, np.where(_RISK == 0.2, -0.1, _RISK))
    with pytest.raises(ValueError, match="thresholds must lie between 0 and 1"):
        draw(_OUTCOME, _RISK, thresholds=[0, 0.5])
    with pytest.raises(ValueError, match="name is for a single curve; the keys of prob"):
        draw(_OUTCOME, {"a": _RISK}, name="b")
    with pytest.raises(ValueError, match="prob is an empty dict"):
        draw(_OUTCOME, {})

    result = _result()
    scores = replace(result, response_method="decision_function")
    with pytest.raises(ValueError, match="the result 'b' has the values of a decision_function"):
        DecisionCurveDisplay.from_result({"a": result, "b": scores})
    other = _result(y=_LABELS[::-1])
    with pytest.raises(ValueError, match="results 'a' and 'b' have different labels"):
        DecisionCurveDisplay.from_result({"a": result, "b": other})
    assert DecisionCurveDisplay.from_result({"a": result, "b": other}, _LABELS).prevalence == 0.5
    with pytest.raises(ValueError, match="y must have a label for each of 12 scans"):
        DecisionCurveDisplay.from_result(result, _LABELS[:5])


@pytest.mark.parametrize("look", ["default", "dark_background"])
def test_reference_lines_are_seen_on_any_background(look):
    with pyplot.style.context(look):
        display = DecisionCurveDisplay.from_predictions(_OUTCOME, _RISK)
        numbers = ForestDisplay.from_intervals(_INTERVALS).texts_
        ink = "black" if look == "default" else "white"
        assert same_color(display.treat_none_.get_color(), ink)
        assert {text.get_color() for text in numbers} == {ink}
