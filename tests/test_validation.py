"""Scans, labels, patients and rows: the checks that all packages share."""

import unicodedata

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skdxa import validation
from skdxa.exceptions import ScanError
from skdxa.scan_dtype import ScanArray, ScanDtype


def masked(values, mask):
    return np.ma.masked_array(values, mask=mask)


def test_masked_values_become_nan():
    scan = masked(np.ones((2, 3)), [[0, 1, 0], [0, 0, 0]])
    expected = [[1, np.nan, 1], [1, 1, 1]]
    np.testing.assert_array_equal(validation.check_scan(scan), np.float32(expected))
    np.testing.assert_array_equal(validation.fill_masked(scan.astype(int)), expected)
    assert validation.fill_masked(masked(["a", "b"], [True, False])).tolist() == [None, "b"]
    whole = masked(np.arange(3), False)
    assert validation.fill_masked(whole).dtype.kind == "i"
    plain = np.arange(3)
    assert validation.fill_masked(plain) is plain
    stack = masked(np.ones((2, 2, 3)), np.arange(12).reshape(2, 2, 3) == 0)
    assert [np.isnan(scan).sum() for scan in validation.as_scans(stack)] == [1, 0]


def test_masked_labels_are_unknown():
    y = masked([0, 1, 1, 0], [False, False, True, False])
    with pytest.raises(ValueError, match="NaN for 1 of 4 scans, the first in position 2"):
        validation.check_two_classes(y, 4)
    _, known = validation.positive_and_known(y, np.array([0, 1]), 4)
    assert known.tolist() == [True, True, False, True]
    with pytest.raises(ValueError, match="missing for 1 of 4 scans, the first in position 2"):
        validation.as_patients(y, 4)


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


SAME = [
    (1000.0, "1000"),
    ("12", "12.0"),
    (12, "12.00"),
    (unicodedata.normalize("NFC", "Särkkä"), unicodedata.normalize("NFD", "Särkkä")),
    ("P\u200b1", "P1"),
    ("\ufeffP1", "P1"),
    (" P1 ", "P1"),
    (True, "1"),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_one_patient_however_written(one, two):
    patients = validation.as_patients(np.array([one, two], dtype=object), 2)
    assert patients[0] == patients[1]


@pytest.mark.parametrize(
    ("one", "two"), [("007", "7"), ("p1", "P1"), ("P  1", "P 1"), ("P 1", "P1")]
)
def test_patients_that_look_alike_stay_two_and_are_warned_of(one, two):
    with pytest.warns(UserWarning, match="count as different patients: .*Write each patient"):
        patients = validation.as_patients([one, two], 2)
    assert patients[0] != patients[1]


def test_a_long_list_of_lookalikes_is_cut():
    groups = [f"{letter}{number}" for number in range(8) for letter in "pP"]
    with pytest.warns(UserWarning, match="; and 3 more"):
        validation.as_patients(groups, 16)


def test_numbers_stay_numbers_and_large_ones_stay_apart():
    assert validation.as_patients([3, 1], 2).dtype.kind == "i"
    assert validation.as_patients(np.array([3, 1], dtype=object), 2).dtype.kind == "i"
    assert validation.as_patients([3.0, 1.0], 2).tolist() == [3, 1]
    assert validation.as_patients([3.5, 1.0], 2).tolist() == ["3.5", "1"]
    large = pd.array([2**53, 2**53 + 1], dtype="Int64")
    assert len(set(validation.as_patients(large, 2).tolist())) == 2
    with pytest.warns(UserWarning, match=r"2\*\*53 or more, which may have merged"):
        validation.as_patients([2.0**53, 1.0], 2)


def test_an_identity_of_many_digits_is_no_crash():
    patients = validation.as_patients(["1" * 100_000, "2", "1" * 100_000], 3)
    assert patients[0] == patients[2] != patients[1]
    patients = validation.as_patients([10**5000, 10**5000 + 1, 10**5000], 3)
    assert patients[0] == patients[2] != patients[1]
    assert patients.itemsize < 1000


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, "", " ", "\u200b"])
def test_a_patient_that_is_missing_is_an_error(missing):
    with pytest.raises(ValueError, match="missing for 1 of 3 scans, the first in position 1"):
        validation.as_patients(np.array(["a", missing, "b"], dtype=object), 3)


def test_patients_of_another_kind_are_refused():
    groups = np.empty(2, dtype=object)
    groups[:] = [(1, 2), (3, 4)]
    with pytest.raises(ValueError, match="holds a tuple in position 0"):
        validation.as_patients(groups, 2)
    with pytest.raises(ValueError, match=r"each of 3 scans, got an array of shape \(2,\)"):
        validation.as_patients([1, 2], 3)


def test_patients_of_whom_scans_lie_in_two_folds_are_found():
    fold_of = np.array([[0, 0, 1, 1], [0, 1, 1, 0]])
    assert validation.split_patients(fold_of, np.array(["a", "a", "b", "c"])).tolist() == ["a"]
    assert validation.split_patients(fold_of[:1], np.array(["a", "a", "b", "c"])).size == 0
    assert validation.patient_codes(["b", "a", "b"]).tolist() == [1, 0, 1]
    assert validation.has_repeated_patients(["b", "a", "b"])
    assert not validation.has_repeated_patients(None)


def test_rows_must_be_the_same():
    one, two = pd.Series([1, 2], index=["a", "b"]), pd.Series([1, 2], index=["b", "a"])
    with pytest.raises(ValueError, match="X and y have different indices: align them first"):
        validation.check_same_rows(one, two, ("X", "y"))
    with pytest.raises(ValueError, match="X and y must have the same rows, got 2 and 1"):
        validation.check_same_rows(one, two[:1], ("X", "y"))
    validation.check_same_rows(one, two.to_numpy(), ("X", "y"))
    validation.check_same_rows(None, two, ("X", "y"))
    one = sparse.csr_array(np.eye(2))
    validation.check_same_rows(one, two, ("X", "y"))
    with pytest.raises(ValueError, match="X and y must have the same rows, got 2 and 1"):
        validation.check_same_rows(one, two[:1], ("X", "y"))


def test_a_seed_is_itself_or_drawn():
    assert validation.as_seed(np.int64(5)) == 5
    assert type(validation.as_seed(np.int64(5))) is int
    first, second = (validation.as_seed(np.random.RandomState(1)) for _ in range(2))
    assert first == second
    generator = np.random.RandomState(1)
    assert validation.as_seed(generator) != validation.as_seed(generator)
    assert validation.as_seed(None) != validation.as_seed(None)
