"""Draw a network with two inputs, made from the same scan."""

from matplotlib import pyplot as plt
from matplotlib.patches import FancyBboxPatch

plt.rcParams["font.size"] = 10
figure, ax = plt.subplots(figsize=(6, 1.9), layout="constrained")


def box(left, bottom, width, height, text, colour):
    shape = FancyBboxPatch(
        (left, bottom), width, height, boxstyle="round,pad=0,rounding_size=2", fc=colour, ec="0.3"
    )
    ax.add_patch(shape)
    ax.text(left + width / 2, bottom + height / 2, text, ha="center", va="center")


def arrow(start, end):
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.3"})


box(0, 26, 26, 14, "middle of\nthe scan", "#cfe2f3")
box(0, 0, 26, 14, "all of it,\ncoarse", "#cfe2f3")
box(38, 26, 40, 14, "convolutions,\nflatten", "#f9d9b8")
box(38, 0, 40, 14, "convolutions,\nflatten", "#f9d9b8")
box(92, 13, 30, 14, "concatenate", "#f9d9b8")
box(134, 13, 20, 14, "dense", "#f9d9b8")
box(166, 13, 22, 14, "output", "#d9ead3")
arrow((26, 33), (38, 33))
arrow((78, 33), (92, 23))
arrow((26, 7), (38, 7))
arrow((78, 7), (92, 17))
arrow((122, 20), (134, 20))
arrow((154, 20), (166, 20))
ax.set(xlim=(-1, 189), ylim=(-2, 42))
ax.axis("off")
