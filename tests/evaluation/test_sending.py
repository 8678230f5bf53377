"""Scans reach worker processes once, and as they were."""

import os
import pickle

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed

from skdxa.evaluation._sending import Sendable
from skdxa.scan_dtype import ScanArray

RNG = np.random.default_rng(0)
SCANS = [RNG.normal(size=(90, 110 + n)).astype(np.float32) for n in range(4)]
SAME = [RNG.normal(size=(90, 110)).astype(np.float32) for n in range(4)]


def objects(images):
    column = np.empty(len(images), dtype=object)
    for place, image in enumerate(images):
        column[place] = image
    return column


def table(scans):
    frame = pd.DataFrame({"age": [61, 62, 63, 64], "sex": list("FMFM")}, index=[5, 3, 9, 7])
    frame.insert(1, "scan", scans)
    return frame


CASES = {
    "table with a spacing": table(ScanArray([*SCANS[:3], None], (1.05, 0.60), "g/cm2")),
    "table of objects": table(objects(SAME)),
    "column": pd.Series(objects(SCANS), index=[5, 3, 9, 7], name="scan"),
    "array of objects": objects(SCANS),
    "list": SCANS,
    "stack": np.stack(SAME),
    "numbers": pd.DataFrame({"age": [61, 62, 63, 64], "sex": list("FMFM")}),
}


def same(one, other):
    if isinstance(one, pd.DataFrame):
        return (
            one.columns.equals(other.columns)
            and one.index.equals(other.index)
            and one.dtypes.equals(other.dtypes)
            and all(same(list(one[name]), list(other[name])) for name in one)
        )
    if isinstance(one, pd.Series):
        return (
            one.name == other.name
            and one.index.equals(other.index)
            and same(list(one), list(other))
        )
    if isinstance(one, list | np.ndarray):
        return len(one) == len(other) and all(
            np.array_equal(a, b) for a, b in zip(one, other, strict=True)
        )
    return one == other


@pytest.mark.parametrize("X", CASES.values(), ids=CASES)
def test_data_arrive_as_they_were(X):
    for sent in (Sendable(X), pickle.loads(pickle.dumps(Sendable(X)))):
        assert type(sent.restore()) is type(X)
        assert same(X, sent.restore())


def test_columns_of_one_name_keep_their_places():
    X = pd.concat([CASES["table of objects"]] * 2, axis=1)
    back = Sendable(X).restore()
    assert back.columns.tolist() == ["age", "scan", "sex"] * 2
    assert same(list(X.iloc[:, 4]), list(back.iloc[:, 4]))


def kind_of_first_scan(sendable):
    X = sendable.restore()
    scan = X["scan"].iloc[0] if isinstance(X, pd.DataFrame) else X[0]
    return os.getpid(), isinstance(scan, np.memmap), getattr(scan, "filename", None)


@pytest.mark.parametrize("name", ["table with a spacing", "table of objects", "array of objects"])
def test_images_are_written_once_for_all_tasks(name):
    sendable = Sendable(CASES[name])
    found = Parallel(n_jobs=2, max_nbytes="32K")(
        delayed(kind_of_first_scan)(sendable) for _ in range(4)
    )
    assert os.getpid() not in {process for process, _, _ in found}
    assert all(is_shared for _, is_shared, _ in found)
    assert len({path for _, _, path in found}) == 1
