"""Intervals of proportions."""

import numpy as np
from scipy import stats

from skdxa.significance._checks import check_level, check_option, warn
from skdxa.significance._results import Interval


def proportion_interval(n_hits, n_total, *, level=0.95, method="wilson"):
    """Compute the interval of a proportion, such as a sensitivity or an accuracy.

    Parameters
    ----------
    n_hits, n_total : int
        Number of hits, and number of patients among whom they were counted.
    level : float, default=0.95
        Confidence level.
    method : {"wilson", "exact"}, default="wilson"
        Wilson's score interval, whose coverage equals `level` on average, or that
        of Clopper and Pearson, whose coverage is never below `level`.

    Returns
    -------
    Interval
        Proportion and ends, which lie within 0 and 1.

    Raises
    ------
    ValueError
        If the counts are not whole numbers with 0 <= n_hits <= n_total.

    Warns
    -----
    RuntimeWarning
        If `n_total` is 0: estimate and ends are NaN.

    Notes
    -----
    Each patient may be counted once only. Do not add up the predictions of several
    repeats of a cross-validation, which are predictions of the same patients.

    References
    ----------
    .. [1] Wilson EB. Probable inference, the law of succession, and statistical
       inference. J Am Stat Assoc 22, 209-212 (1927).
    .. [2] Clopper C, Pearson ES. The use of confidence or fiducial limits
       illustrated in the case of the binomial. Biometrika 26, 404-413 (1934).

    Examples
    --------
    >>> from skdxa.significance import proportion_interval
    >>> interval = proportion_interval(55, 92)
    >>> round(interval.estimate, 3), round(interval.low, 3), round(interval.high, 3)
    (0.598, 0.496, 0.692)
    """
    check_level(level)
    methods = {"wilson": "Wilson score", "exact": "Clopper-Pearson"}
    check_option(method, "method", methods)
    if n_hits % 1 or n_total % 1 or not 0 <= n_hits <= n_total:
        raise ValueError(
            "n_hits and n_total must be whole numbers with 0 <= n_hits <= n_total, "
            f"got {n_hits!r} and {n_total!r}."
        )
    if n_total == 0:
        warn("a proportion of nobody is undefined: n_total is 0.")
        return Interval(np.nan, np.nan, np.nan, float(level), methods[method])
    test = stats.binomtest(int(n_hits), int(n_total))
    ends = test.proportion_ci(level, method)
    return Interval(
        float(test.statistic), float(ends.low), float(ends.high), float(level), methods[method]
    )
