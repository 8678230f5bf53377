"""
Are explanations correct?
=========================

A heat map may look plausible and yet be wrong. On simulated patients, the truth is known. Here
every second patient has lost the laminae and the spinous process of one vertebra, as after a
laminectomy, and a network is trained to detect this. Each method is tested in three ways. Does
it point at the vertebra? Does the network's output depend on the pixels it points at? Does the
map change if the network is replaced by one with random weights?
"""

# %%
# Patients with one finding
# -------------------------
# Degeneration varies between patients and is independent of the label. The vertebra is random.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skdxa.classification import SpineCNNClassifier
from skdxa.displays import PALETTE, ExplanationDisplay
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

plt.rc("axes", prop_cycle=plt.cycler(color=PALETTE.values()))


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
# A trained network
# -----------------
# Explanations are meaningful only for a network that detects the finding, so its performance is
# checked first. Only true positives are explained.

network = SpineCNNClassifier(epochs=12, augmenter=HorizontalFlip(), random_state=0)
_ = network.fit(crops[:400], y[:400])
positive = 400 + np.flatnonzero(network.predict(crops[400:]) & y[400:])
X, truth = crops[positive], masks[positive]
print(f"{len(X)} of {y[400:].sum()} positive simulated patients are detected")

# %%
# Three of them, with the finding outlined:

with plt.rc_context({"font.size": 12}):
    display = ExplanationDisplay.from_estimator(
        network,
        X[:3],
        panels=("input", "grad_cam", "gradients"),
        masks={"laminectomy": truth[:3]},
        titles=[f"Simulated patient {number}" for number in positive[:3]],
    )
