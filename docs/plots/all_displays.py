"""Draw three displays of the same simulated scores in one figure."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.text import Text
from sklearn.linear_model import LogisticRegression

from skdxa.displays import CalibrationDisplay, ForestDisplay, RepeatedRocDisplay
from skdxa.evaluation import repeated_cross_validate
from skdxa.significance import delong_interval

plt.rcParams["font.size"] = 11
rng = np.random.default_rng(0)
y = (rng.random(400) < 0.3).astype(int)
X = rng.normal(size=(400, 3)) + 0.7 * y[:, np.newaxis]
t_score = rng.normal(-1.5 - 0.5 * y, 1.0)
result = repeated_cross_validate(
    LogisticRegression(), X, y, n_splits=5, n_repeats=3, random_state=0, progress=False
)
figure, axes = plt.subplot_mosaic(
    [["roc", "calibration"], ["forest", "forest"]],
    figsize=(6, 4.4),
    height_ratios=[4, 1],
    layout="constrained",
)
RepeatedRocDisplay.from_result(
    result, name="model", benchmarks={"T-score": -t_score}, ax=axes["roc"]
)
CalibrationDisplay.from_result(result, name="model", ax=axes["calibration"])
scores = {"model": result.repeat_scores(), "T-score": -t_score}
ForestDisplay.from_intervals(
    {name: delong_interval(y, score) for name, score in scores.items()}, ax=axes["forest"]
)
for name in axes["calibration"].texts:  # of the two rows of bars, which the caption names
    name.set_visible(False)
for text in figure.findobj(Text):
    text.set_fontsize(max(text.get_fontsize(), 9))
