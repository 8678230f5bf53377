"""The image checks on the shipped estimators; and that the checks can fail."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline

from skdxa.classification import SpineCNNClassifier
from skdxa.preprocessing import HorizontalFlip, IntensityScaler, SpineCropper
from skdxa.testing import check_image_estimator, image_checks, parametrize_with_image_checks
from skdxa.texture import VariogramSlope
from skdxa.validation import as_scans


def cnn():
    return SpineCNNClassifier(
        filters=(4,), dense_units=4, epochs=2, validation_fraction=0, random_state=0
    )


SHIPPED = [
    HorizontalFlip(),
    IntensityScaler(),
    IntensityScaler("per_scan"),
    SpineCropper(20, 30),
    VariogramSlope(),
    cnn(),
    make_pipeline(SpineCropper(20, 30), cnn()),
]


@parametrize_with_image_checks(SHIPPED)
def test_image_checks(estimator, check):
    check(estimator)


class ByPosition(TransformerMixin, BaseEstimator):
    """Takes the second column for the scans, whatever its name."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.stack(as_scans(X.iloc[:, 1] if hasattr(X, "iloc") and X.ndim == 2 else X))

    def get_feature_names_out(self, input_features=None):
        return np.array(["scan"], dtype=object)


def test_a_faulty_estimator_fails():
    failed = set()
    for check in image_checks(ByPosition()):
        try:
            check(ByPosition())
        except Exception:
            failed.add(check.__name__)
    assert {"check_order_of_columns", "check_bad_scans", "check_set_output"} <= failed
    assert "check_threads" not in failed
    with pytest.raises(Exception, match=r"."):
        check_image_estimator(ByPosition())


def test_expected_failures_are_strict():
    mark = parametrize_with_image_checks(
        [ByPosition()], expected_failed_checks=lambda _: {"check_order_of_columns": "by position"}
    )
    marked = [case for case in mark.args[1] if case.marks]
    assert [case.id for case in marked] == ["ByPosition-check_order_of_columns"]
    assert marked[0].marks[0].kwargs == {"reason": "by position", "strict": True}
