"""
Figure 6: what the network looks at
===================================

Figure 6 of Nissinen et al. (2021) shows, for one patient a task, the input, where Grad-CAM says
that the network looked, the gradient at each pixel, feature maps, and the patterns that excite
the same kernels. Here are two of the tasks, on simulated patients, whose findings are known.
"""

# %%
# Two networks
# ------------
# Each learns from 300 simulated patients, and explains others.

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
# For each task the positive patient of whom the network is surest. Row (a) should show heat
# along the curve, and upright contours in the feature maps; row (b) single vertebrae and discs.
# Patterns (V) belong to the kernels whose maps stand beside them, not to the scan.

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
# Beside the truth
# ----------------
# A simulated patient's lesions are known, and outlined here on the heat map of the second
# network. A picture that looks right may still mislead: the next page puts numbers to it.

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
# The numbers behind the picture, with the place of each map's peak:

display.frame().query("panel == 'grad_cam'").round(3)
