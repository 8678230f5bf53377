"""The panels of an explanation on a figure: axes, headings, scales and legend."""

import warnings
from itertools import chain
from math import ceil, sqrt

import numpy as np
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Annotation, Text

from skdxa.displays._style import COLUMN_WIDTH, GREY, PAGE_WIDTH
from skdxa.displays._text import width_of, wrap

HEADINGS = {
    "input": "Input",
    "grad_cam": "Grad-CAM",
    "gradients": "Gradients",
    "feature_maps": "Feature maps",
    "maximized": "Patterns",
}
OF_KERNELS = ("feature_maps", "maximized")
# The scales below the panels, from the lowest to the highest.
BARS = {"grad_cam": ("0", "max"), "gradients": ("\N{MINUS SIGN}", "0", "+")}

# All titles of the same axes have the same distance; a given height spares a search for one.
TITLE_PLACE = {"y": 1, "pad": 3}

_NUMERALS = ("I", "II", "III", "IV", "V")
_TITLE = {"fontsize": "small", "fontweight": "bold"}
# Size of a heading, and what separates its numeral from its words; the first that fits is used.
_HEADINGS = (("small", " "), ("x-small", " "), ("x-small", "\n"), ("xx-small", "\n"))
# Inches: the height of a scan in a figure made here, and the least in any; between panels; and
# around each picture.
_HEIGHT, _LEAST, _BETWEEN, _PAD = 1.9, 0.12, 0.1, 0.03
# The last row and column of a grid that fills its figure; Matplotlib needs a positive ratio.
_NONE = 1e-3


