"""Draw what a saved model holds, and how it is loaded."""

from matplotlib import pyplot as plt
from matplotlib.patches import FancyBboxPatch

plt.rcParams["font.size"] = 11
figure, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")


def box(left, bottom, width, height, text, colour, **options):
    shape = FancyBboxPatch(
        (left, bottom), width, height, boxstyle="round,pad=0,rounding_size=2", fc=colour, ec="0.3"
    )
    ax.add_patch(shape)
    ax.text(left + width / 2, bottom + height / 2, text, ha="center", va="center", **options)


box(0, 20, 22, 16, "fitted\nmodel", "#cfe2f3")
box(36, 0, 46, 56, "", "white")
ax.text(59, 59, "model.skdxa (ZIP)", ha="center", va="bottom")
box(39, 39, 40, 14, "model.json: classes,\nparameters, settings", "#f9d9b8", fontsize=9.5)
box(39, 21, 40, 14, "card.md: data, use,\nperformance, limits", "#f9d9b8", fontsize=9.5)
box(39, 3, 40, 14, "arrays: weights,\nnumbers of yours", "#f9d9b8", fontsize=9.5)
box(104, 20, 22, 16, "same\nmodel", "#cfe2f3")
for start, end, text in ((22, 36, "save"), (82, 104, "check,\nthen load")):
    ax.annotate("", (end, 28), (start, 28), arrowprops={"arrowstyle": "-|>", "color": "0.3"})
    ax.text((start + end) / 2, 30, text, ha="center", va="bottom", fontsize=10)
ax.set(xlim=(-1, 127), ylim=(-2, 68))
ax.axis("off")
