"""Sensitivity, specificity, thresholds, and the metrics of many folds at once."""

import warnings

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import recall_score
from sklearn.utils import check_consistent_length, column_or_1d

from skdxa.evaluation._ranks import ranks_within
from skdxa.significance import roc_points
from skdxa.validation import as_patients, check_aligned, check_known, fill_masked

THRESHOLD_RULES = ("at_least", "nearest", "interpolated", "guaranteed")
METRICS = ("sensitivity", "specificity", "accuracy", "auc")

# Sensitivities are fractions of small whole numbers: smaller differences come from rounding.
_ROUNDING = 1e-12


def sensitivity_score(y_true, y_pred, *, pos_label=1, sample_weight=None):
    """Compute the share of the actual positives that are detected.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_scans,)
        Actual and predicted labels.
    pos_label : int, float, bool or str, default=1
        The positive label; every other label is negative.
    sample_weight : array-like of shape (n_scans,), optional
        Weights of the scans.

    Returns
    -------
    float
        From 0 to 1; NaN if no scan is positive.

    Raises
    ------
    ValueError
        If the lengths differ, there are no labels or one is missing, or `pos_label` is none of
        them.

    Warns
    -----
    UndefinedMetricWarning
        If there is no actual positive.

    See Also
    --------
    specificity_score : The share of the negatives that are classified as negative.

    Examples
    --------
    >>> from sklearn.metrics import make_scorer
    >>> from skdxa.evaluation import sensitivity_score
    >>> round(sensitivity_score([1, 1, 1, 0, 0], [1, 1, 0, 0, 1]), 3)
    0.667
    >>> scorer = make_scorer(sensitivity_score, pos_label="fracture")
    """
    return _recall(y_true, y_pred, pos_label, "positive", sample_weight)


def specificity_score(y_true, y_pred, *, pos_label=1, sample_weight=None):
    """Compute the share of the actual negatives that are classified as negative.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_scans,)
        Actual and predicted labels.
    pos_label : int, float, bool or str, default=1
        The positive label; every other label is negative.
    sample_weight : array-like of shape (n_scans,), optional
        Weights of the scans.

    Returns
    -------
    float
        From 0 to 1; NaN if no scan is negative.

    Raises
    ------
    ValueError
        If the lengths differ, there are no labels or one is missing, or `pos_label` is none of
        them.

    Warns
    -----
    UndefinedMetricWarning
        If there is no actual negative.

    See Also
    --------
    sensitivity_score : The share of the positives that are detected.

    Examples
    --------
    >>> from skdxa.evaluation import specificity_score
    >>> specificity_score([1, 1, 1, 0, 0], [1, 1, 0, 0, 1])
    0.5
    """
    return _recall(y_true, y_pred, pos_label, "negative", sample_weight)


def _recall(y_true, y_pred, pos_label, side, sample_weight):
    y_true, y_pred = (column_or_1d(fill_masked(labels)) for labels in (y_true, y_pred))
    check_consistent_length(y_true, y_pred)
    if not len(y_true):
        raise ValueError("y_true and y_pred are empty.")
    for labels, name in ((y_true, "y_true"), (y_pred, "y_pred")):
        check_known(labels, name)
    labels = np.union1d(y_true, y_pred).tolist()
    # If only one label occurs, a number is the negative label: no scan is positive.
    if pos_label not in labels and (len(labels) > 1 or isinstance(labels[0], str)):
        raise ValueError(
            f"pos_label={pos_label!r} is not a valid label: it must be one of {labels}."
        )
    actual, predicted = y_true == pos_label, y_pred == pos_label
    if side == "negative":
        actual, predicted = ~actual, ~predicted
    if not actual.any():
        metric = "sensitivity" if side == "positive" else "specificity"
        warnings.warn(
            f"{metric} is undefined and set to NaN: y_true has no {side} label "
            f"(pos_label={pos_label!r}).",
            UndefinedMetricWarning,
            stacklevel=3,
        )
    return float(
        recall_score(actual, predicted, sample_weight=sample_weight, zero_division=np.nan)
    )


