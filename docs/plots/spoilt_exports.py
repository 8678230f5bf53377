"""Draw one simulated scan as it should be read, and as three faulty exports would show it."""

import numpy as np
from matplotlib import pyplot as plt

from skdxa.displays import PALETTE
from skdxa.simulation import make_spine_scan

plt.rcParams["font.size"] = 11
scan = make_spine_scan(20, random_state=3).scan
saturated = np.minimum(scan, 0.9)
exports = {
    "as it should be": (scan, 1.05 / 0.60),
    "bone dark": (np.nanmax(scan) - scan, 1.05 / 0.60),
    "saturated": (saturated, 1.05 / 0.60),
    "square pixels": (scan, 1.0),
}
figure, axes = plt.subplots(1, 4, figsize=(6, 1.75), layout="constrained")
for ax, (name, (pixels, aspect)) in zip(axes, exports.items(), strict=True):
    ax.imshow(pixels, cmap="gray", aspect=aspect)
    ax.set_title(name, fontsize=10)
    ax.set(xticks=[], yticks=[], facecolor=PALETTE["blue"])
