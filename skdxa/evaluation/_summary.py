"""Metrics of a cross-validation with their intervals, by five methods."""

import warnings
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit
from sklearn.utils import check_random_state

from skdxa.evaluation._metrics import METRICS, resampled_metric
from skdxa.evaluation._stability import Stability
from skdxa.significance import (
    Interval,
    bootstrap_interval,
    corrected_t_interval,
    delong_interval,
    proportion_interval,
    t_interval,
)
from skdxa.validation import has_repeated_patients

INTERVALS = ("stability", "corrected", "t", "delong", "bootstrap")
# With a single repeat the stability is unknown. Simulated, the interval then holds less than
# its level where a class has fewer patients than this (experiments/coverage.py).
FEWEST_EVENTS = 20
_FEW_FOLDS = 10
# The linear approximation leaves out that a model is trained on fewer patients than there are, and
# that few events make estimates skew. Simulated, the interval holds with this allowance, and
# without it in 93 % of the cohorts of some kinds (experiments/coverage.py auc).
ALLOWANCE = 10 / 9
# Scores without training have a q of 0, apart from rounding errors.
_ROUNDING = 1e-9
# The warnings below point to the line that calls `CrossValidationResult.summary`.
_STACKLEVEL = 3


def over_folds(fold_metrics, interval, *, level, sizes):
    """Compute the mean of each metric over all folds, with its interval.

    Parameters
    ----------
    fold_metrics : DataFrame of shape (n_repeats * n_folds, 4)
        Columns as in `METRICS`; NaN where undefined.
    interval : {"corrected", "t"}
    level : float
    sizes : dict
        Mean `n_train` and `n_test` of the folds.

    Returns
    -------
    list of tuple
        For each metric an `Interval`, the number of folds in which the metric is defined,
        and the reasons (list of str) why its ends mean nothing.
    """
    _warn_of_undefined(fold_metrics)
    mean_interval = t_interval if interval == "t" else partial(corrected_t_interval, **sizes)
    rows = []
    for name in METRICS:
        values = fold_metrics[name].dropna().to_numpy()
        if values.size < 2:
            estimate = values[0] if values.size else np.nan
            undefined = Interval(estimate, np.nan, np.nan, level, "none")
            rows.append((undefined, values.size, ["it is defined in fewer than two folds"]))
            continue
        of_mean, reasons = _with_reasons(mean_interval, values, level=level)
        low, high = np.clip([of_mean.low, of_mean.high], 0, 1)
        rows.append((replace(of_mean, low=low, high=high), values.size, reasons))
    return rows


@dataclass(frozen=True)
class Noise:
    """What the intervals by stability need in addition to the metrics of the folds.

    Parameters
    ----------
    stability : Stability
        Of the scores; NaN with one repeat.
    training : dict of str to float
        By metric but the AUC, the variance of its mean that comes from the training scans;
        NaN with one repeat.
    n_patients : dict of str to int
        By metric, the patients that it is a share of; for the AUC the patients of the smaller
        class.
    auc_variance : float
        Of the mean AUC, from the patients who are scored; NaN if the stability is unknown.
    n_folds : int
        Folds per repeat.
    unknown : tuple of str or None
        Why the stability is unknown, and what to do; None where it is known.
    """

    stability: Stability
    training: dict
    n_patients: dict
    auc_variance: float
    n_folds: int
    unknown: tuple | None