def threshold_at_sensitivity(
    y, score, sensitivity, *, rule="at_least", confidence=0.95, groups=None
):
    """Find the threshold at which a score has the wanted sensitivity.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Labels, 0 or 1.
    score : array-like of shape (n_scans,)
        Higher means more likely positive: negate T-scores and TBS.
    sensitivity : float
        Wanted sensitivity, above 0 and at most 1; often that of another predictor.
    rule : {"at_least", "nearest", "interpolated", "guaranteed"}, default="at_least"
        "at_least" is the highest threshold whose sensitivity is not below the wanted one.
        "nearest" is the threshold whose sensitivity is nearest; of several equally near
        ones the highest, which is the most specific. "interpolated" lies between the
        neighbouring points of the ROC curve, in proportion to the sensitivity. "guaranteed"
        is the highest threshold whose sensitivity among new patients is not below the wanted
        one, with the stated confidence.
    confidence : float, default=0.95
        For the rule "guaranteed": the probability, over samples like this one, that the
        guarantee holds.
    groups : array-like of shape (n_scans,), optional
        For the rule "guaranteed": the patient of each scan, where patients have several.

    Returns
    -------
    float
        The threshold: positive is ``score >= threshold``.

    Raises
    ------
    ValueError
        If `y` has one class only or other labels than 0 and 1, a value is missing, or
        `sensitivity`, `rule` or `confidence` is out of range; if `groups` are given with another
        rule; or if there are too few positive patients for the guarantee, naming how many are
        needed.

    See Also
    --------
    CrossValidationResult.thresholds : The threshold of each repeat of a cross-validation.

    Notes
    -----
    The first three rules give three thresholds, and a publication should state its rule. Few
    sensitivities occur on a finite sample: with 92 positives, 60 % lies between 55
    (59.8 %) and 56 (60.9 %) of them. The interpolated threshold has the wanted
    sensitivity only on the straight line between two points of the ROC curve; applied to
    the same scores it has that of the point with the higher threshold. If the wanted
    sensitivity lies below that of the highest score there is no point to interpolate
    from, and the highest score is the threshold by every rule.

    The sensitivity and specificity of a threshold chosen on the same scores are slightly
    optimistic: among new patients, the rule "at_least" reaches the wanted sensitivity about half
    of the time.

    *Guaranteed.* The threshold is the k-th lowest score of the n positives, with the largest `k`
    for which a binomial variable of `n` trials with the probability ``1 - sensitivity`` reaches
    `k` with the stated confidence: a one-sided tolerance limit [1]_. It is the highest threshold
    at which the one-sided lower end of Clopper and Pearson's interval [2]_ of the sensitivity is
    not below the wanted one. The scores must be of patients that the model was not trained on,
    of whom the new ones are a random sample. No distribution is assumed, and ties make the rule
    safer. At least ``log(1 - confidence) / log(sensitivity)`` positives are needed, such as 29
    for 90 % and 14 for 80 % with 95 % confidence. For a patient with several positive scans the
    lowest score is used, so that the guarantee applies to patients all of whose positive scans
    are detected.

    References
    ----------
    .. [1] Wilks SS. Determination of sample sizes for setting tolerance limits. Annals of
       Mathematical Statistics 12 (1941) 91-96.
    .. [2] Clopper C, Pearson ES. The use of confidence or fiducial limits illustrated in the
       case of the binomial. Biometrika 26 (1934) 404-413.

    Examples
    --------
    >>> from skdxa.evaluation import threshold_at_sensitivity
    >>> y = [0, 1, 0, 1, 0, 1]
    >>> score = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    >>> threshold_at_sensitivity(y, score, 0.6)
    0.4
    >>> threshold_at_sensitivity(y, score, 0.4, rule="nearest")
    0.6
    >>> threshold_at_sensitivity(y, score, 0.4, rule="guaranteed", confidence=0.9)
    0.2
    """
    if rule not in THRESHOLD_RULES:
        raise ValueError(f"rule must be one of {list(THRESHOLD_RULES)}, got {rule!r}.")
    if not 0 < sensitivity <= 1:
        raise ValueError(f"sensitivity must lie above 0 and not above 1, got {sensitivity!r}.")
    if rule == "guaranteed":
        return _guaranteed_threshold(y, score, sensitivity, confidence, groups)
    if groups is not None:
        raise ValueError("groups are for rule='guaranteed' alone; the other rules count scans.")
    # At the first point, whose threshold is infinite, no scan is positive.
    points = roc_points(y, score).iloc[1:]
    thresholds, reached = points["threshold"].to_numpy(), points["sensitivity"].to_numpy()
    above = int(np.argmax(reached >= sensitivity - _ROUNDING))
    if rule == "at_least" or above == 0 or reached[above] <= sensitivity + _ROUNDING:
        return float(thresholds[above])
    below = above - 1
    if rule == "interpolated":
        share = (sensitivity - reached[below]) / (reached[above] - reached[below])
        return float(thresholds[below] + share * (thresholds[above] - thresholds[below]))
    if reached[above] - sensitivity < sensitivity - reached[below] - _ROUNDING:
        return float(thresholds[above])
    return float(thresholds[np.argmax(reached >= reached[below])])


