"""Test whether an area under the ROC curve is at most a margin worse than another."""

import numpy as np
from scipy import stats
from scipy.special import logit

from skdxa.significance._checks import warn
from skdxa.significance._results import HypothesisTest, Interval
from skdxa.significance._roc import delong_interval, delong_test
from skdxa.validation import check_level


def non_inferiority_test(y, score, reference, *, margin, groups=None, level=0.95):
    """Test whether an AUC is at most a margin worse than a reference.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Labels, 0 or 1.
    score : array-like of shape (n_scans,)
        A higher score means that the scan is more likely positive.
    reference : float or array-like of shape (n_scans,)
        An AUC that is known, such as one stated beforehand; or the scores of another
        predictor for the same scans.
    margin : float
        Loss of AUC, above 0 and below 0.5, that would still be acceptable. It must be chosen
        before the data are seen.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan, where patients have several.
    level : float, default=0.95
        Confidence level of the two-sided interval of the difference; the test is one-sided at
        half of its complement, 2.5 %.

    Returns
    -------
    HypothesisTest
        The difference of the AUCs (score minus reference) with its interval, the statistic and
        the one-sided p-value of the hypothesis that the score is worse by `margin` or
        more. The score is non-inferior if the lower end of the interval lies above
        ``-margin``, which is the same as a p-value below 2.5 %.

    Raises
    ------
    ValueError
        If `margin` or `reference` is out of range, or as `delong_interval`.

    Warns
    -----
    RuntimeWarning
        If the difference has no variance, as with a known reference and an AUC of 1: statistic
        and p-value are NaN. The interval of the difference from a known reference still holds.

    See Also
    --------
    delong_test : Whether two AUCs differ at all.

    Notes
    -----
    A p-value of `delong_test` above 5 % does not show that two predictors are equally good. With
    a known reference the test and the interval are those of DeLong's on the logit scale
    (`delong_interval`), with another score those of the paired test.

    References
    ----------
    .. [1] Liu JP, Ma MC, Wu CY, Tai JY. Tests of equivalence and non-inferiority for diagnostic
       accuracy based on the paired areas under ROC curves. Statistics in Medicine 25 (2006)
       1219-1238.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.significance import non_inferiority_test
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 0, 1], 200)
    >>> score = y + rng.normal(size=600)
    >>> test = non_inferiority_test(y, score, 0.75, margin=0.05)
    >>> print(f"{test.interval.low:.3f} > -0.05, p = {test.pvalue:.2g}")
    -0.036 > -0.05, p = 0.005
    """
    check_level(level)
    if not 0 < margin < 0.5:
        raise ValueError(f"margin must lie between 0 and 0.5, got {margin!r}.")
    if np.ndim(reference) == 0:
        test = _against_a_value(y, score, float(reference), margin, groups, level)
        if np.isnan(test.statistic):
            warn(
                "the AUC has no variance, so there is no p-value: compare the lower end of the "
                "interval with -margin."
            )
        return test
    test = delong_test(y, score, reference, groups=groups, level=level)
    variance = test.interval.variance
    statistic = (test.estimate + margin) / np.sqrt(variance) if variance > 0 else np.nan
    return HypothesisTest(
        test.estimate,
        float(statistic),
        float(stats.norm.sf(statistic)),
        test.interval,
        f"non-inferiority, {test.method}",
    )


def _against_a_value(y, score, reference, margin, groups, level):
    if not margin < reference < 1:
        raise ValueError(
            f"reference must be an AUC above the margin of {margin:g} and below 1, got "
            f"{reference!r}."
        )
    area = delong_interval(y, score, groups=groups, level=level)
    if area.variance > 0:
        error = np.sqrt(area.variance) / (area.estimate * (1 - area.estimate))
        statistic = (logit(area.estimate) - logit(reference - margin)) / error
    else:
        statistic = np.nan
    interval = Interval(
        area.estimate - reference,
        area.low - reference,
        area.high - reference,
        area.level,
        area.method,
        area.variance,
    )
    return HypothesisTest(
        interval.estimate,
        float(statistic),
        float(stats.norm.sf(statistic)),
        interval,
        f"non-inferiority, {area.method}",
    )
