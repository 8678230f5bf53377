"""The bones in anteroposterior projection: relative areal density, about 1 over a body.

Every part is drawn in the coordinates of its vertebra: u mm to the last columns and v mm
downwards from the body's centre. `scale_to_bmd` turns relative density into g/cm2.
"""

import numpy as np

from ._anatomy import L1, L5, LEVELS, LUMBAR, S1, T12
from ._grid import Region, body_half_width, ridge, step, window

# Half height, mm, of the ellipse that each endplate projects to: lordosis tilts the lowest ones.
_ENDPLATE_OPENING = np.array([1.2, 0.8, 0.5, 0.4, 0.5, 0.6, 1.0, 1.8, 3.4, 5.0])
# Tip of the transverse process from the midline: longest at L3 (Gray's Anatomy).
_TRANSVERSE_REACH = np.array([0.0, 0.0, 0.0, 0.0, 35.0, 40.0, 44.0, 42.0, 43.0, 0.0])
# Random variations of each vertebra: how many numbers, and how many per side.
_MARKS, _SIDE_MARKS = 8, 6

# Relative densities. They follow a GE Lunar scan of a healthy spine: flaring corners of the
# body a half, the window between the laminae a little more, laminae one, the column of
# pedicle, pars and facets one and a half, the spinous process near two.
_BODY_EDGE, _BODY_DEPTH, _SHELL, _ENDPLATE = 0.40, 0.42, 0.09, 0.31
_PEDICLE, _PARS, _LAMINA, _VEIL, _FACET = 0.57, 0.36, 0.30, 0.40, 0.42
_SPINOUS_WALL, _SPINOUS_CORE = 0.80, 0.56
_TRANSVERSE = 0.14
_RIB, _CREST, _ALA = 0.36, 0.30, 0.45

# Patients differ in the density of their arches relative to the bodies, and of ribs and pelvis
# relative to the spine: SD of the logarithm.
_ARCH_SD, _AROUND_SD = 0.16, 0.30
# Ribs leave the scan or end in it; the length of the twelfth varies most.
_RIB_LENGTH_MM = {"T11": (150.0, 10.0), "T12": (75.0, 25.0)}
_RIB_SLOPE = {"T11": (0.55, 0.08), "T12": (0.78, 0.12)}


def render_spine(spine, grid, rng, *, missing_arch=None):
    """Draw the vertebrae: their relative density on the fine grid, and one `Region` per level.

    `missing_arch`, bool (n_levels,), marks levels without laminae and spinous process.
    """
    canvas = np.zeros(grid.shape, np.float32)
    marks = np.clip(rng.normal(size=(len(LEVELS), _MARKS)), -2.5, 2.5).astype(np.float32)
    # The two sides of a vertebra are similar, but not identical.
    sides = rng.normal(size=(len(LEVELS), 1, _SIDE_MARKS)) * 0.7
    sides = sides + rng.normal(size=(len(LEVELS), 2, _SIDE_MARKS)) * 0.7
    sides = np.clip(sides, -2.5, 2.5).astype(np.float32)
    if missing_arch is None:
        missing_arch = np.zeros(len(LEVELS), bool)
    # Some people have stout arches and processes with slender bodies, and vice versa.
    frame, process = np.exp(_ARCH_SD * rng.standard_normal(2)).astype(np.float32)
    arches = np.zeros(grid.shape, np.float32)
    regions = []
    for level in range(len(LEVELS)):
        if not _in_sight(spine, level, grid):
            regions.append(Region(slice(0, 0), slice(0, 0), np.zeros((0, 0), np.float32)))
            continue
        regions.append(_draw_body(canvas, grid, spine, level, marks[level]))
        for side in (0, 1):
            _draw_half_arch(arches, grid, spine, level, side, sides[level, side])
        if not missing_arch[level]:
            _draw_laminae(canvas, grid, spine, level, marks[level])
            _draw_spinous_process(canvas, grid, spine, level, marks[level], process)
        if _TRANSVERSE_REACH[level]:
            for side in (0, 1):
                _draw_transverse_process(canvas, grid, spine, level, side, sides[level, side])
    canvas += frame * arches
    return canvas, regions


