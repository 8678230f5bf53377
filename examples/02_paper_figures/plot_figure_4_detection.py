"""
Figure 4: detecting scoliosis and unreliable bone density
=========================================================

Figure 4 of Nissinen et al. (2021) shows, for each of the two detection tasks, the ROC curve of
the median repeat of the cross-validation and its confusion matrix at the threshold of 0.5. Here
is the same figure on simulated patients, with fewer patients, folds and epochs, so that it takes
a minute.
"""

# %%
# One crop, two tasks
# -------------------
# The crop depends on each scan alone, so it may be done once, outside the cross-validation. All
# steps that are fitted stay inside.

import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay

from skdxa.classification import SpineCNNClassifier
from skdxa.displays import RepeatedRocDisplay
from skdxa.evaluation import format_table, performance_table, repeated_cross_validate
from skdxa.preprocessing import HorizontalFlip, SpineCropper
from skdxa.simulation import make_spine_cohort

cohort = make_spine_cohort(350, random_state=2)
crops = SpineCropper().fit_transform(cohort.data)
results = {
    task: repeated_cross_validate(
        SpineCNNClassifier(epochs=12, augmenter=HorizontalFlip()),
        crops,
        cohort.target[task].astype(int),
        n_splits=3,
        n_repeats=1,
        random_state=0,
        progress=False,
    )
    for task in ("scoliosis", "unreliable")
}

# %%
# The figure
# ----------
# The curve is that of the pooled out-of-fold scores of all patients. The cross marks the threshold
# of 0.5, at which the confusion matrix is computed.

figure, axes = plt.subplots(2, 2, figsize=(7.2, 7), layout="constrained")
for row, result in zip(axes, results.values(), strict=True):
    RepeatedRocDisplay.from_result(result, ax=row[0])
    counts = result.confusion_matrix()
    ConfusionMatrixDisplay(counts.to_numpy(), display_labels=["no", "yes"]).plot(
        ax=row[1], cmap="Blues", colorbar=False
    )
letters = iter("abcd")
for task, row in zip(results, axes, strict=True):
    for ax in row:
        ax.set_title(f"({next(letters)}) simulated: {task}", fontsize="medium")
figure.show()

# %%
# The numbers
# -----------
# Three folds are too few for an interval of their mean, so these are DeLong's and Wilson's
# intervals of the pooled scores. With several repeats, use the default, which takes account of the
# noise of the training scans too.

table = performance_table(
    {f"Simulated {task}": result for task, result in results.items()}, interval="delong"
)
print(format_table(table))
