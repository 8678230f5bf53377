"""Explanations of a network."""

import copy
import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError
from small_network import tiny_network

from skdxa import inspection
from skdxa.displays import ExplanationDisplay
from skdxa.displays._explain import choose_kernels
from skdxa.displays._style import paper_figure
from skdxa.exceptions import ScanError
from skdxa.preprocessing import HorizontalFlip, SpineCropper

N, ROWS, COLUMNS = 3, 14, 10


SHAPE = (N, ROWS, COLUMNS)


@pytest.fixture(scope="module")
def scans():
    """Scans of unequal size with a bright spine and unscanned corners."""
    rng = np.random.default_rng(2)
    scans = []
    for n_rows, centre in zip((18, 21, 12), (12, 16, 14), strict=True):
        scan = rng.normal(0.1, 0.02, size=(n_rows, 30)).astype(np.float32)
        scan[:, centre - 3 : centre + 4] += 1
        scan[:3, :2] = np.nan
        scans.append(scan)
    return pd.DataFrame({"scan": scans}, index=["a", "b", "c"])


@pytest.fixture(scope="module")
def model(scans):
    steps = make_pipeline(HorizontalFlip(), SpineCropper(ROWS, COLUMNS), tiny_network())
    steps.fit(scans, [0, 1, 0])
    rng = np.random.default_rng(1)
    steps[-1].weights_ = [
        rng.normal(scale=0.5, size=weights.shape).astype(np.float32)
        for weights in steps[-1].weights_
    ]
    # No kernel of the last convolution is silent.
    steps[-1].weights_[3] = np.abs(steps[-1].weights_[3])
    return steps


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "images": rng.normal(size=SHAPE),
        "grad_cam": rng.random(SHAPE),
        "gradients": rng.normal(size=SHAPE),
        "feature_maps": rng.random((N, 8, 7, 5)),
        "maximized": rng.normal(size=(8, ROWS, COLUMNS)),
        "units": np.array([3, 5, 8, 13, 21, 34, 55, 60]),
    }


def test_silent_kernels_are_drawn_for_lack_of_others():
    maps = np.zeros((2, 9, 4, 3))
    maps[0, [1, 7]] = maps[1, 4] = 1.0
    for seed in range(5):
        drawn = choose_kernels(maps, 3, np.random.RandomState(seed))
        assert drawn.tolist() == [1, 4, 7]
        assert {1, 4, 7} < set(choose_kernels(maps, 5, np.random.RandomState(seed)))
    some = {tuple(choose_kernels(maps, 2, np.random.RandomState(seed))) for seed in range(20)}
    assert some == {(1, 4), (1, 7), (4, 7)}


def test_a_disc_is_round_in_an_explanation_too(make_disc, rendered, diameters):
    spacing_mm = (1.05, 0.60)
    image = make_disc(spacing_mm)[:, :86]
    coarse = image.reshape(16, 2, 43, 2).mean(axis=(1, 3))
    figure = Figure(figsize=(7.2, 3.0))
    display = ExplanationDisplay(
        image[None], feature_maps=coarse[None, None], spacing_mm=spacing_mm
    ).plot(
        figure,
        style={panel: {"vmin": 0, "vmax": 1} for panel in ("input", "feature_maps")},
    )
    for ax in (display.axes_["input"][0], display.axes_["feature_maps"][0, 0]):
        for artist in [*ax.texts, *ax.lines]:
            artist.remove()
        brightness, mm = rendered(figure, ax)
        high, wide = diameters(brightness)
        assert high / wide == pytest.approx(1, abs=0.02)
        assert wide * mm == pytest.approx(20, rel=0.03)