def _in_sight(spine, level, grid):
    """Return whether part of a vertebra may be on the scan: processes reach past the next disc."""
    y, reach = spine.centre[level, 1], 2.0 * spine.height[level]
    return -reach < y < grid.y[-1, 0] + reach


def pedicle_distance(spine, level):
    """Return the distance of the pedicles from the midline, mm, which grows towards L5."""
    half_width = (spine.upper[level] + spine.lower[level]) / 2
    return half_width * (0.60 + 0.035 * np.clip(level - L1, -1, 4))


def _draw_body(canvas, grid, spine, level, marks):
    height = spine.height[level]
    widest = max(spine.upper[level], spine.lower[level])
    opening = _ENDPLATE_OPENING[level] * (1 + 0.3 * marks[0])
    rows, columns, u, v = window(
        grid, spine.centre[level], widest + 3, height / 2 + 3 + abs(opening), spine.tilt[level]
    )
    half_width = body_half_width(spine, level, v)
    off_axis = np.minimum((u / half_width) ** 2, 1)
    # Endplates are concave by about a millimetre and a half.
    hollow = (1.3 + 0.5 * marks[1]) * (1 - off_axis)
    edge = height / 2 - np.abs(v)
    inside = half_width - np.abs(u)
    within = step(edge)
    cover = step(inside) * step(edge - hollow * 0.5)
    chord = np.sqrt(1 - off_axis)
    density = cover * (_BODY_EDGE + _BODY_DEPTH * chord)
    # Cortical shell seen edge on.
    density += (_SHELL * (1 + 0.3 * marks[2])) * ridge(inside - 1.2, 1.1) * within
    # Each endplate is a thin disc that lordosis opens into an ellipse of the same mineral.
    upper = v < 0
    thickness = 0.6 + np.where(upper, 0.7, 1.1) * abs(opening) * chord
    plate = step(thickness - np.abs(edge - hollow * 0.8 - 0.5))
    # The rim of the lower endplate hangs down at its corners.
    strength = _ENDPLATE * np.where(upper, 0.75 + 0.2 * marks[3], 1.0 + 0.2 * marks[4])
    density += plate * step(inside + 0.6) * strength / np.sqrt(0.5 + thickness)
    # Bone is denser towards both endplates than in the waist, and never uniform.
    density *= 0.92 + 0.45 * (v / height) ** 2 + 0.06 * marks[5] * u / half_width
    canvas[rows, columns] += density
    return Region(rows, columns, cover)


