"""Boxes and arrows for the diagrams in this folder."""

from matplotlib import pyplot as plt
from matplotlib.patches import FancyBboxPatch

INPUT, STEP, RESULT = "#cfe2f3", "#f9d9b8", "#d9ead3"


class Diagram:
    """A figure of a height in inches that shows the given part of its plane."""

    def __init__(self, height, xlim, ylim, font_size=10):
        plt.rcParams["font.size"] = font_size
        _, self.ax = plt.subplots(figsize=(6, height), layout="constrained")
        self.ax.set(xlim=xlim, ylim=ylim)
        self.ax.axis("off")

    def box(self, left, bottom, width, height, text, colour, **options):
        """Draw a rounded box around a text in its middle."""
        style = "round,pad=0,rounding_size=2"
        shape = FancyBboxPatch((left, bottom), width, height, style, fc=colour, ec="0.3")
        self.ax.add_patch(shape)
        middle = left + width / 2, bottom + height / 2
        self.ax.text(*middle, text, ha="center", va="center", **options)

    def arrow(self, start, end):
        """Draw an arrow between two points."""
        self.ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.3"})