def test_a_kernel_that_nothing_excites_has_no_pattern(model, scans):
    model = copy.deepcopy(model)
    model[-1].weights_[3] = np.array([5.0, -1e3, 5.0, 5.0], np.float32)
    display = ExplanationDisplay.from_estimator(
        model, scans, panels=["maximized"], units=[0, 1], n_steps=3, random_state=0
    )
    assert display.maximized[0].any()
    assert not display.maximized[1].any()
    written = [[text.get_text() for text in ax.texts] for ax in display.axes_["maximized"]]
    assert written == [[], ["silent"]]
    peaks = display.frame().query("panel == 'maximized'")
    assert peaks["row_mm"].isna().tolist() == [False, True]


def test_all_panels_are_what_inspection_gives(model, scans):
    display = ExplanationDisplay.from_estimator(model, scans, n_maps=3, n_steps=3, random_state=4)
    patterns = inspection.maximize_activation(
        model, units=display.units, n_steps=3, random_state=np.random.RandomState(4)
    )
    expected = {
        "grad_cam": inspection.grad_cam(model, scans),
        "gradients": inspection.vanilla_gradients(model, scans),
        "feature_maps": inspection.feature_maps(model, scans, units=display.units),
    }
    assert display.maximized.shape == patterns.shape
    np.testing.assert_array_equal(display.images, model[:-1].transform(scans))
    for name, array in expected.items():
        np.testing.assert_array_equal(getattr(display, name), array)
        assert display.axes_[name].shape == display.images_[name].shape == array.shape[:-2]
        for place in np.ndindex(array.shape[:-2]):
            shown = display.images_[name][place].get_array()
            np.testing.assert_array_equal(shown, array[place])
    assert len(set(display.units)) == 3
    titles = [ax.get_title() for ax in display.axes_["maximized"]]
    assert titles == [str(unit) for unit in display.units]
    assert [ax.get_title() for ax in display.axes_["feature_maps"][1]] == titles


def test_layer_target_variant_and_units_are_passed_on(model, scans):
    options = {"layer": "conv1", "units": [2, 0], "target": 0, "variant": "hires_cam"}
    display = ExplanationDisplay.from_estimator(model, scans, n_steps=2, random_state=0, **options)
    expected = inspection.grad_cam(model, scans, layer="conv1", target=0, variant="hires_cam")
    np.testing.assert_array_equal(display.grad_cam, expected)
    np.testing.assert_array_equal(
        display.gradients, inspection.vanilla_gradients(model, scans, target=0)
    )
    maps = inspection.feature_maps(model, scans, layer="conv1", units=[2, 0])
    np.testing.assert_array_equal(display.feature_maps, maps)
    assert display.units.tolist() == [2, 0]
    assert len(display.maximized) == 2


def test_what_is_left_out_is_not_computed(model, scans, monkeypatch):
    for name in ("maximize_activation", "feature_maps", "vanilla_gradients"):
        monkeypatch.setattr(inspection, name, None)
    display = ExplanationDisplay.from_estimator(model, scans, panels=("grad_cam",))
    assert list(display.axes_) == list(display.colorbars_) == ["grad_cam"]
    monkeypatch.undo()
    monkeypatch.setattr(inspection, "grad_cam", None)
    display = ExplanationDisplay.from_estimator(
        model, scans, panels=("maximized", "input"), n_maps=2, n_steps=2, random_state=0
    )
    assert list(display.axes_) == ["input", "maximized"]
    assert display.feature_maps is None
    assert not display.colorbars_


def written_above(display):
    """Titles of the scans and headings of the panels."""
    return [text for text in display.figure_.artists if isinstance(text, Annotation)]


def left_titles(display):
    return [text.get_text() for text in written_above(display)]


