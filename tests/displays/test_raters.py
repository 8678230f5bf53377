"""Agreement of raters."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix
from sklearn.utils import Bunch

from skdxa.displays import RaterAgreementDisplay, _style
from skdxa.exceptions import CohortError
from skdxa.significance import rater_agreement

NAN = np.nan


RATINGS = np.array([[0, 0, 0], [1, 1, 0], [1, 1, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1], [0, 0, 1]])


def cells(display):
    return [[text.get_text() for text in row] for row in display.text_]


def test_three_raters(ax):
    display = RaterAgreementDisplay.from_ratings(RATINGS, level=0.9, name="scoliosis", ax=ax)
    table = rater_agreement(RATINGS, level=0.9)
    pd.testing.assert_frame_equal(display.frame(), table)
    for pair in ("1-2", "1-3", "2-3"):
        first, second = (RATINGS[:, int(rater) - 1] for rater in pair.split("-"))
        expected = confusion_matrix(first, second)
        np.testing.assert_array_equal(display.crosstabs[pair], expected)
        row = table.index.get_loc(pair)
        assert cells(display)[row] == [
            *map(str, expected.ravel()),
            f"{100 * np.mean(first == second):.1f} %",
        ]
        np.testing.assert_allclose(display.image_.get_array()[row], expected.ravel() / 7)
    assert display.crosstabs["1-3"].index.name == "rater 1"
    assert display.crosstabs["1-3"].columns.name == "rater 3"
    assert cells(display)[3] == ["", "", "", "", f"{100 * table.agreement['all']:.1f} %"]
    assert display.image_.get_array().mask[3].all()

    points, _, (whiskers,) = display.kappa_.lines
    np.testing.assert_allclose(points.get_xdata(), table["kappa"])
    ends = np.array([segment[:, 0] for segment in whiskers.get_segments()])
    np.testing.assert_allclose(ends, table[["low", "high"]])
    first = table.iloc[0]
    words = f"{first.kappa:.2f} ({first.low:.2f} to {first.high:.2f})"
    assert display.kappa_text_[0].get_text() == words
    low, high = display.kappa_ax_.get_xlim()
    assert low < min(0, table.low.min())
    assert high > max(1, table.high.max())
    assert display.kappa_ax_.get_xlabel() == "Kappa, 90 % interval"
    ticks = [label.get_text() for label in display.table_ax_.get_yticklabels()]
    assert ticks == ["1-2", "1-3", "2-3", "all"]
    assert display.table_ax_.get_ylim() == display.kappa_ax_.get_ylim() == (3.5, -0.5)
    headings = [label.get_text() for label in display.table_ax_.get_xticklabels()]
    assert headings == ["0, 0", "0, 1", "1, 0", "1, 1", "alike"]
    assert ax.get_title() == "scoliosis"


def test_two_raters_are_one_pair(ax):
    display = RaterAgreementDisplay.from_ratings(RATINGS[:, :2], ax=ax)
    assert display.text_.shape == (1, 5)
    assert len(display.frame()) == 2
    assert ax.get_title() == ""


def test_many_categories_are_lumped_where_raters_differ(ax):
    names = np.array(["none", "moderate", "severe"])
    codes = np.array([[0, 0], [0, 1], [2, 1], [2, 2], [1, 1], [0, 0], [1, 2]])
    display = RaterAgreementDisplay.from_ratings(names[codes], ax=ax)
    headings = display.table_ax_.get_xticklabels()
    assert [label.get_text() for label in headings] == [*sorted(names), "differ", "alike"]
    assert {label.get_rotation() for label in headings} == {0}
    assert cells(display) == [["1", "2", "1", "3", "57.1 %"]]
    # In a column's width the headings would meet, and are turned.
    own = display.plot().figure_
    own.draw_without_rendering()
    headings = display.table_ax_.get_xticklabels()
    assert {label.get_rotation() for label in headings} == {90}
    boxes = [heading.get_window_extent() for heading in headings]
    assert all(0 < box.y0 < box.y1 < own.bbox.y1 for box in boxes)
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
    assert display.table_ax_.get_window_extent().height > 0.3 * own.dpi
    assert display.table_ax_.get_xlabel() == "Scans that both call"


def test_headings_are_turned_in_narrow_axes_too():
    figure = Figure(figsize=(6, 3), layout="constrained")
    for ax in figure.subplots(1, 2):
        display = RaterAgreementDisplay.from_ratings(RATINGS, ax=ax)
        figure.draw_without_rendering()
        headings = display.table_ax_.get_xticklabels()
        boxes = [heading.get_window_extent() for heading in headings]
        assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
    assert figure.get_figheight() == 3


def test_undefined_kappas_are_named_so(ax):
    # The first two raters say 0 throughout, and the third once says 1.
    ratings = np.zeros((5, 3), dtype=int)
    ratings[0, 2] = 1
    with pytest.warns(RuntimeWarning):
        display = RaterAgreementDisplay.from_ratings(ratings, ax=ax)
    words = [text.get_text() for text in display.kappa_text_]
    assert words[0] == "undefined"
    assert words[1] == "0.00 (0.00 to 0.00)"
    assert words[3] == f"{display.frame().kappa['all']:.2f}"
    ax.figure.draw_without_rendering()


def test_numbers_of_raters_do_not_meet():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(2949, 1))
    ratings = (truth + 0.8 * rng.normal(size=(2949, 3)) > [0, 0.2, -0.2]).astype(int)
    display = RaterAgreementDisplay.from_ratings(ratings, name="simulated")
    figure = display.figure_
    assert figure.get_figwidth() == _style.COLUMN_WIDTH
    for dpi in (100, 300):
        figure.set_dpi(dpi)
        figure.draw_without_rendering()
        headings = display.table_ax_.get_xticklabels()
        for row in (*display.text_, headings):
            extents = [text.get_window_extent() for text in row]
            assert all(one.x1 < other.x0 for one, other in pairwise(extents) if one.x1)
        for text in (*display.text_.ravel(), *display.kappa_text_):
            extent = text.get_window_extent()
            assert extent.x0 >= 0
            assert extent.x1 <= figure.bbox.x1
        above = [text.get_window_extent() for text in display.kappa_text_]
        dots = display.kappa_ax_.transData.transform(
            np.column_stack([display.kappa_.lines[0].get_xdata(), np.arange(4) + 0.2])
        )
        assert (dots[:, 1] < [extent.y0 for extent in above]).all()


def test_raters_of_a_cohort(ax):
    ratings = pd.DataFrame(RATINGS, columns=[f"bone_off_r{rater}" for rater in (1, 2, 3)])
    ratings["bone_off_r1_again"] = ratings["other_r1"] = 1
    ratings.loc[2, "bone_off_r2"] = NAN
    display = RaterAgreementDisplay.from_cohort(Bunch(ratings=ratings), "bone_off", ax=ax)
    expected = rater_agreement(np.delete(RATINGS, 2, axis=0))
    pd.testing.assert_frame_equal(display.frame(), expected)
    assert ax.get_title() == "bone off"
    assert list(display.crosstabs["1-2"]) == [0, 1]
    assert display.table_ax_.get_xticklabels()[1].get_text() == "0, 1"
    turned = Bunch(ratings=ratings[ratings.columns[::-1]])
    again = RaterAgreementDisplay.from_cohort(turned, "bone_off")
    pd.testing.assert_frame_equal(again.frame(), expected)
    simulated = Bunch(ratings=ratings, simulated=True)
    display = RaterAgreementDisplay.from_cohort(simulated, "bone_off", level=0.8, ax=ax)
    assert display.name == "bone off (simulated)"
    assert display.level == 0.8
    for cohort in (Bunch(ratings=ratings), Bunch()):
        with pytest.raises(CohortError, match="no ratings of 'other' by two raters"):
            RaterAgreementDisplay.from_cohort(cohort, "other")


def test_rater_styles():
    with pyplot.style.context("dark_background"):
        display = RaterAgreementDisplay.from_ratings(RATINGS)
        assert display.text_[0, 0].get_color() == "white"
    display.plot(
        style={
            "image": {"cmap": "Greys"},
            "text": {"size": 5, "ha": "right"},
            "kappa": {"c": "red", "ms": 7},
        }
    )
    assert display.image_.get_cmap().name == "Greys"
    assert display.text_[0, 0].get_fontsize() == 5
    assert display.kappa_text_[0].get_horizontalalignment() == "right"
    assert display.kappa_.lines[0].get_color() == "red"
    assert display.kappa_.lines[0].get_markersize() == 7
