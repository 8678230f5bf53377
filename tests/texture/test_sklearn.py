"""scikit-learn's own checks, for which each row of a table is a scan of one row."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from skdxa.texture import VariogramSlope
from skdxa.validation import as_scans


class RowVariogramSlope(VariogramSlope):
    """Sees each row of a table as a scan of one row, which scikit-learn's checks can make."""

    def __init__(
        self,
        *,
        lags_mm=(1, 2),
        axis="columns",
        spacing_mm=(1, 1),
        column="scan",
        regions=None,
    ):
        super().__init__(
            lags_mm=lags_mm, axis=axis, spacing_mm=spacing_mm, column=column, regions=regions
        )

    def fit(self, X, y=None):
        X = validate_data(self, X, ensure_all_finite="allow-nan")
        n_features = self.n_features_in_
        names = vars(self).get("feature_names_in_")
        super().fit(X[:, np.newaxis, :])
        self.n_features_in_ = n_features
        if names is not None:
            self.feature_names_in_ = names
        return self

    def transform(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        stack = X[:, np.newaxis, :]
        return self._transform_scans(as_scans(stack, dtype=float), stack)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = False
        return tags


# No check is exempted. Tables of one or two columns have too few lags, which is warned of.
@pytest.mark.filterwarnings("ignore:.*variograms have no slope:RuntimeWarning")
@parametrize_with_checks([RowVariogramSlope()])
def test_estimator_check(estimator, check):
    check(estimator)
