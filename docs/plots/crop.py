"""Draw a simulated scan with its spine line and crop window, and the crop."""

from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from skdxa.displays import PALETTE
from skdxa.preprocessing import SpineCropper, find_spine_line
from skdxa.simulation import make_spine_scan

plt.rcParams["font.size"] = 11
spine = make_spine_scan(30, random_state=1)
line = find_spine_line(spine.scan, spacing_mm=spine.spacing_mm)
cropper = SpineCropper()
crop = cropper.fit_transform([spine.scan])[0]
rows, columns = cropper.window(spine.scan)[0]

figure, (left, right) = plt.subplots(
    1, 2, figsize=(6, 3.1), width_ratios=[2, 1], layout="constrained"
)
left.imshow(spine.scan, cmap="gray", aspect=1.05 / 0.60)
left.plot(line, range(len(line)), color=PALETTE["orange"], lw=2, label="line found")
left.plot(
    spine.spine_line, range(len(line)), "--", color=PALETTE["sky"], lw=1.5, label="true line"
)
corner = columns.start, rows.start
size = columns.stop - columns.start, rows.stop - rows.start
left.add_patch(Rectangle(corner, *size, fill=False, ec="yellow", lw=2, label="crop"))
left.set_title("scan, 164 x 300 pixels", fontsize=11)
left.set_facecolor(PALETTE["blue"])
left.legend(loc="lower left", fontsize=9, framealpha=1)
right.imshow(crop, cmap="gray", aspect=1.05 / 0.60)
right.set_title("crop, 150 x 150", fontsize=11)
for ax in (left, right):
    ax.set(xticks=[], yticks=[])
