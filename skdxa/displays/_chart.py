"""A flow chart: boxes of wrapped text, packed in rows, and arrows between them."""

from itertools import chain

import numpy as np
from matplotlib.offsetbox import (
    AnchoredOffsetbox,
    DrawingArea,
    HPacker,
    PaddedBox,
    TextArea,
    VPacker,
)
from matplotlib.text import OffsetFrom, Text

from skdxa.displays._style import BLUE, GREY, ink
from skdxa.displays._text import NO_BREAK, width_of, wrap

# Everything below is in points.
_FONT_SIZE, _SMALLEST_FONT_SIZE = 8.0, 5.0
_PADDING, _GAP, _LINE = 3.5, 12.0, 0.8
# Share of a column's width that the boxes of the main stem have where others branch off.
_STEM = 0.6
# Between the labels of a target, and before the further lines of a reason.
_BETWEEN = "   "


def draw_chart(ax, columns, look, width, height=np.inf):
    """Draw the chart in the largest font that fits, at most that of the style."""
    largest = smallest = Text(**look("texts", fontsize=_FONT_SIZE)).get_fontsize()
    high = ""
    if np.isfinite(height):
        smallest, high = min(largest, _SMALLEST_FONT_SIZE), f" and {height / 72:.1f} high"
    for font_size in np.linspace(largest, smallest, 7):
        chart = Chart(ax, columns, look, width, font_size)
        if chart.is_wide_enough and chart.height <= height:
            return chart
        chart.remove()
    raise ValueError(
        f"the flow chart does not fit into axes {width / 72:.1f} inches wide{high} with letters "
        f"of {smallest:g} points: give larger axes (or none, for a figure of the right height), "
        'smaller letters (style["texts"]) or fewer reasons (max_reasons).'
    )


