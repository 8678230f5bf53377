"""The area under the ROC curve: intervals and tests after DeLong, and the curve."""

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.metrics import roc_curve

from skdxa.significance._checks import (
    check_both_classes,
    check_groups,
    check_option,
    check_vector,
    warn,
)
from skdxa.significance._clusters import (
    n_patients_of_classes,
    patients_of_classes,
    variances_of_two_means,
)
from skdxa.significance._results import HypothesisTest, Interval
from skdxa.significance._wald import interval_around, wald_test
from skdxa.validation import check_aligned, check_level, check_same_rows


def delong_interval(y, score, *, groups=None, level=0.95, scale="logit"):
    """Compute DeLong's interval of the area under the ROC curve.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Labels, 0 or 1.
    score : array-like of shape (n_scans,)
        A higher score means that the scan is more likely positive: negate T-scores and
        TBS, where lower is worse. An area below 0.5 is returned unchanged.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan, where patients have several: the variance is then
        that of Obuchowski [4]_. By default every scan is of another patient.
    level : float, default=0.95
        Confidence level.
    scale : {"logit", "identity"}, default="logit"
        Scale on which the interval is symmetric. On the logit scale its ends lie within 0
        and 1, and the coverage is better for areas near 1 [3]_. On the identity scale
        the ends are cut at 0 and 1.

    Returns
    -------
    Interval
        Area, ends, and the variance of the area on the identity scale.

    Raises
    ------
    ValueError
        If `y` has one class only or values other than 0 and 1, a value or a patient is
        missing, or the lengths differ.

    Warns
    -----
    RuntimeWarning
        If all positive scans, or all negative scans, are of one patient: variance and
        ends are NaN. If the variance is zero (a constant score; on the identity scale
        also an area of 0 or 1): the ends equal the area.

    Notes
    -----
    The variance is computed from midranks [2]_ in O(n log n) and is exact with ties. Do
    not stack the scores of several repeats of a cross-validation: each repeat scores the
    same patients.

    An area of 0 or 1 has a variance of zero and no logit. The default scale has the score
    interval of Newcombe then [5]_, with the variance of Hanley and McNeil and the number of
    patients in each class; `method` is "Newcombe". Between 10 positives and 20 negatives that
    a score separates, for example, it is 0.85 to 1.

    The variance with `groups` allows for the correlation of the scans of a patient, who
    may have positive and negative scans. It assumes that patients are independent and
    needs many of them, as does the plain variance. If no patient has several scans, the
    result is the plain one.

    References
    ----------
    .. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two
       or more correlated receiver operating characteristic curves. Biometrics
       44, 837-845 (1988).
    .. [2] Sun X, Xu W. Fast implementation of DeLong's algorithm for comparing
       the areas under correlated receiver operating characteristic curves. IEEE
       Signal Process Lett 21, 1389-1393 (2014).
    .. [3] Qin G, Hotilovac L. Comparison of non-parametric confidence intervals
       for the area under the ROC curve. Stat Methods Med Res 17, 207-221 (2008).
    .. [4] Obuchowski NA. Nonparametric analysis of clustered ROC curve data. Biometrics 53,
       567-578 (1997).
    .. [5] Newcombe RG. Confidence intervals for an effect size measure based on the
       Mann-Whitney statistic. Part 2: asymptotic methods and evaluation. Stat Med 25,
       559-573 (2006).

    Examples
    --------
    >>> from skdxa.significance import delong_interval
    >>> t_score = [-0.4, -3.1, -1.0, -2.2, -2.6, 0.3, -1.9, -2.0]
    >>> fracture = [0, 1, 0, 1, 0, 0, 0, 1]
    >>> interval = delong_interval(fracture, [-t for t in t_score])
    >>> round(interval.estimate, 3), round(interval.low, 3), round(interval.high, 3)
    (0.867, 0.341, 0.988)
    """
    check_level(level)
    check_option(scale, "scale", ("logit", "identity"))
    check_aligned(y=y, score=score, groups=groups)
    placements = _placements(y, score)
    patients = _patients(y, groups)
    area = float(placements[0].mean())
    variance = _variance(placements, patients)
    method = "DeLong" if groups is None else "clustered DeLong"
    if scale == "logit":
        method += ", logit scale"
        if variance == 0 and area in (0, 1):
            ends = _newcombe_ends(area, *n_patients_of_classes(patients), level)
            return Interval(area, *ends, float(level), "Newcombe", variance)
    if variance == 0:
        warn(
            f"the DeLong variance is zero (area {area:g}), so the interval has no width: perfect "
            "separation or a constant score does not mean that the area is known exactly."
        )
        ends = area, area
    else:
        half = stats.norm.ppf((1 + level) / 2) * np.sqrt(variance) * np.array([-1, 1])
        if scale == "logit":
            ends = expit(logit(area) + half / (area * (1 - area)))
        else:
            ends = np.clip(area + half, 0, 1)
    return Interval(area, *map(float, ends), float(level), method, variance)


