"""A flow chart: boxes with wrapped text, and arrows between them."""

from itertools import chain, zip_longest
from types import SimpleNamespace

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, ScaledTranslation

from skdxa.displays._style import BLUE, GREY, ink
from skdxa.displays._text import wrap

# Everything below is in points.
_FONT_SIZE, _SMALLEST_FONT_SIZE = 8.0, 5.0
_PADDING, _GAP, _LINE = 3.5, 12.0, 0.8
# Height of a line in font sizes, and what part of it lies above the foot of the letters.
_PITCH, _BASELINE = 1.25, 0.78
# Share of a column that the boxes of the main stem take where others branch off.
_STEM = 0.6
# Between the labels of a target, which are not broken themselves.
_BETWEEN, _UNBROKEN = "   ", "\N{NO-BREAK SPACE}"


def fitting_chart(columns, text_style, width, height=np.inf):
    """Return the chart of the largest letters that fit, at most those of the style."""
    font = Text(**text_style).get_fontproperties()
    largest = smallest = font.get_size_in_points()
    high = ""
    if np.isfinite(height):
        smallest, high = min(largest, _SMALLEST_FONT_SIZE), f" and {height / 72:.1f} high"
    for font_size in np.linspace(largest, smallest, 7):
        font.set_size(font_size)
        chart = Chart(columns, width, font)
        if chart.is_wide_enough and chart.height <= height:
            return chart
    raise ValueError(
        f"the flow chart does not fit into axes {width / 72:.1f} inches wide{high} with letters "
        f"of {smallest:g} points: give larger axes (or none, for a figure of the right height), "
        'smaller letters (style["texts"]) or fewer reasons (max_reasons).'
    )


