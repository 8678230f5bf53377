"""Ranks within many folds at once."""

import numpy as np
import pandas as pd

# Times as many ranks as there are scores may be computed.
_MOST = 2


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
    sizes = np.bincount(cell)
    n_rows = sizes.max(initial=0)
    if not n_rows or n_rows * sizes.size > _MOST * cell.size:
        return pd.Series(score).groupby(cell).rank().to_numpy()
    # A table with a column for each cell, NaN below its last score, takes half the time.
    order = np.argsort(cell.astype(np.min_scalar_type(sizes.size)), kind="stable")
    filled = np.arange(n_rows) < sizes[:, np.newaxis]
    columns = np.full(filled.shape, np.nan)
    columns[filled] = score[order]
    ranks = np.empty(len(score))
    ranks[order] = pd.DataFrame(columns.T).rank().to_numpy().T[filled]
    return ranks
