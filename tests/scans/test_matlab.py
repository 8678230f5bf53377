"""MATLAB files of version 4 to 7.3: every way to write them, and every way to be broken."""

import os
import shutil
import struct
import subprocess
import tracemalloc
import warnings
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io.matlab
from scan_files import DENSITY, PIXELS, refusal
from scipy.io import loadmat, savemat
from scipy.sparse import eye

from skdxa.scans import read_scan

# In the order of their codes in version 5, the first of which is 6.
CLASSES = ["double", "single"]
CLASSES += [f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")]


def read(path, variable=None):
    return read_scan(path, variable=variable).pixels


# Writers: SciPy's and h5py's, and our own of what these cannot write.


def write_matlab_4(path, **variables):
    savemat(path, variables, format="4", appendmat=False)
    return path


def write_matlab_5(path, **variables):
    savemat(path, variables, appendmat=False)
    return path


def write_matlab_7(path, **variables):
    savemat(path, variables, do_compression=True, appendmat=False)
    return path


def write_matlab_73(path, *, header=True, **variables):
    """Write arrays as MATLAB does: columns first, each with its class, behind a header."""
    classes = {"float64": "double", "float32": "single", "bool": "logical"}
    with h5py.File(path, "w", userblock_size=512 if header else 0) as file:
        for name, array in variables.items():
            item = file.create_dataset(name, data=np.asarray(array).T)
            kind = classes.get(item.dtype.name, item.dtype.name)
            item.attrs["MATLAB_class"] = np.bytes_(kind)
    if header:
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_5(file, compressed):
    savemat(
        file,
        {"image": DENSITY, "age": 68, "spacing": [[1.05, 0.6]], "name": "x", "mask": DENSITY > 1},
        do_compression=compressed,
        appendmat=False,
    )
    scan = read_scan(file)
    np.testing.assert_array_equal(scan.pixels, DENSITY.astype(np.float32))
    assert (scan.spacing, scan.unit, scan.source) == (None, "g/cm2", "MATLAB 5")


def test_whole_numbers_of_a_matlab_double_stay_densities(file):
    savemat(file, {"image": np.eye(7, 9)}, appendmat=False)
    assert read_scan(file).unit == "g/cm2"


@pytest.mark.parametrize("header", [True, False])
def test_matlab_73(file, header):
    write_matlab_73(file, header=header, image=DENSITY, age=[[68.0]], mask=DENSITY > 1)
    scan = read_scan(file)
    np.testing.assert_array_equal(scan.pixels, DENSITY.astype(np.float32))
    assert (scan.unit, scan.source) == ("g/cm2", "MATLAB 7.3")


def test_matlab_73_without_classes(file):
    with h5py.File(file, "w") as hdf:
        hdf["image"] = PIXELS.T
        hdf.create_group("#refs#")
    assert "is HDF5, but nothing says that MATLAB wrote it" in refusal(file)
    named = file.rename(file.with_suffix(".mat"))
    np.testing.assert_array_equal(read_scan(named).pixels, PIXELS)


all_versions = pytest.mark.parametrize(
    "write", [write_matlab_4, write_matlab_5, write_matlab_7, write_matlab_73]
)
both_versions = pytest.mark.parametrize("write", [write_matlab_5, write_matlab_73])


@both_versions
def test_matlab_variable(file, write):
    write(file, first=DENSITY, second=PIXELS)
    message = refusal(file)
    assert "more than one array that could be the scan" in message
    assert "'first' (7 x 9 double)" in message
    assert "'second' (7 x 9 uint8)" in message
    np.testing.assert_array_equal(read_scan(file, variable="second").pixels, PIXELS)
    message = refusal(file, variable="secnd")
    assert "no variable 'secnd'" in message
    assert "Did you mean 'second'?" in message
    assert "mean" not in refusal(file, variable="xyz")


@both_versions
@pytest.mark.parametrize(
    ("array", "reason", "listing"),
    [
        (np.ones((1, 63)), "the array is 1 x 63", "1 x 63 double"),
        (np.ones((2, 7, 9)), "the array is 2 x 7 x 9", "2 x 7 x 9 double"),
        (np.ones((7, 9), dtype=bool), "'image' is logical", "7 x 9 logical"),
    ],
)
def test_matlab_without_a_scan(file, write, array, reason, listing):
    write(file, image=array)
    message = refusal(file)
    assert "holds no two-dimensional numeric array" in message
    assert listing in message
    assert reason in refusal(file, variable="image")


@both_versions
def test_matlab_infinite_and_nan(file, write):
    write(file, image=np.full((7, 9), np.nan))
    assert "all pixels are NaN" in refusal(file)
    write(file, image=np.where(np.eye(7, 9), np.inf, 1.0))
    assert "7 of the pixels are infinite" in refusal(file)


@pytest.mark.parametrize("write", [write_matlab_4, write_matlab_5, write_matlab_7])
def test_complex_numbers_are_refused(file, write):
    write(file, image=DENSITY + 1j)
    assert "'image' (7 x 9 complex double)" in refusal(file)
    assert "'image' is complex double, not an array of real" in refusal(file, variable="image")


@pytest.mark.parametrize("names", [("real", "imag"), ("r", "i")])
def test_complex_numbers_of_hdf5_are_refused(file, names):
    pairs = np.zeros((7, 9), dtype=[(name, float) for name in names])
    with h5py.File(file, "w") as hdf:
        hdf.create_dataset("image", data=pairs.T).attrs["MATLAB_class"] = np.bytes_("double")
    assert "'image' (7 x 9 complex double)" in refusal(file)
    assert "'image' is complex double, not an array of real" in refusal(file, variable="image")


def test_matlab_empty(file):
    write_matlab_5(file, image=np.empty((0, 0)))
    assert "the array is 0 x 0" in refusal(file, variable="image")
    with h5py.File(file, "w") as hdf:
        item = hdf.create_dataset("image", data=np.array([0, 0], dtype=np.uint64))
        item.attrs.update({"MATLAB_class": "double", "MATLAB_empty": 1})
    assert "no two-dimensional numeric array" in refusal(file)
    assert "the array is 0 x 0" in refusal(file, variable="image")
    write_matlab_73(file)
    assert "It holds nothing." in refusal(file)


# Version 4


def matrix_4(name, array, *, kind=0, precision="f8", order="<", imaginary=0):
    header = struct.pack(order + "5i", kind, *array.shape, imaginary, len(name) + 1)
    return header + name + b"\0" + array.astype(order + precision).tobytes(order="F")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("digit", "precision"), list(enumerate(["f8", "f4", "i4", "i2", "u2", "u1"])), ids=str
)
def test_precisions_of_version_4(file, order, digit, precision):
    kind = (1000 if order == ">" else 0) + 10 * digit
    age = matrix_4(b"age", np.array([[68]]), kind=kind, precision=precision, order=order)
    image = matrix_4(b"image", PIXELS, kind=kind, precision=precision, order=order)
    file.write_bytes(age + image)
    scan = read_scan(file)
    np.testing.assert_array_equal(scan.pixels, PIXELS)
    assert (scan.source, scan.unit) == ("MATLAB 4", "grey level")
    np.testing.assert_array_equal(read(file, "image"), PIXELS)


