"""NumPy files and archives."""

import io
import zipfile

import numpy as np
import pytest
from scan_files import DENSITY, refusal

from skdxa.scans import read_scan


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<u2", ">i4", "u1", "<f2"])
def test_arrays_of_any_type_and_order(tmp_path, dtype, order):
    array = (DENSITY * 4).astype(dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    scan = read_scan(tmp_path / "a.npy")
    np.testing.assert_array_equal(scan.pixels, array.astype(np.float32))
    assert scan.source == "NumPy"


def test_an_axis_of_length_one_carries_nothing(tmp_path):
    np.save(tmp_path / "a.npy", DENSITY[:, None, :, None])
    np.testing.assert_allclose(read_scan(tmp_path / "a.npy").pixels, DENSITY, rtol=1e-6)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives(tmp_path, save):
    path = tmp_path / "scan"
    with path.open("wb") as file:
        save(file, bmd=DENSITY, age=68.0, name=np.array("Doe"))
    np.testing.assert_allclose(read_scan(path).pixels, DENSITY, rtol=1e-6)
    np.testing.assert_allclose(read_scan(path, variable="bmd").pixels, DENSITY, rtol=1e-6)
    assert "has no variable 'bdm'. It holds 'bmd' (7 x 9 float64), 'age' (" in refusal(
        path, variable="bdm"
    )
    assert "'name' is str" in refusal(path, variable="name")
    with path.open("wb") as file:
        save(file, bmd=DENSITY, mask=DENSITY > 1, low=DENSITY)
    assert "more than one array that could be the scan" in refusal(path)
    assert refusal(path).endswith("Name the scan's array with variable=.")


def test_objects_are_never_unpickled(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, scan=np.array([[1, None]], dtype=object))
    assert "'scan' is object" in refusal(path, variable="scan")
    np.save(tmp_path / "a.npy", np.array([[1, None]], dtype=object))
    assert "pickled Python objects" in refusal(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros(3, dtype=[("a", float)]), "real numbers; the array's are void64"),
        (np.zeros((7, 9), dtype=complex), "the array's are complex128"),
        (np.zeros((7, 9), dtype=bool), "the array's are bool"),
        (np.zeros((2, 7, 9)), "the array is 2 x 7 x 9"),
        (np.zeros(7), "the array is 7"),
        (np.array(7.0), "the array is a single number"),
        (np.zeros((0, 9)), "the array is 0 x 9"),
    ],
)
def test_arrays_that_are_no_scans(tmp_path, array, reason):
    np.save(tmp_path / "a.npy", array)
    assert reason in refusal(tmp_path / "a.npy")


def header(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


def test_sizes_are_checked_before_memory_is_taken(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(header((10**6, 10**6)))
    assert "1000000 x 1000000 pixels, more than the 64,000,000 that are read" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("scan.npy", header((10**6, 10**6)))
    assert "the array 'scan' has 1000000 x 1000000 pixels" in refusal(path)
    np.save(path, DENSITY)
    assert "the array has 7 x 9 pixels, more than the 62" in refusal(path, max_pixels=62)
    assert read_scan(path, max_pixels=63).pixels.shape == (7, 9)


def test_archives_that_do_not_hold_what_they_say(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("scan.npy", header((7, 9)))
    assert "an array's size is not what its header says" in refusal(path)
    content = header((7, 9)) + DENSITY.tobytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scan.npy", content + bytes(10**6))
    assert "an array's size is not what its header says" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("scan.npy", content)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("scan.npy", content)
    assert "two arrays of one name" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("scan.npy", content)
        archive.writestr("notes.txt", "no array")
    np.testing.assert_allclose(read_scan(path).pixels, DENSITY, rtol=1e-6)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
def test_cut_short(tmp_path, share):
    for name, save in (("a.npy", np.save), ("a.npz", np.savez)):
        save(tmp_path / name, DENSITY)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: int(len(content) * share)])
        assert "damaged or cut short" in refusal(tmp_path / name)
