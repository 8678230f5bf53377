"""Calibration curves."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import same_color
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline

from skdxa.displays import CalibrationDisplay
from skdxa.evaluation import Folds
from skdxa.significance import calibration_curve

_RNG = np.random.default_rng(0)
_RISK = np.round(expit(_RNG.normal(-1, 1, 240)), 2)
_OUTCOME = (_RNG.random(240) < _RISK).astype(int)


@pytest.fixture
def result():
    """Return a result of two repeats that differ in their risks."""
    folds = Folds.draw(_OUTCOME, n_splits=3, n_repeats=2, random_state=0)
    risks = [_RISK, np.clip(_RISK + 0.2 * np.sin(np.arange(240)), 0.01, 0.99)]
    return folds.with_scores(risks, response_method="predict_proba")


def test_curve_band_and_diagonal(ax):
    display = CalibrationDisplay.from_predictions(
        _OUTCOME, _RISK, n_knots=5, level=0.9, name="simulated", ax=ax
    )
    expected = calibration_curve(_OUTCOME, _RISK, n_knots=5, level=0.9)
    line = display.lines_["simulated"]
    np.testing.assert_array_equal(line.get_xdata(), expected.curve["risk"])
    np.testing.assert_array_equal(line.get_ydata(), expected.curve["observed"])
    outline = display.bands_["simulated"].get_paths()[0].vertices
    for end in ("low", "high"):
        points = expected.curve[["risk", end]].to_numpy()
        assert {*map(tuple, points)} <= {*map(tuple, outline)}
    assert same_color(display.bands_["simulated"].get_facecolor()[0][:3], line.get_color())
    np.testing.assert_array_equal(display.ideal_.get_xydata(), [[0, 0], [1, 1]])
    assert [text.get_text() for text in display.legend_.get_texts()] == [
        f"simulated: ICI = {expected.ici:.3f}",
        "90 % band",
        "ideal",
    ]
    assert ax.get_xlabel() == "Predicted risk"
    assert ax.get_ylabel() == "Observed risk"
    largest = expected.curve[["risk", "observed"]].to_numpy().max()
    assert ax.get_xlim() == pytest.approx((0, min(1.04 * largest, 1.01)))
    assert ax.get_ylim()[1] == ax.get_xlim()[1]
    assert min(ax.get_yticks()) >= 0


def test_histograms_are_shares_of_each_class(ax):
    display = CalibrationDisplay.from_predictions(_OUTCOME, _RISK, ax=ax)
    events, others = display.histograms_["model"]
    middle = events[0].get_y()
    unit = sum(bar.get_height() for bar in events)
    assert -sum(bar.get_height() for bar in others) == pytest.approx(unit)
    for bars, label in ((events, 1), (others, 0)):
        for bar in bars:
            left, right = bar.get_x(), bar.get_x() + bar.get_width()
            within = (left <= _RISK) & (right > _RISK)
            share = np.mean(within[label == _OUTCOME])
            assert abs(bar.get_height()) == pytest.approx(share * unit)
            assert bar.get_y() == middle
    low = ax.get_ylim()[0]
    assert low < middle + min(bar.get_height() for bar in others)
    assert middle + max(bar.get_height() for bar in events) < 0


def test_several_curves_have_a_histogram_each():
    risks = {"right": _RISK, "too low": _RISK / 3}
    display = CalibrationDisplay.from_predictions(_OUTCOME, risks)
    assert list(display.lines_) == list(display.bands_) == list(display.histograms_)
    first, second = (bars[0][0] for bars in display.histograms_.values())
    assert first.get_y() > second.get_y() > display.ax_.get_ylim()[0]
    colors = [line.get_color() for line in display.lines_.values()]
    assert colors[0] != colors[1]
    assert same_color(first.get_facecolor(), colors[0])
    assert display.figure_.get_figwidth() == 3.5
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts[2] == "95 % bands"
    frame = display.frame()
    assert frame.columns.tolist() == ["curve", "risk", "observed", "low", "high", "n", "events"]
    for name, risk in risks.items():
        found = frame[frame["curve"] == name].drop(columns="curve").reset_index(drop=True)
        pd.testing.assert_frame_equal(found, calibration_curve(_OUTCOME, risk).curve)


def test_unknown_labels_and_their_patients_are_left_out(ax):
    y = np.append(_OUTCOME.astype(float), [np.nan, np.nan])
    patient = [f"P{number // 2}" for number in range(242)]
    display = CalibrationDisplay.from_predictions(
        y, np.append(_RISK, [np.nan, 0.5]), groups=patient, ax=ax
    )
    expected = calibration_curve(_OUTCOME, _RISK, groups=patient[:240])
    pd.testing.assert_frame_equal(display.curves["model"].curve, expected.curve)


def test_a_band_of_repeated_patients_is_wider(ax):
    thrice = np.repeat(np.arange(240), 3)
    y, risk = _OUTCOME[thrice], _RISK[thrice]
    plain = CalibrationDisplay.from_predictions(y, risk, ax=ax).frame()
    grouped = CalibrationDisplay.from_predictions(y, risk, groups=thrice, ax=ax).frame()
    assert ((grouped["high"] - grouped["low"]) > 1.3 * (plain["high"] - plain["low"])).all()
    folds = Folds.draw(y, groups=thrice, n_splits=3, n_repeats=1, random_state=0)
    result = folds.with_scores(risk, response_method="predict_proba")
    of_result = CalibrationDisplay.from_result(result, ax=ax).frame()
    pd.testing.assert_frame_equal(of_result, grouped)


def test_curve_of_a_fitted_model(ax):
    rng = np.random.default_rng(0)
    y = np.where(rng.random(120) < 0.4, "sick", "healthy")
    X = rng.normal(size=(120, 2)) + 0.5 * (y == "sick")[:, None]
    model = make_pipeline(LogisticRegression()).fit(X, y)
    display = CalibrationDisplay.from_estimator(model, X, y, n_knots=3, name="logistic", ax=ax)
    expected = calibration_curve(y == "sick", model.predict_proba(X)[:, 1], n_knots=3)
    pd.testing.assert_frame_equal(display.curves["logistic"].curve, expected.curve)
    with pytest.raises(ValueError, match="RidgeClassifier has the values of a decision_function"):
        CalibrationDisplay.from_estimator(RidgeClassifier().fit(X, y), X, y)


def test_curve_of_results(ax, result):
    y = np.where(np.arange(240) % 9 == 0, np.nan, _OUTCOME)
    display = CalibrationDisplay.from_result(result, y, n_knots=3, name="network", ax=ax)
    known = ~np.isnan(y)
    risk = result.repeat_scores(result.median_repeat(y))
    expected = calibration_curve(y[known], risk[known], n_knots=3)
    pd.testing.assert_frame_equal(display.curves["network"].curve, expected.curve)
    both = CalibrationDisplay.from_result({"a": result, "b": result}, ax=ax)
    assert list(both.lines_) == ["a", "b"]


def test_styles(ax):
    style = {
        "curves": {"c": "black"},
        "bands": {"fc": "red"},
        "ideal": {"lw": 3},
        "histograms": {"color": "green"},
        "legend": {"title": "models"},
    }
    display = CalibrationDisplay.from_predictions(_OUTCOME, _RISK, ax=ax, style=style)
    assert display.lines_["model"].get_color() == "black"
    assert same_color(display.bands_["model"].get_facecolor()[0][:3], "red")
    assert display.ideal_.get_linewidth() == 3
    assert same_color(display.histograms_["model"][0][0].get_facecolor(), "green")
    assert display.legend_.get_title().get_text() == "models"
    assert display.plot().ax_ is not ax


def test_errors(result):
    draw, is_highest = CalibrationDisplay.from_predictions, np.arange(240) == _RISK.argmax()
    with pytest.raises(ValueError, match=r"^'b': prob has 1 distinct values, too few"):
        draw(_OUTCOME, {"a": _RISK, "b": np.full(240, 0.3)})
    with pytest.raises(ValueError, match=r"^'model': prob is exactly 1 at position"):
        draw(_OUTCOME, np.where(is_highest, 1.0, _RISK))
    with pytest.raises(ValueError, match="y and groups must have the same rows"):
        draw(_OUTCOME, _RISK, groups=range(239))
    with pytest.raises(ValueError, match=r"'model' is -0.1 at position \d+ .*not a probability"):
        draw(_OUTCOME, np.where(is_highest, -0.1, _RISK))
    scores = replace(result, response_method="decision_function")
    with pytest.raises(ValueError, match="the result 'b' has the values of a decision_function"):
        CalibrationDisplay.from_result({"a": result, "b": scores})


@pytest.mark.parametrize("look", ["default", "dark_background"])
def test_legend_and_axes_are_within_the_figure(look):
    with pyplot.style.context(look):
        display = CalibrationDisplay.from_predictions(
            _OUTCOME, {"a": _RISK, "b": expit(logit(_RISK) - 1)}
        )
        display.figure_.draw_without_rendering()
        figure = display.figure_.bbox
        for artist in (display.ax_, display.legend_):
            box = artist.get_tightbbox()
            assert box.x0 >= figure.x0 - 1
            assert box.y0 >= figure.y0 - 1
            assert box.x1 <= figure.x1 + 1
            assert box.y1 <= figure.y1 + 1
