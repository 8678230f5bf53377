"""Where the bones lie and how they look face on: T9 to S1, ribs and iliac crests.

Lengths are millimetres in the plane of the scan: x grows with the column, y with
the row, the origin is the centre of the first pixel. Rendered bone is areal
density relative to a vertebra's mean; `scale_to_bmd` turns it into g/cm2.
"""

from typing import NamedTuple

import numpy as np

SPACING_MM = (1.05, 0.60)
N_COLUMNS = 300
MIN_ROWS, MAX_ROWS = 150, 178

LEVELS = ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
L1, L5 = LEVELS.index("L1"), LEVELS.index("L5")
# The vertebrae between which the Cobb angle is read.
COBB_LEVELS = slice(LEVELS.index("T12"), L5 + 1)

# Mean widths of the upper and lower endplates and mean posterior heights: Panjabi et al.
# 1991 (T9-T12) and 1992 (L1-L5); the sacral endplate continues L5's. Berry et al. 1987
# found lumbar bodies within 2 mm of these.
_UPPER_WIDTH = np.array([30.5, 31.9, 34.9, 39.0, 41.2, 42.6, 44.1, 46.6, 47.3, 49.0])
_LOWER_WIDTH = np.array([33.0, 35.4, 39.1, 42.1, 43.3, 45.5, 48.0, 49.5, 49.4, 44.0])
_HEIGHT = np.array([19.3, 20.2, 21.3, 22.7, 23.8, 24.3, 23.8, 24.1, 22.9, 24.0])
# Gap between one body and the next as an AP scan of a woman in her sixties shows it; with
# the heights above, L1-L4 span 13 cm, the length of a usual L1-L4 region of interest.
_DISC_BELOW = np.array([5.0, 5.0, 5.5, 6.5, 7.5, 8.5, 9.5, 9.5, 8.0, 4.0])
# Half of how far an endplate opens into an ellipse: lordosis tips the lowest ones.
_ENDPLATE_OPENING = np.array([1.2, 0.8, 0.5, 0.3, 0.3, 0.4, 0.8, 1.8, 3.6, 5.0])
# Tip of the transverse process from the midline: longest at L3 (Gray's Anatomy).
_TRANSVERSE_REACH = np.array([0.0, 0.0, 0.0, 0.0, 35.0, 40.0, 44.0, 42.0, 43.0, 0.0])

# The scan is drawn on rows of half height, which makes its grid nearly square, then pooled.
_ROWS_PER_PIXEL = 2
_EDGE_MM = 0.7

# A rotated vertebra carries its spinous process to the hollow of the curve: about 5 mm at a
# Cobb angle of 30 degrees (a grade I to II rotation, Nash and Moe 1969).
_ROTATION_MM_PER_DEGREE = 0.17
# Tilt of single vertebrae off the smooth curve, as a share of the Cobb angle.
_TILT_SCATTER = 0.05


class Spine(NamedTuple):
    """The vertebrae of one patient, one entry a level of `LEVELS`."""

    centre: np.ndarray  # (n_levels, 2): x, y
    tilt: np.ndarray  # (n_levels,): radians from the vertical, of the axis of the body
    upper: np.ndarray  # (n_levels,): half width of the upper endplate
    lower: np.ndarray
    height: np.ndarray
    disc: np.ndarray  # (n_levels,): gap to the body below
    shift: np.ndarray  # (n_levels,): sideways displacement of the posterior elements
    curve: np.ndarray  # (n, 2): x, y of the line through the bodies
    size: tuple  # factors of height and width


class Region(NamedTuple):
    """The share of each pixel that a vertebral body covers, inside a window."""

    rows: slice
    columns: slice
    cover: np.ndarray