class PanelGrid:
    """A grid of axes: columns of pictures for each panel, rows for each scan.

    Constrained layout makes room for all text, scales and legends. Then the columns get the
    width of the largest pictures that fit, and a last column and row get what remains, so that the
    pictures are side by side at the upper left.

    `shapes` holds the shape of each panel's array of pictures, from left to right, `aspect` is
    the width of a picture by its height, and `titles` are those of the scans or None.
    """

    def __init__(self, shapes, *, n_scans, aspect, titles, figure):
        self._n_scans, self._aspect, self._is_new = n_scans, aspect, figure is None
        # About twice as many kernels across as down, since a scan is higher than wide.
        n_kernels = max((shapes[panel][-1] for panel in OF_KERNELS if panel in shapes), default=0)
        self._has_kernels = n_kernels > 0
        self._down = max(ceil(sqrt(n_kernels / 2)), 1)
        across = dict.fromkeys(shapes, 1)
        for panel in set(shapes) & set(OF_KERNELS):
            n_rows = self._down * (n_scans if panel == "maximized" else 1)
            across[panel] = max(ceil(n_kernels / n_rows), min(2, n_kernels))
        # The panel of each column; an empty one is between two panels.
        self._columns = np.array(
            [column for panel in shapes for column in ["", *[panel] * across[panel]]][1:]
        )
        tile = _HEIGHT / self._down
        widths = self._widths(tile, 0)
        if self._is_new:
            from matplotlib import pyplot

            # More than is needed; `fit` removes the rest.
            width = widths.sum() + 4 * _PAD * len(widths)
            size = np.clip(width, COLUMN_WIDTH, PAGE_WIDTH), n_scans * (_HEIGHT + 1) + 2
            figure = pyplot.figure(figsize=size)
        self.figure = figure
        if figure.figure.get_layout_engine() is None:
            figure.figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=_PAD, h_pad=_PAD))
        self._n_others = len(figure.axes)
        self._grid = figure.add_gridspec(
            n_scans * self._down + 1,
            len(widths) + 1,
            width_ratios=[*widths, _NONE],
            height_ratios=[*[tile] * (n_scans * self._down), _NONE],
        )
        # Blank titles where text is written, by panel and scan.
        self._rooms = {}
        self.axes = {
            panel: self._add_axes(panel, shape, across) for panel, shape in shapes.items()
        }
        # A title is not wider than the figure, whose edges stay free.
        room, font = 0.97 * figure.bbox.width, Text(**_TITLE).get_fontproperties()
        room *= 72 / figure.figure.dpi
        self._titles = [wrap(title, room, font) for title in titles or ()]
        longest = max((width_of(line, font) for line in chain(*self._titles)), default=0)
        self._least_width = max(longest / 72 / 0.97, COLUMN_WIDTH)

    def _add_axes(self, panel, shape, across):
        """Add the axes of a panel's pictures, an array of their shape."""
        axes = np.empty(shape, dtype=object)
        for place in np.ndindex(shape):
            scan, tile = (0, *place) if panel == "maximized" else (*place, 0)[:2]
            # Patterns belong to no scan, and continue beside the next one.
            down, right = divmod(tile, across[panel])
            row, column = scan * self._down + down, self._columns.tolist().index(panel) + right
            height = 1 if panel in OF_KERNELS else self._down
            ax = axes[place] = self.figure.add_subplot(self._grid[row : row + height, column])
            ax.set(xticks=[], yticks=[], anchor="NW")
            ax.spines[:].set(color=GREY, linewidth=0.5)
            if panel in OF_KERNELS:
                # A layout need not look for the labels of so many axes.
                for axis in (ax.xaxis, ax.yaxis):
                    axis.set_visible(False)
        return axes

    def add_colorbar(self, panel, image):
        """Draw the scale of a picture below it."""
        bar = self.figure.colorbar(
            image, ax=image.axes, location="bottom", aspect=8, pad=0.03, panchor=False
        )
        # The heat map is transparent where it is low, and a scan is dark there.
        bar.ax.set_facecolor("black")
        labels = BARS[panel]
        bar.set_ticks(np.linspace(*image.get_clim(), len(labels)), labels=labels)
        bar.ax.tick_params(labelsize="xx-small", length=2, pad=1)
        for number, side in ((0, "left"), (-1, "right")):
            bar.ax.get_xticklabels()[number].set_horizontalalignment(side)
        bar.outline.set(edgecolor=GREY, linewidth=0.5)
        return bar

    def fit(self):
        """Write titles and headings, and make the pictures as large as they fit below."""
        self._make_room(n_lines=1)
        widths = self._arrange()
        for fontsize, end in _HEADINGS:
            headings = {
                panel: f"({numeral}){end}{HEADINGS[panel]}"
                for numeral, panel in zip(_NUMERALS, self.axes, strict=False)
            }
            font = Text(fontsize=fontsize).get_fontproperties()
            if all(
                width_of(line, font) / 72 < widths[self._columns == panel].sum() + _BETWEEN
                for panel, heading in headings.items()
                for line in heading.split("\n")
            ):
                break
        if end == "\n":
            self._make_room(n_lines=2)
            self._arrange()
        for scan, lines in enumerate(self._titles):
            _write_over(self._rooms[self._columns[0], scan], "\n".join(lines), 1, **_TITLE)
        for panel, heading in headings.items():
            room = self._rooms[panel, 0]
            foot = self._has_kernels / room.get_text().count(" ")
            _write_over(room, heading, foot, va="bottom", fontsize=fontsize)

    def _make_room(self, n_lines):
        """Put blank titles over the pictures that have text above them, as high as that text.

        `n_lines` are those of headings. Constrained layout would treat the text itself as part of
        the first picture, although it may continue above the next one.
        """
        for panel, axes in self.axes.items():
            titles = self._titles if panel == self._columns[0] else []
            for scan in range(max(len(titles), 1)):
                n_blank = n_lines * (scan == 0) + self._has_kernels
                n_blank += len(titles[scan]) if titles else 0
                ax = np.ravel(axes[scan])[0]
                blank = "\n".join([" "] * n_blank)
                self._rooms[panel, scan] = ax.set_title(
                    blank, loc="left", fontsize="small", **TITLE_PLACE
                )

    def _widths(self, tile, gap):
        """Return the width of each column in inches.

        `tile` is the height of a kernel's picture, and `gap` what lies between two of them in
        the height of a scan.
        """
        scan = self._down * tile + (self._down - 1) * gap
        height = np.where(np.isin(self._columns, OF_KERNELS), tile, scan)
        return np.where(self._columns == "", _BETWEEN, self._aspect * height)

    def _arrange(self):
        """Make the columns as wide as the largest pictures that fit, and return their widths."""
        n_rows, down = self._n_scans * self._down, self._down
        try:
            with warnings.catch_warnings():
                # Constrained layout warns where no room is left for axes.
                warnings.simplefilter("error", UserWarning)
                self.figure.figure.get_layout_engine().execute(self.figure.figure)
        except UserWarning:
            self._raise_too_small()
        # Panels of kernels are the last, and panels of scans, whose pictures may be several rows
        # high, the first.
        first, last = (self._room_of(self._columns[end]) for end in (0, -1))
        across, up = self._grid.get_width_ratios(), self._grid.get_height_ratios()
        width, height = last * (sum(across) / across[-2], sum(up) / up[0])
        is_apart = down > 1 and self._columns[0] not in OF_KERNELS
        gap = (first[1] - down * last[1]) / (down - 1) if is_apart else 0
        fixed = self._widths(0, gap).sum()
        tile = (width - fixed) / (self._widths(1, gap).sum() - fixed)
        tile = min(tile, (_HEIGHT - (down - 1) * gap) / down if self._is_new else height / n_rows)
        if down * tile + (down - 1) * gap < _LEAST:
            self._raise_too_small()
        widths = self._widths(tile, gap)
        rest = np.array([width - widths.sum(), height - n_rows * tile])
        if self._is_new:
            size = self.figure.get_size_inches()
            self.figure.set_size_inches(np.maximum(size - rest, (self._least_width, 0)))
            rest = rest - size + self.figure.get_size_inches()
        self._grid.set_width_ratios([*widths, max(rest[0], _NONE)])
        self._grid.set_height_ratios([*[tile] * n_rows, max(rest[1], _NONE)])
        return widths

    def _room_of(self, panel):
        """Return the width and height of the room of a panel's first picture in inches."""
        box = self.axes[panel].flat[0].get_position(original=True)
        return box.size * self.figure.bbox.size / self.figure.figure.dpi

    def _raise_too_small(self):
        """Remove what was drawn and raise an error."""
        width, height = self.figure.bbox.size / self.figure.figure.dpi
        for ax in self.figure.axes[self._n_others :]:
            ax.remove()
        raise ValueError(
            f"A figure of {width:.1f} x {height:.1f} inches is too small for {self._n_scans} "
            f"scans with the panels {list(self.axes)}. Enlarge it, or leave some out."
        )


def add_legend(figure, outlines):
    """Name the masks below all pictures; a scan may lack a finding that another has."""
    handles = [
        max((one[name] for one in outlines), key=lambda one: len(one.get_segments()))
        for name in outlines[0]
    ]
    look = {"loc": "outside lower left", "borderpad": 0, "frameon": False, "fontsize": "small"}
    for n_columns in (4, 3, 2, 1):
        legend = figure.legend(handles=handles, ncols=n_columns, **look)
        if n_columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()
    return legend


def _write_over(blank, text, height, va="top", **style):
    """Write over a blank title, from a share of its height downwards, or upwards."""
    place = {"xycoords": blank, "va": va, "annotation_clip": False}
    text = blank.axes.figure.add_artist(Annotation(text, (0, height), **place, **style))
    text.set_in_layout(False)
