"""Unusual features of a scan, which should be examined before a network is used."""

import numpy as np

from skdxa.preprocessing._spine_check import reasons_against
from skdxa.preprocessing._spine_line import LOW_QUALITY, find_spine_line
from skdxa.validation import check_scan, check_spacing

# A lumbar spine scan is 120 to 200 mm wide.
_NARROWEST_MM, _WIDEST_MM = 80.0, 320.0
# Of the pixels scanned. Bone that is cut off at the largest grey level fills about a tenth.
_MANY_SATURATED = 0.05
_MANY_UNSCANNED = 0.5
# A scan whose line is clearer than this is not inverted; one that is inverted has a line
# clearer by this much where bright and dark are exchanged.
_CLEAR_QUALITY, _INVERTED_GAIN = 0.8, 0.2
# Of the crop beyond the side of the scan.
_BESIDE_MM = 10.0
# Areal density of the lumbar spine lies between these; g/cm2.
_LEAST_BONE, _MOST_BONE = 0.2, 3.5
# Bone denser than this, in g/cm2, seldom covers this area, in mm2; a pair of rods does.
_DENSE, _MOST_DENSE_MM2 = 2.5, 600.0


def scan_features(scan, *, spacing_mm=(1.05, 0.60)):
    """Return numbers that describe a scan as a whole.

    Parameters
    ----------
    scan : array-like of shape (n_rows, n_columns)
        Pixels; NaN where the scanner did not scan.
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel in mm.

    Returns
    -------
    features : dict of str to float
        - `height_mm` and `width_mm` of the scan;
        - `unscanned`: share of pixels that are NaN;
        - `low`, `median` and `high`: the 1st, 50th and 99th percentile of the others, in the
          unit of the scan;
        - `saturated`: share of the scanned pixels that have the largest value;
        - `quality` of the spine line (see `find_spine_line`), 0 if all pixels are equal;
        - `inverted_quality`: where `quality` is below 0.8, that of a line in the scan with
          bright and dark reversed, and otherwise 0;
        - `spine_mm`: distance of the spine line's mean from the nearer side, in mm.

    Raises
    ------
    ScanError
        If the scan or the spacing cannot be used.

    See Also
    --------
    scan_remarks : Unusual values of these numbers, in words.

    Examples
    --------
    >>> from skdxa.preprocessing import scan_features
    >>> from skdxa.simulation import make_spine_cohort
    >>> cohort = make_spine_cohort(2, random_state=0)
    >>> features = scan_features(cohort.data["scan"][0])
    >>> round(features["width_mm"])
    180
    """
    return _describe(check_scan(scan), check_spacing(spacing_mm))[0]


def _describe(scan, spacing_mm):
    """Return the features of a scan, and its spine line with the quality of the line."""
    row_mm, column_mm = spacing_mm
    scanned = scan[~np.isnan(scan)]
    low, median, high = (float(value) for value in np.percentile(scanned, [1, 50, 99]))
    line, quality = find_spine_line(scan, spacing_mm=spacing_mm, return_quality=True)
    middle = (line.mean() + 0.5) * column_mm
    width_mm = scan.shape[1] * column_mm
    inverted_quality = 0.0
    if quality < _CLEAR_QUALITY:
        inverted_quality = find_spine_line(-scan, spacing_mm=spacing_mm, return_quality=True)[1]
    features = {
        "height_mm": scan.shape[0] * row_mm,
        "width_mm": width_mm,
        "unscanned": 1 - scanned.size / scan.size,
        "low": low,
        "median": median,
        "high": high,
        "saturated": float((scanned == scanned.max()).mean()),
        "quality": float(quality),
        "inverted_quality": float(inverted_quality),
        "spine_mm": float(min(middle, width_mm - middle)),
    }
    return features, (line, quality)


def scan_remarks(
    scan, *, spacing_mm=(1.05, 0.60), unit=None, width_mm=90.0, return_features=False
):
    """Return the unusual features of a scan, in a few words each.

    Parameters
    ----------
    scan : array-like of shape (n_rows, n_columns)
        Pixels; NaN where the scanner did not scan.
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel in mm.
    unit : {"g/cm2", "grey level"} or None, default=None
        Unit of the pixels.
    width_mm : float, default=90.0
        Width of the crop about the spine, in mm.
    return_features : bool, default=False
        Whether to return the features of the scan as well, which are computed anyway.

    Returns
    -------
    remarks : list of str
        Empty if nothing is unusual. A scan is remarked on if all its pixels are equal, half of
        it was not scanned, more than a twentieth has the largest value, bone is dark, it does
        not look like a lumbar spine (see `looks_like_spine`), the crop would reach beyond its
        side by 10 mm or more, it is narrower than 80 or wider than 320 mm, its densities
        are unlike those of bone, or more than 6 cm2 are denser than 2.5 g/cm2. Among simulated
        scans the last is true of all with rods and of fewer than one in a hundred without metal;
        buttons, clips and cement are mostly smaller.
    features : dict of str to float
        As `scan_features` returns them. Only returned if `return_features` is true.

    Raises
    ------
    ScanError
        If the scan or the spacing cannot be used.

    See Also
    --------
    scan_features : Numbers that describe a scan.

    Examples
    --------
    >>> from skdxa.preprocessing import scan_remarks
    >>> from skdxa.simulation import make_spine_cohort
    >>> cohort = make_spine_cohort(2, random_state=0)
    >>> scan_remarks(cohort.data["scan"][0], unit="g/cm2")
    []
    >>> scan_remarks(-cohort.data["scan"][0])
    ['bone dark: perhaps inverted']
    """
    scan, spacing_mm = check_scan(scan), check_spacing(spacing_mm)
    features, found = _describe(scan, spacing_mm)
    remarks = _remarks(scan, spacing_mm, unit, width_mm, features, found)
    return (remarks, features) if return_features else remarks


def _remarks(scan, spacing_mm, unit, width_mm, features, found):
    """Return the unusual features of a scan with these features and this spine line."""
    if features["high"] <= features["low"]:
        return ["empty: all pixels are equal"]
    remarks = []
    if not _NARROWEST_MM <= features["width_mm"] <= _WIDEST_MM:
        remarks.append(f"{features['width_mm']:.0f} mm wide")
    if features["unscanned"] > _MANY_UNSCANNED:
        remarks.append(f"{features['unscanned']:.0%} not scanned")
    if features["saturated"] > _MANY_SATURATED:
        remarks.append(f"saturated: {features['saturated']:.0%} at the largest value")
    inverted_quality = features["inverted_quality"]
    if inverted_quality >= max(LOW_QUALITY, features["quality"] + _INVERTED_GAIN):
        remarks.append("bone dark: perhaps inverted")
    else:
        reasons = reasons_against(scan, spacing_mm, found)
        remarks += [f"unlike a lumbar spine: {reason}" for reason in reasons]
        if not reasons and features["spine_mm"] < width_mm / 2 - _BESIDE_MM:
            remarks.append(f"spine {features['spine_mm']:.0f} mm from the side")
    if unit == "g/cm2" and not _LEAST_BONE <= features["high"] <= _MOST_BONE:
        remarks.append(f"unusual density: 99 % of pixels below {features['high']:.2g} g/cm2")
    elif unit == "g/cm2":
        dense_mm2 = (scan > _DENSE).sum() * spacing_mm[0] * spacing_mm[1]
        if dense_mm2 > _MOST_DENSE_MM2:
            remarks.append(f"{dense_mm2 / 100:.0f} cm2 above {_DENSE} g/cm2: perhaps metal")
    return remarks
