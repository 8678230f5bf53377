"""The positions of one patient's vertebrae: T9 to S1, curves, rotation and slips.

Lengths are millimetres in the plane of the scan: x grows with the column, y with
the row, the origin is the centre of the first pixel.
"""

from typing import NamedTuple

import numpy as np

SPACING_MM = (1.05, 0.60)
N_COLUMNS = 300
MIN_ROWS, MAX_ROWS = 150, 178

LEVELS = ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
T12, L1, L5, S1 = (LEVELS.index(name) for name in ("T12", "L1", "L5", "S1"))
LUMBAR = slice(L1, L1 + 4)
# The vertebrae between which the Cobb angle is read.
COBB_LEVELS = slice(T12, L5 + 1)

# Mean widths of the upper and lower endplates and mean posterior heights: Panjabi et al.
# 1991 (T9-T12) and 1992 (L1-L5); the sacral endplate continues L5's. Berry et al. 1987
# found lumbar bodies within 2 mm of these.
_UPPER_WIDTH = np.array([30.5, 31.9, 34.9, 39.0, 41.2, 42.6, 44.1, 46.6, 47.3, 49.0])
_LOWER_WIDTH = np.array([33.0, 35.4, 39.1, 42.1, 43.3, 45.5, 48.0, 49.5, 49.4, 44.0])
_HEIGHT = np.array([19.3, 20.2, 21.3, 22.7, 23.8, 24.3, 23.8, 24.1, 22.9, 24.0])
# Gap between one body and the next as an AP scan of a woman in her sixties shows it; with
# the heights above, L1-L4 span 13 cm, the length of a usual L1-L4 region of interest.
_DISC_BELOW = np.array([5.0, 5.0, 5.5, 6.5, 7.5, 8.5, 9.5, 9.5, 8.0, 4.0])
# Variation of the vertebrae about the patient's size: SD as shares of the mean.
_HEIGHT_SD, _DISC_SD, _WIDTH_SD = 0.025, 0.09, 0.02

# A curve: half the length of its main bend, in mm, and the relative strength of a
# compensating bend above or below it.
_HALF_BEND_MM = (34.0, 80.0)
_COUNTER_BEND = (0.0, 0.6)
# Tilt of single vertebrae off the smooth curve, as a share of the Cobb angle.
_TILT_SCATTER = 0.05
# Axial rotation at the apex per degree of Cobb angle; a curve of 30 degrees usually shows a
# rotation of grade I to II (Nash and Moe 1969), which is about 10 degrees.
_ROTATION_PER_DEGREE, _ROTATION_SD = 0.35, 1.0
# Distance from the axis of rotation, in the body, back to the pedicles and to the tip of the
# spinous process.
_PEDICLE_DEPTH_MM, _TIP_DEPTH_MM = 20.0, 48.0
# Length of the spine over which the spine line shifts from a slipped vertebra to the next.
_SLIP_STEP_MM = 2.5


class Spine(NamedTuple):
    """The vertebrae of one patient, one entry per level of `LEVELS`."""

    centre: np.ndarray  # (n_levels, 2): x, y
    tilt: np.ndarray  # (n_levels,): radians from the vertical, of the axis of the body
    rotation: np.ndarray  # (n_levels,): degrees about that axis
    upper: np.ndarray  # (n_levels,): half width of the upper endplate
    lower: np.ndarray
    height: np.ndarray
    disc: np.ndarray  # (n_levels,): gap to the body below
    curve: np.ndarray  # (n, 2): x, y of the line through the bodies
    size: tuple  # factors of height and width

    @property
    def axis(self):
        """Unit vectors (x, y) down the axes of the bodies: (n_levels, 2)."""
        return np.column_stack([np.sin(self.tilt), np.cos(self.tilt)])

    @property
    def across(self):
        """Unit vectors (x, y) across the bodies, to the last columns: (n_levels, 2)."""
        return np.column_stack([np.cos(self.tilt), -np.sin(self.tilt)])

    @property
    def arch_shift(self):
        """Sideways displacement of the pedicles by the rotation, mm: (n_levels,)."""
        return _PEDICLE_DEPTH_MM * np.sin(np.deg2rad(self.rotation))

    @property
    def tip_shift(self):
        """Sideways displacement of the tips of the spinous processes, mm: (n_levels,)."""
        return _TIP_DEPTH_MM * np.sin(np.deg2rad(self.rotation))


class Placement(NamedTuple):
    """The position of a patient on the table for one scan, in mm."""

    below_l5: float  # from the centre of L5 to the last row
    aside: float  # from the middle of the scan to the middle of the spine


def draw_placement(rng):
    """Draw the patient's position: the scan starts at or below L5, the spine near its middle."""
    return Placement(rng.uniform(-3.0, 15.0), float(np.clip(rng.normal(0, 3.5), -9, 9)))


