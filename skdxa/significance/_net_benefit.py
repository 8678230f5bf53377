"""Decision curves: the net benefit of treating patients above a risk."""

import numpy as np
import pandas as pd

from skdxa.significance._bootstrap import resample
from skdxa.significance._checks import (
    check_both_classes,
    check_groups,
    check_probability,
    check_vector,
)
from skdxa.validation import check_aligned, check_level

# Thresholds such as numpy.arange makes differ in their last digits from risks of the same number.
_ROUNDING = 1e-12


def net_benefit(y, prob, thresholds, *, groups=None, level=0.95, n_resamples=0, random_state=None):
    """Compute the net benefit of treating patients above a risk: the decision curve.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Outcome, 0 or 1.
    prob : array-like of shape (n_scans,)
        Predicted risk of 1.
    thresholds : float or array-like of shape (n_thresholds,)
        Risks from which a patient is treated (``prob >= threshold``), strictly
        between 0 and 1.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan, where patients have several, for the confidence band. By
        default every scan is of another patient.
    level : float, default=0.95
        Confidence level of the band.
    n_resamples : int, default=0
        Number of resamples of patients for a pointwise confidence band of the net benefit;
        2,000 are enough. By default there is no band.
    random_state : int, RandomState instance or None, default=None
        Seed of the resampling.

    Returns
    -------
    pandas.DataFrame of shape (n_thresholds, 7) or (n_thresholds, 9)
        Columns `threshold`, `true_positives`, `false_positives`, `net_benefit`
        (true positives per patient minus false positives per patient times the odds
        of the threshold), `treat_all` (net benefit of treating all patients; that of
        treating none is 0), `standardized` (net benefit divided by the prevalence;
        at most 1) and `interventions_avoided` (net reduction in treatments per
        hundred patients against treating all). With `n_resamples`, also `low` and `high`,
        the percentile interval of `net_benefit`.

    Raises
    ------
    ValueError
        If a threshold is not strictly between 0 and 1, a risk is missing or not within
        0 and 1, `y` has one class only, a patient is missing, lengths differ, or
        `n_resamples` is not a whole number of at least 0.

    Notes
    -----
    The band is of one model at one threshold. Overlapping bands do not show that two models
    differ in net benefit, nor that they do not: resample the difference with
    `bootstrap_interval`.

    References
    ----------
    .. [1] Vickers AJ, Elkin EB. Decision curve analysis: a novel method for
       evaluating prediction models. Med Decis Making 26, 565-574 (2006).

    Examples
    --------
    >>> from skdxa.significance import net_benefit
    >>> curve = net_benefit([0, 0, 0, 1], [0.1, 0.3, 0.2, 0.4], [0.2, 0.35])
    >>> curve.net_benefit.round(3).tolist()
    [0.125, 0.25]
    """
    check_level(level)
    check_aligned(y=y, prob=prob, groups=groups)
    patient = check_groups(groups, y, "y")
    y, prob = check_both_classes(y), check_probability(prob, "prob")
    thresholds = check_vector(np.atleast_1d(thresholds), "thresholds")
    if np.any((thresholds <= 0) | (thresholds >= 1)):
        raise ValueError(f"thresholds must lie between 0 and 1, got {thresholds.tolist()}.")
    if n_resamples < 0 or n_resamples % 1:
        raise ValueError(f"n_resamples must be a whole number of 0 or more, got {n_resamples!r}.")
    odds = thresholds / (1 - thresholds)
    n, prevalence = y.size, y.mean()
    true_positives = _count_from(prob[y == 1], thresholds)
    false_positives = _count_from(prob[y == 0], thresholds)
    benefit = true_positives / n - false_positives / n * odds
    treat_all = prevalence - (1 - prevalence) * odds
    curve = pd.DataFrame(
        {
            "threshold": thresholds,
            "true_positives": true_positives,
            "false_positives": false_positives,
            "net_benefit": benefit,
            "treat_all": treat_all,
            "standardized": benefit / prevalence,
            "interventions_avoided": 100 * (benefit - treat_all) / odds,
        }
    )
    if n_resamples == 0:
        return curve

    # Each scan's part of the net benefit, by threshold.
    part = (prob >= thresholds[:, np.newaxis] - _ROUNDING) * (y - (1 - y) * odds[:, np.newaxis])

    def benefit_of(rows, weights):
        return np.moveaxis(weights @ part.T / weights.sum(axis=-1, keepdims=True), -1, 0)

    ends = resample(
        benefit_of,
        [np.arange(n)],
        groups=patient,
        stratify=None,
        weighted=True,
        level=level,
        method="percentile",
        n_resamples=int(n_resamples),
        random_state=random_state,
    ).confidence_interval
    return curve.assign(low=ends.low, high=ends.high)


def _count_from(prob, thresholds):
    """Count the risks that reach each threshold."""
    return prob.size - np.searchsorted(np.sort(prob), thresholds - _ROUNDING, side="left")
