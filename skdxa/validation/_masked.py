"""Masked arrays, whose masks NumPy drops without a warning."""

import numpy as np


def fill_masked(values):
    """Return a masked array as an ordinary array with NaN at the masked places.

    Parameters
    ----------
    values : object
        Anything; only a `numpy.ma.MaskedArray` is changed.

    Returns
    -------
    values : object
        A float array with NaN for a masked array of numbers, an object array with None for
        a masked array of texts, and otherwise `values` itself.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.validation import fill_masked
    >>> fill_masked(np.ma.masked_equal([1, 0, 1], 0))
    array([ 1., nan,  1.])
    """
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if not np.ma.is_masked(values):
        return values.data
    if values.dtype.kind not in "biuf":
        texts = values.data.astype(object)
        texts[np.ma.getmaskarray(values)] = None
        return texts
    dtype = values.dtype if values.dtype.kind == "f" else np.float64
    return values.astype(dtype).filled(np.nan)
