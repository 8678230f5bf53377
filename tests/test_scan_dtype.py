"""A column of scans that keeps spacing and unit through what users do with tables."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split
from sklearn.utils import resample, shuffle

from skdxa.exceptions import ScanError
from skdxa.scan_dtype import ScanArray, ScanDtype

DENSITY = ScanDtype((1.05, 0.60), "g/cm2")


@pytest.fixture
def table():
    scans = [np.full((7, 9), 1.0), np.full((8, 9), 2.0), np.full((7, 9), 3.0)]
    scans = ScanArray(scans, (1.05, 0.60), "g/cm2")
    return pd.DataFrame({"scan": scans, "age": [66, 71, 68]}, index=["a", "b", "c"])


@pytest.mark.parametrize(
    "operation",
    [
        lambda t: t[[True, False, True]],
        lambda t: t.iloc[[2, 0]],
        lambda t: t.iloc[1:],
        lambda t: t.loc[["a"]],
        lambda t: t.loc["a":"b"],
        lambda t: t[["scan"]],
        lambda t: t.copy(),
        lambda t: pd.concat([t, t.assign(age=60)]),
        lambda t: t.assign(tbs=1.3),
        lambda t: t.reset_index(drop=True),
        lambda t: t.reindex(["c", "unknown"]),
        lambda t: t.sort_values("age"),
        lambda t: t.drop(columns="age"),
        lambda t: t.dropna(),
        lambda t: t.merge(pd.DataFrame({"age": [66, 71]}), on="age"),
        lambda t: t.query("age > 67"),
        lambda t: pickle.loads(pickle.dumps(t)),
        lambda t: train_test_split(t, random_state=0)[0],
        lambda t: shuffle(t, random_state=0),
        lambda t: resample(t, random_state=0),
    ],
)
def test_spacing_and_unit_are_preserved(table, operation):
    changed = operation(table)
    assert changed["scan"].dtype == DENSITY
    assert changed["scan"].iloc[0].shape in {(7, 9), (8, 9)}


def test_what_a_function_returns_has_no_unit(table):
    doubled = table["scan"].map(lambda scan: 2 * scan)
    assert doubled.dtype == object
    np.testing.assert_array_equal(doubled["b"], np.full((8, 9), 4.0))
    assert table["scan"].apply(np.shape).tolist() == [(7, 9), (8, 9), (7, 9)]


def test_columns_of_other_types_are_not_joined(table):
    other = table.assign(scan=ScanArray(list(table["scan"]), (0.25, 0.25), "grey level"))
    with pytest.raises(ScanError, match=r"1.05 x 0.6 mm.*0.25 x 0.25 mm.*resample them"):
        pd.concat([table, other])


def test_cells_are_arrays_and_can_be_missing(table):
    assert table["scan"]["b"].shape == (8, 9)
    assert [scan.shape for scan in table["scan"]] == [(7, 9), (8, 9), (7, 9)]
    assert table["scan"].isna().tolist() == [False, False, False]
    assert table.reindex(["c", "unknown"])["scan"].isna().tolist() == [False, True]
    table.loc["a", "scan"] = None
    table.loc[["b", "c"], "scan"] = ScanArray([np.eye(7, 9), None], (1.05, 0.60), "g/cm2")
    assert table["scan"].isna().tolist() == [True, False, True]
    np.testing.assert_array_equal(table["scan"]["b"], np.eye(7, 9))
    with pytest.raises(TypeError, match="do not fit into a column"):
        table["scan"].array[:1] = ScanArray([np.eye(7, 9)])
    array = table["scan"].array
    array[0:2] = np.ones((3, 4))
    assert [scan.shape for scan in array[0:2]] == [(3, 4), (3, 4)]
    array[[0, 1]] = [None, np.ones((5, 6))]
    assert array[0] is None
    assert array[1].shape == (5, 6)


def test_only_two_dimensional_arrays_are_scans():
    with pytest.raises(TypeError, match=r"scan 1 must be a two-dimensional array.*\(3,\)"):
        ScanArray([np.ones((2, 3)), np.ones(3)])
    with pytest.raises(TypeError, match=r"scan 0 must be .*it is a list of shape \(2,\)"):
        ScanArray([[1, 2]])


def test_text_equality_and_memory(table):
    assert "7 x 9 pixels" in repr(table)
    assert "None" in repr(table.reindex(["unknown"])["scan"])
    assert repr(DENSITY) == "scan[1.05 x 0.6 mm, g/cm2]"
    assert str(ScanDtype()) == "scan[unknown spacing, unknown unit]"
    assert ScanDtype([1.05, 0.6], "g/cm2") == DENSITY
    assert ScanDtype((1.05, 0.60)) != DENSITY
    with pytest.raises(TypeError, match="Cannot construct"):
        ScanDtype.construct_from_string("scan")
    array = table["scan"].array
    assert (array == array.copy()).all()
    assert array.__eq__(3) is NotImplemented
    assert array.nbytes == 8 * 9 * (7 + 8 + 7)
    assert array.astype(DENSITY) is not array
    assert array.astype(DENSITY, copy=False) is array
    assert array.astype(object).dtype == object
    assert array.astype(object, copy=False).shape == (3,)
    assert list(array.astype(str)) == [str(scan) for scan in array]
    assert list(array.astype(np.dtype(str))) == [str(scan) for scan in array]
    gap = array.take([1, -1], allow_fill=True).astype(np.dtype(str))
    assert list(pd.isna(gap)) == [False, True]
    assert np.array(array, dtype=object).shape == (3,)
    assert np.asarray(array).shape == (3,)
    assert ScanArray(array).dtype == ScanDtype()
