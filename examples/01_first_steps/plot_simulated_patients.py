"""
Simulated patients and their scans
==================================

Scans of patients can rarely be shared, and their true findings are unknown: two radiologists
disagree about every fifth spine. :mod:`skdxa.simulation` draws patients who do not exist, with
scans that resemble those of a densitometer and with known Cobb angles and lesion masks. This
page shows sixteen of them, then one scan step by step.

All results computed on these scans are simulated.
"""

# %%
# Sixteen women
# -------------
# A cohort is a :class:`~sklearn.utils.Bunch` of tables, one row per scan. The radiologists' labels
# are in ``target``; the true properties of the patients are in ``truth``.

import matplotlib.pyplot as plt
import numpy as np

from skdxa.simulation import make_spine_cohort, make_spine_scan

cohort = make_spine_cohort(16, random_state=26)
cohort.data.drop(columns="scan").head()

# %%
# A pixel is 1.05 mm high and 0.60 mm wide. Drawn with that ratio, vertebrae have their
# anatomical proportions. The white margins were not scanned.

row_mm, column_mm = cohort.spacing_mm
style = {"cmap": "gray", "aspect": row_mm / column_mm, "vmin": -0.1, "vmax": 1.6}

figure, axes = plt.subplots(4, 4, figsize=(12, 13), layout="constrained")
for i, axis in enumerate(axes.flat):
    axis.imshow(cohort.data["scan"][i], **style)
    axis.plot(cohort.spine_lines[i], np.arange(len(cohort.spine_lines[i])), lw=0.6, c="tab:cyan")
    labels = [name for name in ("scoliosis", "unreliable") if cohort.target[name][i] == 1]
    affected = int(cohort.truth.filter(like="affected").iloc[i].sum())
    axis.set_title(
        f"{cohort.truth['cobb_angle'][i]:.0f}°, {affected} affected: "
        f"{' and '.join(labels) or 'neither'}",
        fontsize=9,
    )
    axis.set_axis_off()
figure.suptitle("Simulated. True Cobb angle and affected vertebrae: consensus of the raters")

# %%
# Where the findings are
# ----------------------
# ``lesion_kinds`` encodes the findings that changed each pixel, one bit per finding; the names of
# the bits are in ``lesion_names``. Explanations of a network can be compared with these masks.

colours = plt.get_cmap("tab20")(np.arange(len(cohort.lesion_names)))
figure, axes = plt.subplots(4, 4, figsize=(12, 13.5), layout="constrained")
shown = set()
for i, axis in enumerate(axes.flat):
    axis.imshow(cohort.data["scan"][i], **style)
    for bit, colour in enumerate(colours):
        mask = cohort.lesion_kinds[i] >> bit & 1
        if mask.any():
            shown.add(bit)
            axis.imshow(mask[..., None] * colour * [1, 1, 1, 0.55], aspect=style["aspect"])
    axis.set_axis_off()
handles = [
    plt.Line2D([], [], ls="", marker="s", c=colours[bit], label=cohort.lesion_names[bit])
    for bit in sorted(shown)
]
figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)

# %%
# One scan, step by step
# ----------------------
# :func:`~skdxa.simulation.make_spine_scan` draws one spine with chosen parameters. The same seed
# yields the same spine, so that switching off one part shows its effect: bones alone, the
# texture of cancellous bone, findings, the scanner's blur and photon noise, the bowel and the
# stair-step margins.

healthy = {"cobb_angle": 18, "convex": "right", "random_state": 4}
nothing = dict.fromkeys(("texture", "blur", "noise", "bowel", "margins"), False)
findings = {"osteophytes": [1, 2, 3, 1], "sclerosis": [0, 1, 3, 1], "disc_narrowing": [0, 1, 3, 1]}
steps = {
    "bones": make_spine_scan(**healthy, **nothing).bone,
    "+ texture": make_spine_scan(**healthy, **nothing | {"texture": True}).bone,
}
diseased = healthy | findings | {"facet_arthrosis": [0, 1, 2, 2], "aortic_calcification": 0.6}
seen = make_spine_scan(**diseased)
steps |= {
    "+ findings": seen.bone,
    "+ blur": make_spine_scan(**diseased, noise=False, bowel=False, margins=False).scan,
    "+ photon noise": make_spine_scan(**diseased, bowel=False, margins=False).scan,
    "+ bowel and margins": seen.scan,
}
figure, axes = plt.subplots(2, 3, figsize=(12, 9), layout="constrained")
for axis, (name, image) in zip(axes.flat, steps.items(), strict=True):
    axis.imshow(image, **style)
    axis.set_title(name)
    axis.set_axis_off()

# %%
# The truth is exact
# ------------------
# The Cobb angle, as a radiologist would measure it from the corners of the endplates, is the
# largest angle between the upper endplate of one vertebra and the lower endplate of another.

corners = seen.endplates
upper, lower = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 2]
tilts = np.degrees([np.arctan2(line[:, 1], line[:, 0]) for line in (upper, lower)])
angle = np.abs(tilts[0][:, None] - tilts[1]).max()
print(f"requested {seen.cobb_angle:.1f} degrees, measured {angle:.1f}")

figure, axis = plt.subplots(figsize=(6, 6), layout="constrained")
axis.imshow(seen.scan, **style)
for box in corners / [column_mm, row_mm]:
    axis.plot(*box[[0, 1, 3, 2, 0]].T, c="tab:orange", lw=1)
axis.plot(seen.spine_line, np.arange(len(seen.spine_line)), c="tab:cyan", lw=1)
axis.set(xlim=(0, 299), ylim=(len(seen.scan) - 1, 0), title="Simulated: endplates and spine line")
axis.set_axis_off()

# %%
# Fourteen findings
# -----------------
# Each finding can be drawn alone and has a mask.

findings_alone = {
    "osteophytes": {"osteophytes": [0, 3, 2, 0]},
    "sclerosis": {"sclerosis": [0, 3, 3, 0]},
    "disc_narrowing": {"disc_narrowing": [0, 3, 3, 0]},
    "facet_arthrosis": {"facet_arthrosis": [0, 0, 3, 3]},
    "fracture": {"fractured": ["L2"]},
    "cement": {"cement": ["L2"]},
    "rods": {"rods": ["L3", "L4"]},
    "laminectomy": {"laminectomy": ["L3", "L4"]},
    "button": {"button": ["L2"]},
    "zip": {"zip_fastener": ["L2", "L3", "L4"]},
    "contrast": {"contrast": ["L3"]},
    "clips": {"clips": True},
    "aortic_calcification": {"aortic_calcification": 1.0},
    "motion": {"motion_mm": 4.0},
}
figure, axes = plt.subplots(3, 5, figsize=(14, 10), layout="constrained")
for axis in axes.flat:
    axis.set_axis_off()
for axis, (name, parameters) in zip(axes.flat, findings_alone.items(), strict=False):
    spine = make_spine_scan(**parameters, random_state=11)
    axis.imshow(spine.scan, **style)
    axis.contour(spine.lesion_masks[name], levels=[0.5], colors="tab:orange", linewidths=0.7)
    axis.set_title(name.replace("_", " "))

plt.show()
