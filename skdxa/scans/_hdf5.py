"""A checked reader of the HDF5 that MATLAB and h5py write.

The HDF5 library cannot be called on a stranger's file within the process: a chunk of 504 bytes
that inflates to two gigabytes takes two gigabytes, whatever the array's size; a link, a virtual
dataset or external storage opens any other file, or waits on a pipe for ever; and a virtual
dataset that names itself ends the process. A process for each file would take longer than the
file. This reader parses in Python, follows nothing that leads out of the file, takes no size
from the file that the file could not hold, and reads groups, arrays of numbers, references and
short attributes.

Format: The HDF Group, "HDF5 File Format Specification Version 3.0".
"""

import itertools
import math
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SIGNATURE_PLACES = (0, 512, 1024, 2048)
_UNDEFINED = 0xFFFF_FFFF_FFFF_FFFF

# Messages of an object's header.
_SPACE, _LINK_INFO, _TYPE, _OLD_FILL, _FILL, _LINK, _EXTERNAL = 1, 2, 3, 4, 5, 6, 7
_LAYOUT, _FILTERS, _ATTRIBUTE, _CONTINUATION, _SYMBOLS = 8, 11, 12, 16, 17
_COMPACT, _CONTIGUOUS, _CHUNKED, _VIRTUAL = range(4)
_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3

_INTEGER, _FLOAT, _STRING, _COMPOUND, _REFERENCE, _ENUM, _SEQUENCE = 0, 1, 3, 6, 7, 8, 9
# Where sign, exponent and mantissa of the floating-point numbers that NumPy has are.
_FLOATS = {
    (2, 15, 0, 16, 10, 5, 0, 10, 15),
    (4, 31, 0, 32, 23, 8, 0, 23, 127),
    (8, 63, 0, 64, 52, 11, 0, 52, 1023),
}

_LONGEST_NAME = 255
_MOST_AXES = 32
_MOST_MESSAGES = 4_096
_MOST_BLOCKS = 64
_LARGEST_BLOCK = 1 << 20
_MOST_LINKS = 100_000
_MOST_CHUNKS = 100_000
_LARGEST_CHUNK = 64 << 20
_LARGEST_ATTRIBUTE = 1 << 16
_DEEPEST_TREE = 16
# What reading the structure of a file may take: blocks and messages, and bytes.
_MOST_STEPS = 400_000
_MOST_BYTES = 256 << 20


class Damaged(Exception):
    """The file states something that cannot be; the text says what."""


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
    # Text of any length stands elsewhere in the file.
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


