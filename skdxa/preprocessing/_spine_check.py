"""Distinguish anteroposterior scans of the lumbar spine from other scans."""

import numpy as np
from scipy import ndimage

from skdxa.preprocessing._resample import resample
from skdxa.preprocessing._spine_line import LOW_QUALITY, find_spine_line
from skdxa.validation import check_scan, check_spacing

# All features are measured on pixels of one size, in mm.
_ROW_MM, _COLUMN_MM = 1.05, 0.60
# L1 to L4 are about 13 cm high; scans of half or all of the body are far higher than that.
_LOWEST_MM, _HIGHEST_MM = 100.0, 350.0
# Degrees. A femur in a scan of the hip leans by about 25; the whole of a spine with a Cobb
# angle of 45 by less than 10.
_STEEPEST = 15.0
# Half widths of the strips along the line, in mm: a vertebra and its rims, and its inner part.
_VERTEBRA_MM, _INNER_MM = 25.0, 20.0
# Share of the variance of the profile across the spine that differs from side to side.
_MOST_ASYMMETRY = 0.5
# Heights of a vertebra with its disc, in mm, and the least correlation of one with the next.
_LEVEL_MM = (24.0, 48.0)
_LEAST_REPETITION = 0.0
# Standard deviations of Gaussians, in mm: finer detail than the first two is noise, and
# what is longer than the third does not separate vertebrae from each other.
_DETAIL_MM, _DETAIL_ACROSS_MM, _TREND_MM = 3.0, 2.0, 18.0
# Clipping at this multiple of the median size keeps metal and cement from outweighing bone.
_CLIP = 2.25
# The width of the bone in the upper and in the lower two fifths: within the first figure of the
# line, bone is what is brighter than halfway from the field, the 20th percentile, to the mean
# within the second. A spine, L1 to the iliac crests, widens downwards.
_FIELD_MM, _MIDDLE_MM, _FIFTHS, _MOST_NARROWING_MM = 60.0, 12.0, 2, 3.0


def looks_like_spine(scan, *, spacing_mm=(1.05, 0.60), return_reasons=False):
    """Check whether a scan looks like an anteroposterior scan of the lumbar spine.

    Parameters
    ----------
    scan : array-like of shape (n_rows, n_columns)
        Scan, head up, bone bright; NaN where the scanner did not scan.
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel, in mm.
    return_reasons : bool, default=False
        Whether to return the reasons as well.

    Returns
    -------
    spine : bool
        Whether the scan passes all criteria of the Notes.
    reasons : list of str
        The reasons against a spine, with figures; empty if there are none. Only returned if
        `return_reasons` is true.

    Raises
    ------
    ScanError
        If the scan is not two-dimensional, holds infinite pixels or no scanned ones, or the
        spacing is not a pair of positive numbers.

    See Also
    --------
    find_spine_line : The centre line of the spine and its quality.

    Notes
    -----
    A scan looks like an anteroposterior scan of the lumbar spine if

    - it is 10 to 35 cm high, which most scans of the whole body and lateral scans of the
      whole spine are not;
    - the quality of its spine line is at least `LOW_QUALITY`, unlike that of scans without
      bone;
    - the straight line nearest to the spine line leans by at most 15 degrees; in a scan of
      the hip the line follows the femur;
    - the mean profile across the line, within 25 mm of it, is symmetric rather than
      antisymmetric: at most 50 % of its variance is antisymmetric. In lateral scans, bodies
      and arches lie side by side;
    - it widens downwards: the bone about the line is at most 3 mm narrower in the lower two fifths
      of the scan than in the upper ones, unlike that of a scan that is upside down;
    - along the line the image repeats itself every 24 to 48 mm, as vertebrae and discs do
      and the shafts of long bones and joints do not: the image within 20 mm of the line,
      less its trend and clipped, is positively correlated with itself at one of these
      distances at least.

    The criteria are rules of thumb that find scans filed under the wrong name. Their limits
    were chosen on simulated scans of the lumbar spine and a few real scans of spine, hip, knee
    and whole body. A scan that fails should be looked at, not discarded. One that passes may
    still show something else: the thoracic spine, for example, or the plain shaft of a long
    bone, whose noise happens to repeat itself.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.preprocessing import looks_like_spine
    >>> from skdxa.simulation import make_spine_scan
    >>> spine = make_spine_scan(random_state=0)
    >>> looks_like_spine(spine.scan, spacing_mm=spine.spacing_mm)
    True
    >>> looks_like_spine(np.zeros((164, 300)), return_reasons=True)
    (False, ['no spine stands out (the line has a quality of 0.00)'])
    """
    reasons = reasons_against(check_scan(scan), check_spacing(spacing_mm))
    return (not reasons, reasons) if return_reasons else not reasons


