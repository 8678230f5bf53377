"""Scans in the proportions of the body."""

import numpy as np
import pytest
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.path import Path

from skdxa.displays import ScanDisplay
from skdxa.exceptions import ScanError
from skdxa.scans import Scan
from skdxa.simulation import make_spine_scan


@pytest.fixture
def partly_scanned():
    pixels = np.linspace(0, 1.5, 63, dtype=np.float32).reshape(7, 9)
    pixels[0, 0] = np.nan
    return pixels


@pytest.fixture
def scan():
    return np.linspace(0, 1.5, 63, dtype=np.float32).reshape(7, 9)


def test_scan_has_true_proportions(partly_scanned, ax):
    display = ScanDisplay.from_scan(partly_scanned, spacing_mm=(2.0, 0.5), ax=ax)
    assert display.image_.get_extent() == [0.0, 4.5, 14.0, 0.0]
    assert display.image_.origin == "upper"
    assert ax.get_aspect() == 1
    np.testing.assert_array_equal(display.image_.get_array().filled(np.nan), partly_scanned)
    assert display.colorbar_.ax.get_ylabel() == "Areal density, g/cm$^2$"
    assert display.spine_line_ is None


def test_spine_line_is_drawn_through_pixel_centres(partly_scanned, ax):
    line = np.array([4, 4, 5, 5, 5, 4, 4.0])
    display = ScanDisplay.from_scan(partly_scanned, spacing_mm=(2.0, 0.5), spine_line=line, ax=ax)
    np.testing.assert_allclose(display.spine_line_.get_xdata(), (line + 0.5) * 0.5)
    np.testing.assert_allclose(display.spine_line_.get_ydata(), np.arange(7) * 2 + 1)
    found = ScanDisplay.from_scan(partly_scanned, spine_line=True)
    assert found.spine_line_.get_xdata().shape == (7,)


def test_a_read_scan_brings_its_spacing_and_unit(partly_scanned, ax):
    display = ScanDisplay.from_scan(
        Scan(partly_scanned, (0.25, 0.5), "grey level", "DICOM"), ax=ax
    )
    assert display.spacing_mm == (0.25, 0.5)
    assert display.colorbar_.ax.get_ylabel() == "Grey level"


def test_scan_frame_and_styles(partly_scanned, ax):
    display = ScanDisplay(partly_scanned, spacing_mm=(2.0, 0.5), unit=None)
    display.plot(ax, title="a scan", style={"image": {"cmap": "viridis"}})
    assert display.colorbar_ is None
    assert display.image_.get_cmap().name == "viridis"
    assert ax.get_title() == "a scan"
    frame = display.frame()
    assert frame.shape == (7, 9)
    assert frame.index[1] == 3.0
    assert frame.columns[2] == 1.25


@pytest.mark.parametrize("spacing_mm", [(1.05, 0.60), (0.25, 0.5), (0.7, 2.0)])
@pytest.mark.parametrize("size", [(3.5, 3.5), (7.2, 3.0)])
def test_a_disc_of_20_mm_is_drawn_round(spacing_mm, size, make_disc, rendered, diameters):
    figure = Figure(figsize=size, layout="constrained")
    ax = figure.subplots()
    ScanDisplay.from_scan(
        make_disc(spacing_mm),
        spacing_mm=spacing_mm,
        ax=ax,
        style={"image": {"vmin": 0, "vmax": 1}},
    )
    brightness, mm = rendered(figure, ax)
    high, wide = diameters(brightness)
    assert high / wide == pytest.approx(1, abs=0.02)
    assert high * mm == pytest.approx(20, rel=0.02)


def square():
    mask = np.zeros((7, 9), bool)
    mask[2:5, 3:7] = True
    return mask


def edges_of(collection):
    return {tuple(sorted(map(tuple, segment))) for segment in collection.get_segments()}


def test_a_mask_is_outlined_along_the_edges_of_its_pixels(scan, ax):
    display = ScanDisplay.from_scan(scan, spacing_mm=(2.0, 0.5), masks={"lesion": square()}, ax=ax)
    edges = edges_of(display.masks_["lesion"])
    columns, rows = np.arange(3, 7) * 0.5, np.arange(2, 5) * 2.0
    expected = {((x, y), (x + 0.5, y)) for x in columns for y in (4.0, 10.0)}
    expected |= {((x, y), (x, y + 2.0)) for x in (1.5, 3.5) for y in rows}
    assert edges == expected
    assert ax.get_xlim() == (0, 4.5)
    assert ax.get_ylim() == (14, 0)


