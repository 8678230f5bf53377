"""Estimate how much of a cross-validated score is noise of the training scans.

The scans that are scored are also the scans that the other folds train on, so that their
noise enters a cross-validated metric twice. Two quantities of repeated cross-validation
reveal the size of the second part: how well the scores of one repeat agree with those of
the others, and how much the scans of one fold move together from repeat to repeat.
"""

from typing import NamedTuple

import numpy as np

from skdxa.evaluation._ranks import ranks_within

# With two scans, a rank correlation is always 1 or -1.
_FEWEST_SCANS = 3
# A learner that changes abruptly, or depends on seeds, varies more from repeat to repeat than
# from cohort to cohort, so that the variance needs a limit. It must not be low: where a model
# has almost no signal, most scores lie near any threshold, and the share above varies among
# cohorts by up to ten times the variance of independent patients. With half of this limit, a
# linear model of three columns had its sensitivity in the interval in 85 to 92 % of cohorts, and
# `compare` claimed differences between equal models in 13 % (experiments/coverage.py).
LARGEST_TRAINING_SHARE = 10.0


class Stability(NamedTuple):
    """How stable the scores of a cross-validated model are.

    Attributes
    ----------
    q : float
        Share of the variance of the scores within a class that is noise of the training
        scans, from 0 to 1; NaN where it cannot be estimated.
    g : float
        Factor by which the noise widens the standard error of the AUC,
        ``(1 + q) * sqrt(1 - q / 2)``, from 1 to the square root of 2.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import repeated_cross_validate
    >>> X, y = make_classification(200, flip_y=0.3, random_state=0)
    >>> result = repeated_cross_validate(
    ...     LogisticRegression(), X, y, n_repeats=3, random_state=0, progress=False
    ... )
    >>> stability = result.stability()
    >>> print(f"standard error of the AUC times {stability.g:.2f}")
    standard error of the AUC times 1.41
    """

    q: float
    g: float


def stability_of(score, fold_of, n_folds, again=None):
    """Estimate the stability of scores from the agreement of the repeats.

    Parameters
    ----------
    score : ndarray of shape (n_repeats, n_scans)
        Out-of-fold scores of the scans of one class.
    fold_of : ndarray of int of shape (n_repeats, n_scans)
    n_folds : int
    again : ndarray of shape (n_refitted, n_scans), optional
        Scores of the first repeats by models that were fitted with other seeds.

    Returns
    -------
    Stability
        NaN with one repeat, if all repeats have the same folds, or if no fold holds three
        scans.
    """
    n_repeats = len(score)
    if has_same_folds(fold_of):
        return Stability(np.nan, np.nan)
    others = (score.sum(axis=0) - score) / (n_repeats - 1)
    agreement = _agreement(score, others, fold_of, n_folds)
    if agreement.size == 0:
        return Stability(np.nan, np.nan)
    # Scores in the opposite order do not agree: the models found opposite signs.
    shared = np.mean(np.maximum(agreement, 0) ** 2)
    if shared == 0:
        q = 1.0
    else:
        changes = (1 - shared) / shared * (n_repeats - 1) / n_repeats
        if again is not None:
            n_refitted = len(again)
            by_seed = _agreement(score[:n_refitted], again, fold_of[:n_refitted], n_folds)
            # The share of the variance between repeats that is due to the seed alone, minus its
            # standard error, since it is uncertain with few second fits.
            part = 1 - np.mean(by_seed) - np.std(by_seed) / np.sqrt(by_seed.size)
            changes -= max(0.0, part) * (1 + changes)
        q = min(1.0, max(0.0, (n_folds - 1) * changes))
    return Stability(float(q), float((1 + q) * np.sqrt(1 - q / 2)))


def _agreement(first, second, fold_of, n_folds):
    """Return the correlation of two scores in each fold of each repeat that is large enough."""
    cell = cells_of(fold_of, n_folds).ravel()
    n_cells = len(fold_of) * n_folds
    ranks = rank_correlations(first.ravel(), second.ravel(), cell, n_cells)
    ranks = ranks[np.bincount(cell, minlength=n_cells) >= _FEWEST_SCANS]
    # Spearman's correlation, turned into Pearson's of normal variables.
    return 2 * np.sin(np.pi * ranks / 6)


