"""One label per scan from several raters."""

import numpy as np
import pandas as pd

from skdxa.significance._checks import check_option, check_rating_table


def consensus(ratings, rule="all"):
    """Combine the ratings of several raters into one label per scan.

    Parameters
    ----------
    ratings : DataFrame or array-like of shape (n_scans, n_raters)
        0, 1, or NaN where a rater gave no rating.
    rule : {"all", "majority", "any"}, default="all"
        A scan is positive if all raters, more than half of them, or at least one of
        them call it positive.

    Returns
    -------
    ndarray of shape (n_scans,), or Series with the index of `ratings`
        0, 1, or NaN where the label depends on a missing rating or, by "majority",
        where the raters are split evenly.

    Raises
    ------
    ValueError
        If a rating is not 0, 1 or NaN, or there are fewer than two raters.

    Notes
    -----
    The label is missing only where the missing rating could change it: by rule "all",
    the label of 0 and NaN is 0, and that of 1 and NaN is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.significance import consensus
    >>> ratings = [[1, 1, 1], [1, 1, 0], [0, 0, np.nan], [1, 1, np.nan]]
    >>> consensus(ratings).tolist()
    [1.0, 0.0, 0.0, nan]
    >>> consensus(ratings, rule="majority").tolist()
    [1.0, 1.0, 0.0, 1.0]
    """
    check_option(rule, "rule", ("all", "majority", "any"))
    n_raters = check_rating_table(ratings).shape[1]
    try:
        values = pd.DataFrame(ratings).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(f"ratings must be 0, 1 or NaN: {error}.") from error
    ones, zeros = values == 1, values == 0
    unreadable = np.argwhere(~(np.isnan(values) | ones | zeros))
    if unreadable.size:
        row, rater = unreadable[0]
        raise ValueError(
            f"ratings must be 0, 1 or NaN, got {values[row, rater]:g} at position {row} from "
            f"rater {rater + 1}."
        )
    more_than_half = n_raters // 2 + 1
    needed = {"all": n_raters, "majority": more_than_half, "any": 1}[rule]
    refused = {"all": 1, "majority": more_than_half, "any": n_raters}[rule]
    positive, negative = ones.sum(axis=1) >= needed, zeros.sum(axis=1) >= refused
    label = np.select([positive, negative], [1.0, 0.0], default=np.nan)
    if isinstance(ratings, pd.DataFrame):
        return pd.Series(label, index=ratings.index)
    return label
