"""Draw the vertebrae of a simulated scan with their tilt, and the T-score of each."""

import numpy as np
from matplotlib import pyplot as plt

from skdxa.densitometry import FINNISH_WOMEN, cobb_angle, evaluable_vertebrae, t_score
from skdxa.displays import PALETTE, ScanDisplay
from skdxa.simulation import make_spine_scan

plt.rcParams["font.size"] = 11
names = ("L1", "L2", "L3", "L4")
spine = make_spine_scan(28, random_state=4)
figure, (left, right) = plt.subplots(
    1, 2, figsize=(6, 3.3), width_ratios=[1.25, 1], layout="constrained"
)
corners = dict(zip(("T12", *names, "L5"), spine.endplates, strict=True))
ScanDisplay.from_scan(spine.scan, vertebrae=corners, ax=left, style={"labels": {"fontsize": 10}})
for quad in corners.values():
    middle = np.array([quad[[0, 2]].mean(axis=0), quad[[1, 3]].mean(axis=0)])
    left.plot(*middle.T, color=PALETTE["orange"], lw=2)
angle = cobb_angle(spine.endplates, spacing_mm=(1, 1))
left.set_title(f"Cobb angle {angle:.0f} degrees", fontsize=11)

bmd = np.array([[0.90, 0.94, 0.92, 1.30]])
single = t_score(bmd, FINNISH_WOMEN, site="spine")[0]
counts = evaluable_vertebrae(single).reason == ""
right.axvline(-2.5, color="0.4", ls=":")
right.text(-2.45, 3.45, "-2.5", fontsize=10)
for row, (score, count) in enumerate(zip(single, counts, strict=True)):
    colour, note = (PALETTE["blue"], "counts") if count else (PALETTE["orange"], "left out")
    right.plot(score, row, "o", color=colour, ms=9)
    right.annotate(
        note, (score, row), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=10
    )
right.set(xlim=(-3.2, 1.6), ylim=(3.7, -0.6), xlabel="T-score (Finnish women)")
right.set_xticks(range(-3, 2))
right.set_yticks(range(4), names)
right.set_title("T-scores, another patient", fontsize=11)