def test_scipy_agrees_on_version_4(file):
    for dtype in ("f8", "f4", "i4", "i2", "u2", "u1"):
        write_matlab_4(file, text="abc", image=PIXELS.astype(dtype), age=68)
        np.testing.assert_array_equal(read(file), loadmat(file)["image"])


def test_whole_numbers_of_version_4_are_doubles(file):
    file.write_bytes(matrix_4(b"image", np.eye(7, 9), kind=50, precision="u1"))
    assert read_scan(file).unit == "g/cm2"


def test_text_and_sparse_matrices_of_version_4_are_no_scans(file):
    write_matlab_4(file, image=eye(7, 9), words="abc")
    message = refusal(file)
    assert "'image' (sparse)" in message
    assert "text" in message
    assert "'image' is sparse" in refusal(file, variable="image")


@pytest.mark.parametrize(("kind", "order"), [(2000, "<"), (3000, "<"), (4000, ">")])
def test_numbers_of_extinct_machines_are_refused(file, kind, order):
    file.write_bytes(matrix_4(b"image", DENSITY, kind=kind, order=order))
    assert "in the format of a VAX or Cray" in refusal(file)


def test_two_variables_of_one_name(file):
    once = matrix_4(b"image", DENSITY)
    file.write_bytes(once + matrix_4(b"other", PIXELS) + once)
    assert "two variables named 'image'" in refusal(file, variable="image")
    np.testing.assert_array_equal(read(file, "other"), PIXELS)
    write_matlab_5(file, image=DENSITY)
    file.write_bytes(file.read_bytes() + file.read_bytes()[128:])
    assert "two variables named 'image'" in refusal(file)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 60),  # a precision that is none
        (0, 3),  # a type that is none
        (0, 100),  # a digit that is always 0
        (0, 5000),  # a machine that is none
        (4, -7),  # a negative number of rows
        (8, -9),
        (12, 2),  # neither real nor complex
        (16, 1),  # a name of no letter
        (16, 300),
        (16, 5),  # a name that does not end
        (20, 0x0007_0762),  # a name that cannot be printed
    ],
)
def test_improbable_headers_are_not_version_4(file, place, value):
    content = bytearray(matrix_4(b"bmd", DENSITY))
    struct.pack_into("<i", content, place, value)
    file.write_bytes(content)
    assert "of an unknown format" in refusal(file)
    # Behind a sound matrix, such a header can only be damage.
    file.write_bytes(matrix_4(b"image", DENSITY) + content)
    assert "damaged or cut short" in refusal(file)


def test_size_is_compared_before_anything_is_read(file):
    header = struct.pack("<5i", 0, 2**31 - 1, 2**31 - 1, 0, 4) + b"bmd\0"
    file.write_bytes(header + bytes(64))
    assert "'bmd' is longer than the file" in refusal(file)
    for write in (write_matlab_4, write_matlab_5, write_matlab_7, write_matlab_73):
        message = refusal(write(file, image=DENSITY), max_pixels=62)
        assert "the variable 'image' has 7 x 9 pixels, more than the 62" in message
        read_scan(file, max_pixels=63)


@all_versions
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9, 0.99])
def test_truncated(file, write, share):
    write(file, image=DENSITY)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    message = refusal(file)
    assert any(word in message for word in ("cut short", "unknown format"))


