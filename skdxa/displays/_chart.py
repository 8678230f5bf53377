"""Boxes with text and arrows between them, laid out so that the text fits."""

from bisect import bisect_right
from functools import cache
from itertools import chain, zip_longest
from types import SimpleNamespace

import numpy as np

from skdxa.displays._style import BLUE, GREY, ink, paper_figure, style

# Everything below is in points.
FONT_SIZE, _SMALLEST_FONT_SIZE = 8.0, 5.0
_PADDING, _GAP, _LINE = 3.5, 12.0, 0.8
# Hinting makes letters up to an eighth wider at one resolution than at another. So that
# text fits its box in every file, it is measured at several (dots per inch), and lines fill
# at most this share of a box.
_RESOLUTIONS = (72, 100, 150, 200, 300, 600)
_FILLED = 0.97
# Height of a line in font sizes, and what part of it lies above the foot of the letters.
_PITCH, _BASELINE = 1.25, 0.78
# Share of a column that the boxes of the main stem take where others branch off.
_STEM = 0.6
_BETWEEN = "   "


def size_of(ax):
    """Width and height of axes in points, once their figure's layout has settled."""
    ax.set_axis_off()
    figure = ax.figure.figure
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
    box = ax.get_window_extent()
    return box.width * 72 / figure.dpi, box.height * 72 / figure.dpi


def fitting_chart(columns, text_kwargs, width, height=np.inf):
    """Lay out the chart with the largest letters that fit, the wanted ones at best."""
    wanted = paper_figure().text(0, 0, "", **text_kwargs).get_fontsize()
    is_given = np.isfinite(height)
    smallest = min(wanted, _SMALLEST_FONT_SIZE) if is_given else wanted
    for font_size in np.linspace(wanted, smallest, 7 if is_given else 1):
        chart = Chart(columns, width, {**text_kwargs, "fontsize": font_size})
        if chart.is_wide_enough and chart.height <= height:
            return chart
    high = f" and {height / 72:.1f} high" if is_given else ""
    raise ValueError(
        f"the flow chart does not fit into axes {width / 72:.1f} inches wide{high} with letters "
        f"of {smallest:g} points: give larger axes (or none, for a figure of the right height), "
        "smaller letters (text_kwargs) or fewer reasons (max_reasons)"
    )


