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
        Name of the method.
    variance : float or None
        Variance of the estimate; None where the method has none.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: str
    variance: float | None = None


@dataclass(frozen=True)
class HypothesisTest:
    """An estimate, its confidence interval and the test that it is zero.

    Attributes
    ----------
    estimate : float
        What is tested, usually a difference (first minus second); for a test of
        chi-square without another estimate, the statistic itself.
    statistic, pvalue : float
        The test statistic and its two-sided p-value; NaN where undefined.
    interval : Interval or None
        Confidence interval of `estimate`; None where the test has none.
    method : str
        Name of the test.
    df : float or None
        Degrees of freedom of the statistic; None for a normal distribution or an
        exact test.
    """

    estimate: float
    statistic: float
    pvalue: float
    interval: Interval | None
    method: str
    df: float | None = None