# Versions 5 to 7


def element(kind, content, order="<"):
    return struct.pack(order + "II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(code, body=b"", *, shape=(7, 9), name=b"", flags=0, order="<"):
    head = element(6, struct.pack(order + "II", code | flags, 0), order)
    if shape is not None:
        head += element(5, struct.pack(f"{order}{len(shape)}i", *shape), order)
    return element(14, head + element(1, name, order) + body, order)


def numbers(array, code=6, kind=9, *, order="<", **options):
    stored = array.astype(array.dtype.newbyteorder(order)).tobytes(order="F")
    options = {"shape": array.shape, "order": order} | options
    return matrix(code, element(kind, stored, order), **options)


def write_elements(path, *elements, order="<"):
    mark = b"\x00\x01IM" if order == "<" else b"\x01\x00MI"
    path.write_bytes(b"MATLAB 5.0 MAT-file, Platform: SECRET".ljust(124) + mark)
    with path.open("ab") as stream:
        stream.writelines(elements)
    return path


def compressed(content, order="<"):
    content = zlib.compress(content)
    return struct.pack(order + "II", 15, len(content)) + content


STORED = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("pack", [bytes, compressed])
@pytest.mark.parametrize(("code", "name"), list(enumerate(CLASSES, start=6)))
def test_every_class_and_type_of_storage(file, order, pack, code, name):
    for kind, dtype in STORED.items():
        array = (PIXELS % 120).astype(dtype)
        variable = numbers(array, code, kind, order=order, name=b"image")
        write_elements(file, variable if pack is bytes else pack(variable, order), order=order)
        if name in ("double", "single"):
            sound = array.dtype.kind != "f" or array.itemsize <= np.dtype(name).itemsize
            sound &= array.dtype.kind == "f" or array.itemsize < 8
        else:
            sound = np.can_cast(array.dtype, name)
        if sound:
            np.testing.assert_array_equal(read(file), array, err_msg=f"{name} {dtype}")
            np.testing.assert_array_equal(read(file), loadmat(file)["image"])
        else:
            # No writer does so, and the numbers could be others than were written.
            assert f"numbers of class {name} are stored as" in refusal(file)


def test_short_elements(file):
    # Up to four bytes are in the tag itself.
    tag = struct.pack("<I4B", 4 << 16 | 2, 1, 2, 3, 4)
    name = struct.pack("<I", 1 << 16 | 1) + b"a\0\0\0"
    head = element(6, struct.pack("<II", 9, 0)) + element(5, struct.pack("<2i", 2, 2))
    write_elements(file, element(14, head + name + tag))
    np.testing.assert_array_equal(read(file), [[1, 3], [2, 4]])


@pytest.mark.parametrize("bit", range(16))
def test_wrong_type_of_element(file, bit):
    # Most such bits end a process that calls SciPy.
    content = bytearray(write_elements(file, numbers(DENSITY, name=b"image")).read_bytes())
    place = len(content) - DENSITY.nbytes - 8
    content[place + bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)
    assert "damaged or cut short" in refusal(file)


@pytest.mark.parametrize(
    "element_of",
    [
        lambda: numbers(DENSITY, code=99),
        lambda: numbers(DENSITY, shape=(-7, 9)),
        lambda: numbers(DENSITY, shape=(7,)),
        lambda: numbers(DENSITY, shape=(1,) * 40),
        lambda: numbers(DENSITY, shape=(7, 10)),
        lambda: numbers(DENSITY, name=b"n" * 300),
        lambda: numbers(DENSITY)[:40],
        lambda: element(14, b""),
        lambda: element(9, DENSITY.tobytes()),
        lambda: compressed(element(9, DENSITY.tobytes())),
        lambda: compressed(compressed(numbers(DENSITY))),
        lambda: compressed(numbers(DENSITY) + bytes(64)),
        lambda: compressed(numbers(DENSITY)[:-64]),
        lambda: struct.pack("<II", 15, 63) + bytes(63),
        lambda: bytes(64),
    ],
)
def test_damaged_variables(file, element_of):
    write_elements(file, element_of())
    message = refusal(file, variable="image")
    assert "damaged or cut short" in message or "no variable 'image'" in message
    assert "secret" not in message.lower()


def test_wrong_checksum_of_a_compressed_variable(file):
    noise = np.random.default_rng(0).random((70, 90))
    content = bytearray(write_matlab_7(file, image=noise, other=DENSITY).read_bytes())
    # The last four bytes of the first variable.
    length = struct.unpack_from("<I", content, 132)[0]
    content[136 + length - 1] ^= 1
    file.write_bytes(content)
    assert "cannot be inflated" in refusal(file, variable="image")
    np.testing.assert_array_equal(read(file, "other"), DENSITY.astype(np.float32))


def test_content_that_inflates_without_end(file):
    tracemalloc.start()
    try:
        # Half a gigabyte of zeros, said to be 63 numbers, and said to be what it is.
        zeros = zlib.compressobj()
        content = zeros.compress(numbers(DENSITY, name=b"image"))
        content += b"".join(zeros.compress(bytes(1 << 20)) for _ in range(512)) + zeros.flush()
        write_elements(file, struct.pack("<II", 15, len(content)) + content)
        assert "longer than it says" in refusal(file)
        large = matrix(6, struct.pack("<II", 9, 8 << 30 & 0xFFFFFFF8), shape=(1 << 15, 1 << 15))
        write_elements(file, compressed(large))
        refusal(file)
        # Content larger than its compressed form can become.
        head = matrix(6, name=b"image", shape=(8000, 7000))
        head = struct.pack("<II", 14, 448_000_064) + head[8:] + struct.pack("<II", 9, 448_000_000)
        write_elements(file, compressed(head))
        assert "larger than its compressed content can be" in refusal(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


def test_axes_of_length_1_carry_nothing(file):
    for shape in ((7, 9, 1), (1, 7, 9), (7, 1, 9)):
        write_matlab_5(file, image=DENSITY.reshape(shape), ages=np.ones((3, 1)))
        np.testing.assert_array_equal(read(file), DENSITY.astype(np.float32))


def opaque(name, class_name):
    """Make an object as MATLAB writes it: what it holds stands at the end of the file."""
    reference = numbers(np.array([[0xDD000000, 2, 1, 1, 1, 1]], np.uint32).T, 13, 6)
    body = element(1, b"MCOS") + element(1, class_name) + reference
    return matrix(17, body, shape=None, name=name)


@pytest.mark.parametrize("class_name", [b"string", b"table", b"datetime", b"PatientSecret"])
@pytest.mark.parametrize("pack", [bytes, compressed])
def test_objects_beside_the_scan(file, class_name, pack):
    handle = matrix(16, numbers(np.ones((1, 1))), shape=(1, 1), name=b"handle")
    old_object = matrix(3, element(1, b"secret") + bytes(64), shape=(1, 1), name=b"old")
    subsystem = numbers(np.zeros((1, 400), np.uint8), 9, 2)
    items = (handle, numbers(DENSITY, name=b"bmd"), opaque(b"words", class_name), old_object)
    write_elements(file, *map(pack, items), pack(subsystem))
    for variable in (None, "bmd"):
        np.testing.assert_array_equal(read(file, variable), DENSITY.astype(np.float32))
    message = refusal(file, variable="words")
    kind = "object" if class_name == b"PatientSecret" else class_name.decode()
    assert f"'words' is {kind}, not an array of real numbers" in message
    assert "'handle' (1 x 1 function handle)" in message
    assert "'old' (1 x 1 object)" in message
    assert "secret" not in message.lower()


# Structs and cells


def nested():
    cells = np.empty((2, 3), dtype=object)
    cells[:] = "text"
    cells[1, 0], cells[0, 2] = DENSITY, PIXELS
    return {
        "s": {"bmd": DENSITY, "inner": {"grey": PIXELS}, "list": cells, "name": "x"},
        "t": np.array([[(PIXELS, 1), (DENSITY, 2), (DENSITY[:3], 3)]], [("bmd", "O"), ("n", "O")]),
        "c": cells,
    }


def write_nested_73(path, libver=None):
    """Write what `nested` holds as MATLAB does: what cells and arrays of structs hold aside."""
    with h5py.File(path, "w", userblock_size=512, libver=libver) as file:
        aside = file.create_group("#refs#")

        def put(place, name, value):
            if isinstance(value, dict):
                item = place.create_group(name)
                item.attrs["MATLAB_class"] = np.bytes_("struct")
                for field, content in value.items():
                    put(item, field, content)
            elif isinstance(value, str):
                item = place.create_dataset(name, data=np.array([[ord(c)] for c in value], "u2"))
                item.attrs["MATLAB_class"] = np.bytes_("char")
            elif value.dtype.names:
                item = place.create_group(name)
                item.attrs["MATLAB_class"] = np.bytes_("struct")
                for field in value.dtype.names:
                    put_references(item, field, value[field])
            elif value.dtype == object:
                item = put_references(place, name, value)
                item.attrs["MATLAB_class"] = np.bytes_("cell")
            else:
                item = place.create_dataset(name, data=value.T)
                kind = {"float64": "double"}.get(value.dtype.name, value.dtype.name)
                item.attrs["MATLAB_class"] = np.bytes_(kind)
            return item

        def put_references(place, name, values):
            item = place.create_dataset(name, values.T.shape, dtype=h5py.ref_dtype)
            for index, value in np.ndenumerate(values.T):
                content = value if isinstance(value, str | np.ndarray) else np.array([[value]])
                item[index] = put(aside, f"r{len(aside)}", content).ref
            return item

        for name, value in nested().items():
            put(file, name, value)
    return path


def write_nested_73_newest(path):
    return write_nested_73(path, libver="latest")


nested_versions = pytest.mark.parametrize(
    "write",
    [
        lambda path: write_matlab_5(path, **nested()),
        lambda path: write_matlab_7(path, **nested()),
        write_nested_73,
        write_nested_73_newest,
    ],
    ids=["5", "7", "7.3", "7.3 newest"],
)


@nested_versions
@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("s.bmd", DENSITY),
        ("s(1).bmd", DENSITY),
        ("s(1,1).inner.grey", PIXELS),
        ("s.list{2}", DENSITY),
        ("s.list{1, 3}", PIXELS),
        ("s(1).list{5}", PIXELS),
        ("t(1).bmd", PIXELS),
        ("t(2).bmd", DENSITY),
        ("t(1,3).bmd", DENSITY[:3]),
        ("c{2}", DENSITY),
        ("c{2,1}", DENSITY),
        ("c{5}", PIXELS),
    ],
)
def test_arrays_in_structs_and_cells(file, write, variable, expected):
    np.testing.assert_array_equal(read(write(file), variable), expected.astype(np.float32))


