"""Decode the messages in the headers of an HDF5 file, each from its bytes alone."""

import struct
import zlib
from dataclasses import dataclass, field
from functools import partial

import numpy as np

UNDEFINED = 0xFFFF_FFFF_FFFF_FFFF

# Messages of an object's header.
SPACE, LINK_INFO, TYPE, FILL, LINK, EXTERNAL = 1, 2, 3, 5, 6, 7
LAYOUT, FILTERS, ATTRIBUTE, CONTINUATION, SYMBOLS = 8, 11, 12, 16, 17
COMPACT, CONTIGUOUS, CHUNKED, VIRTUAL = range(4)
DEFLATE, SHUFFLE, FLETCHER32 = 1, 2, 3

_INTEGER, _FLOAT, _STRING, _COMPOUND, _REFERENCE, _ENUM, _SEQUENCE = 0, 1, 3, 6, 7, 8, 9
# Where sign, exponent and mantissa of the floating-point numbers that NumPy has are.
_FLOATS = {
    (2, 15, 0, 16, 10, 5, 0, 10, 15),
    (4, 31, 0, 32, 23, 8, 0, 23, 127),
    (8, 63, 0, 64, 52, 11, 0, 52, 1023),
}

LONGEST_NAME = 255
_MOST_AXES = 32
_PIECE = 1 << 20


class Damaged(Exception):
    """The file is inconsistent; the message states how."""


class Unsupported(Exception):
    """The file uses a part of HDF5 that is not read; the text is a clause that says which."""


@dataclass(frozen=True)
class Type:
    """How the elements of an array are stored.

    Parameters
    ----------
    size : int
        Bytes of one element.
    dtype : numpy.dtype, default=None
        For integers and floating-point numbers.
    kind : {"number", "logical", "complex", "reference", "text", "other"}
        What the elements are.
    """

    size: int
    dtype: np.dtype | None = None
    kind: str = "other"
    # Text of variable length is stored elsewhere in the file.
    elsewhere: bool = False


@dataclass
class Node:
    """A group or an array: what its header says.

    Parameters
    ----------
    is_group : bool
        Whether this is a group rather than an array.
    shape : tuple of int
        Of an array, in the file's order.
    most : tuple of int
        The shape to which an array may grow.
    type : Type
        Of an array's elements.
    attributes : dict of str to object
        Text and whole numbers only; others are None.
    """

    is_group: bool = False
    shape: tuple[int, ...] = ()
    most: tuple[int, ...] = ()
    type: Type | None = None
    attributes: dict = field(default_factory=dict)
    messages: list = field(default_factory=list)


@dataclass
class Layout:
    kind: int
    address: int = UNDEFINED
    size: int = 0
    content: bytes = b""
    chunk: tuple[int, ...] = ()
    element: int = 0
    index: str = "tree"
    skipped: int = 0


def _message(node, code):
    return next((data for other, data in node.messages if other == code), None)


def parse_layout(node):
    data = _message(node, LAYOUT)
    if data is None:
        raise Damaged("an array has no content")
    version = data[0]
    # The third is the oldest that MATLAB has written.
    if version not in (3, 4):
        raise Unsupported("is stored in another form of HDF5 than MATLAB's")
    kind = data[1]
    if kind == COMPACT:
        size = struct.unpack_from("<H", data, 2)[0]
        return Layout(kind, content=data[4 : 4 + size])
    if kind == CONTIGUOUS:
        return Layout(kind, *struct.unpack_from("<QQ", data, 2))
    if kind == VIRTUAL:
        return Layout(kind)
    if kind != CHUNKED:
        raise Damaged("an array is stored in an unknown way")
    if version == 3:
        n_axes = _axes(data[2])
        address, *chunk = struct.unpack_from(f"<Q{n_axes}I", data, 3)
        return Layout(kind, address, chunk=tuple(chunk[:-1]), element=chunk[-1])
    return _new_chunks(data)


