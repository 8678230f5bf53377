"""Predictions with a stated error rate, undecided where neither class is certain enough."""

from numbers import Real

import numpy as np
import pandas as pd

from skdxa.validation import (
    as_patients,
    check_aligned,
    check_same_rows,
    fill_masked,
    patient_codes,
)


def conformal_p_values(y, score, new_score, *, groups=None, fold=None):
    r"""Compute how typical a score would be of a positive and of a negative scan.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Labels of the scans that calibrate, 0 or 1.
    score : array-like of shape (n_scans,) or (n_repeats, n_scans)
        Their scores, higher for positive scans, each from a model that was not fitted on the
        scan: the out-of-fold scores of one repeat of a cross-validation, or of several.
    new_score : array-like of shape (n_new,) or (n_folds, n_new)
        Scores of new scans; with `fold`, those from the model of each fold.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan that calibrates. A patient then counts once per class,
        however many scans there are.
    fold : array-like of shape (n_scans,), optional
        The fold of each scan that calibrates, counted from 0: its score is from the model of
        that row of `new_score`, which was fitted on the other folds. Only with one repeat.

    Returns
    -------
    p_values : DataFrame of shape (n_new, 2)
        With the index of `new_score`, if that is a Series. Columns `negative` and
        `positive`: the share of the scans of that class, the new one among them, whose score
        is at least as unusual for the class as the new one.

    Raises
    ------
    ValueError
        If labels, scores, patients or folds do not fit together, a score is not finite, or a
        class is missing.

    See Also
    --------
    conformal_calls : Positive, negative or neither at an error rate.

    Notes
    -----
    These are class-conditional (Mondrian) conformal p-values [1]_. If the calibrating and the
    new scores of a class are exchangeable, the p-value of a scan's true class is below any
    :math:`\epsilon` with a probability of at most :math:`\epsilon`, for any model and
    number of scans. With `fold`, out-of-fold scores are compared with the new scores from the
    same model, which makes them cross-conformal [2]_: the error rate is kept closely in practice,
    and is in any case at most :math:`2 \epsilon + \sqrt{2 / n}` for `n` patients of the class
    [3]_. Without `fold`, scores of a model
    fitted on all scans are compared with those of other models. Networks differ in the level of
    their scores, so that the error rate is then kept on average over many networks, but not by
    each. It is not kept on patients of another kind, such as those of another hospital.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World", Springer,
       2005, section 4.5.
    .. [2] V. Vovk, "Cross-conformal predictors", Annals of Mathematics and Artificial
       Intelligence 74, 9-28, 2015.
    .. [3] R. F. Barber, E. J. Candes, A. Ramdas, R. J. Tibshirani, "Predictive inference with the
       jackknife+", Annals of Statistics 49, 486-507, 2021.

    Examples
    --------
    >>> from skdxa.evaluation import conformal_p_values
    >>> y = [0, 0, 0, 0, 1, 1, 1]
    >>> score = [0.1, 0.2, 0.3, 0.6, 0.4, 0.8, 0.9]
    >>> conformal_p_values(y, score, [0.25, 0.85])
       negative  positive
    0       0.6      0.25
    1       0.2      0.75
    """
    check_aligned(y=y, score=score if np.ndim(score) == 1 else None, groups=groups, fold=fold)
    index = new_score.index if isinstance(new_score, pd.Series) else None
    y, score, new_score = (
        np.asarray(fill_masked(values), dtype=float) for values in (y, score, new_score)
    )
    score = np.atleast_2d(score)
    check_same_rows(y, score.T, ("y", "score"))
    if not np.isin(y, (0, 1)).all():
        raise ValueError("y must hold 0 and 1.")
    if not np.isfinite(score).all() or not np.isfinite(new_score).all():
        raise ValueError("score and new_score must hold finite numbers.")
    if fold is None:
        if new_score.ndim != 1:
            raise ValueError(
                f"new_score must hold one number for each new scan, got shape {new_score.shape}; "
                "with a row for each fold, give fold too."
            )
        models = [np.full(len(y), True)]
        new_score = new_score[np.newaxis]
    else:
        models = _calibrated_by(np.asarray(fold), score, new_score)
    patient = np.arange(len(y)) if groups is None else patient_codes(as_patients(groups, len(y)))
    p_values = {}
    for name, label, sign in (("negative", 0, -1), ("positive", 1, 1)):
        of_class = y == label
        if not of_class.any():
            raise ValueError(
                f"y has no scan with label {label}, so its p-values cannot be calibrated."
            )
        weight = np.zeros(len(y))
        weight[of_class] = 1 / np.bincount(patient[of_class])[patient[of_class]]
        below = [
            sum(
                _weight_below(sign * one[scored], weight[scored], sign * new)
                for scored, new in zip(models, new_score, strict=True)
            )
            for one in score
        ]
        p_values[name] = (1 + np.mean(below, axis=0)) / (1 + weight.sum())
    return pd.DataFrame(p_values, index=index)


def _calibrated_by(fold, score, new_score):
    """Return for each model which scans it scored out of fold."""
    if fold.shape != (score.shape[1],) or len(score) != 1:
        raise ValueError("fold must hold the fold of each scan in y, and score be of one repeat.")
    if new_score.ndim != 2 or not np.isin(fold, np.arange(len(new_score))).all():
        raise ValueError(
            "with fold, new_score must have one row for each fold; folds count from 0."
        )
    return [fold == number for number in range(len(new_score))]


def _weight_below(score, weight, new_score):
    """Return the weight of the scores that are at most each new one."""
    order = np.argsort(score)
    return np.r_[0, np.cumsum(weight[order])][np.searchsorted(score[order], new_score, "right")]


def conformal_calls(p_values, *, error_rate=0.1):
    """Return the class of each scan at an error rate: positive, negative or undecided.

    Parameters
    ----------
    p_values : DataFrame with the columns "negative" and "positive"
        As `conformal_p_values` returns them, in any order.
    error_rate : float, default=0.1
        Share of the scans of each class for which the other class alone may be named, between
        0 and 1.

    Returns
    -------
    calls : ndarray of str of shape (n_scans,)
        "positive" or "negative" where only that class is plausible, and "cannot say" where
        both are or neither is.

    Raises
    ------
    ValueError
        If `error_rate` does not lie between 0 and 1, or a column is missing.

    Examples
    --------
    >>> from skdxa.evaluation import conformal_calls, conformal_p_values
    >>> y = [0, 0, 0, 0, 1, 1, 1]
    >>> score = [0.1, 0.2, 0.3, 0.6, 0.4, 0.8, 0.9]
    >>> p_values = conformal_p_values(y, score, [0.05, 0.25, 0.95])
    >>> conformal_calls(p_values, error_rate=0.25).tolist()
    ['negative', 'negative', 'positive']
    """
    if not (isinstance(error_rate, Real) and 0 < error_rate < 1):
        raise ValueError(f"error_rate must lie between 0 and 1; got {error_rate!r}.")
    names = ("negative", "positive")
    if not isinstance(p_values, pd.DataFrame) or not {*names} <= {*p_values.columns}:
        found = (
            f"a table with the columns {p_values.columns.tolist()}"
            if isinstance(p_values, pd.DataFrame)
            else f"a {type(p_values).__name__}"
        )
        raise ValueError(
            "p_values must be a DataFrame with the columns 'negative' and 'positive', as "
            f"conformal_p_values returns it; it is {found}."
        )
    negative, positive = (p_values[name].to_numpy() > error_rate for name in names)
    calls = np.where(positive, "positive", "negative")
    return np.where(positive == negative, "cannot say", calls)