def reasons_against(scan, spacing_mm, found=None):
    """Return the reasons against a spine.

    Parameters
    ----------
    scan : ndarray of shape (n_rows, n_columns)
        Checked pixels.
    spacing_mm : tuple of float
        Checked height and width of a pixel.
    found : tuple or None, default=None
        Line and quality of the scan, where they are known.

    Returns
    -------
    reasons : list of str
    """
    reasons = []
    height_mm = scan.shape[0] * spacing_mm[0]
    if not _LOWEST_MM <= height_mm <= _HIGHEST_MM:
        reasons.append(f"the scan is {height_mm / 10:.0f} cm high")

    if found is None or tuple(spacing_mm) != (_ROW_MM, _COLUMN_MM):
        scan = resample(scan, spacing_mm, to=(_ROW_MM, _COLUMN_MM))
        if np.isnan(scan).all():
            return [*reasons, "hardly any of it was scanned"]
        found = find_spine_line(scan, spacing_mm=(_ROW_MM, _COLUMN_MM), return_quality=True)
    line, quality = found
    if quality < LOW_QUALITY:
        # The image on either side of such a line is not meaningful.
        reasons.append(f"no spine stands out (the line has a quality of {quality:.2f})")
    else:
        reasons += _unlike_a_spine(scan, line)
    return reasons


def _unlike_a_spine(scan, line):
    """Return the reasons against a spine along the line."""
    reasons = []
    rows_mm = np.arange(len(line)) * _ROW_MM
    slope = np.polyfit(rows_mm, line * _COLUMN_MM, 1)[0] if len(line) > 1 else 0.0
    tilt = np.rad2deg(np.arctan(abs(slope)))
    if tilt > _STEEPEST:
        reasons.append(f"the line leans by {tilt:.0f} degrees")
    strip = _straighten(scan, line)
    asymmetry = _asymmetry(_within(strip, _VERTEBRA_MM))
    if asymmetry > _MOST_ASYMMETRY:
        reasons.append(
            f"left and right of the line differ ({100 * asymmetry:.0f} % of the profile is "
            "antisymmetric)"
        )
    narrowing_mm = _narrowing_mm(strip)
    if narrowing_mm > _MOST_NARROWING_MM:
        reasons.append(f"the bone narrows downwards by {narrowing_mm:.0f} mm: perhaps upside down")
    repetition = _repetition(_within(strip, _INNER_MM))
    if repetition < _LEAST_REPETITION:
        reasons.append(
            f"no vertebrae follow one another along the line (correlation {repetition:.2f})"
        )
    return reasons


def _straighten(scan, line):
    """Sample the image within `_FIELD_MM` of the line: (n_rows, odd number of columns)."""
    filled = np.where(np.isnan(scan), np.nanmedian(scan), scan).astype(float)
    half, last = round(_FIELD_MM / _COLUMN_MM), scan.shape[1] - 1
    # Beyond its sides the scan continues with the values at the side.
    columns = np.clip(line[:, np.newaxis] + np.arange(-half, half + 1), 0, last)
    left = columns.astype(int)
    share = columns - left
    at_left = np.take_along_axis(filled, left, axis=1)
    at_right = np.take_along_axis(filled, np.minimum(left + 1, last), axis=1)
    return (1 - share) * at_left + share * at_right


def _within(strip, half_mm):
    """Return the middle columns of a strip."""
    middle, half = strip.shape[1] // 2, round(half_mm / _COLUMN_MM)
    return strip[:, middle - half : middle + half + 1]


def _asymmetry(strip):
    """Compute the share of the variance of the mean profile that is antisymmetric."""
    profile = strip.mean(axis=0)
    profile -= profile.mean()
    variance = (profile**2).sum()
    return ((profile - profile[::-1]) ** 2).sum() / (4 * variance) if variance > 0 else 0.0


def _narrowing_mm(strip):
    """Compute by how much the bone is narrower in the lower part of a strip than in the upper."""
    from_line_mm = np.abs(np.arange(strip.shape[1]) - strip.shape[1] // 2) * _COLUMN_MM
    n_rows = max(1, len(strip) * _FIFTHS // 5)
    widths_mm = []
    for part in (strip[:n_rows], strip[-n_rows:]):
        profile = part.mean(axis=0)
        field, bone = np.percentile(profile, 20), profile[from_line_mm < _MIDDLE_MM].mean()
        widths_mm.append((profile > (field + bone) / 2).sum() * _COLUMN_MM)
    return widths_mm[0] - widths_mm[1]


def _repetition(strip):
    """Correlate the strip with itself shifted down by one vertebra, at the best height of one."""
    detail = ndimage.gaussian_filter(
        strip, (_DETAIL_MM / _ROW_MM, _DETAIL_ACROSS_MM / _COLUMN_MM), mode="nearest"
    )
    detail -= ndimage.gaussian_filter1d(detail, _TREND_MM / _ROW_MM, axis=0, mode="nearest")
    limit = _CLIP * np.median(np.abs(detail))
    detail = detail.clip(-limit, limit)
    shortest, longest = (round(mm / _ROW_MM) for mm in _LEVEL_MM)
    lags = range(shortest, longest + 1)
    return max(_correlation(detail[:-lag], detail[lag:]) for lag in lags)


def _correlation(one, other):
    size = np.sqrt((one**2).sum() * (other**2).sum())
    return (one * other).sum() / size if size > 0 else 0.0