def lay_out_spine(
    rng,
    *,
    cobb_angle,
    convex,
    n_rows,
    size=(1.0, 1.0),
    height_loss=None,
    disc_loss=None,
):
    """Place the vertebrae along a smooth curve that has exactly the Cobb angle asked for.

    Parameters
    ----------
    rng : numpy.random.Generator
    cobb_angle : float
        Degrees: the largest difference of tilt between two vertebrae of T12 to L5.
    convex : {-1, 1}
        -1: convex to the first columns; 1: to the last.
    n_rows : int
        Rows of the scan, which ends below L5.
    size : tuple of float
        Factors of the mean heights and widths.
    height_loss, disc_loss : ndarray of shape (n_levels,), optional
        Share of the body's height and of the disc below it that is gone.

    Returns
    -------
    Spine
    """
    none = np.zeros(len(LEVELS))
    height = _HEIGHT * size[0] * (1 - (none if height_loss is None else height_loss))
    height *= 1 + rng.normal(0, 0.02, len(LEVELS))
    disc = _DISC_BELOW * size[0] * (1 - (none if disc_loss is None else disc_loss))
    disc *= 1 + rng.normal(0, 0.08, len(LEVELS))
    width = size[1] * (1 + rng.normal(0, 0.015, len(LEVELS)))

    along = _centres(height, disc)

    apex, wavelength = rng.normal(-12, 22), rng.uniform(230, 420)
    phase = 2 * np.pi * (along - apex) / wavelength
    scatter = rng.normal(0, _TILT_SCATTER, len(LEVELS))
    scatter[0] = scatter[-1] = 0.0
    unscaled = -convex * (np.sin(phase) + scatter)
    span = np.ptp(unscaled[COBB_LEVELS])
    factor = np.deg2rad(cobb_angle) / span
    lean = np.deg2rad(rng.normal(0, 1.0))
    tilt = unscaled * factor + lean

    path = np.arange(along[0] - 60, along[-1] + 60, 1.0)
    direction = -convex * np.sin(2 * np.pi * (path - apex) / wavelength) * factor + lean
    curve = np.column_stack([np.cumsum(np.sin(direction)), np.cumsum(np.cos(direction))])

    # The technologist starts the scan in L5 and centres the spine between its two ends.
    last = along[L5] + rng.uniform(-5, 12)
    y = curve[:, 1] - np.interp(last, path, curve[:, 1]) + (n_rows - 1) * SPACING_MM[0]
    inside = (y >= 0) & (y <= (n_rows - 1) * SPACING_MM[0])
    middle = (N_COLUMNS - 1) / 2 * SPACING_MM[1] + np.clip(rng.normal(0, 3.5), -9, 9)
    x = curve[:, 0] - curve[inside, 0].mean() + middle
    centre = np.column_stack([np.interp(along, path, x), np.interp(along, path, y)])
    return Spine(
        centre=centre,
        tilt=tilt,
        upper=_UPPER_WIDTH / 2 * width,
        lower=_LOWER_WIDTH / 2 * width,
        height=height,
        disc=disc,
        shift=-convex * _ROTATION_MM_PER_DEGREE * cobb_angle * np.cos(phase)
        + rng.normal(0, 0.5, len(LEVELS)),
        curve=np.column_stack([x, y]),
        size=size,
    )


def _centres(height, disc):
    steps = height[:-1] / 2 + disc[:-1] + height[1:] / 2
    along = np.concatenate([[0.0], np.cumsum(steps)])
    return along - along[LEVELS.index("L3")]


def endplate_corners(spine):
    """Corners of T12 to L5 in mm: shape (6, 4, 2), in the order TL, TR, BL, BR; x, y."""
    axis = np.column_stack([np.sin(spine.tilt), np.cos(spine.tilt)])
    across = np.column_stack([np.cos(spine.tilt), -np.sin(spine.tilt)])
    top = spine.centre - axis * spine.height[:, None] / 2
    bottom = spine.centre + axis * spine.height[:, None] / 2
    upper, lower = across * spine.upper[:, None], across * spine.lower[:, None]
    corners = np.stack([top - upper, top + upper, bottom - lower, bottom + lower], axis=1)
    return corners[COBB_LEVELS]


