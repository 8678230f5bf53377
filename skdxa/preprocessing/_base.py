"""What the transformers of scans have in common."""

import warnings
from abc import ABCMeta, abstractmethod
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skdxa._sklearn import fit_context, output_container
from skdxa.exceptions import ScanError
from skdxa.scan_dtype import ScanArray
from skdxa.validation import as_scans, as_series, like_input, scan_dtype_of


class ScanTransformer(
    TransformerMixin, BaseEstimator, metaclass=ABCMeta, auto_wrap_output_keys=None
):
    """Base class of the transformers of scans.

    A subclass implements `_transform_scans`, and `_learn` where it has something to learn.

    Attributes
    ----------
    scan_dtype_ : ScanDtype or None
        Pixel spacing and unit of the scans seen in `fit`; None where they were plain arrays,
        which state neither.
    n_features_in_ : int
        Number of columns of the table seen in `fit`; 1 for other kinds of input.
    feature_names_in_ : ndarray of shape (n_columns,)
        The columns of the table seen in `fit`; only there if it was a table.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.preprocessing import ScanTransformer
    >>> class MeanDensity(ScanTransformer):
    ...     def __init__(self, column="scan"):
    ...         self.column = column
    ...     def transform(self, X):
    ...         return np.array([[np.nanmean(scan)] for scan in self._check_scans(X)])
    ...     def _transform_scans(self, scans, X):
    ...         return scans
    ...
    >>> MeanDensity().fit_transform([np.ones((7, 9)), np.zeros((6, 8))])
    array([[1.],
           [0.]], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict] = {"column": [str]}
    _dtype = np.float32
    # Whether the meaning of the result depends on the spacing or unit of the scans.
    _depends_on_dtype = True

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the parameters and the scans, and learn from them what the class describes.

        Parameters
        ----------
        X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
            The scans.
        y : None
            Ignored; here so that the transformer works in a pipeline.

        Returns
        -------
        self : object
            The transformer itself.

        Raises
        ------
        ScanError
            If a scan cannot be used; the message names it.
        """
        scans = as_scans(X, column=self.column, dtype=self._dtype)
        self.scan_dtype_ = scan_dtype_of(X, column=self.column)
        self._learn(scans, X)
        vars(self).pop("feature_names_in_", None)
        if isinstance(X, pd.DataFrame):
            self.feature_names_in_ = X.columns.to_numpy(dtype=object)
        self.n_features_in_ = X.shape[1] if isinstance(X, pd.DataFrame) else 1
        return self

    def transform(self, X):
        """Transform every scan.

        Parameters
        ----------
        X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
            The scans.

        Returns
        -------
        X_new : DataFrame, Series, list or ndarray
            The kind that the class describes. After ``set_output(transform="pandas")``
            always a DataFrame, each cell of its column of scans a 2-D array.

        Raises
        ------
        ScanError
            If a scan cannot be used, naming it; if the scans have another pixel spacing or
            unit than those seen in `fit`.

        Warns
        -----
        UserWarning
            If the scans seen in `fit` stated their spacing and unit, but those of `X` do not.
        """
        scans = self._check_scans(X)
        return self._contain(self._transform_scans(scans, X), X)

    def set_output(self, *, transform=None):
        """Choose the container that `transform` returns.

        Parameters
        ----------
        transform : {"default", "pandas"} or None, default=None
            "pandas" returns a DataFrame, whose other columns keep the names that they have in
            the table given to `transform`; None changes nothing.

        Returns
        -------
        self : object
            The transformer itself.
        """
        if transform is not None:
            if transform not in ("default", "pandas"):
                raise ValueError(
                    f"transform must be 'default' or 'pandas', since a column of scans needs "
                    f"pandas; got {transform!r}."
                )
            self._sklearn_output_config = {"transform": transform}
        return self

    def get_feature_names_out(self, input_features=None):
        """Name the columns of the table that ``set_output(transform="pandas")`` asks for.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored; here for scikit-learn.

        Returns
        -------
        names : ndarray of str
            The column of scans.
        """
        return np.array([self.column], dtype=object)

    @abstractmethod
    def _transform_scans(self, scans, X):
        """Return one result per scan; `scans` are the checked scans of `X`."""

    def _learn(self, scans, X):
        """Estimate from the training scans what `_transform_scans` needs."""

    def _check_scans(self, X):
        """Return the scans of `X`; refuse any of another type than those seen in fit."""
        check_is_fitted(self)
        scans = as_scans(X, column=self.column, dtype=self._dtype)
        if self._depends_on_dtype and getattr(self, "scan_dtype_", None) is not None:
            _check_scan_dtype(scan_dtype_of(X, column=self.column), self.scan_dtype_)
        return scans

    def _contain(self, changed, X):
        """Return the changed scans in the container that `set_output` asks for."""
        container = output_container(self)
        if container == "polars":
            raise ValueError(
                "set_output(transform='polars') is not supported by skdxa's transformers of "
                "scans: choose 'default' or 'pandas'."
            )
        return (
            self._as_table(changed, X) if container == "pandas" else self._as_default(changed, X)
        )

    def _as_default(self, changed, X):
        return changed

    def _as_table(self, changed, X):
        index = X.index if isinstance(X, pd.DataFrame | pd.Series) else None
        dtype = scan_dtype_of(X, column=self.column)
        if dtype is not None:
            changed = ScanArray(list(changed), dtype.spacing_mm, dtype.unit)
            return pd.Series(changed, index=index).to_frame(self.column)
        return as_series(changed, index).to_frame(self.column)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