def _new_chunks(data):
    flags, n_axes, width = data[2], _axes(data[3]), data[4]
    if not 1 <= width <= 8:
        raise Damaged("an array is stored in an unknown way")
    at = 5 + n_axes * width
    sizes = [int.from_bytes(data[i : i + width], "little") for i in range(5, at, width)]
    index = data[at]
    layout = Layout(CHUNKED, chunk=tuple(sizes[:-1]), element=sizes[-1])
    at += 1
    if index == 1:
        layout.index = "single"
        if flags & 2:
            layout.size, layout.skipped = struct.unpack_from("<QI", data, at)
            at += 12
    elif index == 2:
        layout.index = "implicit"
    elif index == 3:
        layout.index = "fixed"
        at += 1
    else:
        raise Unsupported("is stored in HDF5 1.10's form for arrays that grow without limit")
    layout.address = struct.unpack_from("<Q", data, at)[0]
    return layout


def _axes(n_axes):
    if not 1 <= n_axes <= _MOST_AXES + 1:
        raise Damaged("an array has too many axes")
    return n_axes


def parse_shapes(data):
    """Return the shape of an array and the one to which it may grow."""
    version, n_axes, flags = data[:3]
    if n_axes > _MOST_AXES:
        raise Damaged("an array has too many axes")
    if version == 1:
        at = 8
    elif version == 2:
        at = 4
        # 2 is an array of nothing.
        if data[3] == 2:
            return (0,), (0,)
    else:
        raise Damaged("an array's size is of an unknown version")
    shape = struct.unpack_from(f"<{n_axes}Q", data, at)
    if not flags & 1:
        return shape, shape
    return shape, struct.unpack_from(f"<{n_axes}Q", data, at + 8 * n_axes)


def parse_type(data):
    code, version = data[0] & 15, data[0] >> 4
    flags = int.from_bytes(data[1:4], "little")
    size = struct.unpack_from("<I", data, 4)[0]
    if not 1 <= version <= 4 or not size:
        raise Damaged("a type is unknown")
    order = ">" if flags & 1 else "<"
    if code == _INTEGER:
        offset, precision = struct.unpack_from("<HH", data, 8)
        if size in (1, 2, 4, 8) and (offset, precision) == (0, 8 * size):
            return Type(size, np.dtype(f"{order}{'i' if flags & 8 else 'u'}{size}"), "number")
    elif code == _FLOAT:
        form = (size, flags >> 8, *struct.unpack_from("<HHBBBBI", data, 8))
        # 2 in these bits is a mantissa whose first digit is left out; 64 marks VAX byte order.
        if form in _FLOATS and flags & 0x30 == 0x20 and not flags & 0x40:
            return Type(size, np.dtype(f"{order}f{size}"), "number")
    elif code == _STRING:
        return Type(size, kind="text")
    elif code == _SEQUENCE:
        is_text = flags & 15 == 1 and size == 16
        return Type(size, kind="text" if is_text else "other", elsewhere=is_text)
    elif code == _REFERENCE:
        return Type(size, kind="reference" if flags & 15 == 0 and size == 8 else "other")
    elif code == _ENUM:
        # h5py's logical numbers.
        names = data[8:]
        is_logical = flags & 0xFFFF == 2 and b"FALSE" in names and b"TRUE" in names
        return Type(size, kind="logical" if is_logical else "other")
    elif code == _COMPOUND and flags & 0xFFFF == 2 and data[8:].startswith((b"real\0", b"r\0")):
        return Type(size, kind="complex")
    return Type(size)


def filled(node, dtype, result):
    """Return an array without written content, column after column.

    `dtype` is the type of the numbers in the file, `result` that of the array.
    """
    value = _fill(node, dtype)
    # Zeros take memory only where they are changed.
    make = partial(np.full, fill_value=value) if value else np.zeros
    return make(node.shape, dtype=result, order="F")