# sphinx_gallery_start_ignore
display.figure_.suptitle(
    "Three simulated scans with a dark gap in the outlined vertebra, each with its Grad-CAM map "
    "and its gradients",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
display.figure_.show()

# %%
# Does it point at the vertebra?
# ------------------------------
# Integrated gradients and occlusion compare the scan with an image without the finding. By
# default that image is soft tissue, which contains no bone. This suits findings that add bone or
# metal. Here bone is absent, and the image without the finding is a healthy spine: the mean of the
# training crops without a laminectomy. Integrated gradients are computed against both.
#
# The pointing game: does the highest pixel of the map lie on the finding, or within 5 mm of it?
# Controls are networks with random weights on the same scans, and a random pixel.

healthy = crops[:400][y[:400] == 0].mean(axis=0)
methods = {
    "Grad-CAM": grad_cam,
    "HiResCAM": lambda model, X: grad_cam(model, X, variant="hires_cam"),
    "gradients": lambda model, X: np.abs(vanilla_gradients(model, X)),
    "integrated gradients,\nagainst tissue": lambda model, X: integrated_gradients(
        model, X, n_steps=12
    ),
    "integrated gradients,\nagainst healthy": lambda model, X: integrated_gradients(
        model, X, n_steps=12, baseline=healthy
    ),
    "occlusion by healthy": lambda model, X: occlusion(model, X, stride=12, fill=healthy),
}
few, few_truth = X[:12], truth[:12]
maps = {name: method(network, few) for name, method in methods.items()}
random_networks = [randomized(network, random_state=seed) for seed in range(2)]
random_maps = {
    name: [method(random_network, few) for random_network in random_networks]
    for name, method in methods.items()
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
figure, ax = plt.subplots(figsize=(5, 3.6), layout="constrained")
ax.plot(
    pointing["random weights"],
    pointing.index,
    "x",
    c=PALETTE["orange"],
    ms=9,
    mew=2.5,
    label="random",
)
ax.plot(pointing["trained"], pointing.index, "o", c=PALETTE["blue"], ms=10, label="trained")
ax.axvline(blind, color="0.4", ls=":", lw=2, label="random pixel")
ax.set(xlim=(-0.05, 1.05), xlabel=f"Share of {len(few)} simulated patients hit")
ax.margins(y=0.12)
ax.invert_yaxis()
figure.legend(loc="outside lower center", ncols=3)
# sphinx_gallery_start_ignore
figure.suptitle(
    "Share of simulated patients in whom the highest pixel lies on the finding, by method. With "
    "the trained network: "
    + ", ".join(f"{name} {share:.2f}" for name, share in pointing["trained"].items())
    + f". With random weights at most {pointing['random weights'].max():.2f}",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# Does the output depend on these pixels?
# ---------------------------------------
# If the pixels that a map ranks highest are replaced by those of the mean healthy patient, the
# probability should fall early (deletion). If they are inserted into the mean healthy patient, it
# should rise early (insertion). A random map is the control. Here too the default, soft tissue,
# would only take more bone away.

rng = np.random.default_rng(0)
to_try = maps | {"random map": rng.random(few.shape)}
curves = {
    name: deletion_insertion(network, few, heat, n_steps=20, fill=healthy)
    for name, heat in to_try.items()
}
figure, axes = plt.subplots(1, 2, figsize=(5.6, 4.8), sharey=True, layout="constrained")
for number, (name, curve) in enumerate(curves.items()):
    look = {
        "ls": "-",
        "color": (
            PALETTE["blue"],
            PALETTE["green"],
            PALETTE["orange"],
            PALETTE["purple"],
            PALETTE["sky"],
            "0.1",
            "0.5",
        )[number],
    }
    look |= {"lw": 2, "marker": "osD^vPx"[number], "markevery": 4, "ms": 6}
    axes[0].plot(curve.share, curve.deletion.mean(axis=0), **look, label=name)
    axes[1].plot(curve.share, curve.insertion.mean(axis=0), **look)
axes[0].set(xlabel="Share of pixels deleted", ylabel="Mean probability")
axes[1].set(xlabel="Share of pixels inserted")
for ax, name in zip(axes, ("Deletion", "Insertion"), strict=True):
    ax.set_title(f"{name} (simulated)", fontsize=11)
figure.legend(loc="outside lower center", ncols=2)
# sphinx_gallery_start_ignore
areas = {name: curve.deletion_auc.mean() for name, curve in curves.items()}
figure.suptitle(
    "Mean probability of the finding as pixels are deleted and inserted in the order of each map. "
    f"With the map of {min(areas, key=areas.get)} it falls earliest",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# Does the map depend on the weights?
# -----------------------------------
# A map that stays the same when the weights are random shows the scan, not the network (Adebayo
# et al. 2018). The rank correlation of each patient's map with those of the random networks is 1
# for identical rankings:

similarity = {
    name: np.concatenate([map_similarity(maps[name], heat) for heat in each])
    for name, each in random_maps.items()
}
figure, ax = plt.subplots(figsize=(5, 3.4), layout="constrained")
ax.boxplot(
    [values[np.isfinite(values)] for values in similarity.values()],
    orientation="horizontal",
    tick_labels=list(similarity),
    widths=0.6,
    medianprops={"color": PALETTE["orange"], "linewidth": 2},
)
ax.axvline(0, color="0.4", ls=":", lw=1.5)
ax.set(xlim=(-1, 1), xlabel="Rank correlation with random networks")
ax.set_title(f"{len(few)} simulated patients", fontsize=11)
ax.invert_yaxis()
# sphinx_gallery_start_ignore
medians = {name: np.nanmedian(values) for name, values in similarity.items()}
figure.suptitle(
    "Boxes of rank correlations, one per method, with medians of "
    + ", ".join(f"{name} {round(median, 2) + 0:.2f}" for name, median in medians.items()),
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# In one table
# ------------

table = pointing.assign(
    deletion={name: curve.deletion_auc.mean() for name, curve in curves.items()},
    insertion={name: curve.insertion_auc.mean() for name, curve in curves.items()},
    similarity={name: np.nanmean(values) for name, values in similarity.items()},
)
table.rename(index=lambda name: name.replace("\n", " ")).round(2)

# %%
# Which map to use
# ----------------
# - Integrated gradients and occlusion need an image without the finding. Compare the two rows of
#   integrated gradients: against soft tissue the map may point at the vertebra, and yet its
#   deletion area is larger than that of a random map, because the pixels of the gap resemble soft
#   tissue and therefore get values near zero. Against a healthy spine the same method passes both
#   tests. Its control is stricter, though: the difference between scan and healthy spine is itself
#   large at the finding, so that even networks with random weights hit more often than a random
#   pixel.
# - Grad-CAM gives one weight to each kernel of the last convolution, and is no finer than its
#   cells, here of 8 pixels or 8.4 by 4.8 mm. HiResCAM weights each cell by itself.
# - Both show where kernels are active. In scans the background is near zero, and kernels are
#   silent there. With a bright background, as in the example of :doc:`/guide/inspection`,
#   Grad-CAM may light the background, and miss a finding that the network detects.
# - A method that passes these tests may still mislead elsewhere: there is one well-defined
#   finding, and the patients are simulated. A method that fails them should not be trusted on
#   patients.
