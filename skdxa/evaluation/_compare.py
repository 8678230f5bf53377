"""The difference of two models that were cross-validated on the same folds."""

import warnings

import numpy as np
from scipy import stats

from skdxa.evaluation._metrics import METRICS
from skdxa.evaluation._scores import default_threshold
from skdxa.evaluation._stability import (
    cells_of,
    has_same_folds,
    stability_of,
    training_variance,
)
from skdxa.evaluation._summary import corrected_variance, count_patients, degrees_of_freedom
from skdxa.significance import HypothesisTest, Interval
from skdxa.validation import check_both_labels, check_level, positive_and_known

_METRICS = (*METRICS, "brier")
_INTERVALS = ("stability", "corrected")


def compare(
    result_a,
    result_b,
    *,
    metric="auc",
    y=None,
    threshold=None,
    interval="stability",
    level=0.95,
):
    """Test whether two models differ that were cross-validated on the same folds.

    Parameters
    ----------
    result_a, result_b : CrossValidationResult
        Results on the same scans, labels and folds: two calls of `repeated_cross_validate`
        with the same `random_state`, or scores of `Folds.with_scores`.
    metric : {"auc", "sensitivity", "specificity", "accuracy", "brier"}, default="auc"
        What is compared. The Brier score, the mean squared error of probabilities, is lower
        for the better model.
    y : array-like of shape (n_scans,), optional
        Other labels to score against, NaN where unknown; see `CrossValidationResult`.
    threshold : float or tuple of two floats, optional
        Positive is ``score >= threshold``; a tuple holds that of the first and that of the
        second model, None for the default of a model.
    interval : {"stability", "corrected"}, default="stability"
        "corrected" is the corrected resampled t; "stability" adds the noise that both
        models have from their training scans, and needs two or more repeats: with one it
        is the corrected resampled t.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    HypothesisTest
        Mean over the folds of the differences (first model minus second), t and its
        degrees of freedom, two-sided p-value, and the interval of the difference with its
        variance.

    Raises
    ------
    ValueError
        If the two results are of other labels, patients or folds, naming the first
        difference; if `metric` or `interval` is not one of the above, or `level` is not between 0
        and 1; if `metric` is "brier" and a result has no probabilities.

    Warns
    -----
    RuntimeWarning
        If the metric is undefined in some folds, which are left out; if the difference is
        the same in all folds: with a difference of 0 the p-value is then 1, otherwise there
        is none.

    See Also
    --------
    CrossValidationResult.summary : The intervals of one model.
    skdxa.significance.corrected_t_test : The corrected resampled t of any differences.

    Notes
    -----
    The standard error is that of the corrected resampled t [1]_ of the differences by fold. By
    "stability" it is multiplied for the AUC by the factor `g` of
    `CrossValidationResult.stability`, here that of the difference of the two scores after
    each has been divided by its standard deviation within the folds; for the other metrics,
    which are means over scans, the variance is added by which the difference of the models
    moves from fold to fold of the same scans. The degrees of freedom are those of the
    patients of the smaller class.

    The test answers whether *training* one way gives better models than training the other way,
    for cohorts of this size. A column without information makes a model worse on average, so that
    a nested model is not equal in this sense. Whether one trained model scores new patients better
    than another is tested by `skdxa.significance.delong_test`.

    In 1,000 simulated cohorts of each of 12 pairs of models without a difference in AUC the test
    claims one in 0.5 to 5.2 %, and a difference in another metric in at most 4.3 %
    (``experiments/coverage.py compare``). The interval covers most differences in more than 95 %
    of the cohorts. The gain of a nested model by a useful column is an exception, covered in 90 %:
    where the gain of a cohort is small by chance, so is its standard error, and the larger end of
    the interval is then too near to 0.

    References
    ----------
    .. [1] Nadeau C, Bengio Y. Inference for the generalization error. Machine Learning 52
       (2003) 239-281.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import compare, repeated_cross_validate
    >>> X, y = make_classification(300, n_features=6, class_sep=0.5, shuffle=False, random_state=0)
    >>> run = {"n_splits": 5, "n_repeats": 4, "random_state": 0, "progress": False}
    >>> all_columns = repeated_cross_validate(LogisticRegression(), X, y, **run)
    >>> one_column = repeated_cross_validate(LogisticRegression(), X[:, [1]], y, **run)
    >>> test = compare(all_columns, one_column)
    >>> ends = test.interval.low, test.interval.high
    >>> print(f"{test.estimate:.3f} ({ends[0]:.3f} to {ends[1]:.3f}), p = {test.pvalue:.2f}")
    0.020 (-0.027 to 0.066), p = 0.40
    """
    if metric not in _METRICS:
        raise ValueError(f"metric must be one of {list(_METRICS)}, got {metric!r}.")
    if interval not in _INTERVALS:
        raise ValueError(f"interval must be one of {list(_INTERVALS)}, got {interval!r}.")
    check_level(level)
    folds = result_a.fold_assignment
    _check_same_folds(folds, result_b.fold_assignment)
    positive, known = _labels(folds, y)
    check_both_labels(positive[known])
    fold_of = folds.fold_of[:, known]
    n_smaller = count_patients(positive, known, folds.groups)["auc"]
    scores = [
        np.stack([result.repeat_scores(repeat)[known] for repeat in range(folds.n_repeats)])
        for result in (result_a, result_b)
    ]
    training, g = np.nan, np.nan
    if metric == "auc":
        areas = [result.fold_metrics(y)["auc"].to_numpy() for result in (result_a, result_b)]
        differences = areas[0] - areas[1]
        in_larger = positive[known] == (2 * positive.sum() > known.sum())
        g = _stability_of_difference(scores, fold_of, in_larger, folds.n_folds).g
    else:
        limits = threshold if isinstance(threshold, tuple) else (threshold, threshold)
        values = [
            _values(result, score, positive[known], metric, limit)
            for result, score, limit in zip((result_a, result_b), scores, limits, strict=True)
        ]
        among = {"sensitivity": positive[known], "specificity": ~positive[known]}.get(
            metric, np.ones(known.sum(), dtype=bool)
        )
        moved, fold_of = (values[0] - values[1])[:, among], fold_of[:, among]
        differences = _fold_means(moved, fold_of, folds.n_folds)
        patients = _patients(folds)[known][among]
        training = training_variance(moved, fold_of, folds.n_folds, n_smaller, patients)
    if has_same_folds(folds.fold_of):
        # Further repeats of the same folds add no information about other patients.
        differences = differences.reshape(folds.n_repeats, -1).mean(axis=0)
    defined = differences[~np.isnan(differences)]
    if defined.size < differences.size:
        warnings.warn(
            f"undefined in {differences.size - defined.size} of {differences.size} folds, which "
            "hold no positive or no negative scan and are left out.",
            RuntimeWarning,
            stacklevel=2,
        )
    sizes = result_a.folds[["n_train", "n_test"]].mean()
    variance = corrected_variance(defined, **sizes) if defined.size > 1 else np.nan
    method = "corrected resampled t"
    widened = interval == "stability" and folds.n_repeats > 1
    if widened and not np.isnan(g):
        variance, method = variance * g**2, f"{method}, stability"
    elif widened and not np.isnan(training):
        variance, method = variance + training, f"{method}, stability"
    else:
        widened = False
    df = degrees_of_freedom(defined.size, n_smaller, repeated=widened)
    return _test(defined, variance, df, level, method)