def test_titles_name_scan_class_probability_and_label(model, scans):
    probability = model.predict_proba(scans)
    display = ExplanationDisplay.from_estimator(model, scans, y=[0, 1, 0], panels=["input"])
    assert display.titles == [
        f"Scan {name}: class 1 with probability {share:.2f}, labelled {label}"
        for name, share, label in zip("abc", probability[:, 1], [0, 1, 0], strict=True)
    ]
    assert left_titles(display) == [*display.titles, "(I) Input"]
    other = ExplanationDisplay.from_estimator(
        model, list(scans["scan"]), target=0, panels=["input"], title="Simulated"
    )
    assert other.titles[2] == f"Scan 2: class 0 with probability {probability[2, 0]:.2f}"
    assert other.figure_.get_suptitle() == "Simulated"
    own = ExplanationDisplay.from_estimator(
        model, scans, panels=["input"], titles=["one", "two", "three"]
    )
    assert left_titles(own)[1] == "two"
    none = ExplanationDisplay.from_estimator(model, scans, panels=["input"], titles=None)
    assert left_titles(none) == ["(I) Input"]
    assert none.figure_.texts == []


def test_masks_are_cropped_as_the_scans_are(model, scans):
    """What is bright on the scans is what is bright on the images."""
    bright = [scan > 0.6 for scan in scans["scan"]]
    none = [np.zeros(scan.shape, bool) for scan in scans["scan"]]
    some = [*none[:2], bright[2]]
    display = ExplanationDisplay.from_estimator(
        model, scans, panels=["grad_cam"], masks={"spine": bright, "metal": none, "clip": some}
    )
    np.testing.assert_array_equal(display.masks["spine"], display.images > 0.6)
    assert display.masks["spine"].any()
    assert not display.masks["metal"].any()
    assert display.masks_[0]["spine"].axes is display.axes_["grad_cam"][0]
    shown = [text.get_text() for text in display.legend_.get_texts()]
    assert shown == ["spine", "metal (none)", "clip"]


def test_masks_lie_on_the_input_where_there_is_no_heat_map(arrays):
    display = ExplanationDisplay(**arrays, masks={"lesion": np.ones(SHAPE)})
    display.plot(panels=["input", "gradients"], style={"masks": {"lw": 3}})
    assert display.masks_[2]["lesion"].axes is display.axes_["input"][2]
    assert display.masks_[2]["lesion"].get_linewidth() == [3]
    assert len(display.masks_[2]["lesion"].get_segments()) == 2 * (ROWS + COLUMNS)
    display.plot(panels=["gradients"])
    assert display.masks_ == []
    assert display.legend_ is None


def test_scales(arrays):
    arrays["grad_cam"][1] = 0
    arrays["gradients"][2] = 0
    arrays["feature_maps"][:, 4] = 0
    display = ExplanationDisplay(**arrays).plot()
    for image, gradient in zip(display.images_["gradients"], arrays["gradients"], strict=True):
        low, high = image.get_clim()
        assert low == -high
        assert high == (np.percentile(np.abs(gradient), 99.5) or 1)
    # White is positive, black negative, and zero the grey between.
    brightness = display.images_["gradients"][0].to_rgba(np.array([-9.0, 0.0, 9.0]))[:, :3]
    np.testing.assert_allclose(brightness.mean(axis=1), [0, 0.5, 1], atol=0.005)
    clims = [image.get_clim() for image in display.images_["grad_cam"]]
    assert clims == [(0, arrays["grad_cam"][0].max()), (0, 1), (0, arrays["grad_cam"][2].max())]
    written = [[text.get_text() for text in ax.texts] for ax in display.axes_["grad_cam"]]
    assert written == [[], ["empty"], []]
    for kernel in range(8):
        scales = {image.get_clim() for image in display.images_["feature_maps"][:, kernel]}
        assert scales == {(0, arrays["feature_maps"][:, kernel].max() or 1)}
    low, high = display.images_["maximized"][3].get_clim()
    assert low == -high == -np.percentile(np.abs(arrays["maximized"][3]), 99.5)
    assert set(display.colorbars_) == {"grad_cam", "gradients"}
    assert [t.get_text() for t in display.colorbars_["grad_cam"].ax.get_xticklabels()] == [
        "0",
        "max",
    ]


