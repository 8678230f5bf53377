"""What makes a measurement unreliable: degeneration, fractures, cement, metal, artefacts.

A vertebra's degeneration has a grade: 0 none, below 1 slight, from 1 on what a
radiologist calls affected, 3 gross.
"""

from typing import NamedTuple

import numpy as np

from ._anatomy import (
    L1,
    L5,
    LEVELS,
    N_COLUMNS,
    body_half_width,
    grid,
    region_mean,
    step,
    window,
)

AFFECTED_GRADE = 1.0
# Degeneration raises the BMD of a vertebra by a tenth or more (Rand et al. 1997: osteophytes
# and sclerosis of the endplates, up to 14 %).
BMD_PER_GRADE = 0.05
# A crushed body keeps most of its mineral on a smaller area.
_FRACTURE_KEEPS = 0.6
# Added areal density, averaged over a body, in g/cm2. Titanium of a 5.5 mm rod counts as
# several g/cm2 of mineral; the detector saturates before.
CEMENT_GAIN, ROD_GAIN, BUTTON_GAIN = 0.22, 1.1, 0.06
_CLIP_DENSITY = 0.9
# Brightest that one scaled lesion may become, g/cm2.
_LARGEST_DENSITY = 4.0
# A pixel belongs to a lesion where it adds more than this: twice the noise.
_VISIBLE = 0.08


class Pathology(NamedTuple):
    """What is wrong with one spine, one entry a level of `LEVELS`."""

    grade: np.ndarray  # (n_levels,): of degeneration
    collapse: np.ndarray  # (n_levels,): share of the body's height lost to a fracture
    cement: np.ndarray  # (n_levels,): bool
    rods: np.ndarray  # (n_levels,): bool
    button: np.ndarray  # (n_levels,): bool, a button or the like on the skin
    clips: bool  # surgical clips beside the spine


def affected(pathology):
    """Which levels a BMD should not be read from: bool (n_levels,)."""
    return (pathology.grade >= AFFECTED_GRADE) | structural(pathology)


def structural(pathology):
    """Which levels have something that no reader misses: bool (n_levels,)."""
    return (pathology.collapse > 0) | pathology.cement | pathology.rods | pathology.button


def bmd_gain(pathology, bmd):
    """Areal density that pathology adds to each level's true BMD, g/cm2: shape (..., n_levels)."""
    return (
        BMD_PER_GRADE * pathology.grade
        + fracture_gain(pathology.collapse, bmd)
        + CEMENT_GAIN * pathology.cement
        + ROD_GAIN * pathology.rods
        + BUTTON_GAIN * pathology.button
    )


def fracture_gain(collapse, bmd):
    """Density that a collapsed body gains because its mineral lies on less area."""
    return bmd * _FRACTURE_KEEPS * collapse / (1 - collapse)


def disc_loss(grade):
    """Share of each disc that degeneration of the two bodies beside it has taken: (n_levels,)."""
    pair = np.maximum(grade, np.append(grade[1:], grade[-1]))
    return np.clip(0.18 * pair, 0, 0.65)


def render_pathology(spine, regions, n_rows, pathology, rng):
    """Draw all lesions.

    Returns
    -------
    density : ndarray of shape (2 * n_rows, 300), float32
        Added mineral in g/cm2, on the fine grid. A lesion's mean over its vertebra's body
        is its share of `bmd_gain`.
    """
    axes = grid(n_rows)
    total = np.zeros((axes[0].size, N_COLUMNS), np.float32)
    for level in range(L1 - 1, L5 + 1):
        region = regions[level]
        if not region.cover.any():
            continue
        if pathology.grade[level] > 0:
            total += _degeneration(total.shape, axes, spine, level, region, pathology, rng)
        if pathology.cement[level]:
            total += _scaled(_cement(total.shape, axes, spine, level, rng), region, CEMENT_GAIN)
        if pathology.button[level]:
            total += _scaled(_button(total.shape, axes, spine, level, rng), region, BUTTON_GAIN)
    if pathology.rods.any():
        total += _rods(axes, spine, pathology.rods, regions)
    if pathology.clips:
        total += _clips(total.shape, axes, spine, rng)
    return total


def lesion_mask(added, regions, pathology, pool):
    """Where lesions show: bool (n_rows, 300); a fractured body counts as a whole."""
    mask = pool(added) > _VISIBLE
    for level in np.flatnonzero(pathology.collapse):
        region = regions[level]
        body = np.zeros_like(added)
        body[region.rows, region.columns] = region.cover
        mask |= pool(body) > 0.5
    return mask


def _scaled(density, region, mean):
    """Scale a lesion so that it adds `mean` to the body's BMD."""
    # A body that the scan cuts off may show little of its lesion: no factor without limit.
    own = max(region_mean(density, region), mean / _LARGEST_DENSITY)
    return density * np.float32(mean / own)