def test_the_outline_encloses_what_the_picture_shows(rendered):
    """On the saved picture: the brightness changes exactly where the outline lies."""
    mask = square()
    figure = Figure(figsize=(4, 4))
    ax = figure.subplots()
    display = ScanDisplay(mask.astype(np.float32), masks={"m": mask}, unit=None)
    display.plot(ax, style={"image": {"vmin": 0, "vmax": 1}, "masks": {"linewidth": 0}})
    brightness, mm = rendered(figure, ax)
    rows, columns = (np.flatnonzero((brightness > 0.5).any(axis=axis)) for axis in (1, 0))
    points = np.concatenate(display.masks_["m"].get_segments())
    # Three pixels at the frame are left out.
    found = [columns[0] + 3, columns[-1] + 4, rows[0] + 3, rows[-1] + 4]
    expected = [*np.sort(points[:, 0])[[0, -1]], *np.sort(points[:, 1])[[0, -1]]]
    np.testing.assert_allclose(np.multiply(found, mm), expected, atol=2 * mm)


def test_holes_borders_and_single_pixels_are_outlined(scan, ax):
    ring = np.zeros((7, 9), bool)
    ring[:3, :3] = True
    ring[1, 1] = False
    display = ScanDisplay(scan, spacing_mm=(1, 1), masks={"ring": ring, "all": scan > -1})
    display.plot(ax)
    edges = edges_of(display.masks_["ring"])
    assert len(edges) == 4 * 3 + 4
    assert ((1.0, 1.0), (1.0, 2.0)) in edges
    assert ((0.0, 0.0), (1.0, 0.0)) in edges
    assert len(edges_of(display.masks_["all"])) == 2 * (7 + 9)


def test_masks_have_their_own_colours_and_a_legend_that_hides_nothing(scan):
    masks = {"disc_narrowing": square(), "rods": ~square(), "cement": np.zeros((7, 9), int)}
    figure = Figure(figsize=(3.5, 3.5), layout="constrained")
    ax = figure.subplots()
    display = ScanDisplay.from_scan(scan, masks=masks, spine_line=np.full(7, 4.0), ax=ax)
    shown = [text.get_text() for text in display.legend_.get_texts()]
    assert shown == ["spine's centre", "disc narrowing", "rods", "cement (none)"]
    colours = {tuple(one.get_color()[0]) for one in display.masks_.values()}
    assert len(colours) == 3
    figure.draw_without_rendering()
    legend = display.legend_.get_window_extent()
    assert legend.y1 <= ax.xaxis.label.get_window_extent().y0
    assert legend.y0 >= 0
    many = ScanDisplay(scan, masks={str(number): square() for number in range(6)}).plot(ax)
    first, *others = (tuple(one.get_color()[0]) for one in many.masks_.values())
    assert others.index(first) == 4
    assert ScanDisplay(scan).plot(ax).legend_ is None


def test_vertebrae_as_masks_boxes_and_corners(scan, ax):
    corners = np.array([[1.0, 2.0], [3.0, 2.5], [1.2, 6.0], [3.1, 6.5]])
    vertebrae = {
        "L1": square(),
        "L2": (2, 5, 3, 7),
        "L3": corners,
        "L4": np.full((4, 2), np.nan),
        "L5": np.zeros((7, 9), bool),
    }
    display = ScanDisplay.from_scan(scan, spacing_mm=(2.0, 0.5), vertebrae=vertebrae, ax=ax)
    # What is not to be seen has no outline, and no name.
    assert list(display.vertebrae_) == list(display.labels_) == ["L1", "L2", "L3"]
    (box,) = display.vertebrae_["L2"].get_segments()
    expected = [[1.5, 4], [3.5, 4], [3.5, 10], [1.5, 10], [1.5, 4]]
    np.testing.assert_allclose(box, expected)
    ends = np.reshape(display.vertebrae_["L1"].get_segments(), (-1, 2))
    np.testing.assert_allclose([ends.min(axis=0), ends.max(axis=0)], [[1.5, 4], [3.5, 10]])
    # Corners count from the centre of the first pixel.
    (around,) = display.vertebrae_["L3"].get_segments()
    np.testing.assert_allclose(around, corners[[0, 1, 3, 2, 0]] + [0.25, 1.0])
    x, y = display.labels_["L2"].get_position()
    assert (x, y) == (5.5, 7.0)
    assert ax.get_xlim() == (0, 4.5)


def test_endplates_of_the_simulation_enclose_the_bodies():
    spine = make_spine_scan(20, noise=False, margins=False, bowel=False, random_state=0)
    corners = dict(zip(["L1", "L2", "L3", "L4"], spine.endplates[1:5], strict=True))
    display = ScanDisplay.from_scan(spine.scan, vertebrae=corners, masks=spine.lesion_masks)
    frame = display.frame()
    y, x = np.meshgrid(frame.index, frame.columns, indexing="ij")
    points = np.column_stack([x.ravel(), y.ravel()])
    for outline in display.vertebrae_.values():
        path = Path(outline.get_segments()[0])
        inside = path.contains_points(points).reshape(spine.scan.shape)
        around = path.contains_points(points, radius=12).reshape(spine.scan.shape) ^ inside
        around |= path.contains_points(points, radius=-12).reshape(spine.scan.shape) & ~inside
        assert spine.scan[inside].mean() > 1.3 * spine.scan[around].mean()