@pytest.mark.parametrize(
    ("cells", "covered"),
    [((7, 5), (14, 10)), ((3, 2), (15, 10)), ((4, 5), (15, 10)), ((15, 11), (15, 11))],
)
def test_a_feature_map_lies_on_the_pixels_it_was_pooled_from(cells, covered):
    """15 pixels make 7 cells of 2, or 3 of 5; 4 cells share all of them."""
    display = ExplanationDisplay(np.zeros((1, 15, 11)), feature_maps=np.ones((1, 1, *cells)))
    display.plot()
    ax, image = display.axes_["feature_maps"][0, 0], display.images_["feature_maps"][0, 0]
    expected = [0, covered[1] * 0.60, covered[0] * 1.05, 0]
    np.testing.assert_allclose(image.get_extent(), expected)
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 11 * 0.60), (15 * 1.05, 0))
    assert ax.get_facecolor() == (0, 0, 0, 1)


@pytest.mark.parametrize("location", ["left", "center"])
def test_the_numbers_of_kernels_are_level_also_beside_a_heading(arrays, location):
    with matplotlib.rc_context({"axes.titlelocation": location}):
        display = ExplanationDisplay(**arrays).plot()
    display.figure_.draw_without_rendering()
    assert all(ax.get_title("center") for ax in np.ravel(display.axes_["feature_maps"]))
    for panel in ("feature_maps", "maximized"):
        axes = np.ravel(display.axes_[panel])
        above = {
            round(ax.title.get_window_extent().y0 - ax.get_window_extent().y1, 3) for ax in axes
        }
        assert len(above) == 1


def test_heat_grows_lighter_and_more_opaque(arrays):
    display = ExplanationDisplay(**arrays).plot(panels=["grad_cam"])
    under, over = display.axes_["grad_cam"][0].images
    np.testing.assert_array_equal(under.get_array(), arrays["images"][0])
    colours = over.cmap(np.linspace(0, 1, 64))
    assert colours[0, 3] == 0
    assert (np.diff(colours[:, 3]) >= 0).all()
    # Relative luminance, over black as a scan's soft tissue is.
    linear = colours[:, :3] ** 2.2 * colours[:, 3:]
    assert (np.diff(linear @ [0.2126, 0.7152, 0.0722]) > 0).all()


def check_nothing_overlaps(display):
    figure = display.figure_
    boxes = [text.get_window_extent() for text in [*figure.texts, *written_above(display)]]
    for ax in figure.axes:
        # The room of what is written above, at the distance of the other titles.
        ax.set_title("", loc="left", y=1, pad=3)
        boxes.append(ax.get_tightbbox())
    if display.legend_ is not None:
        boxes.append(display.legend_.get_window_extent())
    width, height = figure.bbox.size
    for number, one in enumerate(boxes):
        assert one.x0 >= 0
        assert one.y0 >= 0
        assert one.x1 <= width
        assert one.y1 <= height
        for other in boxes[:number]:
            wide = min(one.x1, other.x1) - max(one.x0, other.x0)
            high = min(one.y1, other.y1) - max(one.y0, other.y0)
            # Less than a point, which frames and descenders may take.
            assert min(wide, high) < figure.dpi / 72


@pytest.mark.parametrize(
    ("panels", "n_scans", "n_kernels"),
    [
        (None, 1, 8),
        (None, 2, 8),
        (None, 3, 18),
        (None, 2, 1),
        (None, 1, 3),
        (["input"], 1, 8),
        (["input", "grad_cam", "gradients"], 3, 8),
        (["feature_maps", "maximized"], 2, 5),
        (["maximized"], 3, 2),
    ],
)
def test_nothing_overlaps_and_proportions_are_true(arrays, panels, n_scans, n_kernels):
    rng = np.random.default_rng(1)
    display = ExplanationDisplay(
        arrays["images"][:n_scans],
        grad_cam=arrays["grad_cam"][:n_scans],
        gradients=arrays["gradients"][:n_scans],
        feature_maps=rng.random((n_scans, n_kernels, 7, 5)),
        maximized=rng.random((n_kernels, ROWS, COLUMNS)),
        titles=["Scan 1: class 1 with probability 0.99"] * n_scans,
        masks={"lesion": np.ones((n_scans, ROWS, COLUMNS))},
    ).plot(panels=panels, title="Simulated")
    figure = display.figure_
    assert 3.5 <= figure.get_figwidth() <= 7.2
    figure.draw_without_rendering()
    pictures = [ax for axes in display.axes_.values() for ax in axes.ravel()]
    for ax in pictures:
        box = ax.get_window_extent()
        assert box.width / box.height == pytest.approx(COLUMNS * 0.60 / (ROWS * 1.05), rel=0.02)
        (image, *_) = ax.images
        assert image.get_extent() == pytest.approx([0, COLUMNS * 0.60, ROWS * 1.05, 0])
    check_nothing_overlaps(display)


