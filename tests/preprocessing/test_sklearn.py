"""scikit-learn's own checks, which skip estimators that take pictures.

Here each row of a table is a scan of one row, so that the checks run after all.
"""

import numpy as np
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from skdxa.preprocessing import HorizontalFlip, IntensityScaler, SpineCropper
from skdxa.validation import as_scans


class RowsAsScans:
    """Makes a transformer of scans see each row of a table as a scan of one row."""

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
        return np.stack(self._transform_scans(as_scans(stack), stack))[:, 0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = False
        return tags


class RowFlip(RowsAsScans, HorizontalFlip):
    pass


class RowScaler(RowsAsScans, IntensityScaler):
    pass


class RowCropper(RowsAsScans, SpineCropper):
    def __init__(self, height=1, width=1, *, fill_value=None, column="scan"):
        super().__init__(height, width, fill_value=fill_value, column=column)


# No check is exempted.
@parametrize_with_checks([RowFlip(), RowScaler(), RowScaler("per_scan"), RowCropper()])
def test_estimator_check(estimator, check):
    check(estimator)
