"""Intervals and tests from an estimate, its variance and a reference distribution."""

import numpy as np

from skdxa.significance._checks import warn
from skdxa.significance._results import Interval


def deviations(values):
    """Return the deviations from the mean, exactly 0 where values differ by rounding alone."""
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return np.zeros(values.size)
    return values - values.mean()


def sample_variance(values):
    """Return the unbiased variance, exactly 0 where values differ by rounding alone."""
    if values.size < 2:
        raise ValueError(
            f"at least two values are needed to estimate a variance, got {values.size}."
        )
    return np.sum(deviations(values) ** 2) / (values.size - 1)


def interval_around(estimate, variance, distribution, level, method, *, quiet=False):
    """Return a symmetric interval; warn, unless `quiet`, if it has no width."""
    if variance == 0 and not quiet:
        warn(
            f"{method}: the estimated variance is zero, so the interval has no width. "
            "This does not mean that the estimate is certain."
        )
    half = distribution.ppf((1 + level) / 2) * np.sqrt(variance)
    return Interval(
        float(estimate),
        float(estimate - half),
        float(estimate + half),
        float(level),
        method,
        float(variance),
    )


def wald_test(estimate, variance, distribution, why):
    """Return the estimate divided by its standard error, and the two-sided p-value.

    With a variance of zero, an estimate of zero is no difference (0, 1). Any other
    estimate has no test (NaN), since a p-value of 0 would be misleading.
    """
    if variance == 0:
        warn(f"{why}: the variance is zero, so there is no test.")
        return (0.0, 1.0) if estimate == 0 else (np.nan, np.nan)
    statistic = estimate / np.sqrt(variance)
    return float(statistic), float(2 * distribution.sf(abs(statistic)))
