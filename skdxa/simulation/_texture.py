"""The texture of cancellous bone: a field of known variogram slope, and vertical streaks."""

from functools import lru_cache

import numpy as np
from scipy import fft

from ._anatomy import MAX_ROWS, N_COLUMNS, SPACING_MM

# The variogram follows its power law from the origin; beyond this range the field is
# uncorrelated. Law and range together are a valid covariance (Stein 2002).
_RANGE_MM = 40.0
# The field is drawn larger than the scan, so that it can move with the patient.
_SPARE_MM = 24.0
# SD of the texture, as a share of the bone's density.
_STRENGTH = 0.11
_SHAPE = tuple(
    fft.next_fast_len(
        int(n + max(2 * _SPARE_MM, 2 * _RANGE_MM - n * spacing) / spacing), real=True
    )
    for n, spacing in zip((MAX_ROWS, N_COLUMNS), SPACING_MM, strict=True)
)
# Slopes are multiples of this, so that a cohort has few spectra.
_SLOPE_STEP = 0.02
_SLOPES = (0.20, 1.40)
# Where horizontal struts are lost, vertical ones stand out as streaks: their distance, its
# variation (SD, in cycles/mm), and the length over which a streak keeps its strength.
_STREAK_APART_MM, _STREAK_SPREAD, _STREAK_MM = 3.0, 0.06, 6.0
# SD of the streaks as a share of the bone's density: in the average patient, and its increase per
# standard deviation of striation. Below the lowest score no streaks would remain.
_STREAKS, _STREAKS_PER_SD, _STRIATIONS = 0.10, 0.045, (-2.2, 3.0)


def slope_of_tbs(tbs):
    """Return the slope of log variogram against log lag near the origin for a given TBS.

    TBS is a vendor's score that increases with this slope (Pothuaud et al. 2008). The linear
    relation is an assumption of the simulation: 0.7 at a TBS of 1.24, and 0.2 more per 0.1 of TBS.
    """
    slope = np.clip(0.7 + 2.0 * (np.asarray(tbs) - 1.24), *_SLOPES)
    return np.round(np.round(slope / _SLOPE_STEP) * _SLOPE_STEP, 2)


def trabecular_texture(rng, n_rows, slope, offset_mm=(0.0, 0.0)):
    """Draw the texture of cancellous bone, a factor about 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the field.
    n_rows : int
        Rows of the scan.
    slope : float
        The expected squared difference of two points grows as (lag in mm) ** slope.
    offset_mm : tuple of float
        Displacement of the patient from the usual position, down and across.

    Returns
    -------
    ndarray of shape (n_rows, 300), float32
        Factor of the bone's density at each pixel.
    """
    part = _draw_field(rng, _amplitude(float(slope)), n_rows, offset_mm)
    return np.float32(_STRENGTH) * part + np.float32(1)


def vertical_streaks(rng, n_rows, striation, offset_mm=(0.0, 0.0)):
    """Draw the streaks of vertical struts, a factor whose mean of 1 does not depend on striation.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the field.
    n_rows : int
        Rows of the scan.
    striation : float
        Standard score of the patient: the higher, the more horizontal struts are lost, and
        the stronger the streaks.
    offset_mm : tuple of float
        Displacement of the patient from the usual position, down and across.

    Returns
    -------
    ndarray of shape (n_rows, 300), float32
        Factor of the bone's density at each pixel.
    """
    contrast = _STREAKS + _STREAKS_PER_SD * np.clip(striation, *_STRIATIONS)
    part = _draw_field(rng, _streak_amplitude(), n_rows, offset_mm)
    return np.float32(contrast) * part + np.float32(1)


def _draw_field(rng, amplitude, n_rows, offset_mm):
    """Draw a Gaussian field of unit variance from the square root of its spectrum."""
    white = rng.standard_normal(_SHAPE, dtype=np.float32)
    field = fft.irfft2(fft.rfft2(white) * amplitude, s=_SHAPE)
    reach = [int(_SPARE_MM / 2 / spacing) for spacing in SPACING_MM]
    start = [
        middle - int(np.clip(round(offset / spacing), -middle, middle))
        for middle, offset, spacing in zip(reach, offset_mm, SPACING_MM, strict=True)
    ]
    return field[start[0] : start[0] + n_rows, start[1] : start[1] + N_COLUMNS]


@lru_cache(maxsize=128)
def _amplitude(slope):
    """Compute the square root of the field's spectrum by circulant embedding of its covariance."""
    lags = [
        np.minimum(np.arange(n), n - np.arange(n)) * spacing
        for n, spacing in zip(_SHAPE, SPACING_MM, strict=True)
    ]
    r = np.hypot(lags[0][:, None], lags[1]) / _RANGE_MM
    inside = 1 - slope / 2 - r**slope + slope / 2 * r**2
    covariance = np.where(r < 1, inside, 0.0) / (1 - slope / 2)
    spectrum = fft.rfft2(covariance).real
    return np.sqrt(np.clip(spectrum, 0, None)).astype(np.float32)


@lru_cache(maxsize=1)
def _streak_amplitude():
    """Compute the square root of the streaks' spectrum: narrow across, low along the streaks."""
    down = fft.fftfreq(_SHAPE[0], SPACING_MM[0])[:, None]
    across = fft.rfftfreq(_SHAPE[1], SPACING_MM[1])
    spectrum = np.exp(
        -0.5 * ((across - 1 / _STREAK_APART_MM) / _STREAK_SPREAD) ** 2
        - 0.5 * (2 * np.pi * _STREAK_MM * down) ** 2
    )
    # Half of the frequencies also represent their negatives.
    mean = (2 * spectrum.sum() - spectrum[:, 0].sum() - spectrum[:, -1].sum()) / np.prod(_SHAPE)
    return np.sqrt(spectrum / mean).astype(np.float32)