@pytest.mark.parametrize("size", [(7.2, 3.0), (3.5, 5.0), (6.0, 2.5)])
def test_nothing_overlaps_in_figures_of_other_proportions(arrays, size):
    figure = Figure(figsize=size, layout="constrained")
    arrays = {name: one[:1] if len(one) == N else one for name, one in arrays.items()}
    titles = ["Scan 1: class 1 with probability 0.99"]
    display = ExplanationDisplay(**arrays, titles=titles).plot(figure, title="Simulated")
    figure.draw_without_rendering()
    check_nothing_overlaps(display)


def test_figures_of_the_callers_own(arrays):
    numbers = pyplot.get_fignums()
    display = ExplanationDisplay(**arrays)
    page = paper_figure(7.2, 6.5)
    assert display.plot(page).figure_ is page
    file = io.BytesIO()
    page.savefig(file)
    figure = Figure(figsize=(7.2, 12), layout="constrained")
    parts = figure.subfigures(2)
    for part in parts:
        assert display.plot(part).figure_ is part
    figure.savefig(file)
    tops = [part.axes[0].get_window_extent().y1 / figure.bbox.height for part in parts]
    assert tops[0] > 0.9
    assert 0.4 < tops[1] < 0.5
    assert figure.get_layout_engine() is not None
    assert pyplot.get_fignums() == numbers
    # Low figures are filled to their height, narrow ones to their width.
    low, narrow = Figure(figsize=(7.2, 3)), Figure(figsize=(3.5, 9))
    display.plot(low)
    low.draw_without_rendering()
    bottom = min(bar.ax.get_tightbbox().y0 for bar in display.colorbars_.values())
    assert 0 <= bottom < 0.1 * low.bbox.height
    display.plot(narrow)
    narrow.draw_without_rendering()
    right = max(ax.get_window_extent().x1 for ax in display.axes_["maximized"])
    assert right == pytest.approx(narrow.bbox.width, rel=0.03)
    message = r"A figure of 2.0 x 1.0 inches is too small for 3 scans with the panels \['input'"
    small = Figure(figsize=(2, 1))
    with pytest.raises(ValueError, match=message):
        display.plot(small)
    assert small.axes == []


def test_the_labels_of_a_narrow_scale_do_not_meet():
    images = np.ones((1, 36, 9))
    figure = Figure(figsize=(3, 2.4))
    display = ExplanationDisplay(images, grad_cam=images).plot(figure)
    figure.draw_without_rendering()
    low, high = display.colorbars_["grad_cam"].ax.get_xticklabels()
    assert (low.get_text(), high.get_text()) == ("0", "max")
    assert low.get_window_extent().x1 < high.get_window_extent().x0


def test_the_legend_of_many_masks_is_no_wider_than_the_figure(arrays):
    names = ["laminectomy", "surgical clip", "vertebral fracture", "cement", "screw"]
    masks = {name: np.ones(SHAPE) for name in names}
    figure = Figure(figsize=(3.5, 7))
    display = ExplanationDisplay(arrays["images"], masks=masks).plot(figure)
    figure.draw_without_rendering()
    assert [text.get_text() for text in display.legend_.get_texts()] == names
    check_nothing_overlaps(display)
    assert len(figure.legends) == 1


