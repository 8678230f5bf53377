"""McNemar's test of two decisions on the same scans."""

import numpy as np
from scipy import stats

from skdxa.significance._checks import check_binary, check_groups, check_option, warn
from skdxa.significance._results import HypothesisTest
from skdxa.validation import check_aligned


def mcnemar(right_a, right_b, *, groups=None, method="exact"):
    """Test whether two models are correct equally often on the same scans, after McNemar.

    Parameters
    ----------
    right_a, right_b : array-like of shape (n_scans,)
        1 where the model is right, 0 where it is wrong. Restricted to positive scans,
        the test compares sensitivities; to negative scans, specificities.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan, where patients have several. By default every scan is
        of another patient.
    method : {"exact", "mid-p", "corrected", "plain"}, default="exact"
        Binomial test ("exact"); binomial test with half the probability of the
        observed table, which is less conservative ("mid-p"); chi-square with
        ("corrected") and without ("plain") Edwards' continuity correction. "corrected"
        is not available with `groups`.

    Returns
    -------
    HypothesisTest
        Difference of the shares of right scans (a - b), the statistic (number of scans
        on which only a is right, or chi-square), two-sided p, `df` of chi-square.
        `interval` is None; `bootstrap_interval` computes one of the difference.

    Raises
    ------
    ValueError
        If the values are not 0 and 1, a patient is missing, the lengths differ, or
        `method` is "corrected" with `groups`.

    Warns
    -----
    RuntimeWarning
        If the models never differ in the number of right scans of a patient: chi-square
        is NaN, the exact p is 1.

    Notes
    -----
    With `groups`, the tests are based on the difference d between the numbers of scans of
    a patient on which a and b are right. If the models are exchangeable, the sign of each d
    is random: "exact" and "mid-p" use the distribution of the sum of all d under random
    signs, and "plain" is the squared sum of d divided by the sum of squares, which is the
    statistic of Obuchowski [3]_ without the factor (K - 1) / K for K patients. With one
    scan per patient, all three are the tests without `groups`.

    References
    ----------
    .. [1] McNemar Q. Note on the sampling error of the difference between
       correlated proportions or percentages. Psychometrika 12, 153-157 (1947).
    .. [2] Fagerland MW, Lydersen S, Laake P. The McNemar test for binary
       matched-pairs data: mid-p and asymptotic are better than exact
       conditional. BMC Med Res Methodol 13, 91 (2013).
    .. [3] Obuchowski NA. On the comparison of correlated proportions for clustered
       data. Stat Med 17, 1495-1507 (1998).

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
    check_aligned(right_a=right_a, right_b=right_b, groups=groups)
    a, b = check_binary(right_a, "right_a"), check_binary(right_b, "right_b")
    if a.size == 0:
        raise ValueError("right_a and right_b are empty.")
    patient = check_groups(groups, right_a, "right_a")
    if groups is not None and method == "corrected":
        raise ValueError(
            "method='corrected' assumes independent scans: use 'exact', 'mid-p' or 'plain' "
            "with groups."
        )
    difference = (a - b).astype(int)
    if patient is not None:
        difference = np.bincount(patient, a - b).astype(int)
    difference = difference[difference != 0]
    name = f"McNemar, {method}"
    if difference.size == 0:
        warn("the models never disagree, so McNemar's test has no information.")
    if method in ("exact", "mid-p"):
        statistic, df = float(np.sum(a > b)), None
        pvalue = _random_signs_pvalue(difference, mid=method == "mid-p")
    else:
        gap = abs(difference.sum())
        corrected = max(gap - 1, 0) if method == "corrected" else gap
        statistic = corrected**2 / np.sum(difference**2) if difference.size else np.nan
        df, pvalue = 1, stats.chi2.sf(statistic, 1)
    return HypothesisTest(
        float(a.mean() - b.mean()), float(statistic), float(pvalue), None, name, df
    )


def _random_signs_pvalue(difference, *, mid):
    """Return how probable a sum at least as far from 0 is if all signs are random."""
    probability = np.ones(1)  # of each sum, from the lowest to the highest possible one
    for size, count in zip(*np.unique(np.abs(difference), return_counts=True), strict=True):
        of_size = np.zeros(2 * size * count + 1)
        of_size[:: 2 * size] = stats.binom.pmf(np.arange(count + 1), count, 0.5)
        probability = np.convolve(probability, of_size)
    distance = np.abs(np.arange(probability.size) - probability.size // 2)
    observed = abs(difference.sum())
    pvalue = probability[distance >= observed].sum()
    if mid and observed > 0:
        pvalue -= probability[distance == observed].sum() / 2
    return min(pvalue, 1.0)
