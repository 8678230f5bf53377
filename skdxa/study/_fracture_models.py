"""Logistic models of fractures, fitted and scored on the folds of a cross-validation."""

import warnings

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from skdxa._sklearn import NO_PENALTY

# No risk is closer to 0 or 1.
_SMALLEST = 1e-6


def score_on_folds(folds, tables, variables):
    """Return the scores of one experiment in all repeats.

    Parameters
    ----------
    folds : Folds
    tables : list of DataFrame of shape (n_scans, n_variables)
        One table of predictors per repeat.
    variables : tuple of str
        Columns. A single one is the score itself; of several, a logistic model's probability
        is, out of fold.

    Returns
    -------
    CrossValidationResult
    """
    if len(variables) == 1:
        return folds.with_scores(
            [
                _filled_out_of_fold(table[variables[0]].to_numpy(), fold)
                for table, fold in zip(tables, folds.fold_of, strict=True)
            ]
        )
    scores = [
        predict_out_of_fold(table[[*variables]], folds.y, fold)
        for table, fold in zip(tables, folds.fold_of, strict=True)
    ]
    return folds.with_scores(scores, response_method="predict_proba")


def predict_out_of_fold(table, y, fold, scored_y=None):
    """Predict each fold by a logistic model of the others.

    Parameters
    ----------
    table : DataFrame of shape (n_scans, n_variables)
        Gaps are filled by the medians of the scans that a model is trained on.
    y : ndarray of shape (n_scans,)
        Label trained on.
    fold : ndarray of int of shape (n_scans,)
    scored_y : ndarray of shape (n_scans,), optional
        Label, NaN where unknown, on whose scale the risks are put, in the same folds.

    Returns
    -------
    ndarray of shape (n_scans,)
        Probability of `y`, or the risk of `scored_y` if given.
    """
    gaps = table.isna().any(axis=None)
    table = table.to_numpy()
    # Without a penalty the scale does not matter to the model, but it does to the solver.
    table = (table - np.nanmean(table, axis=0)) / np.nanstd(table, axis=0)
    predicted = np.empty(len(y))
    for test in (fold == number for number in np.unique(fold)):
        columns = _filled(table, ~test) if gaps else table
        log_odds = columns[:, 0]
        if columns.shape[1] > 1:
            log_odds = _fitted(columns[~test], y[~test]).decision_function(columns)
        if scored_y is not None:
            rows = ~test & ~np.isnan(scored_y)
            scale = _fitted(log_odds[rows, np.newaxis], scored_y[rows])
            log_odds = scale.decision_function(log_odds[:, np.newaxis])
        predicted[test] = expit(log_odds[test])
    return predicted


def can_be_scaled(fold_of, scored_y):
    """Return whether the scans outside of each fold hold both values of the label scored on.

    Parameters
    ----------
    fold_of : ndarray of int of shape (n_repeats, n_scans)
    scored_y : ndarray of shape (n_scans,)
        NaN where unknown.

    Returns
    -------
    bool
    """
    known = ~np.isnan(scored_y)
    return all(
        len(np.unique(scored_y[known & (fold != number)])) == 2
        for fold in fold_of
        for number in np.unique(fold)
    )


def finite_odds(risk):
    """Return risks of which none is so close to 0 or 1 that its log odds outweigh all others.

    Parameters
    ----------
    risk : array-like
        Risks; 1e-6 takes the place of all below it, and 1 - 1e-6 that of all above, with a
        warning, so that their order stays and a risk does not depend on what others are.

    Returns
    -------
    risk : array-like
        Of the same type.
    """
    values = np.asarray(risk)
    n_extreme = np.count_nonzero((values < _SMALLEST) | (values > 1 - _SMALLEST))
    if not n_extreme:
        return risk
    warnings.warn(
        f"{n_extreme} risks are below {_SMALLEST:g} or above 1 - {_SMALLEST:g}, where log odds go "
        "to infinity: these limits took their place.",
        RuntimeWarning,
        stacklevel=2,
    )
    return risk.clip(_SMALLEST, 1 - _SMALLEST)


def _filled(columns, train):
    """Fill gaps by the medians of the training scans."""
    return np.where(np.isnan(columns), np.nanmedian(columns[train], axis=0), columns)


def _filled_out_of_fold(column, fold):
    """Fill the gaps of each fold by the median of the others."""
    filled = column.copy()
    for row in np.flatnonzero(np.isnan(column)):
        filled[row] = np.nanmedian(column[fold != fold[row]])
    return filled


def _fitted(columns, y):
    return LogisticRegression(C=NO_PENALTY, solver="newton-cholesky", tol=1e-8).fit(columns, y)