def test_text_has_the_colour_of_the_style(arrays):
    before = dict(matplotlib.rcParams)
    with pyplot.style.context("dark_background"):
        display = ExplanationDisplay(**arrays, titles=["a", "b", "c"]).plot(title="Simulated")
        texts = [*display.figure_.texts, *(ax.title for ax in display.axes_["maximized"])]
        texts += written_above(display)
        assert {text.get_color() for text in texts} == {"white"}
    assert dict(matplotlib.rcParams) == before


def test_styles_of_pictures(arrays):
    display = ExplanationDisplay(**arrays).plot(
        style={
            "input": {"cmap": "bone"},
            "grad_cam": {"cmap": "Reds", "alpha": 0.5},
            "gradients": {"cmap": "PuOr", "vmax": 9},
            "feature_maps": {"cmap": "viridis"},
            "maximized": {"cmap": "magma"},
        }
    )
    assert {panel: images.flat[0].cmap.name for panel, images in display.images_.items()} == {
        "input": "bone",
        "grad_cam": "Reds",
        "gradients": "PuOr",
        "feature_maps": "viridis",
        "maximized": "magma",
    }
    assert display.axes_["grad_cam"][0].images[0].cmap.name == "bone"
    assert display.images_["gradients"][0].get_clim()[1] == 9


def test_the_scale_bar_has_the_length_it_names():
    image = np.zeros((1, 150, 150))
    image[0, 0] = 1
    display = ExplanationDisplay(image).plot()
    (bar,) = display.axes_["input"][0].lines
    (name,) = display.axes_["input"][0].texts
    assert np.ptp(bar.get_xdata()) == pytest.approx(20)
    assert name.get_text() == "20 mm"


def test_frame_of_an_explanation(arrays):
    arrays["grad_cam"][1] = 0.25
    display = ExplanationDisplay(**arrays)
    frame = display.frame()
    assert frame["panel"].value_counts().to_dict() == {
        "feature_maps": 24,
        "maximized": 8,
        "input": 3,
        "grad_cam": 3,
        "gradients": 3,
    }
    flat = frame.query("panel == 'grad_cam' and scan == 1").iloc[0]
    assert (flat["minimum"], flat["mean"], flat["maximum"]) == (0.25, 0.25, 0.25)
    assert np.isnan(flat["row_mm"])
    assert np.isnan(flat["column_mm"])
    one = frame.query("panel == 'feature_maps' and scan == 2 and kernel == 13").iloc[0]
    values = arrays["feature_maps"][2, 3]
    row, column = np.unravel_index(values.argmax(), values.shape)
    # A pixel of the map is as large as two by two of the image.
    assert one["row_mm"] == pytest.approx((row + 0.5) * 2.1)
    assert one["column_mm"] == pytest.approx((column + 0.5) * 1.2)
    assert one["mean"] == pytest.approx(values.mean())
    assert frame.query("panel == 'maximized'")["scan"].isna().all()
    assert frame.query("panel == 'input'")["kernel"].isna().all()

    pixels = display.frame(pixels=True)
    assert list(pixels) == ["panel", "scan", "kernel", "value", "row_mm", "column_mm"]
    image = pixels.query("panel == 'gradients' and scan == 1")
    again = image.pivot(index="row_mm", columns="column_mm", values="value")
    np.testing.assert_array_equal(again, arrays["gradients"][1])
    assert again.index[0] == 0.525
    assert again.columns[-1] == pytest.approx(5.7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((7, 9))}, r"images must be a stack .*; its shape is \(7, 9\)"),
        ({"grad_cam": np.zeros((N, COLUMNS, ROWS))}, r"grad_cam has the shape \(3, 10, 14\); th"),
        ({"feature_maps": np.zeros((2, 8, 7, 5))}, r"feature_maps has the shape \(2, 8, 7, 5\)"),
        ({"maximized": np.zeros((3, 8, 7, 5))}, r"that does not fit 3 images of the shape \(14,"),
        ({"units": [1, 2]}, r"feature_maps shows 8 kernels; units names 2"),
        ({"titles": ["one"]}, "There are 1 titles for 3 scans"),
        ({"masks": {"clip": np.ones((2, ROWS, COLUMNS))}}, r"masks\['clip'\] holds 2 masks for 3"),
        ({"masks": {"clip": np.ones((N, COLUMNS, ROWS))}}, r"masks\['clip'\]\[0\] has the shape"),
    ],
)
def test_arrays_that_do_not_fit_are_named(arrays, changes, message):
    with pytest.raises(ValueError, match=message):
        ExplanationDisplay(**{**arrays, **changes}).plot()


