"""Measure whether predicted risks match the observed outcomes."""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, logit

from skdxa.significance._checks import check_risks, warn
from skdxa.significance._logistic import fit_logistic
from skdxa.significance._results import HypothesisTest, Interval
from skdxa.significance._wald import interval_around
from skdxa.validation import check_level


@dataclass(frozen=True)
class Calibration:
    """How well predicted risks match the observed outcomes.

    Attributes
    ----------
    in_the_large : float
        Log odds by which the risks are too low (positive) or too high (negative)
        on average; 0 is ideal.
    in_the_large_interval : Interval
        Wald interval and variance of `in_the_large`.
    slope : float
        Calibration slope; 1 is ideal, and below 1 the risks are too extreme, as
        after overfitting.
    slope_interval : Interval
        Wald interval and variance of `slope`.
    intercept : float
        Intercept of the model with the slope, which differs from
        calibration-in-the-large.
    brier : float
        Mean squared difference between risk and outcome; lower is better.
    scaled_brier : float
        Relative reduction of the Brier score against predicting the prevalence for
        every patient (index of prediction accuracy): 1 is perfect; at 0 or below,
        the risks are no better than the prevalence.
    n, events : int
        Number of patients, and of patients with the outcome.
    expected : float
        Number of events expected by the risks.
    observed_over_expected : Interval
        `events` divided by `expected`; 1 is ideal, and above 1 the risks are too low. The
        interval is symmetric on the logarithmic scale, the variance that of the logarithm.
    """

    in_the_large: float
    in_the_large_interval: Interval
    slope: float
    slope_interval: Interval
    intercept: float
    brier: float
    scaled_brier: float
    n: int
    events: int
    expected: float
    observed_over_expected: Interval


def calibration(y, prob, *, groups=None, level=0.95):
    """Compute calibration-in-the-large, calibration slope and Brier score.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Outcome, 0 or 1.
    prob : array-like of shape (n_scans,)
        Predicted risk of 1, strictly between 0 and 1, of patients that the model
        was not trained on.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan, where patients have several: the variances are then those
        of the sandwich estimator clustered by patient [4]_. By default every scan is of
        another patient.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    Calibration
        The measures as attributes; calibration-in-the-large, slope and the ratio of observed to
        expected events with their intervals.

    Raises
    ------
    ValueError
        If a risk is 0 or 1, whose log odds are infinite, if `y` has one class only, if a
        value or a patient is missing, or if lengths differ.

    Warns
    -----
    RuntimeWarning
        If the risks are all equal or separate the classes: slope and intercept
        are NaN.

    Notes
    -----
    Calibration-in-the-large is the constant of a logistic model with the log odds
    of `prob` as an offset. The slope is the coefficient of the log odds in a second
    logistic model. The variance of the logarithm of observed over expected events is the sum of
    the squares of ``y / events - prob / expected``, as of two means over the same patients.

    References
    ----------
    .. [1] Cox DR. Two further applications of a model for binary regression.
       Biometrika 45, 562-565 (1958).
    .. [2] Steyerberg EW. Clinical prediction models. 2nd ed., Springer, 2019.
    .. [3] Kattan MW, Gerds TA. The index of prediction accuracy. Diagn Progn Res
       2, 7 (2018).
    .. [4] Liang KY, Zeger SL. Longitudinal data analysis using generalized linear models.
       Biometrika 73, 13-22 (1986).

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.significance import calibration
    >>> prob = np.repeat([0.1, 0.4, 0.8], 10)
    >>> y = np.r_[[1] + [0] * 9, [1] * 4 + [0] * 6, [1] * 8 + [0] * 2]
    >>> result = calibration(y, prob)
    >>> abs(round(result.in_the_large, 6)), round(result.slope, 6), round(result.brier, 4)
    (0.0, 1.0, 0.1633)
    """
    check_level(level)
    y, prob, patient = check_risks(y, prob, groups)
    log_odds = logit(prob)
    shift = _constant_with_offset(y, log_odds)
    shift_variance = _shift_variance(y, expit(log_odds + shift), patient)
    intercept, slope, slope_variance = _recalibration(y, log_odds, patient)
    method = "Wald" if patient is None else "clustered Wald"
    brier, prevalence = np.mean((prob - y) ** 2), y.mean()
    return Calibration(
        in_the_large=shift,
        in_the_large_interval=interval_around(shift, shift_variance, stats.norm, level, method),
        slope=slope,
        slope_interval=interval_around(slope, slope_variance, stats.norm, level, method),
        intercept=intercept,
        brier=float(brier),
        scaled_brier=float(1 - brier / (prevalence * (1 - prevalence))),
        n=int(y.size),
        events=int(y.sum()),
        expected=float(prob.sum()),
        observed_over_expected=_observed_over_expected(y, prob, patient, level),
    )