def delong_test(y, score_a, score_b, *, groups=None, level=0.95):
    """Compare the areas of two scores of the same scans with DeLong's paired test.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Labels, 0 or 1.
    score_a, score_b : array-like of shape (n_scans,)
        Two scores of the same scans, row by row; a higher score means that the scan is
        more likely positive.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan, where patients have several: the variance is then
        that of Obuchowski [3]_. By default every scan is of another patient.
    level : float, default=0.95
        Confidence level of the interval of the difference.

    Returns
    -------
    HypothesisTest
        Difference of the areas (a - b), z, two-sided p, and the interval of the
        difference with its variance.

    Raises
    ------
    ValueError
        As for `delong_interval`, or if two pandas objects differ in their index.

    Warns
    -----
    RuntimeWarning
        If the difference has no variance: z and p are 0 and 1 if both scores order the
        scans in the same way, and NaN otherwise. If all positive scans, or all negative
        scans, are of one patient: all results but the estimate are NaN.

    See Also
    --------
    delong_test_unpaired : The test for two separate groups of patients.

    Notes
    -----
    Do not use this test to compare a logistic model with the same model and one more
    variable on their training data, where it is far too conservative [2]_; use
    `likelihood_ratio_test`.

    References
    ----------
    .. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two
       or more correlated receiver operating characteristic curves. Biometrics
       44, 837-845 (1988).
    .. [2] Demler OV, Pencina MJ, D'Agostino RB. Misuse of DeLong test to compare
       AUCs for nested models. Stat Med 31, 2577-2587 (2012).
    .. [3] Obuchowski NA. Nonparametric analysis of clustered ROC curve data. Biometrics 53,
       567-578 (1997).

    Examples
    --------
    >>> from skdxa.significance import delong_test
    >>> fracture = [0, 0, 0, 0, 0, 1, 1, 1]
    >>> network = [0.1, 0.4, 0.2, 0.3, 0.6, 0.5, 0.9, 0.7]
    >>> age = [62, 70, 65, 74, 66, 68, 71, 64]
    >>> test = delong_test(fracture, network, age)
    >>> round(test.estimate, 3), round(test.statistic, 2), round(test.pvalue, 2)
    (0.4, 1.43, 0.15)
    """
    check_level(level)
    check_aligned(y=y, score_a=score_a, score_b=score_b, groups=groups)
    first, second = _placements(y, score_a, "score_a"), _placements(y, score_b, "score_b")
    # Differences are taken first, since var + var - 2 cov would leave a rounding error
    # where both scores order the scans in the same way and the variance is zero.
    positives, negatives = first[0] - second[0], first[1] - second[1]
    difference = float(positives.mean())
    variance = _variance((positives, negatives), _patients(y, groups))
    method = "paired DeLong" if groups is None else "clustered paired DeLong"
    statistic, pvalue = wald_test(difference, variance, stats.norm, method)
    interval = interval_around(difference, variance, stats.norm, level, method, quiet=True)
    return HypothesisTest(difference, statistic, pvalue, interval, method)


