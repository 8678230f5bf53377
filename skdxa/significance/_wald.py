"""Intervals and tests from an estimate, its variance and a reference distribution."""

import numpy as np

from skdxa.significance._checks import warn
from skdxa.significance._results import Interval


def sample_variance(values):
    """Unbiased variance; exactly 0 where the values differ by rounding alone."""
    if values.size < 2:
        raise ValueError(
            f"at least two values are needed to judge their spread, got {values.size}"
        )
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return 0.0
    return values.var(ddof=1)


def interval_around(estimate, variance, distribution, level, method, *, quiet=False):
    """Symmetric interval; without spread it has no width, which is said aloud."""
    if variance == 0 and not quiet:
        warn(
            f"{method}: no spread in the data, so the interval has no width. "
            "It doesn't mean that the estimate is certain"
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
    """Estimate over its standard error, and the two-sided p-value.

    0 / 0 counts as no difference (0, 1); anything else over 0 is undefined,
    for a certain answer from data without spread would mislead.
    """
    if variance == 0:
        warn(f"{why}: the variance is zero and the test says nothing")
        return (0.0, 1.0) if estimate == 0 else (np.nan, np.nan)
    statistic = estimate / np.sqrt(variance)
    return float(statistic), float(2 * distribution.sf(abs(statistic)))
