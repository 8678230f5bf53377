"""Let scikit-learn's own checks, which skip estimators that take pictures, run after all."""

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from skdxa.validation import as_scans


class RowsAsScans:
    """Makes a transformer of scans see each row of a table as a scan of one row."""

    # Type of the scans, as the transformer itself takes them.
    _row_dtype = np.float32

    def fit(self, X, y=None):
        X = validate_data(self, X, ensure_all_finite="allow-nan")
        n_features = self.n_features_in_
        names = vars(self).get("feature_names_in_")
        super().fit(X[:, np.newaxis, :])
        self.n_features_in_ = n_features
        if names is not None:
            self.feature_names_in_ = names
        return self

    def fit_transform(self, X, y=None):
        return self.fit(X, y).transform(X)

    def transform(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        stack = X[:, np.newaxis, :]
        changed = self._transform_scans(as_scans(stack, dtype=self._row_dtype), stack)
        return self._as_rows(changed)

    def _as_rows(self, changed):
        return np.stack(changed)[:, 0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = False
        return tags