def has_same_folds(fold_of):
    """Return whether all repeats, or the only one, have the same folds.

    Models are then trained on the same scans in all repeats, and their agreement does not
    show the noise of the training scans.

    Parameters
    ----------
    fold_of : ndarray of int of shape (n_repeats, n_scans)

    Returns
    -------
    bool
    """
    return bool((fold_of == fold_of[0]).all())


def why_unknown(fold_of):
    """Return why `stability_of` is NaN, and what to do.

    Parameters
    ----------
    fold_of : ndarray of int of shape (n_repeats, n_scans)

    Returns
    -------
    reason, remedy : str
    """
    if has_same_folds(fold_of):
        return (
            "with one repeat",
            "Repeat the cross-validation two times or more (repeats with the same folds count as "
            "one).",
        )
    return (
        f"where no fold holds {_FEWEST_SCANS} scans of the larger class",
        "Use fewer folds.",
    )


def cells_of(fold_of, n_folds):
    """Return the number of each scan's fold, counted over all repeats.

    Parameters
    ----------
    fold_of : ndarray of int of shape (n_repeats, n_scans)
    n_folds : int

    Returns
    -------
    ndarray of int of shape (n_repeats, n_scans)
    """
    return np.arange(len(fold_of))[:, np.newaxis] * n_folds + fold_of


def rank_correlations(first, second, cell, n_cells):
    """Compute Spearman's correlation of two scores within each cell.

    Parameters
    ----------
    first, second : ndarray of shape (n_scores,)
    cell : ndarray of int of shape (n_scores,)
    n_cells : int

    Returns
    -------
    ndarray of shape (n_cells,)
        1 where both scores are constant, 0 where one of them is.
    """
    middle = ((np.bincount(cell, minlength=n_cells) + 1) / 2)[cell]
    first, second = (ranks_within(score, cell) - middle for score in (first, second))
    var_first, var_second, cov = (
        np.bincount(cell, weights=product, minlength=n_cells)
        for product in (first * first, second * second, first * second)
    )
    both = (var_first > 0) & (var_second > 0)
    correlation = ((var_first == 0) & (var_second == 0)).astype(float)
    correlation[both] = cov[both] / np.sqrt(var_first[both] * var_second[both])
    return correlation


def training_variance(
    values, fold_of, n_folds, n_smaller, groups=None, *, largest=LARGEST_TRAINING_SHARE
):
    """Estimate the variance of a mean over scans that comes from the training scans.

    Parameters
    ----------
    values : ndarray of shape (n_repeats, n_scans)
        What is averaged, such as 1 where a scan is classified correctly and 0 elsewhere.
    fold_of : ndarray of int of shape (n_repeats, n_scans)
    n_folds : int
    n_smaller : int
        Patients of the smaller class.
    groups : ndarray of shape (n_scans,), optional
        The patient of each scan, who lies in one fold.
    largest : float, default=10.0
        Limit, in variances of the mean of `n_smaller` independent patients.

    Returns
    -------
    float
        With its standard error added, since it is uncertain with few repeats; NaN with
        one repeat, if all repeats have the same folds, or if no fold holds two patients.

    Notes
    -----
    Patients of one fold are scored by the same model. Around the mean of each scan over the
    repeats, their values therefore covary by the variance that a model's mean has when a
    share of 1 / n_folds of its training scans is exchanged; among cohorts it is
    ``n_folds - 1`` times as large.
    """
    n_repeats, n_scans = values.shape
    if has_same_folds(fold_of):
        return np.nan
    patient = np.arange(n_scans)
    if groups is not None:
        patient = np.unique(groups, return_inverse=True)[1]
    moved = (values - values.mean(axis=0)).ravel()

    def squares(cell):
        """Return the sums of squared movements and of squared numbers of scans."""
        together, scans = np.bincount(cell, weights=moved), np.bincount(cell)
        return np.sum(together**2), np.sum(scans**2)

    total, n_both = squares(cells_of(fold_of, n_folds).ravel())
    alone, n_alone = squares((np.arange(n_repeats)[:, np.newaxis] * n_scans + patient).ravel())
    n_pairs = n_both - n_alone
    if n_pairs == 0:
        return np.nan
    covariance = (total - alone) / n_pairs
    # The number of independent squares is that of the folds that can vary freely.
    standard_error = total / n_pairs * np.sqrt(2 / (n_repeats * (n_folds - 1)))
    variance = (n_folds - 1) * (covariance + standard_error) * n_repeats / (n_repeats - 1)
    limit = largest * values.var() / n_smaller
    return float(np.clip(variance, 0.0, limit))