def _fill(node, dtype):
    data = _message(node, FILL)
    value = b""
    if data is not None:
        if data[0] in (1, 2) and (data[0] == 1 or data[3]):
            value = data[8 : 8 + struct.unpack_from("<I", data, 4)[0]]
        elif data[0] == 3 and data[1] & 0x20:
            value = data[6 : 6 + struct.unpack_from("<I", data, 2)[0]]
    return np.frombuffer(value, dtype)[0] if len(value) == dtype.itemsize else 0


def parse_filters(node):
    """Return pairs of a filter's code and its parameters, in the order of writing."""
    data = _message(node, FILTERS)
    if data is None:
        return []
    version, n_filters = data[:2]
    if version not in (1, 2) or n_filters > 32:
        raise Damaged("an array is compressed in an unknown way")
    at = 8 if version == 1 else 2
    filters = []
    for _ in range(n_filters):
        code = struct.unpack_from("<H", data, at)[0]
        named = version == 1 or code >= 256
        length = struct.unpack_from("<H", data, at + 2)[0] if named else 0
        at += 4 if named else 2
        _, n_values = struct.unpack_from("<HH", data, at)
        at += 4 + length + (-length % 8 if version == 1 else 0)
        filters.append((code, struct.unpack_from(f"<{n_values}I", data, at)))
        at += 4 * (n_values + (n_values % 2 if version == 1 else 0))
    return filters


def unfiltered(content, filters, skipped, n_bytes, element):
    """Return a chunk as it was before it was written."""
    for number, (code, values) in reversed(list(enumerate(filters))):
        if skipped >> number & 1:
            continue
        if code == DEFLATE:
            # Up to four more bytes for a checksum.
            inflating = zlib.decompressobj()
            try:
                content = inflating.decompress(content, n_bytes + 4)
            except zlib.error:
                raise Damaged("a chunk cannot be inflated") from None
            if not inflating.eof and inflating.decompress(inflating.unconsumed_tail, 1):
                raise Damaged("a chunk is longer than it says")
            if not inflating.eof:
                raise Damaged("a chunk ends too early")
        elif code == SHUFFLE:
            size = values[0] if values else element
            whole = len(content) // size * size if size else 0
            if whole:
                shuffled = np.frombuffer(content, np.uint8, whole).reshape(size, -1)
                content = shuffled.T.tobytes() + bytes(content[whole:])
        else:
            content = _checked(content)
    if len(content) != n_bytes:
        raise Damaged("a chunk is longer or shorter than it says")
    return content


def _checked(content):
    """Return content without the Fletcher checksum at its end, which must be right."""
    data, stated = content[:-4], content[-4:]
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2")
    first = second = 0
    for at in range(0, len(words), _PIECE):
        piece = words[at : at + _PIECE].astype(np.uint64)
        weights = np.arange(len(piece), 0, -1, dtype=np.uint64)
        second = (second + first * len(piece) + int((piece * weights).sum())) % 0xFFFF
        first = (first + int(piece.sum())) % 0xFFFF
    if len(stated) < 4 or tuple(n % 0xFFFF for n in struct.unpack("<HH", stated)) != (
        first,
        second,
    ):
        raise Damaged("a chunk's checksum is wrong")
    return data


def parse_link(data):
    """Return the name of a link and its address, None if it is not hard."""
    version, flags = data[:2]
    if version != 1:
        raise Damaged("a link is of an unknown version")
    at = 2
    kind = 0
    if flags & 8:
        kind, at = data[at], at + 1
    at += (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
    width = 1 << (flags & 3)
    length = int.from_bytes(data[at : at + width], "little")
    at += width
    if length > LONGEST_NAME or at + length > len(data):
        raise Damaged("a link has no name")
    name = parse_name(data[at : at + length])
    return name, struct.unpack_from("<Q", data, at + length)[0] if kind == 0 else None


def parse_name(content):
    name = content.split(b"\0")[0]
    if len(name) > LONGEST_NAME:
        raise Damaged("a name is too long")
    return name.decode("utf-8", "replace")
