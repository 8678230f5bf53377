"""Find the centre line of the spine in an anteroposterior scan."""

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage
from scipy.special import expit

from skdxa.preprocessing._resample import resample_to_shape
from skdxa.validation import check_scan, check_spacing

# Lines of a lower quality should not be trusted: see `find_spine_line`.
LOW_QUALITY = 0.5

# The search runs on a coarse grid, whose cells are 2.4 mm wide in a usual scan. Scans that are
# two or three times as wide as a usual one have two or three times as many cells.
_CELLS_ACROSS = 75
_MOST_CELLS_DOWN = 4 * _CELLS_ACROSS
_MOST_SCAN_WIDTHS = 3
# Height of a cell over its width: that of a pixel of a usual scan.
_CELL_ASPECT = 1.05 / 0.60

# Without a spacing, the scan is taken to be 300 columns of 0.60 mm or a magnification of
# such a scan, of which a vertebra takes a quarter; with fewer columns, a part of one.
_VERTEBRA_MM = 45.0
_USUAL_COLUMNS, _USUAL_COLUMN_MM = 300, 0.60
_MOST_OF_SCAN = 0.5
# Widths that are tried, in vertebrae: patients, magnification and tilt differ.
_WIDTHS = (0.6, 0.8, 1.04, 1.32)

# Bright structures narrower than this part of a vertebra are not bone but a rod or a screw.
_ROD = 0.26
# After clipping, metal weighs hardly more than bone, and gas no less than soft tissue.
_CLIP_QUANTILES = (0.02, 0.97)
# Standard deviations of the Gaussians, in cells or, for soft tissue, in usual scan widths.
_TISSUE_BLUR, _TEXTURE_BLUR, _ROW_BLUR = 0.2, 0.7, 1.0
# Local contrast is divided out only where it exceeds this part of the scan's own.
_CONTRAST_FLOOR = 0.3
# Width of a flank, and of the strip on either side of an edge, in spine widths.
_FLANK, _EDGE = 0.5, 0.125

# Cells that the line may move sideways in a row of cells, and what moving costs.
_STEEPEST, _SLOPE_COST = 2, 0.1
# Keeps the line central where no structure is visible; negligible elsewhere.
_OFF_CENTRE_COST = 0.02
# Removes variation shorter than about one and a half vertebrae.
_STIFFNESS = 50.0

# Copies of the path that compete with it lie at least this far aside, in vertebrae.
_WELL_AWAY = 0.75
# Index of the tried width that is nearest to a vertebra.
_USUAL_WIDTH = min(range(len(_WIDTHS)), key=lambda place: abs(_WIDTHS[place] - 1))
# Difference of brightness between path and flank that counts, as a part of the scan's range.
_BRIGHTER = 0.05


