import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

from skdxa.displays import RepeatedRocDisplay, ScanDisplay
from skdxa.evaluation import CrossValidationResult
from skdxa.scans import Scan

matplotlib.use("agg")


@pytest.fixture
def ax():
    return Figure().subplots()


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
    styles = {"curve_kwargs": {"c": "black", "lw": 3}, "band_kwargs": {"alpha": 0.5}}
    display = RepeatedRocDisplay.from_result(result, **styles)
    assert display.line_.get_color() == "black"
    assert display.line_.get_linewidth() == 3
    assert display.band_.get_alpha() == 0.5
    other = Figure().subplots()
    assert display.plot(other, name="again").ax_ is other
    assert display.line_.get_label().startswith("again: ")
    matplotlib.pyplot.close("all")


def test_roc_frame(result, ax):
    frame = RepeatedRocDisplay.from_result(result, ax=ax).frame()
    assert list(frame) == ["repeat", "fpr", "tpr", "threshold"]
    assert set(frame["repeat"]) == {"median", 0, 1, 2}
    assert frame.query("repeat == 'median'")["threshold"].is_monotonic_decreasing


@pytest.fixture
def scan():
    pixels = np.linspace(0, 1.5, 63, dtype=np.float32).reshape(7, 9)
    pixels[0, 0] = np.nan
    return pixels


def test_scan_has_true_proportions(scan, ax):
    display = ScanDisplay.from_scan(scan, spacing_mm=(2.0, 0.5), ax=ax)
    assert display.image_.get_extent() == [0.0, 4.5, 14.0, 0.0]
    assert display.image_.origin == "upper"
    assert ax.get_aspect() == 1
    np.testing.assert_array_equal(display.image_.get_array().filled(np.nan), scan)
    assert display.colorbar_.ax.get_ylabel() == "Areal density, g/cm$^2$"
    assert display.spine_line_ is None


def test_spine_line_is_drawn_through_pixel_centres(scan, ax):
    line = np.array([4, 4, 5, 5, 5, 4, 4.0])
    display = ScanDisplay.from_scan(scan, spacing_mm=(2.0, 0.5), spine_line=line, ax=ax)
    np.testing.assert_allclose(display.spine_line_.get_xdata(), (line + 0.5) * 0.5)
    np.testing.assert_allclose(display.spine_line_.get_ydata(), np.arange(7) * 2 + 1)
    found = ScanDisplay.from_scan(scan, spine_line=True)
    assert found.spine_line_.get_xdata().shape == (7,)
    matplotlib.pyplot.close("all")


def test_a_read_scan_brings_its_spacing_and_unit(scan, ax):
    display = ScanDisplay.from_scan(Scan(scan, (0.25, 0.5), "grey level", "DICOM"), ax=ax)
    assert display.spacing_mm == (0.25, 0.5)
    assert display.colorbar_.ax.get_ylabel() == "Grey level"


def test_scan_frame_and_styles(scan, ax):
    display = ScanDisplay(scan, spacing_mm=(2.0, 0.5), unit=None)
    display.plot(ax, title="a scan", image_kwargs={"cmap": "viridis"})
    assert display.colorbar_ is None
    assert display.image_.get_cmap().name == "viridis"
    assert ax.get_title() == "a scan"
    frame = display.frame()
    assert frame.shape == (7, 9)
    assert frame.index[1] == 3.0
    assert frame.columns[2] == 1.25
