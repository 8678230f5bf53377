"""How well a measurement repeats, and the change that it can show."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from skdxa.densitometry._numbers import as_floats, first_place, same_kind
from skdxa.validation import check_level


@dataclass(frozen=True)
class PrecisionError:
    """How well a densitometer and its operator repeat themselves.

    Attributes
    ----------
    sd : float
        Root mean square of the patients' standard deviations, in the unit measured (g/cm2).
    percent_cv : float
        Root mean square of the patients' coefficients of variation, in per cent.
    n_patients : int
        Patients measured at least twice.
    degrees_of_freedom : int
        Measurements less patients; the ISCD asks for 30.

    Examples
    --------
    >>> from skdxa.densitometry import precision_error
    >>> precision_error([[1.00, 1.00], [0.90, 0.90]])
    PrecisionError(sd=0.0, percent_cv=0.0, n_patients=2, degrees_of_freedom=2)
    """

    sd: float
    percent_cv: float
    n_patients: int
    degrees_of_freedom: int


def precision_error(repeated):
    """Compute the precision error of repeated measurements as defined by the ISCD.

    Parameters
    ----------
    repeated : array-like or DataFrame of shape (n_patients, n_repeats)
        Areal densities, all above 0: one row per patient, repositioned between measurements. NaN
        where a repeat is missing.

    Returns
    -------
    PrecisionError
        Root mean square standard deviation and coefficient of variation.

    Raises
    ------
    ValueError
        If no patient was measured twice, or a value is not positive.

    See Also
    --------
    least_significant_change : The smallest change that is more than noise.

    Notes
    -----
    The squares of the patients' standard deviations are averaged, not the deviations, which
    would look too good [1]_. Where patients have unequal numbers of repeats, each counts by
    its degrees of freedom. The ISCD asks for 30 degrees of freedom: 15 patients measured
    three times, or 30 twice [2]_; look at `degrees_of_freedom`.

    References
    ----------
    .. [1] C. C. Glüer et al., "Accurate assessment of precision errors: how to measure the
       reproducibility of bone densitometry techniques", Osteoporosis International 5,
       262-270, 1995.
    .. [2] International Society for Clinical Densitometry, "2019 ISCD Official Positions:
       Adult".

    Examples
    --------
    >>> from skdxa.densitometry import precision_error
    >>> error = precision_error([[1.00, 1.02], [0.90, 0.90], [1.10, 1.08]])
    >>> print(f"{error.sd:.4f} g/cm2, {error.percent_cv:.2f} %, df {error.degrees_of_freedom}")
    0.0115 g/cm2, 1.10 %, df 3
    """
    values = as_floats(repeated, "repeated")
    if values.ndim != 2:
        raise ValueError(
            "repeated must have one row per patient and one column per measurement; "
            f"its shape is {values.shape}."
        )
    bad = (values <= 0) | np.isinf(values)
    if bad.any():
        raise ValueError(
            f"repeated must be positive; it is not{first_place(repeated, bad)}. Mark as NaN "
            "what was not measured."
        )
    n_repeats = (~np.isnan(values)).sum(axis=1)
    values, n_repeats = values[n_repeats >= 2], n_repeats[n_repeats >= 2]
    if n_repeats.size == 0:
        raise ValueError("repeated has no patient who was measured at least twice.")
    mean = np.nanmean(values, axis=1)
    degrees = n_repeats - 1
    variance = np.nanvar(values, axis=1, ddof=1)
    return PrecisionError(
        sd=float(np.sqrt(np.average(variance, weights=degrees))),
        percent_cv=float(100 * np.sqrt(np.average(variance / mean**2, weights=degrees))),
        n_patients=int(n_repeats.size),
        degrees_of_freedom=int(degrees.sum()),
    )


def least_significant_change(precision_sd, *, level=0.95):
    """Compute the smallest change between two measurements that exceeds measurement error.

    Parameters
    ----------
    precision_sd : float or array-like
        Precision error as a root mean square standard deviation, in g/cm2, such as
        `precision_error(...).sd`; not negative. A change in per cent comes from a
        coefficient of variation in per cent.
    level : float, default=0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    change : float, ndarray or Series
        In the unit of `precision_sd`: a change counts if it is at least as large.

    Raises
    ------
    ValueError
        If a precision error is negative or infinite, or `level` is not between 0 and 1.

    See Also
    --------
    precision_error : Precision error from repeated measurements.

    Notes
    -----
    z sqrt(2) times the precision error, z being the two-sided normal quantile. As in the
    ISCD's tables [1]_ the factor is rounded to two decimals: 2.77 at 95 %, 1.81 at 80 %.

    References
    ----------
    .. [1] International Society for Clinical Densitometry, "2019 ISCD Official Positions:
       Adult".

    Examples
    --------
    >>> from skdxa.densitometry import least_significant_change
    >>> print(f"{least_significant_change(0.010):.4f} g/cm2")
    0.0277 g/cm2
    """
    check_level(level)
    sd = as_floats(precision_sd, "precision_sd")
    bad = (sd < 0) | np.isinf(sd)
    if bad.any():
        raise ValueError(
            "precision_sd must be zero or positive and finite; "
            f"it is not{first_place(precision_sd, bad)}."
        )
    factor = round(float(np.sqrt(2) * stats.norm.ppf((1 + level) / 2)), 2)
    return same_kind(factor * sd, precision_sd)
