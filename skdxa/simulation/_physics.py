"""The dual-energy scanner: from bone to measured areal density with noise.

Two narrow spectra pass through soft tissue and bone; photons are counted; the two
logarithms are decomposed into bone mineral, with the soft tissue's ratio of attenuations
taken from the patient's bone-free pixels, as densitometers do.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import correlate1d, gaussian_filter

from ._anatomy import N_COLUMNS, SPACING_MM
from ._grid import smooth_field, step

# Mass attenuation (cm2/g) at 38 and 70 keV, the effective energies of a K-edge filtered
# GE Lunar spectrum. Hubbell and Seltzer (NIST 126), log-log interpolated: hydroxyapatite
# Ca10(PO4)6(OH)2 from its elements, lean soft tissue and adipose tissue of ICRU-44.
_MINERAL = np.array([1.123, 0.3131])
_LEAN = np.array([0.2826, 0.1916])
_FAT = np.array([0.2481, 0.1875])


class Scanner(NamedTuple):
    """The properties of one densitometer."""

    photons: float  # detected per pixel behind the average patient, high energy
    blur_mm: float  # standard deviation of the point spread
    gain: float  # calibration relative to the first device


# With these photons, soft tissue has a noise of about 0.035 g/cm2 per pixel.
SCANNERS = {
    "population": Scanner(photons=6800.0, blur_mm=0.55, gain=1.0),
    "hospital": Scanner(photons=5500.0, blur_mm=0.70, gain=1.02),
}

# Unscanned margins: a sweep of the arm covers about 20 to 36 mm, and each has its own
# margins; 0 to 11 mm are missing on a GE Lunar scan.
_SWEEP_MM = (20.0, 36.0)
_LARGEST_MARGIN_MM = 11.0
# Pixels with less mineral than this (g/cm2) serve as soft-tissue baseline.
_BONE_FREE = 0.02
# Bowel: loops per scan, their half axes in mm, the gas in them in cm (it replaces lean tissue)
# and the mineral of their contents in g/cm2.
_LOOPS, _LOOP_MM, _GAS_CM, _CONTENTS = 6, (5.0, 18.0), (0.5, 4.0), 0.035


def bowel(rng, n_rows):
    """Draw gas and contents of the bowel.

    Returns
    -------
    gas : ndarray of shape (n_rows, 300), float32
        Centimetres of lean tissue that gas replaces.
    contents : ndarray of shape (n_rows, 300), float32
        Mineral of food and residue, g/cm2.
    """
    gas, contents = np.zeros((2, n_rows, N_COLUMNS), np.float32)
    y = (np.arange(n_rows, dtype=np.float32) * np.float32(SPACING_MM[0]))[:, None]
    x = (np.arange(N_COLUMNS, dtype=np.float32) * np.float32(SPACING_MM[1]))[None, :]
    for _ in range(rng.poisson(_LOOPS)):
        centre_y, centre_x = rng.uniform(0, y[-1, 0]), rng.uniform(0, x[0, -1])
        half_y, half_x = rng.uniform(*_LOOP_MM, 2)
        reach = 1.3 * max(half_y, half_x)
        rows = slice(*np.searchsorted(y[:, 0], [centre_y - reach, centre_y + reach]))
        columns = slice(*np.searchsorted(x[0], [centre_x - reach, centre_x + reach]))
        dy, dx = (y[rows] - centre_y) / half_y, (x[:, columns] - centre_x) / half_x
        turn = rng.uniform(0, np.pi)
        u = np.cos(turn) * dx - np.sin(turn) * dy
        v = np.sin(turn) * dx + np.cos(turn) * dy
        # Folds of the wall notch the outline.
        folds = 0.12 * np.cos(rng.integers(3, 8) * np.arctan2(v, u) + rng.uniform(0, 6))
        inside = 1 - np.hypot(u, v) + folds
        shape = np.sqrt(np.clip(inside, 0, 1)) * step(inside, 0.2)
        if rng.uniform() < 0.5:
            gas[rows, columns] += rng.uniform(*_GAS_CM) * shape
        else:
            wall = np.exp(-(((inside - 0.1) / 0.22) ** 2))
            contents[rows, columns] += rng.exponential(_CONTENTS) * (shape + 0.5 * wall)
    return gas, contents


def acquire(
    bone,
    rng,
    *,
    scanner,
    thickness_cm=20.0,
    fat_fraction=0.35,
    gain=1.0,
    baseline=0.0,
    gas_cm=0.0,
    noise=True,
):
    """Simulate the measurement of bone in soft tissue.

    Parameters
    ----------
    bone : ndarray of shape (n_rows, 300)
        Areal density of mineral, g/cm2.
    rng : numpy.random.Generator
        Source of all draws.
    scanner : Scanner
        The densitometer.
    thickness_cm : float
        Thickness of the soft tissue in the middle of the patient.
    fat_fraction : float
        Share of the soft tissue's mass that is fat.
    gain : float
        Calibration factor of this scan.
    baseline : float
        Error of the soft-tissue baseline, g/cm2: fat over bone differs from fat over the
        bone-free pixels.
    gas_cm : ndarray of shape (n_rows, 300) or float
        Lean tissue that gas replaces, cm.
    noise : bool
        Whether photon counts are random or equal to their expectation.

    Returns
    -------
    ndarray of shape (n_rows, 300), float32
        Measured areal density, g/cm2; about 0 where there is no bone.
    """
    n_rows = bone.shape[0]
    blurred = gaussian_filter(
        bone, [scanner.blur_mm / spacing for spacing in SPACING_MM], truncate=2.5
    )
    # The abdomen thins to its sides and is uneven.
    x = np.linspace(-1, 1, N_COLUMNS, dtype=np.float32)
    tissue = thickness_cm * (1 - 0.12 * x**2) * (1 + 0.02 * smooth_field(rng, n_rows, (8, 10)))
    fat = np.float32(fat_fraction) * (
        1 + 0.03 * smooth_field(rng, n_rows, (4, 5)) + 0.05 * smooth_field(rng, n_rows, (24, 28))
    )
    tissue = tissue.astype(np.float32)
    fat_mass = tissue * fat
    lean_mass = tissue - fat_mass - np.float32(1) * gas_cm
    logs = []
    # The flux depends on the patient's thickness, in the three modes of such scanners.
    mode = 16.0 if thickness_cm < 18 else 20.0 if thickness_cm < 24 else 25.0
    for energy in range(2):
        lean, fatty, mineral = (np.float32(table[energy]) for table in (_LEAN, _FAT, _MINERAL))
        path = lean_mass * lean + fat_mass * fatty + blurred * mineral
        middle = np.float32(mode * (0.65 * _LEAN[energy] + 0.35 * _FAT[energy]))
        # The filter passes both energies so that similar numbers of photons arrive.
        detected = scanner.photons * (0.62 if energy == 0 else 1.0)
        counts = detected * np.exp(middle - path)
        if noise:
            counts = np.maximum(_count(rng, counts), 1)
        logs.append((np.log(detected / counts) + middle).astype(np.float32))
    low, high = logs
    ratio = _soft_tissue_ratio(low, high, blurred)
    density = (low - ratio * high) / (_MINERAL[0] - ratio * _MINERAL[1])
    # Adjacent columns share part of the signal.
    density = correlate1d(density, [0.12, 0.76, 0.12], axis=1, mode="nearest")
    tilt = np.float32(rng.normal(0, 0.3)) * x
    density += np.float32(baseline) * (1 + tilt)
    return (density * np.float32(gain * scanner.gain)).astype(np.float32)


def _count(rng, expected):
    """Draw photon counts: Poisson, by its normal approximation, which holds from about 30 on."""
    spread = np.sqrt(expected) * rng.standard_normal(expected.shape, dtype=np.float32)
    return np.rint(expected + spread)


def _soft_tissue_ratio(low, high, bone):
    """Compute the soft tissue's ratio of attenuations over all bone-free pixels."""
    free = bone < _BONE_FREE
    return np.float32(low[free].mean() / high[free].mean())


def unscanned_margins(rng, n_rows):
    """Draw the pixels that the arm did not reach: a boolean mask (n_rows, 300), True unscanned."""
    columns = np.arange(N_COLUMNS)
    mask = np.zeros((n_rows, N_COLUMNS), bool)
    for beyond in (lambda width: columns < width, lambda width: columns >= N_COLUMNS - width):
        start = -round(rng.uniform(0, 20))
        width_mm = rng.uniform(2, _LARGEST_MARGIN_MM)
        while start < n_rows:
            stop = start + round(rng.uniform(*_SWEEP_MM) / SPACING_MM[0])
            mask[max(start, 0) : max(stop, 0), beyond(round(width_mm / SPACING_MM[1]))] = True
            width_mm = np.clip(width_mm + rng.normal(0, 4), 0, _LARGEST_MARGIN_MM)
            start = stop
    return mask