def _check_same_folds(first, second):
    """Raise a ValueError that names the first difference."""
    advice = "Compare results of the same scans, labels and folds: see Folds.with_scores."
    if first.fold_of.shape != second.fold_of.shape:
        sizes = [f"{folds.n_repeats} repeats of {len(folds.y)} scans" for folds in (first, second)]
        raise ValueError(f"the results differ: {sizes[0]} and {sizes[1]}. {advice}")
    for name, a, b in (
        ("labels", first.y, second.y),
        ("patients", _patients(first), _patients(second)),
    ):
        unequal = np.flatnonzero(a != b)
        if unequal.size:
            raise ValueError(
                f"the results have other {name} in {unequal.size} of {len(a)} rows, the first at "
                f"position {unequal[0]}. {advice}"
            )
    unequal = np.argwhere(first.fold_of != second.fold_of)
    if unequal.size:
        repeat, row = unequal[0]
        raise ValueError(
            f"the results have other folds: in repeat {repeat}, position {row} is in fold "
            f"{first.fold_of[repeat, row]} and in fold {second.fold_of[repeat, row]}. {advice}"
        )


def _patients(folds):
    """Return the number of each scan's patient; the patients may have any names."""
    if folds.groups is None:
        return np.arange(len(folds.y))
    _, first_row, patient = np.unique(folds.groups, return_index=True, return_inverse=True)
    return first_row[patient]


