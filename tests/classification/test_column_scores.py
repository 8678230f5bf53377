"""scikit-learn's checks of ColumnScores, through tables whose columns have names."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data

from skdxa.classification import ColumnScores
from skdxa.exceptions import CohortError


class FirstColumn(ColumnScores):
    """Sees an array as a table, and takes its first column."""

    def __init__(self, column="x0", *, lower_is_worse=False):
        super().__init__(column, lower_is_worse=lower_is_worse)

    def fit(self, X, y):
        table = self._as_table(X, reset=True)
        n_features, names = self.n_features_in_, vars(self).get("feature_names_in_")
        super().fit(table, y)
        vars(self).pop("feature_names_in_", None)
        self.n_features_in_ = n_features
        if names is not None:
            self.feature_names_in_ = names
        return self

    def decision_function(self, X):
        return super().decision_function(self._as_table(X, reset=False))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags

    def _as_table(self, X, *, reset):
        values = validate_data(self, X, reset=reset)
        return pd.DataFrame(values, columns=[f"x{place}" for place in range(values.shape[1])])


# No check is exempted.
@parametrize_with_checks([FirstColumn(), FirstColumn(lower_is_worse=True)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_an_array_is_refused_by_name():
    with pytest.raises(CohortError, match="must be a DataFrame with the column 'age'"):
        ColumnScores("age").fit(np.ones((4, 1)), [0, 1, 0, 1])
