"""Pictures of scans, in their true proportions, and what is drawn on them."""

from itertools import cycle

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke

from skdxa.displays._style import AMBER, BLUE, GREEN, PURPLE, SCAN_COLORMAP, SKY
from skdxa.exceptions import ScanError
from skdxa.validation import fill_masked

# Orange and yellow, of the spine's line and the vertebrae, are left out.
_MASK_COLOURS = (SKY, PURPLE, GREEN, BLUE, AMBER)
# White text can be read on bright bone too.
ON_SCANS = {"path_effects": [withStroke(linewidth=2, foreground="black")]}


def draw_image(ax, pixels, spacing_mm, limits, look, artist, **defaults):
    """Draw pixels in mm from the picture's upper left corner, grey unless set otherwise.

    `look` merges the style of an artist into defaults.
    """
    n_rows, n_columns = pixels.shape
    row_mm, column_mm = spacing_mm
    wanted = {
        "cmap": SCAN_COLORMAP,
        "interpolation": "nearest",
        "origin": "upper",
        "aspect": "equal",
        "extent": (0.0, n_columns * column_mm, n_rows * row_mm, 0.0),
    }
    wanted = look(artist, **(wanted | defaults))
    if "norm" not in wanted:
        wanted = dict(zip(("vmin", "vmax"), limits, strict=True)) | wanted
    return ax.imshow(pixels, **wanted)


def grey_range(scan):
    """Return the densities drawn black and white, which noise and metal do not set."""
    return np.nanpercentile(scan, [1, 99.5])


def check_mask(mask, name, shape):
    """Return a mask as bool of a scan's shape, or raise a `ScanError` that names it."""
    mask = np.asarray(fill_masked(mask))
    if mask.shape != tuple(shape):
        raise ScanError(f"{name} has the shape {mask.shape}; the scan has {tuple(shape)}.")
    if not np.isin(mask, (0, 1)).all():
        raise ScanError(f"{name} must hold True and False (or 1 and 0) only.")
    return mask.astype(bool)


def check_masks(masks, shapes):
    """Return the masks of each name, one per scan, as bool of the scans' shapes."""
    checked = {}
    for name, of_scans in (masks or {}).items():
        if len(of_scans) != len(shapes):
            raise ScanError(
                f"masks[{name!r}] holds {len(of_scans)} masks for {len(shapes)} scans."
            )
        checked[name] = [
            check_mask(mask, f"masks[{name!r}][{scan}]", shape)
            for scan, (mask, shape) in enumerate(zip(of_scans, shapes, strict=True))
        ]
    return checked


def mask_edges(mask, spacing_mm):
    """Return the edges between pixels inside and outside a mask, of shape (n_edges, 2, 2).

    Each edge holds both its ends as (x, y) in mm from the scan's upper left corner. What lies
    beyond the scan counts as outside.
    """
    padded = np.pad(mask, 1)
    row, column = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    level = np.array([[column, row], [column + 1, row]])
    row, column = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    upright = np.array([[column, row], [column, row + 1]])
    row_mm, column_mm = spacing_mm
    return np.concatenate([level, upright], axis=2).transpose(2, 0, 1) * (column_mm, row_mm)


def draw_masks(ax, masks, spacing_mm, look, linewidth=1.2):
    """Outline masks, each in another colour; the legend marks an empty one."""
    outlines = {}
    for (name, mask), color in zip(masks.items(), cycle(_MASK_COLOURS), strict=False):
        label = name.replace("_", " ") + ("" if mask.any() else " (none)")
        outline = look("masks", color=color, linewidth=linewidth, label=label)
        outlines[name] = draw_segments(ax, mask_edges(mask, spacing_mm), outline)
    return outlines


def draw_segments(ax, segments, outline):
    """Draw lines of the properties in `outline`."""
    # Edges meet at right angles: without a cap the corners would be notched.
    lines = LineCollection(segments, **{"capstyle": "projecting", **outline})
    return ax.add_collection(lines, autolim=False)


def draw_scale(ax):
    """Draw a bar of a round length in mm, about a third of the picture at most."""
    width = ax.get_xlim()[1]
    power = 10.0 ** np.floor(np.log10(width / 3))
    length = max(digit * power for digit in (1, 2, 5) if digit * power <= width / 3)
    ax.plot(
        [0.05 * width, 0.05 * width + length],
        [0.04, 0.04],
        transform=ax.get_xaxis_transform(),
        color="white",
        linewidth=1.5,
        solid_capstyle="butt",
        scalex=False,
    )
    write_on(ax, 0.055, f"{length:g} mm")


def write_on(ax, height, text):
    """Write on a scan at a share of its height.

    Letters are white, since a scan is dark regardless of the figure's background.
    """
    ax.text(
        0.05,
        height,
        text,
        transform=ax.transAxes,
        verticalalignment="bottom" if height < 0.5 else "top",
        color="white",
        fontsize="xx-small",
        **ON_SCANS,
        # The layout must not move a picture that is narrower than its text away from the others.
        in_layout=False,
    )
