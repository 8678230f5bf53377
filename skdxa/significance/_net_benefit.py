"""Decision curves: the net benefit of treating patients above a risk."""

import numpy as np
import pandas as pd

from skdxa.significance._checks import check_probability, check_two_classes, check_vector
from skdxa.validation import check_same_rows


def net_benefit(y, prob, thresholds):
    """Compute the net benefit of treating patients above a risk: the decision curve.

    Parameters
    ----------
    y : array-like of shape (n_patients,)
        Outcome, 0 or 1.
    prob : array-like of shape (n_patients,)
        Predicted risk of 1.
    thresholds : float or array-like of shape (n_thresholds,)
        Risks from which a patient is treated (``prob >= threshold``), strictly
        between 0 and 1.

    Returns
    -------
    pandas.DataFrame of shape (n_thresholds, 7)
        Columns `threshold`, `true_positives`, `false_positives`, `net_benefit`
        (true positives per patient minus false positives per patient times the odds
        of the threshold), `treat_all` (net benefit of treating all patients; that of
        treating none is 0), `standardized` (net benefit divided by the prevalence;
        at most 1) and `interventions_avoided` (net reduction in treatments per
        hundred patients against treating all).

    Raises
    ------
    ValueError
        If a threshold is not strictly between 0 and 1, a risk is missing or not within
        0 and 1, `y` has one class only, or lengths differ.

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
    check_same_rows(y, prob, ("y", "prob"))
    y, prob = check_two_classes(y), check_probability(prob, "prob")
    thresholds = check_vector(np.atleast_1d(thresholds), "thresholds")
    if np.any((thresholds <= 0) | (thresholds >= 1)):
        raise ValueError(f"thresholds must lie between 0 and 1, got {thresholds.tolist()}.")
    odds = thresholds / (1 - thresholds)
    n, prevalence = y.size, y.mean()
    true_positives = _count_from(prob[y == 1], thresholds)
    false_positives = _count_from(prob[y == 0], thresholds)
    benefit = true_positives / n - false_positives / n * odds
    treat_all = prevalence - (1 - prevalence) * odds
    return pd.DataFrame(
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


def _count_from(prob, thresholds):
    """Count the risks that reach each threshold."""
    return prob.size - np.searchsorted(np.sort(prob), thresholds, side="left")
