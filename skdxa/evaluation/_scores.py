"""A fitted classifier's score of the positive class."""

import numpy as np

from skdxa._sklearn import num_samples


def response_method_of(estimator):
    """Name the method that scores: probabilities where there are any."""
    for method in ("predict_proba", "decision_function"):
        if hasattr(estimator, method):
            return method
    raise ValueError(
        f"{type(estimator).__name__} has neither predict_proba nor decision_function, and a "
        "label alone is no score"
    )


def default_threshold(response_method):
    """Threshold at which the classifier itself calls a scan positive."""
    return 0.5 if response_method == "predict_proba" else 0.0


def positive_scores(estimator, X, response_method):
    """Score of the second class, finite.

    Parameters
    ----------
    estimator : fitted classifier of two classes
    X : array-like of shape (n_scans, ...)
    response_method : {"predict_proba", "decision_function"}

    Returns
    -------
    ndarray of shape (n_scans,)
    """
    scores = np.asarray(getattr(estimator, response_method)(X), dtype=float)
    n_scans = num_samples(X)
    expected = (n_scans, 2) if response_method == "predict_proba" else (n_scans,)
    if scores.shape != expected:
        raise ValueError(
            f"{response_method} of {type(estimator).__name__} gave shape {scores.shape} for "
            f"{n_scans} scans, not {expected}: only two classes can be scored"
        )
    scores = scores[:, 1] if scores.ndim == 2 else scores
    bad = np.flatnonzero(~np.isfinite(scores))
    if bad.size:
        raise ValueError(
            f"{response_method} of {type(estimator).__name__} gave {scores[bad[0]]} for "
            f"{bad.size} of {len(scores)} scans, the first in position {bad[0]}"
        )
    return scores
