"""Angle of a curve of the spine, from vertebrae or from the spine's centre line."""

import numpy as np
from scipy.signal import savgol_filter

from skdxa.densitometry._numbers import ROUNDING, as_floats, decide
from skdxa.exceptions import ScanError
from skdxa.validation import check_spacing

# A lumbar vertebra with its disc: a shorter window follows single vertebrae and noise.
_WINDOW_MM = 35.0
_RULES = {">10": lambda angle: angle > 10 + ROUNDING, ">=10": lambda angle: angle >= 10 - ROUNDING}


def cobb_angle(spine, *, spacing_mm):
    """Compute the Cobb angle of the largest curve, from corners of vertebrae or from a spine line.

    Parameters
    ----------
    spine : array-like of shape (n_vertebrae, 4, 2) or (n_rows,)
        Either the corners of vertebrae from the head down, each ordered top left, top
        right, bottom left, bottom right, as (x, y) in pixels: the column first, then the
        row. A vertebra with a NaN is left out. Or the column of the spine's centre in every
        row, as `skdxa.preprocessing.find_spine_line` gives it, in pixels.
    spacing_mm : tuple of float
        Height and width of a pixel in mm (rows first), since pixels are rarely square:
        ``(1.05, 0.60)`` in the scans of [1]_, ``(1, 1)`` for a radiograph with square pixels
        of unknown size, where only corners can be used.

    Returns
    -------
    angle : float
        In degrees, never negative.

    Raises
    ------
    ScanError
        If `spine` has another shape, fewer than two vertebrae are complete, a row of the line
        is not a finite number, the line is shorter than two vertebrae (70 mm), or the spacing
        is not a pair of positive numbers.

    See Also
    --------
    is_scoliotic : Compare the angle with 10 degrees, by a stated rule.

    Notes
    -----
    From corners, the tilt of a vertebra is that of the line from the middle of its left side
    to the middle of its right side, and the angle is the largest difference of tilt between
    any two vertebrae given. This definition reproduces the angles published with the
    radiographs of [2]_ to 0.01 degrees, the rounding of the landmarks. A reader draws lines
    along end plates instead, and two readers differ by 3 to 5 degrees [3]_.

    From a line, the angle is the largest difference of inclination, after fitting straight
    lines by least squares to 35 mm of it, the height of a vertebra and its disc. It is a
    substitute, not a Cobb angle: the fit flattens short curves, noise adds to straight
    spines, and a scan shows only part of the spine. On 150 simulated scans the angles of the
    lines that were found differed from the true ones by 0.3 +- 3.0 degrees on average, and
    by -4 +- 4 where the true angle exceeded 10 degrees: use it to rank scans, or calibrate it
    against readings.

    References
    ----------
    .. [1] T. Nissinen et al., "Detecting pathological features and predicting fracture risk
       from dual-energy X-ray absorptiometry images using deep learning", Bone Reports 14,
       101070, 2021.
    .. [2] H. Wu et al., "Automatic landmark estimation for adolescent idiopathic scoliosis
       assessment using BoostNet", MICCAI 2017, 127-135.
    .. [3] R. T. Morrissy et al., "Measurement of the Cobb angle on radiographs of patients
       who have scoliosis", Journal of Bone and Joint Surgery 72-A, 320-327, 1990.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.densitometry import cobb_angle
    >>> level = [[0, 0], [10, 0], [0, 8], [10, 8]]
    >>> tilted = [[0, 10], [10, 15], [0, 18], [10, 23]]
    >>> print(f"{cobb_angle([level, tilted], spacing_mm=(1, 1)):.1f}")
    26.6
    >>> line = np.r_[np.linspace(150, 170, 80), np.linspace(170, 150, 80)]
    >>> print(f"{cobb_angle(line, spacing_mm=(1.05, 0.60)):.1f}")
    16.5
    """
    row_mm, column_mm = check_spacing(spacing_mm)
    points = as_floats(spine, "spine")
    if points.ndim == 1:
        tilt = _inclinations(points, row_mm, column_mm)
    elif points.ndim == 3 and points.shape[1:] == (4, 2):
        tilt = _tilts(points * (column_mm, row_mm))
    else:
        raise ScanError(
            "spine must be corners of vertebrae, of shape (n_vertebrae, 4, 2), or a spine "
            f"line, of shape (n_rows,); its shape is {points.shape}."
        )
    return float(np.ptp(tilt))


