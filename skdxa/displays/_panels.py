"""The panels of an explanation on a figure: axes, titles, scales and legend."""

from math import ceil, sqrt

import numpy as np
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

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
BARS = {"grad_cam": ("0", "highest"), "gradients": ("\N{MINUS SIGN}", "0", "+")}

_NUMERALS = ("I", "II", "III", "IV", "V")
_LEGEND_COLUMNS = 4
# Inches: the height of a scan in a figure made here and the least in any, the space around
# each picture and between panels, a line of text, the number above a kernel, and a scale.
_HEIGHT, _LEAST = 1.9, 0.25
_PAD, _BETWEEN, _LINE, _NUMBER, _BAR = 0.03, 0.1, 0.21, 0.12, 0.25
# The height of text in the grid: the layout finds the room that it needs.
_NOTHING = 0.001


class PanelGrid:
    """A grid of axes: a column for each panel, a row for each scan, and rows for text.

    Constrained layout gives pictures of a kind one size. Lengths are estimated, and decide
    how much of a figure of other proportions stays empty, at the right and at the bottom.
    `shapes` holds the shape of each panel's array of pictures, from left to right, and
    `aspect` is the width of a picture by its height.
    """

    def __init__(self, shapes, *, n_scans, aspect, title, titles, n_masks, figure):
        self.shapes, self.title, self.titles = shapes, title, titles
        # About twice as many kernels across as down, since a scan is higher than wide.
        n_kernels = max((shapes[panel][-1] for panel in OF_KERNELS if panel in shapes), default=0)
        self.down = max(ceil(sqrt(n_kernels / 2)), 1)
        self.across = dict.fromkeys(shapes, 1)
        for panel in set(shapes) & set(OF_KERNELS):
            n_rows = self.down * (n_scans if panel == "maximized" else 1)
            self.across[panel] = max(ceil(n_kernels / n_rows), min(2, n_kernels))
        # Sizes of pictures by the height of a scan, which several kernels share.
        tile = 1 / self.down - (_NUMBER + 2 * _PAD) / _HEIGHT * (1 - 1 / self.down)
        widths = {panel: aspect * (tile if panel in OF_KERNELS else 1) for panel in shapes}
        total = sum(self.across[panel] * width for panel, width in widths.items())

        n_lines = 1 + (title is not None) + n_scans * (titles is not None)
        n_lines += ceil(n_masks / _LEGEND_COLUMNS)
        bars = 0 if set(shapes).isdisjoint(BARS) else _BAR
        text = _LINE * n_lines + n_scans * (2 * _PAD + _NUMBER * bool(n_kernels)) + bars
        gaps = 2 * _PAD * sum(self.across.values()) + 1.5 * _BETWEEN * (len(shapes) - 1)
        if figure is None:
            from matplotlib import pyplot

            width = np.clip(_HEIGHT * total + gaps, COLUMN_WIDTH, PAGE_WIDTH)
            height = n_scans * min((width - gaps) / total, _HEIGHT) + text
            figure = pyplot.figure(figsize=(width, height))
        self.figure = figure
        self.width, height = figure.bbox.size / figure.figure.dpi
        high = min((self.width - gaps) / total, (height - text) / n_scans)
        if high < _LEAST:
            raise ValueError(
                f"A figure of {self.width:.1f} x {height:.1f} inches is too small for {n_scans} "
                f"scans with the panels {list(shapes)}. Enlarge it, or leave some out."
            )
        if figure.figure.get_layout_engine() is None:
            engine = ConstrainedLayoutEngine(w_pad=_PAD, h_pad=_PAD, wspace=0, hspace=0)
            figure.figure.set_layout_engine(engine)

        columns, self.first = [], {}
        for panel, across in self.across.items():
            if columns:
                columns.append(_BETWEEN / high)
            self.first[panel] = len(columns)
            columns += [widths[panel]] * across
        rows = [_NOTHING, *[_NOTHING, *[tile] * self.down] * n_scans]
        # What stays empty, and below the pictures also room for the scales.
        columns.append(max((self.width - gaps) / high - total, _NOTHING))
        rows.append(max((height - text) / high - n_scans, _NOTHING) + bars / high)
        self.grid = figure.add_gridspec(
            len(rows), len(columns), height_ratios=rows, width_ratios=columns
        )
        self.widths = {
            panel: self.across[panel] * (high * width + 2 * _PAD)
            for panel, width in widths.items()
        }

    def axes_of(self, panel):
        """Make the axes of a panel's pictures, an array of their shape."""
        axes = np.empty(self.shapes[panel], dtype=object)
        for place in np.ndindex(axes.shape):
            scan, tile = (0, *place) if panel == "maximized" else (*place, 0)[:2]
            down, column = divmod(tile, self.across[panel])
            # Patterns belong to no scan, and go on beside the next one.
            scan, down = divmod(scan * self.down + down, self.down)
            rows = slice(self._top(scan), self._top(scan) + self.down)
            if panel in OF_KERNELS:
                rows = self._top(scan) + down
            ax = self.figure.add_subplot(self.grid[rows, self.first[panel] + column], anchor="NW")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(color=GREY, linewidth=0.5)
            axes[place] = ax
        return axes

    def _top(self, scan):
        """Return the row of the grid in which the pictures of a scan begin."""
        return 2 + scan * (1 + self.down)

    def write(self):
        """Write the title of the figure, those of the scans, and the panels' headings."""
        if self.title is not None:
            style = {"fontsize": "medium", "fontweight": "bold"}
            self.figure.suptitle(
                _filled(self.title, self.width, style), x=0.01, ha="left", **style
            )
        style = {"fontsize": "small", "fontweight": "bold"}
        for scan, title in enumerate(self.titles or ()):
            place = self._top(scan) - 1, slice(None)
            self._write(place, _filled(title, self.width, style), style)
        for numeral, panel in zip(_NUMERALS, self.shapes, strict=False):
            place = 0, slice(self.first[panel], self.first[panel] + self.across[panel])
            heading = f"({numeral}) {HEADINGS[panel]}"
            fontsize = "small"
            if "\n" in _filled(heading, self.widths[panel], {"fontsize": fontsize}):
                heading, fontsize = heading.replace(" ", "\n", 1), "x-small"
            self._write(place, heading, {"fontsize": fontsize})

    def _write(self, place, text, style):
        """Write over axes of no height, for which the layout makes room."""
        ax = self.figure.add_subplot(self.grid[place])
        ax.set_axis_off()
        ax.set_title(text, loc="left", pad=1, **style)