def delong_test_unpaired(y_a, score_a, y_b, score_b, *, level=0.95):
    """Compare the areas in two separate groups of patients with DeLong's test.

    Parameters
    ----------
    y_a, score_a : array-like of shape (n_scans_a,)
        Labels and scores of the first group.
    y_b, score_b : array-like of shape (n_scans_b,)
        Labels and scores of the second group, which must be other patients.
    level : float, default=0.95
        Confidence level of the interval of the difference.

    Returns
    -------
    HypothesisTest
        Difference of the areas (a - b), t with its degrees of freedom after
        Welch and Satterthwaite, two-sided p, and the interval of the difference.

    Raises
    ------
    ValueError
        As for `delong_interval`.

    Warns
    -----
    RuntimeWarning
        As for `delong_test`.

    Notes
    -----
    The reference distribution is Student's t, as in the R package pROC.

    References
    ----------
    .. [1] Robin X et al. pROC: an open-source package for R and S+ to analyze and
       compare ROC curves. BMC Bioinformatics 12, 77 (2011).

    Examples
    --------
    >>> from skdxa.significance import delong_test_unpaired
    >>> test = delong_test_unpaired(
    ...     [0, 0, 1, 0, 1, 1], [1, 2, 3, 4, 5, 6], [0, 1, 1, 0, 0], [1, 4, 2, 3, 5]
    ... )
    >>> round(test.estimate, 3), round(test.df, 1), round(test.pvalue, 2)
    (0.389, 5.7, 0.33)
    """
    check_level(level)
    first, second = _placements(y_a, score_a, "score_a"), _placements(y_b, score_b, "score_b")
    difference = float(first[0].mean() - second[0].mean())
    variance_a, variance_b = _variance(first, _patients(y_a)), _variance(second, _patients(y_b))
    variance = variance_a + variance_b
    method = "unpaired DeLong"
    if variance > 0:
        freedom_a, freedom_b = (sum(map(len, group)) - 1 for group in (first, second))
        df = variance**2 / (variance_a**2 / freedom_a + variance_b**2 / freedom_b)
    else:
        df = np.nan
    distribution = stats.t(df) if variance > 0 else stats.norm
    statistic, pvalue = wald_test(difference, variance, distribution, method)
    interval = interval_around(difference, variance, distribution, level, method, quiet=True)
    return HypothesisTest(difference, statistic, pvalue, interval, method, float(df))


def roc_points(y, score):
    """Compute every point of the empirical ROC curve.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Labels, 0 or 1.
    score : array-like of shape (n_scans,)
        A higher score means that the scan is more likely positive.

    Returns
    -------
    pandas.DataFrame of shape (n_distinct_scores + 1, 3)
        Columns `threshold` (positive is ``score >= threshold``; infinity
        first), `sensitivity` and `specificity`. Collinear points are kept.

    Raises
    ------
    ValueError
        As for `delong_interval`.

    Examples
    --------
    >>> from skdxa.significance import roc_points
    >>> points = roc_points([0, 0, 1, 1], [1, 2, 2, 3])
    >>> points.sensitivity.tolist()
    [0.0, 0.5, 1.0, 1.0]
    >>> points.specificity.tolist()
    [1.0, 1.0, 0.5, 0.0]
    """
    y, score = _checked(y, score)
    false_positives, sensitivity, threshold = roc_curve(y, score, drop_intermediate=False)
    return pd.DataFrame(
        {
            "threshold": threshold,
            "sensitivity": sensitivity,
            "specificity": 1 - false_positives,
        }
    )


def _checked(y, score, name="score"):
    check_same_rows(y, score, ("y", name))
    return check_both_classes(y), check_vector(score, name)


def _placements(y, score, name="score"):
    """Return the share of negatives below each positive and of positives above each negative.

    Ties count as a half. The mean of either is the area.
    """
    y, score = _checked(y, score, name)
    positives, negatives = score[y == 1], score[y == 0]
    ranks = stats.rankdata(np.concatenate([positives, negatives]))
    n_positives = positives.size
    below = (ranks[:n_positives] - stats.rankdata(positives)) / negatives.size
    above = 1 - (ranks[n_positives:] - stats.rankdata(negatives)) / n_positives
    return below, above


def _patients(y, groups=None):
    """Return the numbers of the patients of the positives and of those of the negatives."""
    return patients_of_classes(check_groups(groups, y, "y"), check_both_classes(y))


def _variance(placements, patients):
    """Return the variance of the area, NaN where a class has a single patient."""
    variance = variances_of_two_means(placements, patients)[0]
    if np.isnan(variance):
        warn(
            "DeLong's variance needs at least two positives and two negatives, of different "
            "patients."
        )
    return variance


def _newcombe_ends(area, n_positives, n_negatives, level):
    """Return the ends of Newcombe's score interval (his method 5) of an area of 0 or 1."""
    z, n = stats.norm.ppf((1 + level) / 2), (n_positives + n_negatives) / 2

    def excess(low):  # of the distance from 1 over the z-fold standard error, both squared
        concordance = (1 - low) / (2 - low) + low / (1 + low)
        return 1 - low - z**2 * low * (1 + (n - 1) * concordance) / (n_positives * n_negatives)

    low = float(brentq(excess, 0, 1))
    return (low, 1.0) if area == 1 else (0.0, 1 - low)
