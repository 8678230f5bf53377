"""Ranks within many folds at once."""

import pandas as pd


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
    return pd.Series(score).groupby(cell).rank().to_numpy()
