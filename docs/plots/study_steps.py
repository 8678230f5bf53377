"""Draw the steps of a study, from the protocol to the report."""

from matplotlib import pyplot as plt
from matplotlib.patches import FancyBboxPatch

plt.rcParams["font.size"] = 10
figure, ax = plt.subplots(figsize=(6, 3.0), layout="constrained")


def box(left, bottom, width, height, text, colour):
    shape = FancyBboxPatch(
        (left, bottom), width, height, boxstyle="round,pad=0,rounding_size=2", fc=colour, ec="0.3"
    )
    ax.add_patch(shape)
    ax.text(left + width / 2, bottom + height / 2, text, ha="center", va="center")


def arrow(start, end):
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.3"})


box(0, 38, 22, 14, "protocol", "#cfe2f3")
box(0, 12, 22, 14, "table\nand scans", "#cfe2f3")
box(32, 22, 27, 20, "repeated\ncross-\nvalidation", "#f9d9b8")
box(69, 22, 20, 20, "scores\nand\nmodels", "#d9ead3")
arrow((22, 45), (32, 36))
arrow((22, 19), (32, 28))
arrow((59, 32), (69, 32))
parts = ("tables, figures", "comparisons", "calibration", "other hospital", "audit")
for row, part in enumerate(parts):
    bottom = 52 - 13 * row
    box(99, bottom, 37, 10, part, "#f9d9b8")
    arrow((89, 32), (99, bottom + 5))
    arrow((136, bottom + 5), (146, 32))
box(146, 22, 19, 20, "report", "#d9ead3")
ax.set(xlim=(-1, 166), ylim=(-2, 64))
ax.axis("off")
