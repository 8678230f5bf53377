"""Draw a simulated finding of known position, and how often Grad-CAM points at it."""

import numpy as np
from matplotlib import pyplot as plt

from skdxa.displays import PALETTE
from skdxa.simulation import make_spine_scan

plt.rcParams["font.size"] = 11
spine = make_spine_scan(5, laminectomy=["L3"], random_state=7)
figure, (left, right) = plt.subplots(
    1, 2, figsize=(6, 2.9), width_ratios=[1, 1.2], layout="constrained"
)
columns = slice(70, 230)
left.imshow(spine.scan[:, columns], cmap="gray", aspect=1.05 / 0.60)
left.contour(spine.lesion_masks["laminectomy"][:, columns], [0.5], colors="yellow", linewidths=2)
left.set(xticks=[], yticks=[])
left.set_title("no laminae at L3", fontsize=11)

# Of experiments/pointing.py: the mean, lowest and highest of three networks, and two controls.
names = ("trained\nnetwork", "random\nweights", "random\npixel")
right.bar(names, [91, 8, 6], color=[PALETTE["blue"], "0.6", "0.6"])
right.errorbar(0, 91, yerr=np.array([[3], [2]]), color="black", capsize=5)
for place, share in enumerate((91, 8, 6)):
    right.text(place + 0.12, share + 2, f"{share} %", fontsize=11)
right.set(ylim=(0, 105), ylabel="peak within 5 mm, %")
