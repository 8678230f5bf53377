"""Flow charts of cohorts."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from sklearn.utils import Bunch

from skdxa.displays import CohortFlowDisplay, _style
from skdxa.exceptions import CohortError
from skdxa.scans import load_cohort

NAN = np.nan


def cohort_of(target, *, groups=None, excluded=(), **more):
    """Make a cohort by hand; `excluded` holds a reason a scan left out."""
    target = pd.DataFrame(target)
    return Bunch(
        target=target,
        groups=np.arange(len(target)) if groups is None else np.asarray(groups),
        excluded=pd.DataFrame(
            [(row, f"{row}.npy", reason) for row, reason in enumerate(excluded, 2)],
            columns=["row", "scan", "reason"],
        ),
        **more,
    )


@pytest.fixture
def cohort():
    """Seven scans of five patients, of ten listed."""
    return cohort_of(
        {
            "scoliosis": [1, 0, 0, 0, 0, 0, 1],
            "fracture_5y": [1, NAN, 0, 0, NAN, NAN, 0],
            "unseen": [NAN] * 7,
        },
        groups=["a", "a", "b", "b", "c", "d", "e"],
        excluded=["lost", "corrupted", "lost"],
    )


def long_cohort(n_reasons=5, **more):
    """Many scans, targets and reasons, some reasons and names a single endless word."""
    rng = np.random.default_rng(0)
    target = {
        name: np.where(rng.random(2949) < 0.1, NAN, rng.random(2949) < 0.4)
        for name in (
            "scoliosis",
            "unreliable_bone_mineral_density",
            "fracture_ever",
            "fracture_5y",
        )
    }
    reasons = [
        " ".join(["the measurement was lost on its way"] * number + ["x" * 11 * number])
        for number in range(1, n_reasons + 1)
    ]
    return cohort_of(
        target, excluded=[reason for n, reason in enumerate(reasons, 1) for _ in range(n)], **more
    )


def words(display):
    """Return the lines of text, box by box."""
    return [line.strip() for text in display.texts_ for line in text.get_text().split("\n")]


def tops(boxes):
    return {round(box.get_window_extent().y1, 3) for box in boxes}


def check_that_text_fits(display):
    """Each text but names lies in one box, none meet, and all lie within the axes."""
    figure = display.figure_.figure
    names = "".join(display.counts["cohort"].unique()).replace(" ", "")
    for dpi in (72, 110, 300):
        figure.set_dpi(dpi)
        figure.draw_without_rendering()
        boxes = [box.get_window_extent() for box in display.boxes_]
        lines = [text.get_window_extent() for text in display.texts_]
        for text, line in zip(display.texts_, lines, strict=True):
            home = [box for box in boxes if box.contains(*line.get_points().mean(axis=0))]
            assert len(home) == 1 or "".join(text.get_text().split()) in names
            for box in home:
                assert box.x0 <= line.x0 <= line.x1 <= box.x1
                assert box.y0 <= line.y0 <= line.y1 <= box.y1
        for kind in (boxes, lines):
            for number, one in enumerate(kind):
                assert not any(one.shrunk(0.99, 0.7).overlaps(other) for other in kind[:number])
        axes = display.ax_.get_window_extent()
        points = np.concatenate([box.get_points() for box in (*boxes, *lines)])
        assert (points >= axes.min - dpi / 72).all()
        assert (points <= axes.max + dpi / 72).all()


def test_counts_of_a_cohort(cohort, ax):
    display = CohortFlowDisplay.from_cohort(cohort, ax=ax)
    frame = display.frame()
    expected = [
        ("listed", NAN, NAN, 10, pd.NA, NAN),
        ("excluded", "lost", NAN, 2, pd.NA, NAN),
        ("excluded", "corrupted", NAN, 1, pd.NA, NAN),
        ("kept", NAN, NAN, 7, 5, NAN),
        ("positive", NAN, "scoliosis", 2, 2, 2 / 7),
        ("negative", NAN, "scoliosis", 5, 4, 5 / 7),
        ("unknown", NAN, "scoliosis", 0, 0, 0),
        ("positive", NAN, "fracture_5y", 1, 1, 1 / 4),
        ("negative", NAN, "fracture_5y", 3, 2, 3 / 4),
        ("unknown", NAN, "fracture_5y", 3, 3, 3 / 7),
    ]
    columns = ["step", "reason", "target", "scans", "patients", "share"]
    expected = pd.DataFrame(expected, columns=columns).astype({"patients": "Int64"})
    pd.testing.assert_frame_equal(frame[columns], expected, check_dtype=False)
    assert set(frame["cohort"]) == {"Cohort"}
    frame["scans"] = 0
    assert display.frame()["scans"].max() == 10


def test_words_and_boxes_of_a_cohort(cohort):
    display = CohortFlowDisplay.from_cohort(cohort, names={"fracture_5y": "Fracture in 5 years"})
    assert words(display) == [
        "Cohort",
        *("Listed", "10 scans"),
        *("Excluded: 3 scans", "2: lost", "1: corrupted"),
        *("Kept", "7 scans of 5 patients"),
        *("scoliosis", "1: 2 (28.6 %)", "0: 5 (71.4 %)", "unknown: 0"),
        *("Fracture in 5 years", "1: 1 (25.0 %)", "0: 3 (75.0 %)", "unknown: 3 (42.9 % of all)"),
    ]
    assert len(display.boxes_) == 5
    check_that_text_fits(display)
    assert display.figure_.get_figwidth() == _style.COLUMN_WIDTH
    # Down to those kept, aside to those excluded, and a bus to the two targets.
    heads = [arrow.get_arrowstyle().__class__.__name__ for arrow in display.arrows_]
    assert heads.count("CurveFilledB") == 4
    assert heads.count("Curve") == 2


def test_patients_of_excluded_scans_are_counted_if_given(cohort):
    cohort.excluded["group"] = ["a", "f", "g"]
    display = CohortFlowDisplay.from_cohort(cohort, targets=[])
    assert display.frame()["patients"].tolist() == [7, 2, 1, 5]
    assert "10 scans of 7 patients" in words(display)
    assert len(display.boxes_) == 3
    assert len(display.arrows_) == 2


def test_one_box_where_nothing_is_excluded_or_asked_for(ax):
    cohort = cohort_of({"scoliosis": [1.0]}, simulated=True)
    display = CohortFlowDisplay.from_cohort(cohort, targets=[], ax=ax)
    assert words(display) == ["Simulated cohort", "1 scan of 1 patient"]
    assert len(display.boxes_) == 1
    assert display.arrows_ == []
    display.plot()
    assert display.figure_.get_figheight() < 0.7
    display = CohortFlowDisplay.from_cohort(cohort, targets="scoliosis", ax=ax)
    assert words(display)[2:] == ["scoliosis", "1: 1 (100.0 %)", "0: 0", "unknown: 0"]


def test_cohorts_side_by_side(cohort):
    external = cohort_of({"scoliosis": [0, 1, 1]}, simulated=True)
    cohorts = {"Development": cohort, "External": external, "Simulated too": external}
    display = CohortFlowDisplay.from_cohorts(cohorts, targets=["scoliosis", "fracture_5y"])
    assert display.figure_.get_figwidth() == _style.PAGE_WIDTH
    frame = display.frame()
    names = ["Development", "External (simulated)", "Simulated too"]
    assert frame["cohort"].unique().tolist() == names
    assert frame.groupby("cohort")["target"].nunique().tolist() == [2, 1, 1]
    assert words(display).count("Excluded: 0 scans") == 2
    assert words(display)[:3] == names
    check_that_text_fits(display)
    lefts = [text.get_window_extent().x0 for text in display.texts_[:3]]
    assert lefts == sorted(lefts)
    assert len(tops(display.boxes_[:3])) == 1


@pytest.mark.parametrize(("width", "n_rows"), [(12, 1), (5, 2)])
def test_a_cohort_without_targets_beside_one_with_two(cohort, width, n_rows):
    cohorts = {"Labelled": cohort, "Unlabelled": cohort_of({"unseen": [NAN] * 3})}
    ax = pyplot.subplots(figsize=(width, 4), layout="constrained")[1]
    display = CohortFlowDisplay.from_cohorts(cohorts, ax=ax)
    assert len(display.boxes_) == 8
    check_that_text_fits(display)
    assert len(tops(display.boxes_[-2:])) == n_rows


def test_unknown_targets_and_names(cohort):
    for given in ({"targets": ["scoliosos"]}, {"names": {"scoliosos": "Scoliosis"}}):
        with pytest.raises(CohortError, match=r"no cohort has the target 'scoliosos'; .*'unseen'"):
            CohortFlowDisplay.from_cohort(cohort, **given)
    with pytest.raises(CohortError, match="no cohort to draw"):
        CohortFlowDisplay.from_cohorts({})


def test_a_target_without_labels_is_drawn_if_asked_for(cohort, ax):
    display = CohortFlowDisplay.from_cohort(cohort, targets=["unseen"], ax=ax)
    assert words(display)[-4:] == ["unseen", "1: 0", "0: 0", "unknown: 7 (100.0 % of all)"]
    assert display.frame()["share"].tolist()[-3:] == pytest.approx([NAN, NAN, 1], nan_ok=True)


def test_reasons_of_a_loaded_cohort_name_no_file(tmp_path):
    table = pd.DataFrame({"scan": [f"doe_{n}.npy" for n in range(6)], "label": [0, 1, 0, 1, 0, 1]})
    np.save(tmp_path / "doe_0.npy", np.linspace(0, 1, 63).reshape(7, 9))
    (tmp_path / "doe_1.npy").touch()
    (tmp_path / "doe_2.npy").write_bytes(b"no scan")
    np.save(tmp_path / "doe_3.npy", np.full((7, 9), NAN))
    for number in (4, 5):
        (tmp_path / f"doe_{number}.npy").write_bytes(b"\x93NUMPY cut short" + bytes(number))
    with pytest.warns(UserWarning, match="5 of 6 scans are left out"):
        cohort = load_cohort(table, scans=tmp_path, target_columns="label", on_error="exclude")
    assert cohort.excluded["reason"].str.contains("doe_").all()
    frame = CohortFlowDisplay.from_cohort(cohort).frame()
    excluded = frame[frame["step"] == "excluded"].set_index("reason")["scans"]
    assert excluded.iloc[0] == 2
    assert excluded.to_dict() == {
        "damaged file": 2,
        "empty file": 1,
        "unknown format": 1,
        "nothing scanned": 1,
    }


def test_reasons_without_a_kind_stay_as_they_are(ax):
    cohort = cohort_of(
        {"label": [0, 1]}, excluded=["moved (abroad). Not followed", None, "costs $1 or $2"]
    )
    cohort.excluded.loc[3] = [NAN, NAN, "1.0: moved\n (abroad). Not followed"]
    cohort.excluded.loc[4] = [NAN, "", "a: b"]
    display = CohortFlowDisplay.from_cohort(cohort, ax=ax)
    reasons = display.frame()["reason"].dropna().tolist()
    assert reasons == [
        "moved (abroad). Not followed",
        "no reason given",
        "costs $1 or $2",
        "1.0: moved (abroad). Not followed",
        "a: b",
    ]
    assert "1: costs $1 or $2" in words(display)


def test_the_rarest_reasons_are_summed_up():
    cohort = long_cohort()
    display = CohortFlowDisplay.from_cohort(cohort).plot(max_reasons=3)
    shown = [line for line in words(display) if line[0].isdigit() and "reasons" in line]
    assert shown == ["3: other reasons"]
    assert len(display.frame().query("step == 'excluded'")) == 5
    assert next(line[:3] for line in words(display) if "the measurement" in line) == "5: "
    check_that_text_fits(display)


@pytest.mark.parametrize("width", [_style.COLUMN_WIDTH, _style.PAGE_WIDTH])
@pytest.mark.parametrize("layout", [None, "constrained"])
def test_text_fits_given_axes(width, layout):
    cohort = long_cohort(n_reasons=3)
    ax = pyplot.subplots(figsize=(width, 8), layout=layout)[1]
    targets = ["scoliosis", "fracture_ever", "fracture_5y"]
    display = CohortFlowDisplay.from_cohort(cohort, targets=targets, ax=ax)
    assert display.ax_ is ax
    check_that_text_fits(display)
    beside = len(tops(display.boxes_[-2:])) == 1
    assert beside == (width == _style.PAGE_WIDTH)
    assert min(text.get_fontsize() for text in display.texts_) >= 5


@pytest.mark.parametrize("n_reasons", [1, 12])
def test_text_fits_own_figures(n_reasons):
    cohort = long_cohort(n_reasons)
    check_that_text_fits(CohortFlowDisplay.from_cohort(cohort))
    name = "Women of the population in the years between 2003 and 2007 who had a scan " * 2
    display = CohortFlowDisplay.from_cohorts({name.strip(): cohort, "B" * 90: long_cohort(2)})
    assert {text.get_fontsize() for text in display.texts_} == {8}
    check_that_text_fits(display)


def test_letters_shrink_to_fit_and_no_further():
    cohort = long_cohort(n_reasons=2)
    high, low = (Figure(figsize=(3.5, height), layout="constrained") for height in (9, 3.4))
    sizes = [
        CohortFlowDisplay.from_cohort(cohort, ax=figure.subplots()).texts_[0].get_fontsize()
        for figure in (high, low)
    ]
    assert sizes[0] == 8
    assert 5 <= sizes[1] < 8
    for size, found in (((3.5, 1), "3.4 inches wide and 0.9 high"), ((0.2, 9), "0.1 inches wide")):
        figure = Figure(figsize=size, layout="constrained")
        with pytest.raises(ValueError, match=rf"{found}.* with letters of 5 points: give larger"):
            CohortFlowDisplay.from_cohort(cohort, ax=figure.subplots())
    display = CohortFlowDisplay(CohortFlowDisplay.from_cohort(cohort).frame())
    with pytest.raises(ValueError, match=r"3\.4 inches wide with letters of 200 points"):
        display.plot(style={"texts": {"size": 200}})


def test_flow_in_a_subfigure(cohort):
    left, _ = Figure(figsize=(7.2, 5), layout="constrained").subfigures(1, 2)
    display = CohortFlowDisplay.from_cohort(cohort, ax=left.subplots())
    assert display.figure_ is left
    check_that_text_fits(display)


def test_flow_styles(cohort):
    with pyplot.style.context("dark_background"):
        display = CohortFlowDisplay.from_cohort(cohort)
        assert {text.get_color() for text in display.texts_} == {"white"}
    display.plot(
        style={
            "texts": {"size": 6, "family": "monospace", "weight": "light", "c": "red"},
            "boxes": {"ec": "green", "lw": 2},
            "arrows": {"lw": 3},
        }
    )
    assert {text.get_fontsize() for text in display.texts_} == {6}
    assert {text.get_fontweight() for text in display.texts_} == {"bold", "light"}
    assert {text.get_color() for text in display.texts_} == {"red"}
    assert {box.get_linewidth() for box in display.boxes_} == {2}
    assert {box.get_edgecolor() for box in display.boxes_} == {(0, 128 / 255, 0, 1)}
    assert {arrow.get_linewidth() for arrow in display.arrows_} == {3}
    check_that_text_fits(display)