def spine_line(spine, n_rows):
    """Column of the spine's centre in each row: float array (n_rows,)."""
    y = np.arange(n_rows) * SPACING_MM[0]
    return np.interp(y, spine.curve[:, 1], spine.curve[:, 0]) / SPACING_MM[1]


def grid(n_rows, rows_per_pixel=_ROWS_PER_PIXEL):
    """Coordinates in mm of a grid's rows (n, 1) and columns (1, 300), float32."""
    y = (np.arange(n_rows * rows_per_pixel) + 0.5) / rows_per_pixel - 0.5
    x = np.arange(N_COLUMNS) * SPACING_MM[1]
    return (y[:, None] * SPACING_MM[0]).astype(np.float32), x[None, :].astype(np.float32)


def pool(fine):
    """Average the rows of half height to pixels."""
    return fine.reshape(-1, _ROWS_PER_PIXEL, fine.shape[1]).mean(axis=1)


def window(axes, centre, half_width, half_height, tilt):
    """Slices round a tilted box, and its pixels' coordinates along and across the tilt.

    Returns
    -------
    rows, columns : slice
    u, v : ndarray, float32
        Across (to the last columns) and along (downwards) the tilted axis, in mm.
    """
    y, x = axes
    sine, cosine = np.float32(np.sin(tilt)), np.float32(np.cos(tilt))
    reach_x = half_width * abs(cosine) + half_height * abs(sine)
    reach_y = half_width * abs(sine) + half_height * abs(cosine)
    rows = slice(*np.searchsorted(y[:, 0], [centre[1] - reach_y, centre[1] + reach_y]))
    columns = slice(*np.searchsorted(x[0], [centre[0] - reach_x, centre[0] + reach_x]))
    dx, dy = x[:, columns] - np.float32(centre[0]), y[rows] - np.float32(centre[1])
    return rows, columns, dx * cosine - dy * sine, dx * sine + dy * cosine


def step(distance, width=_EDGE_MM):
    """Go from 0 outside to 1 inside over `width` mm: the anti-aliased edge of a shape."""
    return np.clip(distance / np.float32(width) + np.float32(0.5), 0, 1)


def body_half_width(spine, level, v):
    """Half width of a body `v` mm below its centre: wide endplates, a waist between."""
    t = np.clip(v / spine.height[level], -0.5, 0.5)
    straight = spine.upper[level] * (0.5 - t) + spine.lower[level] * (0.5 + t)
    return (straight * (1 - 0.18 * (1 - np.abs(2 * t) ** 2.2))).astype(np.float32)


def render_spine(spine, n_rows, rng):
    """Draw the vertebrae; returns the relative density (fine grid) and a `Region` a level."""
    axes = grid(n_rows)
    canvas = np.zeros((axes[0].size, N_COLUMNS), np.float32)
    jitter = rng.normal(0, 1, (len(LEVELS), 8)).astype(np.float32)
    regions = []
    for level in range(len(LEVELS)):
        regions.append(_draw_body(canvas, axes, spine, level, jitter[level]))
        _draw_arch(canvas, axes, spine, level, jitter[level])
        _draw_spinous_process(canvas, axes, spine, level, jitter[level])
        if _TRANSVERSE_REACH[level]:
            _draw_transverse_processes(canvas, axes, spine, level, jitter[level])
    return canvas, regions


