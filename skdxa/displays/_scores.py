"""Labels, scores and risks of scans, of which curves are drawn."""

import numpy as np
import pandas as pd

from skdxa.evaluation import positive_scores, response_method_of
from skdxa.validation import as_patients, check_same_rows, fill_masked, positive_and_known


def binary_labels(y, classes, n_scans):
    """Return labels of two classes as 0.0 and 1.0, NaN where unknown."""
    positive, known = positive_and_known(y, classes, n_scans)
    return np.where(known, positive, np.nan)


def result_labels(result, y=None):
    """Return the labels that a cross-validation is evaluated by, as `binary_labels`."""
    return binary_labels(result.y if y is None else y, result.classes, len(result.y))


def split_labels(y, n_scans):
    """Return which scans are positive and which are known, the larger label being positive."""
    y = np.asarray(fill_masked(y))
    labels = np.unique(y[~pd.isna(y)].tolist())
    if len(labels) != 2:
        raise ValueError(f"y must hold both positive and negative labels, got {labels.tolist()}.")
    return positive_and_known(y, labels, n_scans)


def known_scores(score, known, name):
    """Return the scores of the scans whose label is known, one finite number each.

    An error names the score by `name`.
    """
    score = np.asarray(fill_masked(score), dtype=float)
    if score.shape != known.shape:
        raise ValueError(
            f"{name} must hold one number for each of {len(known)} scans, got shape "
            f"{score.shape}: give that of the positive label."
        )
    missing = np.flatnonzero(known & ~np.isfinite(score))
    if missing.size:
        raise ValueError(
            f"{name} lacks a finite number for {missing.size} of {known.sum()} labelled scans, "
            f"the first at position {missing[0]} (from 0): curves are compared on the same "
            "scans, so set the labels of these to NaN in y."
        )
    return score[known]


def score_scans(model, X, y):
    """Return labels as `binary_labels`, the scores of a fitted classifier, and their kind."""
    method = response_method_of(model)
    score = positive_scores(model, X, method)
    return binary_labels(y, model.classes_, len(score)), score, method


def named(given, name, what):
    """Return one thing or a dict of them as a dict by name."""
    if not isinstance(given, dict):
        return {"model" if name is None else name: given}
    if name is not None:
        raise ValueError(f"name is for a single curve; the keys of {what} name several.")
    if not given:
        raise ValueError(f"{what} is an empty dict: there is no curve to draw.")
    return given


def check_gives_risks(response_method, name):
    """Raise a `ValueError` unless scores are probabilities."""
    if response_method != "predict_proba":
        raise ValueError(
            f"{name} has the values of a {response_method}, which are not risks: the curve needs "
            "probabilities, as of a classifier with predict_proba or after "
            "sklearn.calibration.CalibratedClassifierCV."
        )


def predict_risks(model, X, y):
    """Return labels as `binary_labels`, and the risks that a fitted classifier predicts."""
    check_gives_risks(response_method_of(model), type(model).__name__)
    return score_scans(model, X, y)[:2]


def known_risk(name, risk, known):
    """Return the risks of the scans whose label is known."""
    risk = known_scores(risk, known, f"the risk of {name!r}")
    outside = np.flatnonzero((risk < 0) | (risk > 1))
    if outside.size:
        row = np.flatnonzero(known)[outside[0]]
        raise ValueError(
            f"the risk of {name!r} is {risk[outside[0]]:g} at position {row} (from 0), not a "
            "probability from 0 to 1: turn other scores into risks first, for example with "
            "logistic regression, out of fold."
        )
    return risk


def known_risks(y, prob, groups, name):
    """Return labels, risks by name and patients of the scans whose label is known.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Two labels, the larger one positive; NaN where unknown.
    prob : array-like of shape (n_scans,), or dict of str to such
        Predicted risk of the positive label.
    groups : array-like of shape (n_scans,) or None
        The patient of each scan.
    name : str or None
        Name of a single model.

    Returns
    -------
    positive : ndarray of bool of shape (n_known,)
    risks : dict of str to ndarray of shape (n_known,)
    groups : ndarray of shape (n_known,) or None
    """
    risks = named(prob, name, "prob")
    for curve, risk in risks.items():
        check_same_rows(y, risk, ("y", f"the risk of {curve!r}"))
    if groups is not None:
        check_same_rows(y, groups, ("y", "groups"))
        groups = as_patients(groups, len(y))
    positive, known = split_labels(y, len(y))
    return (
        positive[known],
        {curve: known_risk(curve, risk, known) for curve, risk in risks.items()},
        None if groups is None else groups[known],
    )


def risks_of_results(result, y, name):
    """Return labels, risks by name and patients of cross-validated scans.

    Parameters
    ----------
    result : CrossValidationResult, or dict of str to such
        Results of the same scans and labels, whose scores are probabilities.
    y : array-like of shape (n_scans,) or None
        Labels to evaluate by, if other than those trained on.
    name : str or None
        Name of a single result.

    Returns
    -------
    labels : ndarray of shape (n_scans,)
        0, 1, or NaN where unknown.
    risks : dict of str to ndarray of shape (n_scans,)
        Out of fold, of the repeat with the median AUC.
    groups : ndarray of shape (n_scans,) or None
    """
    results = named(result, name, "result")
    for curve, one in results.items():
        check_gives_risks(one.response_method, f"the result {curve!r}")
    first, *others = results
    labels = result_labels(results[first], y)
    for curve in others:
        if not np.array_equal(result_labels(results[curve], y), labels, equal_nan=True):
            raise ValueError(
                f"the results {first!r} and {curve!r} have different labels, and curves are "
                "compared on the same scans and labels: give those in y, or draw two displays."
            )
    return (
        labels,
        {curve: one.repeat_scores(one.median_repeat(y)) for curve, one in results.items()},
        results[first].groups,
    )
