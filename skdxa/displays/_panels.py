"""The panels of an explanation on a figure: axes, titles, scales and legend."""

from math import ceil, sqrt

import numpy as np
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from mpl_toolkits.axes_grid1.axes_divider import AxesDivider
from mpl_toolkits.axes_grid1.axes_size import Fixed, Scaled

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
# Styles of text: the figure's title, those of scans, headings, these in two lines, and numbers.
_LARGE = {"fontsize": "medium", "fontweight": "bold"}
_TITLE = {"fontsize": "small", "fontweight": "bold"}
_HEADING, _BROKEN, _NUMBER = ({"fontsize": size} for size in ("small", "x-small", "xx-small"))
# From line to line in font sizes, and from the foot of letters to what is below, in points.
_PITCH, _DESCENT = 1.5, 3
# Inches: the height of a scan in a figure made here, and the least in any, of pixels; between
# pictures, between panels and around all; and a scale.
_HEIGHT, _LEAST = 1.9, 0.12
_GAP, _BETWEEN, _PAD, _BAR = 0.06, 0.16, 0.03, 0.07


class PanelGrid:
    """A grid of axes: columns of pictures for each panel, a row for each scan, rows for text.

    Constrained layout has room for the figure's title and legend. In the rest a divider packs
    all pictures to the upper left, as large as they fit, and text has the height of its letters.
    `shapes` holds the shape of each panel's array of pictures, from left to right, and
    `aspect` is the width of a picture by its height.
    """

    def __init__(self, shapes, *, n_scans, aspect, title, titles, n_masks, figure):
        self.shapes, self.widths = shapes, {}
        # About twice as many kernels across as down, since a scan is higher than wide.
        n_kernels = max((shapes[panel][-1] for panel in OF_KERNELS if panel in shapes), default=0)
        self.down = max(ceil(sqrt(n_kernels / 2)), 1)
        self.across = dict.fromkeys(shapes, 1)
        for panel in set(shapes) & set(OF_KERNELS):
            n_rows = self.down * (n_scans if panel == "maximized" else 1)
            self.across[panel] = max(ceil(n_kernels / n_rows), min(2, n_kernels))
        # Numbers stand above kernels, and between those that share the height of a scan.
        number = Fixed(_height_of("", _NUMBER) if n_kernels else _GAP)
        scan = Scaled(self.down) + (self.down - 1) * number
        self._columns = {}
        for panel, across in self.across.items():
            for column in range(across):
                if self._columns:
                    self._columns["gap", panel, column] = Fixed(_GAP if column else _BETWEEN)
                size = Scaled(1) if panel in OF_KERNELS else scan
                self._columns[panel, column] = aspect * size
            self._columns["end", panel] = Fixed(0)

        # The height of a kernel's picture.
        tile = (_HEIGHT - scan.get_size(None)[1]) / self.down
        is_new = figure is None
        if is_new:
            from matplotlib import pyplot

            width = np.clip(_length_of(self._columns, tile) + 2 * _PAD, COLUMN_WIDTH, PAGE_WIDTH)
            figure = pyplot.figure(figsize=(width, width))
        self.figure = figure
        if figure.figure.get_layout_engine() is None:
            engine = ConstrainedLayoutEngine(w_pad=_PAD, h_pad=_PAD)
            figure.figure.set_layout_engine(engine)
        width, height = figure.bbox.size / figure.figure.dpi
        room = width - 2 * _PAD
        self.title = None if title is None else _filled(title, room, _LARGE)
        self.titles = [_filled(one, room, _TITLE) for one in titles or ()]
        self._rows = self._make_rows(n_scans, number)
        # What constrained layout has room for, above and below.
        around = 2 * _PAD + ceil(n_masks / _LEGEND_COLUMNS) * _height_of("", _HEADING)
        around += 0 if title is None else _height_of(self.title, _LARGE)
        tile = min(tile if is_new else np.inf, _fitting(self._columns, room))
        if not is_new:
            tile = min(tile, _fitting(self._rows, height - around))
        if self.down * tile < _LEAST:
            raise ValueError(
                f"A figure of {width:.1f} x {height:.1f} inches is too small for {n_scans} "
                f"scans with the panels {list(shapes)}. Enlarge it, or leave some out."
            )
        # Narrow kernels are as far apart as their numbers need.
        for _, panel, column in [key for key in self._columns if key[0] == "gap"]:
            if panel in OF_KERNELS and column:
                lacking = _width_of("000", _NUMBER) - aspect * tile
                self._columns["gap", panel, column] = Fixed(max(_GAP, lacking))
        self.headings = {panel: self._heading_of(panel, tile) for panel in shapes}
        n_breaks = max(heading.count("\n") for heading, _ in self.headings.values())
        style = _BROKEN if n_breaks else _HEADING
        self._rows["heading"] = Fixed(_height_of("\n" * n_breaks, style))
        if is_new:
            figure.set_figheight(_length_of(self._rows, tile) + around)
        # The axes that constrained layout sees; the first of the texts stands there.
        self._first = figure.add_subplot()
        self._divider = AxesDivider(self._first)
        self._divider.set_horizontal([*self._columns.values()])
        self._divider.set_vertical([*self._rows.values()][::-1])
        self._divider.set_aspect(True)
        self._divider.set_anchor("NW")

    def _make_rows(self, n_scans, number):
        """Return the heights of the rows by what they hold, from the top."""
        rows = {"heading": Fixed(_height_of("\n", _BROKEN))}
        for scan in range(n_scans):
            rows["gap", scan] = Fixed(_GAP if scan else 0)
            if self.titles:
                rows["title", scan] = Fixed(_height_of(self.titles[scan], _TITLE))
            for down in range(self.down):
                rows["number", scan, down] = number
                rows[scan, down] = Scaled(1)
        if not set(self.shapes).isdisjoint(BARS):
            rows |= {"gap": Fixed(_GAP), "bar": Fixed(_BAR)}
            rows["labels"] = Fixed(_height_of("", _NUMBER))
        return rows | {"end": Fixed(_GAP)}

    def _of_panel(self, panel):
        """Return the columns of a panel and the gaps between them."""
        gaps = [("gap", panel, column) for column in range(1, self.across[panel])]
        return [(panel, column) for column in range(self.across[panel])] + gaps

    def _heading_of(self, panel, tile):
        """Return the heading of a panel and its style, and make the panel as wide."""
        self.widths[panel] = _length_of(
            {column: self._columns[column] for column in self._of_panel(panel)}, tile
        )
        numeral = _NUMERALS[[*self.shapes].index(panel)]
        heading, style = f"({numeral}) {HEADINGS[panel]}", _HEADING
        room = self.widths[panel] + _BETWEEN - _GAP
        if _width_of(heading, style) > room:
            heading, style = heading.replace(" ", "\n", 1), _BROKEN
            self._columns["end", panel] = Fixed(max(_width_of(heading, style) - room, 0))
        return heading, style

    def _add_axes(self, columns, rows, ax=None):
        """Put axes, new ones by default, into some columns and rows."""
        ax = self.figure.add_axes((0, 0, 1, 1)) if ax is None else ax
        across = [[*self._columns].index(column) for column in columns]
        down = [[*self._rows][::-1].index(row) for row in rows]
        place = (min(across), min(down), max(across) + 1, max(down) + 1)
        ax.set_axes_locator(self._divider.new_locator(*place))
        return ax

    def axes_of(self, panel):
        """Make the axes of a panel's pictures, an array of their shape."""
        axes = np.empty(self.shapes[panel], dtype=object)
        for place in np.ndindex(axes.shape):
            scan, tile = (0, *place) if panel == "maximized" else (*place, 0)[:2]
            down, column = divmod(tile, self.across[panel])
            # Patterns belong to no scan, and go on beside the next one.
            scan, down = divmod(scan * self.down + down, self.down)
            rows = [down] if panel in OF_KERNELS else range(self.down)
            ax = self._add_axes([(panel, column)], [(scan, row) for row in rows])
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(color=GREY, linewidth=0.5)
            axes[place] = ax
        return axes

    def add_colorbar(self, panel, image):
        """Draw the scale of a picture below it."""
        cax = self._add_axes([(panel, 0)], ["bar"])
        # The heat map is transparent where it is low, and a scan is dark there.
        cax.set_facecolor("black")
        bar = self.figure.colorbar(image, cax=cax, orientation="horizontal")
        labels = BARS[panel]
        if panel == "grad_cam" and _width_of("  ".join(labels), _NUMBER) > self.widths[panel]:
            # They would meet, and a heat map begins at zero.
            labels = ("", *labels[1:])
        bar.set_ticks(np.linspace(*image.get_clim(), len(labels)), labels=labels)
        bar.ax.tick_params(labelsize="xx-small", length=2, pad=1)
        for number, side in ((0, "left"), (-1, "right")):
            bar.ax.get_xticklabels()[number].set_horizontalalignment(side)
        bar.outline.set(edgecolor=GREY, linewidth=0.5)
        return bar

    def write(self):
        """Write the title of the figure, those of the scans, and the panels' headings."""
        if self.title is not None:
            self.figure.suptitle(self.title, x=0.01, ha="left", **_LARGE)
        texts = [
            (text, _TITLE, self._columns, ("title", scan)) for scan, text in enumerate(self.titles)
        ]
        for panel, heading in self.headings.items():
            texts.append((*heading, self._of_panel(panel), "heading"))
        for number, (text, style, columns, row) in enumerate(texts):
            ax = self._add_axes(columns, [row], None if number else self._first)
            ax.set_axis_off()
            ax.set_title(text, loc="left", y=0, pad=_DESCENT, **style)


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


def _length_of(sizes, tile):
    """Return the length of columns or rows in inches, if a kernel's picture is so high."""
    return float(np.sum([size.get_size(None) for size in sizes.values()], axis=0) @ [tile, 1])


def _fitting(sizes, room):
    """Return how high a kernel's picture may be for columns or rows to fit, in inches."""
    fixed = _length_of(sizes, 0)
    return (room - fixed) / (_length_of(sizes, 1) - fixed)


def _filled(text, width, style):
    """Break text into lines of at most some inches."""
    return "\n".join(wrap(text, 72 * width, Text(**style).get_fontproperties()))


def _width_of(text, style):
    """Return the width of the widest line of text in inches."""
    font = Text(**style).get_fontproperties()
    return max(width_of(line, font) for line in text.split("\n")) / 72


def _height_of(text, style):
    """Return the height of lines of text in inches, with a little space around."""
    return (1 + text.count("\n")) * _PITCH * Text(**style).get_fontsize() / 72