def _filled(text, width, style):
    """Break text into lines of at most some inches."""
    return "\n".join(wrap(text, 72 * width, Text(**style).get_fontproperties()))


def add_colorbar(panel, image, width):
    """Draw the scale of a picture below it, which is some inches wide."""
    ax = image.axes
    # As wide as the picture; its height and place below the picture are in inches.
    below = ax.figure.dpi_scale_trans + ScaledTranslation(0, 0, ax.transAxes)
    place = {"transform": blended_transform_factory(ax.transAxes, below)}
    # The heat map is transparent where it is low, and a scan is dark there.
    cax = ax.inset_axes((0, -0.12, 1, 0.07), **place, facecolor="black")
    # The grid has room for it: in the layout its place would be that before the last step.
    cax.set_in_layout(False)
    bar = ax.figure.colorbar(image, cax=cax, orientation="horizontal")
    labels, font = BARS[panel], Text(fontsize="xx-small").get_fontproperties()
    if width_of("  ".join(labels), font) > 72 * width:
        # They would meet. What is lowest is known from the others.
        labels = ("", *labels[1:])
    bar.set_ticks(np.linspace(*image.get_clim(), len(labels)), labels=labels)
    bar.ax.tick_params(labelsize="xx-small", length=2, pad=1)
    for number, side in ((0, "left"), (-1, "right")):
        bar.ax.get_xticklabels()[number].set_horizontalalignment(side)
    bar.outline.set(edgecolor=GREY, linewidth=0.5)
    return bar


def add_legend(figure, outlines):
    """Name the masks below all pictures; a scan may lack a finding that another has."""
    return figure.legend(
        handles=[
            max((one[name] for one in outlines), key=lambda one: len(one.get_segments()))
            for name in outlines[0]
        ],
        loc="outside lower left",
        borderpad=0,
        ncols=_LEGEND_COLUMNS,
        fontsize="small",
        frameon=False,
    )
