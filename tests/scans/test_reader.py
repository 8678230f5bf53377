"""A pipeline that takes what people have."""

import numpy as np
import pandas as pd
import pytest
from rows_as_scans import RowsAsScans
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdxa.exceptions import ScanError, ScanReadError
from skdxa.preprocessing import SpineCropper
from skdxa.scan_dtype import ScanArray, ScanDtype
from skdxa.scans import ScanReader, read_scan
from skdxa.testing import parametrize_with_image_checks

SCANS = [np.linspace(0, 1.5, 63).reshape(7, 9).astype(np.float32), np.ones((8, 9), np.float32)]


@pytest.fixture
def paths(tmp_path):
    for name, scan in zip("ab", SCANS, strict=True):
        np.save(tmp_path / f"{name}.npy", scan)
    return [str(tmp_path / "a.npy"), tmp_path / "b.npy"]


class RowReader(RowsAsScans, ScanReader, auto_wrap_output_keys=None):
    pass


# No check is exempted.
@parametrize_with_checks([RowReader()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@parametrize_with_image_checks([ScanReader()])
def test_image_checks(estimator, check):
    check(estimator)


def test_paths_scans_and_tables(paths):
    reader = ScanReader(array_spacing_mm=(2.10, 0.60))
    read = [read_scan(path) for path in paths]
    for X in (paths, tuple(paths), np.array(paths, dtype=object), pd.Series(paths), read):
        scans = reader.transform(X)
        assert scans.dtype == ScanDtype((1.05, 0.60), "g/cm2")
        assert [scan.shape for scan in scans] == [(14, 9), (16, 9)]
    table = pd.DataFrame({"age": [61, 62], "scan": paths}, index=["p", "q"])
    scans = reader.fit_transform(table)
    assert scans["age"].tolist() == [61, 62]
    assert scans["scan"]["q"].shape == (16, 9)
    assert reader.scan_dtype_ == ScanDtype((1.05, 0.60), "g/cm2")
    assert reader.feature_names_in_.tolist() == ["age", "scan"]
    assert str(paths[0]) in scans["scan"].array.names[0]
    crop = make_pipeline(reader, SpineCropper(height=4, width=6)).fit_transform(paths)
    assert crop.shape == (2, 4, 6)


def test_cohorts_and_plain_arrays(paths):
    cohort = pd.DataFrame({"scan": ScanArray(SCANS, (2.10, 0.60), "g/cm2")})
    scans = ScanReader().fit_transform(cohort)["scan"]
    assert scans.dtype == ScanDtype((1.05, 0.60), "g/cm2")
    assert scans[0].shape == (14, 9)
    unknown = pd.Series(ScanArray(SCANS, None, "g/cm2"))
    assert ScanReader().transform(unknown)[0].shape == (7, 9)

    assert ScanReader().transform(SCANS) is SCANS
    stack = np.stack([SCANS[0]] * 2)
    assert ScanReader(array_spacing_mm=(2.10, 0.60)).transform(stack).shape == (2, 14, 9)
    series = ScanReader(array_spacing_mm=(2.10, 0.60)).transform(pd.Series(SCANS, index=[3, 4]))
    assert series[4].shape == (16, 9)
    table = ScanReader().set_output(transform="pandas").transform(SCANS)
    assert list(table) == ["scan"]
    assert len(table) == 2


def test_what_cannot_be_read(paths, tmp_path):
    with pytest.raises(ScanError, match=r"a\.npy: nothing states how large the pixels are"):
        ScanReader().transform(paths)
    reader = ScanReader(array_spacing_mm=(1.05, 0.60))
    with pytest.raises(ScanReadError, match=r"none\.npy: there is no such file"):
        reader.transform([*paths, tmp_path / "none.npy"])
    with pytest.raises(ScanError, match="X must be a list of paths; it is the single path"):
        reader.transform(paths[0])
    with pytest.raises(ScanError, match=r"Scan 1 is a ndarray, scan 0 a str"):
        reader.transform([paths[0], SCANS[0]])
    np.save(tmp_path / "grey.npy", (SCANS[1] * 200).astype(np.uint8))
    with pytest.raises(ScanError, match=r"grey\.npy is in grey level, .*a\.npy in g/cm2"):
        reader.transform([paths[0], tmp_path / "grey.npy"])
    assert ScanReader(array_spacing_mm=(1, 1), unit="grey level").transform(paths).dtype.unit == (
        "grey level"
    )
    with pytest.raises(ValueError, match="The 'unit' parameter of ScanReader must be"):
        ScanReader(unit="mg").transform(SCANS)
    with pytest.raises(ScanError, match="spacing_mm must be two positive numbers"):
        ScanReader(spacing_mm=(1, -1)).transform(SCANS)