def by_stability(fold_metrics, noise, *, level, sizes):
    """Compute the mean of each metric over all folds, with the interval by stability.

    Parameters
    ----------
    fold_metrics : DataFrame of shape (n_repeats * n_folds, 4)
        Columns as in `METRICS`; NaN where undefined.
    noise : Noise
    level : float
    sizes : dict
        Mean `n_train` and `n_test` of the folds.

    Returns
    -------
    rows : list of tuple
        For each metric an `Interval`, the number of folds in which the metric is defined,
        and the reasons (list of str) why its ends mean nothing.
    stabilities : dict of str to Stability
        By metric; `q` is that of the AUC alone.
    """
    _warn_of_undefined(fold_metrics)
    if np.isnan(noise.stability.q) and noise.n_patients["auc"] < FEWEST_EVENTS:
        reason, remedy = noise.unknown
        warnings.warn(
            f"a class has {noise.n_patients['auc']} patients, and {reason} the stability of the "
            f"scores is unknown: the intervals may be too narrow. {remedy}",
            RuntimeWarning,
            stacklevel=_STACKLEVEL,
        )
    rows, stabilities = [], {}
    for name in METRICS:
        values = fold_metrics[name].to_numpy()
        interval = _mean_with_noise if name == "auc" else _share_with_noise
        found, g, reasons = interval(name, values, noise, level=level, **sizes)
        rows.append((found, np.count_nonzero(~np.isnan(values)), reasons))
        stabilities[name] = Stability(noise.stability.q if name == "auc" else np.nan, g)
    return rows, stabilities


def count_patients(positive, known, groups):
    """Count the patients on whom each metric is computed.

    Parameters
    ----------
    positive, known : ndarray of bool of shape (n_scans,)
    groups : ndarray of shape (n_scans,) or None

    Returns
    -------
    dict of str to int
        By metric; for the AUC the patients of the smaller class. A patient with scans of
        both classes counts in both.
    """
    patients = np.arange(len(positive)) if groups is None else groups
    counts = {
        name: len(np.unique(patients[of]))
        for name, of in (
            ("sensitivity", known & positive),
            ("specificity", known & ~positive),
            ("accuracy", known),
        )
    }
    return counts | {"auc": min(counts["sensitivity"], counts["specificity"])}


def corrected_variance(values, n_train, n_test):
    """Compute the variance of the mean over folds by the corrected resampled t.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        At least two.
    n_train, n_test : float
        Scans in a fold's training and test part.

    Returns
    -------
    float
        0 where the values differ by rounding alone.
    """
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return 0.0
    return values.var(ddof=1) * (1 / values.size + n_test / n_train)


def _undefined(values, level, reason):
    """Return a mean without an interval, and the reason."""
    estimate = values.mean() if values.size else np.nan
    return Interval(estimate, np.nan, np.nan, level, "none"), np.nan, [reason]


def _too_few(values, n_smaller):
    if values.size < 2:
        return "it is defined in fewer than two folds"
    if n_smaller < 2:
        return "a class has fewer than two patients"
    return None


def degrees_of_freedom(n_values, n_smaller, *, repeated):
    """Return the degrees of freedom by patients or, if there are few folds, also by folds.

    With several repeats the corrected resampled t is too large, which offsets the uncertain
    variance of ten folds in all, but not that of fewer.

    Parameters
    ----------
    n_values : int
        Folds of all repeats.
    n_smaller : int
        Patients of the smaller class.
    repeated : bool
        Whether the stability is known from several repeats.

    Returns
    -------
    int
    """
    few = not repeated or n_values < _FEW_FOLDS
    return (min(n_smaller, n_values) if few else n_smaller) - 1


def _mean_with_noise(name, by_fold, noise, *, level, n_train, n_test):
    """Return the interval of the mean AUC, on the logit scale."""
    n_smaller, values = noise.n_patients[name], by_fold[~np.isnan(by_fold)]
    reason = _too_few(values, n_smaller)
    if reason:
        return _undefined(values, level, reason)
    q, g = noise.stability
    mean, known = float(values.mean()), not np.isnan(q)
    if known:
        method, variance = "DeLong, stability", _variance_by_stability(by_fold, noise)
        df = n_smaller - 1
    else:
        method, g = "corrected resampled t", 1.0
        variance = corrected_variance(values, n_train, n_test)
        df = degrees_of_freedom(values.size, n_smaller, repeated=False)
    quantile = stats.t.ppf((1 + level) / 2, df)
    if variance == 0 and mean not in (0, 1):
        return _undefined(values, level, f"the AUC is {mean:g} in all folds")
    low, high = auc_ends(mean, variance, n_smaller, Stability(q, g), quantile)
    return Interval(mean, low, high, level, method, variance), g, []


