"""Styles, axes and labels that all displays share."""

import inspect
import re
from functools import partial
from itertools import product

import numpy as np
import numpydoc.validate
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from skdxa.displays import (
    CalibrationDisplay,
    CohortFlowDisplay,
    DecisionCurveDisplay,
    ExplanationDisplay,
    ForestDisplay,
    RaterAgreementDisplay,
    RepeatedRocDisplay,
    ScanDisplay,
    TrainingCurveDisplay,
)
from skdxa.displays._base import BaseDisplay, RiskCurveDisplay, title_of
from skdxa.simulation import make_spine_cohort

Y = np.array([0, 1, 0, 1, 1])
SCORE = np.array([0.1, 0.8, 0.4, 0.3, 0.9])

TABLE = pd.DataFrame({"auc": 0.7, "auc_low": 0.6, "auc_high": 0.8}, index=["network"])

# One factory, or `plot`, of every display.
DRAWN = [
    partial(RepeatedRocDisplay.from_predictions, Y, SCORE),
    partial(DecisionCurveDisplay.from_predictions, Y, SCORE),
    partial(
        CalibrationDisplay.from_predictions,
        np.tile([0, 1, 0, 1, 1, 0, 1, 0, 0, 1], 9),
        np.linspace(0.1, 0.9, 90),
    ),
    partial(ForestDisplay.from_table, TABLE),
    partial(RaterAgreementDisplay.from_ratings, [[0, 0], [1, 1], [0, 1]]),
    partial(ScanDisplay.from_scan, np.eye(7, 9)),
    TrainingCurveDisplay(epochs=[1], training=[0.5]).plot,
    partial(CohortFlowDisplay.from_cohort, make_spine_cohort(3, random_state=0)),
    ExplanationDisplay(np.ones((1, 7, 9))).plot,
]


@pytest.mark.parametrize("draw", DRAWN)
def test_an_unknown_artist_is_one_clear_error(draw):
    display = draw()
    assert isinstance(display, BaseDisplay)
    names = re.escape(str(list(display._ARTISTS)))
    message = rf"style has no artist 'croissant'; the artists of a {type(display).__name__} are "
    with pytest.raises(ValueError, match=message + names):
        draw(style={"croissant": {"color": "red"}})
    first = next(iter(display._ARTISTS))
    with pytest.raises(ValueError, match=rf"style\['{first}'\] must be a dict .* got 'red'\.$"):
        draw(style={first: "red"})


METHODS = [
    f"{display.__name__}.{name}"
    for display in (*BaseDisplay.__subclasses__(), *RiskCurveDisplay.__subclasses__())
    for name in vars(display)
    if name == "plot" or name.startswith("from_")
]


@pytest.mark.parametrize("method", METHODS)
def test_docstrings_describe_all_parameters_and_what_is_returned(method):
    found = numpydoc.validate.validate(f"skdxa.displays.{method}")
    errors = {code for code, _ in found["errors"]}
    assert errors.isdisjoint({"PR01", "PR02", "PR03", "RT01", "GL06", "GL07"})
    assert not re.search(r"\{[a-z]+\}", found["docstring"])
    assert f"display : {method.split('.')[0]}\n" in found["docstring"]


@pytest.mark.parametrize("display", [CalibrationDisplay, DecisionCurveDisplay])
def test_docstrings_describe_shared_parameters_in_full(display):
    described = inspect.getdoc(display.from_predictions)
    for line in (
        "y : array-like of shape (n_scans,)\n    Two labels, the larger one positive;",
        "prob : array-like of shape (n_scans,), or dict of str to such\n    Predicted risk",
        "groups : array-like of shape (n_scans,), optional\n    The patient of each scan",
        "ax, style : as in `plot`\n",
    ):
        assert f"\n{line}" in described
    assert "\nX : array-like, list or" in inspect.getdoc(display.from_estimator)
    assert "\n    Labels to evaluate by" in inspect.getdoc(display.from_result)


def test_masked_labels_and_scores_are_unknown(ax):
    hidden = [False, False, True, False, False]
    y, score = np.ma.array(Y, mask=hidden), np.ma.array(SCORE, mask=hidden)
    known = ~np.array(hidden)
    for masked, plain in (
        (RepeatedRocDisplay.from_predictions(y, score, ax=ax), RepeatedRocDisplay),
        (RepeatedRocDisplay.from_predictions(y, [score, score], ax=ax), RepeatedRocDisplay),
        (DecisionCurveDisplay.from_predictions(y, score, ax=ax), DecisionCurveDisplay),
    ):
        expected = plain.from_predictions(Y[known], SCORE[known], ax=ax).frame()
        frame = masked.frame().query("repeat != 1") if "repeat" in expected else masked.frame()
        pd.testing.assert_frame_equal(frame.reset_index(drop=True), expected)
    with pytest.raises(ValueError, match="repeat 0 lacks a finite number for 1 of 5"):
        RepeatedRocDisplay.from_predictions(Y, score)


