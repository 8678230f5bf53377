"""Decision curves: the net benefit of treating patients above a risk."""

import numpy as np
import pandas as pd

from skdxa.significance._checks import check_probability, check_two_classes, check_vector
from skdxa.validation import check_same_rows


def net_benefit(y, prob, thresholds):
    """Net benefit of treating those above a risk: the decision curve.

    Parameters
    ----------
    y : array-like of shape (n_patients,)
        Outcome, 0 or 1.
    prob : array-like of shape (n_patients,)
        Predicted risk of 1.
    thresholds : float or array-like of shape (n_thresholds,)
        Risks from which one would treat (``prob >= threshold``), strictly
        between 0 and 1.

    Returns
    -------
    pandas.DataFrame of shape (n_thresholds, 7)
        Columns `threshold`, `true_positives`, `false_positives`, `net_benefit`
        (true positives a patient, less false ones at the threshold's odds),
        `treat_all` (that of treating everyone; treating nobody has 0),
        `standardized` (over the prevalence; 1 is the most) and
        `interventions_avoided` (net, a hundred patients, over treating all).

    Raises
    ------
    ValueError
        If a threshold is not between 0 and 1, or as for `calibration`; risks
        of 0 and 1 are allowed.

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
        raise ValueError(f"thresholds must lie between 0 and 1, got {thresholds.tolist()}")
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
    """How many risks reach each threshold."""
    return prob.size - np.searchsorted(np.sort(prob), thresholds, side="left")
