"""Student's t, plain and corrected for the folds of a repeated cross-validation."""

import numpy as np
from scipy import stats

from skdxa.significance._checks import check_level, check_vector
from skdxa.significance._results import HypothesisTest
from skdxa.significance._wald import interval_around, sample_variance, wald_test


def t_interval(values, *, level=0.95):
    """Student's t interval of a mean, which takes the values as independent.

    Parameters
    ----------
    values : array-like of shape (n_values,)
        Independent values, at least two: one score a patient or a laboratory.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    Interval
        Mean, ends and variance of the mean.

    Raises
    ------
    ValueError
        If there are fewer than two values, or one is not finite.

    Warns
    -----
    RuntimeWarning
        If all values are equal, which gives an interval of no width.

    See Also
    --------
    corrected_t_interval : For the folds of a repeated cross-validation.

    Notes
    -----
    The folds of a repeated cross-validation share their training data and are
    not independent: over them this interval is far too narrow. On 300 simulated
    cohorts of 2,360 patients (3.9 % with a fracture, 100 times 10 folds) a
    "95 %" interval of this kind held the true area under the curve 11 % of the
    time.

    Examples
    --------
    >>> from skdxa.significance import t_interval
    >>> interval = t_interval([0.61, 0.65, 0.60, 0.66])
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.583, 0.677)
    """
    check_level(level)
    values = check_vector(values, "values")
    variance = sample_variance(values) / values.size
    return interval_around(values.mean(), variance, stats.t(values.size - 1), level, "Student t")


def corrected_t_interval(values, *, n_train, n_test, level=0.95):
    """Interval of a cross-validated score, corrected for overlapping training sets.

    Parameters
    ----------
    values : array-like of shape (n_folds * n_repeats,)
        One score a fold and repeat.
    n_train, n_test : float
        Scans in a fold's training and test part; their ratio is what counts.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    Interval
        Mean, ends and corrected variance of the mean.

    Raises
    ------
    ValueError
        If there are fewer than two values, one is not finite, or a size is
        not positive.

    Warns
    -----
    RuntimeWarning
        If all values are equal, which gives an interval of no width.

    Notes
    -----
    The standard error is ``sd * sqrt(1 / J + n_test / n_train)`` with J values
    in all and J - 1 degrees of freedom, so it does not shrink to nothing when
    folds are repeated. It is a mean's interval: with a score bounded by 0 and 1
    it may pass the bound.

    References
    ----------
    .. [1] Nadeau C, Bengio Y. Inference for the generalization error.
       Machine Learning 52, 239-281 (2003).
    .. [2] Bouckaert RR, Frank E. Evaluating the replicability of significance
       tests for comparing learning algorithms. PAKDD 2004, 3-12.

    Examples
    --------
    >>> from skdxa.significance import corrected_t_interval
    >>> interval = corrected_t_interval([0.61, 0.65, 0.60, 0.66], n_train=75, n_test=25)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.558, 0.702)
    """
    check_level(level)
    values = check_vector(values, "values")
    variance = _corrected_variance(values, n_train, n_test)
    return interval_around(
        values.mean(), variance, stats.t(values.size - 1), level, "corrected resampled t"
    )


def corrected_t_test(differences, *, n_train, n_test, level=0.95):
    """Test that two models score alike over the folds of one cross-validation.

    Parameters
    ----------
    differences : array-like of shape (n_folds * n_repeats,)
        First model's score minus the second's, on the same folds.
    n_train, n_test : float
        Scans in a fold's training and test part.
    level : float, default=0.95
        Confidence level of the difference's interval.

    Returns
    -------
    HypothesisTest
        Mean difference, corrected t with J - 1 degrees of freedom, two-sided p.

    Raises
    ------
    ValueError
        If there are fewer than two differences, one is not finite, or a size
        is not positive.

    Warns
    -----
    RuntimeWarning
        If all differences are equal: t and p are NaN then, except that nothing
        but zeros gives t = 0 and p = 1.

    See Also
    --------
    corrected_t_interval : The same correction for one model's score.

    References
    ----------
    .. [1] Nadeau C, Bengio Y. Inference for the generalization error.
       Machine Learning 52, 239-281 (2003).

    Examples
    --------
    >>> from skdxa.significance import corrected_t_test
    >>> test = corrected_t_test([0.02, 0.01, 0.04, 0.01], n_train=75, n_test=25)
    >>> round(test.statistic, 3), round(test.pvalue, 3)
    (1.852, 0.161)
    """
    check_level(level)
    differences = check_vector(differences, "differences")
    variance = _corrected_variance(differences, n_train, n_test)
    mean, df = differences.mean(), differences.size - 1
    method = "corrected resampled t"
    statistic, pvalue = wald_test(mean, variance, stats.t(df), "all differences are equal")
    interval = interval_around(mean, variance, stats.t(df), level, method, quiet=True)
    return HypothesisTest(float(mean), statistic, pvalue, interval, method, df)


def _corrected_variance(values, n_train, n_test):
    for name, size in (("n_train", n_train), ("n_test", n_test)):
        if not 0 < size < np.inf:
            raise ValueError(f"{name} must be a positive number of scans, got {size!r}")
    return sample_variance(values) * (1 / values.size + n_test / n_train)
