"""Measure how much the risks of a new model improve on those of an old one."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from skdxa.significance._checks import check_both_classes, check_groups, check_probability, warn
from skdxa.significance._clusters import patients_of_classes, variances_of_two_means
from skdxa.significance._results import HypothesisTest
from skdxa.significance._wald import interval_around, wald_test
from skdxa.validation import check_aligned, check_level

# Smaller changes of a risk are rounding errors.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Reclassification:
    """Improvement of the risks of a new model over those of an old one.

    Attributes
    ----------
    nri, nri_events, nri_nonevents : HypothesisTest
        Net reclassification improvement (from -2 to 2) and its two parts: among
        events, the share that moves up minus the share that moves down; among
        non-events, the share that moves down minus the share that moves up.
    idi, idi_events, idi_nonevents : HypothesisTest
        Integrated discrimination improvement and its two parts: the mean rise of
        the risk in events, and its mean fall in non-events.
    """

    nri: HypothesisTest
    nri_events: HypothesisTest
    nri_nonevents: HypothesisTest
    idi: HypothesisTest
    idi_events: HypothesisTest
    idi_nonevents: HypothesisTest


def reclassification(y, old, new, *, cutoffs=None, groups=None, level=0.95):
    """Compute the net reclassification and integrated discrimination improvement.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Outcome, 0 or 1.
    old, new : array-like of shape (n_scans,)
        Risks predicted by the old and by the new model.
    cutoffs : array-like of shape (n_cutoffs,), optional
        Risks that divide categories; a risk equal to a cutoff is in the upper
        category. Only moves between categories count then (categorical NRI). By
        default any change of risk is a move (continuous NRI). Changes below 1e-12, which
        may be due to rounding, count as none.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan, where patients have several: the standard errors then
        allow for the correlation of the scans of a patient [3]_. By default every scan is
        of another patient.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    Reclassification
        NRI and IDI and their parts for events and non-events, each with z, p and an
        interval that holds the variance.

    Raises
    ------
    ValueError
        If `y` has one class only, a risk or a patient is missing, a risk is not within
        0 and 1, or the lengths differ.

    Warns
    -----
    RuntimeWarning
        If no risk changes (z is 0 and p is 1), if all changes are equal, or if there
        is only one patient with events or one with non-events (z and p are NaN).

    Notes
    -----
    Interval and z have the same standard error, except for the categorical NRI,
    whose z has the standard error under the hypothesis of no improvement [1]_. On
    training data the NRI is biased in favour of the new model [2]_, and a poorly
    calibrated model can have a high NRI: report `net_benefit` and the change in the
    area under the curve as well.

    References
    ----------
    .. [1] Pencina MJ, D'Agostino RB Sr, D'Agostino RB Jr, Vasan RS. Evaluating
       the added predictive ability of a new marker. Stat Med 27, 157-172 (2008).
    .. [2] Pencina MJ, D'Agostino RB Sr, Steyerberg EW. Extensions of net
       reclassification improvement calculations to measure usefulness of new
       biomarkers. Stat Med 30, 11-21 (2011).
    .. [3] Obuchowski NA. Nonparametric analysis of clustered ROC curve data. Biometrics 53,
       567-578 (1997), whose variance of a sum of two means is used.

    Examples
    --------
    >>> from skdxa.significance import reclassification
    >>> result = reclassification(
    ...     [0, 0, 0, 0, 1, 1, 1], [0.1, 0.3, 0.2, 0.4, 0.3, 0.5, 0.4],
    ...     [0.2, 0.2, 0.1, 0.3, 0.5, 0.6, 0.3],
    ... )
    >>> round(result.nri.estimate, 3), round(result.idi.estimate, 3)
    (0.833, 0.117)
    """
    check_level(level)
    check_aligned(y=y, old=old, new=new, groups=groups)
    y = check_both_classes(y)
    old, new = check_probability(old, "old"), check_probability(new, "new")
    rise = np.where(np.abs(new - old) < _ROUNDING, 0.0, new - old)
    if cutoffs is None:
        move, name = np.sign(rise), "continuous NRI"
    else:
        cutoffs = np.sort(check_probability(np.atleast_1d(cutoffs), "cutoffs"))
        category_old, category_new = (
            np.searchsorted(cutoffs, risk, side="right") for risk in (old, new)
        )
        move, name = np.sign(category_new - category_old).astype(float), "categorical NRI"
    move[rise == 0] = 0
    patients = patients_of_classes(check_groups(groups, y, "y"), y)
    categorical = cutoffs is not None
    nri = _improvement(y, move, patients, level, name, ddof=0, under_null=categorical)
    return Reclassification(*nri, *_improvement(y, rise, patients, level, "IDI", ddof=1))


def _improvement(y, change, patients, level, method, *, ddof, under_null=False):
    """Test the mean improvement of events plus non-events, and of each alone."""
    parts = (change[y == 1], -change[y == 0])
    variances = variances_of_two_means(parts, patients, ddof=ddof)
    if np.isnan(variances[0]):
        warn(
            f"{method}: a standard error needs at least two events and two non-events, of "
            "different patients."
        )
    if under_null:
        tested = variances_of_two_means(parts, patients, ddof=0, centred=False)
    else:
        tested = variances
    means = [part.mean() for part in parts]
    return [
        _improvement_test(float(mean), variance, test_variance, level, method)
        for mean, variance, test_variance in zip(
            (sum(means), *means), variances, tested, strict=True
        )
    ]


def _improvement_test(mean, variance, test_variance, level, method):
    statistic, pvalue = wald_test(mean, test_variance, stats.norm, method)
    interval = interval_around(mean, variance, stats.norm, level, method, quiet=True)
    return HypothesisTest(mean, statistic, pvalue, interval, method)
