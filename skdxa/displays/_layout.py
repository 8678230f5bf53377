"""Where the pictures of an explanation lie on a figure, and what is written on them."""

from math import ceil, sqrt

import numpy as np

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
# Inches: around everything, between panels, between the tiles of one, between scans.
_MARGIN, _PANEL_GAP, _TILE_GAP, _ROW_GAP = 0.08, 0.14, 0.04, 0.08
# How high a scan is drawn: at most, in a figure of the display's own, and at least.
_HIGHEST, _LOWEST = 2.0, 0.2
_BAR, _LEGEND_COLUMNS = 0.07, 4


class Layout:
    """Where everything lies on a figure, in inches from its upper left corner.

    Parameters
    ----------
    shapes : dict of str to tuple
        For each panel, from left to right, the shape of its array of pictures.
    n_scans : int
        Rows of the figure.
    aspect : float
        Width of a picture by its height.
    title : str or None
        What stands over everything.
    titles : list of str or None
        What stands over each row.
    n_masks : int
        Names in the legend.
    """

    def __init__(self, shapes, *, n_scans, aspect, title, titles, n_masks):
        self.n_scans, self.aspect, self.title, self.titles = n_scans, aspect, title, titles
        small, tiny = _line_height("small"), _line_height("xx-small")
        # Tiles across and, in the row of one scan, down; and the height of a tile's name.
        self.tiles = {}
        for panel, shape in shapes.items():
            self.tiles[panel] = 1, 1, 0.0
            if panel in OF_KERNELS:
                # About twice as many across as down, for a scan is higher than wide.
                down = ceil(sqrt(shape[-1] / 2))
                rows = down * (n_scans if panel == "maximized" else 1)
                across = max(ceil(shape[-1] / rows), min(2, shape[-1]))
                self.tiles[panel] = across, down, tiny
        # Over everything; over each row; and, once, between a row's title and its pictures.
        self.above = _MARGIN + (0 if title is None else _line_height("medium"))
        self.over = 0 if titles is None else small
        self.headings = small
        self.bars = _MARGIN + _BAR + 1.5 * tiny if set(shapes) & set(BARS) else 0
        self.legend = _MARGIN + small * ceil(n_masks / _LEGEND_COLUMNS) if n_masks else 0

    def fit(self, figure):
        """Make the scans as high as a figure lets them be, or make a figure for them."""
        from matplotlib.figure import Figure

        if figure is None:
            from matplotlib import pyplot

            width = min(max(self._width(_HIGHEST), COLUMN_WIDTH), PAGE_WIDTH)
            self.high = min(self._high(width), _HIGHEST)
            height = self._height(self.high)
            figure = pyplot.figure(figsize=(width, height), layout="none")
        else:
            if isinstance(figure, Figure):
                figure.set_layout_engine("none")
            width, height = figure.bbox.width / figure.dpi, figure.bbox.height / figure.dpi
            self.high = min(self._high(width), (height - self._height(0)) / self.n_scans)
            if self.high < _LOWEST:
                raise ValueError(
                    f"A figure of {width:.1f} x {height:.1f} inches is too small for "
                    f"{self.n_scans} scans with the panels {list(self.tiles)}. Enlarge it, or "
                    "leave some out."
                )
        self.figure, self.size = figure, (width, height)
        self.left = {}
        x = _MARGIN
        for panel in self.tiles:
            self.left[panel] = x
            x += self._panel_width(panel, self.high) + _PANEL_GAP
        return figure

    def write(self):
        """Write the title, the panels' headings and the rows' titles."""
        if self.title is not None:
            self._text(_MARGIN, self.above, self.title, fontsize="medium", fontweight="bold")
        for scan, title in enumerate(self.titles or ()):
            y = self._top(scan) - (0 if scan else self.headings)
            self._text(_MARGIN, y, title, fontsize="small", fontweight="bold")
        headings = {
            panel: f"({numeral}) {HEADINGS[panel]}"
            for numeral, panel in zip(_NUMERALS, self.tiles, strict=False)
        }
        # Smaller where panels are narrow: a letter is at most 0.62 as wide as its font is high.
        fontsize = min(
            _points("small"),
            *(
                72 * (self._panel_width(panel, self.high) + _PANEL_GAP) / (0.62 * len(heading))
                for panel, heading in headings.items()
            ),
        )
        for panel, heading in headings.items():
            self._text(self.left[panel], self._top(0), heading, fontsize=fontsize)

    def add_axes(self, panel, place):
        """Make the axes of one picture: of a scan, of a tile of a scan's, or of a tile."""
        across, down, name = self.tiles[panel]
        scan, tile = (0, *place) if panel == "maximized" else (*place, 0)[:2]
        scan, row = divmod(scan * down + tile // across, down)
        high = self._tile_high(panel, self.high)
        wide = self.aspect * high
        ax = self._axes(
            self.left[panel] + tile % across * (wide + _TILE_GAP),
            self._top(scan) + row * (name + high + _TILE_GAP) + name,
            wide,
            high,
        )
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(color=GREY, linewidth=0.5)
        return ax

    def add_colorbar(self, panel, image):
        """Draw a scale below a panel."""
        y = self._height(self.high) - self.legend - self.bars
        cax = self._axes(self.left[panel], y, self.aspect * self.high, _BAR)
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
        """Name the masks below everything; a scan may lack what another one shows."""
        return self.figure.legend(
            handles=[
                max((one[name] for one in outlines), key=lambda one: len(one.get_segments()))
                for name in outlines[0]
            ],
            loc="upper left",
            bbox_to_anchor=self._fraction(_MARGIN, self._height(self.high) - self.legend),
            borderaxespad=0,
            borderpad=0,
            ncols=_LEGEND_COLUMNS,
            fontsize="small",
            frameon=False,
        )

    def _top(self, scan):
        """Where the pictures of a scan begin."""
        row = self.over + self.high + _ROW_GAP
        return self.above + self.headings + self.over + scan * row

    def _height(self, high):
        """Height that scans of some height need."""
        rows = self.n_scans * (self.over + high + _ROW_GAP) - _ROW_GAP
        return self.above + self.headings + rows + self.bars + self.legend + _MARGIN

    def _width(self, high):
        """Width that scans of some height need."""
        gaps = 2 * _MARGIN + (len(self.tiles) - 1) * _PANEL_GAP
        return gaps + sum(self._panel_width(panel, high) for panel in self.tiles)

    def _high(self, width):
        """Height of the scans that fill a width, which grows linearly with it."""
        return (width - self._width(0)) / (self._width(1) - self._width(0))

    def _panel_width(self, panel, high):
        across = self.tiles[panel][0]
        return across * (self.aspect * self._tile_high(panel, high) + _TILE_GAP) - _TILE_GAP

    def _tile_high(self, panel, high):
        _, down, name = self.tiles[panel]
        return (high + _TILE_GAP) / down - _TILE_GAP - name

    def _fraction(self, x, y):
        return x / self.size[0], 1 - y / self.size[1]

    def _axes(self, x, y, wide, high):
        corner = self._fraction(x, y + high)
        return self.figure.add_axes((*corner, wide / self.size[0], high / self.size[1]))

    def _text(self, x, y, text, **kwargs):
        self.figure.text(*self._fraction(x, y - 0.02), text, verticalalignment="bottom", **kwargs)


def _points(size):
    """Return a font's size, such as "small", in points."""
    from matplotlib.font_manager import FontProperties

    return FontProperties(size=size).get_size_in_points()


def _line_height(size):
    """Return the height of a line of text in inches."""
    return 1.4 * _points(size) / 72


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
    from matplotlib.patheffects import withStroke

    ax.text(
        0.05,
        height,
        text,
        transform=ax.transAxes,
        verticalalignment="bottom" if height < 0.5 else "top",
        color="white",
        fontsize="xx-small",
        path_effects=[withStroke(linewidth=2, foreground="black")],
    )
