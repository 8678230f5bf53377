"""An interval from cross-validations of random halves of the patients."""

from numbers import Integral, Real
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.special import expit, logit
from tqdm import tqdm

from skdxa._sklearn import Interval, check_method_params, safe_indexing, validate_params
from skdxa.evaluation._checkpoint import Checkpoint, describe_run, described_once, using
from skdxa.evaluation._cross_validate import FITTING, repeated_cross_validate, seed_of_run
from skdxa.evaluation._drawing import joint_strata
from skdxa.evaluation._folds import DRAWING, Folds
from skdxa.evaluation._metrics import METRICS
from skdxa.evaluation._result import CrossValidationResult
from skdxa.evaluation._summary import count_patients, score_interval, tabulate
from skdxa.significance import Interval as FoundInterval
from skdxa.validation import check_aligned, fill_masked, positive_and_known

_METHOD = "half-sampling"


@validate_params(
    {
        **DRAWING,
        **FITTING,
        "scored_y": ["array-like", None],
        "result": [CrossValidationResult, None],
        "n_draws": [Interval(Integral, 2, None, closed="left")],
        "threshold": [Real, None],
        "level": [Interval(Real, 0, 1, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def half_sampling_interval(
    estimator,
    X,
    y,
    *,
    groups=None,
    stratify=None,
    scored_y=None,
    result=None,
    n_draws=25,
    n_splits=10,
    n_repeats=1,
    threshold=None,
    level=0.95,
    random_state=None,
    n_jobs=None,
    checkpoint=None,
    params=None,
    progress=True,
):
    """Compute intervals of a cross-validation from cross-validations of halves.

    In each draw the patients are split at random into two halves of the same prevalence, and the
    estimator is cross-validated in each. Halves share no patient, neither in training nor in
    scoring, so that the difference of their metrics contains all the noise of a cross-validation.
    The method makes fewer assumptions than ``summary(interval="stability")``, for any estimator,
    and costs ``2 * n_draws * n_splits * n_repeats`` trainings on half the scans.

    Parameters
    ----------
    estimator : classifier or Pipeline
        As for `repeated_cross_validate`.
    X : array-like, list or DataFrame of shape (n_scans, ...)
        Scans or a table, one row per scan.
    y : array-like of shape (n_scans,)
        Two labels of any type; the second, sorted, is positive.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan. A patient's scans stay in one half.
    stratify : array-like of shape (n_scans,) or (n_scans, n_labels), optional
        Labels whose shares halves and folds keep, `y` if not given.
    scored_y : array-like of shape (n_scans,), optional
        Other labels to score against, NaN where unknown.
    result : CrossValidationResult, optional
        Cross-validation of all these scans, whose means are the estimates; without it, it is
        run here with `n_splits` and `n_repeats`.
    n_draws : int, default=25
        Draws of two halves.
    n_splits, n_repeats : int, default=10, 1
        Folds and repeats of the cross-validation of each half.
    threshold : float, optional
        Positive is ``score >= threshold``; None means 0.5 for probabilities and 0 for other
        scores.
    level : float, default=0.95
        Confidence level.
    random_state : int, RandomState instance or None, default=None
        Seeds halves, folds and fits. None draws a seed, or uses that of the checkpoint if
        there is one.
    n_jobs : int, optional
        Splits in parallel, within one cross-validation.
    checkpoint : str or path-like, optional
        Folder for finished splits, with one folder in it per half. Called again with the
        same arguments, the function resumes where it was killed; `n_draws` may be raised.
    params : dict, optional
        Passed to `fit`, as by `repeated_cross_validate`.
    progress : bool, default=True
        Show a progress bar on the standard error stream.

    Returns
    -------
    pandas.DataFrame of shape (4, 9)
        As from `CrossValidationResult.summary`, with the method "half-sampling".

    Raises
    ------
    ValueError
        If a half has fewer scans or patients of a class than `n_splits`, `result` is of other
        scans, or as for `repeated_cross_validate`.
    CheckpointError
        As for `repeated_cross_validate`.

    Warns
    -----
    RuntimeWarning
        If a metric is undefined in all folds of some halves, which are left out; if it is
        defined in fewer than two draws, and has no interval.

    See Also
    --------
    repeated_cross_validate : The cross-validation of all scans.
    CrossValidationResult.summary : Intervals that cost no training.

    Notes
    -----
    With ``d`` the differences of the metrics of the two halves, the variance of the metric
    of all scans is estimated by the mean of ``(d / 2) ** 2``: halves are independent, so that
    a difference has twice the variance of a half, and a half twice that of all scans. Models
    of half the scans are noisier than that where a learner gains much from more scans; the
    interval is then somewhat wide. Student's t has ``n_draws - 1`` degrees of freedom; the
    interval of the AUC is symmetric on the logit scale, those of the shares are Wilson's for
    as many patients as the variance is worth.

    This is the random half-sample replication of survey statistics [1]_, of a statistic that
    includes all training.

    References
    ----------
    .. [1] McCarthy PJ. Pseudo-replication: half samples. Review of the International Statistical
       Institute 37 (1969) 239-264.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import half_sampling_interval
    >>> X, y = make_classification(120, random_state=0)
    >>> table = half_sampling_interval(
    ...     LogisticRegression(), X, y, n_splits=5, n_draws=3, random_state=0, progress=False
    ... )
    >>> table.loc["auc", ["low", "estimate", "high"]].astype(float).round(2).tolist()
    [0.74, 0.97, 1.0]
    """
    check_aligned(X=X, y=y, groups=groups, stratify=stratify, scored_y=scored_y)
    seed = seed_of_run(random_state, checkpoint)
    # Two folds are two halves.
    halves = Folds.draw(
        y, groups=groups, stratify=stratify, n_splits=2, n_repeats=n_draws, random_state=seed
    )
    y, groups = halves.y, halves.groups
    strata = None if stratify is None else joint_strata(stratify)
    scored_y = None if scored_y is None else np.asarray(fill_masked(scored_y))
    run_described = None
    if checkpoint is not None:
        settings = {"interval": _METHOD, "n_splits": n_splits, "n_repeats": n_repeats}
        labels = {"y": y, "groups": groups, "stratify": strata}
        run_described = describe_run(
            estimator, X, settings | {"random_state": seed}, labels, params, halves.fold_of[:1]
        )
    bar = tqdm(
        desc=f"{n_draws} x 2 halves",
        total=2 * n_draws + (result is None),
        unit="cross-validation",
        disable=not progress,
    )

    def cross_validate(rows, name, number):
        fitted = repeated_cross_validate(
            estimator,
            safe_indexing(X, rows),
            y[rows],
            groups=None if groups is None else groups[rows],
            stratify=None if strata is None else strata[rows],
            n_splits=n_splits,
            n_repeats=n_repeats,
            random_state=_seed_of(seed, number),
            n_jobs=n_jobs,
            checkpoint=None if checkpoint is None else Path(checkpoint) / name,
            params=None if params is None else check_method_params(X, params, rows),
            progress=False,
        )
        bar.update()
        return fitted

    with using(checkpoint), described_once(estimator, run_described), bar:
        if checkpoint is not None:
            # Raises an error for the folder of another run.
            Checkpoint(checkpoint, run_described)
        if result is None:
            result = cross_validate(np.arange(len(y)), "all", 0)
        _check_result(result, halves)
        differences = np.full((n_draws, len(METRICS)), np.nan)
        for draw, half_of in enumerate(halves.fold_of):
            means = []
            for half in (0, 1):
                rows = np.flatnonzero(half_of == half)
                name = f"draw-{draw:04d}-half-{half}"
                try:
                    fitted = cross_validate(rows, name, 1 + 2 * draw + half)
                except ValueError as error:
                    raise ValueError(
                        f"draw {draw}, half {half}: {str(error).rstrip('.')}."
                    ) from error
                labels = None if scored_y is None else scored_y[rows]
                means.append(fitted.fold_metrics(labels, threshold=threshold)[[*METRICS]].mean())
            differences[draw] = means[0] - means[1]
    metrics = result.fold_metrics(scored_y, threshold=threshold)
    labels = y if scored_y is None else scored_y
    n_patients = count_patients(*positive_and_known(labels, halves.classes, len(y)), groups)
    rows = [
        interval_from_halves(
            metrics[name].dropna().to_numpy(), column, n_patients[name], level, name
        )
        for name, column in zip(METRICS, differences.T, strict=True)
    ]
    return tabulate(rows, level)


def interval_from_halves(values, differences, n_patients, level, metric):
    """Compute the interval of one metric from the differences between halves.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        The metric in the folds of all scans.
    differences : ndarray of shape (n_draws,)
        First half minus second; NaN where it is undefined.
    n_patients : int
        Patients that a share is of; for the AUC those of the smaller class.
    level : float
    metric : str
        One of `METRICS`.

    Returns
    -------
    tuple
        An `Interval`, the number of folds in which the metric is defined, and the reasons
        (list of str) why its ends are not meaningful.
    """
    differences = differences[~np.isnan(differences)]
    estimate = float(values.mean()) if values.size else np.nan
    if values.size == 0 or differences.size < 2:
        nothing = FoundInterval(estimate, np.nan, np.nan, level, "none")
        return nothing, values.size, ["it is defined in both halves of fewer than two draws"]
    variance = float(np.mean((differences / 2) ** 2))
    quantile = stats.t.ppf((1 + level) / 2, differences.size - 1)
    spread = estimate * (1 - estimate)
    if metric == "auc" and min(variance, spread) > 0:
        half = quantile * np.sqrt(variance) / spread
        ends = expit(logit(estimate) - half), expit(logit(estimate) + half)
    elif metric == "auc" and spread > 0:
        nothing = FoundInterval(estimate, np.nan, np.nan, level, "none")
        return nothing, values.size, [f"the AUC is {estimate:g} in all halves"]
    else:
        worth = n_patients
        if variance > 0 and spread > 0:
            worth = min(n_patients, spread / variance)
        ends = score_interval(estimate, worth, quantile)
    interval = FoundInterval(estimate, *map(float, ends), level, _METHOD, variance)
    return interval, values.size, []


def _seed_of(seed, number):
    """Return the seed of one of the cross-validations, which all have different seeds."""
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1)[0])


def _check_result(result, halves):
    """Raise a ValueError if a result is not of these labels and patients."""
    for name, given, found in (
        ("labels", halves.y, result.y),
        ("patients", halves.groups, result.groups),
    ):
        if not np.array_equal(given, found):
            raise ValueError(
                f"result has {name} that differ from those given: it must be a cross-validation "
                "of the same scans."
            )
