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
# Each is trained on 300 simulated patients and explained on others.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from skdxa.classification import SpineCNNClassifier
from skdxa.displays import ExplanationDisplay
from skdxa.preprocessing import HorizontalFlip, SpineCropper
from skdxa.simulation import make_spine_cohort

cohort = make_spine_cohort(300, random_state=5)
others = make_spine_cohort(60, random_state=6)
networks = {
    task: make_pipeline(
        SpineCropper(),
        SpineCNNClassifier(epochs=20, augmenter=HorizontalFlip(), random_state=0),
    ).fit(cohort.data, cohort.target[task].astype(int))
    for task in ("scoliosis", "unreliable")
}

# %%
# The figure
# ----------
# For each task, the positive patient with the highest probability. Row (a) should show heat along
# the curve, and vertical contours in the feature maps; row (b) single vertebrae and discs. The
# patterns (V) belong to the kernels of the feature maps, not to the scan.

figure = plt.figure(figsize=(7.2, 5.6))
for part, (task, network), letter in zip(
    figure.subfigures(2), networks.items(), "ab", strict=True
):
    positive = others.data[others.target[task] == 1]
    surest = np.argmax(network.predict_proba(positive)[:, 1])
    display = ExplanationDisplay.from_estimator(
        network,
        positive.iloc[[surest]],
        figure=part,
        title=f"({letter}) simulated: {task}",
        random_state=1,
    )
figure.show()

# %%
# Compare with the true lesions
# -----------------------------
# The lesions of simulated patients are known, and outlined here on the heat maps of the second
# network. A map that looks plausible may still mislead:
# :ref:`sphx_glr_auto_examples_03_methods_plot_explanations_truth.py` measures how often.

patients = others.data[others.target["unreliable"] == 1].iloc[:3]
display = ExplanationDisplay.from_estimator(
    networks["unreliable"],
    patients,
    panels=("input", "grad_cam", "gradients"),
    masks={"lesion": [others.lesions[patient] for patient in patients.index]},
    title="Simulated patients with unreliable bone density",
)
display.figure_.show()

# %%
# The values behind the figure, with the position of each map's peak:

display.frame().query("panel == 'grad_cam'").round(3)