def _degeneration(shape, axes, spine, level, region, pathology, rng):
    """Draw osteophytes at the corners, dense endplates and facet joints."""
    grade = pathology.grade[level]
    height = spine.height[level]
    widest = max(spine.upper[level], spine.lower[level])
    rows, columns, u, v = window(
        axes, spine.centre[level], widest + 4 + 4 * grade, height / 2 + 7, spine.tilt[level]
    )
    osteophytes = np.zeros_like(u)
    for end, half_width in ((-1, spine.upper[level]), (1, spine.lower[level])):
        for side in (-1, 1):
            present = rng.uniform() < 0.4 + 0.35 * grade
            size = 1.9 * grade * np.exp(rng.normal(0, 0.25)) * present
            if size < 0.5:
                continue
            # A beak: it leaves the corner sideways and bends over the disc.
            du = (side * u - (half_width + 0.3 * size)) / (size + 1.2)
            dv = (end * v - (height / 2 + 0.12 * size * np.clip(du, 0, 1))) / (0.55 * size + 0.9)
            osteophytes += (0.26 + 0.10 * grade) * step(1 - np.hypot(du, dv), 0.7)

    half_width = body_half_width(spine, level, v)
    across = u / half_width
    lean, top_share = rng.normal(0, 0.4), rng.uniform(0.3, 0.7)
    bands = np.zeros_like(u)
    for end, share in ((-1, top_share), (1, 1 - top_share)):
        depth = height / 2 - end * v
        bands += share * np.exp(-(((depth - 1.5) / 2.4) ** 2))
    bands *= np.clip(1 + lean * across, 0.2, 2) * step(half_width - np.abs(u))
    joints = np.zeros_like(u)
    for side in (-1, 1):
        away = np.hypot((u - spine.shift[level]) * side - 0.52 * widest, 0.6 * (v - 0.42 * height))
        joints += rng.uniform(0.2, 0.7) * np.exp(-((away / 3.6) ** 2))

    added = np.zeros(shape, np.float32)
    added[rows, columns] = osteophytes
    inside = region_mean(added, region)
    rest = np.zeros(shape, np.float32)
    rest[rows, columns] = bands + joints
    return added + _scaled(rest, region, max(BMD_PER_GRADE * grade - inside, 0))


def _cement(shape, axes, spine, level, rng):
    """Draw a lobed cast of bone cement inside the body."""
    rows, columns, u, v = window(axes, spine.centre[level], 16, 11, spine.tilt[level])
    density = np.zeros_like(u)
    for _ in range(4):
        at = rng.normal(0, [4.5, 2.0])
        away = np.hypot((u - at[0]) / rng.uniform(4, 7), (v - at[1]) / rng.uniform(3.5, 5.5))
        density = np.maximum(density, step(1 - away, 0.3))
    canvas = np.zeros(shape, np.float32)
    canvas[rows, columns] = density
    return canvas


def _button(shape, axes, spine, level, rng):
    """Draw a round button with its rim and four holes over the body."""
    centre = spine.centre[level] + rng.uniform([-9, -5], [9, 5])
    rows, columns, u, v = window(axes, centre, 9, 9, rng.uniform(0, 1.5))
    radius = rng.uniform(5.5, 7.5)
    away = np.hypot(u, v)
    holes = np.hypot(np.abs(u) - 1.6, np.abs(v) - 1.6)
    canvas = np.zeros(shape, np.float32)
    canvas[rows, columns] = (
        step(radius - away) * step(holes - 0.8) * (0.7 + 0.3 * step(away - radius + 1.8))
    )
    return canvas


def _rods(axes, spine, levels, regions):
    """Draw two rods along the pedicles, with a screw at each level."""
    y, x = axes
    density = np.zeros((y.size, x.size), np.float32)
    chosen = np.flatnonzero(levels)
    first = spine.centre[chosen[0], 1] - 0.5 * spine.height[chosen[0]]
    last = spine.centre[chosen[-1], 1] + 0.5 * spine.height[chosen[-1]]
    middle = np.interp(y, spine.curve[:, 1], spine.curve[:, 0]).astype(np.float32)
    extent = step(y - first, 2) * step(last - y, 2)
    for side in (-1, 1):
        offset = side * (x - middle)
        density = np.maximum(density, extent * step(2.75 - np.abs(offset - 15.0)))
        for level in chosen:
            rows, columns, u, v = window(axes, spine.centre[level], 20, 12, spine.tilt[level])
            down = v + 0.14 * spine.height[level]
            shank = step(2.6 - np.abs(down)) * step(side * u - 3) * step(15 - side * u)
            head = step(5.5 - np.hypot(side * u - 15, down))
            piece = np.maximum(shank * (0.8 + 0.2 * np.cos(2.2 * u)), 1.3 * head)
            density[rows, columns] = np.maximum(density[rows, columns], piece)
    # One alloy throughout: scaled to the average over the levels that the rods span.
    own = [region_mean(density, regions[level]) for level in chosen if regions[level].cover.any()]
    return density * np.float32(ROD_GAIN / np.mean(own))


def _clips(shape, axes, spine, rng):
    """Draw three or four clips left in the gall bladder's bed, beside L1 and L2."""
    canvas = np.zeros(shape, np.float32)
    bed = spine.centre[L1 + 1] + rng.uniform([32, -25], [48, 5])
    for _ in range(rng.integers(3, 5)):
        rows, columns, u, v = window(axes, bed + rng.normal(0, 5, 2), 5, 5, rng.uniform(-1.5, 1.5))
        canvas[rows, columns] += _CLIP_DENSITY * step(0.7 - np.abs(u)) * step(2.6 - np.abs(v))
    return canvas


def levels_mask(names):
    """Turn names of levels into a boolean array (n_levels,)."""
    return np.isin(LEVELS, list(names))
