"""NumPy files: one array (.npy) or an archive of arrays (.npz), without pickled objects."""

import math
import zipfile
from functools import partial
from typing import NamedTuple

import numpy as np

from skdxa.exceptions import ScanReadError
from skdxa.scans._content import Content, check_size, gathered, read_numbers
from skdxa.scans._variables import choose_variable

_MAGIC = b"\x93NUMPY"
# The version for arrays whose columns have names outside Latin-1.
_NAMED_COLUMNS = (3, 0)
# Parsed as Python text; a plain array needs less than a hundred characters.
_LONGEST_HEADER = 4096
# The directory of an archive takes about 60 bytes per file.
_LONGEST_DIRECTORY = 2**18
# A record of 22 bytes with a comment, behind the 20 bytes that point to a longer record.
_LONGEST_END = 20 + 22 + 2**16
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
    header = _header(file)
    _check_type(header.dtype)
    check_size(header.shape, options.max_pixels, what="the array")
    return _content(file, header)


def read_npz(file, options):
    """Return one array of a .npz archive."""
    _check_directory(file)
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
            with _open(archive, info) as member:
                headers[name] = _header(member)
        held = {
            name: (header.shape, header.dtype.name, header.dtype.kind in "iuf")
            for name, header in headers.items()
        }
        name = choose_variable(held, options.variable, what="the NumPy archive")
        header = headers[name]
        check_size(header.shape, options.max_pixels, what=f"the array '{name}'")
        n_bytes = math.prod(header.shape) * header.dtype.itemsize
        if members[name].file_size != header.length + n_bytes:
            raise ScanReadError(
                "the NumPy archive is damaged: an array's size is not what its header says. "
                "Copy or save it again.",
                reason="damaged file",
            )
        with _open(archive, members[name]) as member:
            gathered(member.read1, header.length)
            content = _content(member, header)
            # The checksum is compared at the end.
            member.read(1)
            return content


def _check_directory(file):
    """Raise a `ScanReadError` if an archive lists more files than are searched."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _LONGEST_END))
    end = file.read()
    at = end.rfind(b"PK\x05\x06")
    # Archives of more than 4 GiB, or of more than 65,535 files, end in another way, too.
    if b"PK\x06\x07" in end[max(0, at - 20) : max(0, at)] or (
        at >= 0 and int.from_bytes(end[at + 12 : at + 16], "little") > _LONGEST_DIRECTORY
    ):
        raise ScanReadError(
            "the NumPy archive holds more than is searched for a scan. Save the scan as "
            "a .npy file.",
            reason="too large",
        )
    file.seek(0)


def _open(archive, info):
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ScanReadError(
            "the NumPy archive is compressed by a method that NumPy does not use. Save it with "
            "numpy.savez_compressed.",
            reason="unknown format",
        )
    return archive.open(info)


class _Header(NamedTuple):
    shape: tuple
    by_columns: bool
    dtype: np.dtype
    # Length in bytes.
    length: int


def _header(file):
    """Return the header of an array."""
    version = np.lib.format.read_magic(file)
    if version == _NAMED_COLUMNS:
        raise ScanReadError(
            "the array has names of columns. Save it as a two-dimensional array of numbers.",
            reason="no scan",
        )
    header = _HEADERS[version](file, max_header_size=_LONGEST_HEADER)
    return _Header(*header, length=file.tell())


def _content(file, header):
    """Return the numbers of an array, whose header has been read."""
    read = partial(gathered, getattr(file, "read1", file.read))
    pixels = read_numbers(read, header.dtype, header.shape, by_columns=header.by_columns)
    return Content(pixels, "NumPy", number_type=header.dtype)


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
