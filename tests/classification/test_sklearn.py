"""scikit-learn's own checks of the classifier.

They are for tables. A subclass made for these tests sees each row as a scan of one row.
"""

import numpy as np
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data

from skdxa.classification import SpineCNNClassifier


class TableCNNClassifier(SpineCNNClassifier):
    """The classifier, for tables: rows of features are scans of one row."""

    def _check_images(self, X, shape=None):
        table = validate_data(self, X, reset=shape is None, dtype=np.float32)
        return super()._check_images(table[:, np.newaxis, :], shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = False
        return tags


EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "leaving a scan out changes the batches and the order of all others"
    ),
}


@parametrize_with_checks(
    [
        TableCNNClassifier(
            filters=(4,),
            dense_units=8,
            dropout=0.0,
            epochs=25,
            learning_rate=0.01,
            validation_fraction=0,
            random_state=0,
        )
    ],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