class Hdf5:
    """An HDF5 file, of which nothing but the file itself is read.

    Parameters
    ----------
    file : binary file object
        Open for reading.

    Attributes
    ----------
    base : int
        Where HDF5 begins: the length of a header of another format, such as MATLAB's.
    root : int
        Address of the uppermost group.
    """

    def __init__(self, file):
        self._file = file
        self._size = file.seek(0, 2)
        self._steps, self._bytes = _MOST_STEPS, _MOST_BYTES
        for place in _SIGNATURE_PLACES:
            self.base = 0
            if self._size >= place + 8 and self._read(place, 8) == SIGNATURE:
                break
        else:
            raise Damaged("it has MATLAB's header but not HDF5's")
        version = self._read(place + 8, 1)[0]
        if version < 2:
            head = self._read(place, 96 + 4)
            sizes, start = head[13:15], 24 + 4 * version
        elif version < 4:
            head = self._read(place, 48)
            sizes, start = head[9:11], 12
        else:
            raise Unsupported("is of a later version of HDF5")
        if sizes != b"\x08\x08":
            raise Unsupported("has addresses of another length than 8 bytes")
        base, _, end, last = struct.unpack_from("<4Q", head, start)
        self.root = struct.unpack_from("<Q", head, start + 40)[0] if version < 2 else last
        # MATLAB's header may have been put before it later, without a word about it.
        self.base = place
        if end - base + place > self._size:
            raise Damaged("it is shorter than it says")

    def _read(self, address, length):
        """Return a part of the file's structure."""
        self._spend(1, length)
        return self._content(address, length)

    def _spend(self, steps, n_bytes=0):
        self._steps -= steps
        self._bytes -= n_bytes
        if min(self._steps, self._bytes) < 0:
            raise Unsupported("has more objects, or larger headers, than are read")

    def _content(self, address, length):
        """Return bytes at an address, all of them."""
        start = self.base + address
        if start + length > self._size:
            raise Damaged("something lies beyond its end")
        self._file.seek(start)
        content = self._file.read(length)
        if len(content) < length:
            raise Damaged("it ends too early")
        return content

    def node(self, address):
        """Return the group or array at an address."""
        node = Node(messages=self._messages(address))
        space = kind = None
        for code, data in node.messages:
            if code in (_SYMBOLS, _LINK_INFO, _LINK):
                node.is_group = True
            elif code == _SPACE:
                space = _shapes(data)
            elif code == _TYPE:
                kind = _type(data)
            elif code == _ATTRIBUTE:
                self._add_attribute(node.attributes, data)
        if not node.is_group:
            if space is None or kind is None:
                raise Damaged("an array has no size or no type")
            (node.shape, node.most), node.type = space, kind
        return node

    # Headers

    def _messages(self, address):
        """Return the messages of an object's header as pairs of code and content."""
        start = self._read(address, 16)
        messages = []
        if start[:4] == b"OHDR":
            prefix, order, blocks = self._new_blocks(address, start)
        elif start[0] == 1:
            prefix, order, blocks = 8, 0, [(address + 16, struct.unpack_from("<I", start, 8)[0])]
        else:
            raise Damaged("an object has no header")
        seen = set()
        while blocks:
            place, length = blocks.pop(0)
            if place in seen or len(seen) >= _MOST_BLOCKS or length > _LARGEST_BLOCK:
                raise Damaged("a header does not end")
            seen.add(place)
            block = self._read(place, length)
            at = 0
            while at + prefix + order <= len(block):
                if prefix == 8:
                    code, size, flags = struct.unpack_from("<HHB", block, at)
                else:
                    code, size, flags = struct.unpack_from("<BHB", block, at)
                self._spend(1)
                at += prefix + order
                data = block[at : at + size]
                at += size
                if len(data) < size or len(messages) >= _MOST_MESSAGES:
                    raise Damaged("a header is longer than it says")
                if code == _CONTINUATION:
                    where, length = struct.unpack_from("<QQ", data)
                    if prefix == 4:
                        # Between a signature and a checksum.
                        if self._read(where, 4) != b"OCHK" or length < 8:
                            raise Damaged("a header is not continued")
                        where, length = where + 4, length - 8
                    blocks.append((where, length))
                # A message shared with other objects stands elsewhere.
                elif flags & 2 and code in (_SPACE, _TYPE, _LAYOUT, _FILTERS):
                    raise Unsupported("shares headers between arrays")
                elif not flags & 2:
                    messages.append((code, data))
        return messages

    def _new_blocks(self, address, start):
        version, flags = start[4:6]
        if version != 2:
            raise Damaged("an object's header is of an unknown version")
        at = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        length = int.from_bytes(self._read(address + at, width), "little")
        return 4, (2 if flags & 4 else 0), [(address + at + width, length)]

    def _add_attribute(self, attributes, data):
        try:
            name, value = self._attribute(data)
        except Unsupported:
            return
        attributes[name] = value

    def _attribute(self, data):
        version = data[0]
        lengths = struct.unpack_from("<HHH", data, 2)
        # The first version fills up each part to a multiple of 8 bytes.
        padded = [n + -n % 8 if version == 1 else n for n in lengths]
        at = {1: 8, 2: 8, 3: 9}.get(version)
        if at is None or lengths[0] > _LONGEST_NAME + 1 or (version > 1 and data[1]):
            raise Unsupported("has attributes of an unknown kind")
        name, kind, space = (
            data[start : start + length]
            for start, length in zip(
                (at, at + padded[0], at + padded[0] + padded[1]), lengths, strict=True
            )
        )
        kind, shape = _type(kind), _shapes(space)[0]
        value = data[at + sum(padded) :][: kind.size * math.prod(shape)]
        return _name(name), self._value(kind, value)

    def _value(self, kind, value):
        if kind.elsewhere:
            value = self._text_elsewhere(value)
        elif kind.kind == "number" and kind.dtype.kind in "iu" and len(value) >= kind.size:
            return int(np.frombuffer(value, kind.dtype, 1)[0])
        elif kind.kind != "text":
            return None
        return value.split(b"\0")[0].decode("utf-8", "replace").strip()

    def _text_elsewhere(self, value):
        """Return text of any length from the file's heap for such."""
        length, address, number = struct.unpack_from("<IQI", value)
        if length > _LARGEST_ATTRIBUTE:
            raise Unsupported("has a very long attribute")
        head = self._read(address, 16)
        size = struct.unpack_from("<Q", head, 8)[0]
        if head[:4] != b"GCOL" or not 16 <= size <= _LARGEST_BLOCK:
            raise Damaged("an attribute has no text")
        heap, at = self._read(address, size), 16
        while at + 16 <= size:
            index, _, _, n_bytes = struct.unpack_from("<HHIQ", heap, at)
            if index == number:
                return heap[at + 16 : at + 16 + min(length, n_bytes)]
            if index == 0:
                break
            at += 16 + n_bytes + -n_bytes % 8
        raise Damaged("an attribute has no text")

    # Groups

    def links(self, node):
        """Return a group's links: a dict of name to address, None for a link that is not hard."""
        links = {}
        for code, data in node.messages:
            if code == _LINK:
                name, address = _link(data)
                links[name] = address
            elif code == _LINK_INFO:
                at = 10 if data[1] & 1 else 2
                heap, index = struct.unpack_from("<QQ", data, at)
                if heap != _UNDEFINED:
                    links.update(_DenseLinks(self._read, heap, index).read())
            elif code == _SYMBOLS:
                links.update(self._symbols(*struct.unpack_from("<QQ", data)))
            if len(links) > _MOST_LINKS:
                raise Unsupported(f"has more than {_MOST_LINKS:,} objects in a group")
        return links

    def _symbols(self, tree, heap):
        """Return the links of a group as the first versions of HDF5 store them."""
        head = self._read(heap, 32)
        if head[:4] != b"HEAP":
            raise Damaged("a group has no names")
        names_size, _, names = struct.unpack_from("<QQQ", head, 8)
        links = {}
        for leaf in self._leaves(tree, 0, 8):
            head = self._read(leaf, 8)
            n_symbols = struct.unpack_from("<H", head, 6)[0]
            if head[:4] != b"SNOD":
                raise Damaged("a group has no entries")
            entries = self._read(leaf + 8, 40 * n_symbols)
            for at in range(0, len(entries), 40):
                offset, address, cached = struct.unpack_from("<QQI", entries, at)
                if offset >= names_size:
                    raise Damaged("an entry of a group has no name")
                left = min(_LONGEST_NAME + 1, names_size - offset)
                name = _name(self._read(names + offset, left))
                # 2 is a link by name.
                links[name] = None if cached == 2 else address
            if len(links) > _MOST_LINKS:
                raise Unsupported(f"has more than {_MOST_LINKS:,} objects in a group")
        return links

    def _leaves(self, root, kind, key_size):
        """Yield what the lowest nodes of a tree of the first version hold: addresses.

        With a key that is larger, of chunks, yields pairs of key and address.
        """
        seen = set()

        def walk(address, level):
            head = self._read(address, 24)
            if head[:4] != b"TREE" or head[4] != kind or address in seen:
                raise Damaged("a tree is broken")
            if head[5] > _DEEPEST_TREE or level not in (None, head[5]):
                raise Damaged("a tree is broken")
            seen.add(address)
            n_entries = struct.unpack_from("<H", head, 6)[0]
            step = key_size + 8
            entries = self._read(address + 24, n_entries * step)
            for at in range(0, len(entries), step):
                child = struct.unpack_from("<Q", entries, at + key_size)[0]
                if head[5]:
                    yield from walk(child, head[5] - 1)
                else:
                    yield child if kind == 0 else (entries[at : at + key_size], child)

        return walk(root, None)

    # Arrays

    def check_readable(self, node):
        """Raise `Unsupported` unless an array's content is in this file and of a known form."""
        if any(code == _EXTERNAL for code, _ in node.messages):
            raise Unsupported("keeps its content in another file")
        layout = _layout(node)
        if layout.kind == _VIRTUAL:
            raise Unsupported("is a virtual dataset, whose content is in other datasets")
        unknown = {code for code, _ in _filters(node)} - {_DEFLATE, _SHUFFLE, _FLETCHER32}
        if unknown:
            raise Unsupported("is compressed by another method than gzip")

    def array(self, node):
        """Return an array of numbers or references, whose size the caller has checked."""
        self.check_readable(node)
        dtype = np.dtype("<u8") if node.type.kind == "reference" else node.type.dtype
        layout = _layout(node)
        n_bytes = math.prod(node.shape) * node.type.size
        if layout.kind == _COMPACT:
            content = layout.content
        elif layout.kind == _CHUNKED:
            return self._chunks(node, layout, dtype)
        elif layout.address == _UNDEFINED or n_bytes == 0:
            return _filled(node, dtype)
        else:
            if layout.size < n_bytes:
                raise Damaged("an array is shorter than its size says")
            content = self._content(layout.address, n_bytes)
        if len(content) < n_bytes:
            raise Damaged("an array is shorter than its size says")
        return np.frombuffer(content, dtype, math.prod(node.shape)).reshape(node.shape)

    def _chunks(self, node, layout, dtype):
        shape, chunk = node.shape, layout.chunk
        if len(chunk) != len(shape) or layout.element != node.type.size or min(chunk) < 1:
            raise Damaged("an array's chunks are of another kind than the array")
        n_bytes = math.prod(chunk) * node.type.size
        if n_bytes > _LARGEST_CHUNK:
            raise Unsupported(f"is stored in chunks of more than {_LARGEST_CHUNK >> 20} MiB")
        grid = [-(-size // step) for size, step in zip(shape, chunk, strict=True)]
        if math.prod(grid) > _MOST_CHUNKS:
            raise Unsupported(f"is stored in more than {_MOST_CHUNKS:,} chunks")
        n_stored = math.prod(grid) * n_bytes
        if n_stored > max(_LARGEST_CHUNK, 8 * math.prod(shape) * node.type.size):
            raise Unsupported("is stored in chunks much larger than itself")
        array = _filled(node, dtype)
        filters = _filters(node)
        seen = set()
        for start, stored, skipped, address in self._stored_chunks(node, layout, grid, n_bytes):
            if start in seen or any(
                place % step for place, step in zip(start, chunk, strict=True)
            ):
                raise Damaged("a chunk lies outside its array")
            # An array that has shrunk may keep chunks beyond its end.
            if any(place >= size for place, size in zip(start, shape, strict=True)):
                continue
            seen.add(start)
            # Compression makes a chunk longer by a few bytes at the most.
            if stored > n_bytes + n_bytes // 8 + 64:
                raise Damaged("a chunk is longer than it can be")
            content = _unfiltered(
                self._content(address, stored), filters, skipped, n_bytes, node.type.size
            )
            part = np.frombuffer(content, dtype).reshape(chunk)
            target = tuple(
                slice(place, place + step) for place, step in zip(start, chunk, strict=True)
            )
            inside = array[target]
            inside[...] = part[tuple(slice(size) for size in inside.shape)]
        return array

    def _stored_chunks(self, node, layout, grid, n_bytes):
        """Yield each chunk's first element, stored length, skipped filters and address."""
        if layout.address == _UNDEFINED:
            return
        n_axes = len(grid)
        if layout.index == "tree":
            key_size = 8 + 8 * (n_axes + 1)
            entries = self._leaves(layout.address, 1, key_size)
            for key, address in itertools.islice(entries, _MOST_CHUNKS):
                stored, skipped = struct.unpack_from("<II", key)
                yield struct.unpack_from(f"<{n_axes}Q", key, 8), stored, skipped, address
            return
        if layout.index == "single":
            yield (0,) * n_axes, layout.size or n_bytes, layout.skipped, layout.address
            return
        # These list all chunks that the array would have at its largest.
        counts = [-(-size // step) for size, step in zip(node.most, layout.chunk, strict=True)]
        n_chunks = math.prod(counts)
        if n_chunks > _MOST_CHUNKS:
            raise Unsupported(f"may grow to more than {_MOST_CHUNKS:,} chunks")
        starts = [
            range(0, count * step, step) for count, step in zip(counts, layout.chunk, strict=True)
        ]
        filtered = bool(_filters(node))
        if layout.index == "implicit":
            addresses = range(layout.address, layout.address + n_chunks * n_bytes, n_bytes)
            entries = ((address, n_bytes, 0) for address in addresses)
        else:
            entries = self._fixed_array(layout.address, n_chunks, filtered)
        for start, entry in zip(itertools.product(*starts), entries, strict=True):
            address, stored, skipped = entry
            if address != _UNDEFINED:
                yield start, stored if filtered else n_bytes, skipped, address

    def _fixed_array(self, address, n_chunks, filtered):
        """Yield address, stored length and skipped filters from an index of fixed size."""
        head = self._read(address, 24)
        n_entries, block = struct.unpack_from("<QQ", head, 8)
        width, page_bits = head[6], head[7]
        if head[:4] != b"FAHD" or n_entries != n_chunks or head[5] != filtered:
            raise Damaged("an array's index is broken")
        if self._read(block, 4) != b"FADB" or not (12 < width <= 20 if filtered else width == 8):
            raise Damaged("an array's index is broken")
        place, page = block + 14, min(1 << page_bits, n_entries)
        written = itertools.repeat(True)
        if page < n_entries:
            # Of pages, each with a checksum, after a bit for each that was written.
            n_pages = -(-n_entries // page)
            bits = np.frombuffer(self._read(place, -(-n_pages // 8)), np.uint8)
            written, place = np.unpackbits(bits)[:n_pages], place + len(bits) + 4
        for is_written, first in zip(written, range(0, n_entries, page), strict=False):
            n_here = min(page, n_entries - first)
            if not is_written:
                yield from [(_UNDEFINED, 0, 0)] * n_here
            else:
                yield from _fixed_entries(self._read(place, n_here * width), width, filtered)
            place += page * width + 4


def _fixed_entries(entries, width, filtered):
    for at in range(0, len(entries), width):
        where = struct.unpack_from("<Q", entries, at)[0]
        if filtered:
            stored = int.from_bytes(entries[at + 8 : at + width - 4], "little")
            yield where, stored, struct.unpack_from("<I", entries, at + width - 4)[0]
        else:
            yield where, 0, 0


class _DenseLinks:
    """The links of a group of many, which a heap holds and a tree lists."""

    def __init__(self, read, heap, index):
        self._read, self._index = read, index
        head = read(heap, 142)
        if head[:4] != b"FRHP":
            raise Damaged("a group has no names")
        id_length, n_filter_bytes = struct.unpack_from("<HH", head, 5)
        self._width, self._first, self._largest, bits, _, self._root, self._rows = (
            struct.unpack_from("<HQQHHQH", head, 110)
        )
        if n_filter_bytes or id_length < 7:
            raise Unsupported("has groups that are compressed")
        powers = all(size and size & (size - 1) == 0 for size in (self._first, self._largest))
        if not (powers and self._first <= self._largest <= _LARGEST_BLOCK and 0 < bits <= 64):
            raise Damaged("a group's names are broken")
        if not 0 < self._width <= 64 or self._rows > 64:
            raise Damaged("a group's names are broken")
        self._id_length = id_length
        self._offset_width = -(-bits // 8)
        most = struct.unpack_from("<I", head, 10)[0]
        self._length_width = min(
            (self._largest.bit_length() + 6) // 8, (most.bit_length() + 7) // 8
        )
        self._direct = dict(self._blocks())

    def _blocks(self):
        """Yield where the heap's addresses start, and the place of the block that holds them."""
        if self._rows == 0:
            yield 0, (self._root, self._first)
            return
        n_direct_rows = (self._largest // self._first).bit_length() + 1
        if self._rows > n_direct_rows:
            raise Unsupported("has more objects in a group than are read")
        head = 13 + self._offset_width
        entries = self._read(self._root, head + 8 * self._rows * self._width)
        if entries[:4] != b"FHIB":
            raise Damaged("a group's names are broken")
        start, at = 0, head
        for row in range(self._rows):
            size = self._first << max(row - 1, 0)
            for _ in range(self._width):
                address = struct.unpack_from("<Q", entries, at)[0]
                if address != _UNDEFINED:
                    yield start, (address, size)
                start, at = start + size, at + 8

    def read(self):
        """Return the links by name."""
        head = self._read(self._index, 38)
        if head[:4] != b"BTHD" or head[5] != 5:
            raise Damaged("a group's list is broken")
        node_size, record_size, depth = struct.unpack_from("<IHH", head, 6)
        root, n_records = struct.unpack_from("<QH", head, 16)
        total = struct.unpack_from("<Q", head, 26)[0]
        if record_size != 4 + self._id_length or node_size > _LARGEST_BLOCK or depth > 8:
            raise Damaged("a group's list is broken")
        if total > _MOST_LINKS:
            raise Unsupported(f"has more than {_MOST_LINKS:,} objects in a group")
        self._node_size, self._record_size = node_size, record_size
        self._left = total
        return dict(self._records(root, n_records, depth)) if total else {}

    def _records(self, address, n_records, depth):
        size = self._record_size
        signature = b"BTIN" if depth else b"BTLF"
        node = self._read(address, self._node_size)
        if node[:4] != signature or 6 + n_records * size > len(node):
            raise Damaged("a group's list is broken")
        self._left -= n_records
        if self._left < 0:
            raise Damaged("a group's list does not end")
        for at in range(6, 6 + n_records * size, size):
            yield self._link(node[at + 4 : at + size])
        if depth:
            widths = self._pointer_widths(depth)
            at = 6 + n_records * size
            for _ in range(n_records + 1):
                child = struct.unpack_from("<Q", node, at)[0]
                count = int.from_bytes(node[at + 8 : at + 8 + widths[0]], "little")
                yield from self._records(child, count, depth - 1)
                at += 8 + sum(widths)

    def _pointer_widths(self, depth):
        """Return the bytes of a child's number of records, and of all below it."""
        most = (self._node_size - 10) // self._record_size
        narrow = (most.bit_length() + 7) // 8
        total = most
        for _ in range(depth - 1):
            wide = (total.bit_length() + 7) // 8
            pointer = 8 + narrow + (wide if total != most else 0)
            here = (self._node_size - 10 - pointer) // (self._record_size + pointer)
            total = here + (here + 1) * total
        return narrow, ((total.bit_length() + 7) // 8 if depth > 1 else 0)

    def _link(self, identity):
        if identity[0] & 0x30:
            raise Unsupported("has names of unusual length")
        start = int.from_bytes(identity[1 : 1 + self._offset_width], "little")
        at = 1 + self._offset_width
        length = int.from_bytes(identity[at : at + self._length_width], "little")
        for first, (address, size) in self._direct.items():
            if first <= start and start + length <= first + size:
                return _link(self._read(address + start - first, length))
        raise Damaged("a group's names are broken")


# What the messages say


@dataclass
class _Layout:
    kind: int
    address: int = _UNDEFINED
    size: int = 0
    content: bytes = b""
    chunk: tuple[int, ...] = ()
    element: int = 0
    index: str = "tree"
    skipped: int = 0


def _message(node, code):
    return next((data for other, data in node.messages if other == code), None)


def _layout(node):
    data = _message(node, _LAYOUT)
    if data is None:
        raise Damaged("an array has no content")
    version = data[0]
    if version in (1, 2):
        return _old_layout(data)
    if version not in (3, 4):
        raise Unsupported("is stored in a later form of HDF5")
    kind = data[1]
    if kind == _COMPACT:
        size = struct.unpack_from("<H", data, 2)[0]
        return _Layout(kind, content=data[4 : 4 + size])
    if kind == _CONTIGUOUS:
        return _Layout(kind, *struct.unpack_from("<QQ", data, 2))
    if kind == _VIRTUAL:
        return _Layout(kind)
    if kind != _CHUNKED:
        raise Damaged("an array is stored in an unknown way")
    if version == 3:
        n_axes = _axes(data[2])
        address, *chunk = struct.unpack_from(f"<Q{n_axes}I", data, 3)
        return _Layout(kind, address, chunk=tuple(chunk[:-1]), element=chunk[-1])
    return _new_chunks(data)


def _new_chunks(data):
    flags, n_axes, width = data[2], _axes(data[3]), data[4]
    if not 1 <= width <= 8:
        raise Damaged("an array is stored in an unknown way")
    at = 5 + n_axes * width
    sizes = [int.from_bytes(data[i : i + width], "little") for i in range(5, at, width)]
    index = data[at]
    layout = _Layout(_CHUNKED, chunk=tuple(sizes[:-1]), element=sizes[-1])
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


def _old_layout(data):
    n_axes, kind, at = _axes(data[1]), data[2], 8
    address = _UNDEFINED
    if kind != _COMPACT:
        address, at = struct.unpack_from("<Q", data, at)[0], at + 8
    sizes = struct.unpack_from(f"<{n_axes}I", data, at)
    at += 4 * n_axes
    if kind == _COMPACT:
        size = struct.unpack_from("<I", data, at)[0]
        return _Layout(kind, content=data[at + 4 : at + 4 + size])
    if kind == _CONTIGUOUS:
        # The sizes of the axes, from which the length follows.
        return _Layout(kind, address, size=1 << 63)
    if kind != _CHUNKED:
        raise Damaged("an array is stored in an unknown way")
    return _Layout(kind, address, chunk=sizes[:-1], element=sizes[-1])


def _axes(n_axes):
    if not 1 <= n_axes <= _MOST_AXES + 1:
        raise Damaged("an array has too many axes")
    return n_axes


def _shapes(data):
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


def _type(data):
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
        # 2 in these bits is a mantissa whose first digit is left out; 64 is a VAX's order.
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


def _filled(node, dtype):
    """Return an array of which nothing has been written."""
    value = _fill(node, dtype)
    # Zeros take memory only where they are changed.
    return np.full(node.shape, value, dtype) if value else np.zeros(node.shape, dtype)


def _fill(node, dtype):
    data = _message(node, _FILL)
    value = b""
    if data is not None:
        if data[0] in (1, 2) and (data[0] == 1 or data[3]):
            value = data[8 : 8 + struct.unpack_from("<I", data, 4)[0]]
        elif data[0] == 3 and data[1] & 0x20:
            value = data[6 : 6 + struct.unpack_from("<I", data, 2)[0]]
    return np.frombuffer(value, dtype)[0] if len(value) == dtype.itemsize else 0


def _filters(node):
    """Return pairs of a filter's code and its parameters, in the order of writing."""
    data = _message(node, _FILTERS)
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


def _unfiltered(content, filters, skipped, n_bytes, element):
    """Return a chunk as it was before it was written."""
    for number, (code, values) in reversed(list(enumerate(filters))):
        if skipped >> number & 1:
            continue
        if code == _DEFLATE:
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
        elif code == _SHUFFLE:
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
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(np.uint64)
    weights = np.arange(len(words), 0, -1, dtype=np.uint64)
    # Without overflow for chunks of this size: each product has at most 42 bits.
    first = int(words.sum()) % 0xFFFF
    second = int((words * weights % 0xFFFF).sum()) % 0xFFFF
    if len(stated) < 4 or tuple(n % 0xFFFF for n in struct.unpack("<HH", stated)) != (
        first,
        second,
    ):
        raise Damaged("a chunk's checksum is wrong")
    return data


def _link(data):
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
    if length > _LONGEST_NAME or at + length > len(data):
        raise Damaged("a link has no name")
    name = _name(data[at : at + length])
    return name, struct.unpack_from("<Q", data, at + length)[0] if kind == 0 else None


def _name(content):
    name = content.split(b"\0")[0]
    if len(name) > _LONGEST_NAME:
        raise Damaged("a name is too long")
    return name.decode("utf-8", "replace")
