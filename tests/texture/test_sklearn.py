"""scikit-learn's own checks, for which each row of a table is a scan of one row."""

import pytest
from rows_as_scans import RowsAsScans
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdxa.texture import VariogramSlope


class RowVariogramSlope(RowsAsScans, VariogramSlope):
    _row_dtype = float

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

    def _as_rows(self, changed):
        return changed


# No check is exempted. Tables of one or two columns have too few lags, which is warned of.
@pytest.mark.filterwarnings("ignore:.*variograms have no slope:RuntimeWarning")
@parametrize_with_checks([RowVariogramSlope()])
def test_estimator_check(estimator, check):
    check(estimator)
