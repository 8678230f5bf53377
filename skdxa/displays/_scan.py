"""A scan, in its true proportions."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text

from skdxa.displays._base import BaseDisplay
from skdxa.displays._pictures import (
    ON_SCANS,
    check_mask,
    draw_image,
    draw_masks,
    draw_segments,
    grey_range,
    mask_edges,
)
from skdxa.displays._style import ORANGE, YELLOW
from skdxa.exceptions import ScanError
from skdxa.preprocessing import find_spine_line
from skdxa.validation import check_scan, check_spacing, fill_masked

# From a vertebra's outline to its name, in mm.
_LABEL_GAP = 2.0

# In g/cm2: more than any bone has.
_LARGEST_DENSITY = 10.0


@dataclass(eq=False, repr=False)
class ScanDisplay(BaseDisplay):
    """A scan drawn with the proportions of the body, bone bright.

    Parameters
    ----------
    scan : ndarray of shape (n_rows, n_columns)
        Pixels; NaN, or masked, where the scanner did not scan, is left transparent.
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel in mm.
    spine_line : ndarray of shape (n_rows,) or None, default=None
        Column of the spine's centre in each row.
    vertebrae : dict of str to array-like or None, default=None
        Outlines by name, such as "L1". Each is one of

        - a mask: bool, of shape (n_rows, n_columns);
        - a box: four whole numbers (first_row, end_row, first_column, end_column), the ends
          excluded, as in the `regions` of `skdxa.texture.VariogramSlope`;
        - corners, of shape (4, 2): top left, top right, bottom left and bottom right as
          (x, y) in mm from the centre of the first pixel, as in the `endplates` of
          `skdxa.simulation.make_spine_scan`. With a NaN the vertebra is left out.
    masks : dict of str to array-like of bool, shape (n_rows, n_columns), or None, default=None
        Other regions to outline, by their name in the legend, such as the `lesion_masks` of a
        simulated scan. There are five colours, which then repeat.
    unit : str or None, default="g/cm2"
        What the pixels are, for the colour bar; None leaves it out.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on.
    image_ : matplotlib AxesImage
        The scan.
    spine_line_ : matplotlib Line2D or None
        The spine's line.
    vertebrae_, masks_ : dict of str to matplotlib LineCollection
        The outlines of the vertebrae, and of the masks along the edges of their pixels.
    labels_ : dict of str to matplotlib Text
        The names of the vertebrae.
    legend_ : matplotlib Legend or None
        Names of the masks; None without masks.
    colorbar_ : matplotlib Colorbar or None
        The scale of areal density; its pointed ends represent the few pixels beyond it.

    See Also
    --------
    ExplanationDisplay : Pictures that explain a network's scores.

    Examples
    --------
    >>> from skdxa.displays import ScanDisplay
    >>> from skdxa.simulation import make_spine_scan
    >>> spine = make_spine_scan(25, fractured=["L2"], random_state=0)
    >>> names = ["T12", "L1", "L2", "L3", "L4", "L5"]
    >>> display = ScanDisplay.from_scan(
    ...     spine.scan,
    ...     spine_line=spine.spine_line,
    ...     vertebrae=dict(zip(names[1:5], spine.endplates[1:5])),
    ...     masks=spine.lesion_masks,
    ...     title="simulated",
    ... )
    >>> list(display.vertebrae_), list(display.masks_)
    (['L1', 'L2', 'L3', 'L4'], ['fracture'])
    >>> display.image_.get_extent()[1]
    180.0
    """

    _ARTISTS: ClassVar = {
        "image": AxesImage,
        "spine_line": Line2D,
        "vertebrae": Line2D,
        "labels": Text,
        "masks": Line2D,
        "legend": None,
        "colorbar": None,
    }

    scan: np.ndarray
    _: KW_ONLY
    spacing_mm: tuple = (1.05, 0.60)
    spine_line: np.ndarray | None = None
    vertebrae: dict | None = None
    masks: dict | None = None
    unit: str | None = "g/cm2"

    def plot(self, ax=None, *, title=None, style=None):
        """Draw the scan; axes are in mm from its upper left corner.

        Parameters
        ----------
        {ax}
        title : str or None, default=None
            Title of the axes; None leaves the one they have.
        style : dict or None, default=None
            Matplotlib properties by artist: "image", "spine_line", "vertebrae" and "masks"
            (their outlines), "labels" (names of the vertebrae, in the outlines' colour by
            default), "legend" and "colorbar".
        {returned}

        Raises
        ------
        ScanError
            If the line, a vertebra or a mask does not fit the scan; the message names it.
        ValueError
            If there is no such artist.
        """
        look = self._merger(style)
        scan = fill_masked(self.scan)
        outlines = {
            name: _vertebra_outline(region, name, scan.shape, self.spacing_mm)
            for name, region in (self.vertebrae or {}).items()
        }
        masks = {
            name: check_mask(mask, f"masks[{name!r}]", scan.shape)
            for name, mask in (self.masks or {}).items()
        }
        column = None if self.spine_line is None else self._checked_line(len(scan))
        self._set_axes(ax)
        self.image_ = draw_image(self.ax_, scan, self.spacing_mm, grey_range(scan), look, "image")
        self.spine_line_ = None if column is None else self._draw_line(column, look)
        self._draw_vertebrae(outlines, look)
        self.masks_ = draw_masks(self.ax_, masks, self.spacing_mm, look)
        self.colorbar_ = None if self.unit is None else self._draw_colorbar(scan, look)
        self.ax_.set(xlabel="mm", ylabel="mm")
        self.legend_ = None
        if masks:
            line = [] if self.spine_line_ is None else [self.spine_line_]
            legend = look("legend", handles=[*line, *self.masks_.values()])
            legend["frameon"] = False
            self.legend_ = self._draw_legend(legend, is_outside=True)
        if title is not None:
            self.ax_.set_title(title, fontsize="medium")
        return self

    def _checked_line(self, n_rows):
        column = np.asarray(fill_masked(self.spine_line), float)
        if column.shape != (n_rows,):
            raise ScanError(
                f"spine_line has the shape {column.shape}; the scan has {n_rows} rows."
            )
        return column

    def _draw_line(self, column, look):
        row_mm, column_mm = self.spacing_mm
        # Pixel centres lie half a pixel in from the edge.
        (line,) = self.ax_.plot(
            (column + 0.5) * column_mm,
            (np.arange(len(column)) + 0.5) * row_mm,
            scalex=False,
            scaley=False,
            **look("spine_line", color=ORANGE, linewidth=1.2, label="spine's centre"),
        )
        return line

    def _draw_vertebrae(self, outlines, look):
        outline = look("vertebrae", color=YELLOW, linewidth=1.0)
        label = look(
            "labels",
            color=outline["color"],
            fontsize="small",
            fontweight="bold",
            verticalalignment="center",
            clip_on=True,
            **ON_SCANS,
        )
        self.vertebrae_, self.labels_ = {}, {}
        for name, segments in outlines.items():
            if np.size(segments) and np.isfinite(segments).all():
                self.vertebrae_[name] = draw_segments(self.ax_, segments, outline)
                x, y = np.reshape(segments, (-1, 2)).T
                self.labels_[name] = self.ax_.text(
                    x.max() + _LABEL_GAP, (y.min() + y.max()) / 2, name, **label
                )

    def _draw_colorbar(self, scan, look):
        label = "Areal density, g/cm$^2$" if self.unit == "g/cm2" else self.unit.capitalize()
        low, high = self.image_.get_clim()
        below, above = np.nanmin(scan) < low, np.nanmax(scan) > high
        extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]
        # As high as the picture, no matter how much room the figure leaves.
        cax = self.ax_.inset_axes([1.05, 0, 0.05, 1])
        return self.figure_.colorbar(
            self.image_, cax=cax, **look("colorbar", label=label, extend=extend)
        )

    def frame(self):
        """Return the numbers behind the picture.

        Returns
        -------
        frame : DataFrame of shape (n_rows, n_columns)
            The pixels; the index is the height of each row's centre in mm, the columns
            are named by their centres in mm.
        """
        row_mm, column_mm = self.spacing_mm
        n_rows, n_columns = self.scan.shape
        return pd.DataFrame(
            fill_masked(self.scan),
            index=pd.Index((np.arange(n_rows) + 0.5) * row_mm, name="row_mm"),
            columns=pd.Index((np.arange(n_columns) + 0.5) * column_mm, name="column_mm"),
        )

    @classmethod
    def from_scan(
        cls,
        scan,
        *,
        spacing_mm=(1.05, 0.60),
        spine_line=False,
        vertebrae=None,
        masks=None,
        unit="auto",
        ax=None,
        title=None,
        style=None,
    ):
        """Draw a scan, with its spine's line if asked.

        Parameters
        ----------
        scan : array-like of shape (n_rows, n_columns)
            Pixels, or a `skdxa.scans.Scan`, which has its own spacing and unit.
        spacing_mm : tuple of float, default=(1.05, 0.60)
            Height and width of a pixel in mm.
        spine_line : bool or array-like of shape (n_rows,), default=False
            The line, or True to find it.
        vertebrae, masks : dict or None, default=None
            What to outline, as in the constructor.
        unit : str or None, default="auto"
            What the pixels are. "auto" treats plain arrays as `skdxa.scans.read_scan` does:
            floating-point pixels of at most 10 are areal densities in g/cm2, all others grey
            levels. None leaves the colour bar out.
        {drawn}

        Raises
        ------
        ScanError
            If the scan or its spacing cannot be used, or the line, a vertebra or a mask does
            not fit it.
        """
        if hasattr(scan, "pixels"):
            scan, spacing_mm, unit = scan.pixels, scan.spacing or spacing_mm, scan.unit
        is_float = np.asarray(scan).dtype.kind == "f"
        scan, spacing_mm = check_scan(scan), check_spacing(spacing_mm)
        if unit == "auto":
            unit = "g/cm2" if is_float and np.nanmax(scan) <= _LARGEST_DENSITY else "grey level"
        if isinstance(spine_line, bool):
            spine_line = find_spine_line(scan, spacing_mm=spacing_mm) if spine_line else None
        display = cls(
            scan,
            spacing_mm=spacing_mm,
            spine_line=spine_line,
            vertebrae=vertebrae,
            masks=masks,
            unit=unit,
        )
        return display.plot(ax, title=title, style=style)


def _vertebra_outline(region, name, shape, spacing_mm):
    """Return the outline of a vertebra as lines: (n_lines, n_points, 2), x and y in mm."""
    name = f"vertebrae[{name!r}]"
    region = np.asarray(fill_masked(region))
    row_mm, column_mm = spacing_mm
    if region.shape == (4, 2) and region.dtype != bool:
        corners = region[[0, 1, 3, 2, 0]]
        return np.add(corners, (column_mm / 2, row_mm / 2))[np.newaxis]
    if region.shape == (4,):
        top, bottom, left, right = region
        if not (0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]):
            raise ScanError(
                f"{name} must be (first_row, end_row, first_column, end_column) within the "
                f"scan's {shape[0]} rows and {shape[1]} columns, the ends excluded; got "
                f"{region.tolist()}."
            )
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        return np.multiply(corners, (column_mm, row_mm))[np.newaxis]
    if region.ndim == 2:
        return mask_edges(check_mask(region, name, shape), spacing_mm)
    raise ScanError(
        f"{name} has the shape {region.shape}; give a mask of the scan's shape {tuple(shape)}, "
        "the four numbers of a box, or four corners of shape (4, 2)."
    )