@nested_versions
@pytest.mark.parametrize(
    "variable",
    [
        *("s.bmd2", "s(2).bmd", "s(0).bmd", "s{1}", "t.bmd", "t(4).bmd", "t(1,2,1).bmd", "c(2)"),
        *("c{7}", "c{0}", "c{3,1}", "c{1,2,1}", "c{}", "c{a}", "c.bmd", "s.", ".bmd", "s.bmd.x"),
        *("s.list", "s", "s.name", "c", "c{1}", "s..bmd", "", "c{2}{1}", "c{ }", "c{,}"),
    ],
)
def test_names_of_no_array(file, write, variable):
    message = refusal(write(file), variable=variable)
    assert f"no variable '{variable}'" in message or f"'{variable}' is " in message
    for listed in (
        *(
            "'s' (1 x 1 struct)",
            "'t' (1 x 3 struct)",
            "'c' (2 x 3 cell)",
            "'s.bmd' (7 x 9 double)",
        ),
        *("'s.inner.grey' (7 x 9 uint8)", "'t(2).bmd' (7 x 9 double)", "'c{2}' (7 x 9 double)"),
        *("'s.list{5}' (7 x 9 uint8)", "'t(3).bmd' (3 x 9 double)"),
    ):
        assert listed in message


@pytest.mark.parametrize("write", [write_matlab_5, write_matlab_7])
def test_the_only_array_in_a_struct_is_named_but_not_taken(file, write):
    write(file, s={"bmd": DENSITY, "age": 68})
    message = refusal(file)
    assert "no two-dimensional numeric array, outside structs and cells," in message
    assert "'s.bmd' (7 x 9 double)" in message
    assert "'s.age'" not in message
    assert refusal(file, variable="s.bmdd").endswith("Did you mean 's.bmd'?")
    # At the top level, an array is the only candidate whatever is beneath.
    write(file, s={"bmd": PIXELS}, image=DENSITY)
    np.testing.assert_array_equal(read(file), DENSITY.astype(np.float32))


