"""
Figure 6: what the network looks at
===================================

Figure 6 of Nissinen et al. (2021) shows, for one patient per task, the input, the Grad-CAM map,
the gradient at each pixel, feature maps, and the patterns that maximise the activation of the
same kernels. Here are two of the tasks, on simulated patients, whose findings are known.
"""

# %%
# Two networks
# ------------
# Each is trained on 500 simulated patients and explained on others. The crops are averaged over
# 2 x 2 pixels, as in :ref:`sphx_glr_auto_examples_02_paper_figures_plot_figure_4_detection.py`.
# Only patients whose finding the network detects are explained: the map of a patient whom it
# misses explains no detection.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skdxa.classification import SpineCNNClassifier
from skdxa.displays import ExplanationDisplay
from skdxa.inspection import grad_cam, localization_score
from skdxa.preprocessing import HorizontalFlip, SpineCropper
from skdxa.simulation import make_spine_cohort


def halve(crops):
    return crops.reshape(len(crops), 75, 2, 75, 2).mean(axis=(2, 4))


SPACING_MM = (2.10, 1.20)
cohort = make_spine_cohort(500, random_state=2)
others = make_spine_cohort(100, random_state=6)
cropper = SpineCropper()
crops, new_crops = (halve(cropper.fit_transform(each.data)) for each in (cohort, others))
networks, detected = {}, {}
for task, n_epochs in (("scoliosis", 25), ("unreliable", 15)):
    networks[task] = SpineCNNClassifier(
        epochs=n_epochs, batch_size=16, augmenter=HorizontalFlip(), random_state=0
    ).fit(crops, cohort.target[task].astype(int))
    probability = networks[task].predict_proba(new_crops)[:, 1]
    found = np.flatnonzero((probability >= 0.5) & (others.target[task] == 1))
    detected[task] = found[np.argsort(-probability[found])]
    print(f"{task}: {len(found)} of {others.target[task].sum():.0f} simulated patients detected")

# %%
# The figure
# ----------
# For each task, the positive patient with the highest probability. The heat (II) is brightest
# where the last convolution supports the class. In a gradient (III) white pixels would raise the
# probability if they were brighter, and black ones if they were darker. The patterns (V) belong
# to the kernels of the feature maps (IV), known by their numbers, and not to the scan.

with plt.rc_context({"font.size": 12}):
    figure = plt.figure(figsize=(6, 5.9))
    for part, (task, network), letter in zip(
        figure.subfigures(2), networks.items(), "ab", strict=True
    ):
        ExplanationDisplay.from_estimator(
            network,
            new_crops[detected[task][:1]],
            n_maps=4,
            spacing_mm=SPACING_MM,
            titles=[f"({letter}) Simulated: {task}"],
            random_state=1,
            figure=part,
        )
# sphinx_gallery_start_ignore
figure.suptitle(
    "Two rows, for scoliosis and for unreliable density: a simulated scan, its heat map, its "
    "gradients, four feature maps and four patterns. The heat lies on the spine and beside it",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# Compare with the true findings
# ------------------------------
# The findings of simulated patients are known. The outlines on the heat maps of the second network
# show three that make a density unreliable.

FINDINGS = ("osteophytes", "disc_narrowing", "facet_arthrosis")
kinds = np.zeros((len(others.data), 150, 150), dtype=others.lesion_kinds[0].dtype)
for scan, of_scan, of_crop in zip(others.data["scan"], others.lesion_kinds, kinds, strict=True):
    on_scan, on_crop = cropper.window(scan)
    of_crop[on_crop] = of_scan[on_scan]
masks = {
    name: halve((kinds >> others.lesion_names.index(name) & 1).astype(float)) >= 0.5
    for name in FINDINGS
}

rows = detected["unreliable"][:2]
with plt.rc_context({"font.size": 12}):
    figure = plt.figure(figsize=(5, 8.9))
    ExplanationDisplay.from_estimator(
        networks["unreliable"],
        new_crops[rows],
        panels=("input", "grad_cam"),
        masks={name: mask[rows] for name, mask in masks.items()},
        spacing_mm=SPACING_MM,
        titles=[f"Simulated patient {row}" for row in rows],
        figure=figure,
    )
# sphinx_gallery_start_ignore
figure.suptitle(
    "Two simulated scans called unreliable, each with its heat map and the outlines of "
    "osteophytes, narrowed discs and facet arthrosis. The heat lies on one side, partly outside",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# Maps that look plausible prove little, because these findings cover much of a degenerated
# spine. Over all patients who are detected, the table compares how often the peak of the heat lies
# on one of the findings, or within 5 mm, with the same for a random pixel.
# :ref:`sphx_glr_auto_examples_04_results_plot_explanations_truth.py` tests maps further, on a
# finding that covers one vertebra.

rows = detected["unreliable"]
score = localization_score(
    grad_cam(networks["unreliable"], new_crops[rows]),
    np.logical_or.reduce([mask[rows] for mask in masks.values()]),
    spacing_mm=SPACING_MM,
    tolerance_mm=5.0,
)
pd.Series(
    {
        "simulated patients": len(rows),
        "peak on a finding": np.mean(score["hit"]),
        "random pixel on a finding": np.mean(score["hit_by_chance"]),
    }
).round(2)
