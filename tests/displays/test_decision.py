"""Decision curves."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import same_color
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline

from skdxa.displays import DecisionCurveDisplay
from skdxa.evaluation import Folds
from skdxa.significance import net_benefit

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
        style={
            "curves": {"c": "black"},
            "treat_all": {"lw": 3},
            "treat_none": {"lw": 3},
            "legend": {"title": "models"},
        },
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


def test_decision_curve_of_results(ax, make_result):
    result = make_result()
    display = DecisionCurveDisplay.from_result(result, thresholds=[0.35, 0.5], ax=ax)
    risk = result.repeat_scores(result.median_repeat())
    expected = net_benefit(make_result().y, risk, [0.35, 0.5])
    pd.testing.assert_frame_equal(display.curves["model"], expected)
    assert display.prevalence == 0.5

    flat = make_result(scores=result.scores.assign(score=0.4))
    display = DecisionCurveDisplay.from_result({"a": result, "b": flat}, ax=ax)
    assert list(display.lines_) == ["a", "b"]
    named = DecisionCurveDisplay.from_result(result, name="network", ax=ax)
    assert list(named.lines_) == ["network"]


def test_decision_curve_of_other_labels(ax, make_result):
    result = make_result()
    y = np.array([0, 0, 0, 0, 1, 1, 0, 1, np.nan, 1, np.nan, 1])
    repeat = result.median_repeat(y)
    # Otherwise the labels trained on would choose the same repeat.
    assert repeat != result.median_repeat()
    display = DecisionCurveDisplay.from_result(result, y, thresholds=[0.35, 0.5], ax=ax)
    known = ~np.isnan(y)
    expected = net_benefit(y[known], result.repeat_scores(repeat)[known], [0.35, 0.5])
    pd.testing.assert_frame_equal(display.curves["model"], expected)
    assert display.prevalence == 0.5


def test_decision_bands(ax):
    draw = DecisionCurveDisplay.from_predictions
    options = {"thresholds": [0.2, 0.4], "n_resamples": 99, "random_state": 0}
    risks = {"a": _RISK, "b": np.sqrt(_RISK)}
    display = draw(_OUTCOME, risks, level=0.8, ax=ax, style={"bands": {"alpha": 0.7}}, **options)
    expected = net_benefit(_OUTCOME, _RISK, level=0.8, **options)
    pd.testing.assert_frame_equal(display.curves["a"], expected)
    for name, line in display.lines_.items():
        band, curve = display.bands_[name], display.curves[name]
        outline = {*map(tuple, band.get_paths()[0].vertices)}
        assert {*zip(curve["threshold"], curve["low"], strict=True)} <= outline
        assert {*zip(curve["threshold"], curve["high"], strict=True)} <= outline
        assert same_color(band.get_facecolor()[0][:3], line.get_color())
        assert band.get_alpha() == 0.7
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["a", "b", "80 % bands", "treat all", "treat none"]
    assert draw(_OUTCOME, _RISK, ax=ax).bands_ == {}


def test_decision_bands_resample_patients(ax):
    thrice = np.tile(np.repeat(np.arange(10), 3), 8)
    patient = np.repeat(np.arange(80), 3)
    y, risk = _OUTCOME[thrice], _RISK[thrice]
    options = {"thresholds": [0.2, 0.4], "n_resamples": 400, "random_state": 0, "ax": ax}
    draw = DecisionCurveDisplay.from_predictions
    grouped = draw(y, risk, groups=patient, **options).frame()
    plain = draw(y, risk, **options).frame()
    # Three copies of each scan: standard errors are larger by the square root of three.
    ratio = (grouped["high"] - grouped["low"]) / (plain["high"] - plain["low"])
    np.testing.assert_allclose(ratio, np.sqrt(3), rtol=0.2)
    folds = Folds.draw(y, groups=patient, n_splits=2, n_repeats=1, random_state=0)
    result = folds.with_scores(risk, response_method="predict_proba")
    of_result = DecisionCurveDisplay.from_result(result, **options).frame()
    pd.testing.assert_frame_equal(of_result, grouped)


def test_decision_errors(make_result):
    draw = DecisionCurveDisplay.from_predictions
    with pytest.raises(ValueError, match="both positive and negative labels, got \\[1\\]"):
        draw(np.ones(10, int), _RISK)
    with pytest.raises(ValueError, match="y and the risk of 'model' must have the same rows"):
        draw(_OUTCOME, _RISK[:9])
    shifted = pd.Series(_RISK, index=np.arange(1, 11))
    with pytest.raises(ValueError, match="have different indices"):
        draw(pd.Series(_OUTCOME), {"a": shifted})
    with pytest.raises(ValueError, match=r"one number for each of 10 scans.*shape \(10, 2\)"):
        draw(_OUTCOME, np.column_stack([1 - _RISK, _RISK]))
    missing = np.where(_RISK == 0.3, np.nan, _RISK)
    with pytest.raises(ValueError, match=r"'b' lacks a finite number for 1 of 10.*at position 4 "):
        draw(_OUTCOME, {"a": _RISK, "b": missing})
    with pytest.raises(ValueError, match=r"'model' is -0.1 at position 3 .*not a probability"):
        draw(_OUTCOME, np.where(_RISK == 0.2, -0.1, _RISK))
    with pytest.raises(ValueError, match="thresholds must lie between 0 and 1"):
        draw(_OUTCOME, _RISK, thresholds=[0, 0.5])
    with pytest.raises(ValueError, match="name is for a single curve; the keys of prob"):
        draw(_OUTCOME, {"a": _RISK}, name="b")
    with pytest.raises(ValueError, match="prob is an empty dict"):
        draw(_OUTCOME, {})

    result = make_result()
    scores = replace(result, response_method="decision_function")
    with pytest.raises(ValueError, match="the result 'b' has the values of a decision_function"):
        DecisionCurveDisplay.from_result({"a": result, "b": scores})
    other = make_result(y=make_result().y[::-1])
    with pytest.raises(ValueError, match="results 'a' and 'b' have different labels"):
        DecisionCurveDisplay.from_result({"a": result, "b": other})
    assert (
        DecisionCurveDisplay.from_result({"a": result, "b": other}, make_result().y).prevalence
        == 0.5
    )
    with pytest.raises(ValueError, match="y must have a label for each of 12 scans"):
        DecisionCurveDisplay.from_result(result, result.y[:5])


@pytest.mark.parametrize("look", ["default", "dark_background"])
def test_reference_lines_are_seen_on_any_background(look):
    with pyplot.style.context(look):
        display = DecisionCurveDisplay.from_predictions(_OUTCOME, _RISK)
        ink = "black" if look == "default" else "white"
        assert same_color(display.treat_none_.get_color(), ink)