def _draw_body(canvas, axes, spine, level, jitter):
    height = spine.height[level]
    widest = max(spine.upper[level], spine.lower[level])
    opening = _ENDPLATE_OPENING[level] * (1 + 0.3 * jitter[0])
    rows, columns, u, v = window(
        axes, spine.centre[level], widest + 3, height / 2 + 3 + abs(opening), spine.tilt[level]
    )
    half_width = body_half_width(spine, level, v)
    off_axis = np.minimum((u / half_width) ** 2, 1)
    # Endplates are hollow towards the disc by about a millimetre and a half.
    hollow = (1.3 + 0.4 * jitter[1]) * (1 - off_axis)
    edge = height / 2 - np.abs(v)
    cover = step(half_width - np.abs(u)) * step(edge - hollow * 0.5)
    chord = np.sqrt(1 - off_axis)
    waist = 1 - (2 * v / height) ** 2
    density = cover * (0.20 + 0.24 * chord - 0.06 * np.clip(waist, 0, 1))
    # Cortical shell seen edge on.
    inside = half_width - np.abs(u)
    density += 0.13 * np.exp(-(((inside - 1.2) / 1.1) ** 2)) * step(edge)
    # Each endplate is a thin disc that lordosis opens into an ellipse; its bone stays the same.
    thickness = 0.65 + abs(opening) * chord
    rim = step(half_width + 0.6 - np.abs(u))
    plate = step(thickness - np.abs(edge - hollow * 0.8 - 0.5))
    density += plate * rim * (0.22 / np.sqrt(0.5 + thickness))
    canvas[rows, columns] += density
    return Region(rows, columns, cover)


def _draw_arch(canvas, axes, spine, level, jitter):
    """Pedicles, laminae and articular processes: the bright frame behind the body."""
    height = spine.height[level]
    half_width = (spine.upper[level] + spine.lower[level]) / 2
    lumbar = max(level - L1, 0)
    # Pedicles stand further apart, and lie more obliquely, towards L5.
    pedicle_u = half_width * (0.56 + 0.018 * lumbar)
    pedicle_v = -0.14 * height
    pedicle_a, pedicle_b = 3.0 + 0.45 * lumbar, 6.3 - 0.25 * lumbar
    rows, columns, u, v = window(
        axes,
        spine.centre[level],
        half_width + 4 + abs(spine.shift[level]),
        1.05 * height,
        spine.tilt[level],
    )
    u = u - np.float32(spine.shift[level])
    across = np.abs(u)
    density = np.zeros_like(u)

    radius = np.hypot((across - pedicle_u) / pedicle_a, (v - pedicle_v) / pedicle_b)
    ring = (radius - 1) * pedicle_a
    density += (0.30 + 0.05 * jitter[2]) * np.exp(-((ring / 1.25) ** 2)) - 0.05 * step(-ring, 2)
    # Outside the ring the bone is thicker where pedicle, facets and pars meet.
    density += 0.16 * np.exp(-((ring / 3.5) ** 2)) * step(ring, 2.5)

    # The pars runs down from the pedicle to the lower articular process, towards the midline.
    fraction = np.clip((v - pedicle_v) / (0.95 * height), 0, 1)
    pars = pedicle_u - (2.2 - 0.4 * lumbar) * fraction
    length = step(v - pedicle_v, 5) * step(0.84 * height - v, 4)
    pars_half_width = 4.2 - 1.0 * np.abs(2 * fraction - 0.9)
    beside = pars_half_width - np.abs(across - pars)
    density += length * (0.20 * step(beside, 1.6) + 0.17 * np.exp(-((beside / 1.1) ** 2)))

    # The upper articular process reaches up past the disc, outside the one it meets.
    reach = step(v + 0.86 * height, 3) * step(-0.28 * height - v, 5)
    upper = 2.6 - np.abs(across - (pedicle_u + 0.9))
    density += reach * 0.22 * step(upper, 2.0)

    # Laminae roof the canal over the lower half; the gap above them stays dark.
    roof = 0.02 * height + 0.016 * across**2 + 0.8 * jitter[3]
    floor = 0.50 * height + 0.012 * across**2
    lamina = step(v - roof, 2.0) * step(floor - v, 3.0) * step(pedicle_u - across, 2.0)
    density += (0.20 + 0.03 * jitter[4]) * lamina
    # Joint capsules and the rest of the arch veil the disc space between the two columns.
    veil = step(v - 0.42 * height, 3) * step(0.95 * height - v, 4)
    density += 0.13 * veil * step(pedicle_u + 5 - across, 8)
    # No vertebra is quite alike on both sides.
    canvas[rows, columns] += density * (1 + 0.09 * jitter[7] * np.clip(u / half_width, -1, 1))


