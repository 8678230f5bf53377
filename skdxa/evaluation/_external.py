"""Tests of trained models on patients of another hospital."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skdxa.evaluation import _summary
from skdxa.evaluation._metrics import METRICS, grouped_metrics
from skdxa.evaluation._scores import (
    default_threshold,
    mean_score,
    positive_scores,
    response_method_of,
)
from skdxa.significance import Calibration, HypothesisTest, calibration, non_inferiority_test
from skdxa.validation import (
    as_patients,
    check_aligned,
    check_both_labels,
    fill_masked,
    positive_and_known,
)

_INTERVALS = ("delong", "bootstrap")


@dataclass(frozen=True, eq=False)
class ExternalTest:
    """How well models do on patients of another hospital, and how certain that is.

    Attributes
    ----------
    table : pandas.DataFrame of shape (4, 8)
        Rows `sensitivity`, `specificity`, `accuracy`, `auc`; columns `mean`, `minimum` and
        `maximum` over the models, `ensemble`, of their averaged score, and of the ensemble
        `low`, `high`, `level` and `method` of the interval.
    scores : pandas.DataFrame of shape (n_known_scans, n_columns)
        One row per scan with a label: `row`, its position in X, `y` (0 or 1), `patient` (where
        `groups` were given), `ensemble`, and the score of each model, `model_0` and so on.
    calibration : Calibration or None
        Of the ensemble: observed over expected events, calibration in the large, slope and
        intercept, with their intervals. None where the scores are not probabilities strictly
        between 0 and 1.
    non_inferiority : HypothesisTest or None
        Test of the AUC of the ensemble against the reference; None without `margin`.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import external_test
    >>> X, y = make_classification(200, flip_y=0.3, random_state=0)
    >>> model = LogisticRegression().fit(X[:100], y[:100])
    >>> test = external_test([model], X[100:], y[100:], interval="delong")
    >>> test.table.shape, test.scores.columns.tolist()
    ((4, 8), ['row', 'y', 'ensemble', 'model_0'])
    """

    table: pd.DataFrame
    scores: pd.DataFrame
    calibration: Calibration | None
    non_inferiority: HypothesisTest | None


def external_test(
    models,
    X,
    y,
    *,
    threshold=None,
    interval=None,
    groups=None,
    reference=None,
    margin=None,
    level=0.95,
    n_resamples=2000,
    random_state=None,
):
    """Test fitted models on data that none of them has seen.

    Parameters
    ----------
    models : dict or list of fitted classifiers
        Usually ``result.models``, those of the median repeat.
    X : array-like, list or DataFrame of shape (n_scans, ...)
        Scans or a table, in the form that the models expect.
    y : array-like of shape (n_scans,)
        Labels as in training, or 0 and 1; rows with NaN are left out.
    threshold : float, optional
        Positive is ``score >= threshold``; None means 0.5 for probabilities and 0 for
        the values of a decision function.
    interval : {"delong", "bootstrap"} or None, default=None
        Intervals of the ensemble: DeLong's of the AUC on the logit scale and Wilson's of the
        proportions, or those of a bootstrap of patients. None returns the table of the
        estimates alone.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan, where patients have several: all intervals then allow for the
        correlation of a patient's scans. Needs `interval`.
    reference : float or array-like of shape (n_scans,), optional
        The AUC, or the scores of another predictor for the same scans, that the ensemble must
        not fall below by `margin` or more. Needs `interval`.
    margin : float, optional
        Loss of AUC that would be acceptable, chosen beforehand; given with `reference`.
    level : float, default=0.95
        Confidence level.
    n_resamples : int, default=2000
        Resamples of the bootstrap.
    random_state : int, RandomState instance or None, default=None
        Seeds the bootstrap.

    Returns
    -------
    pandas.DataFrame of shape (4, 4) or ExternalTest
        Without `interval` the table: rows `sensitivity`, `specificity`, `accuracy`, `auc`;
        columns `mean`, `minimum` and `maximum` over the models, and `ensemble`, of their
        averaged score. With it an `ExternalTest`, of which the attribute `table` holds the
        intervals too.

    Raises
    ------
    ValueError
        If there is no model, models differ in their classes or in the method that scores,
        `y` lacks a class, `interval` is unknown, `reference` and `margin` are not given
        together, or options of the intervals are given without `interval`.

    Warns
    -----
    RuntimeWarning
        If a metric has no interval, or the probabilities do not allow a calibration.

    See Also
    --------
    skdxa.significance.non_inferiority_test : The test against `reference`.
    external_table : Tests of several experiments as one table.

    Notes
    -----
    Minimum and maximum show how much the models differ, not how certain the mean is:
    all are evaluated on the same patients. The intervals of the ensemble show how certain its
    performance is for patients like those tested; the models are regarded as fixed.

    Several models are averaged in the ensemble, which is what would be used there. Averaged
    probabilities are less extreme than those of one model, so that the calibration slope is
    that of the ensemble alone.

    References
    ----------
    .. [1] Nissinen et al., "Detecting pathological features and predicting fracture
       risk from dual-energy X-ray absorptiometry images using deep learning", Bone
       Reports 14, 2021, 101070. https://doi.org/10.1016/j.bonr.2021.101070
    .. [2] Debray TPA, Damen JAAG, Riley RD, et al. A framework for meta-analysis of prediction
       model studies with binary and time-to-event outcomes. Statistical Methods in Medical
       Research 28 (2019) 2768-2786.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import external_test
    >>> X, y = make_classification(200, flip_y=0.3, random_state=0)
    >>> models = [LogisticRegression().fit(X[a:b], y[a:b]) for a, b in ((0, 50), (50, 100))]
    >>> external_test(models, X[100:], y[100:]).columns.tolist()
    ['mean', 'minimum', 'maximum', 'ensemble']
    >>> test = external_test(
    ...     models, X[100:], y[100:], interval="delong", reference=0.75, margin=0.05
    ... )
    >>> test.table.loc["auc", ["ensemble", "low", "high"]].astype(float).round(2).tolist()
    [0.8, 0.7, 0.87]
    >>> o_e = test.calibration.observed_over_expected
    >>> print(f"{o_e.estimate:.2f} ({o_e.low:.2f} to {o_e.high:.2f})")
    0.89 (0.73 to 1.07)
    >>> round(test.calibration.slope, 2), round(test.non_inferiority.pvalue, 3)
    (1.04, 0.025)
    """
    if interval is not None and interval not in _INTERVALS:
        raise ValueError(f"interval must be one of {list(_INTERVALS)} or None, got {interval!r}.")
    if (reference is None) != (margin is None):
        raise ValueError("reference and margin must be given together, or neither.")
    for name, option in (("groups", groups), ("reference", reference)):
        if interval is None and option is not None:
            raise ValueError(f"{name} needs interval='delong' or 'bootstrap'.")
    models = list(models.values()) if isinstance(models, dict) else list(models)
    if not models:
        raise ValueError(
            "there is no model to test: call repeated_cross_validate with return_models='median'."
        )
    response_method, classes = response_method_of(models[0]), models[0].classes_
    for number, model in enumerate(models):
        if response_method_of(model) != response_method:
            raise ValueError(f"model {number} is scored by another method than model 0.")
        if not np.array_equal(model.classes_, classes):
            raise ValueError(
                f"model {number} has the classes {model.classes_.tolist()}, model 0 "
                f"{classes.tolist()}."
            )
    X = fill_masked(X)
    score = np.array([positive_scores(model, X, response_method) for model in models])
    positive, known = positive_and_known(y, classes, score.shape[1])
    by_scan = reference if np.ndim(reference) else None
    check_aligned(X=X, y=y, groups=groups, reference=by_scan)
    patients = None if groups is None else as_patients(groups, len(known))[known]
    positive, score = positive[known], score[:, known]
    check_both_labels(positive)
    threshold = default_threshold(response_method) if threshold is None else threshold
    score = np.vstack([score, mean_score(score)])
    metrics = pd.DataFrame(
        grouped_metrics(
            np.tile(positive, len(score)),
            score.ravel(),
            np.repeat(np.arange(len(score)), positive.size),
            len(score),
            threshold,
        )
    )
    each, ensemble = metrics.iloc[:-1], metrics.iloc[-1]
    table = pd.DataFrame(
        {
            "mean": each.mean(),
            "minimum": each.min(),
            "maximum": each.max(),
            "ensemble": ensemble,
        }
    )
    table.index = pd.Index(METRICS, name="metric")
    if interval is None:
        return table
    rows = _summary.of_pooled_scores(
        positive,
        score[-1],
        patients,
        interval=interval,
        threshold=threshold,
        level=level,
        n_resamples=n_resamples,
        random_state=random_state,
    )
    intervals = _summary.tabulate([(found, 1, reasons) for found, reasons in rows], level)
    test = None
    if margin is not None:
        other = reference
        if np.ndim(reference):
            other = np.asarray(fill_masked(reference), dtype=float)[known]
        test = non_inferiority_test(
            positive.astype(int), score[-1], other, margin=margin, groups=patients, level=level
        )
    found = {"row": np.flatnonzero(known), "y": positive.astype(int)}
    if patients is not None:
        found["patient"] = patients
    found["ensemble"] = score[-1]
    found |= {f"model_{number}": values for number, values in enumerate(score[:-1])}
    return ExternalTest(
        table.join(intervals[["low", "high", "level", "method"]]),
        pd.DataFrame(found),
        _calibration(positive, score[-1], patients, level)
        if response_method == "predict_proba"
        else None,
        test,
    )


def _calibration(positive, risk, patients, level):
    """Return the calibration of probabilities, or None with a warning."""
    n_certain = np.count_nonzero((risk <= 0) | (risk >= 1))
    if n_certain:
        warnings.warn(
            f"no calibration: {n_certain} probabilities of the ensemble are 0 or 1, whose log "
            "odds are infinite.",
            RuntimeWarning,
            stacklevel=3,
        )
        return None
    return calibration(positive.astype(int), risk, groups=patients, level=level)
