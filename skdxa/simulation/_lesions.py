"""The projection of findings on a scan: added mineral in g/cm2, kind by kind."""

import numpy as np

from . import _pathology
from ._anatomy import L1, L5, N_COLUMNS
from ._bones import pedicle_distance
from ._grid import body_half_width, pool, region_mean, ridge, step, window
from ._pathology import LESION_KINDS

# Density of clips, and of calcium in the aortic wall, g/cm2.
_CLIP_DENSITY, _AORTA_DENSITY = 0.9, 0.34
# Largest density of a scaled lesion, g/cm2.
_LARGEST_DENSITY = 4.0
# A pixel belongs to a lesion where it adds more than this: twice the noise.
_VISIBLE = 0.08
# Length of the longest osteophyte, mm.
_LARGEST_SPUR_MM = 8.0
# Disc narrowing below this grade is not visible.
_NARROW_GRADE = 0.5


class Lesions:
    """The findings drawn on one scan: density and extent of each kind."""

    def __init__(self, grid):
        self._grid = grid
        self.density = {}
        self.extent = {}

    def layer(self, kind):
        """Return the raster of the mineral that one kind adds."""
        return self.density.setdefault(kind, np.zeros(self._grid.shape, np.float32))

    def mark(self, kind, rows, columns, cover):
        """Mark pixels as belonging to a kind, without adding mineral."""
        extent = self.extent.setdefault(kind, np.zeros(self._grid.shape, np.float32))
        extent[rows, columns] = np.maximum(extent[rows, columns], cover)

    def total(self):
        """Return the mineral that all kinds add, on the pixels of the scan."""
        layers = list(self.density.values())
        return pool(sum(layers[1:], layers[0])) if layers else 0.0

    def kinds(self):
        """Return the kinds at each pixel as uint16: bit k for the k-th of `LESION_KINDS`."""
        code = np.zeros((self._grid.shape[0] // 2, N_COLUMNS), np.uint16)
        for bit, kind in enumerate(LESION_KINDS):
            if kind in self.density:
                code |= (pool(self.density[kind]) > _VISIBLE).astype(np.uint16) << np.uint16(bit)
            if kind in self.extent:
                code |= (pool(self.extent[kind]) > 0.5).astype(np.uint16) << np.uint16(bit)
        return code


def render_pathology(spine, regions, grid, pathology, rng):
    """Draw all findings except slips and motion.

    Returns
    -------
    Lesions
        The mean of each finding over its vertebral body is its part of `bmd_gain`.
    """
    lesions = Lesions(grid)
    gain = _pathology.degenerative_gain(pathology)
    for level in range(L1 - 1, L5 + 1):
        region = regions[level]
        if not region.cover.any():
            continue
        if gain[level] > 0:
            _draw_degeneration(lesions, grid, spine, level, region, pathology, gain[level], rng)
        if pathology.disc_narrowing[level] > _NARROW_GRADE:
            _mark_disc(lesions, grid, spine, level)
        if pathology.collapse[level] > 0:
            _draw_fracture(lesions, grid, spine, level, region, rng)
        if pathology.laminectomy[level]:
            _mark_laminectomy(lesions, grid, spine, level)
        for kind, draw, mean in (
            ("cement", _draw_cement, _pathology.CEMENT_GAIN),
            ("button", _draw_button, _pathology.BUTTON_GAIN),
            ("contrast", _draw_contrast, _pathology.CONTRAST_GAIN),
        ):
            if getattr(pathology, kind)[level]:
                drawn = np.zeros(grid.shape, np.float32)
                draw(drawn, grid, spine, level, rng)
                lesions.layer(kind)[:] += drawn * _factor(drawn, [region], mean)
    if pathology.rods.any():
        lesions.layer("rods")[:] = _draw_rods(grid, spine, pathology.rods, regions)
    if pathology.zip.any():
        lesions.layer("zip")[:] = _draw_zip(grid, spine, pathology.zip, regions, rng)
    if pathology.clips:
        _draw_clips(lesions.layer("clips"), grid, spine, rng)
    if pathology.aorta > 0:
        _draw_aorta(lesions.layer("aortic_calcification"), grid, spine, pathology.aorta, rng)
    return lesions


def _factor(drawn, regions, mean):
    """Return the factor by which a lesion adds `mean` to the average BMD of its bodies."""
    drawn_mean = np.mean([region_mean(drawn, region) for region in regions])
    # The scan may cut off most of a lesion, so the factor has a limit.
    return np.float32(mean / max(drawn_mean, mean / _LARGEST_DENSITY))


def _bodies(regions, chosen):
    """Return the regions of the chosen levels that are on the scan."""
    return [regions[level] for level in chosen if regions[level].cover.any()]


def _draw_degeneration(lesions, grid, spine, level, region, pathology, gain, rng):
    """Draw osteophytes at the corners, dense endplates and facet joints."""
    height = spine.height[level]
    widest = max(spine.upper[level], spine.lower[level])
    size = pathology.osteophytes[level]
    rows, columns, u, v = window(
        grid,
        spine.centre[level],
        widest + 5 + 1.3 * _LARGEST_SPUR_MM,
        height / 2 + 4 + 0.8 * _LARGEST_SPUR_MM,
        spine.tilt[level],
    )
    inside = np.zeros(grid.shape, np.float32)
    if size > 0:
        inside[rows, columns] = _draw_osteophytes(spine, level, u, v, size, rng)
        lesions.layer("osteophytes")[rows, columns] += inside[rows, columns]

    rows, columns, u, v = window(
        grid, spine.centre[level], widest + 3, height / 2 + 7, spine.tilt[level]
    )
    half_width = body_half_width(spine, level, v)
    lean, top_share = rng.normal(0, 0.5), rng.uniform(0.25, 0.75)
    bands = np.zeros_like(u)
    for end, share in ((-1, top_share), (1, 1 - top_share)):
        depth = height / 2 - end * v
        bands += share * ridge(depth - 1.5, rng.uniform(1.6, 3.4))
    bands *= np.clip(1 + lean * u / half_width, 0.2, 2) * step(half_width - np.abs(u))
    bands *= np.float32(pathology.sclerosis[level])
    joints = np.zeros_like(u)
    pedicle = pedicle_distance(spine, level)
    for side in (-1, 1):
        out = (u - spine.arch_shift[level]) * side - (0.86 + 0.1 * rng.normal()) * pedicle
        away = np.hypot(out, 0.6 * (v - (0.45 + 0.08 * rng.normal()) * height))
        joints += rng.uniform(0.15, 0.9) * ridge(away, rng.uniform(3.0, 4.6))
    joints *= np.float32(pathology.facet_arthrosis[level])

    # The three parts together add the gain of the level.
    other_parts = np.zeros(grid.shape, np.float32)
    other_parts[rows, columns] = bands + joints
    missing = gain - region_mean(inside, region)
    if missing > 0 and other_parts[rows, columns].any():
        factor = _factor(other_parts, [region], missing)
        lesions.layer("sclerosis")[rows, columns] += bands * factor
        lesions.layer("facet_arthrosis")[rows, columns] += joints * factor


def _draw_osteophytes(spine, level, u, v, grade, rng):
    height = spine.height[level]
    spurs = np.zeros_like(u)
    for end, half_width in ((-1, spine.upper[level]), (1, spine.lower[level])):
        for side in (-1, 1):
            present = rng.uniform() < 0.35 + 0.35 * grade
            size = min(1.7 * grade * np.exp(rng.normal(0, 0.35)), _LARGEST_SPUR_MM) * present
            droop, shape = rng.uniform(-0.05, 0.35), rng.uniform(0.40, 0.75)
            if size < 0.5:
                continue
            # A beak that leaves the corner sideways and bends over the disc.
            du = (side * u - (half_width + 0.25 * size)) / (size + 1.2)
            dv = end * v - (height / 2 + droop * size * np.clip(du, 0, 1))
            away = np.hypot(du, dv / (shape * size + 0.8))
            spurs += (0.20 + 0.07 * grade) * step(1 - away, 0.8)
    return spurs


def _mark_disc(lesions, grid, spine, level):
    gap = spine.disc[level]
    centre = spine.centre[level] + spine.axis[level] * (spine.height[level] + gap) / 2
    rows, columns, u, v = window(grid, centre, spine.lower[level], gap / 2 + 1, spine.tilt[level])
    cover = step(gap / 2 - np.abs(v)) * step(spine.lower[level] - np.abs(u))
    lesions.mark("disc_narrowing", rows, columns, cover)


def _mark_laminectomy(lesions, grid, spine, level):
    height, width = spine.height[level], pedicle_distance(spine, level)
    centre = spine.centre[level] + 0.5 * height * spine.axis[level]
    rows, columns, u, v = window(grid, centre, width, 0.55 * height, spine.tilt[level])
    gap = step(0.5 * height - np.abs(v)) * step(0.7 * width - np.abs(u - spine.arch_shift[level]))
    lesions.mark("laminectomy", rows, columns, gap)


def _draw_fracture(lesions, grid, spine, level, region, rng):
    """Draw the dense band of impacted bone under an endplate, and mark the whole body."""
    lesions.mark("fracture", region.rows, region.columns, region.cover)
    height, half = spine.height[level], spine.upper[level]
    rows, columns, u, v = window(
        grid, spine.centre[level], half + 3, height / 2 + 2, spine.tilt[level]
    )
    dip = rng.uniform(2.0, 5.0) * (1 - np.minimum((u / half) ** 2, 1)) + rng.normal(0, 0.06) * u
    band = ridge(v + height / 2 - 1 - dip, 1.7) * step(half - np.abs(u), 2.0)
    # Bone is moved within the body, not added to it.
    cover = step(height / 2 - np.abs(v)) * step(half - np.abs(u))
    share = (band * cover).sum() / max(cover.sum(), 1.0)
    lesions.layer("fracture")[rows, columns] += np.float32(0.35) * (band * cover - share * cover)


def _draw_cement(canvas, grid, spine, level, rng):
    """Draw a lobed cast of bone cement inside the body."""
    rows, columns, u, v = window(grid, spine.centre[level], 16, 11, spine.tilt[level])
    density = np.zeros_like(u)
    for _ in range(4):
        at = rng.normal(0, [4.5, 2.0])
        away = np.hypot((u - at[0]) / rng.uniform(4, 7), (v - at[1]) / rng.uniform(3.5, 5.5))
        density = np.maximum(density, step(1 - away, 0.3))
    canvas[rows, columns] = density


def _draw_button(canvas, grid, spine, level, rng):
    """Draw a round button with its rim and four holes over the body."""
    centre = spine.centre[level] + rng.uniform([-9, -5], [9, 5])
    rows, columns, u, v = window(grid, centre, 9, 9, rng.uniform(0, 1.5))
    radius = rng.uniform(5.5, 7.5)
    away = np.hypot(u, v)
    holes = np.hypot(np.abs(u) - 1.6, np.abs(v) - 1.6)
    rim = 0.7 + 0.3 * step(away - radius + 1.8)
    canvas[rows, columns] = step(radius - away) * step(holes - 0.8) * rim


def _draw_zip(grid, spine, levels, regions, rng):
    """Draw the interlocking teeth of one metal zip that runs down over the levels."""
    chosen = np.flatnonzero(levels)
    ends = spine.centre[chosen[[0, -1]], 1] + np.array([-0.5, 0.5]) * spine.height[chosen[[0, -1]]]
    x = spine.centre[chosen, 0].mean() + rng.uniform(-6, 6)
    half = (ends[1] - ends[0]) / 2
    rows, columns, u, v = window(grid, (x, ends.mean()), 4, half, rng.normal(0, 0.03))
    teeth = np.sin(2 * np.pi * v / 2.6)
    drawn = np.zeros(grid.shape, np.float32)
    drawn[rows, columns] = np.maximum(
        step(1.9 - np.abs(u + 0.6)) * step(teeth), step(1.9 - np.abs(u - 0.6)) * step(-teeth)
    )
    return drawn * _factor(drawn, _bodies(regions, chosen), _pathology.ZIP_GAIN)


def _draw_contrast(canvas, grid, spine, level, rng):
    """Draw blots of contrast agent in a loop of bowel that crosses the body."""
    centre = spine.centre[level] + rng.uniform([-10, -4], [10, 4])
    rows, columns, u, v = window(grid, centre, 34, 13, rng.normal(0, 0.5))
    density = np.zeros_like(u)
    for at in np.linspace(-26, 26, 7) + rng.normal(0, 3, 7):
        radius = rng.uniform(3.0, 6.0)
        away = np.hypot(u - at, v - rng.normal(0, 2.5))
        density = np.maximum(density, rng.uniform(0.4, 1) * step(1 - away / radius, 0.5))
    canvas[rows, columns] = density


def _draw_rods(grid, spine, levels, regions):
    """Draw two rods along the pedicles, with a screw at each level."""
    density = np.zeros(grid.shape, np.float32)
    chosen = np.flatnonzero(levels)
    first = spine.centre[chosen[0], 1] - 0.5 * spine.height[chosen[0]]
    last = spine.centre[chosen[-1], 1] + 0.5 * spine.height[chosen[-1]]
    middle = np.interp(grid.y, spine.curve[:, 1], spine.curve[:, 0]).astype(np.float32)
    extent = step(grid.y - first, 2) * step(last - grid.y, 2)
    for side in (-1, 1):
        offset = side * (grid.x - middle)
        density = np.maximum(density, extent * step(2.75 - np.abs(offset - 15.0)))
        for level in chosen:
            rows, columns, u, v = window(grid, spine.centre[level], 20, 12, spine.tilt[level])
            down = v + 0.14 * spine.height[level]
            shank = step(2.6 - np.abs(down)) * step(side * u - 3) * step(15 - side * u)
            head = step(5.5 - np.hypot(side * u - 15, down))
            piece = np.maximum(shank * (0.8 + 0.2 * np.cos(2.2 * u)), 1.3 * head)
            density[rows, columns] = np.maximum(density[rows, columns], piece)
    return density * _factor(density, _bodies(regions, chosen), _pathology.ROD_GAIN)


def _draw_clips(canvas, grid, spine, rng):
    """Draw three or four clips left in the gall bladder's bed, beside L1 and L2."""
    bed = spine.centre[L1 + 1] + rng.uniform([32, -25], [48, 5])
    for _ in range(rng.integers(3, 5)):
        rows, columns, u, v = window(grid, bed + rng.normal(0, 5, 2), 5, 5, rng.uniform(-1.5, 1.5))
        canvas[rows, columns] += _CLIP_DENSITY * step(0.7 - np.abs(u)) * step(2.6 - np.abs(v))


def _draw_aorta(canvas, grid, spine, severity, rng):
    """Draw flecks of calcium along both walls of the aorta, from L1 to its bifurcation at L4."""
    axis = np.interp(grid.y[:, 0], spine.curve[:, 1], spine.curve[:, 0])
    top, fork = spine.centre[L1, 1] - 10, spine.centre[L1 + 3, 1] + 5
    shift, radius = -rng.uniform(6, 15), rng.uniform(7.5, 10.5)
    wobble = rng.normal(0, 2.0)
    for _ in range(rng.poisson(4 + 26 * severity)):
        y = fork - (fork - top) * rng.beta(1.0, 1.6)
        bow = wobble * np.sin((y - top) / 25)
        wall = rng.choice([-1, 1]) * radius * rng.uniform(0.93, 1.02)
        at = np.array([np.interp(y, grid.y[:, 0], axis) + shift + bow + wall, y])
        length, thick = rng.uniform(2, 6 + 6 * severity), rng.uniform(0.6, 1.3)
        rows, columns, u, v = window(grid, at, 4, length + 2, rng.normal(0, 0.15))
        fleck = step(length - np.abs(v), 2.0) * ridge(u, thick)
        canvas[rows, columns] += rng.uniform(0.3, 1.0) * _AORTA_DENSITY * fleck
