"""Whether predicted risks are right, and of use; and tests that go with them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, logit

from skdxa.significance._checks import (
    check_binary,
    check_level,
    check_option,
    check_probability,
    check_two_classes,
    check_vector,
    warn,
)
from skdxa.significance._intervals import HypothesisTest, Interval, interval_around, wald_test
from skdxa.significance._logistic import fit_logistic
from skdxa.validation import check_same_rows


@dataclass(frozen=True)
class Calibration:
    """How well predicted risks match what happened.

    Attributes
    ----------
    in_the_large : float
        Log odds by which risks are too low (positive) or too high (negative)
        on the whole; 0 is right.
    in_the_large_interval : Interval
        Its Wald interval and variance.
    slope : float
        1 is right; below 1 the risks are too extreme, as after overfitting.
    slope_interval : Interval
        Its Wald interval and variance.
    intercept : float
        Intercept of the model that also has the slope; it is not
        calibration-in-the-large.
    brier : float
        Mean squared difference of risk and outcome; lower is better.
    scaled_brier : float
        Brier score gained over predicting the prevalence for everyone (index
        of prediction accuracy): 1 is perfect, 0 or less is useless.
    n, events : int
        Patients, and those with the outcome.
    expected : float
        Events that the risks promise.
    """

    in_the_large: float
    in_the_large_interval: Interval
    slope: float
    slope_interval: Interval
    intercept: float
    brier: float
    scaled_brier: float
    n: int
    events: int
    expected: float


@dataclass(frozen=True)
class Reclassification:
    """What a new model's risks gain over an old one's.

    Attributes
    ----------
    nri, nri_events, nri_nonevents : HypothesisTest
        Net reclassification improvement (from -2 to 2) and its two parts: the
        share of events moved up less that moved down, and of others moved down
        less that moved up.
    idi, idi_events, idi_nonevents : HypothesisTest
        Integrated discrimination improvement and its two parts: the mean rise
        of the risk in events, and its mean fall in the others.
    """

    nri: HypothesisTest
    nri_events: HypothesisTest
    nri_nonevents: HypothesisTest
    idi: HypothesisTest
    idi_events: HypothesisTest
    idi_nonevents: HypothesisTest


def calibration(y, prob, *, level=0.95):
    """Calibration-in-the-large, calibration slope and Brier score.

    Parameters
    ----------
    y : array-like of shape (n_patients,)
        Outcome, 0 or 1.
    prob : array-like of shape (n_patients,)
        Predicted risk of 1, strictly between 0 and 1, of patients the model was
        not trained on.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    Calibration
        See its attributes.

    Raises
    ------
    ValueError
        If a risk is 0 or 1, whose log odds are infinite, if `y` has one class
        only, or a value is missing.

    Warns
    -----
    RuntimeWarning
        If the risks are all equal or separate the classes: slope and intercept
        are NaN.

    Notes
    -----
    Calibration-in-the-large is the constant of a logistic model with the log
    odds of `prob` as offset; the slope is their coefficient in a model of its
    own.

    References
    ----------
    .. [1] Cox DR. Two further applications of a model for binary regression.
       Biometrika 45, 562-565 (1958).
    .. [2] Steyerberg EW. Clinical prediction models. 2nd ed., Springer, 2019.
    .. [3] Kattan MW, Gerds TA. The index of prediction accuracy. Diagn Progn Res
       2, 7 (2018).

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.significance import calibration
    >>> prob = np.repeat([0.1, 0.4, 0.8], 10)
    >>> y = np.r_[[1] + [0] * 9, [1] * 4 + [0] * 6, [1] * 8 + [0] * 2]
    >>> result = calibration(y, prob)
    >>> abs(round(result.in_the_large, 6)), round(result.slope, 6), round(result.brier, 4)
    (0.0, 1.0, 0.1633)
    """
    check_level(level)
    check_same_rows(y, prob, ("y", "prob"))
    y, prob = check_two_classes(y), _check_open_probability(prob)
    log_odds = logit(prob)
    shift = _constant_with_offset(y, log_odds)
    shifted = expit(log_odds + shift)
    shift_variance = 1 / np.sum(shifted * (1 - shifted))
    intercept, slope, slope_variance = _recalibration(y, log_odds)
    brier, prevalence = np.mean((prob - y) ** 2), y.mean()
    return Calibration(
        in_the_large=shift,
        in_the_large_interval=interval_around(shift, shift_variance, stats.norm, level, "Wald"),
        slope=slope,
        slope_interval=interval_around(slope, slope_variance, stats.norm, level, "Wald"),
        intercept=intercept,
        brier=float(brier),
        scaled_brier=float(1 - brier / (prevalence * (1 - prevalence))),
        n=int(y.size),
        events=int(y.sum()),
        expected=float(prob.sum()),
    )


def hosmer_lemeshow(y, prob, *, out_of_fold, n_groups=10):
    """Hosmer and Lemeshow's test of fit.

    Parameters
    ----------
    y : array-like of shape (n_patients,)
        Outcome, 0 or 1.
    prob : array-like of shape (n_patients,)
        Predicted risk of 1, strictly between 0 and 1.
    out_of_fold : bool
        True if the risks are of patients the model was not trained on (other
        folds, another hospital): as many degrees of freedom as groups. False
        for training data: two fewer.
    n_groups : int, default=10
        Groups of equal size by risk; equal risks stay together, so that groups
        may be unequal or fewer.

    Returns
    -------
    HypothesisTest
        Chi-square (as `estimate` and `statistic`), its degrees of freedom and
        p-value; `interval` is None.

    Raises
    ------
    ValueError
        As for `calibration`, or if `n_groups` is less than 2.

    Warns
    -----
    RuntimeWarning
        If ties leave too few groups for a degree of freedom: statistic and
        p-value are NaN.

    Notes
    -----
    A large cohort rejects any model and a small one none, and the grouping is
    arbitrary: prefer `calibration`.

    References
    ----------
    .. [1] Hosmer DW, Lemeshow S. Goodness of fit tests for the multiple logistic
       regression model. Commun Stat Theory Methods 9, 1043-1069 (1980).

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.significance import hosmer_lemeshow
    >>> prob = np.repeat([0.1, 0.4, 0.8], 10)
    >>> y = np.r_[[1] * 3 + [0] * 7, [1] * 4 + [0] * 6, [1] * 8 + [0] * 2]
    >>> test = hosmer_lemeshow(y, prob, out_of_fold=True, n_groups=3)
    >>> round(test.statistic, 2), test.df, round(test.pvalue, 2)
    (4.44, 3, 0.22)
    """
    check_same_rows(y, prob, ("y", "prob"))
    y, prob = check_two_classes(y), _check_open_probability(prob)
    if n_groups < 2:
        raise ValueError(f"n_groups must be at least 2, got {n_groups!r}")
    edges = np.unique(np.quantile(prob, np.linspace(0, 1, n_groups + 1)))
    inner = edges[1:-1]
    _, group = np.unique(np.searchsorted(inner, prob, side="left"), return_inverse=True)
    size, observed, expected = (np.bincount(group, weights) for weights in (None, y, prob))
    df = size.size if out_of_fold else size.size - 2
    if df < 1 or size.size == 1:
        warn(f"ties leave {size.size} group(s) of risk: no Hosmer-Lemeshow test")
        return HypothesisTest(np.nan, np.nan, np.nan, None, "Hosmer-Lemeshow", df)
    # Events and non-events each give (o - e)^2 / e, with one numerator.
    statistic = float(np.sum((observed - expected) ** 2 / (expected * (1 - expected / size))))
    pvalue = float(stats.chi2.sf(statistic, df))
    return HypothesisTest(statistic, statistic, pvalue, None, "Hosmer-Lemeshow", df)


def net_benefit(y, prob, thresholds):
    """Net benefit of treating those above a risk: the decision curve.

    Parameters
    ----------
    y : array-like of shape (n_patients,)
        Outcome, 0 or 1.
    prob : array-like of shape (n_patients,)
        Predicted risk of 1.
    thresholds : float or array-like of shape (n_thresholds,)
        Risks from which one would treat (``prob >= threshold``), strictly
        between 0 and 1.

    Returns
    -------
    pandas.DataFrame of shape (n_thresholds, 7)
        Columns `threshold`, `true_positives`, `false_positives`, `net_benefit`
        (true positives a patient, less false ones at the threshold's odds),
        `treat_all` (that of treating everyone; treating nobody has 0),
        `standardized` (over the prevalence; 1 is the most) and
        `interventions_avoided` (net, a hundred patients, over treating all).

    Raises
    ------
    ValueError
        If a threshold is not between 0 and 1, or as for `calibration`; risks
        of 0 and 1 are allowed.

    References
    ----------
    .. [1] Vickers AJ, Elkin EB. Decision curve analysis: a novel method for
       evaluating prediction models. Med Decis Making 26, 565-574 (2006).

    Examples
    --------
    >>> from skdxa.significance import net_benefit
    >>> curve = net_benefit([0, 0, 0, 1], [0.1, 0.3, 0.2, 0.4], [0.2, 0.35])
    >>> curve.net_benefit.round(3).tolist()
    [0.125, 0.25]
    """
    check_same_rows(y, prob, ("y", "prob"))
    y, prob = check_two_classes(y), check_probability(prob, "prob")
    thresholds = check_vector(np.atleast_1d(thresholds), "thresholds")
    if np.any((thresholds <= 0) | (thresholds >= 1)):
        raise ValueError(f"thresholds must lie between 0 and 1, got {thresholds.tolist()}")
    odds = thresholds / (1 - thresholds)
    n, prevalence = y.size, y.mean()
    true_positives = _count_from(prob[y == 1], thresholds)
    false_positives = _count_from(prob[y == 0], thresholds)
    benefit = true_positives / n - false_positives / n * odds
    treat_all = prevalence - (1 - prevalence) * odds
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "true_positives": true_positives,
            "false_positives": false_positives,
            "net_benefit": benefit,
            "treat_all": treat_all,
            "standardized": benefit / prevalence,
            "interventions_avoided": 100 * (benefit - treat_all) / odds,
        }
    )


def reclassification(y, old, new, *, cutoffs=None, level=0.95):
    """Net reclassification and integrated discrimination improvement.

    Parameters
    ----------
    y : array-like of shape (n_patients,)
        Outcome, 0 or 1.
    old, new : array-like of shape (n_patients,)
        Risk by the old and by the new model.
    cutoffs : array-like of shape (n_cutoffs,), optional
        Risks that divide the categories, each belonging to the upper one; only
        moves between categories count then. By default any change of risk is a
        move (continuous NRI).
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    Reclassification
        NRI and IDI, each with its parts for events and non-events, standard
        errors (as variance of the interval), z and p.

    Raises
    ------
    ValueError
        If `y` has one class only, a risk is missing or not within 0 and 1, or
        the lengths differ.

    Warns
    -----
    RuntimeWarning
        If no risk moves, or there is one event or one non-event only: z and p
        are 0 and 1, or NaN.

    Notes
    -----
    Interval and z rest on the same standard error, except for the categorical
    NRI, whose z has the one under no improvement (Pencina 2008). On the data
    the models were trained on, the NRI flatters the new model, and it can be
    raised by poor calibration: report `net_benefit` and the change in area
    beside it.

    References
    ----------
    .. [1] Pencina MJ, D'Agostino RB Sr, D'Agostino RB Jr, Vasan RS. Evaluating
       the added predictive ability of a new marker. Stat Med 27, 157-172 (2008).
    .. [2] Pencina MJ, D'Agostino RB Sr, Steyerberg EW. Extensions of net
       reclassification improvement calculations to measure usefulness of new
       biomarkers. Stat Med 30, 11-21 (2011).

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
    check_same_rows(old, new, ("old", "new"))
    check_same_rows(y, new, ("y", "new"))
    y = check_two_classes(y)
    old, new = check_probability(old, "old"), check_probability(new, "new")
    rise = new - old
    if cutoffs is None:
        move, name = np.sign(rise), "continuous NRI"
    else:
        cutoffs = np.sort(check_probability(np.atleast_1d(cutoffs), "cutoffs"))
        category_old, category_new = (
            np.searchsorted(cutoffs, risk, side="right") for risk in (old, new)
        )
        move, name = np.sign(category_new - category_old).astype(float), "categorical NRI"
    categorical = cutoffs is not None
    nri = _improvement(y, move, level, name, ddof=0, under_null=categorical)
    return Reclassification(*nri, *_improvement(y, rise, level, "IDI", ddof=1))


def mcnemar(right_a, right_b, *, method="exact"):
    """McNemar's test that two models are right equally often on the same scans.

    Parameters
    ----------
    right_a, right_b : array-like of shape (n_scans,)
        1 where the model is right, 0 where wrong. Right among the positives
        compares sensitivities, among the negatives specificities.
    method : {"exact", "mid-p", "corrected", "plain"}, default="exact"
        Binomial test; the same with half the probability of the table seen,
        which is less conservative; chi-square with and without Edwards'
        continuity correction.

    Returns
    -------
    HypothesisTest
        Difference of the shares right (a - b), the statistic (scans that only
        a has right, or chi-square), two-sided p, `df` of chi-square. `interval`
        is None: `bootstrap_interval` gives one of any difference.

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
        raise ValueError("right_a and right_b are empty")
    a_only, b_only = int(np.sum(a > b)), int(np.sum(b > a))
    discordant = a_only + b_only
    name = f"McNemar, {method}"
    if discordant == 0:
        warn("the models never disagree: McNemar's test says nothing")
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


def adjust_pvalues(pvalues, method="holm"):
    """P-values adjusted for how many tests were made.

    Parameters
    ----------
    pvalues : array-like of shape (n_tests,)
        P-values of one family of tests.
    method : {"holm", "bonferroni", "hommel", "fdr_bh", "fdr_by"}, default="holm"
        Holm, Bonferroni and Hommel bound the chance of any false finding;
        Benjamini-Hochberg and Benjamini-Yekutieli the share of false findings.

    Returns
    -------
    ndarray of shape (n_tests,), or Series with the index of `pvalues`
        Adjusted p-values.

    Raises
    ------
    ValueError
        If a p-value is missing or not within 0 and 1, or there is none.

    References
    ----------
    .. [1] Holm S. A simple sequentially rejective multiple test procedure. Scand J
       Stat 6, 65-70 (1979).

    Examples
    --------
    >>> from skdxa.significance import adjust_pvalues
    >>> adjust_pvalues([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    # Half a second to import, which the other functions need not wait for.
    from statsmodels.stats.multitest import multipletests

    check_option(method, "method", ("holm", "bonferroni", "hommel", "fdr_bh", "fdr_by"))
    values = check_probability(pvalues, "pvalues")
    if values.size == 0:
        raise ValueError("pvalues is empty")
    adjusted = multipletests(values, method=method)[1]
    if isinstance(pvalues, pd.Series):
        return pd.Series(adjusted, index=pvalues.index, name=pvalues.name)
    return adjusted


def _check_open_probability(prob):
    prob = check_probability(prob, "prob")
    certain = np.flatnonzero((prob == 0) | (prob == 1))
    if certain.size:
        raise ValueError(
            f"prob is exactly {prob[certain[0]]:g} at position {certain[0]} ({certain.size} such "
            "value(s)), whose log odds are infinite: clip, for example with "
            "numpy.clip(prob, 1e-6, 1 - 1e-6), and say so"
        )
    return prob


def _constant_with_offset(y, log_odds):
    """Shift of the log odds at which the risks add up to the events."""

    def excess(shift):
        return expit(log_odds + shift).sum() - y.sum()

    overall = logit(y.mean())
    return float(brentq(excess, overall - log_odds.max() - 1, overall - log_odds.min() + 1))


def _recalibration(y, log_odds):
    """Intercept, slope and the slope's variance of the outcome on the log odds."""
    events, nonevents = log_odds[y == 1], log_odds[y == 0]
    if events.min() >= nonevents.max() or nonevents.min() >= events.max():
        warn("the risks are all equal or separate the classes: no calibration slope exists")
        return np.nan, np.nan, np.nan
    coef, covariance, _ = fit_logistic(y, log_odds[:, None], ["prob"])
    return float(coef[0]), float(coef[1]), float(covariance[1, 1])


def _count_from(prob, thresholds):
    """How many risks reach each threshold."""
    return prob.size - np.searchsorted(np.sort(prob), thresholds, side="left")


def _improvement(y, change, level, method, *, ddof, under_null=False):
    """Mean change for the better: events up plus non-events down, then each alone."""
    parts = (change[y == 1], -change[y == 0])
    if min(part.size for part in parts) < 2:
        warn(f"{method}: a standard error needs at least two events and two non-events")
        variances = [np.nan, np.nan]
    else:
        variances = [part.var(ddof=ddof) / part.size for part in parts]
    means = [part.mean() for part in parts]
    tested = [np.mean(part**2) / part.size for part in parts] if under_null else variances
    return [
        _improvement_test(float(mean), variance, test_variance, level, method)
        for mean, variance, test_variance in (
            (sum(means), sum(variances), sum(tested)),
            *zip(means, variances, tested, strict=True),
        )
    ]


def _improvement_test(mean, variance, test_variance, level, method):
    statistic, pvalue = wald_test(mean, test_variance, stats.norm, method)
    interval = interval_around(mean, variance, stats.norm, level, method, quiet=True)
    return HypothesisTest(mean, statistic, pvalue, interval, method)
