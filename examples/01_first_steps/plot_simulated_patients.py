"""
Simulated patients, and how their scans are made
================================================

Scans of patients may rarely be passed on, and nobody knows the truth behind them: two
radiologists disagree about every fifth spine. :mod:`skdxa.simulation` draws patients who do not
exist, with scans that look like those of a densitometer and with a truth that is known to the
degree and to the pixel. This page looks at sixteen of them, then takes one scan apart.

Whatever is computed on these scans is a simulated result.
"""

# %%
# Sixteen women
# -------------
# A cohort is a :class:`~sklearn.utils.Bunch` of tables, one row per scan. The radiologists' labels
# are in ``target``; what no radiologist knows is in ``truth``.

import matplotlib.pyplot as plt
import numpy as np

from skdxa.simulation import make_spine_cohort, make_spine_scan

cohort = make_spine_cohort(16, random_state=26)
cohort.data.drop(columns="scan").head()

# %%
# A pixel is 1.05 mm high and 0.60 mm wide. Drawn with that ratio, vertebrae have the proportions
# that they have in the patient. White, at the sides, is what the scanner did not reach.

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
figure.suptitle("Simulated: Cobb angle and affected vertebrae in truth: what both raters called")

# %%
# Where the findings are
# ----------------------
# ``lesion_kinds`` tells for every pixel which findings changed it, one bit each; the names of the
# bits are in ``lesion_names``. A network's explanation can be held against these masks.

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
# :func:`~skdxa.simulation.make_spine_scan` draws one spine from numbers that you give. The same
# seed gives the same spine, so that switching off one part shows what that part does: bones on
# their own, the texture of cancellous bone, findings, the scanner's blur and photons, the bowel
# and the stair-step margins.

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
    "+ photons": make_spine_scan(**diseased, bowel=False, margins=False).scan,
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
# The corners of the endplates give the Cobb angle as a radiologist would measure it: the largest
# angle between the upper endplate of one vertebra and the lower endplate of another.

corners = seen.endplates
upper, lower = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 2]
tilts = np.degrees([np.arctan2(line[:, 1], line[:, 0]) for line in (upper, lower)])
angle = np.abs(tilts[0][:, None] - tilts[1]).max()
print(f"asked for {seen.cobb_angle:.1f} degrees, measured {angle:.1f}")

figure, axis = plt.subplots(figsize=(6, 6), layout="constrained")
axis.imshow(seen.scan, **style)
for box in corners / [column_mm, row_mm]:
    axis.plot(*box[[0, 1, 3, 2, 0]].T, c="tab:orange", lw=1)
axis.plot(seen.spine_line, np.arange(len(seen.spine_line)), c="tab:cyan", lw=1)
axis.set(xlim=(0, 299), ylim=(len(seen.scan) - 1, 0), title="Endplates and the spine's line")
axis.set_axis_off()

# %%
# Fourteen findings
# -----------------
# Each can be asked for alone, and each has its own mask.

asked = {
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
for axis, (name, parameters) in zip(axes.flat, asked.items(), strict=False):
    spine = make_spine_scan(**parameters, random_state=11)
    axis.imshow(spine.scan, **style)
    axis.contour(spine.lesion_masks[name], levels=[0.5], colors="tab:orange", linewidths=0.7)
    axis.set_title(name.replace("_", " "))

plt.show()
