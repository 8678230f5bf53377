"""
A first classifier
==================

From scans to a cross-validated ROC curve, on simulated patients.
"""

# %%
# Patients
# --------
# A cohort holds a table with the scans, the labels, and the patient of each scan.
# :func:`skdxa.scans.load_cohort` makes one from files.

import matplotlib.pyplot as plt

from skdxa.displays import RepeatedRocDisplay, ScanDisplay
from skdxa.evaluation import repeated_cross_validate
from skdxa.simulation import make_spine_cohort

cohort = make_spine_cohort(400, random_state=1)
cohort.data.drop(columns="scan").join(cohort.target).head()

# %%
# Scans
# -----
# Row 0 is at the head, bone is bright, and unscanned pixels are NaN (white here). The line is
# the centre of the spine, found by :func:`skdxa.preprocessing.find_spine_line` as an optimal
# path.

figure, axes = plt.subplots(1, 3, figsize=(5.4, 2.4), layout="constrained")
by_curve = cohort.truth["cobb_angle"].sort_values().index
for ax, patient in zip(axes, by_curve[[20, -20, -3]], strict=True):
    ScanDisplay.from_scan(cohort.data["scan"][patient], spine_line=True, unit=None, ax=ax)
    ax.set_title(f"simulated,\nCobb angle {cohort.truth['cobb_angle'][patient]:.0f}°", fontsize=11)
    ax.set_axis_off()
# sphinx_gallery_start_ignore
figure.suptitle(
    "Three simulated scans of the lumbar spine, from straight to strongly curved, each with a "
    "line along the centre of the spine",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# Crop, mirror, train
# -------------------
# The cropper keeps 150 x 150 pixels around the spine, with one centre column for the whole
# scan, which preserves the curvature. The classifier splits off the scans on which it chooses
# the epoch, then adds mirror images of the remaining training scans. The step between them
# averages 2 x 2 pixels, only so that this page takes less than a minute: training is four times
# as fast, and the curve of a spine is still seen.

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdxa.classification import SpineCNNClassifier
from skdxa.preprocessing import HorizontalFlip, SpineCropper


def halve(crops):
    return crops.reshape(len(crops), 75, 2, 75, 2).mean(axis=(2, 4))


pipeline = make_pipeline(
    SpineCropper(),
    FunctionTransformer(halve),
    SpineCNNClassifier(epochs=30, augmenter=HorizontalFlip()),
)
result = repeated_cross_validate(
    pipeline,
    cohort.data,
    cohort.target["scoliosis"].astype(int),
    n_splits=3,
    n_repeats=1,
    random_state=0,
    progress=False,
)

# %%
# Choose a threshold
# ------------------
# A screening test should miss few patients. The rule here is the highest threshold at which the
# out-of-fold scores have a sensitivity of 90 % or more:

chosen = result.thresholds(0.9, rule="at_least")
threshold = chosen["threshold"].item()
chosen.round(3)

# %%
# How good is it?
# ---------------
# Three folds are too few for an interval of their mean, so these are DeLong's and Wilson's
# intervals of the pooled scores (few patients, all simulated). The AUC needs no threshold. The
# sensitivity was fixed by the choice of the threshold, so it is not a finding. The specificity
# shows how many negative patients are still called negative at that sensitivity.
# :ref:`sphx_glr_auto_examples_03_methods_plot_thresholds.py` applies a threshold to new patients.

summary = result.summary(threshold=threshold, interval="delong")
summary[["estimate", "low", "high"]].round(3)

# %%
# The ROC curve of the pooled out-of-fold scores, with a cross at the chosen threshold:

figure, ax = plt.subplots(figsize=(4.2, 4.8), layout="constrained")
RepeatedRocDisplay.from_result(
    result, threshold=threshold, ax=ax, style={"legend": {"fontsize": 10}}
)
ax.set_title("Simulated scoliosis", fontsize=11)
# sphinx_gallery_start_ignore
sensitivity, specificity = chosen[["sensitivity", "specificity"]].iloc[0]
figure.suptitle(
    "ROC curve far above the diagonal of chance, with a cross at the chosen threshold, where the "
    f"sensitivity is {sensitivity:.2f} and the specificity {specificity:.2f}",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()