def _guaranteed_threshold(y, score, sensitivity, confidence, groups):
    """Return the one-sided tolerance limit of the scores of positive patients."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}.")
    if sensitivity == 1:
        raise ValueError("a sensitivity of 1 cannot be guaranteed by any number of patients.")
    # The check of labels and scores is that of the other rules.
    roc_points(y, score)
    check_aligned(y=y, score=score, groups=groups)
    positive = np.asarray(y) == 1
    lowest = np.asarray(score, dtype=float)[positive]
    if groups is not None:
        patients = as_patients(groups, positive.size)[positive]
        lowest = pd.Series(lowest).groupby(patients).min().to_numpy()
    needed = int(np.ceil(np.log1p(-confidence) / np.log(sensitivity) - _ROUNDING))
    if lowest.size < needed:
        raise ValueError(
            f"a sensitivity of {sensitivity:g} cannot be guaranteed with a confidence of "
            f"{confidence:g} by {lowest.size} positive patients: {needed} are needed. Use a "
            "lower sensitivity or confidence."
        )
    order = np.arange(1, lowest.size + 1)
    reached = stats.binom.sf(order - 1, lowest.size, 1 - sensitivity) >= confidence - _ROUNDING
    return float(np.sort(lowest)[order[reached].max() - 1])


def grouped_metrics(positive, score, cell, n_cells, threshold):
    """Compute the metrics of every cell (a fold, or a whole repeat) at once.

    Parameters
    ----------
    positive : ndarray of bool of shape (n_scores,)
    score : ndarray of shape (n_scores,)
    cell : ndarray of int of shape (n_scores,)
        Cell of each score, from 0.
    n_cells : int
    threshold : float
        Positive is ``score >= threshold``.

    Returns
    -------
    dict of str to ndarray of shape (n_cells,)
        The four metrics; NaN where a cell lacks the scans that define it.
    """

    def count(where):
        return np.bincount(cell[where], minlength=n_cells)

    called = score >= threshold
    n_positive, n_negative = count(positive), count(~positive)
    n_hits, n_rejected = count(positive & called), count(~positive & ~called)
    ranks = ranks_within(score, cell)
    rank_sum = np.bincount(cell[positive], weights=ranks[positive], minlength=n_cells)
    with np.errstate(invalid="ignore", divide="ignore"):
        return pd.DataFrame(
            {
                "sensitivity": n_hits / n_positive,
                "specificity": n_rejected / n_negative,
                "accuracy": (n_hits + n_rejected) / (n_positive + n_negative),
                "auc": (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative),
            },
            columns=METRICS,
        )


def resampled_metric(name, threshold, positive, score, weights):
    """Compute one metric of many resamples, from how often each scan was drawn.

    Parameters
    ----------
    name : str
        One of `METRICS`.
    threshold : float
        Positive is ``score >= threshold``.
    positive : ndarray of bool of shape (n_scans,)
    score : ndarray of shape (n_scans,)
    weights : ndarray of shape (..., n_scans)

    Returns
    -------
    ndarray of shape (...)
        NaN where a resample lacks the scans that define it.
    """
    if name == "auc":
        of_positive, of_negative = weights[..., positive], weights[..., ~positive]
        order = np.argsort(score[~positive])
        sorted_score = score[~positive][order]
        # Column k: the number of drawn negatives among the k lowest scores.
        lowest = np.zeros((*weights.shape[:-1], order.size + 1))
        np.cumsum(of_negative[..., order], axis=-1, out=lowest[..., 1:])
        lower, upto = (
            np.searchsorted(sorted_score, score[positive], s) for s in ("left", "right")
        )
        wins = np.sum(of_positive * (lowest[..., lower] + lowest[..., upto]) / 2, axis=-1)
        pairs = of_positive.sum(axis=-1) * lowest[..., -1]
    else:
        among = {"sensitivity": positive, "specificity": ~positive}.get(name, slice(None))
        right = (score >= threshold) == positive
        wins = weights[..., among] @ right[among].astype(float)
        pairs = weights[..., among].sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return wins / pairs
