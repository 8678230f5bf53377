"""Draw out-of-fold scores of two classes, and where a new score is called by them."""

import numpy as np
from matplotlib import pyplot as plt
from scipy.special import expit

from skdxa.displays import PALETTE
from skdxa.evaluation import conformal_p_values

plt.rcParams["font.size"] = 11
rng = np.random.default_rng(0)
y = np.repeat([0, 1], [300, 60])
score = expit(rng.normal(2.0 * y - 2.0, 1.1))
new = np.linspace(0.005, 0.995, 199)
p_values = conformal_p_values(y, score, new)

figure, (top, bottom) = plt.subplots(
    2, 1, figsize=(6, 3.9), height_ratios=[1, 1.4], sharex=True, layout="constrained"
)
bins = np.linspace(0, 1, 31)
top.hist(score[y == 0], bins, density=True, histtype="step", lw=2, ls="--", label="negative")
top.hist(score[y == 1], bins, density=True, histtype="step", lw=2, label="positive")
top.set(ylabel="out of fold", yticks=[])
top.legend(fontsize=10)
bottom.plot(new, p_values["negative"], "--", lw=2)
bottom.plot(new, p_values["positive"], lw=2)
bottom.axhline(0.1, color="0.4", lw=1)
plausible = (p_values > 0.1).to_numpy()
for call, rows, colour in (
    ("negative", plausible[:, 0] & ~plausible[:, 1], PALETTE["blue"]),
    ("cannot say", plausible[:, 0] & plausible[:, 1], "0.5"),
    ("positive", ~plausible[:, 0] & plausible[:, 1], PALETTE["orange"]),
):
    bottom.fill_between(new, 0, 1, where=rows, color=colour, alpha=0.15)
    if rows.any():
        bottom.text(new[rows].mean(), 1.02, call, ha="center", va="bottom", fontsize=10)
bottom.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of a new scan", ylabel="p-value")