def _labels(folds, y):
    if y is None:
        return folds.y == folds.classes[1], np.ones(len(folds.y), dtype=bool)
    return positive_and_known(y, folds.classes, len(folds.y))


def _stability_of_difference(scores, fold_of, in_larger, n_folds):
    """Return the stability of the difference of two scores, each on its own scale."""
    fold_of = fold_of[:, in_larger]
    first, second = (_standardised(score[:, in_larger], fold_of, n_folds) for score in scores)
    return stability_of(first - second, fold_of, n_folds)


def _standardised(score, fold_of, n_folds):
    """Return scores whose variance within the folds is 1 in each repeat; 0 if constant there.

    One scale for all folds of a repeat, since the variance of a single fold is uncertain.
    """
    cell = cells_of(fold_of, n_folds)
    centred = score - _fold_means(score, fold_of, n_folds)[cell]
    spread = np.sqrt(np.mean(centred**2, axis=1, keepdims=True))
    constant = spread <= 1e-12 * np.abs(score).max()
    return np.where(constant, 0.0, score / np.where(constant, 1.0, spread))


def _values(result, score, positive, metric, threshold):
    """Return what the metric averages, of every scan in every repeat."""
    if metric == "brier":
        if result.response_method != "predict_proba":
            raise ValueError(
                "the Brier score needs probabilities, and a result has the values of "
                f"{result.response_method}."
            )
        return (score - positive) ** 2
    if threshold is None:
        threshold = default_threshold(result.response_method)
    return ((score >= threshold) == positive).astype(float)


def _fold_means(values, fold_of, n_folds):
    """Return the mean of each fold of each repeat; NaN where it holds none of these scans."""
    cell = cells_of(fold_of, n_folds).ravel()
    n_cells = len(fold_of) * n_folds
    counts = np.bincount(cell, minlength=n_cells)
    with np.errstate(invalid="ignore"):
        return np.bincount(cell, weights=values.ravel(), minlength=n_cells) / counts


def _test(differences, variance, df, level, method):
    """Return Student's t test of the mean difference."""
    estimate = float(differences.mean()) if differences.size else np.nan
    if np.isnan(variance) or df < 1:
        reason = "it is defined in fewer than two folds, or a class has fewer than two patients"
    elif variance == 0:
        reason = "it is the same in all folds"
    else:
        reason = None
    if reason is not None:
        warnings.warn(f"no interval for the difference: {reason}.", RuntimeWarning, stacklevel=3)
        nothing = estimate == 0 and variance == 0
        statistic, pvalue = (0.0, 1.0) if nothing else (np.nan, np.nan)
        interval = Interval(estimate, np.nan, np.nan, level, method, float(variance))
        return HypothesisTest(estimate, statistic, pvalue, interval, method, float(df))
    error = np.sqrt(variance)
    half = stats.t.ppf((1 + level) / 2, df) * error
    interval = Interval(
        estimate, float(estimate - half), float(estimate + half), level, method, float(variance)
    )
    statistic = float(estimate / error)
    pvalue = float(2 * stats.t.sf(abs(statistic), df))
    return HypothesisTest(estimate, statistic, pvalue, interval, method, float(df))