def auc_ends(auc, variance, n_smaller, stability, quantile):
    """Return the ends of the interval of an AUC, which is symmetric on the logit scale.

    Parameters
    ----------
    auc, variance : float
    n_smaller : int
        Patients of the smaller class.
    stability : Stability
        `q` may be NaN, where it is unknown.
    quantile : float
        Of Student's t.

    Returns
    -------
    low, high : float
        Within 0 and 1. An AUC of 0 or 1 has Wilson's interval.
    """
    if auc in (0, 1):
        # The variance of an AUC is at most that of a share of the smaller class.
        low, high = score_interval(auc, n_smaller / stability.g**2, quantile)
    else:
        # Scored patients are left out of training, so that a model with almost no signal has an
        # AUC far below 0.5 in some cohorts. The expected AUC of trained models is not below
        # 0.5, so that the shortfall is an observed error.
        lacking = 0.5 - auc if auc < 0.5 and stability.q > _ROUNDING else 0.0
        half = quantile * np.sqrt(variance + lacking**2) / (auc * (1 - auc))
        low, high = expit(logit(auc) - half), expit(logit(auc) + half)
    return float(low), float(high)


def _variance_by_stability(by_fold, noise):
    """Return the variance of the mean AUC: of patients, twice, and of folds and seeds."""
    q, g = noise.stability
    # Averaging over repeats removes the variation between repeats from the patients' shares of
    # pairs, but not from their variance among cohorts. More variation between repeats than q
    # allows is due to the seeds.
    averaged_out = 1 + q / (noise.n_folds - 1)
    means = pd.DataFrame(by_fold.reshape(-1, noise.n_folds)).mean(axis=1).dropna()
    between_repeats = means.var(ddof=1) / means.size if means.size > 1 else 0.0
    of_patients = noise.auc_variance * ALLOWANCE * averaged_out * g**2
    return float(of_patients + between_repeats)


def _share_with_noise(name, by_fold, noise, *, level, n_train, n_test):
    """Return Wilson's interval of a share, for as many patients as its variance is worth."""
    values = by_fold[~np.isnan(by_fold)]
    reason = _too_few(values, noise.n_patients["auc"])
    if reason:
        return _undefined(values, level, reason)
    share = float(values.mean())
    training, n_patients = noise.training[name], noise.n_patients[name]
    known = not np.isnan(training)
    corrected = corrected_variance(values, n_train, n_test)
    variance = corrected + training if known else corrected
    worth = n_patients
    if variance > 0 and 0 < share < 1:
        worth = min(n_patients, share * (1 - share) / variance)
    df = degrees_of_freedom(values.size, noise.n_patients["auc"], repeated=known)
    quantile = stats.t.ppf((1 + level) / 2, df)
    low, high = score_interval(share, worth, quantile)
    g = float(np.sqrt(variance / corrected)) if known and corrected > 0 else np.nan
    method = "Wilson score, stability" if known else "Wilson score, corrected"
    return Interval(share, low, high, level, method, variance), g, []


def score_interval(share, n_patients, quantile):
    """Return the ends of Wilson's interval, of a number of patients that need not be whole.

    Parameters
    ----------
    share, n_patients : float
    quantile : float
        Of the normal distribution or of Student's t.

    Returns
    -------
    low, high : float
        Within 0 and 1, and around the share.
    """
    square = quantile**2
    middle = share * n_patients + square / 2
    half = quantile * np.sqrt(share * (1 - share) * n_patients + square / 4)
    low, high = (middle + np.array([-half, half])) / (n_patients + square)
    # Rounding would leave out a share of 0 or 1.
    return max(min(float(low), share), 0.0), min(max(float(high), share), 1.0)


