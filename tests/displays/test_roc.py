"""ROC curves."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    confusion_matrix,
    roc_auc_score,
    roc_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skdxa.displays import RepeatedRocDisplay
from skdxa.evaluation import CrossValidationResult


@pytest.fixture(scope="module")
def result():
    """Three repeats of two folds over ten scans, made by hand."""
    rng = np.random.default_rng(0)
    y = np.array([0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
    scores = pd.DataFrame(
        {
            "repeat": np.repeat([0, 1, 2], 10),
            "fold": np.tile(np.repeat([0, 1], 5), 3),
            "row": np.tile(np.arange(10), 3),
            "score": np.clip(
                rng.normal(0.5, 0.25, size=30) + np.tile(0.15 * (2 * y - 1), 3), 0, 1
            ),
        }
    )
    folds = pd.DataFrame(
        {
            "repeat": np.repeat([0, 1, 2], 2),
            "fold": np.tile([0, 1], 3),
            "n_train": 5,
            "n_test": 5,
        }
    )
    return CrossValidationResult(scores, folds, y)


def test_roc_of_the_median_repeat(result, ax):
    display = RepeatedRocDisplay.from_result(result, threshold=0.5, name="deep learning", ax=ax)
    score = result.repeat_scores(result.median_repeat())
    expected = roc_curve(result.y, score, drop_intermediate=False)
    np.testing.assert_array_equal(display.line_.get_xdata(), expected[0])
    np.testing.assert_array_equal(display.line_.get_ydata(), expected[1])
    assert display.roc_auc == pytest.approx(roc_auc_score(result.y, score))
    assert display.line_.get_label() == f"deep learning: pooled AUC = {display.roc_auc:.2f}"
    each = [roc_auc_score(result.y, result.repeat_scores(repeat)) for repeat in range(3)]
    np.testing.assert_allclose(display.repeat_aucs, each)
    assert display.roc_auc == pytest.approx(np.median(each))

    (tn, fp), (fn, tp) = confusion_matrix(result.y, score >= 0.5)
    (x,), (height,) = display.threshold_.get_data()
    assert (x, height) == pytest.approx((fp / (fp + tn), tp / (tp + fn)))
    assert display.threshold_.get_label() == "threshold 0.5"
    assert ax.get_xlabel() == "1 - specificity"
    assert ax.get_ylabel() == "Sensitivity"
    assert ax.get_legend().get_texts()[0].get_text() == "range of 3 repeats"


def test_band_covers_every_repeat(result, ax):
    display = RepeatedRocDisplay.from_result(result, ax=ax)
    box = display.band_.get_paths()[0]
    for repeat in range(3):
        fpr, tpr, _ = roc_curve(result.y, result.repeat_scores(repeat))
        inside = np.interp([0.31, 0.62], fpr, tpr)
        low = np.interp([0.31, 0.62], display.grid, display.repeat_tprs.min(axis=0))
        high = np.interp([0.31, 0.62], display.grid, display.repeat_tprs.max(axis=0))
        assert (low <= inside + 0.01).all()
        assert (inside - 0.01 <= high).all()
    assert box.vertices[:, 1].max() <= 1


def test_other_labels_and_no_threshold(result, ax):
    y = result.y.astype(float)
    y[:3] = np.nan
    display = RepeatedRocDisplay.from_result(result, y=y, threshold=None, ax=ax)
    score = result.repeat_scores(result.median_repeat(y))
    assert display.roc_auc == pytest.approx(roc_auc_score(y[3:], score[3:]))
    assert display.threshold_ is None


def test_threshold_of_a_decision_function_is_zero(result, ax):
    decisions = CrossValidationResult(
        result.scores.assign(score=result.scores["score"] - 0.5),
        result.folds,
        result.y,
        response_method="decision_function",
    )
    display = RepeatedRocDisplay.from_result(decisions, ax=ax)
    assert display.threshold == 0
    expected = RepeatedRocDisplay.from_result(result, ax=ax).threshold_point
    assert display.threshold_point == expected


def test_single_repeat_has_no_band(result, ax):
    first = CrossValidationResult(
        result.scores.query("repeat == 0"), result.folds.query("repeat == 0"), result.y
    )
    display = RepeatedRocDisplay.from_result(first, ax=ax)
    assert display.band_ is None
    assert len(ax.get_legend().get_texts()) == 2


def test_roc_styles_and_replotting(result):
    style = {
        "curve": {"c": "black", "lw": 3},
        "band": {"alpha": 0.5},
        "chance": {"ls": "--"},
        "threshold": {"ms": 3},
    }
    display = RepeatedRocDisplay.from_result(result, style=style)
    assert display.line_.get_color() == "black"
    assert display.line_.get_linewidth() == 3
    assert display.band_.get_alpha() == 0.5
    assert display.chance_level_.get_linestyle() == "--"
    assert display.threshold_.get_markersize() == 3
    other = Figure().subplots()
    assert display.plot(other, name="again").ax_ is other
    assert display.line_.get_label().startswith("again: ")


def test_roc_frame(result, ax):
    display = RepeatedRocDisplay.from_result(result, benchmarks={"row": np.arange(10)}, ax=ax)
    frame = display.frame()
    assert list(frame) == ["curve", "repeat", "fpr", "tpr", "threshold"]
    model, row = (frame[frame["curve"] == curve] for curve in ("model", "row"))
    assert len(model) + len(row) == len(frame)
    assert set(model["repeat"]) == {"median", 0, 1, 2}
    assert model.query("repeat == 'median'")["threshold"].is_monotonic_decreasing
    np.testing.assert_array_equal(model.query("repeat == 1")["tpr"], display.repeat_tprs[1])
    assert row["repeat"].isna().all()
    expected = roc_curve(result.y, np.arange(10), drop_intermediate=False)
    np.testing.assert_array_equal(row[["fpr", "tpr", "threshold"]].T, expected)


def test_benchmarks_beside_the_model(result, ax):
    rng = np.random.default_rng(1)
    benchmarks = {f"benchmark {number}": rng.normal(size=10) for number in range(20)}
    display = RepeatedRocDisplay.from_result(result, benchmarks=benchmarks, name="network", ax=ax)
    assert list(display.benchmark_lines_) == list(benchmarks)
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts[1].startswith("network: pooled AUC = ")
    assert texts[-1] == "threshold 0.5"
    looks = {(display.line_.get_color(), "-")}
    for (name, line), text in zip(display.benchmark_lines_.items(), texts[2:-1], strict=True):
        fpr, tpr, _ = roc_curve(result.y, benchmarks[name], drop_intermediate=False)
        np.testing.assert_array_equal(line.get_data(), (fpr, tpr))
        assert text == f"{name}: AUC = {roc_auc_score(result.y, benchmarks[name]):.2f}"
        # What Matplotlib draws: the dashes and gaps, in line widths.
        looks.add((line.get_color(), str(line._dash_pattern)))
    assert len(looks) == 21
    first = list(display.benchmark_lines_.values())[:4]
    assert len({line.get_color() for line in first}) == 4
    assert len({str(line._dash_pattern) for line in first}) == 4


def test_benchmark_styles_and_the_legend(result):
    benchmarks = {"minimum T-score": -np.arange(10), "age": np.arange(10)}
    display = RepeatedRocDisplay.from_result(
        result, benchmarks=benchmarks, style={"benchmarks": {"lw": 3, "ls": ":"}}
    )
    lines = display.benchmark_lines_.values()
    assert {line.get_linewidth() for line in lines} == {3}
    assert {line.get_linestyle() for line in lines} == {":"}
    assert len({line.get_color() for line in lines}) == 2
    # Its legend stands below the axes and within the figure.
    figure, ax = display.figure_, display.ax_
    figure.draw_without_rendering()
    legend = display.legend_.get_window_extent()
    assert legend.y1 < ax.xaxis.label.get_window_extent().y0 + 1
    assert legend.y0 > -0.5
    assert 0 <= legend.x0 <= legend.x1 <= figure.bbox.x1
    display.plot(style={"legend": {"loc": "upper left"}})
    assert display.legend_ is display.ax_.get_legend()


@pytest.mark.parametrize("layout", ["constrained", None])
def test_a_legend_hides_no_curve_in_small_figures(result, layout):
    figure = Figure(figsize=(3, 3), layout=layout)
    display = RepeatedRocDisplay.from_result(result, name="network", ax=figure.subplots())
    figure.draw_without_rendering()
    legend, ax = display.legend_.get_window_extent(), display.ax_.get_window_extent()
    assert not legend.overlaps(ax)
    assert legend.x0 >= 0
    assert legend.x1 <= figure.bbox.x1


def test_a_benchmark_needs_a_score_of_every_labelled_scan(result, ax):
    score, y = np.arange(10.0), result.y.astype(float)
    score[[3, 6]] = np.nan, np.inf
    message = (
        "benchmark 'TBS' lacks a finite number for 2 of 10 labelled scans, the first at position 3"
    )
    with pytest.raises(ValueError, match=message):
        RepeatedRocDisplay.from_result(result, benchmarks={"age": y, "TBS": score}, ax=ax)
    y[[3, 6]] = np.nan
    display = RepeatedRocDisplay.from_result(result, y=y, benchmarks={"TBS": score}, ax=ax)
    known = ~np.isnan(y)
    expected = roc_curve(y[known], score[known], drop_intermediate=False)
    np.testing.assert_array_equal(display.benchmarks["TBS"][1], expected[1])
    with pytest.raises(ValueError, match=r"'TBS' must hold one number for each of 10 scans, got"):
        RepeatedRocDisplay.from_result(result, benchmarks={"TBS": score[:9]}, ax=ax)


def test_roc_of_predictions_is_that_of_the_result(result, ax):
    scores = [result.repeat_scores(repeat) for repeat in range(3)]
    benchmarks = {"row": np.arange(10)}
    one = RepeatedRocDisplay.from_result(result, threshold=0.4, benchmarks=benchmarks, ax=ax)
    labels = np.where(result.y, "yes", "no")
    other = RepeatedRocDisplay.from_predictions(
        labels, scores, threshold=0.4, benchmarks=benchmarks, ax=ax
    )
    pd.testing.assert_frame_equal(one.frame(), other.frame())
    assert one.threshold_point == other.threshold_point
    assert one.line_.get_label() == other.line_.get_label()


def test_roc_of_one_score(result, ax):
    y = result.y.astype(object)
    y[0] = None
    score = result.repeat_scores(0)
    score[0] = np.nan
    display = RepeatedRocDisplay.from_predictions(y, score, name="network", ax=ax)
    assert display.roc_auc == pytest.approx(roc_auc_score(result.y[1:], score[1:]))
    assert display.line_.get_label() == f"network: AUC = {display.roc_auc:.2f}"
    assert display.threshold_ is None
    assert display.band_ is None


def test_the_median_of_equal_repeats_is_the_first(ax):
    y = np.array([0, 1, 0, 1, 0, 1, 1])
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(6, 7))
    scores[[1, 3, 4]] = scores[1], 2 * scores[1], scores[1] ** 3
    long = pd.DataFrame(
        {
            "repeat": np.repeat(np.arange(6), 7),
            "fold": 0,
            "row": np.tile(np.arange(7), 6),
            "score": scores.ravel(),
        }
    )
    folds = pd.DataFrame({"repeat": range(6), "fold": 0, "n_train": 0, "n_test": 7})
    result = CrossValidationResult(long, folds, y, response_method="decision_function")
    median = scores[result.median_repeat()]
    display = RepeatedRocDisplay.from_predictions(y, scores, ax=ax)
    assert display.thresholds[1] == median.max()


def test_bad_predictions():
    y = np.array([0, 1, 0, 1, 1])
    with pytest.raises(ValueError, match="the score of repeat 1 lacks a finite number for 1 of 5"):
        RepeatedRocDisplay.from_predictions(y, [[0, 1, 2, 3, 4], [0, 1, 2, 3, np.nan]])
    with pytest.raises(ValueError, match="y must have a label for each of 4 scans, got 5"):
        RepeatedRocDisplay.from_predictions(y, [0, 1, 2, 3])
    for labels in ([1, 1, 1], [0, 1, 2], [np.nan, np.nan, 0]):
        with pytest.raises(ValueError, match="y must hold both positive and negative labels, got"):
            RepeatedRocDisplay.from_predictions(labels, [0, 1, 2])
    with pytest.raises(ValueError, match="threshold must be a number or None, got 'auto'"):
        RepeatedRocDisplay.from_predictions(y, y, threshold="auto")


@pytest.mark.parametrize(("probability", "threshold"), [(True, 0.5), (False, 0)])
def test_roc_of_an_estimator(probability, threshold, ax):
    X, y = make_classification(70, random_state=0)
    labels = np.array(["none", "scoliosis"])[y]
    model = LogisticRegression() if probability else LinearSVC()
    model = make_pipeline(StandardScaler(), model).fit(X[:40], labels[:40])
    unknown = labels[40:].astype(object)
    unknown[2] = np.nan
    display = RepeatedRocDisplay.from_estimator(
        model, X[40:], unknown, benchmarks={"first": X[40:, 0]}, name="model", ax=ax
    )
    known = np.delete(np.arange(40, 70), 2)
    score = model.predict_proba(X)[:, 1] if probability else model.decision_function(X)
    assert display.roc_auc == pytest.approx(roc_auc_score(y[known], score[known]))
    assert display.threshold == threshold
    called = model.predict(X[known]) == "scoliosis"
    false, true = (called[y[known] == label].mean() for label in (0, 1))
    assert display.threshold_point == pytest.approx((false, true))
    assert display.line_.get_label().startswith("model: AUC = ")
    assert list(display.benchmarks) == ["first"]
    other = RepeatedRocDisplay.from_estimator(model, X[40:], y[40:], threshold=None, ax=ax)
    assert other.threshold_ is None


def test_confusion_matrix_of_the_same_repeat(result, ax):
    """Figures 4 and 5 put the curve and the counts of one repeat beside each other."""
    matrix = result.confusion_matrix(threshold=0.4)
    shown = ConfusionMatrixDisplay(matrix.to_numpy(), display_labels=result.classes).plot(ax=ax)
    (_, false), (_, true) = [[int(text.get_text()) for text in row] for row in shown.text_]
    display = RepeatedRocDisplay.from_result(result, threshold=0.4, ax=Figure().subplots())
    assert display.threshold_point == (false / 5, true / 5)


def test_roc_shows_on_dark_figures(result):
    with pyplot.style.context("dark_background"):
        display = RepeatedRocDisplay.from_result(result)
    assert display.threshold_.get_color() == "white"