def _draw_spinous_process(canvas, axes, spine, level, jitter):
    height = spine.height[level]
    top, bottom = 0.16 * height, (0.96 + 0.05 * jitter[0]) * height
    middle, reach = (top + bottom) / 2, (bottom - top) / 2
    tilt = spine.tilt[level]
    centre = spine.centre[level] + middle * np.array([np.sin(tilt), np.cos(tilt)])
    # The tip trails further into the hollow of the curve than the arch does.
    skew = 0.9 * jitter[5] + 0.35 * spine.shift[level]
    half_width = 8 + abs(spine.shift[level]) + abs(skew)
    rows, columns, u, v = window(axes, centre, half_width, reach + 2, tilt)
    fraction = np.clip((v + reach) / (2 * reach), 0, 1)
    spread = (1.3 + 2.1 * fraction) * (1 + 0.12 * jitter[6])
    across = np.abs(u - np.float32(spine.shift[level]) - skew * fraction)
    wall = np.exp(-(((across - spread) / 0.95) ** 2))
    inside = step(spread - across, 1.2)
    length = step(v + reach, 2.0) * step(reach - 0.5 * across - v, 1.5)
    canvas[rows, columns] += length * (1 + 0.12 * jitter[1]) * (0.54 * wall + 0.32 * inside)


def _draw_transverse_processes(canvas, axes, spine, level, jitter):
    height = spine.height[level]
    reach = _TRANSVERSE_REACH[level] * spine.size[1] * (1 + 0.05 * jitter[7])
    rows, columns, u, v = window(
        axes, spine.centre[level], reach + 3, 0.6 * height, spine.tilt[level]
    )
    across = np.abs(u)
    waist = body_half_width(spine, level, np.float32(0)).item()
    out = np.clip((across - waist) / (reach - waist), 0, 1)
    # L4's points up, the others slightly down or straight out.
    slope = -5.0 if LEVELS[level] == "L4" else 1.0
    axis = -0.10 * height + slope * out
    thick = (0.26 - 0.06 * out + (0.08 if level == L5 else 0.0)) * height
    shape = step(thick - np.abs(v - axis), 1.8) * step(reach - across, 2.0)
    # Hidden behind the body, where it has become the pedicle.
    outside = step(across - waist + 2.0, 3.0)
    canvas[rows, columns] += (0.115 + 0.015 * (level == L5)) * shape * outside


def render_surroundings(spine, n_rows, rng):
    """Draw ribs, iliac crests and the wings of the sacrum on the pixel grid."""
    axes = grid(n_rows, 1)
    canvas = np.zeros((n_rows, N_COLUMNS), np.float32)
    for level in (L1 - 2, L1 - 1):
        for side in (-1, 1):
            _draw_rib(canvas, axes, spine, level, side, rng)
    for side in (-1, 1):
        _draw_crest(canvas, axes, spine, side, rng)
        _draw_sacral_wing(canvas, axes, spine, side)
    return canvas


def _draw_rib(canvas, axes, spine, level, side, rng):
    y, x = axes
    root_x = spine.centre[level, 0] + side * (spine.upper[level] - 3)
    root_y = spine.centre[level, 1] - 0.12 * spine.height[level]
    slope = rng.normal(0.75 if LEVELS[level] == "T12" else 0.85, 0.12)
    bend = rng.normal(0.0045, 0.0015)
    # The eleventh rib leaves the scan; the twelfth may end inside it.
    length = rng.normal(72, 18) if LEVELS[level] == "T12" else 140.0
    radius = 4.6 * spine.size[0] * (1 + 0.1 * rng.normal())
    out = side * (x - np.float32(root_x))
    path = root_y + slope * out + bend * out**2
    steepness = slope + 2 * bend * np.maximum(out, 0)
    last = np.clip(length, 30, None)
    rows = slice(
        *np.searchsorted(
            y[:, 0], [root_y - 12, root_y + slope * last + max(bend, 0) * last**2 + 12]
        )
    )
    columns = slice(*np.searchsorted(x[0], sorted([root_x, root_x + side * (last + 4)])))
    path, steepness, out = path[:, columns], steepness[:, columns], out[:, columns]
    away = np.abs(y[rows] - path) / np.sqrt(1 + steepness**2)
    taper = radius * (1 - 0.25 * np.clip(out / last, 0, 1))
    outer = np.sqrt(np.clip(1 - (away / taper) ** 2, 0, 1))
    core = np.sqrt(np.clip(1 - (away / (0.72 * taper)) ** 2, 0, 1))
    visible = step(last - out, 6) * step(out, 4)
    canvas[rows, columns] += visible * rng.uniform(0.7, 1.1) * (0.40 * outer - 0.20 * core)


