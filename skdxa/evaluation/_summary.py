"""Metrics of a cross-validation with their intervals, by four methods."""

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from skdxa.evaluation._metrics import METRICS, resampled_metric
from skdxa.significance import (
    Interval,
    bootstrap_interval,
    corrected_t_interval,
    delong_interval,
    proportion_interval,
    t_interval,
)
from skdxa.validation import has_repeated_patients

INTERVALS = ("corrected", "t", "delong", "bootstrap")
# Where the warnings below point: to the line that calls `CrossValidationResult.summary`.
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
    n_undefined = fold_metrics.isna().sum()
    if n_undefined.any():
        counts = ", ".join(f"{name} in {n}" for name, n in n_undefined.items() if n)
        warnings.warn(
            f"undefined in some of {len(fold_metrics)} folds, which hold no positive or no "
            f"negative scan and are left out: {counts}.",
            RuntimeWarning,
            stacklevel=_STACKLEVEL,
        )
    mean_interval = t_interval if interval == "t" else partial(corrected_t_interval, **sizes)
    rows = []
    for name in METRICS:
        values = fold_metrics[name].dropna().to_numpy()
        if values.size < 2:
            estimate = values[0] if values.size else np.nan
            found = Interval(estimate, np.nan, np.nan, level, "none")
            rows.append((found, values.size, ["it is defined in fewer than two folds"]))
            continue
        found, reasons = _with_reasons(mean_interval, values, level=level)
        low, high = np.clip([found.low, found.high], 0, 1)
        rows.append((replace(found, low=low, high=high), values.size, reasons))
    return rows


def of_pooled_scores(positive, score, groups, *, threshold, level):
    """Compute each metric of pooled scores, with DeLong's or Wilson's interval.

    Parameters
    ----------
    positive : ndarray of bool of shape (n_scans,)
    score : ndarray of shape (n_scans,)
    groups : ndarray of shape (n_scans,) or None
    threshold, level : float

    Returns
    -------
    list of tuple
        For each metric an `Interval` and the reasons why its ends mean nothing.
    """
    if has_repeated_patients(groups):
        warnings.warn(
            "interval='delong' treats a patient's several scans as independent and is too "
            "narrow: use interval='bootstrap', which resamples patients.",
            RuntimeWarning,
            stacklevel=_STACKLEVEL,
        )
    right = (score >= threshold) == positive
    proportions = [
        (proportion_interval(hits.sum(), hits.size, level=level), [])
        for hits in (right[positive], right[~positive], right)
    ]
    return [
        *proportions,
        _with_reasons(delong_interval, positive.astype(int), score, level=level, scale="identity"),
    ]


def of_resamples(positive, score, groups, *, threshold, level, n_resamples, random_state):
    """Compute each metric of pooled scores, with the interval of a bootstrap.

    Parameters
    ----------
    positive : ndarray of bool of shape (n_scans,)
    score : ndarray of shape (n_scans,)
    groups : ndarray of shape (n_scans,) or None
        Patients, whose scans are drawn together.
    threshold, level : float
    n_resamples : int
    random_state : int, RandomState instance or None

    Returns
    -------
    list of tuple
        For each metric an `Interval` and the reasons why its ends mean nothing.
    """
    # Within classes, so that each resample has both; not where a patient belongs to both.
    in_both = groups is not None and pd.Series(positive).groupby(groups).nunique().max() > 1
    # One seed, so that all metrics are judged on the same resamples.
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


def tabulate(rows, level):
    """Return the table of a summary, and warn of metrics without an interval.

    Parameters
    ----------
    rows : list of tuple
        For each metric an `Interval`, the number of folds in which the metric is defined,
        and the reasons why its ends mean nothing.
    level : float

    Returns
    -------
    DataFrame of shape (4, 6)
        As of `CrossValidationResult.summary`.
    """
    lines, metrics_without = [], {}
    for name, (found, n_folds, reasons) in zip(METRICS, rows, strict=True):
        if reasons:
            metrics_without.setdefault(reasons[0], []).append(name)
            found = replace(found, low=np.nan, high=np.nan)
        lines.append((found.estimate, found.low, found.high, level, n_folds, found.method))
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
        columns=["estimate", "low", "high", "level", "n_folds", "method"],
    )


def _with_reasons(interval, *args, **kwargs):
    """Return an interval and, in place of warnings, the reasons why its ends mean nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = interval(*args, **kwargs)
    return found, [str(warning.message) for warning in caught]