def test_the_list_of_candidates_is_short(file):
    cells = np.empty((1, 500), dtype=object)
    cells[:] = [[DENSITY] * 500]
    write_matlab_5(file, c=cells, name="x")
    message = refusal(file)
    assert len(message) < 2000
    assert "'c{1}' (7 x 9 double)" in message
    assert "and 482 more" in message
    np.testing.assert_array_equal(read(file, "c{500}"), DENSITY.astype(np.float32))


@pytest.mark.parametrize("pack", [bytes, compressed])
def test_cells_in_cells_without_end(file, pack):
    # SciPy follows them until the process ends.
    n_levels = 20_000
    head = matrix(1, shape=(1, 1))[8:]
    innermost = numbers(DENSITY)
    sizes = len(innermost) + (len(head) + 8) * np.arange(1, n_levels + 1)
    outside = [struct.pack("<II", 14, size - 8) + head for size in sizes[::-1].tolist()]
    content = b"".join(outside) + innermost
    outermost = matrix(1, shape=(1, 1), name=b"c")[8:]
    content = struct.pack("<II", 14, len(outermost) + len(content)) + outermost + content
    write_elements(file, pack(content), numbers(DENSITY, name=b"bmd"))
    for variable in (None, "bmd"):
        np.testing.assert_array_equal(read(file, variable), DENSITY.astype(np.float32))
    assert "'c' is cell" in refusal(file, variable="c")
    assert "'c{1}{1}' is cell" in refusal(file, variable="c{1}{1}")


def test_struct_with_more_elements_than_it_can_hold(file):
    field = element(5, struct.pack("<i", 4)) + element(1, b"bmd\0")
    write_elements(
        file,
        matrix(2, field, shape=(2**31 - 1, 2**31 - 1), name=b"s"),
        matrix(1, bytes(64), shape=(2**31 - 1, 1), name=b"c"),
        numbers(DENSITY, name=b"bmd"),
    )
    for variable in (None, "bmd"):
        np.testing.assert_array_equal(read(file, variable), DENSITY.astype(np.float32))
    assert "fewer elements than its size says" in refusal(file, variable="s(1).bmd")
    assert "fewer elements than its size says" in refusal(file, variable="c{1}")


def test_two_fields_of_one_name(file):
    fields = element(5, struct.pack("<i", 4)) + element(1, b"bmd\0bmd\0age\0")
    body = fields + numbers(DENSITY) + numbers(PIXELS, 9, 2) + numbers(DENSITY)
    write_elements(file, matrix(2, body, shape=(1, 1), name=b"s"))
    assert "two fields named 'bmd'" in refusal(file, variable="s.bmd")
    np.testing.assert_array_equal(read(file, "s.age"), DENSITY.astype(np.float32))