class Chart:
    """Boxes, text and arrows in points, to the right and down from the upper left corner."""

    def __init__(self, columns, width, font):
        self.height, self.is_wide_enough = 0.0, True
        self._font, self._bold = font.copy(), font.copy()
        self._bold.set_weight("bold")
        self._boxes, self._arrows = [], []

        width = (width - _GAP * (len(columns) - 1)) / len(columns)
        columns = [(number * (width + _GAP), column) for number, column in enumerate(columns)]
        is_branching = any(column.reasons for _, column in columns)
        stem = _STEM * width if is_branching else width
        self._add_row([self._box(x, width, c.name, align="left") for x, c in columns])
        if is_branching:
            self._add_row([self._box(x, stem, "Listed", [c.listed], ink()) for x, c in columns])
            self._place_excluded(columns, stem, width)
        head = "Kept" if is_branching else ""
        self._add_row([self._box(x, stem, head, [c.kept], ink()) for x, c in columns])
        if any(column.targets for _, column in columns):
            self._place_targets(columns, stem, width)

    def _place_excluded(self, columns, stem, width):
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
            middle = box.y + box.height / 2
            self._arrow((x + stem / 2, top), (x + stem / 2, self.height))
            self._arrow((x + stem / 2, middle), (box.x, middle))

    def _place_targets(self, columns, stem, width):
        """Draw a box per target: side by side where all fit, else one below the other."""
        targets = [target for _, column in columns for target in column.targets]
        step = (width + _GAP / 2) / max(len(column.targets) for _, column in columns)
        each, indent = step - _GAP / 2, 1.5 * _GAP
        pieces = [(word, self._bold) for name, _ in targets for word in name.split()]
        pieces += [(label, self._font) for _, labels in targets for label in labels]
        are_beside = all(
            wrap(text.replace(" ", _UNBROKEN), each - 2 * _PADDING, font)
            == [text.replace(" ", _UNBROKEN)]
            for text, font in pieces
        )
        top = self.height
        boxes = [
            [
                self._box(x + number * step, each, name, labels, BLUE)
                if are_beside
                else self._box(x + indent, width - indent, name, [_joined(labels)], BLUE)
                for number, (name, labels) in enumerate(column.targets)
            ]
            for x, column in columns
        ]
        for row in [chain(*boxes)] if are_beside else zip_longest(*boxes):
            self.height += 1.5 * _GAP if are_beside else _GAP / 2
            self._add_row([box for box in row if box is not None])
        branch = self._branch_down if are_beside else self._branch_right
        for (x, _), of_column in zip(columns, boxes, strict=True):
            if of_column:
                branch(x + (stem if are_beside else _GAP) / 2, top, of_column)

    def _branch_down(self, x, top, boxes):
        bus = top + 0.75 * _GAP
        ends = [box.x + box.width / 2 for box in boxes] if len(boxes) > 1 else [x]
        self._arrow((x, top), (x, bus), arrowstyle="-")
        self._arrow((min(x, *ends), bus), (max(x, *ends), bus), arrowstyle="-")
        for end in ends:
            self._arrow((end, bus), (end, boxes[0].y))

    def _branch_right(self, x, top, boxes):
        for box in boxes:
            middle = box.y + box.height / 2
            self._arrow((x, top), (box.x, middle), "angle,angleA=90,angleB=0")
            top = middle

    def _arrow(self, start, end, connectionstyle="arc3", arrowstyle="-|>"):
        self._arrows.append((start, end, connectionstyle, arrowstyle))

    def _add_row(self, boxes, *, equal=True):
        """Put boxes beside each other, below all others."""
        highest = max((box.height for box in boxes), default=0.0)
        for box in boxes:
            box.y = self.height
            box.height = highest if equal else box.height
        self.height += highest

    def _box(self, x, width, head, body=(), color=None, align="center", indent=""):
        """Make a box as high as its text, to be put into a row."""
        lines = []
        for text in (head, *body):
            font, hanging = (self._bold, "") if text is head else (self._font, indent)
            wrapped = wrap(text, width - 2 * _PADDING, font, hanging)
            self.is_wide_enough &= bool(wrapped) or not text
            lines += [(line.replace(_UNBROKEN, " "), font) for line in wrapped]
        height = 2 * _PADDING + len(lines) * _PITCH * self._font.get_size_in_points()
        box = SimpleNamespace(
            x=x, y=0.0, width=width, height=height, lines=lines, color=color, align=align
        )
        self._boxes.append(box)
        return box

    def draw(self, ax, look):
        """Draw boxes, text and arrows at their size in print, from the axes' upper left corner."""
        corner = ScaledTranslation(0, 1, ax.transAxes)
        points = Affine2D().scale(1 / 72, -1 / 72) + ax.figure.dpi_scale_trans + corner
        # The layout has room for the axes alone, and the chart lies within them.
        place = {"transform": points, "clip_on": False, "in_layout": False}
        boxes, texts, arrows = [], [], []
        for start, end, connectionstyle, arrowstyle in self._arrows:
            line = look(
                "arrows",
                arrowstyle=arrowstyle,
                connectionstyle=connectionstyle,
                mutation_scale=7,
                shrinkA=0,
                shrinkB=0,
                color=ink(),
                linewidth=_LINE,
            )
            arrow = ax.annotate("", end, start, points, points, line, annotation_clip=False)
            arrow.set_in_layout(False)
            arrows.append(arrow.arrow_patch)
        pitch = _PITCH * self._font.get_size_in_points()
        for box in self._boxes:
            if box.color is not None:
                frame = look("boxes", facecolor="none", edgecolor=box.color, linewidth=_LINE)
                patch = Rectangle((box.x, box.y), box.width, box.height, **frame, **place)
                boxes.append(ax.add_artist(patch))
            across = box.width / 2 if box.align == "center" else _PADDING
            for number, (line, font) in enumerate(box.lines):
                down = _PADDING + (number + _BASELINE) * pitch
                text = ax.text(box.x + across, box.y + down, line, **text_look(look), **place)
                text.set(fontproperties=font, ha=box.align, va="baseline", parse_math=False)
                texts.append(text)
        return boxes, texts, arrows


def text_look(look):
    """Return the style of a chart's text."""
    return look("texts", fontsize=_FONT_SIZE, color=ink(), usetex=False)


def size_of(ax):
    """Return the width and height of axes in points, once their figure's layout has settled."""
    ax.set_axis_off()
    figure = ax.figure.figure
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
    box = ax.get_window_extent()
    return box.width * 72 / figure.dpi, box.height * 72 / figure.dpi


def _joined(labels):
    return _BETWEEN.join(label.replace(" ", _UNBROKEN) for label in labels)