class Chart:
    """Boxes, texts and arrows, in rows from the axes' upper left corner.

    Matplotlib packs the boxes, each as high as its text. The rows hold a cell for each of the
    columns, all of the same width, so that they are level.
    """

    def __init__(self, ax, columns, look, width, font_size):
        self.is_wide_enough = True
        self.boxes, self.texts, self.arrows, self._rows, self._artists = [], [], [], [], []
        self._ax, self._look, self._font_size = ax, look, font_size
        self._width = width = (width - _GAP * (len(columns) - 1)) / len(columns)
        is_branching = any(column.reasons for column in columns)
        stem = _STEM * width if is_branching else width

        self._add_row([self._box(c.name, [], width, align="left") for c in columns])
        if is_branching:
            listed = [self._box("Listed", [c.listed], stem, ink()) for c in columns]
            self._add_row(listed)
            # Branched off to the right.
            left = stem / 2 + _GAP
            aside = (width - left, GREY, "left", _BETWEEN)
            excluded = [self._box(c.excluded, c.reasons, *aside) for c in columns]
            self._add_row([_pack(HPacker, _space(left), box) for box in excluded], _GAP)
        head = "Kept" if is_branching else ""
        kept = [self._box(head, [c.kept], stem, ink()) for c in columns]
        self._add_row(kept, _GAP if is_branching else 0)
        if is_branching:
            for first, box, last in zip(listed, excluded, kept, strict=True):
                self._arrow(first, (0.5, 0), last, (0.5, 1))
                self._arrow((first, box), (0.5, 0.5), box, (0, 0.5))
        if any(column.targets for column in columns):
            self._add_targets(columns, kept)

        # Below the arrows, which end where the boxes have been put.
        place = {"pad": 0, "borderpad": 0, "frameon": False, "zorder": 2}
        chart = AnchoredOffsetbox("upper left", child=_pack(VPacker, *self._rows), **place)
        self._artists.append(ax.add_artist(chart))
        # The layout has room for the axes alone, and the chart lies within them.
        for artist in self._artists:
            artist.set_in_layout(False)
        self.height = chart.get_window_extent().height * 72 / ax.figure.dpi

    def remove(self):
        """Remove all that was drawn."""
        for artist in self._artists:
            artist.remove()

    def _add_targets(self, columns, kept):
        """Draw a box per target: side by side where all fit, else one below the other."""
        n_most, indent = max(len(column.targets) for column in columns), 1.5 * _GAP
        each = (self._width + _GAP / 2) / n_most - _GAP / 2
        if self._fit([target for column in columns for target in column.targets], each):
            boxes = [[self._box(*target, each, BLUE) for target in c.targets] for c in columns]
            self._add_row([_pack(HPacker, *own, sep=_GAP / 2) for own in boxes], indent)
            bend = "arc3" if n_most == 1 else "angle,angleA=0,angleB=90"
            for above, own in zip(kept, boxes, strict=True):
                bus, below = OffsetFrom(above, (0.5, 0), "points"), (0, -0.75 * _GAP)
                for box in own:
                    self._arrow(above, (0.5, 0), bus, below, arrowstyle="-")
                    self._arrow(bus, below, box, (0.5, 1), bend)
            return
        width = self._width - indent
        for number in range(n_most):
            cells = []
            for column, above in zip(columns, kept, strict=True):
                cells.append(_space())
                for name, labels in column.targets[number : number + 1]:
                    labels = [_joined(labels)] if self._fit([("", labels)], width) else labels
                    box = self._box(name, labels, width, BLUE)
                    cells[-1] = _pack(HPacker, _space(indent), box)
                    foot = OffsetFrom(above, (0, 0), "points")
                    self._arrow(foot, (_GAP / 2, 0), box, (0, 0.5), "angle,angleA=90,angleB=0")
            self._add_row(cells, _GAP / 2)

    def _fit(self, targets, width):
        """Return whether no word of the targets' names and no label is wider than its box."""
        bold, font = (Text(**self._style(is_head)).get_fontproperties() for is_head in (1, 0))
        pieces = []
        for name, labels in targets:
            pieces += [(word, bold) for word in name.split()] + [(one, font) for one in labels]
        return all(width_of(*piece) <= width - 2 * _PADDING for piece in pieces)

    def _add_row(self, cells, above=0):
        """Add a row with a cell for each column, at a distance from the row above."""
        cells = [_pack(VPacker, _space(self._width, above), cell) for cell in cells]
        self._rows.append(_pack(HPacker, *cells, sep=_GAP))

    def _box(self, head, body, width, color=None, align="center", indent=""):
        """Make a box of a bold head and paragraphs; without colour it has no frame."""
        room = width - 2 * _PADDING
        parts = [_space(room)]
        for is_head, paragraphs in ((True, [head] if head else []), (False, body)):
            style = self._style(is_head, multialignment=align)
            font, hanging = Text(**style).get_fontproperties(), "" if is_head else indent
            broken = [wrap(words, room, font, hanging) for words in paragraphs]
            self.is_wide_enough &= all(broken)
            if broken:
                parts.append(TextArea("\n".join(chain(*broken)), textprops=style))
                self.texts += parts[-1].get_children()
        frame = self._look("boxes", facecolor="none", edgecolor=color, linewidth=_LINE)
        text = _pack(VPacker, *parts, align=align)
        box = PaddedBox(text, _PADDING, draw_frame=color is not None, patch_attrs=frame)
        self.boxes += [] if color is None else [box.patch]
        return box

    def _style(self, is_head, **more):
        """Return the style of a chart's text in the size of the chart, the head bold."""
        style = self._look("texts", color=ink(), usetex=False, parse_math=False) | more
        return style | {"fontsize": self._font_size} | ({"fontweight": "bold"} if is_head else {})

    def _arrow(self, start_of, start, end_of, end, connectionstyle="arc3", arrowstyle="-|>"):
        """Draw an arrow between places in shares of two boxes, or in points from a corner."""
        shape = {"arrowstyle": arrowstyle, "connectionstyle": connectionstyle}
        size = {"mutation_scale": 7, "shrinkA": 0, "shrinkB": 0, "linewidth": _LINE}
        line = self._look("arrows", color=ink(), **shape, **size)
        place = {"xycoords": end_of, "textcoords": start_of, "annotation_clip": False}
        arrow = self._ax.annotate("", end, start, arrowprops=line, **place)
        self._artists.append(arrow)
        self.arrows.append(arrow.arrow_patch)


def size_of(ax):
    """Return the width and height of axes in points, once their figure's layout has settled."""
    ax.set_axis_off()
    figure = ax.figure.figure
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
    box = ax.get_window_extent()
    return box.width * 72 / figure.dpi, box.height * 72 / figure.dpi


def _pack(packer, *children, align=None, sep=0):
    """Pack boxes in a row or a column."""
    align = align or ("top" if packer is HPacker else "left")
    return packer(children=[*children], align=align, pad=0, sep=sep)


def _space(width=0, height=0):
    return DrawingArea(width, height)


def _joined(labels):
    return _BETWEEN.join(label.replace(" ", NO_BREAK) for label in labels)