def test_large_cells_are_not_looked_through(file):
    zeros = matrix(1, numbers(np.zeros((1, 9 << 20))), shape=(1, 1), name=b"c")
    write_elements(file, compressed(zeros), numbers(DENSITY, name=b"bmd"))
    small = {"max_pixels": 1000}
    np.testing.assert_array_equal(read_scan(file, **small).pixels, DENSITY.astype(np.float32))
    assert "larger than what is searched" in refusal(file, variable="c{1}", **small)
    assert "'c' (1 x 1 cell)" in refusal(file, variable="other", **small)


# Version 7.3


@pytest.fixture
def hdf(file):
    """An HDF5 file that holds a scan, open for more."""
    with h5py.File(file, "w", userblock_size=512) as hdf:
        hdf.create_dataset("bmd", data=DENSITY.T).attrs["MATLAB_class"] = np.bytes_("double")
        yield hdf


def refused_beside_the_scan(hdf, reason):
    """Check that `odd` is refused for a reason, and that the scan beside it is read."""
    file = Path(hdf.filename)
    hdf.close()
    np.testing.assert_array_equal(read(file, "bmd"), DENSITY.astype(np.float32))
    message = refusal(file, variable="odd")
    assert reason in message
    return message


@pytest.mark.parametrize(
    "link",
    [
        h5py.SoftLink("/bmd"),
        h5py.SoftLink("/odd"),
        h5py.ExternalLink("/etc/passwd", "/bmd"),
        h5py.ExternalLink("one", "/bmd"),
    ],
    ids=["soft", "soft to itself", "external", "external to itself"],
)
def test_links_are_not_followed(file, hdf, link):
    hdf["odd"] = link
    message = refused_beside_the_scan(hdf, "'odd' is a link to another file or object")
    assert "passwd" not in message
    np.testing.assert_array_equal(read(file), DENSITY.astype(np.float32))


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_content_in_other_files_is_not_read(hdf, tmp_path, kind):
    other = tmp_path / "other"
    if kind == "file":
        other.write_bytes(b"secret " * 63)
    elif hasattr(os, "mkfifo"):
        os.mkfifo(other)
    else:
        pytest.skip("this system has no named pipes")
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_external(bytes(other), 0, 7 * 9)
    space = h5py.h5s.create_simple((7, 9))
    h5py.h5d.create(hdf.id, b"odd", h5py.h5t.STD_U8LE, space, properties)
    refused_beside_the_scan(hdf, "keeps its content in another file")


@pytest.mark.parametrize("source", ["one", "other"])
def test_virtual_datasets_are_refused(hdf, source):
    layout = h5py.VirtualLayout(shape=(9, 7), dtype="f8")
    layout[:] = h5py.VirtualSource(source, "odd", shape=(9, 7))
    hdf.create_virtual_dataset("odd", layout)
    refused_beside_the_scan(hdf, "is a virtual dataset")


@pytest.mark.parametrize(
    "options", [{"compression": "lzf"}, {"scaleoffset": 3}], ids=["lzf", "scaleoffset"]
)
def test_other_compression_than_gzip_is_refused(hdf, options):
    hdf.create_dataset("odd", data=DENSITY.T, **options)
    refused_beside_the_scan(hdf, "compressed by another method than gzip")


@pytest.mark.parametrize(
    ("n_bytes", "reason"), [(5000, "longer than it says"), (1 << 27, "longer than it can be")]
)
def test_chunk_that_inflates_without_end(hdf, n_bytes, reason):
    item = hdf.create_dataset("odd", data=DENSITY.T, chunks=(9, 7), compression="gzip")
    item.id.write_direct_chunk((0, 0), zlib.compress(bytes(n_bytes)))
    tracemalloc.start()
    try:
        refused_beside_the_scan(hdf, f"a chunk is {reason}")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_chunks_of_unreasonable_size(hdf):
    hdf.create_dataset("odd", (9, 7), "f8", chunks=(1 << 14, 1 << 14), maxshape=(None, None))
    refused_beside_the_scan(hdf, "in chunks of more than 64 MiB")


def test_array_without_content_is_not_inflated_in_memory(hdf):
    hdf.create_dataset("odd", (1 << 30, 1 << 30), "f8", chunks=(100, 100))
    refused_beside_the_scan(hdf, "has 1073741824 x 1073741824 pixels")


def test_group_that_holds_itself(file, hdf):
    group = hdf.create_group("odd")
    group["self"] = group
    group["root"] = hdf["/"]
    message = refused_beside_the_scan(hdf, "'odd' is struct")
    assert len(message) < 3000
    np.testing.assert_array_equal(
        read(file, "odd.self.self.root.odd.root.bmd"), DENSITY.astype(np.float32)
    )