def find_spine_line(scan, *, spacing_mm=None, return_quality=False):
    r"""Find the column of the spine's centre in every row of a scan.

    Parameters
    ----------
    scan : array-like of shape (n_rows, n_columns)
        Anteroposterior scan, head up, bone bright; NaN where the scanner did not scan.
        Its intensities may have any scale and offset.
    spacing_mm : tuple of float, default=None
        Height and width of a pixel, in mm. By default pixels are taken to be as high
        relative to their width as those of a usual scan, 1.05 x 0.60 mm, and a vertebra is
        expected to take a quarter of the width of the scan, as it does in the 18 cm of a
        usual scan, or 75 columns of a scan that has fewer than 300. State the spacing of a
        scan with another field of view or other proportions.
    return_quality : bool, default=False
        Whether to return the quality of the line as well.

    Returns
    -------
    line : ndarray of shape (n_rows,), dtype float64
        Column of the spine's centre in every row, in pixels; 0 is the centre of the
        first column. In a scan without any structure, the middle of the scanned part.
    quality : float
        How clearly the line stands out, from 0 (not at all) to below 1. Below
        `LOW_QUALITY`, 0.5, do not rely on the line without looking at it. Only returned if
        `return_quality` is true.

    Raises
    ------
    ScanError
        If the scan is not two-dimensional, holds infinite pixels or no scanned ones, or
        the spacing is not a pair of positive numbers.

    See Also
    --------
    looks_like_spine : Whether a scan shows a lumbar spine at all.
    SpineCropper : Cut all scans to one size about the spine.

    Notes
    -----
    The search runs on a grid of 75 cells across the scan. It computes the evidence that the
    spine's centre is in a cell, and then the path from head to foot with the largest sum of
    evidence, by dynamic programming [1]_, so that a few misleading rows do not divert it.
    The evidence is high where a band of about a vertebra's width

    - is brighter, and richer in fine structure, than both of its flanks, of which the
      more similar one counts, so that a rib, an iliac crest or bowel gas on one side
      does not divert the path;
    - rises at its left edge and falls at its right edge, the weaker of the two counting.

    Rods and screws, narrow and bright, are removed beforehand by a morphological
    opening; soft tissue is removed, and contrast evened out, with wide Gaussians.
    Several widths are tried at every cell. The path is refined to a fraction of a cell,
    smoothed by penalised least squares with the evidence as weights [2]_, and
    interpolated to the rows of the scan. Rows that were not scanned have no weight.

    Given a spacing, cells are 1.75 times as high as wide, as a pixel of a usual scan, whatever
    the proportions of the pixels. Scans that are at least 36 or 54 cm wide have two or three
    times as many cells across, so that a vertebra covers several of them.

    The quality compares the path with other paths and with its flanks:

    .. math:: \frac{1 - \exp(-\max(e - e', 0))}{1 + \exp(-b / 0.05)} .

    :math:`e` is the mean evidence on the path and :math:`e'` that on the best of its copies
    that are shifted sideways by at least three quarters of a vertebra: it is low along
    anything faint, and where several paths are alike. :math:`b` is by how much the path
    is brighter than its flanks, before soft tissue is removed: the mean of a band about as
    wide as a vertebra minus that of the brighter flank, half as wide, in units of the range
    of the clipped scan. It is negative along the edge of something wide, such as the
    patient's side. The quality does not distinguish a spine from another straight bone: for that
    see `looks_like_spine`.

    References
    ----------
    .. [1] A. Viterbi, "Error bounds for convolutional codes and an asymptotically
       optimum decoding algorithm", IEEE Transactions on Information Theory 13(2),
       260-269, 1967.
    .. [2] P. H. C. Eilers, "A perfect smoother", Analytical Chemistry 75(14),
       3631-3636, 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.preprocessing import LOW_QUALITY, find_spine_line
    >>> scan = np.full((150, 300), 0.1)
    >>> scan[:, 121:196] = 1.0
    >>> line, quality = find_spine_line(scan, return_quality=True)
    >>> line.shape
    (150,)
    >>> print(f"{line.mean():.0f}")
    158
    >>> noise = np.random.default_rng(0).normal(size=(150, 300))
    >>> find_spine_line(noise, return_quality=True)[1] < LOW_QUALITY < quality
    True
    """
    scan = check_scan(scan)
    if spacing_mm is not None:
        spacing_mm = check_spacing(spacing_mm)
    n_rows, n_columns = scan.shape
    n_down, n_across, scan_widths = _grid_shape(scan.shape, spacing_mm)

    cells = resample_to_shape(scan, (n_down, n_across), least_share=0).astype(float)
    scanned = ~np.isnan(cells)
    if not scanned.all():
        # The nearest scanned cell continues the image without an edge.
        nearest = ndimage.distance_transform_edt(
            ~scanned, return_distances=False, return_indices=True
        )
        cells = cells[tuple(nearest)]

    vertebra = _vertebra_width(n_columns, spacing_mm) * n_across
    evidence, cells = _evidence(cells, vertebra, n_across / scan_widths)
    off_centre = (np.arange(n_across) + 0.5) / n_across - _middle(scan)
    score = evidence - _OFF_CENTRE_COST * (2 * off_centre) ** 2
    path = _best_path(score)
    line, peak = _refine(path, score)
    trust = peak.clip(min=0.1 * np.abs(peak).mean() + 1e-9)
    scanned_rows = scanned.any(axis=1)
    line = _smooth(line, np.where(scanned_rows, trust, 0))

    line = ((line + 0.5) * n_columns / n_across - 0.5).clip(0, n_columns - 1)
    rows = (np.arange(n_rows) + 0.5) * n_down / n_rows - 0.5
    line = np.interp(rows, np.arange(n_down), line)
    if not return_quality:
        return line
    path, evidence, cells = (rows[scanned_rows] for rows in (path, evidence, cells))
    return line, _quality(path, evidence, cells, vertebra)


