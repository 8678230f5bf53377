"""
Do explanations tell the truth?
===============================

A heat map always looks plausible. Whether it is true can be asked where the truth is known: on
simulated patients. Here every second patient has lost the laminae and the spinous process of
one vertebra, as after a laminectomy; a network learns to tell who; and each method is asked three
questions. Does it point at the vertebra? Does the network go by what it points at? And does it
change when the network is replaced by a random one?
"""

# %%
# Patients with one finding
# -------------------------
# Worn spines of all kinds, so that wear itself gives nothing away. The vertebra is drawn at
# random.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skdxa.classification import SpineCNNClassifier
from skdxa.displays import ExplanationDisplay
from skdxa.inspection import (
    deletion_insertion,
    grad_cam,
    integrated_gradients,
    localization_score,
    map_similarity,
    occlusion,
    randomized,
    vanilla_gradients,
)
from skdxa.preprocessing import HorizontalFlip, SpineCropper
from skdxa.simulation import make_spine_scan


def patient(number):
    rng = np.random.default_rng(number)
    spine = make_spine_scan(
        rng.gamma(2.2, 1.5),
        convex=rng.choice(["left", "right"]),
        bmd=rng.normal([0.93, 0.99, 1.04, 1.04], 0.12),
        degeneration=rng.normal(rng.normal(1, 0.8), 0.5, 4).clip(0, 3.5),
        laminectomy=[rng.choice(["L1", "L2", "L3", "L4"])] if number % 2 else [],
        random_state=number,
    )
    nothing = np.zeros(spine.scan.shape, dtype=bool)
    return spine.scan, spine.lesion_masks.get("laminectomy", nothing)


scans, lesions = zip(*(patient(number) for number in range(500)), strict=True)
y = np.arange(500) % 2
cropper = SpineCropper()
crops = cropper.fit_transform(list(scans))
masks = np.zeros(crops.shape, dtype=bool)
for scan, lesion, mask in zip(scans, lesions, masks, strict=True):
    on_scan, on_crop = cropper.window(scan)
    mask[on_crop] = lesion[on_scan]

# %%
# A network that has learnt it
# ----------------------------
# An explanation of a network that has learnt nothing explains nothing, so that comes first. Only
# patients that it rightly calls positive are looked at.

network = SpineCNNClassifier(epochs=12, augmenter=HorizontalFlip(), random_state=0)
_ = network.fit(crops[:400], y[:400])
positive = 400 + np.flatnonzero(network.predict(crops[400:]) & y[400:])
X, truth = crops[positive], masks[positive]
print(f"{len(X)} of {y[400:].sum()} simulated patients are rightly called positive")

# %%
# Three of them, with the finding outlined:

display = ExplanationDisplay.from_estimator(
    network,
    X[:3],
    panels=("input", "grad_cam", "gradients"),
    masks={"laminectomy": truth[:3]},
    title="Simulated laminectomies",
)
display.figure_.show()

# %%
# Does it point at the vertebra?
# ------------------------------
# The pointing game: does the highest pixel of the map lie on the finding, or within 5 mm of it?
# The same for networks with random weights, on the same scans; and for a pixel chosen blindly.

methods = {
    "Grad-CAM": grad_cam,
    "HiResCAM": lambda model, X: grad_cam(model, X, variant="hires_cam"),
    "gradients": lambda model, X: np.abs(vanilla_gradients(model, X)),
    "integrated gradients": lambda model, X: integrated_gradients(model, X, n_steps=12),
    "occlusion": lambda model, X: occlusion(model, X, stride=12),
}
few, few_truth = X[:12], truth[:12]
maps = {name: method(network, few) for name, method in methods.items()}
strangers = [randomized(network, random_state=seed) for seed in range(3)]
random_maps = {
    name: [method(stranger, few) for stranger in strangers] for name, method in methods.items()
}


def hits(heat):
    return localization_score(heat, few_truth, tolerance_mm=5.0)["hit"].mean()


pointing = pd.DataFrame(
    {
        "trained": {name: hits(heat) for name, heat in maps.items()},
        "random weights": {
            name: np.mean([hits(heat) for heat in each]) for name, each in random_maps.items()
        },
    }
)
blind = localization_score(maps["Grad-CAM"], few_truth, tolerance_mm=5.0)["hit_by_chance"].mean()
figure, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
ax.plot(pointing["trained"], pointing.index, "o", color="tab:blue", ms=9, label="trained")
ax.plot(pointing["random weights"], pointing.index, "x", color="tab:orange", ms=9, label="random")
ax.axvline(blind, color="0.5", ls=":", label="any pixel")
ax.set(xlim=(-0.05, 1.05), xlabel=f"share of {len(few)} simulated patients hit")
ax.invert_yaxis()
ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
figure.show()

# %%
# Does the network go by it?
# --------------------------
# Replace the pixels that a map ranks highest by those of the mean healthy patient: the class's
# probability should fall early. Put them into the mean healthy patient: it should rise early.
# Random maps are what to compare with. (By default pixels are replaced by bare tissue. Here that
# would take bone away, and missing bone is the very finding.)

healthy = crops[:400][y[:400] == 0].mean(axis=0)
rng = np.random.default_rng(0)
to_try = maps | {"random map": rng.random(few.shape)}
curves = {
    name: deletion_insertion(network, few, heat, n_steps=20, fill=healthy)
    for name, heat in to_try.items()
}
figure, axes = plt.subplots(1, 2, figsize=(7.2, 3), sharey=True, layout="constrained")
for name, curve in curves.items():
    dashes = "k:" if name == "random map" else "-"
    axes[0].plot(curve.share, curve.deletion.mean(axis=0), dashes, label=name)
    axes[1].plot(curve.share, curve.insertion.mean(axis=0), dashes)
axes[0].set(xlabel="share taken away", ylabel="mean probability (simulated)", title="deletion")
axes[1].set(xlabel="share brought back", title="insertion")
figure.legend(loc="outside right", fontsize="small")
figure.show()

# %%
# Is it of this network at all?
# -----------------------------
# Adebayo et al. (2018): a map that stays the same when the weights are random shows the scan,
# not the network. Rank correlation of each patient's map with that of the random networks,
# where 1 is the same picture:

similarity = {
    name: np.concatenate([map_similarity(maps[name], heat) for heat in each])
    for name, each in random_maps.items()
}
figure, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
ax.boxplot(
    [values[np.isfinite(values)] for values in similarity.values()],
    orientation="horizontal",
    tick_labels=list(similarity),
)
ax.axvline(0, color="0.5", ls=":")
ax.set(xlim=(-1, 1), xlabel="rank correlation with random networks (simulated patients)")
ax.invert_yaxis()
figure.show()

# %%
# In one table
# ------------

pointing.assign(
    deletion={name: curve.deletion_auc.mean() for name, curve in curves.items()},
    insertion={name: curve.insertion_auc.mean() for name, curve in curves.items()},
    similarity={name: np.nanmean(values) for name, values in similarity.items()},
).round(2)

# %%
# A method that passes here may still mislead elsewhere: the finding is one, its place is sharp,
# and the patients are simulated. One that fails here has no claim to be believed on a patient.