class SameKindTransformer(ScanTransformer):
    """Base class of the transformers that return the kind of collection that they take.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.preprocessing import SameKindTransformer
    >>> class UpsideDown(SameKindTransformer):
    ...     def __init__(self, column="scan"):
    ...         self.column = column
    ...     def _transform_scans(self, scans, X):
    ...         return [scan[::-1] for scan in scans]
    ...
    >>> UpsideDown().fit_transform(np.arange(6.0).reshape(1, 3, 2)).tolist()
    [[[4.0, 5.0], [2.0, 3.0], [0.0, 1.0]]]
    """

    # Unit of the result; that of the input by default.
    _unit = ...

    def get_feature_names_out(self, input_features=None):
        """Name the columns of the table that ``set_output(transform="pandas")`` asks for.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored; here for scikit-learn.

        Returns
        -------
        names : ndarray of str
            The columns of the table seen in `fit`, or else the column of scans.
        """
        check_is_fitted(self, "n_features_in_")
        return getattr(self, "feature_names_in_", super().get_feature_names_out())

    def _as_default(self, changed, X):
        return like_input(changed, X, column=self.column, unit=self._unit)

    def _as_table(self, changed, X):
        if isinstance(X, pd.DataFrame):
            return self._as_default(changed, X)
        return super()._as_table(changed, X)


def _check_scan_dtype(found, expected):
    """Refuse scans of another spacing or unit than those seen in fit; warn if not stated."""
    if found is None:
        warnings.warn(
            "The scans are plain arrays, which state neither their pixel spacing nor their unit. "
            f"They are taken to be of type {expected}, as the scans seen in fit.",
            UserWarning,
            # The caller of the public method.
            stacklevel=4,
        )
        return
    same_unit = None in (found.unit, expected.unit) or found.unit == expected.unit
    same_spacing = None in (found.spacing_mm, expected.spacing_mm) or np.allclose(
        found.spacing_mm, expected.spacing_mm, rtol=1e-3
    )
    if not same_spacing:
        raise ScanError(
            f"The scans are of type {found}, those seen in fit of type {expected}. Resample them "
            "with skdxa.preprocessing.resample, or read them with skdxa.scans.load_cohort, to "
            "the same spacing."
        )
    if not same_unit:
        raise ScanError(
            f"The scans are in {found.unit}, those seen in fit in {expected.unit}. One cannot be "
            f"computed from the other: export the scans in {expected.unit}, or use a model that "
            f"was fitted on {found.unit}."
        )
