"""Intervals of proportions."""

import numpy as np
from scipy import stats

from skdxa.significance._checks import check_groups, check_option, check_vector, warn
from skdxa.significance._clusters import warn_of_dominance
from skdxa.significance._results import Interval
from skdxa.validation import check_aligned, check_level


def proportion_interval(n_hits, n_total, *, groups=None, level=0.95, method="wilson"):
    """Compute the interval of a proportion, such as a sensitivity or an accuracy.

    Parameters
    ----------
    n_hits, n_total : int or array-like of shape (n_rows,)
        Number of hits, and number of scans among which they were counted. With `groups`,
        the numbers of each row, such as an array of 0 and 1 and ``n_total=1`` for one row
        per scan.
    groups : array-like of shape (n_rows,), optional
        The patient of each row, where patients have several scans. By default every scan is
        of another patient.
    level : float, default=0.95
        Confidence level.
    method : {"wilson", "exact"}, default="wilson"
        Wilson's score interval, whose coverage equals `level` on average, or that
        of Clopper and Pearson, whose coverage is never below `level`; with `groups`, neither
        coverage is exact.

    Returns
    -------
    Interval
        Proportion and ends, which lie within 0 and 1, and with `groups` the variance.

    Raises
    ------
    ValueError
        If the counts are not whole numbers with 0 <= n_hits <= n_total, a patient is
        missing, or the lengths differ.

    Warns
    -----
    RuntimeWarning
        If `n_total` is 0: estimate and ends are NaN. If all scans are of one patient: the
        ends are NaN.

    Notes
    -----
    Each scan may be counted once only. Do not add up the predictions of several repeats of
    a cross-validation, which are predictions of the same scans.

    With `groups`, the variance is that of a ratio estimator over patients [3]_. The interval
    is computed from the effective sample size, the number of independent scans that has the
    same estimated variance [4]_. It is at most the number of scans, and equals the number of
    patients where the proportion is 0 or 1, which allow no estimate of the correlation of a
    patient's scans.

    References
    ----------
    .. [1] Wilson EB. Probable inference, the law of succession, and statistical
       inference. J Am Stat Assoc 22, 209-212 (1927).
    .. [2] Clopper C, Pearson ES. The use of confidence or fiducial limits
       illustrated in the case of the binomial. Biometrika 26, 404-413 (1934).
    .. [3] Rao JNK, Scott AJ. A simple method for the analysis of clustered binary data.
       Biometrics 48, 577-585 (1992).
    .. [4] Korn EL, Graubard BI. Confidence intervals for proportions with small expected
       number of positive counts estimated from survey data. Surv Methodol 24, 193-201 (1998).

    Examples
    --------
    >>> from skdxa.significance import proportion_interval
    >>> interval = proportion_interval(55, 92)
    >>> round(interval.estimate, 3), round(interval.low, 3), round(interval.high, 3)
    (0.598, 0.496, 0.692)

    Two scans of each of four patients, six of them hits:

    >>> interval = proportion_interval([1, 1, 1, 1, 1, 1, 0, 0], 1, groups=list("aabbccdd"))
    >>> round(interval.estimate, 3), round(interval.low, 3), round(interval.high, 3)
    (0.75, 0.301, 0.954)
    """
    check_level(level)
    methods = {"wilson": "Wilson score", "exact": "Clopper-Pearson"}
    check_option(method, "method", methods)
    if groups is not None:
        return _clustered_interval(n_hits, n_total, groups, level, method, methods[method])
    if np.ndim(n_hits) or np.ndim(n_total):
        raise ValueError(
            "n_hits and n_total must be single numbers without groups, got arrays: pass their "
            "sums."
        )
    _check_counts(n_hits, n_total)
    if n_total == 0:
        warn("the proportion is undefined: n_total is 0.")
        return Interval(np.nan, np.nan, np.nan, float(level), methods[method])
    test = stats.binomtest(int(n_hits), int(n_total))
    ends = test.proportion_ci(level, method)
    return Interval(
        float(test.statistic), float(ends.low), float(ends.high), float(level), methods[method]
    )


def _clustered_interval(n_hits, n_total, groups, level, method, name):
    """Return the interval of the effective sample size of patients with several scans."""
    # Imported here because it takes half a second.
    from statsmodels.stats.proportion import proportion_confint

    name = f"clustered {name}"
    hits = check_vector(n_hits, "n_hits")
    if np.ndim(n_total) == 0:
        n_total = np.full(hits.size, n_total)
    check_aligned(n_hits=n_hits, n_total=n_total, groups=groups)
    total = check_vector(n_total, "n_total")
    _check_counts(hits, total)
    patient = check_groups(groups, n_hits, "n_hits")
    hits, total = np.bincount(patient, hits), np.bincount(patient, total)
    n, n_patients = total.sum(), np.count_nonzero(total)
    if n_patients < 2:
        warn(f"{name}: no two patients have scans, so there is no interval.")
        share = float(hits.sum() / n) if n else np.nan
        return Interval(share, np.nan, np.nan, float(level), name, np.nan)
    warn_of_dominance(total, "scans")
    share = float(hits.sum() / n)
    residuals = (hits - share * total) / n
    variance = n_patients / (n_patients - 1) * float(np.sum(residuals**2))
    if share in (0, 1):
        n_effective = n_patients
    elif variance == 0:
        n_effective = n
    else:
        # The unbiased variance of a share of n independent scans is share (1 - share) / (n - 1).
        n_effective = min(n, 1 + share * (1 - share) / variance)
    low, high = proportion_confint(
        share * n_effective,
        n_effective,
        alpha=1 - level,
        method={"wilson": "wilson", "exact": "beta"}[method],
    )
    return Interval(share, float(low), float(high), float(level), name, variance)


def _check_counts(n_hits, n_total):
    """Raise unless all counts are whole numbers and none has more hits than scans."""
    hits, total = np.atleast_1d(n_hits, n_total)
    right = (hits % 1 == 0) & (total % 1 == 0) & (hits >= 0) & (hits <= total)
    if not right.all():
        row = np.flatnonzero(~right)[0]
        where = f" at position {row}" if np.ndim(n_hits) else ""
        raise ValueError(
            "n_hits and n_total must be whole numbers with 0 <= n_hits <= n_total, "
            f"got {hits[row]:g} and {total[row]:g}{where}."
        )
