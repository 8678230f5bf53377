"""A scan, in its true proportions."""

import numpy as np
import pandas as pd

from skdxa.displays._style import ORANGE, new_axes, style


class ScanDisplay:
    """A scan drawn with the proportions of the body, bone bright.

    Parameters
    ----------
    scan : ndarray of shape (n_rows, n_columns)
        Pixels; NaN, where the scanner did not scan, is left transparent.
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel in mm.
    spine_line : ndarray of shape (n_rows,) or None, default=None
        Column of the spine's centre in each row.
    unit : str or None, default="g/cm2"
        What the pixels are, for the colour bar; None leaves it out.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        Its figure.
    image_ : matplotlib AxesImage
        The scan.
    spine_line_ : matplotlib Line2D or None
        The spine's line.
    colorbar_ : matplotlib Colorbar or None
        The scale of areal density.

    Examples
    --------
    >>> from skdxa.displays import ScanDisplay
    >>> from skdxa.simulation import make_spine_cohort
    >>> cohort = make_spine_cohort(1, random_state=0)
    >>> display = ScanDisplay.from_scan(cohort.data["scan"][0], spine_line=True)
    >>> display.image_.get_extent()[1]
    180.0
    """

    def __init__(self, scan, *, spacing_mm=(1.05, 0.60), spine_line=None, unit="g/cm2"):
        self.scan = scan
        self.spacing_mm = spacing_mm
        self.spine_line = spine_line
        self.unit = unit

    def plot(self, ax=None, *, title=None, image_kwargs=None, line_kwargs=None):
        """Draw the scan; axes are in mm from its upper left corner.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure as wide as a column in print.
        title : str or None, default=None
            Title of the axes.
        image_kwargs : dict or None, default=None
            Style of the picture, as for ``Axes.imshow``.
        line_kwargs : dict or None, default=None
            Style of the spine's line, as for ``Axes.plot``.

        Returns
        -------
        display : ScanDisplay
            With the artists as attributes.
        """
        self.figure_, self.ax_ = new_axes(ax)
        row_mm, column_mm = self.spacing_mm
        n_rows, n_columns = self.scan.shape
        low, high = np.nanpercentile(self.scan, [1, 99.5])
        self.image_ = self.ax_.imshow(
            self.scan,
            **{
                "cmap": "gray",
                "vmin": low,
                "vmax": high,
                "interpolation": "nearest",
                "origin": "upper",
                "extent": (0.0, n_columns * column_mm, n_rows * row_mm, 0.0),
                **(image_kwargs or {}),
            },
        )
        self.spine_line_ = None
        if self.spine_line is not None:
            # Pixel centres lie half a pixel in from the edge.
            (self.spine_line_,) = self.ax_.plot(
                (np.asarray(self.spine_line) + 0.5) * column_mm,
                (np.arange(n_rows) + 0.5) * row_mm,
                **style({"color": ORANGE, "linewidth": 1.2}, line_kwargs),
            )
        self.colorbar_ = None
        if self.unit is not None:
            label = "Areal density, g/cm$^2$" if self.unit == "g/cm2" else self.unit.capitalize()
            self.colorbar_ = self.figure_.colorbar(
                self.image_, ax=self.ax_, label=label, shrink=0.8
            )
        self.ax_.set(xlabel="mm", ylabel="mm", title=title or "")
        return self

    def frame(self):
        """Give the numbers behind the picture.

        Returns
        -------
        frame : DataFrame of shape (n_rows, n_columns)
            The pixels; the index is the height of each row's centre in mm, the columns
            are named by their centres in mm.
        """
        row_mm, column_mm = self.spacing_mm
        n_rows, n_columns = self.scan.shape
        return pd.DataFrame(
            self.scan,
            index=pd.Index((np.arange(n_rows) + 0.5) * row_mm, name="row_mm"),
            columns=pd.Index((np.arange(n_columns) + 0.5) * column_mm, name="column_mm"),
        )

    @classmethod
    def from_scan(cls, scan, *, spacing_mm=(1.05, 0.60), spine_line=False, unit="g/cm2", ax=None):
        """Draw a scan, with its spine's line if asked.

        Parameters
        ----------
        scan : array-like of shape (n_rows, n_columns)
            Pixels, or a `skdxa.scans.Scan`, which brings its own spacing and unit.
        spacing_mm : tuple of float, default=(1.05, 0.60)
            Height and width of a pixel in mm.
        spine_line : bool or array-like of shape (n_rows,), default=False
            The line, or True to find it.
        unit : str or None, default="g/cm2"
            What the pixels are.
        ax : matplotlib Axes or None, default=None
            Where to draw.

        Returns
        -------
        display : ScanDisplay
            The display, drawn.
        """
        if hasattr(scan, "pixels"):
            scan, spacing_mm, unit = scan.pixels, scan.spacing or spacing_mm, scan.unit
        scan = np.asarray(scan)
        if isinstance(spine_line, bool):
            from skdxa.preprocessing import find_spine_line

            spine_line = find_spine_line(scan, spacing_mm=spacing_mm) if spine_line else None
        return cls(scan, spacing_mm=spacing_mm, spine_line=spine_line, unit=unit).plot(ax)
