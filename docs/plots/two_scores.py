"""Draw the ROC curves of two scores of the same patients, and the agreement of readers."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.metrics import roc_curve

from skdxa.displays import PALETTE
from skdxa.significance import delong_interval, delong_test, rater_agreement

plt.rcParams["font.size"] = 11
rng = np.random.default_rng(0)
y = (rng.random(400) < 0.15).astype(int)
t_score = rng.normal(-1.2 - 0.6 * y, 1.0)
network = rng.normal(0.9 * y - 0.4 * (t_score + 1.2), 1.0)
rng.normal(size=50)  # drawn for something else on the page
truth = rng.random(500) < 0.06
ratings = pd.DataFrame(
    {f"r{k}": np.where(rng.random(500) < 0.03, ~truth, truth).astype(int) for k in (1, 2, 3)}
)

figure, (roc, kappa) = plt.subplots(1, 2, figsize=(6, 3.2), layout="constrained")
for name, score, dashes in (("network", network, "-"), ("T-score", -t_score, "--")):
    false, true, _ = roc_curve(y, score)
    auc = delong_interval(y, score).estimate
    roc.plot(false, true, dashes, lw=2, label=f"{name}, AUC {auc:.2f}")
roc.plot([0, 1], [0, 1], color="0.4", ls=":")
test = delong_test(y, network, -t_score)
roc.set_title(f"difference {test.estimate:.2f}, p = {test.pvalue:.3f}", fontsize=11)
roc.set(xlabel="1 - specificity", ylabel="sensitivity", aspect="equal")
roc.legend(fontsize=10, loc="lower right")

table = rater_agreement(ratings)
rows = range(len(table))
kappa.hlines(rows, table["low"], table["high"], lw=2)
kappa.plot(table["kappa"], rows, "s", label="kappa")
kappa.plot(table["agreement"], rows, "o", color=PALETTE["orange"], label="agreement")
kappa.set_yticks(rows, table.index)
kappa.set(xlim=(0.4, 1.02), ylim=(3.6, -1.4), ylabel="pair of readers")
kappa.set_title("three readers", fontsize=11)
kappa.legend(fontsize=10, loc="upper left", ncols=2, handletextpad=0.2, columnspacing=0.8)