def _draw_half_arch(canvas, grid, spine, level, side, marks):
    """Draw one side's pedicle, pars and articular processes: a bright, crooked column."""
    height = spine.height[level]
    sign = (-1, 1)[side]
    lumbar = np.clip(level - L1, 0, 4)
    shift = spine.arch_shift[level]
    # A rotated vertebra brings one pedicle towards the midline, the other to the edge.
    pedicle_u = pedicle_distance(spine, level) * (1 + 0.03 * marks[0])
    pedicle_v = (-0.13 + 0.03 * marks[1]) * height
    narrow = 1 - 0.02 * np.clip(sign * shift, -6, 6)
    a = (3.1 + 0.45 * lumbar) * narrow * (1 + 0.08 * marks[2])
    b = 6.6 - 0.35 * lumbar
    tilt = spine.tilt[level]
    middle = spine.centre[level] + spine.axis[level] * 0.10 * height
    middle = middle + spine.across[level] * (sign * pedicle_u + shift)
    rows, columns, u, v = window(grid, middle, 13, 1.05 * height, tilt)
    # Outwards from the pedicle's centre; downwards from the body's.
    out, v = sign * u, v + np.float32(0.10 * height)

    ring = (np.hypot(out / a, (v - pedicle_v) / b) - 1) * a
    medial = np.where(out < 0, 1.2, 0.75)
    density = _PEDICLE * (1 + 0.12 * marks[3]) * medial * ridge(ring, 1.5)
    density += 0.10 * step(-ring, 2)
    # The bone around the ring is thick where pedicle, facets and pars meet.
    density += 0.16 * ridge(ring, 3.8) * step(ring, 2.5)

    # The pars runs down from the pedicle towards the midline, and below the body out again to
    # the joint with the next vertebra.
    down = np.clip((v - 0.02 * height) / (0.48 * height), 0, 1)
    further = np.clip((v - 0.5 * height) / (0.45 * height), 0, 1)
    bend = down * down * (3 - 2 * down)
    inwards = (0.42 - 0.06 * lumbar + 0.03 * marks[4]) * pedicle_u
    path = -inwards * bend + 0.55 * inwards * further
    half = 5.2 + 0.25 * lumbar - 1.2 * further
    beside = half - np.abs(out - path)
    length = step(v - pedicle_v, 6) * step((0.93 + 0.04 * marks[5]) * height - v, 5)
    wall = np.where(out > path, 0.9, 0.45)
    density += length * _PARS * (0.62 * step(beside, 3.4) + wall * 0.6 * ridge(beside - 0.8, 1.3))

    # The upper articular process reaches past the disc, lateral to the process it meets.
    reach = step(v + (0.80 + 0.04 * marks[5]) * height, 4) * step(-0.16 * height - v, 6)
    process = 3.6 - np.abs(out - 0.8 + 0.10 * (v + 0.5 * height))
    density += reach * _FACET * (0.6 * step(process, 2.6) + 0.4 * ridge(process - 1, 1.4))
    joint = np.hypot(out + 0.4, 0.55 * (v + 0.48 * height))
    density += 0.35 * _FACET * (1 + 0.3 * marks[2]) * ridge(joint, 3.6)
    canvas[rows, columns] += density


def _draw_laminae(canvas, grid, spine, level, marks):
    """Draw the roof of the canal over the lower half of a body and the disc, below a dark gap."""
    height = spine.height[level]
    width = pedicle_distance(spine, level)
    rows, columns, u, v = window(
        grid, spine.centre[level], width + 5 + abs(spine.arch_shift[level]), 1.1 * height,
        spine.tilt[level],
    )  # fmt: skip
    across = np.abs(u - np.float32(spine.arch_shift[level]))
    arched = (across / width) ** 2
    roof = (0.06 + 0.03 * marks[3] - 0.10 * arched) * height
    floor = (0.60 + 0.05 * marks[4] + 0.10 * arched) * height
    lamina = step(v - roof, 2.2) * step(floor - v, 5.0) * step(0.92 * width - across, 4.0)
    density = (_LAMINA * (1 + 0.1 * marks[5])) * lamina
    density += 0.12 * ridge(v - roof - 1.0, 1.4) * step(0.6 * width - across, 3.0)
    # Articular processes and the rest of the arch overlie the disc space.
    veil = step(v - 0.45 * height, 4) * step((1.06 + 0.05 * marks[6]) * height - v, 7)
    density += _VEIL * veil * step(0.76 * width - across, 6)
    canvas[rows, columns] += density


