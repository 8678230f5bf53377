"""Smooth calibration curves by restricted cubic splines."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit

from skdxa.significance._checks import check_risks
from skdxa.significance._logistic import fit_logistic
from skdxa.validation import check_level

# Harrell's quantiles for the outermost knots, by number of knots.
_OUTER_QUANTILE = {3: 0.1, 4: 0.05, 5: 0.05, 6: 0.05, 7: 0.025}
# With fewer scans, the outermost knots are the fifth smallest and the fifth largest value.
_FEW_SCANS = 100


@dataclass(frozen=True)
class CalibrationCurve:
    """A smooth calibration curve, its confidence band and its distance from the diagonal.

    Attributes
    ----------
    curve : pandas.DataFrame
        One row per distinct predicted risk, in ascending order: `risk`, `observed` (the risk
        by the curve), `low` and `high`, its pointwise confidence band, and `n` and `events`,
        the number of scans with this predicted risk and of those with the outcome.
    ici, e50, e90, emax : float
        Mean (integrated calibration index), median, 90 % quantile and maximum over all scans
        of the absolute difference between predicted and observed risk; 0 is ideal.
    knots : ndarray of shape (n_knots,)
        Predicted risks at the knots of the spline.
    level : float
        Confidence level of the band.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.significance import calibration_curve
    >>> rng = np.random.default_rng(0)
    >>> risk = rng.uniform(0.05, 0.6, 500)  # simulated
    >>> result = calibration_curve((rng.random(500) < risk).astype(int), risk)
    >>> result.curve.columns.tolist()
    ['risk', 'observed', 'low', 'high', 'n', 'events']
    """

    curve: pd.DataFrame
    ici: float
    e50: float
    e90: float
    emax: float
    knots: np.ndarray
    level: float


def calibration_curve(y, prob, *, n_knots=4, groups=None, level=0.95):
    """Compute a smooth calibration curve with a pointwise confidence band.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Outcome, 0 or 1.
    prob : array-like of shape (n_scans,)
        Predicted risk of 1, strictly between 0 and 1, of patients that the model was not
        trained on.
    n_knots : int, default=4
        Number of knots of the spline, from 3 to 7. More knots need more events.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan, where patients have several: the band is then that of the
        sandwich estimator clustered by patient. By default every scan is of another patient.
    level : float, default=0.95
        Confidence level of the band.

    Returns
    -------
    CalibrationCurve
        The curve, and summaries of its distance from the predicted risks.

    Raises
    ------
    ValueError
        If a risk is 0 or 1, `y` has one class only, a value or a patient is missing, lengths
        differ, `n_knots` is not from 3 to 7, the risks have too few distinct values for the
        knots, or they separate the classes, so that no finite estimate exists.

    See Also
    --------
    calibration : Calibration-in-the-large, slope and Brier score.
    skdxa.displays.CalibrationDisplay : A picture of the curve.

    Notes
    -----
    The curve is the logistic regression of the outcome on a restricted cubic spline of the log
    odds of `prob`, which is linear beyond the outermost knots [1]_. The knots lie at Harrell's
    quantiles of the log odds; with fewer than 100 scans, the outermost knots are the fifth
    smallest and the fifth largest value. The summaries are those of Austin and Steyerberg [2]_;
    chance makes them larger than 0 even if the predicted risks are right.

    References
    ----------
    .. [1] Harrell FE. Regression modeling strategies. 2nd ed., Springer, 2015.
    .. [2] Austin PC, Steyerberg EW. The Integrated Calibration Index (ICI) and related
       metrics for quantifying the calibration of logistic regression models. Stat Med 38,
       4051-4065 (2019).

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.significance import calibration_curve
    >>> rng = np.random.default_rng(0)
    >>> risk = rng.uniform(0.05, 0.6, 1000)  # simulated
    >>> y = (rng.random(1000) < risk).astype(int)
    >>> result = calibration_curve(y, risk / 2)
    >>> round(result.ici, 2), round(result.emax, 2)
    (0.19, 0.32)
    """
    check_level(level)
    y, prob, patient = check_risks(y, prob, groups)
    log_odds = logit(prob)
    knots = _knots(log_odds, n_knots)
    names = ["prob", *(f"spline {number} of prob" for number in range(1, n_knots - 1))]
    coef, covariance, _ = fit_logistic(y, restricted_cubic_spline(log_odds, knots), names, patient)
    risk, first_row, row = np.unique(prob, return_index=True, return_inverse=True)
    design = np.column_stack(
        [np.ones(risk.size), restricted_cubic_spline(log_odds[first_row], knots)]
    )
    fitted = design @ coef
    error = np.sqrt(np.einsum("ij,jk,ik->i", design, covariance, design))
    half = stats.norm.ppf((1 + level) / 2) * error
    observed = expit(fitted)
    distance = np.abs(observed - risk)[row]
    return CalibrationCurve(
        curve=pd.DataFrame(
            {
                "risk": risk,
                "observed": observed,
                "low": expit(fitted - half),
                "high": expit(fitted + half),
                "n": np.bincount(row),
                "events": np.bincount(row, weights=y).astype(int),
            }
        ),
        ici=float(distance.mean()),
        e50=float(np.median(distance)),
        e90=float(np.quantile(distance, 0.9)),
        emax=float(distance.max()),
        knots=expit(knots),
        level=float(level),
    )


def restricted_cubic_spline(values, knots):
    """Return Harrell's basis of a cubic spline that is linear beyond the outermost knots.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
    knots : ndarray of shape (n_knots,)
        In ascending order.

    Returns
    -------
    ndarray of shape (n_values, n_knots - 1)
        The values themselves, then the cubic terms, divided by the squared distance of the
        outermost knots.
    """
    first, last, before = knots[0], knots[-1], knots[-2]

    def cubic(knot):
        return np.maximum(values - knot, 0) ** 3

    terms = [
        cubic(knot)
        - cubic(before) * (last - knot) / (last - before)
        + cubic(last) * (before - knot) / (last - before)
        for knot in knots[:-2]
    ]
    return np.column_stack([values, *(term / (last - first) ** 2 for term in terms)])


def _knots(log_odds, n_knots):
    """Return Harrell's knots of the log odds of the risks."""
    if n_knots not in _OUTER_QUANTILE:
        raise ValueError(f"n_knots must be a whole number from 3 to 7, got {n_knots!r}.")
    outer = _OUTER_QUANTILE[n_knots]
    knots = np.quantile(log_odds, np.linspace(outer, 1 - outer, int(n_knots)))
    if 10 <= log_odds.size < _FEW_SCANS:
        knots[[0, -1]] = np.sort(log_odds)[[4, -5]]
    if (np.diff(knots) <= 1e-9 * np.ptp(log_odds)).any() or np.ptp(log_odds) == 0:
        raise ValueError(
            f"prob has {np.unique(log_odds).size} distinct values, too few or too unequally "
            f"spread for {n_knots} knots: use fewer knots, or calibration."
        )
    return knots