def hosmer_lemeshow(y, prob, *, out_of_fold, n_groups=10):
    """Test the fit of predicted risks after Hosmer and Lemeshow.

    Parameters
    ----------
    y : array-like of shape (n_patients,)
        Outcome, 0 or 1.
    prob : array-like of shape (n_patients,)
        Predicted risk of 1, strictly between 0 and 1.
    out_of_fold : bool
        True if the model was not trained on these patients (other folds, another
        hospital): the degrees of freedom are the number of groups. False for
        training data: two fewer.
    n_groups : int, default=10
        Number of groups of equal size by risk. Equal risks stay together, so that
        groups may be unequal or fewer.

    Returns
    -------
    HypothesisTest
        Chi-square (as `estimate` and `statistic`), its degrees of freedom and
        p-value; `interval` is None.

    Raises
    ------
    ValueError
        As for `calibration`, or if `n_groups` is less than 2.

    Warns
    -----
    RuntimeWarning
        If ties leave too few groups for one degree of freedom: statistic and
        p-value are NaN. If a group has fewer than 5 expected events or non-events, for
        which chi-square is a poor approximation.

    Notes
    -----
    The test rejects nearly any model in a large cohort and nearly none in a small
    one, and the result depends on the grouping: prefer `calibration`. Scans are taken as
    independent, which several scans of a patient are not.

    References
    ----------
    .. [1] Hosmer DW, Lemeshow S. Goodness of fit tests for the multiple logistic
       regression model. Commun Stat Theory Methods 9, 1043-1069 (1980).

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.significance import hosmer_lemeshow
    >>> prob = np.repeat([0.1, 0.4, 0.8], 50)
    >>> y = np.r_[[1] * 10 + [0] * 40, [1] * 20 + [0] * 30, [1] * 40 + [0] * 10]
    >>> test = hosmer_lemeshow(y, prob, out_of_fold=True, n_groups=3)
    >>> round(test.statistic, 2), test.df, round(test.pvalue, 2)
    (5.56, 3, 0.14)
    """
    y, prob, _ = check_risks(y, prob)
    if n_groups < 2:
        raise ValueError(f"n_groups must be at least 2, got {n_groups!r}.")
    edges = np.unique(np.quantile(prob, np.linspace(0, 1, n_groups + 1)))
    inner = edges[1:-1]
    _, group = np.unique(np.searchsorted(inner, prob, side="left"), return_inverse=True)
    size, observed, expected = (np.bincount(group, weights) for weights in (None, y, prob))
    df = size.size if out_of_fold else size.size - 2
    if df < 1 or size.size == 1:
        warn(f"ties leave {size.size} group(s) of risk: no Hosmer-Lemeshow test.")
        return HypothesisTest(np.nan, np.nan, np.nan, None, "Hosmer-Lemeshow", df)
    smallest = np.minimum(expected, size - expected)
    n_small = np.sum(smallest < 5 * (1 - 1e-9))
    if n_small:
        warn(
            f"{n_small} of {size.size} groups have fewer than 5 expected events or non-events "
            f"(the fewest {smallest.min():.2g}), so the p-value is inaccurate: use fewer groups "
            "with n_groups."
        )
    # The terms (o - e)^2 / e of events and of non-events have the same numerator.
    statistic = float(np.sum((observed - expected) ** 2 / (expected * (1 - expected / size))))
    pvalue = float(stats.chi2.sf(statistic, df))
    return HypothesisTest(statistic, statistic, pvalue, None, "Hosmer-Lemeshow", df)


def _observed_over_expected(y, prob, patient, level):
    """Return the ratio of the events to those expected."""
    ratio = y.sum() / prob.sum()
    residuals = y / y.sum() - prob / prob.sum()
    if patient is not None:
        residuals = np.bincount(patient, residuals)
    variance = float(residuals.size / (residuals.size - 1) * np.sum(residuals**2))
    half = stats.norm.ppf((1 + level) / 2) * np.sqrt(variance)
    low, high = ratio * np.exp(-half), ratio * np.exp(half)
    method = "logarithmic scale" if patient is None else "clustered, logarithmic scale"
    return Interval(float(ratio), float(low), float(high), float(level), method, variance)


def _constant_with_offset(y, log_odds):
    """Return the shift of the log odds at which the risks add up to the events."""

    def excess(shift):
        return expit(log_odds + shift).sum() - y.sum()

    overall = logit(y.mean())
    return float(brentq(excess, overall - log_odds.max() - 1, overall - log_odds.min() + 1))


def _shift_variance(y, risk, patient):
    """Return the variance of a constant that makes the risks add up to the events."""
    information = np.sum(risk * (1 - risk))
    if patient is None:
        return 1 / information
    residuals = np.bincount(patient, y - risk)
    if residuals.size < 2:
        raise ValueError("groups must hold at least two patients.")
    return residuals.size / (residuals.size - 1) * np.sum(residuals**2) / information**2


def _recalibration(y, log_odds, patient):
    """Regress the outcome on the log odds: intercept, slope and variance of the slope."""
    events, nonevents = log_odds[y == 1], log_odds[y == 0]
    if events.min() >= nonevents.max() or nonevents.min() >= events.max():
        warn("the risks are all equal or separate the classes: no calibration slope exists.")
        return np.nan, np.nan, np.nan
    coef, covariance, _ = fit_logistic(y, log_odds[:, None], ["prob"], patient)
    return float(coef[0]), float(coef[1]), float(covariance[1, 1])