def _draw_spinous_process(canvas, grid, spine, level, marks, stoutness):
    height = spine.height[level]
    top = (0.06 + 0.03 * marks[1]) * height
    bottom = (1.04 + 0.06 * marks[0]) * height
    middle, reach = (top + bottom) / 2, (bottom - top) / 2
    tilt = spine.tilt[level]
    centre = spine.centre[level] + middle * spine.axis[level]
    arch, tip = spine.arch_shift[level], spine.tip_shift[level] + 1.1 * marks[5]
    half_width = 9 + max(abs(arch), abs(tip))
    rows, columns, u, v = window(grid, centre, half_width, reach + 3, tilt)
    fraction = np.clip((v + reach) / (2 * reach), 0, 1)
    spread = (1.7 + 2.2 * fraction) * (1 + 0.13 * marks[6])
    across = np.abs(u - np.float32(arch) - np.float32(tip - arch) * fraction)
    wall = ridge(across - spread, 1.2)
    inside = step(spread - across, 1.4)
    # A cap at the top, an open or knobby end at the bottom.
    cap = ridge(np.hypot(across, v + reach - 1.5), 2.6)
    knob = ridge(np.hypot(across, 0.8 * (v - reach + 3.0)), 3.6) * np.clip(0.25 * marks[7], 0, 0.4)
    length = step(v + reach - 0.35 * across**2, 2.0) * step(reach - 0.4 * across - v, 2.5)
    fade = 1 - 0.35 * fraction * np.clip(0.5 + 0.5 * marks[2], 0, 1)
    density = fade * (_SPINOUS_WALL * wall + _SPINOUS_CORE * inside) + 0.35 * cap + knob
    canvas[rows, columns] += (length * (1 + 0.12 * marks[1]) * stoutness) * density


def _draw_transverse_process(canvas, grid, spine, level, side, marks):
    height = spine.height[level]
    sign = (-1, 1)[side]
    reach = _TRANSVERSE_REACH[level] * spine.size[1] * (1 + 0.07 * marks[0])
    waist = 0.80 * (spine.upper[level] + spine.lower[level]) / 2
    tilt, middle = spine.tilt[level], (waist + reach) / 2
    centre = spine.centre[level] + sign * middle * spine.across[level]
    rows, columns, u, v = window(grid, centre, (reach - waist) / 2 + 4, 0.65 * height, tilt)
    across = sign * u + np.float32(middle)
    out = np.clip((across - waist) / (reach - waist), 0, 1)
    # L4's points up, the others slightly down or straight out.
    slope = (-5.0 if LEVELS[level] == "L4" else 1.5) + 2.0 * marks[1]
    axis = -0.08 * height + slope * out + (1.0 * marks[2]) * np.sin(3 * out)
    thick = (0.25 - 0.09 * out + (0.08 if level == L5 else 0.0)) * height * (1 + 0.1 * marks[3])
    edge = thick - np.abs(v - axis)
    shape = step(edge, 3.5) * step(reach - across, 7.0)
    # Nothing is drawn over the body, where the process joins the pedicle.
    shape *= step(across - waist + 2.0, 3.0)
    strength = _TRANSVERSE * (1 + 0.25 * marks[4]) * (1.25 if level == L5 else 1.0)
    canvas[rows, columns] += strength * shape * (1.0 + 0.15 * ridge(edge - 1.2, 1.6) - 0.35 * out)


def render_surroundings(spine, grid, rng):
    """Draw ribs, iliac crests and the wings of the sacrum."""
    canvas = np.zeros(grid.shape, np.float32)
    for level in (T12 - 1, T12):
        for side in (-1, 1):
            _draw_rib(canvas, grid, spine, level, side, rng)
    height = rng.normal(-9, 5)
    for side in (-1, 1):
        _draw_crest(canvas, grid, spine, side, height, rng)
        _draw_sacral_wing(canvas, grid, spine, side)
    return canvas * np.float32(np.exp(_AROUND_SD * rng.standard_normal()))


