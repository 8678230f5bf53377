"""Draw the ROC curves of a cross-validation, and the intervals of its metrics."""

import numpy as np
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression

from skdxa.displays import RepeatedRocDisplay
from skdxa.evaluation import repeated_cross_validate

plt.rcParams["font.size"] = 11
rng = np.random.default_rng(0)
y = (rng.random(300) < 0.2).astype(int)
X = rng.normal(size=(300, 3)) + 0.8 * y[:, np.newaxis]
result = repeated_cross_validate(
    LogisticRegression(),
    X,
    y,
    groups=np.arange(300) // 2,
    n_splits=5,
    n_repeats=4,
    random_state=0,
    progress=False,
)
figure, (roc, metrics) = plt.subplots(
    1, 2, figsize=(6, 3.7), width_ratios=[1.1, 1], layout="constrained"
)
RepeatedRocDisplay.from_result(result, name="model", ax=roc)
summary = result.summary()
rows = np.arange(len(summary))
ends = np.abs(summary[["low", "high"]].to_numpy().T - summary["estimate"].to_numpy())
metrics.errorbar(summary["estimate"], rows, xerr=ends, fmt="s", capsize=4, lw=2)
metrics.set_yticks(rows, summary.index)
metrics.invert_yaxis()
metrics.set(xlim=(0, 1), xlabel="95 % interval")
metrics.set_title("mean of the folds", fontsize=11)
metrics.set_xticks([0, 0.5, 1])
