"""The empirical variogram of a scan."""

from dataclasses import dataclass
from numbers import Real

import numpy as np

from skdxa.validation import check_scan, check_spacing

AXES = ("both", "rows", "columns", "all")
# Lags are multiples of the spacing: equal ones must stay equal after rounding.
_LAG_DECIMALS = 9


@dataclass(frozen=True)
class Variogram:
    """Half the mean squared difference of pixels, by their distance.

    Attributes
    ----------
    lag_mm : ndarray of shape (n_lags,)
        Distances, from the smallest.
    gamma : ndarray of shape (n_lags,)
        Half the mean squared difference, in the squared unit of the scan; NaN where there is
        no pair.
    n_pairs : ndarray of int, shape (n_lags,)
        Pairs of scanned pixels, each counted once.
    axis : str
        The directions that were used.
    """

    lag_mm: np.ndarray
    gamma: np.ndarray
    n_pairs: np.ndarray
    axis: str


def variogram(field, *, spacing_mm, axis="both", max_lag_mm=None):
    """Compute the empirical variogram of a scan at exact distances.

    Parameters
    ----------
    field : array-like of shape (n_rows, n_columns)
        Scan; a pair with a NaN is left out.
    spacing_mm : tuple of float
        Height and width of a pixel in mm, such as ``(1.05, 0.60)``.
    axis : {"both", "rows", "columns", "all"}, default="both"
        ``"rows"`` compares pixels down the rows, ``"columns"`` along a row, ``"both"`` pools
        the two, and ``"all"`` takes every direction. Where several displacements have one
        length, their pairs are pooled.
    max_lag_mm : float, default=None
        The largest distance. By default half the extent of the scan along the axis, or half
        the shorter extent where there are more directions.

    Returns
    -------
    Variogram
        Lags, semivariances and numbers of pairs.

    Raises
    ------
    ScanError
        If the scan is not two-dimensional or holds infinite pixels, or the spacing is not a
        pair of positive numbers.
    ValueError
        If `axis` is another word, or no lag is as small as `max_lag_mm`.

    See Also
    --------
    VariogramSlope : Slope near the origin, of many scans, as a transformer.

    Notes
    -----
    gamma(d) is half the mean of (z(p) - z(q))**2 over all pairs of pixels p, q at distance d
    [1]_. It agrees with the R packages fields and gstat. Differences are taken lag by lag
    and not by Fourier transform, which is slower at short lags and leaves rounding in place
    of an exact zero.

    References
    ----------
    .. [1] G. Matheron, "Principles of geostatistics", Economic Geology 58, 1246-1266, 1963.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.texture import variogram
    >>> ramp = np.arange(7.0)[:, np.newaxis] * np.ones(9)
    >>> result = variogram(ramp, spacing_mm=(1.05, 0.60), axis="rows")
    >>> result.lag_mm.tolist(), result.gamma.tolist(), result.n_pairs.tolist()
    ([1.05, 2.1, 3.15], [0.5, 2.0, 4.5], [54, 45, 36])
    """
    field = check_scan(field, name="field", dtype=float)
    spacing = check_spacing(spacing_mm)
    if axis not in AXES:
        raise ValueError(f"axis must be one of {list(AXES)}; got {axis!r}.")
    if max_lag_mm is None:
        extent = np.multiply(field.shape, spacing) / 2
        max_lag_mm = {"rows": extent[0], "columns": extent[1]}.get(axis, extent.min())
    elif not (isinstance(max_lag_mm, Real) and max_lag_mm > 0):
        raise ValueError(f"max_lag_mm must be a positive number; got {max_lag_mm!r}.")
    lags = Lags(spacing, axis, 0.0, min(max_lag_mm, np.hypot(*np.multiply(field.shape, spacing))))
    if lags.mm.size == 0:
        raise ValueError(
            f"max_lag_mm={max_lag_mm!r} is less than the distance of neighbouring pixels, "
            f"{min(spacing):g} mm."
        )
    squares, n_pairs = lags.sums(field)
    # Displacements that do not fit into the scan are not lags of it.
    fits = lags.fit_into(field.shape)
    return Variogram(lags.mm[fits], halve(squares, n_pairs)[fits], n_pairs[fits], axis)


class Lags:
    """Displacements between pixels, grouped by their length."""

    def __init__(self, spacing, axis, low, high):
        n_rows, n_columns = (int(high / length * (1 + 1e-9)) for length in spacing)
        if axis == "all":
            steps = [
                (row, column)
                for row in range(n_rows + 1)
                for column in range(-n_columns if row else 1, n_columns + 1)
            ]
        else:
            steps = [(row, 0) for row in range(1, n_rows + 1) if axis != "columns"]
            steps += [(0, column) for column in range(1, n_columns + 1) if axis != "rows"]
        lengths = [round(float(np.hypot(*np.multiply(s, spacing))), _LAG_DECIMALS) for s in steps]
        kept = [
            (step, length)
            for step, length in zip(steps, lengths, strict=True)
            if low * (1 - 1e-9) <= length <= high * (1 + 1e-9)
        ]
        self.steps = [step for step, _ in kept]
        self.mm, self.group = np.unique([length for _, length in kept], return_inverse=True)

    def sums(self, field):
        """Return the sum of squared differences and the number of pairs at each distance."""
        squares = np.zeros(self.mm.size)
        n_pairs = np.zeros(self.mm.size, dtype=int)
        holes = np.isnan(field).any()
        for (row, column), group in zip(self.steps, self.group, strict=True):
            difference = _shifted(field, row, column) - _shifted(field, -row, -column)
            if holes:
                difference = difference[~np.isnan(difference)]
            squares[group] += np.vdot(difference, difference)
            n_pairs[group] += difference.size
        return squares, n_pairs

    def fit_into(self, shape):
        """Return which distances have at least one displacement that fits into a scan."""
        fits = np.zeros(self.mm.size, dtype=bool)
        for (row, column), group in zip(self.steps, self.group, strict=True):
            fits[group] |= row < shape[0] and abs(column) < shape[1]
        return fits


def _shifted(field, row, column):
    """Return a view of the pixels whose partner at (-row, -column) from them is in the field."""
    rows = slice(row, None) if row >= 0 else slice(None, row)
    columns = slice(column, None) if column >= 0 else slice(None, column)
    return field[rows, columns]


def halve(squares, n_pairs):
    """Return half the mean square; NaN where there is no pair."""
    return np.divide(squares, 2 * n_pairs, out=np.full(squares.shape, np.nan), where=n_pairs > 0)
