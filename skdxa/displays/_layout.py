"""Places of an explanation's pictures on a figure, and the text around them."""

from math import ceil, sqrt

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patheffects import withStroke

from skdxa.displays._style import COLUMN_WIDTH, GREY, PAGE_WIDTH

HEADINGS = {
    "input": "Input",
    "grad_cam": "Grad-CAM",
    "gradients": "Gradients",
    "feature_maps": "Feature maps",
    "maximized": "Patterns",
}
_NUMERALS = ("I", "II", "III", "IV", "V")
OF_KERNELS = ("feature_maps", "maximized")
# The scales below the panels, from the lowest to the highest.
BARS = {"grad_cam": ("0", "highest"), "gradients": ("\N{MINUS SIGN}", "0", "+")}
# Inches, as all lengths below: around each picture, a colour bar and the space above it.
_PAD, _BAR, _ABOVE_BAR = 0.03, 0.07, 0.04
# How high a scan is drawn: at most, in a figure made here, and at least.
_HIGHEST, _LOWEST = 2.0, 0.2
# A row of the grid for text only; the layout finds the room that the text needs.
_NO_HEIGHT = 0.001
_LEGEND_COLUMNS = 4


class PictureGrid:
    """Axes in one grid with constrained layout, so that pictures of a kind have one size.

    The grid has rows for the pictures of each scan and, above them, rows for text. Lengths
    are estimated, and decide how much of a figure that is too wide or too high stays empty.

    Parameters
    ----------
    shapes : dict of str to tuple
        For each panel, from left to right, the shape of its array of pictures.
    n_scans : int
        Number of scans, one below the other.
    aspect : float
        Width of a picture by its height.
    title : str or None
        Title of the figure.
    titles : list of str or None
        Title of each scan.
    n_masks : int
        Number of names in the legend.
    """

    def __init__(self, shapes, *, n_scans, aspect, title, titles, n_masks):
        self.n_scans, self.aspect, self.title, self.titles = n_scans, aspect, title, titles
        of_kernels = [shape for panel, shape in shapes.items() if panel in OF_KERNELS]
        # About twice as many tiles across as down, since a scan is higher than wide.
        self.down = ceil(sqrt(of_kernels[0][-1] / 2)) if of_kernels else 1
        self.across = dict.fromkeys(shapes, 1)
        for panel in set(shapes) & set(OF_KERNELS):
            n_kernels = shapes[panel][-1]
            n_rows = self.down * (n_scans if panel == "maximized" else 1)
            self.across[panel] = max(ceil(n_kernels / n_rows), min(2, n_kernels))
        # Heights of the number above a tile, and of all text above and below pictures.
        self.name = 0.9 * _line_height("xx-small") if of_kernels else 0
        small = _line_height("small") + 2 * _PAD
        self.text = small * (1 + (n_scans if titles is not None else 0))
        self.text += 0 if title is None else _line_height("medium") + 2 * _PAD
        self.text += small * ceil(n_masks / _LEGEND_COLUMNS)
        has_bars = bool(set(shapes) & set(BARS))
        self.bars = has_bars * (_ABOVE_BAR + _BAR + 1.5 * _line_height("xx-small"))

    def fit(self, figure):
        """Make scans as high as a figure lets them be, or make a figure for them."""
        if figure is None:
            from matplotlib import pyplot

            width = min(max(self._width(_HIGHEST), COLUMN_WIDTH), PAGE_WIDTH)
            self.high = min(self._high(width), _HIGHEST)
            height = self._height(self.high)
            figure = pyplot.figure(figsize=(width, height))
        else:
            width, height = figure.bbox.size / figure.dpi
            self.high = min(self._high(width), (height - self._height(0)) / self.n_scans)
            if self.high < _LOWEST:
                raise ValueError(
                    f"A figure of {width:.1f} x {height:.1f} inches is too small for "
                    f"{self.n_scans} scans with the panels {list(self.across)}. Enlarge it, or "
                    "leave some out."
                )
        if figure.figure.get_layout_engine() is None:
            engine = ConstrainedLayoutEngine(w_pad=_PAD, h_pad=_PAD, wspace=0, hspace=0)
            figure.figure.set_layout_engine(engine)
        self.figure = figure
        widths, self.first = [], {}
        for panel, across in self.across.items():
            self.first[panel] = len(widths)
            widths += [self.aspect * self._picture_high(panel, self.high)] * across
        heights, self.top = [], []
        for scan in range(self.n_scans):
            heights += [_NO_HEIGHT] * ((self.titles is not None) + (scan == 0))
            self.top.append(len(heights))
            heights += [self._picture_high("feature_maps", self.high)] * self.down
        # The last row holds the colour bars, which are kept out of the layout, since their
        # labels may be wider than the picture. The rest of a figure stays empty.
        self.grid = figure.add_gridspec(
            len(heights) + 1,
            len(widths) + 1,
            height_ratios=[
                *heights,
                self.bars + max(height - self._height(self.high), _NO_HEIGHT),
            ],
            width_ratios=[*widths, max(width - self._width(self.high), _NO_HEIGHT)],
        )

    def write(self):
        """Write the title, the scans' titles and the panels' headings."""
        if self.title is not None:
            self.figure.suptitle(
                self.title, x=0.01, ha="left", fontsize="medium", fontweight="bold"
            )
        for scan, title in enumerate(self.titles or ()):
            row = self.top[scan] - (2 if scan == 0 else 1)
            self._write(row, slice(None), title, fontsize="small", fontweight="bold")
        for numeral, (panel, across) in zip(_NUMERALS, self.across.items(), strict=False):
            heading = f"({numeral}) {HEADINGS[panel]}"
            # Smaller where panels are narrow: a letter is at most 0.62 as wide as high.
            width = self._panel_width(panel, self.high)
            fontsize = min(_points("small"), 72 * width / (0.62 * len(heading)))
            columns = slice(self.first[panel], self.first[panel] + across)
            self._write(self.top[0] - 1, columns, heading, fontsize=fontsize)

    def add_axes(self, panel, place):
        """Make the axes of one picture, at the scan and kernel, or the kernel, of `place`."""
        scan, tile = (0, *place) if panel == "maximized" else (*place, 0)[:2]
        down, column = divmod(tile, self.across[panel])
        scan, down = divmod(scan * self.down + down, self.down)
        rows = slice(self.top[scan], self.top[scan] + self.down)
        if panel in OF_KERNELS:
            rows = self.top[scan] + down
        ax = self.figure.add_subplot(self.grid[rows, self.first[panel] + column], anchor="NW")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(color=GREY, linewidth=0.5)
        return ax

    def add_colorbar(self, panel, image):
        """Draw a scale below the lowest picture of a panel."""
        bottom = -(_ABOVE_BAR + _BAR) / self.high
        cax = image.axes.inset_axes((0, bottom, 1, _BAR / self.high))
        cax.set_in_layout(False)
        # The heat map is transparent where it is low, and a scan is dark there.
        cax.set_facecolor("black")
        bar = self.figure.colorbar(image, cax=cax, orientation="horizontal")
        labels = BARS[panel]
        bar.set_ticks(np.linspace(*image.get_clim(), len(labels)), labels=labels)
        bar.ax.tick_params(labelsize="xx-small", length=2, pad=1)
        for number, label in ((0, "left"), (-1, "right")):
            bar.ax.get_xticklabels()[number].set_horizontalalignment(label)
        bar.outline.set(edgecolor=GREY, linewidth=0.5)
        return bar

    def add_legend(self, outlines):
        """Name the masks below all pictures; a scan may lack a finding that another has."""
        return self.figure.legend(
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

    def _write(self, row, columns, text, **style):
        """Write a title over axes of no height, for which the layout makes room."""
        ax = self.figure.add_subplot(self.grid[row, columns])
        ax.set_axis_off()
        ax.set_title(text, loc="left", pad=1, **style)

    def _height(self, high):
        """Return the height that scans of some height need."""
        return self.text + self.bars + self.n_scans * (self.name + high + 2 * _PAD)

    def _width(self, high):
        """Return the width that scans of some height need."""
        return sum(self._panel_width(panel, high) for panel in self.across)

    def _high(self, width):
        """Return the height of the scans that fill a width, which grows linearly with it."""
        return (width - self._width(0)) / (self._width(1) - self._width(0))

    def _panel_width(self, panel, high):
        return self.across[panel] * (self.aspect * self._picture_high(panel, high) + 2 * _PAD)

    def _picture_high(self, panel, high):
        """Return the height of a panel's pictures: of scans, or of tiles above each other."""
        if panel not in OF_KERNELS:
            return high
        return (high - (self.down - 1) * (self.name + 2 * _PAD)) / self.down


def _points(size):
    """Return a font's size, such as "small", in points."""
    return FontProperties(size=size).get_size_in_points()


def _line_height(size):
    """Return the height of a line of text in inches."""
    return 1.2 * _points(size) / 72


def draw_scale(ax):
    """Draw a bar of a round length in mm, about a third of the picture at most."""
    width = ax.get_xlim()[1]
    power = 10.0 ** np.floor(np.log10(width / 3))
    length = max(digit * power for digit in (1, 2, 5) if digit * power <= width / 3)
    ax.plot(
        [0.05 * width, 0.05 * width + length],
        [0.04, 0.04],
        transform=ax.get_xaxis_transform(),
        color="white",
        linewidth=1.5,
        solid_capstyle="butt",
        scalex=False,
    )
    write_on(ax, 0.055, f"{length:g} mm")


def write_on(ax, height, text):
    """Write on a scan, which is dark whatever the figure, at a share of its height."""
    ax.text(
        0.05,
        height,
        text,
        transform=ax.transAxes,
        verticalalignment="bottom" if height < 0.5 else "top",
        color="white",
        fontsize="xx-small",
        path_effects=[withStroke(linewidth=2, foreground="black")],
        # A picture narrower than its text is not to be moved away from the others.
        in_layout=False,
    )
