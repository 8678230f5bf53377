"""Draw the layers of the paper's network, with the shape of what each returns."""

from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from skdxa.displays import PALETTE

plt.rcParams["font.size"] = 11
# Name, side of a map in pixels, number of maps.
LAYERS = (
    ("crop", 150, 1),
    ("conv1", 75, 8),
    ("conv2", 37, 16),
    ("conv3", 18, 32),
    ("conv4", 9, 64),
)
figure, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
left = 0.0
for name, side, n_maps in LAYERS:
    shown = min(n_maps, 4)
    size = side / 1.6
    for number in range(shown):
        shift = 3.0 * number
        ax.add_patch(
            Rectangle(
                (left + shift, shift - size / 2),
                size,
                size,
                fc="#cfe2f3",
                ec=PALETTE["blue"],
                lw=1,
            )
        )
    middle = left + (size + 3.0 * (shown - 1)) / 2
    text = f"{name}\n{side} x {side}\nx {n_maps}"
    ax.text(middle, -52, text, ha="center", va="top", fontsize=9.5)
    left += max(size + 3.0 * shown, 38) + 12
for name, height, text in (("dense", 40, "64\nunits"), ("output", 7, "1\nunit")):
    ax.add_patch(Rectangle((left, -height / 2), 7, height, fc="#f9d9b8", ec=PALETTE["orange"]))
    ax.text(left + 3.5, -52, f"{name}\n{text}", ha="center", va="top", fontsize=9.5)
    left += 48
ax.set(xlim=(-6, left - 18), ylim=(-98, 56), aspect="equal")
ax.axis("off")
