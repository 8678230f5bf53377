"""Kinds of collections of scans, and what they state of themselves."""

import numpy as np
import pandas as pd
import pytest

from skdxa import validation
from skdxa.exceptions import ScanError
from skdxa.scan_dtype import ScanArray, ScanDtype


def test_an_image_may_be_all_nan_and_a_scan_may_not():
    empty = np.full((7, 9), np.nan)
    assert validation.check_image(empty).shape == (7, 9)
    with pytest.raises(ScanError, match="the scan holds no scanned pixel"):
        validation.check_scan(empty, name="the scan")


def test_a_table_of_one_object_column_is_a_collection_of_scans():
    column = np.empty((3, 1), dtype=object)
    for row in range(3):
        column[row, 0] = np.full((7, 9), float(row))
    scans = validation.as_scans(column)
    assert [scan[0, 0] for scan in scans] == [0, 1, 2]
    assert validation.like_input(scans, column).shape == (3, 1)


def test_other_tables_are_refused_by_name():
    with pytest.raises(ScanError, match="Pass the DataFrame itself"):
        validation.as_scans(np.empty((3, 2), dtype=object))
    with pytest.raises(ScanError, match=r"Leave out the last axis: X\[..., 0\]"):
        validation.as_scans(np.zeros((3, 7, 9, 1)))

    class DataFrame:
        __module__ = "polars.dataframe.frame"

    with pytest.raises(ScanError, match=r"a polars DataFrame.*Pass X.to_pandas\(\)"):
        validation.as_scans(DataFrame())


class Stated:
    """A scan with the attributes of `skdxa.scans.Scan`."""

    def __init__(self, spacing_mm, unit):
        self.pixels = np.ones((7, 9))
        self.spacing, self.unit = spacing_mm, unit


def test_spacing_and_unit_are_found_where_scans_state_them():
    density = ScanDtype((1.05, 0.60), "g/cm2")
    scans = [Stated((1.05, 0.60), "g/cm2")] * 2
    assert validation.scan_dtype_of(scans) == density
    assert validation.as_scans(scans)[0].shape == (7, 9)
    column = ScanArray([np.ones((7, 9))], (1.05, 0.60), "g/cm2")
    assert validation.scan_dtype_of(pd.DataFrame({"scan": column})) == density
    assert validation.scan_dtype_of(pd.Series(column)) == density
    assert validation.scan_dtype_of(np.ones((2, 7, 9))) is None
    assert validation.scan_dtype_of([np.ones((7, 9))]) is None
    mixed = [*scans, Stated((1.05, 0.60), "grey level")]
    with pytest.raises(ScanError, match=r"Scan 2 is of type .*grey level.*first scan of type"):
        validation.scan_dtype_of(mixed)
    with pytest.raises(ScanError, match="Scan 2 is of type plain array"):
        validation.scan_dtype_of([*scans, np.ones((7, 9))])
