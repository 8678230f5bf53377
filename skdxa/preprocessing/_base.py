"""What the transformers of scans have in common."""

from abc import ABCMeta, abstractmethod
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skdxa._sklearn import fit_context, output_container
from skdxa.validation import as_scans, as_series, like_input


class ScanTransformer(TransformerMixin, BaseEstimator, metaclass=ABCMeta):
    """Base class of the transformers of scans.

    A subclass implements `_transform_scans`, and `_learn` where it has something to learn.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of the table seen in `fit`; 1 for other kinds of input.
    feature_names_in_ : ndarray of shape (n_columns,)
        The columns of the table seen in `fit`; only there if it was a table.
    """

    _parameter_constraints: ClassVar[dict] = {"column": [str]}
    _dtype = np.float32

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the parameters and the scans, and learn from them if there is anything to learn.

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
        self._learn(as_scans(X, column=self.column, dtype=self._dtype), X)
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
            If a scan cannot be used; the message names it.
        """
        check_is_fitted(self)
        changed = self._transform_scans(as_scans(X, column=self.column, dtype=self._dtype), X)
        if output_container(self) == "pandas":
            return self._as_table(changed, X)
        return self._as_default(changed, X)

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

    def _as_default(self, changed, X):
        return changed

    def _as_table(self, changed, X):
        index = X.index if isinstance(X, pd.DataFrame | pd.Series) else None
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
    """Base of the transformers that give back the kind of collection that they take."""

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
        return like_input(changed, X, column=self.column)

    def _as_table(self, changed, X):
        if isinstance(X, pd.DataFrame):
            return like_input(changed, X, column=self.column)
        return super()._as_table(changed, X)
