"""The named results that the functions of this package share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval.

    Attributes
    ----------
    estimate, low, high : float
        The estimate and the ends of its interval; NaN where undefined.
    level : float
        Confidence level, between 0 and 1.
    method : str
        How the interval was calculated.
    variance : float or None
        Estimated variance of the estimate, where the method has one.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: str
    variance: float | None = None


@dataclass(frozen=True)
class HypothesisTest:
    """An estimate, its interval, and the test that it is zero.

    Attributes
    ----------
    estimate : float
        What is tested, most often a difference (first minus second); the
        statistic itself where a chi-square has no other.
    statistic, pvalue : float
        The test statistic and its two-sided p-value; NaN where undefined.
    interval : Interval or None
        Confidence interval of `estimate`; None where the test has none.
    method : str
        Name of the test.
    df : float or None
        Degrees of freedom of the statistic; None for a normal or an exact one.
    """

    estimate: float
    statistic: float
    pvalue: float
    interval: Interval | None
    method: str
    df: float | None = None
