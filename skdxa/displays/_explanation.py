"""Pictures that explain a network's scores."""

from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from sklearn.utils import check_random_state

from skdxa import inspection
from skdxa._sklearn import Interval, StrOptions, validate_params
from skdxa.displays._base import BaseDisplay
from skdxa.displays._explain import choose_kernels, crop_masks, find_patterns, titles_of
from skdxa.displays._panels import BARS, HEADINGS, OF_KERNELS, TITLE_PLACE, PanelGrid, add_legend
from skdxa.displays._pictures import (
    check_masks,
    draw_image,
    draw_masks,
    draw_scale,
    grey_range,
    write_on,
)
from skdxa.exceptions import ScanError
from skdxa.validation import check_spacing, fill_masked

_PANELS = tuple(HEADINGS)
# What is written on a picture that shows nothing.
_NOTHING = {"grad_cam": "empty", "maximized": "silent"}
# Colours beyond this percentile of a map's size are cut off: single pixels do not set them.
_CUT = 99.5


@dataclass(eq=False, repr=False)
class ExplanationDisplay(BaseDisplay):
    """Pictures that explain a network's scores, in one row per scan.

    As figure 6 of Nissinen et al. 2021 [1]_: (I) the cropped input; (II) Grad-CAM over it,
    brightest where it is highest; (III) the gradient at each pixel, white positive, black
    negative and grey zero; (IV) the outputs of some kernels of the last convolution for the scan;
    (V) the patterns that excite these kernels most, identified by the kernels' numbers. All have
    the proportions of the body. Patterns belong to the network and not to a scan: they are drawn
    once, beside all rows.

    Parameters
    ----------
    images : ndarray of shape (n_scans, n_rows, n_columns)
        The input of the network, without NaN.
    grad_cam, gradients : ndarray of shape (n_scans, n_rows, n_columns) or None, default=None
        Heat maps, not negative, and derivatives of the score by each pixel.
    feature_maps : ndarray of shape (n_scans, n_kernels, map_rows, map_columns), default=None
        The output of each kernel for each scan; its pixels may be larger than the scan's.
    maximized : ndarray of shape (n_kernels, n_rows, n_columns) or None, default=None
        The pattern of each kernel.
    units : array-like of int, shape (n_kernels,), or None, default=None
        Numbers of the kernels; None counts from 0.
    masks : dict of str to array-like of bool or None, default=None
        Findings known to be on the scans, by their name in the legend; each of shape
        (n_scans, n_rows, n_columns).
    titles : list of str or None, default=None
        Title of each row.
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel of the images in mm.

    Attributes
    ----------
    figure_ : matplotlib Figure or SubFigure
        The axes drawn on.
    axes_, images_ : dict of str to ndarray of matplotlib Axes and AxesImage
        For each panel that was drawn, an array of shape (n_scans,); (n_scans, n_kernels) for
        "feature_maps"; (n_kernels,) for "maximized". The axis lines of kernels are hidden:
        ``ax.xaxis.set_visible(True)`` shows labels given to them.
    masks_ : list of dict of str to matplotlib LineCollection
        The outlines on each scan.
    legend_ : matplotlib Legend or None
        Names of the masks; None without masks.
    colorbars_ : dict of str to matplotlib Colorbar
        The scales of "grad_cam" and "gradients".

    See Also
    --------
    ScanDisplay : A scan by itself.
    skdxa.inspection.localization_score : How much of a map lies on what is known.
    skdxa.inspection.deletion_insertion : Whether the output depends on what a map shows.

    Notes
    -----
    Every scan has its own scales: the input from its 1st to its 99.5th percentile, the
    heat map from zero to its maximum, the gradient symmetric about zero up to the 99.5th
    percentile of its size. A kernel has one scale for all scans, from zero, so that its maps
    can be compared; a black map means that the kernel is inactive. Its pixels cover those of
    the image that they were pooled from; what pooling left out, at the right and the lower
    edge, is black.

    The paper's heat maps end in red, which is dim on a dark scan, and more so to colour-blind
    readers. Here the colours are those of "inferno", which grow lighter all the way, and clear
    at the low end, so that the scan shows where nothing is hot. For red, use
    ``style={"grad_cam": {"cmap": "Reds", "alpha": 0.5}}``.

    References
    ----------
    .. [1] Nissinen et al., Bone Reports 14, 2021, 101070.
       https://doi.org/10.1016/j.bonr.2021.101070

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.displays import ExplanationDisplay
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 8)
    >>> X = rng.normal(size=(16, 16, 24)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
    >>> display = ExplanationDisplay.from_estimator(
    ...     cnn, X[:2], panels=("input", "grad_cam", "feature_maps"), n_maps=3, random_state=0
    ... )
    >>> display.axes_["feature_maps"].shape
    (2, 3)
    >>> display.frame().columns.tolist()
    ['panel', 'scan', 'kernel', 'minimum', 'mean', 'maximum', 'row_mm', 'column_mm']

    The paper's figure has a network in each row:

    >>> from matplotlib import pyplot
    >>> figure = pyplot.figure(figsize=(7.2, 3.6))
    >>> for part, scan in zip(figure.subfigures(2), X):
    ...     display = ExplanationDisplay.from_estimator(
    ...         cnn, [scan], panels=("input", "gradients"), figure=part
    ...     )
    """

    _ARTISTS: ClassVar = {**dict.fromkeys(_PANELS, AxesImage), "masks": Line2D}

    images: np.ndarray
    _: KW_ONLY
    grad_cam: np.ndarray | None = None
    gradients: np.ndarray | None = None
    feature_maps: np.ndarray | None = None
    maximized: np.ndarray | None = None
    units: np.ndarray | None = None
    masks: dict | None = None
    titles: list | None = None
    spacing_mm: tuple = (1.05, 0.60)

    def plot(self, figure=None, *, panels=None, title=None, style=None):
        """Draw a row of pictures for each scan.

        An explanation needs many axes, so that the parameter is a figure and not the usual `ax`.

        Parameters
        ----------
        figure : matplotlib Figure, SubFigure or None, default=None
            Where to draw; None makes a figure of at most 7.2 inches, two columns in print.
            A figure without a layout engine gets a constrained layout. Use one of
            ``Figure.subfigures`` to have other pictures beside it. The pictures fill the room that
            other parts of the figure, such as a title, leave at that time.
        panels : sequence of str or None, default=None
            Which of "input", "grad_cam", "gradients", "feature_maps" and "maximized", always
            in this order; None draws all available ones.
        title : str or None, default=None
            Title of the figure.
        style : dict or None, default=None
            Matplotlib properties by artist: the panels' names, as for ``Axes.imshow``
            ("input" is also the scan under a heat map), and "masks", their outlines, which
            lie on the heat map, or on the input if there is no heat map.
        {returned}

        Raises
        ------
        ScanError
            If an array does not fit the images; the message names it.
        ValueError
            If there is no such panel or artist, or the figure is too small.
        """
        look = self._merger(style)
        pictures = self._pictures(panels)
        outlined = next((panel for panel in ("grad_cam", "input") if panel in pictures), None)
        images = fill_masked(self.images)
        n_scans, n_rows, n_columns = images.shape
        masks = check_masks(self.masks, [(n_rows, n_columns)] * n_scans)
        height, width = np.multiply(self.spacing_mm, (n_rows, n_columns))
        shapes = {panel: arrays.shape[:-2] for panel, arrays in pictures.items()}
        grid = PanelGrid(
            shapes,
            # Patterns belong to no scan.
            n_scans=1 if list(pictures) == ["maximized"] else n_scans,
            titles=None if list(pictures) == ["maximized"] else self.titles,
            aspect=width / height,
            figure=figure,
        )
        self.figure_ = grid.figure
        self.axes_, self.images_ = {}, {}
        for panel, arrays in pictures.items():
            axes = self.axes_[panel] = grid.axes[panel]
            drawn = self.images_[panel] = np.empty_like(axes)
            limits, spacing_mm = _limits(panel, arrays), self._spacing_of(arrays)
            cmap = {"cmap": _heat_colours()} if panel == "grad_cam" else {}
            for place, ax in np.ndenumerate(axes):
                if panel == "grad_cam":
                    scan = images[place]
                    draw_image(ax, scan, self.spacing_mm, grey_range(scan), look, "input")
                drawn[place] = draw_image(
                    ax, arrays[place], spacing_mm, limits[place], look, panel, **cmap
                )
                # A feature map may not reach the edge: pooling leaves out what fills no window.
                ax.set(xlim=(0, width), ylim=(height, 0), facecolor="black")
                if panel in _NOTHING and not np.nan_to_num(arrays[place]).any():
                    write_on(ax, 0.95, _NOTHING[panel])
                if panel in OF_KERNELS:
                    unit = self._units_of(arrays)[place[-1]]
                    # In the middle also where a style sets titles at the left, where headings are.
                    ax.set_title(unit, loc="center", fontsize="xx-small", **TITLE_PLACE)
        masks_of_scans = [
            {name: of_scans[scan] for name, of_scans in masks.items()} for scan in range(n_scans)
        ]
        self.masks_ = [
            draw_masks(ax, of_scan, self.spacing_mm, look, 0.9)
            for ax, of_scan in zip(self.axes_.get(outlined, ()), masks_of_scans, strict=False)
        ]
        self.legend_ = add_legend(self.figure_, self.masks_) if masks and outlined else None
        self.colorbars_ = {
            panel: grid.add_colorbar(panel, self.images_[panel][-1])
            for panel in BARS
            if panel in pictures
        }
        if "input" in pictures:
            draw_scale(self.axes_["input"][0])
        if title is not None:
            self.figure_.suptitle(
                title, x=0.01, ha="left", fontsize="medium", fontweight="bold", wrap=True
            )
        grid.fit()
        return self

    def frame(self, *, pixels=False):
        """Return the numbers behind the picture.

        Parameters
        ----------
        pixels : bool, default=False
            Return every pixel, in place of a summary of each picture.

        Returns
        -------
        frame : DataFrame
            One row per picture: `panel`, `scan` (its position; missing for patterns, which
            belong to no scan), `kernel` (missing where there is none), `minimum`, `mean`,
            `maximum`, and `row_mm` and `column_mm`, where the maximum is: from the image's
            upper left corner to the pixel's centre, NaN if the picture is the same
            everywhere. Or one row per pixel: `panel`, `scan`, `kernel`, `value`, and `row_mm`
            and `column_mm`, where it is.
        """
        parts = []
        for panel, arrays in self._pictures(None).items():
            spacing_mm = np.array(self._spacing_of(arrays))[:, np.newaxis]
            for place in np.ndindex(arrays.shape[:-2]):
                values = arrays[place]
                if pixels:
                    where = np.indices(values.shape).reshape(2, -1)
                    numbers = {"value": values.ravel()}
                else:
                    low, high = np.nanmin(values), np.nanmax(values)
                    where = np.array(np.unravel_index([np.nanargmax(values)], values.shape))
                    where = where if low < high else np.full((2, 1), np.nan)
                    numbers = {"minimum": low, "mean": np.nanmean(values), "maximum": high}
                row_mm, column_mm = (where + 0.5) * spacing_mm
                names = {
                    "panel": panel,
                    "scan": pd.NA if panel == "maximized" else place[0],
                    "kernel": self._units_of(arrays)[place[-1]] if panel in OF_KERNELS else pd.NA,
                }
                parts.append(
                    pd.DataFrame(names | numbers | {"row_mm": row_mm, "column_mm": column_mm})
                )
        return pd.concat(parts, ignore_index=True).astype({"scan": "Int64", "kernel": "Int64"})

    @classmethod
    @validate_params(
        {
            "n_maps": [Interval(Integral, 1, None, closed="left")],
            "titles": ["array-like", StrOptions({"auto"}), None],
            "random_state": ["random_state"],
        },
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        model,
        X,
        *,
        y=None,
        target=None,
        panels=_PANELS,
        layer=None,
        variant="grad_cam",
        n_maps=8,
        units=None,
        n_steps=200,
        masks=None,
        titles="auto",
        spacing_mm=(1.05, 0.60),
        random_state=None,
        figure=None,
        title=None,
        style=None,
    ):
        """Explain a model's predictions on scans and draw the explanation.

        Parameters
        ----------
        model : SpineCNNClassifier or Pipeline
            Fitted; a pipeline ends in the classifier.
        X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
            What the model predicts on: a few scans.
        y : array-like of shape (n_scans,) or None, default=None
            Their labels, for the titles.
        target : label, default=None
            The class that is explained; the positive one, ``classes_[1]``, by default.
        panels : sequence of str, default=all five
            Which of "input", "grad_cam", "gradients", "feature_maps" and "maximized"; the
            others are not computed. "maximized" is the slowest.
        layer : str or None, default=None
            Name of the convolution for Grad-CAM, feature maps and patterns; the last by
            default.
        variant : {"grad_cam", "grad_cam++", "hires_cam"}, default="grad_cam"
            How the heat map is made; see `skdxa.inspection.grad_cam`.
        n_maps : int, default=8
            How many kernels are selected at random; all if there are fewer. Those inactive on all
            scans are drawn only if there are not enough others.
        units : array-like of int or None, default=None
            Numbers of the kernels, the first being 0, in place of random ones.
        n_steps : int, default=200
            Steps of the ascent to each pattern.
        masks : dict of str to list of array-like of bool, or None, default=None
            Findings known to be on the scans: for each name a mask for each scan, of the
            scan's shape. They are cropped as the scans are.
        titles : list of str, "auto" or None, default="auto"
            Title of each row; "auto" names the scan, by its index label or
            position, the class, its probability and, from `y`, the label.
        spacing_mm : tuple of float, default=(1.05, 0.60)
            Height and width of a pixel in mm.
        random_state : int, RandomState instance or None, default=None
            Draws the kernels and starts their patterns.
        {drawn}

        Raises
        ------
        ScanError
            If a mask does not fit its scan; the message names it.
        ValueError
            If there is no such panel, class, layer or kernel, or there are not as many
            titles, labels or masks as scans.

        Notes
        -----
        The pattern of a kernel that nothing excites would be meaningless: it is all zero, and
        labelled "silent".
        """
        spacing_mm = check_spacing(spacing_mm)
        panels = list(panels)
        if not panels or set(panels) - set(_PANELS):
            raise ValueError(f"panels must be some of {list(_PANELS)}; got {panels}.")
        classifier, images = inspection.prepare_images(model, X)
        random_state = check_random_state(random_state)
        if isinstance(titles, str):
            titles = titles_of(X, y, classifier, images, target)
        made = {}
        if "grad_cam" in panels:
            made["grad_cam"] = inspection.grad_cam(
                classifier, images, layer=layer, variant=variant, target=target
            )
        if "gradients" in panels:
            made["gradients"] = inspection.vanilla_gradients(classifier, images, target=target)
        if not set(OF_KERNELS).isdisjoint(panels):
            if units is None:
                maps = inspection.feature_maps(classifier, images, layer=layer, n_maps=None)
                units = choose_kernels(maps, n_maps, random_state)
            made["units"] = np.asarray(units)
        if "feature_maps" in panels:
            made["feature_maps"] = inspection.feature_maps(
                classifier, images, layer=layer, units=units
            )
        if "maximized" in panels:
            made["maximized"] = find_patterns(classifier, layer, units, n_steps, random_state)
        display = cls(
            images,
            masks=crop_masks(masks, X, model, images.shape),
            titles=titles,
            spacing_mm=spacing_mm,
            **made,
        )
        return display.plot(figure, panels=panels, title=title, style=style)

    def _pictures(self, panels):
        """Return the arrays of the panels to draw, in order, if all fit the images."""
        arrays = {"input": self.images} | {name: getattr(self, name) for name in _PANELS[1:]}
        arrays = {name: fill_masked(one) for name, one in arrays.items() if one is not None}
        if self.images.ndim != 3:
            raise ScanError(
                "images must be a stack (n_scans, n_rows, n_columns); its shape is "
                f"{self.images.shape}."
            )
        n_scans, *shape = self.images.shape
        for name, array in arrays.items():
            fits = {
                "feature_maps": array.ndim == 4 and len(array) == n_scans,
                "maximized": array.ndim == 3,
            }.get(name, array.shape == (n_scans, *shape))
            if not fits:
                raise ScanError(
                    f"{name} has the shape {array.shape}; that does not fit {n_scans} images of "
                    f"the shape {tuple(shape)}."
                )
            if name in OF_KERNELS and len(self._units_of(array)) != array.shape[-3]:
                raise ScanError(
                    f"{name} shows {array.shape[-3]} kernels; units names {len(self.units)}."
                )
            if np.isnan(array).all(axis=(-2, -1)).any():
                name = "images" if name == "input" else name
                raise ScanError(f"{name} holds a picture whose pixels are all NaN.")
        if self.titles is not None and len(self.titles) != n_scans:
            raise ValueError(f"There are {len(self.titles)} titles for {n_scans} scans.")
        panels = list(arrays if panels is None else panels)
        if not panels or set(panels) - set(arrays):
            raise ValueError(
                f"panels must be some of those available, {list(arrays)}; got {panels}."
            )
        return {name: array for name, array in arrays.items() if name in panels}

    def _units_of(self, arrays):
        return list(range(arrays.shape[-3]) if self.units is None else self.units)

    def _spacing_of(self, arrays):
        """Return the spacing of an array's pixels, each of which may cover several of the image's.

        Pooling leaves out what does not fill a window, at the right and at the lower edge.
        """
        sides = zip(self.images.shape[1:], arrays.shape[-2:], self.spacing_mm, strict=True)
        spacing_mm = []
        for large, small, mm in sides:
            whole = max(large // small, 1)
            spacing_mm.append(mm * (whole if large // whole == small else large / small))
        return tuple(spacing_mm)


def _limits(panel, arrays):
    """Return the lowest and the highest value of each picture's scale: (..., 2)."""
    if panel == "input":
        return np.array([grey_range(scan) for scan in arrays])
    if panel in ("gradients", "maximized"):
        high = np.nanpercentile(np.abs(arrays), _CUT, axis=(-2, -1))
    else:
        # A kernel has one scale for all scans.
        apart = (0, -2, -1) if panel == "feature_maps" else (-2, -1)
        high = np.broadcast_to(np.nanmax(arrays, axis=apart), arrays.shape[:-2])
    high = np.where(high > 0, high, 1)
    return np.stack([-high if panel in ("gradients", "maximized") else 0 * high, high], axis=-1)


def _heat_colours():
    """Return the colours of inferno, clear where they are lowest and soon opaque."""
    share = np.linspace(0, 1, 256)
    colours = colormaps["inferno"](share)
    colours[:, 3] = 0.9 * np.minimum(1, 1.5 * share)
    return ListedColormap(colours)
