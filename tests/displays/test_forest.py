"""Forest plots."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from skdxa.displays import ForestDisplay
from skdxa.evaluation import Folds, external_table, performance_table, subgroup_table
from skdxa.significance import HypothesisTest, Interval

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
        style={
            "points": {"c": "black", "marker": "D"},
            "whiskers": {"lw": 3},
            "reference": {"ls": "--"},
            "texts": {"size": 5, "color": "red"},
        },
    )
    assert (display.points_.get_color(), display.points_.get_marker()) == ("black", "D")
    assert display.whiskers_.get_linewidth() == [3]
    assert display.reference_.get_linestyle() == "--"
    assert {(text.get_fontsize(), text.get_color()) for text in display.texts_} == {(5, "red")}
    assert display.ax_ is ax
    assert ForestDisplay(display.frame()).plot().ax_ is not ax


def test_forest_of_a_table(tmp_path, ax, make_result):
    results = {"a": make_result(), "b": make_result(scores=make_result().scores.assign(score=0.5))}
    with pytest.warns(RuntimeWarning, match="no interval for"):
        table = performance_table(results)
    display = ForestDisplay.from_table(table, level=0.95, method="corrected resampled t", ax=ax)
    expected = table[["auc", "auc_low", "auc_high"]].to_numpy()
    np.testing.assert_array_equal(display.frame().iloc[:, :3], expected)
    assert display.points_.get_xdata()[0] == pytest.approx(np.mean([1, 5 / 9, 6 / 9, 8 / 9]))
    assert ax.get_xlabel() == "AUC, mean of folds\n95 % interval (corrected resampled t)"

    table.to_csv(tmp_path / "table1.csv")
    read = pd.read_csv(tmp_path / "table1.csv")
    display = ForestDisplay.from_table(read, metric="sensitivity", ax=ax)
    assert display.frame().index.tolist() == ["a", "b"]
    np.testing.assert_allclose(display.frame()["estimate"], table["sensitivity"])
    assert display.frame()["method"].isna().all()
    assert ax.get_xlabel() == "Sensitivity, mean of folds\ninterval"
    mixed = read.assign(aggregation=["pooled", "mean of folds"])
    assert ForestDisplay.from_table(mixed, ax=ax).ax_.get_xlabel() == "AUC\ninterval"
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


def test_forest_of_results(ax, make_result):
    reversed_scores = make_result().scores.eval("score = 1 - score")
    results = {"a": make_result(), "b": make_result(scores=reversed_scores)}
    display = ForestDisplay.from_results(results, ax=ax)
    frame = display.frame()
    assert list(frame) == ["estimate", "low", "high", "level", "method"]
    assert frame.index.tolist() == ["a", "b"]
    for name, result in results.items():
        summary = result.summary()
        expected = summary.loc["auc", ["estimate", "low", "high"]].tolist()
        assert frame.loc[name, ["estimate", "low", "high"]].tolist() == expected
    label = "AUC, mean of folds\n95 % interval (DeLong, stability)"
    assert ax.get_xlabel() == label
    pooled = ForestDisplay.from_results(results, interval="delong", ax=ax)
    assert ax.get_xlabel() == "AUC, pooled\n95 % interval (DeLong, logit scale)"
    assert pooled.frame().loc["a", "estimate"] == results["a"].repeat_metrics()["auc"].min()

    labels = np.array([np.nan, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1])
    options = {
        "threshold": 0.4,
        "interval": "bootstrap",
        "level": 0.8,
        "n_resamples": 99,
        "random_state": 0,
    }
    display = ForestDisplay.from_results(
        {"a": make_result()}, metric="specificity", y=labels, ax=ax, **options
    )
    expected = make_result().summary(labels, **options).loc["specificity"]
    assert (
        display.frame().iloc[0, :4].tolist()
        == expected[["estimate", "low", "high", "level"]].tolist()
    )
    assert ax.get_xlabel().startswith("Specificity, pooled\n80 % interval (")


def test_forest_errors(make_result):
    test = HypothesisTest(0.1, 1.0, 0.3, _INTERVALS["TBS"], "DeLong")
    with pytest.raises(TypeError, match=r"'a' must be an Interval .* HypothesisTest. Give its"):
        ForestDisplay.from_intervals({"a": test})
    with pytest.raises(TypeError, match=r"'a' must be an Interval .* got tuple\.$"):
        ForestDisplay.from_intervals({"a": (0.5, 0.4, 0.6)})
    for nothing in (ForestDisplay.from_intervals, ForestDisplay.from_results):
        with pytest.raises(ValueError, match="there is no row to draw"):
            nothing({})
    with pytest.raises(ValueError, match=r"metric must be one of .*got 'kappa'"):
        ForestDisplay.from_results({"a": make_result()}, metric="kappa")
    table = pd.DataFrame({"auc": [0.6], "auc_low": [0.5]})
    with pytest.raises(ValueError, match=r"no column 'auc_high'; to draw 'auc' it needs"):
        ForestDisplay.from_table(table)


@pytest.mark.parametrize("look", ["default", "dark_background"])
def test_numbers_are_seen_on_any_background(look):
    with pyplot.style.context(look):
        numbers = ForestDisplay.from_intervals(_INTERVALS).texts_
    assert {text.get_color() for text in numbers} == {"black" if look == "default" else "white"}


def test_subgroups_are_drawn():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1, 0], 60)
    folds = Folds.draw(y, n_splits=3, n_repeats=2, random_state=0)
    result = folds.with_scores(
        np.clip(0.2 + 0.3 * y + 0.2 * rng.random(180), 0, 1), response_method="predict_proba"
    )
    table = subgroup_table(result, rng.choice(["F", "M", "other"], 180, p=[0.6, 0.35, 0.05]))
    for metric, at, title in (
        ("auc", 0.5, "AUC"),
        ("o_e", 1, "Observed / expected events"),
        ("slope", 1, "Calibration slope"),
    ):
        display = ForestDisplay.from_table(table, metric=metric, level=0.95)
        assert display.reference_.get_xdata()[0] == at
        assert display.ax_.get_xlabel().splitlines()[0] == title
        names = [label.get_text() for label in display.ax_.get_yticklabels()]
        assert names == ["all", "F", "M", "other"]
        assert display.texts_[3].get_text() == "undefined"
    assert ForestDisplay.from_table(table, metric="specificity").reference_ is None
