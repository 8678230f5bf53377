"""Bring scans of different scanners to one pixel spacing."""

from functools import lru_cache

import numpy as np
from scipy import sparse

from skdxa.exceptions import ScanError
from skdxa.validation import check_scan, check_spacing

# Many times the size of a whole-body scan; a larger result means that a spacing is not in mm.
_MAX_PIXELS = 64_000_000
# Pixels that are in memory in double precision.
_MOST_AT_ONCE = 4_000_000


def resample(scan, spacing_mm, to=(1.05, 0.60)):
    """Resample a scan to another pixel spacing.

    Parameters
    ----------
    scan : array-like of shape (n_rows, n_columns)
        Pixels; NaN where the scanner did not scan.
    spacing_mm : tuple of float
        Height and width of a pixel, in mm.
    to : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel of the result, in mm. The default is the
        spacing of a GE Lunar Prodigy spine scan.

    Returns
    -------
    resampled : ndarray of shape (n_rows_out, n_columns_out), dtype float32
        ``n_rows_out = round(n_rows * spacing_mm[0] / to[0])`` and likewise for
        the columns, at least 1. NaN where less than half of a pixel was scanned.

    Raises
    ------
    ScanError
        If the scan is not two-dimensional or holds infinite pixels, a spacing
        is not a pair of positive numbers, or the result would have more than 64 million
        pixels.

    Notes
    -----
    The outer edges of the two pixel grids coincide. As a whole number of pixels
    must cover the same area, the actual spacing differs from `to` by at most
    half a pixel over the whole length of an axis.

    Along an axis that shrinks, a pixel of the result is the mean of the area it
    covers, so nothing is aliased and the mean areal density of a fully scanned
    image is kept. Along an axis that grows, pixels are interpolated linearly.
    Unscanned pixels have no weight: they neither darken their neighbours nor
    spread.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.preprocessing import resample
    >>> scan = np.array([[0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0]])
    >>> resample(scan, (1.05, 0.30))
    array([[0.5, 2.5],
           [0.5, 2.5]], dtype=float32)
    """
    scan = check_scan(scan)
    spacing_mm = check_spacing(spacing_mm, name="spacing_mm")
    to = check_spacing(to, name="to")
    sides = [size * old / new for size, old, new in zip(scan.shape, spacing_mm, to, strict=True)]
    if not sides[0] * sides[1] <= _MAX_PIXELS:
        raise ScanError(
            f"resampled from pixels of {spacing_mm[0]:g} x {spacing_mm[1]:g} mm to "
            f"{to[0]:g} x {to[1]:g} mm, the scan would have {sides[0] * sides[1]:.3g} pixels. "
            "Check both spacings, which are heights and widths in mm."
        )
    return resample_to_shape(scan, tuple(max(1, round(side)) for side in sides))


def resample_to_shape(scan, shape, *, least_share=0.5):
    """Resample a checked scan as `resample` does, to a shape.

    Parameters
    ----------
    scan : ndarray of shape (n_rows, n_columns), dtype float32
        Pixels; NaN where the scanner did not scan.
    shape : tuple of int
        Rows and columns of the result.
    least_share : float, default=0.5
        A pixel of which less than this was scanned, or nothing, becomes NaN.

    Returns
    -------
    resampled : ndarray of the given shape, dtype float32
    """
    if shape == scan.shape:
        return scan.copy()
    rows, columns = (axis_weights(*sizes) for sizes in zip(scan.shape, shape, strict=True))

    unscanned = np.isnan(scan)
    if not unscanned.any():
        return _apply(rows, columns, scan)
    share = _apply(rows, columns, ~unscanned)
    total = _apply(rows, columns, np.where(unscanned, 0, scan))
    # Rounding must not exclude a pixel of which exactly the minimum share was scanned.
    kept = (share > 0) & (share >= least_share - 1e-6)
    return np.divide(total, share, out=np.full_like(total, np.nan), where=kept)


def _apply(rows, columns, pixels):
    """Apply the weights along both axes, in double precision to preserve means."""
    n_rows, n_columns = rows.shape[0], columns.shape[0]
    largest = max(pixels.size, rows.shape[0] * pixels.shape[1], n_rows * n_columns)
    if largest <= _MOST_AT_ONCE:
        resampled = (columns @ (rows @ pixels.astype(float)).T).T
        return np.ascontiguousarray(resampled, dtype=np.float32)
    resampled = np.empty((n_rows, n_columns), dtype=np.float32)
    n_strips = -(-largest // _MOST_AT_ONCE)
    for strip in np.array_split(np.arange(n_rows), min(n_strips, n_rows)):
        weights = rows[strip[0] : strip[-1] + 1]
        first, last = weights.indices.min(), weights.indices.max() + 1
        part = weights[:, first:last] @ pixels[first:last].astype(float)
        resampled[strip] = (columns @ part.T).T
    return resampled


# A cohort has few sizes of scan and many scans of each.
@lru_cache(maxsize=64)
def axis_weights(n_in, n_out):
    """Return the matrix that resamples one axis of a scan.

    Parameters
    ----------
    n_in, n_out : int
        Number of pixels before and after.

    Returns
    -------
    weights : scipy.sparse.csr_array of shape (n_out, n_in)
        Rows sum to one: area averages where pixels become larger, linear interpolation where
        they become smaller.

    Examples
    --------
    >>> from skdxa.preprocessing import axis_weights
    >>> axis_weights(4, 2).toarray()
    array([[0.5, 0.5, 0. , 0. ],
           [0. , 0. , 0.5, 0.5]])
    """
    if n_out <= n_in:
        # Overlap of output pixel [i, i + 1) * ratio with input pixel [j, j + 1).
        edges = np.arange(n_out + 1) * (n_in / n_out)
        reach = int(np.ceil(n_in / n_out)) + 1
        taps = np.floor(edges[:-1]).astype(int)[:, None] + np.arange(reach)
        overlap = np.minimum(taps + 1, edges[1:, None]) - np.maximum(taps, edges[:-1, None])
        weights = np.where(taps < n_in, overlap.clip(min=0), 0)
    else:
        centres = ((np.arange(n_out) + 0.5) * n_in / n_out - 0.5).clip(0, n_in - 1)
        left = np.floor(centres).astype(int)
        taps = left[:, None] + np.arange(2)
        weights = np.column_stack([1 - (centres - left), centres - left])
    weights /= weights.sum(axis=1, keepdims=True)
    indices = np.repeat(np.arange(n_out), taps.shape[1])
    return sparse.csr_array(
        (weights.ravel(), (indices, taps.clip(max=n_in - 1).ravel())), shape=(n_out, n_in)
    )
