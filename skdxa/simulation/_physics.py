"""From bone to what a dual-energy scanner measures: areal density with its noise.

Two narrow spectra pass through soft tissue and bone; photons are counted; the two
logarithms are decomposed into bone mineral, with the soft tissue's own ratio of
attenuations taken from the patient's bone-free pixels, as densitometers do.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import correlate1d, gaussian_filter

from ._anatomy import N_COLUMNS, SPACING_MM

# Mass attenuation (cm2/g) at 38 and 70 keV, the effective energies of a K-edge filtered
# GE Lunar spectrum. Hubbell and Seltzer (NIST 126), log-log interpolated: hydroxyapatite
# Ca10(PO4)6(OH)2 from its elements, lean soft tissue and adipose tissue of ICRU-44.
_MINERAL = np.array([1.123, 0.3131])
_LEAN = np.array([0.2826, 0.1916])
_FAT = np.array([0.2481, 0.1875])


class Scanner(NamedTuple):
    """How one densitometer differs from the next."""

    photons: float  # detected per pixel behind the average patient, high energy
    blur_mm: float  # standard deviation of the point spread
    gain: float  # calibration against another device


# Photons are set so that soft tissue has a noise of about 0.04 g/cm2 in a pixel.
SCANNERS = {
    "population": Scanner(photons=5200.0, blur_mm=0.55, gain=1.0),
    "hospital": Scanner(photons=4200.0, blur_mm=0.70, gain=1.02),
}

# Unscanned margins: a sweep of the arm covers some 20 to 36 mm, and each is set in by
# itself; 0 to 11 mm are missing on a GE Lunar scan.
_SWEEP_MM = (20.0, 36.0)
_LARGEST_MARGIN_MM = 11.0
# Pixels with less mineral than this (g/cm2) serve as soft-tissue baseline.
_BONE_FREE = 0.02


def smooth_field(rng, n_rows, n_waves, exponent=1.0):
    """Draw a smooth random field of unit variance, shape (n_rows, 300), from a few cosines."""
    waves_y, waves_x = n_waves
    weight = 1 / (1 + np.hypot(*np.mgrid[:waves_y, :waves_x])) ** exponent
    weight[0, 0] = 0.0
    coefficients = rng.normal(size=(waves_y, waves_x)) * weight
    coefficients /= np.sqrt((weight**2).sum() / 4)
    rows = np.cos(np.pi * np.outer(np.arange(n_rows) + 0.5, np.arange(waves_y)) / n_rows)
    columns = np.cos(np.pi * np.outer(np.arange(waves_x), np.arange(N_COLUMNS) + 0.5) / N_COLUMNS)
    return (rows @ coefficients @ columns).astype(np.float32)


def trabecular_texture(rng, n_rows, tbs):
    """Draw the unevenness of cancellous bone, a factor about 1.

    A degraded structure (low TBS) has few, large and strong irregularities; an intact one
    has many small ones (Silva et al. 2014).
    """
    white = rng.standard_normal((n_rows, N_COLUMNS), dtype=np.float32)
    coarse_mm = np.clip(2.4 - 3.0 * (tbs - 1.2), 1.2, 4.0)
    sigma = (coarse_mm / SPACING_MM[0], coarse_mm / SPACING_MM[1])
    coarse = gaussian_filter(white, sigma, truncate=2.5)
    # Unit variance: a Gaussian of sigma pixels averages 4 pi sigma_y sigma_x of them.
    coarse *= np.sqrt(4 * np.pi * sigma[0] * sigma[1])
    strength = np.clip(0.075 - 0.12 * (tbs - 1.2), 0.03, 0.13)
    return 1 + np.float32(strength) * coarse


def acquire(bone, rng, *, scanner, thickness_cm=20.0, fat_fraction=0.35, gain=1.0):
    """Scan bone through soft tissue.

    Parameters
    ----------
    bone : ndarray of shape (n_rows, 300)
        Areal density of mineral, g/cm2.
    rng : numpy.random.Generator
    scanner : Scanner
    thickness_cm : float
        Soft tissue in the middle of the patient.
    fat_fraction : float
        Share of the soft tissue's mass that is fat.
    gain : float
        This scan's calibration.

    Returns
    -------
    ndarray of shape (n_rows, 300), float32
        Measured areal density, g/cm2; about 0 where there is no bone.
    """
    n_rows = bone.shape[0]
    blurred = gaussian_filter(
        bone, [scanner.blur_mm / spacing for spacing in SPACING_MM], truncate=2.5
    )
    # The abdomen thins to its sides; bowel and gas make it uneven.
    x = np.linspace(-1, 1, N_COLUMNS, dtype=np.float32)
    tissue = thickness_cm * (1 - 0.12 * x**2) * (1 + 0.02 * smooth_field(rng, n_rows, (8, 10)))
    fat = fat_fraction * (
        1 + 0.03 * smooth_field(rng, n_rows, (4, 5)) + 0.05 * smooth_field(rng, n_rows, (24, 28))
    )
    lean = 1 - fat
    logs = []
    # The flux follows the patient's thickness, in the three modes that scanners have.
    mode = 16.0 if thickness_cm < 18 else 20.0 if thickness_cm < 24 else 25.0
    for energy in range(2):
        path = tissue * (lean * _LEAN[energy] + fat * _FAT[energy]) + blurred * _MINERAL[energy]
        middle = mode * (0.65 * _LEAN[energy] + 0.35 * _FAT[energy])
        # The filter lets the two lines through in such shares that they arrive about alike.
        detected = scanner.photons * (0.62 if energy == 0 else 1.0)
        expected = detected * np.exp(middle - path)
        counts = np.maximum(rng.poisson(expected), 1)
        logs.append(np.log(detected / counts) + middle)
    low, high = (log.astype(np.float32) for log in logs)
    ratio = _soft_tissue_ratio(low, high, blurred)
    density = (low - ratio * high) / (_MINERAL[0] - ratio * _MINERAL[1])
    # Neighbouring columns share part of a detector's reading.
    density = correlate1d(density, [0.12, 0.76, 0.12], axis=1, mode="nearest")
    return (density * np.float32(gain * scanner.gain)).astype(np.float32)


def _soft_tissue_ratio(low, high, bone):
    """Ratio of attenuations of the patient's own soft tissue, over all bone-free pixels."""
    free = bone < _BONE_FREE
    return np.float32(low[free].mean() / high[free].mean())


def unscanned_margins(rng, n_rows):
    """Draw which pixels the arm did not reach: a boolean mask (n_rows, 300), True unscanned."""
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