class Chart:
    """Boxes, text and arrows in points, to the right and down from the upper left corner."""

    def __init__(self, columns, width, text_kwargs):
        self.height = 0.0
        self.is_wide_enough = True
        self._text_kwargs = {"usetex": False, **text_kwargs, "parse_math": False}
        self._rulers = [
            paper_figure(1, 1).text(0, 0, "", **self._text_kwargs) for _ in _RESOLUTIONS
        ]
        for ruler, resolution in zip(self._rulers, _RESOLUTIONS, strict=True):
            ruler.figure.set_dpi(resolution)
        self._weight = self._rulers[0].get_fontweight()
        self._pitch = _PITCH * self._rulers[0].get_fontsize()
        self._width_of = cache(self._measure)
        self._boxes, self._arrows = [], []

        width = (width - _GAP * (len(columns) - 1)) / len(columns)
        columns = [(number * (width + _GAP), column) for number, column in enumerate(columns)]
        branching = any(column.reasons for _, column in columns)
        stem = _STEM * width if branching else width
        self._row([self._box(x, width, column.name, align="left") for x, column in columns])
        if branching:
            self._row([self._box(x, stem, "Listed", [c.listed], color=ink()) for x, c in columns])
            self._place_excluded(columns, stem, width)
        head = "Kept" if branching else ""
        self._row([self._box(x, stem, head, [c.kept], color=ink()) for x, c in columns])
        self._place_targets(columns, stem, width)

    def _place_excluded(self, columns, stem, width):
        """Branch off to the right what was left out, below what was listed."""
        top = self.height
        self.height += _GAP
        boxes = [
            self._box(
                x + stem / 2 + _GAP,
                width - stem / 2 - _GAP,
                column.excluded,
                column.reasons,
                color=GREY,
                align="left",
                hanging=_BETWEEN,
            )
            for x, column in columns
        ]
        self._row(boxes, equal=False)
        self.height += _GAP
        for (x, _), box in zip(columns, boxes, strict=True):
            trunk, middle = x + stem / 2, box.y + box.height / 2
            self._arrow((trunk, top), (trunk, self.height))
            self._arrow((trunk, middle), (box.x, middle))

    def _place_targets(self, columns, stem, width):
        """Place a box per target: side by side where all fit, else one below the other."""
        targets = [target for _, column in columns for target in column.targets]
        if not targets:
            return
        words = [word for name, _ in targets for word in name.split()]
        labels = [label for _, labels in targets for label in labels]
        most = max(len(column.targets) for _, column in columns)
        step = (width + _GAP / 2) / most
        each = step - _GAP / 2
        beside = self._fit(words, each, "bold") and self._fit(labels, each)
        top = self.height
        boxes = [
            [
                self._box(x + number * step, each, name, labels, color=BLUE)
                if beside
                else self._box(
                    x + 1.5 * _GAP,
                    width - 1.5 * _GAP,
                    name,
                    [_BETWEEN.join(labels)],
                    color=BLUE,
                    separator=_BETWEEN,
                )
                for number, (name, labels) in enumerate(column.targets)
            ]
            for x, column in columns
        ]
        for row in [chain(*boxes)] if beside else zip_longest(*boxes):
            self.height += 1.5 * _GAP if beside else _GAP / 2
            self._row([box for box in row if box is not None])
        for (x, _), own in zip(columns, boxes, strict=True):
            if own and beside:
                self._branch_down(x + stem / 2, top, own)
            elif own:
                self._branch_right(x + _GAP / 2, top, own)

    def _branch_down(self, x, top, boxes):
        bus = top + 0.75 * _GAP
        ends = [box.x + box.width / 2 for box in boxes] if len(boxes) > 1 else [x]
        self._arrow((x, top), (x, bus), head=False)
        self._arrow((min(x, *ends), bus), (max(x, *ends), bus), head=False)
        for end in ends:
            self._arrow((end, bus), (end, boxes[0].y))

    def _branch_right(self, x, top, boxes):
        middles = [box.y + box.height / 2 for box in boxes]
        self._arrow((x, top), (x, middles[-1]), head=False)
        for box, middle in zip(boxes, middles, strict=True):
            self._arrow((x, middle), (box.x, middle))

    def _row(self, boxes, *, equal=True):
        """Put boxes beside each other, below all that there is."""
        highest = max((box.height for box in boxes), default=0.0)
        for box in boxes:
            box.y = self.height
            box.height = highest if equal else box.height
        self.height += highest

    def _box(
        self, x, width, head, body=(), *, color=None, align="center", separator=" ", hanging=""
    ):
        """Make a box as high as its text; `_row` puts it somewhere."""
        inner = _FILLED * (width - 2 * _PADDING)
        narrower = inner - self._width_of(hanging)
        lines = [(line, "bold") for line in self._wrap(head, inner, weight="bold")]
        for paragraph in body:
            first, *others = self._wrap(paragraph, narrower, separator)
            lines += [(line, None) for line in (first, *(hanging + line for line in others))]
        box = SimpleNamespace(
            x=x,
            y=0.0,
            width=width,
            height=2 * _PADDING + len(lines) * self._pitch,
            lines=lines,
            color=color,
            align=align,
        )
        self._boxes.append(box)
        return box

    def _arrow(self, start, end, *, head=True):
        self._arrows.append((start, end, "-|>" if head else "-"))

    def _measure(self, text, weight=None):
        """Width of a line at the resolution where it is widest."""
        widths = []
        for ruler in self._rulers:
            ruler.set(text=text, fontweight=weight or self._weight)
            widths.append(ruler.get_window_extent().width * 72 / ruler.figure.dpi)
        return max(widths)

    def _fit(self, texts, width, weight=None):
        """Whether each of the texts fits on a line of a box so wide."""
        inner = _FILLED * (width - 2 * _PADDING)
        return all(self._width_of(text, weight) <= inner for text in texts)

    def _wrap(self, text, width, separator=" ", weight=None):
        """Lines at most so wide: broken at separators, or within words that are too long."""
        lines = []
        for piece in text.split(separator) if text else ():
            joined = separator.join([*lines[-1:], piece])
            if self._width_of(joined, weight) <= width:
                lines[-1:] = [joined]
            elif self._width_of(piece, weight) <= width:
                lines.append(piece)
            elif separator != " ":
                lines += self._wrap(piece, width, weight=weight)
            else:
                lines += self._cut(piece, width, weight)
        return lines

    def _cut(self, word, width, weight):
        """Cut a word into parts at most so wide; one letter must have room."""
        parts = []
        while word:
            lengths = range(1, len(word) + 1)
            fitting = bisect_right(lengths, width, key=lambda n: self._width_of(word[:n], weight))
            if not fitting:
                self.is_wide_enough = False
                return [*parts, word]
            parts.append(word[:fitting])
            word = word[fitting:]
        return parts

    def draw(self, ax, box_kwargs, arrow_kwargs):
        """Draw everything at its size in print, from the axes' upper left corner."""
        from matplotlib.patches import FancyArrowPatch, Rectangle
        from matplotlib.transforms import Affine2D, ScaledTranslation

        corner = ScaledTranslation(0, 1, ax.transAxes)
        place = {
            "transform": Affine2D().scale(1 / 72, -1 / 72) + ax.figure.dpi_scale_trans + corner,
            "clip_on": False,
            # The layout has room for the axes alone, and the chart lies within them.
            "in_layout": False,
        }
        boxes, texts, arrows = [], [], []
        for start, end, arrow_style in self._arrows:
            defaults = {
                "arrowstyle": arrow_style,
                "mutation_scale": 7,
                "shrinkA": 0,
                "shrinkB": 0,
                "color": ink(),
                "linewidth": _LINE,
            }
            kwargs = style(defaults, arrow_kwargs, FancyArrowPatch)
            arrows.append(ax.add_artist(FancyArrowPatch(start, end, **kwargs, **place)))
        for box in self._boxes:
            if box.color is not None:
                defaults = {"facecolor": "none", "edgecolor": box.color, "linewidth": _LINE}
                kwargs = style(defaults, box_kwargs, Rectangle)
                patch = Rectangle((box.x, box.y), box.width, box.height, **kwargs, **place)
                boxes.append(ax.add_artist(patch))
            across = box.width / 2 if box.align == "center" else _PADDING
            for number, (line, weight) in enumerate(box.lines):
                kwargs = {
                    **self._text_kwargs,
                    "fontweight": weight or self._weight,
                    "horizontalalignment": box.align,
                    "verticalalignment": "baseline",
                }
                down = _PADDING + (number + _BASELINE) * self._pitch
                texts.append(ax.text(box.x + across, box.y + down, line, **kwargs, **place))
        return boxes, texts, arrows