def _draw_crest(canvas, axes, spine, side, rng):
    y, x = axes
    # The crests top out at the L4-L5 disc, the line of Tuffier.
    top = (spine.centre[L5 - 1, 1] + spine.centre[L5, 1]) / 2 + rng.normal(-7, 6)
    middle = spine.centre[L5, 0] + side * 86 * spine.size[1] * (1 + 0.03 * rng.normal())
    half_width, half_height = 50 * spine.size[1], 75 * spine.size[0]
    first = np.searchsorted(y[:, 0], top - 2)
    dx, dy = (x - np.float32(middle)) / half_width, (y[first:] - top) / half_height - 1
    radius = np.sqrt(dx**2 + dy**2)
    depth = (1 - radius) * half_height
    blade = step(depth, 2.5) * (0.19 + 0.20 * np.clip(depth / 30, 0, 1))
    lip = 0.07 * np.exp(-(((depth - 2.5) / 2.2) ** 2))
    canvas[first:] += blade + lip


def _draw_sacral_wing(canvas, axes, spine, side):
    y, x = axes
    sacrum = LEVELS.index("S1")
    top = spine.centre[sacrum, 1] - spine.height[sacrum] / 2
    first = np.searchsorted(y[:, 0], top - 4)
    out = side * (x - np.float32(spine.centre[sacrum, 0]))
    inner, outer = spine.upper[sacrum] - 4, 56 * spine.size[1]
    upper_edge = top + 2 + 0.25 * np.clip(out - inner, 0, None)
    shape = step(y[first:] - upper_edge, 2.5) * step(out - inner, 4) * step(outer - out, 4)
    canvas[first:] += 0.34 * shape


def scale_to_bmd(relative, regions, spine, bmd):
    """Scale relative density along the spine so that L1 to L4 have the mean BMD asked for.

    Parameters
    ----------
    relative : ndarray of shape (n_fine_rows, 300)
    regions : list of Region
    spine : Spine
    bmd : array-like of shape (4,)
        Mean areal density over the bodies of L1 to L4, g/cm2.

    Returns
    -------
    ndarray of shape (n_fine_rows,)
        Factor of each row: level over a body, straight over the disc between two.
    """
    y = grid(relative.shape[0] // _ROWS_PER_PIXEL)[0][:, 0]
    lumbar = range(L1, L1 + 4)
    knots = np.concatenate(
        [spine.centre[i, 1] + np.array([-0.5, 0.5]) * spine.height[i] for i in lumbar]
    )
    hats = np.stack([np.interp(y, knots, np.repeat(np.eye(4)[i], 2)) for i in range(4)])
    mixing = np.empty((4, 4))
    for row, level in enumerate(lumbar):
        region = regions[level]
        profile = (relative[region.rows, region.columns] * region.cover).sum(axis=1)
        mixing[row] = hats[:, region.rows] @ profile / region.cover.sum()
    return (np.linalg.solve(mixing, bmd) @ hats).astype(np.float32)


def region_mean(density, region):
    """Mean of a density over a vertebra's body."""
    return (density[region.rows, region.columns] * region.cover).sum() / region.cover.sum()
