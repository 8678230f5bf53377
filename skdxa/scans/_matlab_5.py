"""MATLAB files of version 5 to 7, read by a checked reader of plain numbers.

SciPy's `loadmat` (1.17) ends the whole process, instead of raising an error, on a file with one
wrong bit in the type of an array's numbers, and on 20,000 cells in each other. A crash cannot
be caught, and a process for each file would take many times longer than the file. This
reader parses in Python, takes no size from the file that the file could not hold, and skips
everything that is not an array of numbers, so that a table or a string does not prevent reading
the scan next to it. It takes no longer than SciPy.

Format: MathWorks, "MAT-File Format".
"""

import math
import struct
import zlib
from functools import partial
from io import BytesIO

import numpy as np

from skdxa.exceptions import ScanReadError
from skdxa.scans._content import format_shape, gathered, read_numbers
from skdxa.scans._matlab import (
    LONGEST_NAME,
    MOST_CHILDREN,
    MOST_FIELDS,
    NUMERIC,
    Damaged,
    Item,
    add_item,
    object_kind,
    read_chosen,
)
from skdxa.validation import printable

_FILE_HEADER = 128
_BYTE_ORDERS = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}

# Types of stored elements.
_INT32, _UINT32, _MATRIX, _COMPRESSED = 5, 6, 14, 15
_CHARACTERS = {1: "latin-1", 2: "latin-1", 16: "utf-8"}
_NUMBERS = {
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
# Classes of arrays.
_KINDS = {
    1: "cell",
    2: "struct",
    3: "object",
    4: "text",
    5: "sparse",
    6: "double",
    7: "single",
    8: "int8",
    9: "uint8",
    10: "int16",
    11: "uint16",
    12: "int32",
    13: "uint32",
    14: "int64",
    15: "uint64",
    16: "function handle",
    # An object of a class defined in MATLAB, which the end of the file describes.
    17: "object",
}
_OPAQUE = 17
_LOGICAL, _COMPLEX = 0x200, 0x800
_MOST_AXES = 32

# Bytes of the start of a variable, which holds its size and name but not its content.
_HEAD = 1024
# More at a time takes longer.
_PIECE = 1 << 16
# Compressed content cannot expand to more than this times its length.
_MOST_INFLATED = 1032
# Bytes inflated to inspect structs and cells, whatever the largest array may be.
_LEAST_INFLATED, _MOST_INFLATED_IN_ALL = 64 << 20, 256 << 20


def looks_like_matlab_5(head):
    """Return whether a file's first bytes are those of a MATLAB file of version 5 to 7."""
    return head.startswith(b"MATLAB 5.0") or head[124:128] in _BYTE_ORDERS


def read_matlab_5(file, options):
    """Return one array of a MATLAB file of version 5 to 7."""
    size = file.seek(0, 2)
    file.seek(0)
    order = _BYTE_ORDERS.get(file.read(_FILE_HEADER)[124:])
    if order is None:
        raise Damaged("its version is unknown")
    largest = max(8 * options.max_pixels, _LEAST_INFLATED)
    allowance = _Allowance(min(largest, _MOST_INFLATED_IN_ALL))
    top = {}
    at = _FILE_HEADER
    while at < size:
        file.seek(at)
        tag = file.read(8)
        if len(tag) < 8:
            raise Damaged("it ends within a variable")
        kind, length = struct.unpack(order + "II", tag)
        if kind not in (_MATRIX, _COMPRESSED):
            raise Damaged("a variable is of an unknown type")
        if at + 8 + length > size:
            raise Damaged("a variable is longer than the file")
        name, item = _variable(file, at, length, kind == _COMPRESSED, order, allowance)
        # A variable without a name describes the objects.
        if name:
            add_item(top, name, item)
        at += 8 + length
    return read_chosen(top, options, "MATLAB 5")


class _Allowance:
    """Remaining number of bytes that may be read to inspect structs and cells."""

    def __init__(self, n_bytes):
        self.n_bytes = n_bytes

    def take(self, n_bytes):
        if n_bytes > self.n_bytes:
            raise ScanReadError(
                "the structs and cells of the MATLAB file are larger than what is "
                "searched for a scan. Save the array alone, as a separate variable.",
                reason="too large",
            )
        self.n_bytes -= n_bytes


def _variable(file, at, length, compressed, order, allowance):
    """Return the name of a variable and its `Item`, reading little of it."""
    if compressed:
        try:
            head = zlib.decompressobj().decompress(file.read(min(length, _HEAD)), _HEAD)
        except zlib.error:
            raise Damaged("a variable cannot be inflated") from None
        if len(head) < 8:
            raise Damaged("a variable is too short")
        kind, size = struct.unpack_from(order + "II", head)
        if kind != _MATRIX:
            raise Damaged("a compressed variable is of an unknown type")
        if size > _MOST_INFLATED * length:
            raise Damaged("a variable is larger than its compressed content can be")
        opened = partial(_Inflating, file, at + 8, length, 8 + size)
        start = 8
    else:
        head, size, start = file.read(min(length, _HEAD)), length, 0
        opened = partial(_Stored, file, at + 8)
    end = start + size
    header = _Header(head, start, end, order)

    def content():
        if header.kind in NUMERIC:
            if end - header.end > 8 * math.prod(header.shape) + _HEAD:
                raise Damaged(f"the variable '{header.name}' is larger than its size says")
            numbers = opened()
            numbers.read(header.end)
            return numbers
        allowance.take(end)
        stored = opened()
        data = stored.read(end)
        stored.close()
        return data

    return header.name, _item(header, content, end, order)


class _Stored:
    """A variable's bytes, one after the other.

    Parameters
    ----------
    file : binary file object
        Open for reading.
    start : int
        Position of the first byte.
    """

    def __init__(self, file, start):
        file.seek(start)
        self._file = file

    def read(self, n_bytes):
        """Return the next bytes, all of them."""
        content = self._file.read(n_bytes)
        if len(content) < n_bytes:
            raise Damaged("a variable is longer than the file")
        return content

    def close(self):
        """Do nothing: there is no checksum."""


class _Inflating:
    """A compressed variable's bytes, inflated one after the other.

    Parameters
    ----------
    file : binary file object
        Open for reading.
    start : int
        Position of the first compressed byte.
    length : int
        Number of compressed bytes.
    size : int
        Number of bytes once inflated.
    """

    def __init__(self, file, start, length, size):
        file.seek(start)
        self._file, self._unread, self._left = file, length, size
        self._inflating, self._compressed = zlib.decompressobj(), b""

    def read(self, n_bytes):
        """Return the next bytes, all of them."""
        content = gathered(self._read1, n_bytes)
        self._left -= n_bytes
        if len(content) < n_bytes:
            raise Damaged("a compressed variable is shorter than it says")
        return content

    def _read1(self, n_bytes):
        while not self._inflating.eof:
            if not self._compressed:
                self._compressed = self._file.read(min(self._unread, _PIECE // 4))
                self._unread -= len(self._compressed)
            try:
                part = self._inflating.decompress(self._compressed, min(n_bytes, _PIECE))
            except zlib.error:
                raise Damaged("a variable cannot be inflated") from None
            if not (self._compressed or part):
                raise Damaged("a compressed variable ends too early")
            self._compressed = self._inflating.unconsumed_tail
            if part:
                return part
        return b""

    def close(self):
        """Read up to the end, where the length and the checksum are compared."""
        while self._left > 0:
            self.read(min(self._left, _PIECE))
        if self._read1(1):
            raise Damaged("a compressed variable is longer than it says")


class _Header:
    """The header of an array: class, flags, size and name."""

    def __init__(self, data, start, end, order):
        self.name, self.shape, self.kind = "", (0, 0), "double"
        self.end = start
        # An empty array may have no header at all.
        self.empty = start == end
        if self.empty:
            return
        kind, size, at, self.end = _tag(data, start, end, order)
        if kind != _UINT32 or size != 8:
            raise Damaged("a variable has no class")
        flags = struct.unpack_from(order + "I", data, at)[0]
        self.kind = _KINDS.get(flags & 0xFF)
        if self.kind is None:
            raise Damaged("a variable is of an unknown class")
        if flags & 0xFF == _OPAQUE:
            self.shape = None
        else:
            self.shape = self._read_shape(data, end, order)
        self.name = self._read_text(data, end, order)
        if flags & 0xFF == _OPAQUE:
            self._read_text(data, end, order)
            self.kind = object_kind(self._read_text(data, end, order))
        elif flags & _LOGICAL:
            self.kind = "logical" if self.kind in NUMERIC else f"{self.kind} logical"
        elif flags & _COMPLEX:
            self.kind = f"complex {self.kind}"

    def _read_shape(self, data, end, order):
        kind, size, at, self.end = _tag(data, self.end, end, order)
        n_axes = size // 4
        if kind not in (_INT32, _UINT32) or size % 4 or not 2 <= n_axes <= _MOST_AXES:
            raise Damaged("a variable has no size")
        shape = struct.unpack_from(f"{order}{n_axes}i", data, at)
        if min(shape) < 0:
            raise Damaged("a variable has a negative size")
        return shape

    def _read_text(self, data, end, order):
        kind, size, at, self.end = _tag(data, self.end, end, order)
        if kind not in _CHARACTERS or size > LONGEST_NAME:
            raise Damaged("a variable has no name")
        return _text(data, at, size, _CHARACTERS[kind])


def _text(data, at, size, encoding):
    try:
        return printable(bytes(data[at : at + size]).split(b"\0")[0].decode(encoding))
    except UnicodeDecodeError:
        raise Damaged("a name is not text") from None


def _tag(data, at, end, order):
    """Return an element's type, size, where its content starts and the next element does."""
    if at + 8 > min(end, len(data)):
        raise Damaged("a variable ends within its header")
    kind, size = struct.unpack_from(order + "II", data, at)
    # The content of a short element and its size are in the tag itself.
    if kind >> 16:
        kind, size = kind & 0xFFFF, kind >> 16
        if size > 4:
            raise Damaged("a short element is too long")
        return kind, size, at + 4, at + 8
    if at + 8 + size > end:
        raise Damaged("an element is longer than its variable")
    return kind, size, at + 8, min(at + 8 + size + -size % 8, end)


def _item(header, content, end, order):
    """Return the `Item` of an array.

    `content` returns what follows the header of an array of numbers, as `_Stored` or
    `_Inflating`, and the memory that holds all of another array.
    """
    kind, shape = header.kind, header.shape
    if kind in NUMERIC:
        return Item(shape, kind, read=partial(_read, header, content, end, order))
    if kind in ("cell", "struct"):
        return Item(shape, kind, open=partial(_open, header, content, end, order))
    return Item(shape, kind)


def _read(header, content, end, order):
    if header.empty:
        return np.empty(header.shape)
    stored = content()
    tag = stored.read(8)
    kind, size, at, _ = _tag(tag, 0, end - header.end, order)
    if kind not in _NUMBERS:
        raise Damaged("an array's numbers are of an unknown type")
    dtype = np.dtype(order + _NUMBERS[kind])
    if not _can_store(dtype, np.dtype(header.kind)):
        raise Damaged(f"numbers of class {header.kind} are stored as {dtype.name}")
    if size != math.prod(header.shape) * dtype.itemsize:
        raise Damaged(
            f"an array of {format_shape(header.shape)} numbers has {size} bytes of "
            f"{dtype.itemsize} each"
        )
    # The content of a short element is in the tag.
    read = stored.read if at == 8 else BytesIO(tag[at:]).read
    pixels = read_numbers(read, dtype, header.shape, by_columns=True)
    stored.close()
    return pixels


def _can_store(stored, kind):
    """Return whether numbers of a class are stored in a type, whole ones as smaller integers."""
    if kind.kind != "f":
        return np.can_cast(stored, kind)
    return stored.itemsize <= (kind.itemsize if stored.kind == "f" else 4)


def _open(header, content, end, order):
    data, at, fields = content(), header.end, ()
    n_values = math.prod(header.shape)
    if header.kind == "struct":
        fields, at = _fields(data, at, end, order)
        n_values *= len(fields)
    if n_values > (end - at) // 8:
        raise Damaged(f"a {header.kind} has fewer elements than its size says")
    if n_values > MOST_CHILDREN:
        raise ScanReadError(
            f"a {header.kind} of the MATLAB file has more than {MOST_CHILDREN:,} elements. Save "
            "the array alone, as a separate variable.",
            reason="too large",
        )
    return fields, _values(data, at, end, order, n_values)


def _fields(data, at, end, order):
    """Return the names of a struct's fields, and where their values start."""
    kind, size, start, at = _tag(data, at, end, order)
    if kind not in (_INT32, _UINT32) or size != 4:
        raise Damaged("a struct has no fields")
    longest = struct.unpack_from(order + "i", data, start)[0]
    kind, size, start, at = _tag(data, at, end, order)
    if kind not in _CHARACTERS or not (size == 0 or 1 <= longest <= LONGEST_NAME + 1):
        raise Damaged("a struct's fields have no names")
    if size > MOST_FIELDS * longest:
        raise ScanReadError(
            f"a struct of the MATLAB file has more than {MOST_FIELDS:,} fields. Save the array "
            "alone, as a separate variable.",
            reason="too large",
        )
    names = [
        _text(data, place, longest, _CHARACTERS[kind])
        for place in range(start, start + size, longest or 1)
    ]
    return tuple(names), at


def _values(data, at, end, order, n_values):
    """Yield functions that return the elements of a cell, or the fields of a struct."""
    for _ in range(n_values):
        kind, size, start, at = _tag(data, at, end, order)
        if kind != _MATRIX:
            raise Damaged("an element is of an unknown type")
        yield partial(_value, data, start, start + size, order)


def _value(data, start, end, order):
    header = _Header(data, start, end, order)

    def content():
        return _Stored(BytesIO(data), header.end) if header.kind in NUMERIC else data

    return _item(header, content, end, order)
