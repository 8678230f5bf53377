"""
Figure 7: learning curves
=========================

Figure 7 of Nissinen et al. (2021) shows the mean error of training and validation over the
epochs, in the fold with the median AUC; the weights of the lowest validation error were
restored. Here is the same figure for two tasks, on simulated patients.
"""

# %%
# Training
# --------
# The classifier chooses the epoch on a fifth of its training scans (``validation_fraction=0.2``).
# In the paper the epoch was chosen on the fold that is scored;
# :ref:`sphx_glr_auto_examples_03_methods_plot_honest_epochs.py` measures the resulting bias. The
# crops are averaged over 2 x 2 pixels, so that this page takes less than a minute.

import matplotlib.pyplot as plt

from skdxa.classification import SpineCNNClassifier
from skdxa.displays import TrainingCurveDisplay
from skdxa.evaluation import repeated_cross_validate
from skdxa.preprocessing import HorizontalFlip, SpineCropper
from skdxa.simulation import make_spine_cohort

cohort = make_spine_cohort(500, random_state=2)
crops = SpineCropper().fit_transform(cohort.data)
crops = crops.reshape(len(crops), 75, 2, 75, 2).mean(axis=(2, 4))
results = {
    task: repeated_cross_validate(
        SpineCNNClassifier(
            epochs=25, batch_size=16, validation_fraction=0.2, augmenter=HorizontalFlip()
        ),
        crops,
        cohort.target[task].astype(int),
        n_splits=3,
        n_repeats=1,
        random_state=0,
        progress=False,
    )
    for task in ("scoliosis", "fracture_ever")
}

# %%
# The figure
# ----------
# Where the validation error rises while the training error still falls, the network overfits. The
# fold was scored with the weights of the marked epoch.

figure, axes = plt.subplots(2, 1, figsize=(4.8, 6), layout="constrained")
for ax, (task, result) in zip(axes, results.items(), strict=True):
    TrainingCurveDisplay.from_result(result, ax=ax, style={"legend": {"fontsize": 10}})
    ax.set_title(f"Simulated: {task.replace('_', ' ')}", fontsize=11)
# sphinx_gallery_start_ignore
figure.suptitle(
    "Training and validation error over the epochs. For scoliosis both fall to the dashed line at "
    "the epoch kept; for fractures the validation error stays level, and rises after that epoch "
    "while the training error falls",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# Every fold
# ----------
# ``result.folds`` holds the restored epoch of each fold. Where the epochs vary, the curve is flat
# or noisy near its minimum, and the choice matters little.

{task: result.folds["best_epoch"].tolist() for task, result in results.items()}