def _draw_rib(canvas, grid, spine, level, side, rng):
    root_x = spine.centre[level, 0] + side * (spine.upper[level] - 2)
    root_y = spine.centre[level, 1] - 0.05 * spine.height[level]
    slope = rng.normal(*_RIB_SLOPE[LEVELS[level]])
    bend = rng.normal(0.0005, 0.0012)
    last = np.clip(rng.normal(*_RIB_LENGTH_MM[LEVELS[level]]), 25, None)
    radius = 4.4 * spine.size[0] * (1 + 0.12 * rng.normal())
    strength = _RIB * rng.uniform(0.75, 1.15)
    lowest = root_y + slope * last + max(bend, 0) * last**2 + 12
    rows = slice(*np.searchsorted(grid.y[:, 0], [root_y - 12, lowest]))
    columns = slice(*np.searchsorted(grid.x[0], sorted([root_x, root_x + side * (last + 4)])))
    x = grid.x[:, columns] + grid.wander[0][rows, columns]
    y = grid.y[rows] + 1.2 * grid.wander[1][rows, columns]
    out = side * (x - np.float32(root_x))
    steepness = slope + 2 * bend * np.maximum(out, 0)
    away = np.abs(y - root_y - slope * out - bend * out**2) / np.sqrt(1 + steepness**2)
    taper = radius * (1 - 0.2 * np.clip(out / last, 0, 1))
    outer = np.sqrt(np.clip(1 - (away / taper) ** 2, 0, 1))
    core = np.sqrt(np.clip(1 - (away / (0.7 * taper)) ** 2, 0, 1))
    visible = step(last - out, 8) * step(out, 5)
    canvas[rows, columns] += visible * strength * (1.0 * outer - 0.45 * core)


def _draw_crest(canvas, grid, spine, side, height, rng):
    """Draw an iliac crest, whose top lies about the L4-L5 disc, the line of Tuffier."""
    top = (spine.centre[L5 - 1, 1] + spine.centre[L5, 1]) / 2 + height + rng.normal(0, 2)
    middle = spine.centre[L5, 0] + side * 88 * spine.size[1] * (1 + 0.04 * rng.normal())
    half_width, half_height = 42 * spine.size[1], 46 * spine.size[0]
    first = np.searchsorted(grid.y[:, 0], top - 2)
    x = grid.x + 2 * grid.wander[0][first:]
    y = grid.y[first:] + 2 * grid.wander[1][first:]
    dx, dy = (x - np.float32(middle)) / half_width, (y - top) / half_height - 1
    # Below its top the wing opens downwards.
    depth = (1 - np.sqrt(dx**2 + np.minimum(dy, 0) ** 2)) * half_height
    blade = step(depth, 3) * (_CREST + 0.008 * np.clip(depth, 0, 25))
    lip = 0.09 * ridge(depth - 2.5, 2.2)
    canvas[first:] += (blade + lip) * (1 + 0.1 * rng.normal())


def _draw_sacral_wing(canvas, grid, spine, side):
    top = spine.centre[S1, 1] - spine.height[S1] / 2
    first = np.searchsorted(grid.y[:, 0], top - 4)
    out = side * (grid.x - np.float32(spine.centre[S1, 0])) + grid.wander[0][first:]
    inner, outer = spine.upper[S1] - 4, 50 * spine.size[1]
    upper_edge = top + 2 + 0.30 * np.clip(out - inner, 0, None)
    y = grid.y[first:] + 2 * grid.wander[1][first:]
    shape = step(y - upper_edge, 3.0) * step(out - inner, 4) * step(outer - out, 5)
    canvas[first:] += _ALA * shape


def scale_to_bmd(relative, regions, spine, grid, bmd):
    """Compute the factors that scale relative density to the given mean BMD of L1 to L4.

    Parameters
    ----------
    relative : ndarray of shape (n_fine_rows, 300)
        Relative density on the fine grid.
    regions : list of Region
        The bodies, one region per level.
    spine : Spine
        The vertebrae.
    grid : Grid
        The fine grid.
    bmd : array-like of shape (4,)
        Mean areal density over the bodies of L1 to L4, g/cm2.

    Returns
    -------
    ndarray of shape (n_fine_rows,)
        Factor of each row: constant over a body, linear over a disc.
    """
    y = grid.y[:, 0]
    lumbar = range(LUMBAR.start, LUMBAR.stop)
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