def _grid_shape(shape, spacing_mm):
    """Return the cells down and across the scan, and its width in usual scans.

    The last is a whole number, so that scans of nearly the usual width all have one grid.
    """
    n_rows, n_columns = shape
    scan_widths, stretch = 1, 1.0
    if spacing_mm is not None:
        scan_mm = n_columns * spacing_mm[1]
        scan_widths = int(scan_mm / (_USUAL_COLUMNS * _USUAL_COLUMN_MM) + 1e-9)
        scan_widths = min(max(scan_widths, 1), _MOST_SCAN_WIDTHS)
        stretch = spacing_mm[0] / spacing_mm[1] / _CELL_ASPECT
    n_across = min(n_columns, scan_widths * _CELLS_ACROSS)
    # Rounded, so that the ratio of two decimal fractions does not decide at a half.
    n_down = round(round(n_rows * n_across * stretch / n_columns, 6))
    return min(max(n_down, 1), n_rows, _MOST_CELLS_DOWN), n_across, scan_widths


def _middle(scan):
    """Return the middle of the scanned part, as a part of the width of the scan."""
    scanned_rows = (~np.isnan(scan)).sum(axis=0)
    return scanned_rows @ (np.arange(scan.shape[1]) + 0.5) / scanned_rows.sum() / scan.shape[1]


def _vertebra_width(n_columns, spacing_mm):
    """Return the expected width of a vertebra, as a part of the width of the scan."""
    if spacing_mm is None:
        scan_mm = min(n_columns, _USUAL_COLUMNS) * _USUAL_COLUMN_MM
    else:
        scan_mm = n_columns * spacing_mm[1]
    return min(_VERTEBRA_MM / scan_mm, _MOST_OF_SCAN)


def _evidence(cells, vertebra, scan_width):
    """Compute the evidence, for every cell, that the centre of the spine is there.

    Parameters
    ----------
    cells : ndarray of shape (n_down, n_across)
        The scan, without NaN.
    vertebra, scan_width : float
        Expected width of a vertebra and width of a usual scan, in cells.

    Returns
    -------
    evidence : ndarray of shape (n_down, n_across)
    cells : ndarray of shape (n_down, n_across)
        The scan without metal, clipped, from 0 to 1.
    """
    reach = round(_ROD * vertebra / 2)
    cells = ndimage.grey_opening(cells, (1, 2 * reach + 1))
    low, high = np.quantile(cells, _CLIP_QUANTILES)
    if high <= low:
        low, high = cells.min(), cells.max()
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        return np.zeros_like(cells), np.zeros_like(cells)
    cells = (cells.clip(low, high) - low) / (high - low)

    relief = cells - _blur(cells, _TISSUE_BLUR * scan_width)
    contrast = np.sqrt(_blur(relief**2, _TISSUE_BLUR * scan_width))
    relief /= contrast + _CONTRAST_FLOOR * contrast.mean()

    fine = _blur(cells, _TEXTURE_BLUR)
    texture = np.hypot(_gradient(fine, axis=0), _gradient(fine, axis=1))
    usual = _blur(texture, 2 * _TISSUE_BLUR * scan_width)
    texture /= usual + _CONTRAST_FLOOR * usual.mean()

    bands, edges = _templates(cells.shape[1], vertebra)
    along_rows = _gaussian(len(cells), _ROW_BLUR)
    relief, texture = along_rows @ relief, along_rows @ texture
    score = np.minimum(*(relief @ edges))
    for layer in (relief, texture):
        inside, left, right = layer @ bands
        score += inside - np.maximum(left, right)
    return score.max(axis=0), cells


def _gradient(cells, axis):
    return np.gradient(cells, axis=axis) if cells.shape[axis] > 1 else np.zeros_like(cells)


def _blur(cells, sigma):
    return _gaussian(cells.shape[0], sigma) @ cells @ _gaussian(cells.shape[1], sigma).T


@lru_cache(maxsize=64)
def _gaussian(n, sigma):
    """Return the matrix (n, n) that blurs n cells: at this size faster than a convolution."""
    return ndimage.gaussian_filter1d(np.eye(n), sigma, axis=0, mode="nearest")


