"""scikit-learn's own checks, which skip estimators that take pictures.

Here each row of a table is a scan of one row, so that the checks run after all.
"""

from rows_as_scans import RowsAsScans
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdxa.preprocessing import HorizontalFlip, IntensityScaler, SpineCropper


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
