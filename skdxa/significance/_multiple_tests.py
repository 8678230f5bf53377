"""P-values adjusted for the number of tests."""

import pandas as pd

from skdxa.significance._checks import check_option, check_probability


def adjust_pvalues(pvalues, method="holm"):
    """Adjust p-values for the number of tests.

    Parameters
    ----------
    pvalues : array-like of shape (n_tests,)
        P-values of one family of tests.
    method : {"holm", "bonferroni", "hommel", "fdr_bh", "fdr_by"}, default="holm"
        The methods of Holm, Bonferroni and Hommel bound the probability of any false
        rejection; those of Benjamini and Hochberg and of Benjamini and Yekutieli bound
        the expected share of false rejections.

    Returns
    -------
    ndarray of shape (n_tests,), or Series with the index of `pvalues`
        Adjusted p-values.

    Raises
    ------
    ValueError
        If a p-value is missing or not within 0 and 1, or `pvalues` is empty.

    References
    ----------
    .. [1] Holm S. A simple sequentially rejective multiple test procedure. Scand J
       Stat 6, 65-70 (1979).

    Examples
    --------
    >>> from skdxa.significance import adjust_pvalues
    >>> adjust_pvalues([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    # Imported here because it takes half a second.
    from statsmodels.stats.multitest import multipletests

    check_option(method, "method", ("holm", "bonferroni", "hommel", "fdr_bh", "fdr_by"))
    values = check_probability(pvalues, "pvalues")
    if values.size == 0:
        raise ValueError("pvalues is empty.")
    adjusted = multipletests(values, method=method)[1]
    if isinstance(pvalues, pd.Series):
        return pd.Series(adjusted, index=pvalues.index, name=pvalues.name)
    return adjusted
