"""Agreement between raters."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from skdxa.significance._checks import check_complete, check_option, check_rating_table, warn
from skdxa.significance._proportion import proportion_interval
from skdxa.significance._results import HypothesisTest, Interval
from skdxa.significance._wald import interval_around, wald_test
from skdxa.validation import check_level, check_same_rows

# Smaller variances are rounding errors of an exact zero.
_ROUNDING = 1e-14


def rater_agreement(ratings, *, weights=None, categories=None, level=0.95):
    """Compute agreement and kappa of each pair of raters and of all raters.

    Parameters
    ----------
    ratings : DataFrame or array-like of shape (n_scans, n_raters)
        One column per rater, one row per scan; two or more categories, as numbers
        or text.
    weights : {None, "linear", "quadratic"}, default=None
        Weights of the disagreements of a pair by the distance in rank between
        categories. The row `all` and the column `agreement` are never weighted.
    categories : array-like of shape (n_categories,), optional
        All categories of the scale, in order. State them with `weights`, since a category
        that nobody used widens the distance between its neighbours. By default, the
        numbers that at least one of the two raters used.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame of shape (n_pairs + 1, 5)
        One row per pair of raters (`1-2`, `1-3`, ...) with Cohen's kappa, and a row
        `all` with that of Fleiss. Columns `agreement` (share of scans rated alike; in
        `all` the mean over the pairs), `kappa`, `std_err`, and `low` and
        `high`, the interval of kappa, which may exceed 1.

    Raises
    ------
    ValueError
        If a rating is missing, naming rater and index (leave the row out, for example
        with ``dropna``), if a rating is not among `categories`, or if there are fewer than
        two raters or scans.

    Warns
    -----
    RuntimeWarning
        If two raters each gave every scan the same rating: kappa is NaN. If the
        standard error is zero: the interval has no width.

    See Also
    --------
    cohen_kappa, fleiss_kappa : Kappa of one pair or of all raters, with a test
        that kappa is zero.
    adjusted_kappa : The effect of prevalence and bias on the kappa of a pair.

    Notes
    -----
    Where nearly all scans are in one category, kappa can be near zero although the
    raters nearly always agree (an agreement of 94 % with a kappa of -0.02 is
    possible): report both, or `adjusted_kappa` as well.

    References
    ----------
    .. [1] Fleiss JL, Cohen J, Everitt BS. Large sample standard errors of kappa and
       weighted kappa. Psychol Bull 72, 323-327 (1969).
    .. [2] Fleiss JL. Measuring nominal scale agreement among many raters. Psychol
       Bull 76, 378-382 (1971).
    .. [3] Feinstein AR, Cicchetti DV. High agreement but low kappa: I. The problems
       of two paradoxes. J Clin Epidemiol 43, 543-549 (1990).

    Examples
    --------
    >>> from skdxa.significance import rater_agreement
    >>> ratings = [[0, 0, 0], [1, 1, 0], [1, 1, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]]
    >>> rater_agreement(ratings)[["agreement", "kappa"]].round(2)
         agreement  kappa
    1-2       0.83   0.67
    1-3       0.83   0.67
    2-3       0.67   0.40
    all       0.78   0.56
    """
    ratings = _check_ratings(ratings)
    n_raters = ratings.shape[1]
    rows = {}
    for first, second in combinations(range(n_raters), 2):
        a, b = ratings[:, first], ratings[:, second]
        kappa = cohen_kappa(a, b, weights=weights, categories=categories, level=level)
        rows[f"{first + 1}-{second + 1}"] = (np.mean(a == b), kappa)
    mean_agreement = np.mean([agreement for agreement, _ in rows.values()])
    rows["all"] = (mean_agreement, fleiss_kappa(ratings, level=level))
    return pd.DataFrame.from_dict(
        {
            name: {
                "agreement": agreement,
                "kappa": kappa.estimate,
                "std_err": np.sqrt(kappa.interval.variance),
                "low": kappa.interval.low,
                "high": kappa.interval.high,
            }
            for name, (agreement, kappa) in rows.items()
        },
        orient="index",
    )


def cohen_kappa(first, second, *, weights=None, categories=None, level=0.95):
    """Compute Cohen's kappa of two raters, its interval and the test that it is zero.

    Parameters
    ----------
    first, second : array-like of shape (n_scans,)
        Ratings of the same scans.
    weights : {None, "linear", "quadratic"}, default=None
        Weights of disagreements by the distance in rank between categories.
    categories : array-like of shape (n_categories,), optional
        All categories of the scale, in order. State them with `weights`, since a category
        that nobody used widens the distance between its neighbours. By default, the
        categories that at least one rater used, which must be numbers if `weights` is set.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    HypothesisTest
        Kappa, z, two-sided p, and the interval of kappa with its variance.

    Raises
    ------
    ValueError
        If a rating is missing or not among `categories`, the lengths differ, there are
        fewer than two scans, or weighted categories without `categories` are not numbers.

    Warns
    -----
    RuntimeWarning
        If each rater gave every scan the same rating: all results are NaN. If one of
        them did, or agreement is perfect: the interval has no width.

    Notes
    -----
    The interval has the standard error of [1]_, and z the standard error under the
    hypothesis that kappa is zero. The two differ.

    References
    ----------
    .. [1] Fleiss JL, Cohen J, Everitt BS. Large sample standard errors of kappa and
       weighted kappa. Psychol Bull 72, 323-327 (1969).

    Examples
    --------
    >>> from skdxa.significance import cohen_kappa
    >>> kappa = cohen_kappa([0, 1, 1, 0, 0, 1], [0, 1, 1, 1, 0, 1])
    >>> round(kappa.estimate, 3), round(kappa.statistic, 3), round(kappa.pvalue, 3)
    (0.667, 1.732, 0.083)

    Grades from 0 to 3, of which nobody used 2:

    >>> grades = [0, 0, 1, 1, 3, 3, 0, 1], [0, 1, 1, 1, 3, 1, 0, 3]
    >>> kappa = cohen_kappa(*grades, weights="linear", categories=[0, 1, 2, 3])
    >>> round(kappa.estimate, 3), round(cohen_kappa(*grades, weights="linear").estimate, 3)
    (0.474, 0.538)
    """
    check_level(level)
    check_option(weights, "weights", (None, "linear", "quadratic"))
    check_same_rows(first, second, ("first", "second"))
    first, second = check_complete(first, "first"), check_complete(second, "second")
    if first.size < 2:
        raise ValueError(f"kappa needs at least two scans, got {first.size}.")
    method = "Cohen's kappa" if weights is None else f"Cohen's kappa, {weights} weights"
    used, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    if categories is not None:
        codes, k = _positions(used, categories)[codes], len(categories)
    elif weights is not None and used.dtype.kind not in "biuf":
        raise ValueError(
            f"weights={weights!r} needs categories with an order: state them in order with "
            f"`categories`, or code them as numbers, got {used.tolist()}."
        )
    else:
        k = used.size
    a, b = np.split(codes, 2)
    if a.min() == a.max() and b.min() == b.max():
        warn(f"{method}: each rater gave every scan the same rating, so kappa is undefined.")
        return _undefined(level, method)
    # Imported here because it takes half a second.
    from statsmodels.stats.inter_rater import cohens_kappa

    table = np.bincount(k * a + b, minlength=k * k).reshape(k, k)
    with np.errstate(divide="ignore", invalid="ignore"):  # a variance of zero, handled below
        result = cohens_kappa(table, wt=weights)
    kappa = float(result.kappa)
    variance, null_variance = _clean(result.var_kappa), _clean(result.var_kappa0)
    if null_variance == 0:
        warn(
            f"{method}: one rater gave every scan the same rating, so there is no test, and the "
            "interval has no width."
        )
        statistic = pvalue = np.nan
    else:
        statistic, pvalue = wald_test(kappa, null_variance, stats.norm, method)
    interval = interval_around(
        kappa, variance, stats.norm, level, method, quiet=null_variance == 0
    )
    return HypothesisTest(kappa, statistic, pvalue, interval, method)


@dataclass(frozen=True)
class AdjustedKappa:
    """Kappa adjusted for prevalence and bias, with the indices of both.

    Attributes
    ----------
    interval : Interval
        Prevalence- and bias-adjusted kappa and its exact interval.
    prevalence_index : float
        Share of scans that both raters call positive minus the share that both call
        negative.
    bias_index : float
        Share that the first rater calls positive minus the share that the second does.

    Examples
    --------
    >>> from skdxa.significance import adjusted_kappa
    >>> result = adjusted_kappa([1, 0, 0, 0, 0], [1, 0, 0, 0, 1])
    >>> print(f"{result.interval.estimate:.1f}; bias {result.bias_index:.1f}")
    0.6; bias -0.2
    """

    interval: Interval
    prevalence_index: float
    bias_index: float


def adjusted_kappa(first, second, *, level=0.95):
    """Compute the prevalence- and bias-adjusted kappa of two raters with two categories.

    Parameters
    ----------
    first, second : array-like of shape (n_scans,)
        Ratings of the same scans in two categories; the second in sorted order is the
        positive category.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    AdjustedKappa
        Adjusted kappa with its interval, and both indices.

    Raises
    ------
    ValueError
        If a rating is missing, the lengths differ, or there are not two categories.

    Notes
    -----
    The adjusted kappa is ``2 * agreement - 1``: Cohen's kappa of the same agreement if
    each rater called half of the scans positive. A prevalence index near -1 or 1 explains
    a low kappa with a high agreement. The interval is that of Clopper and Pearson.

    References
    ----------
    .. [1] Byrt T, Bishop J, Carlin JB. Bias, prevalence and kappa. J Clin Epidemiol 46,
       423-429 (1993).

    Examples
    --------
    >>> from skdxa.significance import adjusted_kappa
    >>> adjusted = adjusted_kappa([0, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 1, 0])
    >>> adjusted.interval.estimate, adjusted.prevalence_index, adjusted.bias_index
    (0.5, -0.75, 0.0)
    """
    check_same_rows(first, second, ("first", "second"))
    first, second = check_complete(first, "first"), check_complete(second, "second")
    categories = np.unique(np.concatenate([first, second]))
    if categories.size != 2:
        raise ValueError(f"there must be two categories, got {categories.tolist()}.")
    agreement = proportion_interval(
        int(np.sum(first == second)), first.size, level=level, method="exact"
    )
    kappa, low, high = (2 * x - 1 for x in (agreement.estimate, agreement.low, agreement.high))
    positive = np.mean(first == categories[1]), np.mean(second == categories[1])
    return AdjustedKappa(
        Interval(kappa, low, high, agreement.level, "prevalence- and bias-adjusted kappa"),
        prevalence_index=float(sum(positive) - 1),
        bias_index=float(positive[0] - positive[1]),
    )


def fleiss_kappa(ratings, *, level=0.95):
    """Compute Fleiss' kappa of several raters, its interval and the test that it is zero.

    Parameters
    ----------
    ratings : DataFrame or array-like of shape (n_scans, n_raters)
        One column per rater, one row per scan.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    HypothesisTest
        Kappa with its interval and variance, z, and two-sided p.

    Raises
    ------
    ValueError
        As for `rater_agreement`.

    Warns
    -----
    RuntimeWarning
        If all ratings are equal, the results are NaN; if they are equal without one
        scan, the interval is. If agreement is perfect, the interval has no width.

    Notes
    -----
    The published standard error [2]_ holds if kappa is zero, so it is used for z only.
    The interval has the standard error of the jackknife, which leaves out one scan at a
    time. With two raters Fleiss' kappa is Scott's pi and not Cohen's kappa.

    References
    ----------
    .. [1] Fleiss JL. Measuring nominal scale agreement among many raters. Psychol
       Bull 76, 378-382 (1971).
    .. [2] Fleiss JL, Nee JCM, Landis JR. Large sample variance of kappa in the case
       of different sets of raters. Psychol Bull 86, 974-977 (1979).

    Examples
    --------
    >>> from skdxa.significance import fleiss_kappa
    >>> ratings = [[0, 0, 0], [1, 1, 0], [1, 1, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]]
    >>> kappa = fleiss_kappa(ratings)
    >>> round(kappa.estimate, 3), round(kappa.interval.low, 3), round(kappa.statistic, 3)
    (0.556, -0.039, 2.357)
    """
    check_level(level)
    ratings = _check_ratings(ratings)
    n, n_raters = ratings.shape
    method = "Fleiss' kappa"
    categories, codes = np.unique(ratings, return_inverse=True)
    if categories.size == 1:
        warn(f"{method}: all ratings are the same, so kappa is undefined.")
        return _undefined(level, method)
    counts = np.sum(codes.reshape(n, n_raters, 1) == np.arange(categories.size), axis=1)
    agreeing = np.sum(counts * (counts - 1), axis=1) / (n_raters * (n_raters - 1))

    def kappa_of(category_totals, agreement):
        share = category_totals / category_totals.sum(axis=-1, keepdims=True)
        chance = np.sum(share**2, axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            kappa = (agreement - chance) / (1 - chance)
        return np.where(chance == 1, np.nan, kappa)

    totals = counts.sum(axis=0)
    kappa = float(kappa_of(totals, agreeing.mean()))
    without = kappa_of(totals - counts, (agreeing.sum() - agreeing) / (n - 1))
    variance = _clean((n - 1) / n * np.sum((without - without.mean()) ** 2))
    if np.isnan(variance):
        warn(f"{method}: a single scan has another rating, so no interval is possible.")
    interval = interval_around(kappa, variance, stats.norm, level, method)
    share = totals / totals.sum()
    spread = np.sum(share * (1 - share))
    skew = np.sum(share * (1 - share) * (1 - 2 * share))
    null_variance = 2 * (spread**2 - skew) / (spread**2 * n * n_raters * (n_raters - 1))
    statistic, pvalue = wald_test(kappa, null_variance, stats.norm, method)
    return HypothesisTest(kappa, statistic, pvalue, interval, method)


def _positions(used, categories):
    """Return the position of each used category in the scale."""
    scale = check_complete(categories, "categories").tolist()
    if len(set(scale)) < max(len(scale), 2):
        raise ValueError(f"categories must be at least two different ones, got {scale}.")
    unknown = [category for category in used.tolist() if category not in scale]
    if unknown:
        raise ValueError(f"a rating is {unknown[0]!r}, which is not among the categories {scale}.")
    return np.array([scale.index(category) for category in used.tolist()])


def _check_ratings(ratings):
    values = check_rating_table(ratings)
    missing = np.argwhere(pd.isna(values))
    if missing.size:
        row, rater = missing[0]
        if isinstance(ratings, pd.DataFrame):
            row, rater = ratings.index[row], ratings.columns[rater]
        else:
            rater += 1
        raise ValueError(
            f"rater {rater} gave no rating at index {row} ({len(missing)} missing in all): "
            "leave out the scans that were not rated by all."
        )
    if len(values) < 2:
        raise ValueError(f"agreement needs at least two scans, got {len(values)}.")
    return values


def _clean(variance):
    return 0.0 if abs(variance) < _ROUNDING else variance


def _undefined(level, method):
    interval = interval_around(np.nan, np.nan, stats.norm, level, method)
    return HypothesisTest(np.nan, np.nan, np.nan, interval, method)