def _tilts(corners):
    """Return the tilt from the horizontal, in degrees, of vertebrae with four known corners."""
    corners = corners[np.isfinite(corners).all(axis=(1, 2))]
    if len(corners) < 2:
        raise ScanError(
            f"A Cobb angle needs two vertebrae with all corners; there are {len(corners)}."
        )
    top_left, top_right, bottom_left, bottom_right = corners.transpose(1, 0, 2)
    across, down = ((top_right + bottom_right - top_left - bottom_left) / 2).T
    if (across <= 0).any():
        raise ScanError(
            f"Vertebra {np.flatnonzero(across <= 0)[0]} (counted from 0) has its right corners "
            "left of its left ones: the order is top left, top right, bottom left, bottom "
            "right, each (x, y)."
        )
    return np.degrees(np.arctan2(down, across))


def _inclinations(line, row_mm, column_mm):
    """Return the inclination of the smoothed line from the vertical in each row, in degrees."""
    bad = np.flatnonzero(~np.isfinite(line))
    if bad.size:
        raise ScanError(f"The spine line has no column in row {bad[0]}: fill or cut such rows.")
    window = max(3, 2 * round((_WINDOW_MM / row_mm - 1) / 2) + 1)
    if line.size < 2 * window - 1:
        raise ScanError(
            f"The spine line has {line.size} rows, {line.size * row_mm:.0f} mm; an angle needs "
            f"two vertebrae, {2 * _WINDOW_MM:.0f} mm. If the spacing is unknown, pass corners."
        )
    slope = savgol_filter(line * column_mm, window, polyorder=1, deriv=1, delta=row_mm)
    return np.degrees(np.arctan(slope))


def is_scoliotic(angle, *, rule=">10"):
    """Decide whether Cobb angles indicate scoliosis.

    Parameters
    ----------
    angle : float, array-like, Series or DataFrame
        Cobb angles in degrees; NaN where unknown.
    rule : {">10", ">=10"}, default=">10"
        More than 10 degrees, as in [1]_, or 10 degrees and more, as in other studies. Report
        it with the result.

    Returns
    -------
    scoliotic : bool, ndarray, Series or DataFrame
        As returned by `is_osteoporotic`: unknown values remain unknown.

    Raises
    ------
    ValueError
        If the rule is another one, or an angle is negative.

    See Also
    --------
    cobb_angle : The angle itself.

    Notes
    -----
    Angles within one millionth of a degree of 10 count as 10. Read on DXA scans they are
    uncertain by about 4 degrees, so that many patients near the limit fall on either side.

    References
    ----------
    .. [1] T. Nissinen et al., "Detecting pathological features and predicting fracture risk
       from dual-energy X-ray absorptiometry images using deep learning", Bone Reports 14,
       101070, 2021.

    Examples
    --------
    >>> from skdxa.densitometry import is_scoliotic
    >>> is_scoliotic([9.8, 10.0, 14.2]).tolist()
    [False, False, True]
    >>> is_scoliotic(10.0, rule=">=10")
    True
    """
    if rule not in _RULES:
        raise ValueError(f"rule must be one of {list(_RULES)}; got {rule!r}.")
    degrees = as_floats(angle, "angle")
    if (degrees < 0).any():
        raise ValueError(
            "angle must not be negative: give the size of the curve, without its side."
        )
    decided = decide(~np.isnan(degrees), _RULES[rule](degrees), angle)
    if hasattr(decided, "attrs"):
        decided.attrs = {**angle.attrs, "rule": f"Cobb angle {rule} degrees"}
    return decided