def test_classes_that_are_no_numbers(hdf):
    for name, kind in (("text", "char"), ("mask", "logical"), ("name", "string"), ("t", "Secret")):
        item = hdf.create_dataset(name, data=np.ones((9, 7), np.uint8))
        item.attrs["MATLAB_class"] = np.bytes_(kind)
    for name, kind in (("handle", "function_handle"), ("w", "table")):
        hdf.create_group(name).attrs["MATLAB_class"] = np.bytes_(kind)
    sparse = hdf.create_group("sparse")
    sparse.attrs.update({"MATLAB_class": np.bytes_("double"), "MATLAB_sparse": np.uint64(7)})
    hdf["words"] = "x"
    hdf["b"] = np.zeros((9, 7), dtype=bool)
    hdf["letters"] = np.zeros((9, 7), dtype="S3")
    hdf.create_dataset("nothing", data=h5py.Empty("f8"))
    hdf.create_group("#subsystem#")["bmd"] = DENSITY
    hdf["odd"] = np.zeros((9, 7), dtype=[("a", "f8"), ("b", "i4")])
    message = refused_beside_the_scan(hdf, "'odd' is of an unknown kind")
    for listed in (
        *("'text' (7 x 9 text)", "'mask' (7 x 9 logical)", "'name' (7 x 9 string)"),
        *("'t' (7 x 9 object)", "'handle' (function handle)", "'w' (table)", "'sparse' (sparse)"),
        *("'words' (a single number text)", "'b' (7 x 9 logical)", "'letters' (7 x 9 text)"),
    ):
        assert listed in message
    assert "secret" not in message.lower()
    assert "subsystem" not in message


OPTIONS = [
    {},
    {"chunks": (4, 3)},
    {"chunks": (9, 7)},
    {"chunks": (2, 3), "compression": "gzip"},
    {"chunks": (2, 3), "compression": "gzip", "shuffle": True, "fletcher32": True},
    {"chunks": (2, 3), "fletcher32": True, "maxshape": (90, 70)},
    {"chunks": (9, 7), "shuffle": True, "compression": "gzip"},
]


