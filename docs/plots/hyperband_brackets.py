"""Draw what each bracket of Hyperband trains: configurations by epochs."""

from matplotlib import pyplot as plt

from skdxa.classification import hyperband_table
from skdxa.displays import PALETTE

plt.rcParams["font.size"] = 11
table = hyperband_table(27, eta=3, n_splits=3)
figure, axes = plt.subplots(1, 4, figsize=(6, 2.7), sharex=True, sharey=True, layout="constrained")
for ax, (bracket, rounds) in zip(axes, table.groupby("bracket", sort=False), strict=True):
    start = 0
    for count, end in zip(rounds["n_candidates"], rounds["n_resources"], strict=True):
        ax.bar(start, count, width=end - start, align="edge", color=PALETTE["blue"], ec="white")
        ax.text((start + end) / 2 if end > 3 else end, count + 0.6, count, fontsize=10)
        start = end
    ax.set_title(f"bracket {bracket}", fontsize=11)
    ax.set(xticks=[0, 9, 27], ylim=(0, 32))
axes[0].set_ylabel("settings trained")
figure.supxlabel("epochs", fontsize=11)