@lru_cache(maxsize=8)
def _templates(n, vertebra):
    """Return matrices that compare a spine with its sides, to be multiplied by rows of n cells.

    Returns
    -------
    bands : ndarray of shape (3, n_widths, n, n)
        Means over the spine and over its left and right flank.
    edges : ndarray of shape (2, n_widths, n, n)
        Rise at the left edge and fall at the right edge.
    """
    bands, edges = [], []
    for relative in _WIDTHS:
        half = max(relative * vertebra / 2, 0.5)
        flank = 2 * half * _FLANK
        strip = max(2 * half * _EDGE, 1)
        parts = (-half, half), (-half - flank, -half), (half, half + flank)
        bands.append([_means(n, start, stop) for start, stop in parts])
        rise = _means(n, -half, strip - half) - _means(n, -half - strip, -half)
        fall = _means(n, half - strip, half) - _means(n, half, half + strip)
        edges.append((rise, fall))
    return np.stack(bands, axis=1), np.stack(edges, axis=1)


def _means(n, start, stop):
    """Return the matrix (n, n) of means from `start` to `stop` cells beside each of n cells.

    The values of the outermost cells are also used for all beyond them.
    """
    centres = np.arange(n) + 0.5
    lower, upper = np.arange(n, dtype=float)[:, None], np.arange(1.0, n + 1)[:, None]
    lower[0], upper[-1] = -np.inf, np.inf
    overlap = np.minimum(upper, centres + stop) - np.maximum(lower, centres + start)
    return overlap.clip(min=0) / (stop - start)


def _best_path(score):
    """Find the column in every row on the connected path of the highest sum of `score`."""
    n_down, n_across = score.shape
    steps = np.arange(-_STEEPEST, _STEEPEST + 1)
    cost = (_SLOPE_COST * steps**2)[:, None]
    # The best sum of a path to each column so far; none comes from beyond the sides.
    padded = np.full(n_across + 2 * _STEEPEST, -np.inf)
    best = padded[_STEEPEST:-_STEEPEST]
    reachable = sliding_window_view(padded, n_across)
    best[:] = score[0]
    step_taken = np.empty(score.shape, dtype=np.intp)
    for row in range(1, n_down):
        sums = reachable - cost
        sums.argmax(axis=0, out=step_taken[row])
        best[:] = sums.max(axis=0) + score[row]
    path = np.empty(n_down, dtype=np.intp)
    path[-1] = best.argmax()
    for row in range(n_down - 1, 0, -1):
        path[row - 1] = path[row] + steps[step_taken[row, path[row]]]
    return path


def _refine(path, score):
    """Find the vertex of the parabola through the scores at and next to the path.

    Returns it for every row, and the score on the path.
    """
    rows, last = np.arange(len(path)), score.shape[1] - 1
    peak = score[rows, path]
    left = score[rows, (path - 1).clip(min=0)]
    right = score[rows, (path + 1).clip(max=last)]
    bend = 2 * peak - left - right
    shift = np.divide(right - left, 2 * bend, out=np.zeros_like(peak), where=bend > 1e-9)
    return path + shift.clip(-0.5, 0.5), peak


def _smooth(line, weights):
    """Smooth by least squares: near `line` where `weights` are high, penalising curvature."""
    weights = weights / weights.mean()
    return np.linalg.solve(_penalty(len(line)) + np.diag(weights), weights * line)


@lru_cache(maxsize=64)
def _penalty(n):
    """Return the matrix (n, n) of the penalty on bends of a line of n points."""
    bend = np.diff(np.eye(n), n=2, axis=0)
    # A small penalty on slope makes the solution unique where a single row has any weight.
    tilt = np.diff(np.eye(n), n=1, axis=0)
    return _STIFFNESS * bend.T @ bend + 1e-4 * tilt.T @ tilt


def _quality(path, evidence, cells, vertebra):
    """Compute how clearly the path stands out, from 0 to 1, as `find_spine_line` describes."""
    n_down, n_across = evidence.shape
    shifts = np.arange(1 - n_across, n_across)
    places = (path[:, np.newaxis] + shifts).clip(0, n_across - 1)
    places += n_across * np.arange(n_down)[:, np.newaxis]
    aside = evidence.ravel()[places].mean(axis=0)
    others = aside[np.abs(shifts) >= _WELL_AWAY * vertebra]
    if not others.size:
        return 0.0
    stands_out = -np.expm1(-max(aside[n_across - 1] - others.max(), 0.0))

    bands, _ = _templates(n_across, vertebra)
    inside, *flanks = np.einsum("ij,kji->k", cells, bands[:, _USUAL_WIDTH][:, :, path]) / n_down
    return float(stands_out * expit((inside - max(flanks)) / _BRIGHTER))
