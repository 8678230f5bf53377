"""Files in: every format, every way to be broken."""

import pickle
import zipfile

import numpy as np
import pytest
from scan_files import DENSITY, PIXELS, refusal, write_dicom

from skdxa.exceptions import ScanError
from skdxa.scans import read_scan

REAL_SPINE = "1.2.840.113619.2.110.210419.20150928115733.2.2.12.1.dcm"


def cut(path, share):
    """Keep only the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


# NumPy


def test_numpy_array_is_taken_as_it_is(file):
    array = DENSITY.copy()
    array[0, :2] = np.nan
    with file.open("wb") as stream:
        np.save(stream, np.asfortranarray(array))
    scan = read_scan(str(file), spacing_mm=(1.05, 0.60))
    np.testing.assert_array_equal(scan.pixels, array.astype(np.float32))
    assert scan.pixels.dtype == np.float32
    assert scan.pixels.flags.c_contiguous
    assert (scan.spacing, scan.unit, scan.source) == ((1.05, 0.60), "g/cm2", "NumPy")


@pytest.mark.parametrize("array", [PIXELS, PIXELS.astype(float), PIXELS.astype("int16") % 5])
def test_unit_is_grey_level_where_it_cannot_be_a_density(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    assert read_scan(tmp_path / "a.npy").unit == "grey level"


UNUSABLE = [
    (np.empty((0, 9)), "the array is 0 x 9"),
    (np.ones(63), "the array is 63."),
    (np.ones((2, 7, 9)), "the array is 2 x 7 x 9"),
    (np.array(1.0), "the array is a single number"),
    (np.ones((7, 9), dtype=bool), "the array's are bool"),
    (np.ones((7, 9), dtype=complex), "the array's are complex128"),
    (np.full((7, 9), "1"), "the array's are str32"),
    (np.full((7, 9), np.nan), "all pixels are NaN"),
    (np.where(np.eye(7, 9), np.inf, 1.0), "7 of the pixels are infinite"),
    (np.full((7, 9), 1e300), "63 of the pixels are infinite"),
]


@pytest.mark.parametrize(("array", "reason"), UNUSABLE)
def test_arrays_that_are_no_scans(tmp_path, array, reason):
    np.save(tmp_path / "a.npy", array)
    assert reason in refusal(tmp_path / "a.npy")


def test_pickled_objects_are_refused(tmp_path):
    array = np.empty(1, dtype=object)
    array[0] = PIXELS
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    assert "holds pickled Python objects" in refusal(tmp_path / "a.npy")
    (tmp_path / "b.npy").write_bytes(pickle.dumps(PIXELS))
    assert "is a Python pickle" in refusal(tmp_path / "b.npy")


# Any file


def write_numpy(path):
    with path.open("wb") as stream:
        np.save(stream, DENSITY)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize(
    "write",
    [
        write_dicom,
        write_numpy,
    ],
    ids=["DICOM", "NumPy"],
)
def test_truncated(file, write, share):
    write(file)
    read_scan(file)
    message = refusal(cut(file, share))
    assert any(word in message for word in ("cut short", "damaged", "unknown format"))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"%PDF-1.7", "a PDF document"),
        (b"\x00\x01\x00\x00Standard Jet DB\x00", "a Microsoft Access database, as GE Lunar"),
        (b"SQLite format 3\x00", "a database"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (b"GIF89a", "a GIF picture"),
        (b"\x80\x04\x95", "a Python pickle, which could run code when loaded"),
        (b"scan,age\n", "of an unknown format"),
        (b"\x08\x00\xff", "of an unknown format"),
    ],
)
def test_other_formats(file, content, named):
    file.write_bytes(content)
    message = refusal(file)
    assert f"the file is {named}" in message
    assert "; skdxa reads DICOM, MATLAB .mat" in message


@pytest.mark.parametrize("name", ["A0512120.P01", "A0512120.R01", "PA051.p", "scan.R1"])
def test_hologic_files_are_refused_by_name(file, name):
    path = file.with_name(name)
    path.write_bytes(b"\x01\x02\x03\x04" * 100)
    message = refusal(path)
    assert "perhaps a Hologic patient or scan file" in message
    assert message.endswith("Export the scan from the Hologic software as DICOM.")


def test_access_files_are_refused_by_name(file):
    path = file.with_name("Patient.MDB")
    path.write_bytes(b"\x80\x02\x03\x04" * 100)
    message = refusal(path)
    assert "a Microsoft Access database" in message
    assert message.endswith("Export the scans from enCORE as DICOM.")


def test_archive(file):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", "b")
    assert "a ZIP archive" in refusal(file)


def test_the_callers_unit_is_taken_if_plausible(file):
    np.save(file.with_suffix(".npy"), DENSITY)
    file = file.with_suffix(".npy")
    assert read_scan(file).unit == "g/cm2"
    assert read_scan(file, unit="grey level").unit == "grey level"
    np.save(file, DENSITY * 100)
    assert read_scan(file).unit == "grey level"
    message = refusal(file, unit="g/cm2")
    assert "the pixels reach 150, but no bone exceeds 10 g/cm2, which is given as" in message


@pytest.mark.parametrize(
    "options", [{"unit": "mg"}, {"frame": -1}, {"frame": 1.5}, {"max_pixels": 0}]
)
def test_bad_options(file, options):
    with pytest.raises(ScanError, match=f"{next(iter(options))} must be"):
        read_scan(file, **options)


@pytest.mark.parametrize("spacing_mm", [(1.05, -0.6), (1.05,), 1.05, "ab", (np.nan, 1)])
def test_bad_spacing(file, spacing_mm):
    write_dicom(file)
    with pytest.raises(ScanError, match="spacing_mm must be two positive numbers"):
        read_scan(file, spacing_mm=spacing_mm)
