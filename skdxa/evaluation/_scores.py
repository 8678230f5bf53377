"""A fitted classifier's score of the positive class."""

import numpy as np

from skdxa._sklearn import num_samples


def mean_score(score):
    """Return the mean score of each scan over models, the same in any order of the models.

    Sums in another order differ in their last digits, which would break ties between scans.

    Parameters
    ----------
    score : ndarray of shape (n_models, n_scans)

    Returns
    -------
    ndarray of shape (n_scans,)
        Rounded to twelve digits of the largest score.
    """
    largest = np.abs(score).max(initial=0)
    if not 0 < largest < np.inf:
        return score.mean(axis=0)
    return score.mean(axis=0).round(11 - int(np.floor(np.log10(largest))))


def response_method_of(estimator):
    """Return the name of the method that scores: probabilities where there are any.

    Parameters
    ----------
    estimator : classifier
        Fitted, since some classifiers have their methods only then.

    Returns
    -------
    str
        "predict_proba" or "decision_function".

    Raises
    ------
    ValueError
        If the classifier has neither method.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import response_method_of
    >>> response_method_of(LogisticRegression().fit([[0], [1]], [0, 1]))
    'predict_proba'
    """
    for method in ("predict_proba", "decision_function"):
        if hasattr(estimator, method):
            return method
    raise ValueError(
        f"{type(estimator).__name__} has neither predict_proba nor decision_function, and a "
        "label alone is not a score."
    )


def default_threshold(response_method):
    """Return the threshold at which a classifier itself classifies a scan as positive.

    Parameters
    ----------
    response_method : {"predict_proba", "decision_function"}
        The method that scores.

    Returns
    -------
    float
        0.5 for probabilities, 0 for the values of a decision function.

    Examples
    --------
    >>> from skdxa.evaluation import default_threshold
    >>> default_threshold("decision_function")
    0.0
    """
    return 0.5 if response_method == "predict_proba" else 0.0


def positive_scores(estimator, X, response_method):
    """Return the finite score of the second class for each scan.

    Parameters
    ----------
    estimator : classifier
        Fitted, of two classes.
    X : array-like of shape (n_scans, ...)
        Scans, as the classifier takes them.
    response_method : {"predict_proba", "decision_function"}
        The method that scores.

    Returns
    -------
    ndarray of shape (n_scans,)
        Scores, higher for the positive class.

    Raises
    ------
    ValueError
        If the scores are of another shape than that of two classes, or not finite.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import positive_scores
    >>> model = LogisticRegression().fit([[-1], [1]], [0, 1])
    >>> positive_scores(model, [[0], [0]], "predict_proba").round(2)
    array([0.5, 0.5])
    """
    scores = np.asarray(getattr(estimator, response_method)(X), dtype=float)
    n_scans = num_samples(X)
    expected = (n_scans, 2) if response_method == "predict_proba" else (n_scans,)
    if scores.shape != expected:
        raise ValueError(
            f"{response_method} of {type(estimator).__name__} gave shape {scores.shape} for "
            f"{n_scans} scans, not {expected}: only two classes can be scored."
        )
    scores = scores[:, 1] if scores.ndim == 2 else scores
    bad = np.flatnonzero(~np.isfinite(scores))
    if bad.size:
        raise ValueError(
            f"{response_method} of {type(estimator).__name__} gave {scores[bad[0]]} for "
            f"{bad.size} of {len(scores)} scans, the first in position {bad[0]}."
        )
    return scores
