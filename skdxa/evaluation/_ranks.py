"""Ranks within many folds at once."""

import numpy as np


def ranks_within(score, cell):
    """Return the rank of each score within its cell; equal scores share their mean rank.

    Parameters
    ----------
    score : ndarray of shape (n_scores,)
    cell : ndarray of int of shape (n_scores,)
        Cell of each score, such as a fold of a repeat.

    Returns
    -------
    ndarray of shape (n_scores,)
        Ranks from 1.
    """
    if score.size == 0:
        return np.empty(0)
    # As np.lexsort((score, cell)) in a quarter of the time: NumPy sorts short integers by radix.
    order = np.argsort(score)
    small = cell.astype(np.min_scalar_type(cell.max()))
    order = order[np.argsort(small[order], kind="stable")]
    score, cell = score[order], cell[order]
    opens_cell = np.concatenate([[True], cell[1:] != cell[:-1]])
    opens_tie = opens_cell | np.concatenate([[True], score[1:] != score[:-1]])
    starts = np.flatnonzero(opens_tie)
    ends = np.append(starts[1:], score.size)
    # The ranks of a run of equal scores are start + 1 to end, counted within the cell.
    mean_rank = (starts + 1 + ends) / 2 - np.flatnonzero(opens_cell)[
        np.cumsum(opens_cell)[starts] - 1
    ]
    ranks = np.empty(score.size)
    ranks[order] = mean_rank[np.cumsum(opens_tie) - 1]
    return ranks
