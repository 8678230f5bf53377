"""Draw five intervals of the AUC of one cross-validation."""

import numpy as np
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression

from skdxa.displays import PALETTE
from skdxa.evaluation import repeated_cross_validate

plt.rcParams["font.size"] = 11
rng = np.random.default_rng(0)
y = (rng.random(300) < 0.2).astype(int)
X = rng.normal(size=(300, 3)) + 0.4 * y[:, np.newaxis]
result = repeated_cross_validate(
    LogisticRegression(), X, y, n_splits=5, n_repeats=10, random_state=0, progress=False
)
figure, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
names = ("stability", "corrected", "delong", "bootstrap", "t")
for row, name in enumerate(names):
    auc = result.summary(interval=name, n_resamples=500, random_state=0).loc["auc"]
    colour = PALETTE["orange"] if name == "t" else PALETTE["blue"]
    ax.plot(auc[["low", "high"]], [row, row], lw=3, color=colour)
    ax.plot(auc["estimate"], row, "o", color=colour, ms=8)
    ax.text(auc["high"] + 0.01, row, f"{auc['low']:.2f} to {auc['high']:.2f}", va="center")
ax.set_yticks(range(5), [f'"{name}"' for name in names])
ax.set(xlabel="AUC", xlim=(0.5, 0.95), ylim=(4.5, -0.5))
