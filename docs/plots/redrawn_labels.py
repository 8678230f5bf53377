"""Draw how often two tests claim a gain where there is none (experiments/added_value.py)."""

from matplotlib import pyplot as plt

from skdxa.displays import PALETTE

plt.rcParams["font.size"] = 11
# Per cent of 400 simulated cohorts (three scans: 200): likelihood ratio, redrawn labels.
CLAIMED = {
    "linear model of 8 columns": (17.5, 4.5),
    "scan shows clinical columns": (15.5, 5.8),
    "naive Bayes": (14.8, 5.2),
    "nearest neighbours": (9.8, 4.8),
    "no clinical signal": (18.8, 6.2),
    "strong clinical columns": (9.8, 6.5),
    "300 patients": (19.8, 3.5),
    "300, 12 clinical columns": (41.5, 7.5),
    "2,360 patients": (20.5, 8.0),
    "three scans each": (32.0, 7.5),
}
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
rows = range(len(CLAIMED))
likelihood, redrawn = zip(*CLAIMED.values(), strict=True)
ax.hlines(rows, redrawn, likelihood, color="0.8", lw=2, zorder=0)
ax.plot(likelihood, rows, "s", color=PALETTE["orange"], label="likelihood ratio")
ax.plot(redrawn, rows, "o", color=PALETTE["blue"], label="redrawn labels")
ax.axvline(5, color="0.4", ls=":")
ax.set_yticks(rows, CLAIMED)
ax.invert_yaxis()
ax.set(xlim=(0, 45), xlabel="simulated cohorts with a claim, %")
ax.legend(loc="upper right", fontsize=10)
