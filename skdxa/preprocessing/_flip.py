"""Mirror scans left to right."""

import numpy as np

from skdxa.preprocessing._base import SameKindTransformer


class HorizontalFlip(SameKindTransformer):
    """Mirror every scan left to right.

    The spine is nearly symmetric, so a mirrored scan is another plausible scan with the
    same labels: the usual augmentation of training scans.

    Parameters
    ----------
    column : str, default="scan"
        The column of a DataFrame that holds the scans.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of the table seen in `fit`; 1 for other kinds of input.
    feature_names_in_ : ndarray of shape (n_columns,)
        The columns of the table seen in `fit`; only there if it was a table.

    See Also
    --------
    SpineCropper : Cut all scans to one size about the spine.

    Notes
    -----
    The result is of the kind of the input: a stack for a stack, a list for a list, a
    table with its other columns untouched for a table. Its pixels are float32. Nothing is
    learned in `fit`, and `transform` works without it.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.preprocessing import HorizontalFlip
    >>> stack = np.arange(6.0).reshape(1, 2, 3)
    >>> HorizontalFlip().fit_transform(stack)
    array([[[2., 1., 0.],
            [5., 4., 3.]]], dtype=float32)
    """

    # Scans of any spacing and unit can be mirrored.
    _depends_on_dtype = False

    def __init__(self, *, column="scan"):
        self.column = column

    def inverse_transform(self, X):
        """Mirror the scans back, which is the same as mirroring them.

        Parameters
        ----------
        X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
            Mirrored scans.

        Returns
        -------
        X_original : DataFrame, Series, list or ndarray
            The scans as they were, of the kind of `X`.
        """
        return self.transform(X)

    def _transform_scans(self, scans, X):
        return [np.ascontiguousarray(scan[:, ::-1]) for scan in scans]