def lay_out_spine(
    rng,
    *,
    cobb_angle,
    convex,
    n_rows,
    placement,
    size=(1.0, 1.0),
    height_loss=None,
    disc_loss=None,
    slip=None,
):
    """Place the vertebrae along a smooth curve with exactly the given Cobb angle.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all draws.
    cobb_angle : float
        Degrees: the largest difference of tilt between two vertebrae of T12 to L5. The two
        endplates of a body are parallel, so that it is also the largest angle between an upper
        and a lower endplate.
    convex : {-1, 1}
        -1: convex to the first columns; 1: to the last.
    n_rows : int
        Rows of the scan, which ends at or below L5.
    placement : Placement
        The position of the patient.
    size : tuple of float
        Factors of the mean heights and widths.
    height_loss, disc_loss : ndarray of shape (n_levels,), optional
        Share of each body's height, and of the disc below it, that is lost.
    slip : ndarray of shape (n_levels,), optional
        Sideways slip of each vertebra on the one below, mm, positive to the last columns.

    Returns
    -------
    Spine
        The vertebrae, in mm on the scan.
    """
    n = len(LEVELS)
    none = np.zeros(n)
    height = _HEIGHT * size[0] * (1 - (none if height_loss is None else height_loss))
    height *= 1 + rng.normal(0, _HEIGHT_SD, n)
    disc = _DISC_BELOW * size[0] * (1 - (none if disc_loss is None else disc_loss))
    disc *= 1 + rng.normal(0, _DISC_SD, n)
    width = size[1] * (1 + rng.normal(0, _WIDTH_SD, n))
    lower_width = width * (1 + rng.normal(0, _WIDTH_SD, n))

    along = _centres(height, disc)
    bend = _draw_bend(rng)
    scatter = rng.normal(0, _TILT_SCATTER, n)
    scatter[0] = scatter[-1] = 0.0
    unscaled = convex * (bend(along) + scatter)
    factor = np.deg2rad(cobb_angle) / np.ptp(unscaled[COBB_LEVELS])
    lean = np.deg2rad(rng.normal(0, 1.0))
    tilt = unscaled * factor + lean

    path = np.arange(along[0] - 60, along[-1] + 60, 1.0)
    direction = convex * bend(path) * factor + lean
    curve = np.column_stack([np.cumsum(np.sin(direction)), np.cumsum(np.cos(direction))])
    if slip is not None:
        discs = along + (height + disc) / 2
        curve[:, 0] += slip @ (0.5 - 0.5 * np.tanh((path - discs[:, None]) / _SLIP_STEP_MM))

    last = along[L5] + placement.below_l5
    y = curve[:, 1] - np.interp(last, path, curve[:, 1]) + (n_rows - 1) * SPACING_MM[0]
    inside = (y >= 0) & (y <= (n_rows - 1) * SPACING_MM[0])
    middle = (N_COLUMNS - 1) / 2 * SPACING_MM[1] + placement.aside
    x = curve[:, 0] - curve[inside, 0].mean() + middle
    centre = np.column_stack([np.interp(along, path, x), np.interp(along, path, y)])
    # Rotation follows the bending: bodies turn to the convex side, spinous processes away from it.
    bending = np.gradient(bend(path), path)
    bending /= np.abs(bending[(path > along[T12]) & (path < along[L5])]).max()
    rotation = convex * _ROTATION_PER_DEGREE * cobb_angle * np.interp(along, path, bending)
    return Spine(
        centre=centre,
        tilt=tilt,
        rotation=rotation + rng.normal(0, _ROTATION_SD, n),
        upper=_UPPER_WIDTH / 2 * width,
        lower=_LOWER_WIDTH / 2 * lower_width,
        height=height,
        disc=disc,
        curve=np.column_stack([x, y]),
        size=size,
    )


def _centres(height, disc):
    """Return the bodies' centres along the spine, mm from L3: (n_levels,)."""
    steps = height[:-1] / 2 + disc[:-1] + height[1:] / 2
    along = np.concatenate([[0.0], np.cumsum(steps)])
    return along - along[LEVELS.index("L3")]


def _draw_bend(rng):
    """Draw the course of the tilt along the spine: a function of mm from L3, without unit.

    A main bend returns to the vertical beyond its ends; a weaker one, above or below, bends
    the opposite way.
    """
    apex, half = rng.normal(-8, 16), rng.uniform(*_HALF_BEND_MM)
    counter = rng.uniform(*_COUNTER_BEND)
    counter_apex = apex + rng.choice([-1, 1]) * half * rng.uniform(1.8, 2.6)
    counter_half = half * rng.uniform(0.7, 1.1)

    def tilt(along):
        total = 0.0
        for strength, centre, length in (
            (1.0, apex, half),
            (-counter, counter_apex, counter_half),
        ):
            t = (along - centre) / length
            total = total - strength * t * np.exp(0.5 - 0.5 * t**2)
        return total

    return tilt


def endplate_corners(spine):
    """Return the corners of T12 to L5 in mm: (6, 4, 2), in the order TL, TR, BL, BR; x, y."""
    top = spine.centre - spine.axis * spine.height[:, None] / 2
    bottom = spine.centre + spine.axis * spine.height[:, None] / 2
    upper, lower = spine.across * spine.upper[:, None], spine.across * spine.lower[:, None]
    corners = np.stack([top - upper, top + upper, bottom - lower, bottom + lower], axis=1)
    return corners[COBB_LEVELS]


def spine_line(spine, n_rows):
    """Return the column of the spine's centre in each row: float array (n_rows,)."""
    y = np.arange(n_rows) * SPACING_MM[0]
    return np.interp(y, spine.curve[:, 1], spine.curve[:, 0]) / SPACING_MM[1]
