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

cohort = make_spine_cohort(300, random_state=1)
cohort.data.drop(columns="scan").join(cohort.target).head()

# %%
# Scans
# -----
# Row 0 is at the head, bone is bright, and unscanned pixels are NaN (white here). The line is
# the centre of the spine, found by :func:`skdxa.preprocessing.find_spine_line` as an optimal
# path.

figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
by_curve = cohort.truth["cobb_angle"].sort_values().index
for ax, patient in zip(axes, by_curve[[20, -20, -3]], strict=True):
    ScanDisplay.from_scan(cohort.data["scan"][patient], spine_line=True, unit=None, ax=ax)
    ax.set_title(f"simulated, Cobb angle {cohort.truth['cobb_angle'][patient]:.0f}°")
figure.show()

# %%
# Crop, mirror, train
# -------------------
# The cropper keeps 150 x 150 pixels around the spine, with one centre column for the whole
# scan, which preserves the curvature. The classifier splits off the scans on which it chooses
# the epoch, then adds mirror images of the remaining training scans.

from sklearn.pipeline import make_pipeline

from skdxa.classification import SpineCNNClassifier
from skdxa.preprocessing import HorizontalFlip, SpineCropper

pipeline = make_pipeline(
    SpineCropper(),
    SpineCNNClassifier(epochs=25, augmenter=HorizontalFlip()),
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
# How good is it?
# ---------------
# Three folds are too few for an interval of their mean, so these are DeLong's and Wilson's
# intervals of the pooled scores (few patients, all simulated):

result.summary(interval="delong").round(3)

# %%
# The ROC curve of the pooled out-of-fold scores, with the threshold of 0.5:

display = RepeatedRocDisplay.from_result(result, name="simulated scoliosis")
display.figure_.show()
