"""A flow chart: boxes of wrapped text, one below the other, and arrows between them."""

from itertools import chain

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, ScaledTranslation

from skdxa.displays._style import BLUE, GREY, ink
from skdxa.displays._text import NO_BREAK, width_of, wrap

# Everything below is in points.
_FONT_SIZE, _SMALLEST_FONT_SIZE = 8.0, 5.0
_PADDING, _GAP, _LINE = 3.5, 12.0, 0.8
# From line to line, in font sizes: text of several lines would be higher on coarse screens.
_PITCH = 1.25
# Share of a column that the boxes of the main stem take where others branch off.
_STEM = 0.6
# Between the labels of a target, and before the further lines of a reason.
_BETWEEN = "   "


def draw_chart(ax, columns, look, width, height=np.inf):
    """Draw the chart of the largest letters that fit, at most those of the style."""
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
    """Boxes, texts and arrows, drawn row by row from the axes' upper left corner.

    Lengths are in points, to the right and down, so that boxes suit the size of letters.
    """

    def __init__(self, ax, columns, look, width, font_size):
        self.height, self.is_wide_enough = 0.0, True
        self.boxes, self.texts, self.arrows = [], [], []
        self._ax, self._look, self._font_size, self._annotations = ax, look, font_size, []
        corner = ScaledTranslation(0, 1, ax.transAxes)
        self._points = Affine2D().scale(1 / 72, -1 / 72) + ax.figure.dpi_scale_trans + corner
        # The layout has room for the axes alone, and the chart lies within them.
        self._place = {"transform": self._points, "clip_on": False, "in_layout": False}

        width = (width - _GAP * (len(columns) - 1)) / len(columns)
        columns = [(number * (width + _GAP), column) for number, column in enumerate(columns)]
        is_branching = any(column.reasons for _, column in columns)
        stem = _STEM * width if is_branching else width
        self._add_row([self._box(x, width, c.name, align="left") for x, c in columns])
        if is_branching:
            self._add_row([self._box(x, stem, "Listed", [c.listed], ink()) for x, c in columns])
            self._add_excluded(columns, stem, width)
        head = "Kept" if is_branching else ""
        self._add_row([self._box(x, stem, head, [c.kept], ink()) for x, c in columns])
        if any(column.targets for _, column in columns):
            self._add_targets(columns, stem, width)

    def remove(self):
        """Remove all that was drawn."""
        for artist in (*self.boxes, *self.texts, *self._annotations):
            artist.remove()

    def _add_excluded(self, columns, stem, width):
        """Branch off to the right the scans left out, below those listed."""
        top, left = self.height, stem / 2 + _GAP
        self.height += _GAP
        boxes = [
            self._box(x + left, width - left, c.excluded, c.reasons, GREY, "left", _BETWEEN)
            for x, c in columns
        ]
        self._add_row(boxes, equal=False)
        self.height += _GAP
        for (x, _), box in zip(columns, boxes, strict=True):
            self._arrow((x + stem / 2, top), (x + stem / 2, self.height))
            self._arrow((x + stem / 2, _middle_of(box)), (box.get_x(), _middle_of(box)))

    def _add_targets(self, columns, stem, width):
        """Draw a box per target: side by side where all fit, else one below the other."""
        top, indent = self.height, 1.5 * _GAP
        n_most = max(len(column.targets) for _, column in columns)
        each = (width + _GAP / 2) / n_most - _GAP / 2
        if self._fit((target for _, column in columns for target in column.targets), each):
            self.height += indent
            boxes = [
                (x, self._box(x + n * (each + _GAP / 2), each, name, labels, BLUE))
                for x, column in columns
                for n, (name, labels) in enumerate(column.targets)
            ]
            self._add_row([box for _, box in boxes])
            for x, box in boxes:
                start, bus = (x + stem / 2, top), (x + stem / 2, top + 0.75 * _GAP)
                self._arrow(start, bus, arrowstyle="-")
                if n_most == 1:
                    self._arrow(bus, (bus[0], box.get_y()))
                else:
                    end = (box.get_x() + each / 2, box.get_y())
                    self._arrow(bus, end, "angle,angleA=0,angleB=90")
            return
        for number in range(n_most):
            self.height += _GAP / 2
            boxes = []
            for x, column in columns:
                for name, labels in column.targets[number : number + 1]:
                    is_wide = self._fit([("", labels)], width - indent)
                    words = [_joined(labels)] if is_wide else labels
                    boxes.append((x, self._box(x + indent, width - indent, name, words, BLUE)))
            self._add_row([box for _, box in boxes])
            for x, box in boxes:
                end = (box.get_x(), _middle_of(box))
                self._arrow((x + _GAP / 2, top), end, "angle,angleA=90,angleB=0")

    def _fit(self, targets, width):
        """Return whether no word of the targets' names and no label is wider than its box."""
        bold, font = (Text(**self._style(is_head)).get_fontproperties() for is_head in (1, 0))
        pieces = []
        for name, labels in targets:
            pieces += [(word, bold) for word in name.split()] + [(one, font) for one in labels]
        return all(width_of(*piece) <= width - 2 * _PADDING for piece in pieces)

    def _add_row(self, boxes, *, equal=True):
        """Go on below boxes that lie beside each other, and make them equally high."""
        highest = max(box.get_height() for box in boxes)
        for box in boxes if equal else ():
            box.set_height(highest)
        self.height += highest

    def _box(self, x, width, head, body=(), color=None, align="center", indent=""):
        """Draw a box as high as its text: a bold head, and paragraphs; without colour no frame."""
        height, across = _PADDING, width / 2 if align == "center" else _PADDING
        for is_head, paragraphs in ((True, [head] if head else []), (False, body)):
            style = self._style(is_head, horizontalalignment=align, **self._place)
            font, hanging = Text(**style).get_fontproperties(), "" if is_head else indent
            broken = [wrap(words, width - 2 * _PADDING, font, hanging) for words in paragraphs]
            self.is_wide_enough &= all(broken)
            for line in chain(*broken):
                text = self._ax.text(x + across, self.height + height, line, **style)
                self.texts.append(text)
                height += _PITCH * self._font_size
        frame = self._look("boxes", facecolor="none", edgecolor=color, linewidth=_LINE)
        box = Rectangle((x, self.height), width, height + _PADDING, **frame, **self._place)
        if color is not None:
            self.boxes.append(self._ax.add_artist(box))
        return box

    def _style(self, is_head, **more):
        """Return the style of a chart's text, of its own size and the head bold."""
        plain = {"verticalalignment": "top", "usetex": False, "parse_math": False}
        style = self._look("texts", color=ink(), **plain) | {"fontsize": self._font_size}
        return style | ({"fontweight": "bold"} if is_head else {}) | more

    def _arrow(self, start, end, connectionstyle="arc3", arrowstyle="-|>"):
        shape = {"arrowstyle": arrowstyle, "connectionstyle": connectionstyle}
        size = {"mutation_scale": 7, "shrinkA": 0, "shrinkB": 0, "linewidth": _LINE}
        line = self._look("arrows", color=ink(), **shape, **size)
        place = {"xycoords": self._points, "textcoords": self._points, "annotation_clip": False}
        arrow = self._ax.annotate("", end, start, arrowprops=line, **place)
        arrow.set_in_layout(False)
        self._annotations.append(arrow)
        self.arrows.append(arrow.arrow_patch)


def size_of(ax):
    """Return the width and height of axes in points, once their figure's layout has settled."""
    ax.set_axis_off()
    figure = ax.figure.figure
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
    box = ax.get_window_extent()
    return box.width * 72 / figure.dpi, box.height * 72 / figure.dpi


def _middle_of(box):
    return box.get_y() + box.get_height() / 2


def _joined(labels):
    return _BETWEEN.join(label.replace(" ", NO_BREAK) for label in labels)