@pytest.mark.parametrize(
    ("name", "title"), [("auc", "AUC"), ("true_rate", "True rate"), ("F1 of AUC", "F1 of AUC")]
)
def test_titles_of_metrics(name, title):
    assert title_of(name) == title


TRAINING = TrainingCurveDisplay(
    epochs=np.arange(1, 8),
    training=np.linspace(1, 0.2, 7),
    validation=np.linspace(1.2, 0.6, 7),
    best_epoch=5,
    ranges=pd.DataFrame(
        {"training_low": 0.1, "training_high": 1.1, "n_folds": 50}, index=np.arange(1, 8)
    ),
)
MASKS = {f"a finding of a long name, {number}": np.ones((7, 9), bool) for number in range(5)}
WITH_LEGEND = [
    TRAINING.plot,
    partial(
        RepeatedRocDisplay.from_predictions,
        Y,
        [SCORE, SCORE],
        threshold=0.5,
        name="deep learning",
        benchmarks={"minimum T-score": SCORE, "age": 1 - SCORE},
    ),
    partial(
        DecisionCurveDisplay.from_predictions,
        Y,
        {f"a model of a long name, {number}": SCORE for number in range(6)},
    ),
    partial(ScanDisplay.from_scan, np.eye(7, 9), masks=MASKS),
]


def around(ax):
    """Return the boxes of what stands around axes, in pixels."""
    texts = [ax.xaxis.label, ax.yaxis.label, *(child.yaxis.label for child in ax.child_axes)]
    return [text.get_window_extent() for text in texts]


def is_inside(box, figure):
    return (box.min >= -1).all() and (box.max <= figure.bbox.max + 1).all()


@pytest.mark.parametrize(
    ("draw", "font_size"), [*product(WITH_LEGEND, [10]), *product(WITH_LEGEND[:3], [14])]
)
def test_a_figure_grows_by_its_legend(draw, font_size):
    with pyplot.rc_context({"font.size": font_size}):
        display = draw()
        display.figure_.draw_without_rendering()
    legend, ax = display.legend_.get_window_extent(), display.ax_
    assert not any(legend.overlaps(box) for box in (ax.get_window_extent(), *around(ax)))
    assert all(is_inside(box, display.figure_) for box in (legend, *around(ax)))
    assert display.figure_.get_figwidth() == 3.5


@pytest.mark.parametrize("draw", WITH_LEGEND)
@pytest.mark.parametrize(("width", "height"), [(6, 2), (6, 3), (7.2, 4)])
def test_a_legend_stands_at_the_right_of_axes_that_are_wide(draw, width, height):
    figure = Figure(figsize=(width, height), layout="constrained")
    display = draw(ax=figure.subplots())
    figure.draw_without_rendering()
    legend, ax = display.legend_.get_window_extent(), display.ax_.get_window_extent()
    assert all(is_inside(box, figure) for box in (legend, *around(display.ax_)))
    if height < 3:
        assert legend.x0 > max(box.x1 for box in (ax, *around(display.ax_)))
    assert not any(legend.overlaps(box) for box in (ax, *around(display.ax_)))


@pytest.mark.parametrize("draw", WITH_LEGEND[:3])
def test_legends_of_two_panels_are_well_apart(draw):
    figure = Figure(figsize=(6, 3), layout="constrained")
    left, right = [draw(ax=ax).legend_ for ax in figure.subplots(1, 2)]
    figure.draw_without_rendering()
    gap = right.get_window_extent().x0 - left.get_window_extent().x1
    assert gap > 0.5 * figure.dpi
    assert left.get_window_extent().x0 > 0
    assert right.get_window_extent().x1 < figure.bbox.width


def test_columns_of_a_legend_can_be_chosen():
    legend = TRAINING.plot(style={"legend": {"ncols": 4}}).legend_
    heights = [text.get_window_extent().y0 for text in legend.get_texts()]
    assert np.ptp(heights) < 1


@pytest.mark.parametrize("layout", ["constrained", None])
@pytest.mark.parametrize("draw", WITH_LEGEND[:3])
def test_six_entries_in_two_low_panels_hide_no_curve(draw, layout):
    figure = Figure(figsize=(6, 2), layout=layout)
    drawn = [(draw(ax=ax).legend_, ax) for ax in figure.subplots(1, 2)]
    figure.draw_without_rendering()
    for legend, ax in drawn:
        box = legend.get_window_extent()
        assert is_inside(box, figure)
        assert min(ax.get_window_extent().size) > 0.25 * figure.bbox.height
        for line in ax.lines:
            path = line.get_transform().transform_path(line.get_path())
            assert not path.intersects_bbox(box, filled=False)
    left, right = (legend.get_window_extent() for legend, _ in drawn)
    assert not left.overlaps(right)


@pytest.mark.parametrize("draw", WITH_LEGEND[:3])
def test_a_figure_with_a_colour_bar_keeps_its_layout(draw):
    figure = Figure(figsize=(5, 3))
    left, right = figure.subplots(1, 2)
    figure.colorbar(left.imshow(np.eye(3)), ax=left)
    draw(ax=right)
    figure.draw_without_rendering()
    assert figure.get_layout_engine() is None