@pytest.mark.parametrize(
    ("outlines", "message"),
    [
        (
            {"masks": {"clip": np.ones((9, 7))}},
            r"masks\['clip'\] has the shape \(9, 7\); the scan",
        ),
        ({"masks": {"clip": np.full((7, 9), 2)}}, r"masks\['clip'\] must hold True and False"),
        ({"vertebrae": {"L2": np.ones((9, 7))}}, r"vertebrae\['L2'\] has the shape \(9, 7\)"),
        ({"vertebrae": {"L2": [1, 2, 3]}}, r"vertebrae\['L2'\] has the shape \(3,\); give a mask"),
        ({"vertebrae": {"L2": (2, 8, 3, 5)}}, r"vertebrae\['L2'\] must be \(first_row.*7 rows"),
        ({"vertebrae": {"L2": (2, 5, 3, 3)}}, r"9 columns, the ends excluded; got \[2, 5, 3, 3\]"),
        ({"spine_line": np.zeros(9)}, r"spine_line has the shape \(9,\); the scan has 7 rows"),
    ],
)
def test_what_does_not_fit_the_scan_is_named(scan, ax, outlines, message):
    with pytest.raises(ScanError, match=message):
        ScanDisplay.from_scan(scan, ax=ax, **outlines)
    assert not ax.collections


def test_a_scan_or_spacing_that_cannot_be_used_is_one_clear_error(scan):
    with pytest.raises(ScanError, match="scan must be a two-dimensional array"):
        ScanDisplay.from_scan(scan[0])
    with pytest.raises(ScanError, match="spacing_mm must be two positive numbers"):
        ScanDisplay.from_scan(scan, spacing_mm=(1.05, 0))
    with pytest.raises(TypeError, match="positional"):
        ScanDisplay.from_scan(scan, (1.05, 0.6))


def test_the_colour_bar_points_beyond_what_it_shows(scan, ax):
    assert ScanDisplay.from_scan(scan, ax=ax).colorbar_.extend == "both"
    whole = {"vmin": 0, "vmax": 1.5}
    bar = ScanDisplay.from_scan(scan, ax=Figure().subplots(), style={"image": whole}).colorbar_
    assert bar.extend == "neither"
    norm = {"norm": Normalize(0.2, 2)}
    display = ScanDisplay.from_scan(scan, ax=Figure().subplots(), style={"image": norm})
    assert display.colorbar_.extend == "min"
    assert display.image_.get_clim() == (0.2, 2)
    top = ScanDisplay.from_scan(scan, ax=Figure().subplots(), style={"image": {"vmin": 0}})
    assert top.colorbar_.extend == "max"


def test_titles_styles_and_a_scan_without_spacing(scan, ax):
    ax.set_title("kept")
    grey = Scan(scan, None, "grey level", "NumPy")
    display = ScanDisplay.from_scan(
        grey,
        spacing_mm=(2.0, 0.5),
        spine_line=np.full(7, 4.0),
        vertebrae={"L1": square()},
        masks={"lesion": square()},
        ax=ax,
        style={
            "spine_line": {"lw": 3},
            "vertebrae": {"color": "red"},
            "labels": {"size": 5},
            "masks": {"c": "white", "lw": 2},
            "legend": {"title": "findings"},
            "colorbar": {"extend": "neither"},
        },
    )
    assert ax.get_title() == "kept"
    assert display.spacing_mm == (2.0, 0.5)
    assert display.spine_line_.get_linewidth() == 3
    assert display.labels_["L1"].get_color() == "red"
    assert display.labels_["L1"].get_fontsize() == 5
    assert display.colorbar_.extend == "neither"
    assert display.legend_.get_title().get_text() == "findings"
    assert display.masks_["lesion"].get_linewidth() == [2]
    assert ScanDisplay(scan).plot(ax, title="new").ax_.get_title() == "new"


def test_masked_pixels_are_not_scanned(scan, ax):
    masked = np.ma.array(scan, mask=scan > 1.2)
    expected = np.where(scan > 1.2, np.nan, scan)
    line = np.ma.array(np.full(7, 4.0), mask=np.arange(7) == 2)
    for display in (
        ScanDisplay.from_scan(masked, spine_line=line, ax=ax),
        ScanDisplay(masked, spine_line=line).plot(ax),
    ):
        np.testing.assert_array_equal(display.image_.get_array().filled(np.nan), expected)
        assert display.image_.get_clim() == tuple(np.nanpercentile(expected, [1, 99.5]))
        np.testing.assert_array_equal(display.frame(), expected)
        assert np.isnan(display.spine_line_.get_xdata()).tolist() == line.mask.tolist()
    with pytest.raises(ScanError, match=r"masks\['m'\] must hold True and False"):
        ScanDisplay(scan, masks={"m": np.ma.array(square(), mask=scan > 1)}).plot(ax)