@pytest.mark.parametrize("libver", ["earliest", "v108", "v110", "latest"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_forms_of_hdf5(file, libver, order, options):
    for dtype in ("f8", "f4", "f2", "i1", "i2", "u2", "i4", "u8"):
        with h5py.File(file, "w", userblock_size=512, libver=libver) as hdf:
            array = (DENSITY * 30).astype(np.dtype(order + dtype))
            hdf.create_dataset("image", data=array.T, **options)
        np.testing.assert_array_equal(read(file), array.astype(np.float32))


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_array_written_in_part(file, libver):
    for fill in (0, 5):
        with h5py.File(file, "w", userblock_size=512, libver=libver) as hdf:
            item = hdf.create_dataset("image", (9, 7), "f8", chunks=(2, 3), fillvalue=fill)
            item[4:6] = 1
        expected = np.full((7, 9), fill, dtype=float)
        expected[:, 4:6] = 1
        np.testing.assert_array_equal(read(file), expected)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_wrong_checksum_of_a_chunk(file, libver):
    with h5py.File(file, "w", userblock_size=512, libver=libver) as hdf:
        hdf.create_dataset("image", data=DENSITY.T, chunks=(9, 7), fletcher32=True)
    content = bytearray(file.read_bytes())
    content[content.index(DENSITY.T.tobytes()) + 77] ^= 1
    file.write_bytes(content)
    assert "a chunk's checksum is wrong" in refusal(file)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("n_variables", [8, 9, 400, 4000])
def test_many_variables(file, libver, n_variables):
    with h5py.File(file, "w", userblock_size=512, libver=libver) as hdf:
        for number in range(n_variables):
            hdf[f"age{number}"] = [[float(number)]]
        hdf["image"] = DENSITY.T
        hdf["last"] = PIXELS.T
    np.testing.assert_array_equal(read(file, "image"), DENSITY.astype(np.float32))
    np.testing.assert_array_equal(read(file, "last"), PIXELS)
    assert f"and {n_variables + 2 - 20} more" in refusal(file) or n_variables < 20


def test_matlab_class_as_text_of_any_length(file):
    with h5py.File(file, "w") as hdf:
        hdf.create_dataset("image", data=PIXELS.T).attrs["MATLAB_class"] = "double"
    scan = read_scan(file)
    np.testing.assert_array_equal(scan.pixels, PIXELS)


def test_arrays_that_grow_without_limit_in_the_newest_form(file):
    with h5py.File(file, "w", userblock_size=512, libver="latest") as hdf:
        hdf.create_dataset("image", data=DENSITY.T, maxshape=(None, 7), chunks=(2, 3))
    assert "for arrays that grow without limit" in refusal(file)
    with h5py.File(file, "w", userblock_size=512) as hdf:
        hdf.create_dataset("image", data=DENSITY.T, maxshape=(None, 7), chunks=(2, 3))
    np.testing.assert_array_equal(read(file), DENSITY.astype(np.float32))


def test_chunks_in_the_order_of_their_places(file):
    # Without compression and reserved at once, as h5py does on request.
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((2, 3))
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    with h5py.File(file, "w", userblock_size=512, libver="latest") as hdf:
        space = h5py.h5s.create_simple((9, 7))
        h5py.h5d.create(hdf.id, b"image", h5py.h5t.IEEE_F64LE, space, properties)
        hdf["image"][...] = DENSITY.T
    np.testing.assert_array_equal(read(file), DENSITY.astype(np.float32))


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_index_of_several_pages(file, compression):
    # More than 1,024 chunks.
    array = np.arange(70 * 90).reshape(70, 90)
    with h5py.File(file, "w", userblock_size=512, libver="latest") as hdf:
        options = {"chunks": (2, 2), "compression": compression}
        hdf.create_dataset("image", data=array.T, **options)
        hdf.create_dataset("part", (90, 70), "f8", **options)[80:] = 1
    np.testing.assert_array_equal(read(file, "image"), array)
    expected = np.zeros((70, 90))
    expected[:, 80:] = 1
    np.testing.assert_array_equal(read(file, "part"), expected)


def test_type_that_arrays_share(hdf):
    hdf["type"] = np.dtype("f8")
    h5py.h5d.create(hdf.id, b"odd", h5py.h5t.open(hdf.id, b"type"), h5py.h5s.create_simple((9, 7)))
    refused_beside_the_scan(hdf, "'odd' is of an unknown kind")


def test_struct_of_links_and_references_to_nothing(hdf):
    group = hdf.create_group("odd")
    group["a"] = h5py.SoftLink("/bmd")
    cells = hdf.create_dataset("c", (1, 1), dtype=h5py.ref_dtype)
    cells.attrs["MATLAB_class"] = np.bytes_("cell")
    file = Path(hdf.filename)
    refused_beside_the_scan(hdf, "'odd' (1 x 1 struct)")
    assert "'odd.a' is a link" in refusal(file, variable="odd.a")
    assert "'c{1}' is nothing" in refusal(file, variable="c{1}")


def test_header_of_matlab_without_hdf5(file):
    file.write_bytes(b"MATLAB 7.3 MAT-file".ljust(2048))
    assert "has MATLAB's header but not HDF5's" in refusal(file)


# Files of other software


def leaves(name, value):
    """Yield the arrays in what SciPy returns, with the names that `variable` takes."""
    if isinstance(value, np.ndarray) and value.dtype.names:
        for number, one in enumerate(value.ravel(order="F")):
            for field in value.dtype.names:
                yield from leaves(f"{name}({number + 1}).{field}", one[field])
    elif isinstance(value, np.ndarray) and value.dtype == object:
        for number, one in enumerate(value.ravel(order="F")):
            yield from leaves(f"{name}{{{number + 1}}}", one)
    elif (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "iuf"
        and value.ndim == 2
        and min(value.shape) > 1
    ):
        yield name, value


def scipy_files():
    folder = Path(scipy.io.matlab.__file__).parent / "tests" / "data"
    return sorted(folder.glob("*.mat"))


@pytest.mark.skipif(not scipy_files(), reason="SciPy is installed without its test files")
def test_files_of_scipy():
    n_equal = 0
    for path in scipy_files():
        refusal(path, variable="no such name")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                content = loadmat(path)
            except (NotImplementedError, ValueError, zlib.error):
                # Damaged, or of version 7.3.
                content = {}
        for variable, value in content.items():
            for name, array in leaves(variable, value):
                if path.name == "nasty_duplicate_fieldnames.mat" and "Station_Q" in name:
                    # SciPy renames the second of two fields of one name.
                    refusal(path, variable=name)
                    continue
                pixels = read(path, name)
                np.testing.assert_array_equal(pixels, array.astype(np.float32))
                n_equal += 1
    assert n_equal >= 14


def test_damaged_array_of_scipy():
    path = Path(scipy.io.matlab.__file__).parent / "tests" / "data" / "corrupted_zlib_data.mat"
    if not path.exists():
        pytest.skip("SciPy is installed without its test files")
    assert "the array is 6694 x 1" in refusal(path, variable="datagrid")


OCTAVE = """
image = {image};
grey = uint8({grey});
narrow = single({image});
ages = int16([68 -3; 71 2]);
s.bmd = image; s.inner.grey = grey; s.name = 'x';
c = {{'text', image; grey, true}};
t(1).bmd = grey; t(2).bmd = image;
words = 'abc'; mask = image > 1; z = image + i; sparse_one = sparse(image);
save('-v4', '4.mat', 'image', 'narrow', 'words', 'sparse_one', 'z');
save('-v6', '6.mat');
save('-v7', '7.mat');
"""


@pytest.mark.skipif(not shutil.which("octave-cli"), reason="GNU Octave is not installed")
def test_files_of_octave(tmp_path):
    def text(array):
        return "[" + "; ".join(" ".join(map(repr, row)) for row in array.tolist()) + "]"

    script = OCTAVE.format(image=text(DENSITY), grey=text(PIXELS))
    subprocess.run(
        ["octave-cli", "--norc", "--eval", script], cwd=tmp_path, check=True, timeout=120
    )
    flat = {"image": DENSITY, "narrow": DENSITY}
    deep = {
        "grey": PIXELS,
        "ages": np.array([[68, -3], [71, 2]]),
        "s.bmd": DENSITY,
        "s.inner.grey": PIXELS,
        "c{1,2}": DENSITY,
        "c{2,1}": PIXELS,
        "t(1).bmd": PIXELS,
        "t(2).bmd": DENSITY,
    }
    for name, expected in (("4.mat", flat), ("6.mat", flat | deep), ("7.mat", flat | deep)):
        for variable, array in expected.items():
            pixels = read(tmp_path / name, variable)
            np.testing.assert_array_equal(pixels, array.astype(np.float32), f"{name} {variable}")
        message = refusal(tmp_path / name)
        for listed in ("'z' (7 x 9 complex double)", "sparse", "'image' (7 x 9 double)"):
            assert listed in message