def test_bad_parameters_are_one_clear_error(arrays, model, scans):
    del arrays["maximized"]
    for panels in (["maximized"], []):
        with pytest.raises(ValueError, match=r"panels must be some of those available, \['input'"):
            ExplanationDisplay(**arrays).plot(panels=panels)
    estimate = ExplanationDisplay.from_estimator
    for panels in (["heat"], []):
        with pytest.raises(ValueError, match=r"panels must be some of \['input', 'grad_cam'"):
            estimate(model, scans, panels=panels)
    with pytest.raises(ValueError, match="There are 1 labels in y for 3 scans"):
        estimate(model, scans, y=[1], panels=["input"])
    with pytest.raises(InvalidParameterError, match="The 'n_maps' parameter"):
        estimate(model, scans, n_maps=0)
    with pytest.raises(InvalidParameterError, match="The 'titles' parameter"):
        estimate(model, scans, titles="names")
    with pytest.raises(ValueError, match="units must lie between 0 and 3"):
        estimate(model, scans, units=[4])
    with pytest.raises(ValueError, match=r"masks\['clip'\] holds 1 masks for 3 scans"):
        estimate(model, scans, panels=["input"], masks={"clip": [np.ones((18, 30))]})
    wrong = {"clip": [np.ones((18, 30)), np.ones((18, 30)), np.ones((12, 30))]}
    with pytest.raises(ScanError, match=r"masks\['clip'\]\[1\] has the shape \(18, 30\); the sca"):
        estimate(model, scans, panels=["input"], masks=wrong)
    with pytest.raises(ScanError, match="spacing_mm must be two positive numbers"):
        estimate(model, scans, spacing_mm=1)


def test_masked_pixels_of_an_explanation_are_left_out(arrays):
    hidden = np.zeros(SHAPE, bool)
    hidden[1, :3] = True
    for name in ("images", "grad_cam", "gradients"):
        arrays[name] = np.ma.array(arrays[name], mask=hidden)
    display = ExplanationDisplay(**arrays).plot()
    display.figure_.draw_without_rendering()
    shown = display.images_["gradients"][1].get_array()
    np.testing.assert_array_equal(shown.mask, hidden[1])
    frame = display.frame().query("panel == 'grad_cam' and scan == 1").iloc[0]
    assert frame["maximum"] == arrays["grad_cam"][1].max()
    assert frame["mean"] == pytest.approx(arrays["grad_cam"][1].mean())
    arrays["images"][1] = np.ma.masked
    with pytest.raises(ScanError, match=r"images holds a picture whose pixels are all NaN\.$"):
        ExplanationDisplay(**arrays).plot()


def test_patterns_alone_need_no_titles_of_scans(arrays):
    display = ExplanationDisplay(**arrays, titles=["a", "b", "c"]).plot(panels=["maximized"])
    assert left_titles(display) == ["(I) Patterns"]


def test_a_figure_made_for_few_panels_is_as_wide_as_the_titles_of_scans(arrays):
    titles = ["Scan 1: class 1 with probability 0.99, labelled 0; " + "a" * 20] * N
    display = ExplanationDisplay(arrays["images"], titles=titles).plot()
    display.figure_.draw_without_rendering()
    check_nothing_overlaps(display)
