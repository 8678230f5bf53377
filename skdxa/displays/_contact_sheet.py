"""Many scans on one page, to look over a folder."""

from dataclasses import dataclass
from textwrap import wrap
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib.image import AxesImage
from matplotlib.text import Text

from skdxa.displays._base import BaseDisplay
from skdxa.displays._scan import draw_image, grey_range
from skdxa.displays._style import ORANGE, PAGE_WIDTH, ink
from skdxa.validation import as_scans, check_spacing, scan_dtype_of

_USUAL_SPACING = (1.05, 0.60)
# Inches of a row beside its pictures, for the lines under each.
_TEXT_HEIGHT = 0.55
# Letters that fit under a picture in the usual size.
_LETTERS = 17


@dataclass(eq=False, repr=False)
class ContactSheetDisplay(BaseDisplay):
    """Scans side by side in true proportion, each with a name and remarks.

    Parameters
    ----------
    scans : list of ndarray of shape (n_rows, n_columns)
        Pixels; NaN where the scanner did not scan.
    names : list of str
        Text under each scan, in one line or several; lines that are too long are shortened.
    remarks : list of str
        What is unusual about each scan, in a few words; empty where nothing is. Scans with a
        remark have a coloured frame.
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel in mm.
    title : str or None, default=None
        Title of the page.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The page.
    axes_ : ndarray of matplotlib Axes
        One per scan.
    images_ : list of matplotlib AxesImage
        The scans.
    labels_ : list of matplotlib Text
        Names and remarks.

    See Also
    --------
    skdxa.study.review_cohort : Finds what is unusual about scans.

    Examples
    --------
    >>> from skdxa.displays import ContactSheetDisplay
    >>> from skdxa.simulation import make_spine_cohort
    >>> cohort = make_spine_cohort(3, random_state=0)
    >>> display = ContactSheetDisplay.from_scans(cohort.data, remarks=["", "saturated", ""])
    >>> display.frame()["remark"].tolist()
    ['', 'saturated', '']
    """

    _ARTISTS: ClassVar = {"image": AxesImage, "label": Text}

    scans: list
    names: list
    remarks: list
    spacing_mm: tuple = _USUAL_SPACING
    title: str | None = None

    def plot(self, figure=None, *, n_columns=8, style=None):
        """Draw the page.

        Parameters
        ----------
        figure : matplotlib Figure or None, default=None
            Where to draw; None makes one as wide as a page in print and as high as needed.
        n_columns : int, default=8
            Scans side by side.
        style : dict or None, default=None
            Matplotlib properties by artist: "image" and "label".
        {plotted}
        """
        look = self._merger(style)
        n_columns = min(n_columns, len(self.scans))
        n_rows = -(-len(self.scans) // n_columns)
        if figure is None:
            from matplotlib import pyplot

            # Wide enough for a name, even with few scans.
            width = PAGE_WIDTH * max(n_columns, 3) / 8
            shapes = np.array([scan.shape for scan in self.scans]) * self.spacing_mm
            tallest = (shapes[:, 0] / shapes[:, 1]).max()
            height = n_rows * (tallest * width / n_columns + _TEXT_HEIGHT)
            figure = pyplot.figure(figsize=(width, height), layout="constrained")
        self.figure_ = figure
        grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
        for ax in grid[len(self.scans) :]:
            ax.set_axis_off()
        self.axes_, self.images_, self.labels_ = grid[: len(self.scans)], [], []
        for ax, scan, name, remark in zip(
            self.axes_, self.scans, self.names, self.remarks, strict=True
        ):
            self.images_.append(
                draw_image(ax, scan, self.spacing_mm, grey_range(scan), look, "image")
            )
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(color=ORANGE if remark else ink(), linewidth=2 if remark else 0.5)
            text = look("label", fontsize=6, color=ORANGE if remark else ink())
            lines = [*(_shortened(line) for line in name.splitlines()), *wrap(remark, _LETTERS)]
            self.labels_.append(ax.set_xlabel("\n".join(lines), **text))
        if self.title is not None:
            figure.suptitle(self.title, fontsize="medium")
        return self

    def frame(self):
        """Return the numbers behind the picture.

        Returns
        -------
        frame : DataFrame
            One row per scan: `name`, `remark`, and the median (`median`) and range (`low`,
            `high`) of its pixels.
        """
        return pd.DataFrame(
            {
                "name": self.names,
                "remark": self.remarks,
                "median": [np.nanmedian(scan) for scan in self.scans],
                "low": [np.nanmin(scan) for scan in self.scans],
                "high": [np.nanmax(scan) for scan in self.scans],
            }
        )

    @classmethod
    def from_scans(
        cls,
        X,
        *,
        names=None,
        remarks=None,
        spacing_mm=None,
        title=None,
        figure=None,
        n_columns=8,
        style=None,
    ):
        """Draw scans on one page.

        Parameters
        ----------
        X : DataFrame, Series, list or ndarray of shape (n_scans, n_rows, n_columns)
            The scans; `cohort.data` as it is.
        names : list of str or None, default=None
            Text under each scan; None numbers them from 0.
        remarks : list of str or None, default=None
            What is unusual about each scan; empty where nothing is.
        spacing_mm : tuple of float or None, default=None
            Height and width of a pixel in mm; None uses what the scans state, or else 1.05 x 0.60.
        title : str or None, default=None
            Title of the page.
        {drawn}

        Raises
        ------
        ScanError
            If a scan cannot be used.
        ValueError
            If `names` or `remarks` are not one per scan.
        """
        scans = as_scans(X)
        dtype = scan_dtype_of(X)
        stated = None if dtype is None else dtype.spacing_mm
        spacing_mm = check_spacing(spacing_mm or stated or _USUAL_SPACING)
        names = [str(n) for n in range(len(scans))] if names is None else list(names)
        remarks = [""] * len(scans) if remarks is None else list(remarks)
        for what, given in (("names", names), ("remarks", remarks)):
            if len(given) != len(scans):
                raise ValueError(f"{what} has {len(given)} texts for {len(scans)} scans.")
        display = cls(scans, names, remarks, spacing_mm, title)
        return display.plot(figure, n_columns=n_columns, style=style)


def _shortened(line):
    """Return a line whose middle is left out if it is too long; a file's suffix stays."""
    half = _LETTERS // 2
    return line if len(line) <= _LETTERS else f"{line[: half - 1]}\u2026{line[-half:]}"
