"""NumPy files: one array (.npy) or an archive of arrays (.npz), without pickled objects."""

import math
import zipfile

import numpy as np

from skdxa.exceptions import ScanReadError
from skdxa.scans._content import Content, check_size
from skdxa.scans._variables import choose_variable

_MAGIC = b"\x93NUMPY"
# The version for arrays whose columns have names outside Latin-1.
_NAMED_COLUMNS = (3, 0)
# Parsed as Python text; a plain array needs less than a hundred characters.
_LONGEST_HEADER = 4096
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def looks_like_npy(head):
    """Return whether a file's first bytes are those of a .npy file."""
    return head.startswith(_MAGIC)


def looks_like_npz(head):
    """Return whether a file's first bytes are those of an archive whose first file is .npy."""
    length = int.from_bytes(head[26:28], "little")
    return head.startswith(b"PK\x03\x04") and head[30 : 30 + length].endswith(b".npy")


def read_npy(file, options):
    """Return the array of a .npy file."""
    shape, dtype, _ = _header(file)
    _check_type(dtype)
    check_size(shape, options.max_pixels, what="the array")
    file.seek(0)
    return Content(np.load(file, allow_pickle=False), "NumPy")


def read_npz(file, options):
    """Return one array of a .npz archive."""
    with zipfile.ZipFile(file) as archive:
        arrays = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        members = {info.filename.removesuffix(".npy"): info for info in arrays}
        if len(members) < len(arrays):
            raise ScanReadError(
                "the NumPy archive holds two arrays of one name. Save it again.",
                reason="damaged file",
            )
        headers = {}
        for name, info in members.items():
            with archive.open(info) as member:
                headers[name] = _header(member)
        held = {
            name: (shape, dtype.name, dtype.kind in "iuf")
            for name, (shape, dtype, _) in headers.items()
        }
        name = choose_variable(held, options.variable, what="the NumPy archive")
        shape, dtype, length = headers[name]
        check_size(shape, options.max_pixels, what=f"the array '{name}'")
        if members[name].file_size != length + math.prod(shape) * dtype.itemsize:
            raise ScanReadError(
                "the NumPy archive is damaged: an array's size is not what its header says. "
                "Copy or save it again.",
                reason="damaged file",
            )
        with archive.open(members[name]) as member:
            return Content(np.lib.format.read_array(member, allow_pickle=False), "NumPy")


def _header(file):
    """Return the shape, the type and the length in bytes of an array's header."""
    version = np.lib.format.read_magic(file)
    if version == _NAMED_COLUMNS:
        raise ScanReadError(
            "the array has names of columns. Save it as a two-dimensional array of numbers.",
            reason="no scan",
        )
    shape, _, dtype = _HEADERS[version](file, max_header_size=_LONGEST_HEADER)
    return shape, dtype, file.tell()


def _check_type(dtype):
    if dtype.hasobject:
        raise ScanReadError(
            "the array holds pickled Python objects, which could run code when loaded. Save it "
            "as a two-dimensional array of numbers.",
            reason="no scan",
        )
    if dtype.kind not in "iuf":
        raise ScanReadError(
            f"a scan's pixels are real numbers; the array's are {dtype.name}.", reason="no scan"
        )
