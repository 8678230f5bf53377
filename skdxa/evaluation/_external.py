"""Tests of trained models on patients of another hospital."""

import numpy as np
import pandas as pd

from skdxa.evaluation._metrics import METRICS, grouped_metrics
from skdxa.evaluation._scores import default_threshold, positive_scores, response_method_of
from skdxa.validation import positive_and_known


def external_test(models, X, y, *, threshold=None):
    """Test fitted models on data that none of them has seen.

    Parameters
    ----------
    models : dict or list of fitted classifiers
        Usually ``result.models``, those of the median repeat.
    X : array-like, list or DataFrame of shape (n_scans, ...)
        Scans or a table, as the models take them.
    y : array-like of shape (n_scans,)
        Labels as in training, or 0 and 1; rows with NaN are left out.
    threshold : float, optional
        Positive is ``score >= threshold``; None means 0.5 for probabilities and 0 for
        the values of a decision function.

    Returns
    -------
    pandas.DataFrame of shape (4, 4)
        Rows `sensitivity`, `specificity`, `accuracy`, `auc`; columns `mean`, `minimum`
        and `maximum` over the models, and `ensemble`, of their averaged score.

    Raises
    ------
    ValueError
        If there is no model, models differ in their classes or in the method that scores,
        or `y` lacks a class.

    Notes
    -----
    Minimum and maximum show how much the models differ, not how certain the mean is:
    all are judged by the same patients.

    References
    ----------
    .. [1] Nissinen et al., "Detecting pathological features and predicting fracture
       risk from dual-energy X-ray absorptiometry images using deep learning", Bone
       Reports 14, 2021, 101070. https://doi.org/10.1016/j.bonr.2021.101070

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import external_test
    >>> X, y = make_classification(200, random_state=0)
    >>> models = [LogisticRegression().fit(X[a:b], y[a:b]) for a, b in ((0, 50), (50, 100))]
    >>> external_test(models, X[100:], y[100:]).columns.tolist()
    ['mean', 'minimum', 'maximum', 'ensemble']
    """
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
    score = np.array([positive_scores(model, X, response_method) for model in models])
    positive, known = positive_and_known(y, classes, score.shape[1])
    positive, score = positive[known], score[:, known]
    if positive.all() or not positive.any():
        raise ValueError("y must hold both positive and negative labels.")
    score = np.vstack([score, score.mean(axis=0)])
    metrics = pd.DataFrame(
        grouped_metrics(
            np.tile(positive, len(score)),
            score.ravel(),
            np.repeat(np.arange(len(score)), positive.size),
            len(score),
            default_threshold(response_method) if threshold is None else threshold,
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
    return table