def of_pooled_scores(
    positive, score, groups, *, interval, threshold, level, n_resamples, random_state
):
    """Compute each metric of pooled scores with its interval.

    Parameters
    ----------
    positive : ndarray of bool of shape (n_scans,)
    score : ndarray of shape (n_scans,)
    groups : ndarray of shape (n_scans,) or None
        Patients, whose scans are taken as correlated and drawn together.
    interval : {"delong", "bootstrap"}
        "delong" is Wilson's interval for all metrics but the AUC.
    threshold, level : float
    n_resamples : int
    random_state : int, RandomState instance or None

    Returns
    -------
    list of tuple
        For each metric an `Interval` and the reasons why its ends mean nothing.
    """
    if interval == "delong":
        return _in_closed_form(positive, score, groups, threshold, level)
    # Within classes, so that each resample has both; not where a patient belongs to both.
    in_both = groups is not None and pd.Series(positive).groupby(groups).nunique().max() > 1
    # One seed, so that all metrics are evaluated on the same resamples.
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    return [
        _with_reasons(
            bootstrap_interval,
            partial(resampled_metric, name, threshold),
            (positive, score),
            weighted=True,
            groups=groups,
            stratify=None if in_both else positive,
            level=level,
            n_resamples=n_resamples,
            random_state=seed,
        )
        for name in METRICS
    ]


def _in_closed_form(positive, score, groups, threshold, level):
    if not has_repeated_patients(groups):
        groups = None
    right = ((score >= threshold) == positive).astype(int)
    proportions = []
    for among in (positive, ~positive, np.ones(len(positive), dtype=bool)):
        hits, options = right[among], {"level": level}
        if groups is None:
            counts = hits.sum(), hits.size
        else:
            counts, options["groups"] = (hits, 1), groups[among]
        proportions.append(_with_reasons(proportion_interval, *counts, **options))
    areas = positive.astype(int), score
    return [*proportions, _with_reasons(delong_interval, *areas, groups=groups, level=level)]


def tabulate(rows, level, stabilities=None, *, aggregation="mean of folds"):
    """Return the table of a summary, and warn of metrics without an interval.

    Parameters
    ----------
    rows : list of tuple
        For each metric an `Interval`, the number of folds in which the metric is defined,
        and the reasons why its ends mean nothing.
    level : float
    stabilities : dict of str to Stability, optional
        By metric.
    aggregation : {"mean of folds", "pooled"}, default="mean of folds"
        What the estimates are.

    Returns
    -------
    DataFrame of shape (4, 9)
        As of `CrossValidationResult.summary`.
    """
    stabilities = dict.fromkeys(METRICS, Stability(np.nan, np.nan)) | (stabilities or {})
    lines, metrics_without = [], {}
    for name, (interval, n_folds, reasons) in zip(METRICS, rows, strict=True):
        if reasons:
            metrics_without.setdefault(reasons[0], []).append(name)
            interval = replace(interval, low=np.nan, high=np.nan)
        ends = (interval.estimate, interval.low, interval.high, level, n_folds, interval.method)
        lines.append((*ends, *stabilities[name], aggregation))
    if metrics_without:
        each = [
            f"{', '.join(names)}: {reason.removesuffix('.')}"
            for reason, names in metrics_without.items()
        ]
        warnings.warn(
            f"no interval for {'; '.join(each)}.",
            RuntimeWarning,
            stacklevel=_STACKLEVEL,
        )
    return pd.DataFrame(
        lines,
        index=pd.Index(METRICS, name="metric"),
        columns=[
            "estimate",
            "low",
            "high",
            "level",
            "n_folds",
            "method",
            "q",
            "g",
            "aggregation",
        ],
    )


def _warn_of_undefined(fold_metrics):
    n_undefined = fold_metrics.isna().sum()
    if n_undefined.any():
        counts = ", ".join(f"{name} in {n}" for name, n in n_undefined.items() if n)
        warnings.warn(
            f"undefined in some of {len(fold_metrics)} folds, which hold no positive or no "
            f"negative scan and are left out: {counts}.",
            RuntimeWarning,
            stacklevel=_STACKLEVEL + 1,
        )


def _with_reasons(compute, *args, **kwargs):
    """Return an interval and, instead of warnings, the reasons why its ends are meaningless."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        interval = compute(*args, **kwargs)
    return interval, [str(warning.message) for warning in caught]
