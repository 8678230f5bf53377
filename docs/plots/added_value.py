"""Draw odds ratios, calibration and net benefit of a logistic model with a network's score."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from skdxa.significance import calibration_curve, logistic_table, net_benefit

plt.rcParams["font.size"] = 10
rng = np.random.default_rng(1)
n = 2000
X = pd.DataFrame({"T-score": rng.normal(-2.2, 1.0, n), "age": rng.normal(68, 3, n)})
X["network"] = rng.normal(-0.5 * (X["T-score"] + 2.2), 1.0)
log_odds = -2.9 - 0.4 * (X["T-score"] + 2.2) + 0.4 * X["network"]
y = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int)
folds = StratifiedKFold(10, shuffle=True, random_state=0)
model = LogisticRegression(C=np.inf)
old, new = (
    cross_val_predict(model, X[names], y, cv=folds, method="predict_proba")[:, 1]
    for names in (["T-score", "age"], list(X))
)

figure, axes = plt.subplots(1, 3, figsize=(6, 2.5), layout="constrained")
table = logistic_table(y, (X - X.mean()) / X.std(), interval="profile").iloc[1:]
rows = range(len(table))
axes[0].hlines(rows, table["low"], table["high"], lw=2)
axes[0].plot(table["odds_ratio"], rows, "s")
axes[0].axvline(1, color="0.4", ls=":")
axes[0].set_yticks(rows, table.index)
axes[0].set(ylim=(2.5, -0.5), xlabel="odds ratio per SD")

curve = calibration_curve(y, new).curve
axes[1].fill_between(curve["risk"], curve["low"], curve["high"], alpha=0.25)
axes[1].plot(curve["risk"], curve["observed"], lw=2)
axes[1].plot([0, 0.3], [0, 0.3], color="0.4", ls=":")
axes[1].set(xlim=(0, 0.25), ylim=(0, 0.4), xlabel="predicted risk", ylabel="observed risk")

thresholds = np.arange(0.01, 0.16, 0.005)
with_network, without = (net_benefit(y, risk, thresholds) for risk in (new, old))
axes[2].plot(thresholds, with_network["net_benefit"], lw=2)
axes[2].plot(thresholds, without["net_benefit"], "--", lw=2)
axes[2].plot(thresholds, with_network["treat_all"], color="0.4", ls=":")
axes[2].axhline(0, color="0.4", lw=1)
axes[2].set(ylim=(-0.01, 0.06), xlabel="threshold risk", ylabel="net benefit")
