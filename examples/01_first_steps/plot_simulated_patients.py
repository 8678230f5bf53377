"""
Simulated patients and their scans
==================================

Scans of patients can rarely be shared, and their true findings are unknown: two radiologists
disagree about every fifth spine. :mod:`skdxa.simulation` draws patients who do not exist, with
scans that resemble those of a densitometer and with known Cobb angles and lesion masks. This
page shows nine of them, then one scan step by step.

All results computed on these scans are results on simulated patients.
"""

# %%
# Nine women
# ----------
# A cohort is a :class:`~sklearn.utils.Bunch` of tables, one row per scan. The radiologists' labels
# are in ``target``; the true properties of the patients are in ``truth``.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgba

from skdxa.displays import PALETTE, SCAN_COLORMAP
from skdxa.simulation import make_spine_cohort, make_spine_scan

plt.rc("axes", prop_cycle=plt.cycler(color=PALETTE.values()))

cohort = make_spine_cohort(9, random_state=4)
cohort.data.drop(columns="scan").head()

# %%
# A pixel is 1.05 mm high and 0.60 mm wide. Drawn with that ratio, vertebrae have their
# anatomical proportions. The line is the true centre of the spine, and the white margins were
# not scanned. Above each scan are the true Cobb angle, the number of vertebrae from L1 to L4
# with findings, and the ratings of both raters. All scans have the same grey scale.

row_mm, column_mm = cohort.spacing_mm
style = {"cmap": SCAN_COLORMAP, "aspect": row_mm / column_mm, "vmin": -0.1, "vmax": 1.6}

figure, axes = plt.subplots(3, 3, figsize=(5.4, 6.8), layout="constrained")
for i, axis in enumerate(axes.flat):
    axis.imshow(cohort.data["scan"][i], **style)
    axis.plot(
        cohort.spine_lines[i], np.arange(len(cohort.spine_lines[i])), lw=1, c=PALETTE["yellow"]
    )
    labels = [name for name in ("scoliosis", "unreliable") if cohort.target[name][i] == 1]
    affected = int(cohort.truth.filter(like="affected").iloc[i].sum())
    axis.set_title(
        f"{cohort.truth['cobb_angle'][i]:.0f}°, {affected} affected\n"
        f"{', '.join(labels) or 'neither'}",
        fontsize=10,
    )
    axis.set_axis_off()
figure.supxlabel("Simulated scans", fontsize=10)
# sphinx_gallery_start_ignore
figure.suptitle(
    "Nine simulated scans of the lumbar spine with the true centre line: most are straight, two "
    "are strongly curved, and several have bright, irregular vertebrae",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# Where the findings are
# ----------------------
# ``lesion_kinds`` encodes the findings that changed each pixel, one bit per finding; the names of
# the bits are in ``lesion_names``. Explanations of a network can be compared with these masks.

shown = [
    bit
    for bit in range(len(cohort.lesion_names))
    if any((kinds >> bit & 1).any() for kinds in cohort.lesion_kinds)
]
colours = plt.rcParams["axes.prop_cycle"].by_key()["color"]
colours = {bit: colours[number % len(colours)] for number, bit in enumerate(shown)}
figure, axes = plt.subplots(3, 3, figsize=(5.4, 6.6), layout="constrained")
for axis, scan, kinds in zip(axes.flat, cohort.data["scan"], cohort.lesion_kinds, strict=True):
    axis.imshow(scan, **style)
    for bit, colour in colours.items():
        mask = kinds >> bit & 1
        tint = np.array(to_rgba(colour, 0.6))
        axis.imshow(mask[..., None] * tint, aspect=style["aspect"])
    axis.set_axis_off()
handles = [
    plt.Line2D(
        [], [], ls="", marker="s", c=colour, label=cohort.lesion_names[bit].replace("_", " ")
    )
    for bit, colour in colours.items()
]
figure.legend(handles=handles, loc="outside lower center", ncols=2, title="Simulated scans")
# sphinx_gallery_start_ignore
figure.suptitle(
    "The same nine scans, with coloured regions where findings changed the pixels: between the "
    "vertebrae, at their edges, and beside the spine",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

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
    "+ bowel, margins": seen.scan,
}
figure, axes = plt.subplots(2, 3, figsize=(5.4, 4.3), layout="constrained")
for axis, (name, image) in zip(axes.flat, steps.items(), strict=True):
    axis.imshow(image, **style)
    axis.set_title(name, fontsize=10)
    axis.set_axis_off()
figure.supxlabel("One simulated spine", fontsize=10)
# sphinx_gallery_start_ignore
figure.suptitle(
    "One simulated, curved spine in six steps: smooth bones, with texture, with bright discs and "
    "endplates, blurred, with noise, and with white stair-step margins",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# The true Cobb angle is known exactly
# ------------------------------------
# The Cobb angle, as a radiologist would measure it from the corners of the endplates, is the
# largest angle between the upper endplate of one vertebra and the lower endplate of another.

corners = seen.endplates
upper, lower = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 2]
tilts = np.degrees([np.arctan2(line[:, 1], line[:, 0]) for line in (upper, lower)])
angle = np.abs(tilts[0][:, None] - tilts[1]).max()
print(f"requested {seen.cobb_angle:.1f} degrees, measured {angle:.1f}")

figure, axis = plt.subplots(figsize=(4.5, 4.7), layout="constrained")
axis.imshow(seen.scan, **style)
for box in corners / [column_mm, row_mm]:
    axis.plot(*box[[0, 1, 3, 2, 0]].T, c=PALETTE["yellow"], lw=1.5)
axis.plot(seen.spine_line, np.arange(len(seen.spine_line)), c=PALETTE["sky"], lw=1.5)
axis.set(xlim=(0, 299), ylim=(len(seen.scan) - 1, 0))
axis.set_title("Simulated: endplates and spine line", fontsize=11)
axis.set_axis_off()
# sphinx_gallery_start_ignore
figure.suptitle(
    "A simulated, curved spine with a box around each vertebral body from T12 to L5 and a line "
    "through their centres",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# Fourteen findings
# -----------------
# Each finding can be drawn alone and has a mask, outlined here. The pictures show the middle
# 90 mm of the same simulated spine.

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
figure, axes = plt.subplots(4, 4, figsize=(5.4, 9), layout="constrained")
for axis in axes.flat:
    axis.set_axis_off()
for axis, (name, parameters) in zip(axes.flat, findings_alone.items(), strict=False):
    spine = make_spine_scan(**parameters, random_state=11)
    axis.imshow(spine.scan, **style)
    axis.contour(spine.lesion_masks[name], levels=[0.5], colors=PALETTE["yellow"], linewidths=1)
    axis.set(xlim=(75, 225), ylim=(150, 15))
    axis.set_title(name.replace("_", "\n" if len(name) > 14 else " "), fontsize=10)
figure.supxlabel("Simulated scans", fontsize=10)
# sphinx_gallery_start_ignore
figure.suptitle(
    "One simulated spine with each of fourteen findings in turn, outlined in yellow; metal and "
    "contrast medium are the brightest, and a laminectomy leaves a dark gap",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()
