"""McNemar's test of two decisions on the same scans."""

import numpy as np
from scipy import stats

from skdxa.significance._checks import check_binary, check_option, warn
from skdxa.significance._results import HypothesisTest
from skdxa.validation import check_same_rows


def mcnemar(right_a, right_b, *, method="exact"):
    """Test whether two models are right equally often on the same scans, after McNemar.

    Parameters
    ----------
    right_a, right_b : array-like of shape (n_scans,)
        1 where the model is right, 0 where it is wrong. Restricted to positive scans,
        the test compares sensitivities; to negative scans, specificities.
    method : {"exact", "mid-p", "corrected", "plain"}, default="exact"
        Binomial test ("exact"); binomial test with half the probability of the
        observed table, which is less conservative ("mid-p"); chi-square with
        ("corrected") and without ("plain") Edwards' continuity correction.

    Returns
    -------
    HypothesisTest
        Difference of the shares of right scans (a - b), the statistic (number of scans
        on which only a is right, or chi-square), two-sided p, `df` of chi-square.
        `interval` is None; `bootstrap_interval` computes one of the difference.

    Raises
    ------
    ValueError
        If the values are not 0 and 1 or the lengths differ.

    Warns
    -----
    RuntimeWarning
        If the models never disagree: chi-square is NaN, the exact p is 1.

    References
    ----------
    .. [1] McNemar Q. Note on the sampling error of the difference between
       correlated proportions or percentages. Psychometrika 12, 153-157 (1947).
    .. [2] Fagerland MW, Lydersen S, Laake P. The McNemar test for binary
       matched-pairs data: mid-p and asymptotic are better than exact
       conditional. BMC Med Res Methodol 13, 91 (2013).

    Examples
    --------
    >>> from skdxa.significance import mcnemar
    >>> right_a = [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]
    >>> right_b = [1, 0, 0, 0, 0, 0, 0, 1, 0, 1]
    >>> test = mcnemar(right_a, right_b)
    >>> round(test.estimate, 3), test.statistic, round(test.pvalue, 3)
    (0.5, 6.0, 0.125)
    """
    check_option(method, "method", ("exact", "mid-p", "corrected", "plain"))
    check_same_rows(right_a, right_b, ("right_a", "right_b"))
    a, b = check_binary(right_a, "right_a"), check_binary(right_b, "right_b")
    if a.size == 0:
        raise ValueError("right_a and right_b are empty.")
    a_only, b_only = int(np.sum(a > b)), int(np.sum(b > a))
    discordant = a_only + b_only
    name = f"McNemar, {method}"
    if discordant == 0:
        warn("the models never disagree, so McNemar's test has no information.")
    if method in ("exact", "mid-p"):
        statistic, df = float(a_only), None
        pvalue = stats.binomtest(a_only, discordant).pvalue if discordant else 1.0
        if method == "mid-p" and a_only != b_only:
            pvalue -= stats.binom.pmf(min(a_only, b_only), discordant, 0.5)
    else:
        gap = abs(a_only - b_only)
        corrected = max(gap - 1, 0) if method == "corrected" else gap
        statistic, df = (corrected**2 / discordant if discordant else np.nan), 1
        pvalue = stats.chi2.sf(statistic, df)
    return HypothesisTest(
        float(a.mean() - b.mean()), float(statistic), float(pvalue), None, name, df
    )
