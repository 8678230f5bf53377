"""The AUC of the pairs of scans that the same model has scored."""

import numpy as np

from skdxa.evaluation._ranks import ranks_within
from skdxa.evaluation._stability import cells_of


def pairs_within_folds(score, fold_of, n_folds, positive):
    """Compute the AUC of pairs within folds, and how much each scan moves it.

    Parameters
    ----------
    score : ndarray of shape (n_repeats, n_scans)
    fold_of : ndarray of int of shape (n_repeats, n_scans)
    n_folds : int
    positive : ndarray of bool of shape (n_scans,)

    Returns
    -------
    area : float
        Share of the pairs of a positive and a negative scan of the same fold that are in the
        right order, the mean over the repeats; NaN if no fold holds both.
    influence : ndarray of shape (n_scans,) or None
        To first order, the sum of its squares is the variance of `area` that comes from the
        scans that are scored: DeLong's, of the shares of each scan averaged over the repeats.
    """
    n_repeats, n_scans = score.shape
    cell = cells_of(fold_of, n_folds).ravel()
    n_cells = n_repeats * n_folds
    label, score = np.tile(positive, n_repeats), score.ravel()
    n_of = [np.bincount(cell[label == side], minlength=n_cells) for side in (False, True)]
    ranks, wins = ranks_within(score, cell), np.empty(score.size)
    for side in (False, True):
        of_class = label == side
        # Scans of the other class below: those of both classes minus those of the same class.
        wins[of_class] = ranks[of_class] - ranks_within(score[of_class], cell[of_class])
    wins = np.where(label, wins, n_of[1][cell] - wins)
    rivals = np.where(label, n_of[0][cell], n_of[1][cell])
    pairs = (n_of[0] * n_of[1]).reshape(n_repeats, n_folds).sum(axis=1)
    defined = pairs > 0
    if not defined.any():
        return np.nan, None
    wins, rivals = (values.reshape(n_repeats, n_scans)[defined] for values in (wins, rivals))
    pairs = pairs[defined, np.newaxis]
    area = np.mean(wins[:, positive].sum(axis=1) / pairs[:, 0])
    return area, np.mean((wins - area * rivals) / pairs, axis=0)


def variance_of_patients(influence, groups, n_smaller):
    """Return the variance of an AUC from the influence of each scan.

    Parameters
    ----------
    influence : ndarray of shape (n_scans,)
    groups : ndarray of shape (n_scans,) or None
        The patient of each scan, whose influences are added up.
    n_smaller : int
        Patients of the smaller class, at least two.

    Returns
    -------
    float
    """
    if groups is not None:
        influence = np.bincount(np.unique(groups, return_inverse=True)[1], influence)
    return float(np.sum(influence**2) * n_smaller / (n_smaller - 1))
