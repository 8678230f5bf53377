"""
Cropping and the spine line
===========================

A network should see the spine, not the ribs and the pelvis. The paper finds the centre line of
the spine and keeps 75 pixels on both sides of it. This page shows how skdxa finds the line, why
simpler methods fail, and what the crop keeps. The scans are simulated, so the true line is
known.
"""

# %%
# Three spines
# ------------
# A straight one, a curved one with degenerated vertebrae, and one with rods and screws.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skdxa.displays import PALETTE, ScanDisplay
from skdxa.preprocessing import SpineCropper, find_spine_line
from skdxa.simulation import make_spine_scan

plt.rc("axes", prop_cycle=plt.cycler(color=PALETTE.values()))

spines = {
    "straight": make_spine_scan(2, random_state=0),
    "curved": make_spine_scan(38, degeneration=(1, 2, 3, 2), random_state=1),
    "operated on": make_spine_scan(15, rods=["L2", "L3"], random_state=5),
}
figure, axes = plt.subplots(1, 3, figsize=(5.4, 2.2), layout="constrained")
for ax, (name, spine) in zip(axes, spines.items(), strict=True):
    ScanDisplay.from_scan(spine.scan, spine_line=True, unit=None, ax=ax)
    ax.set_title(name, fontsize=10)
    ax.set_axis_off()
figure.supxlabel("Simulated scans", fontsize=10)
# sphinx_gallery_start_ignore
figure.suptitle(
    "Three simulated scans with the line that was found: it follows the middle of a straight "
    "spine, of a curved one, and of one with metal rods",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# The brightest column is not the spine
# -------------------------------------
# Two simple methods use the column that is brightest on average for the whole scan, or the
# centre of brightness of each row. They fail because real exports have white margins where
# nothing was scanned, ribs and pelvis are bright as well, and metal is brightest of all.


def brightest_column(scan):
    exported = np.nan_to_num(scan, nan=np.nanmax(scan))
    return np.full(len(scan), np.argmax(exported.mean(axis=0)))


def centre_of_brightness(scan):
    weight = np.nan_to_num(np.clip(scan, 0, None))
    return weight @ np.arange(scan.shape[1]) / weight.sum(axis=1)


searches = {
    "brightest column": brightest_column,
    "centre of brightness": centre_of_brightness,
    "find_spine_line": find_spine_line,
}
errors_mm = {
    name: {
        kind: 0.60 * np.abs(search(spine.scan) - spine.spine_line).mean()
        for kind, search in searches.items()
    }
    for name, spine in spines.items()
}
pd.DataFrame(errors_mm).rename_axis("mean error in mm (simulated)").round(1)

# %%
# :func:`~skdxa.preprocessing.find_spine_line` computes for each pixel how well it matches the
# middle of a band as wide as a vertebra that is brighter than *both* its flanks, and takes the
# path from head to foot with the largest sum.

spine = spines["curved"]
figure, ax = plt.subplots(figsize=(5, 5.6), layout="constrained")
ScanDisplay.from_scan(spine.scan, unit=None, ax=ax)
rows_mm = 1.05 * (np.arange(len(spine.scan)) + 0.5)
lines = {"truth": spine.spine_line} | {
    kind: search(spine.scan) for kind, search in searches.items()
}
styles = (
    ("-", PALETTE["sky"], 6),
    (":", PALETTE["orange"], 4),
    ("--", PALETTE["purple"], 2.5),
    ("-", PALETTE["yellow"], 1.5),
)
for (kind, columns), (dashes, color, width) in zip(lines.items(), styles, strict=True):
    ax.plot(0.60 * (columns + 0.5), rows_mm, dashes, color=color, lw=width, label=kind)
ax.set_title("Simulated, Cobb angle 38°", fontsize=11)
figure.legend(loc="outside lower center", ncols=2)
# sphinx_gallery_start_ignore
figure.suptitle(
    "A simulated, curved spine with four lines: find_spine_line is the closest to the truth, the "
    "centre of brightness wavers about it, and the brightest column lies at the edge of the scan",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# What the crop keeps
# -------------------
# The mean of the line is the centre for the whole scan: a crop centred row by row would
# straighten the spine and remove the signs of scoliosis. Where a scan has fewer rows than the
# crop, the rest is filled.

cropper = SpineCropper()
crops = cropper.fit_transform([spine.scan for spine in spines.values()])
figure, axes = plt.subplots(1, 3, figsize=(5.4, 3.7), layout="constrained")
for ax, name, crop in zip(axes, spines, crops, strict=True):
    ScanDisplay.from_scan(crop, unit=None, ax=ax)
    ax.set_title(name, fontsize=10)
    ax.set_axis_off()
height, width = crops.shape[1:]
figure.supxlabel(f"Simulated scans, crops of {height} x {width} pixels", fontsize=10)
# sphinx_gallery_start_ignore
figure.suptitle(
    "The crops of the three simulated scans: each shows the whole spine in the middle, and the "
    "curved one is still curved",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# :meth:`~skdxa.preprocessing.SpineCropper.window` returns the position of a crop, so that maps
# of a network can be placed on the scan:

on_scan, _ = cropper.window(spine.scan)
print(f"rows {on_scan[0].start} to {on_scan[0].stop}, columns {on_scan[1].start} to", end=" ")
print(f"{on_scan[1].stop} of {spine.scan.shape[0]} x {spine.scan.shape[1]}")

# %%
# Over many patients
# ------------------
# The cumulative distribution of the largest error of the line in each of 100 simulated scans. A
# lumbar vertebra is about 45 mm wide, so an error of a few millimetres leaves it within the crop.

from skdxa.simulation import make_spine_cohort

cohort = make_spine_cohort(100, random_state=3)
worst_mm = [
    0.60 * np.abs(find_spine_line(scan) - line).max()
    for scan, line in zip(cohort.data["scan"], cohort.spine_lines, strict=True)
]
figure, ax = plt.subplots(figsize=(4.5, 3), layout="constrained")
ax.ecdf(worst_mm, lw=2)
ax.set(xlabel="Largest error in a scan, mm", ylabel="Share of the scans", xlim=(0, None))
ax.set_title("100 simulated scans", fontsize=11)
# sphinx_gallery_start_ignore
figure.suptitle(
    "Cumulative curve of the largest error: half of the scans are below "
    f"{np.median(worst_mm):.1f} mm and all below {np.ceil(max(worst_mm)):.0f} mm",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# How sure the search is
# ----------------------
# The search finds a path in any image. Its quality measures how clearly the path stands out; below
# ``LOW_QUALITY`` it should be checked. The cropper keeps the quality of the scans that it was
# fitted on, and :meth:`~skdxa.preprocessing.SpineCropper.quality` computes that of others.

from skdxa.preprocessing import LOW_QUALITY

noise = np.random.default_rng(0).normal(size=spine.scan.shape)
others = {"noise": noise, "on its side": np.nan_to_num(spine.scan).T}
quality = pd.Series([*cropper.quality_, *cropper.quality(list(others.values()))])
quality.index = [*spines, *others]
quality.round(2).to_frame("quality").assign(low=quality < LOW_QUALITY)
