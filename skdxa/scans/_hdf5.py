"""A checked reader of the HDF5 that MATLAB and h5py write.

The HDF5 library (1.14.6) cannot be called on an unknown file within the process: a chunk of
504 bytes that inflates to two gigabytes takes two gigabytes, for an array of any size; a link,
a virtual dataset or external storage opens any other file, or waits on a pipe for ever; a
virtual dataset that names itself ends the process; and of ten thousand files with a few changed
bytes, some do so too or keep it busy for seconds. A process for each file would take many
times longer than the file. This reader parses in Python, follows nothing that leads out of the
file, takes no size from the file that the file could not hold, and reads groups, arrays of
numbers, references and MATLAB's attributes.

Format: The HDF Group, "HDF5 File Format Specification Version 3.0".
"""

import itertools
import math
import struct

import numpy as np

from skdxa.scans._content import read_numbers
from skdxa.scans._hdf5_links import LARGEST_BLOCK, MOST_LINKS, DenseLinks
from skdxa.scans._hdf5_messages import (
    ATTRIBUTE,
    CHUNKED,
    COMPACT,
    CONTINUATION,
    DEFLATE,
    EXTERNAL,
    FILTERS,
    FLETCHER32,
    LAYOUT,
    LINK,
    LINK_INFO,
    LONGEST_NAME,
    SHUFFLE,
    SPACE,
    SYMBOLS,
    TYPE,
    UNDEFINED,
    VIRTUAL,
    Damaged,
    Node,
    Unsupported,
    filled,
    parse_filters,
    parse_layout,
    parse_link,
    parse_name,
    parse_shapes,
    parse_type,
    unfiltered,
)

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SIGNATURE_PLACES = (0, 512, 1024, 2048)

_MOST_MESSAGES = 4_096
_MOST_BLOCKS = 64
_MOST_CHUNKS = 50_000
_LARGEST_CHUNK = 64 << 20
_LARGEST_ATTRIBUTE = 1 << 16
_DEEPEST_TREE = 16
# What reading the structure of a file may take: blocks and messages, and bytes.
_MOST_STEPS = 400_000
_MOST_BYTES = 256 << 20


class Hdf5:
    """An HDF5 file; links to other files are not followed.

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
            if code in (SYMBOLS, LINK_INFO, LINK):
                node.is_group = True
            elif code == SPACE:
                space = parse_shapes(data)
            elif code == TYPE:
                kind = parse_type(data)
            elif code == ATTRIBUTE:
                self._add_attribute(node.attributes, data)
        if not node.is_group:
            if space is None and kind is not None:
                raise Unsupported("holds a type")
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
            if place in seen or len(seen) >= _MOST_BLOCKS or length > LARGEST_BLOCK:
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
                if code == CONTINUATION:
                    where, length = struct.unpack_from("<QQ", data)
                    if prefix == 4:
                        # The content between a signature and a checksum.
                        if self._read(where, 4) != b"OCHK" or length < 8:
                            raise Damaged("a header is not continued")
                        where, length = where + 4, length - 8
                    blocks.append((where, length))
                # A message shared with other objects is stored elsewhere.
                elif flags & 2 and code in (SPACE, TYPE, LAYOUT, FILTERS):
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
        if at is None or lengths[0] > LONGEST_NAME + 1 or (version > 1 and data[1]):
            raise Unsupported("has attributes of an unknown kind")
        name, kind, space = (
            data[start : start + length]
            for start, length in zip(
                (at, at + padded[0], at + padded[0] + padded[1]), lengths, strict=True
            )
        )
        if not name.startswith(b"MATLAB_"):
            raise Unsupported("has attributes that are not MATLAB's")
        kind, shape = parse_type(kind), parse_shapes(space)[0]
        value = data[at + sum(padded) :][: kind.size * math.prod(shape)]
        return parse_name(name), self._value(kind, value)

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
        if length == 0:
            return b""
        if length > _LARGEST_ATTRIBUTE:
            raise Unsupported("has a very long attribute")
        head = self._read(address, 16)
        size = struct.unpack_from("<Q", head, 8)[0]
        if head[:4] != b"GCOL" or not 16 <= size <= LARGEST_BLOCK:
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
            if code == LINK:
                name, address = parse_link(data)
                links[name] = address
            elif code == LINK_INFO:
                at = 10 if data[1] & 1 else 2
                heap, index = struct.unpack_from("<QQ", data, at)
                if heap != UNDEFINED:
                    links.update(DenseLinks(self._read, heap, index).read())
            elif code == SYMBOLS:
                links.update(self._symbols(*struct.unpack_from("<QQ", data)))
            if len(links) > MOST_LINKS:
                raise Unsupported(f"has more than {MOST_LINKS:,} objects in a group")
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
                left = min(LONGEST_NAME + 1, names_size - offset)
                name = parse_name(self._read(names + offset, left))
                # 2 is a link by name.
                links[name] = None if cached == 2 else address
            if len(links) > MOST_LINKS:
                raise Unsupported(f"has more than {MOST_LINKS:,} objects in a group")
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
        if any(code == EXTERNAL for code, _ in node.messages):
            raise Unsupported("keeps its content in another file")
        layout = parse_layout(node)
        if layout.kind == VIRTUAL:
            raise Unsupported("is a virtual dataset, whose content is in other datasets")
        unknown = {code for code, _ in parse_filters(node)} - {DEFLATE, SHUFFLE, FLETCHER32}
        if unknown:
            raise Unsupported("is compressed by another method than gzip")

    def array(self, node):
        """Return an array of whole numbers or references, whose size the caller has checked."""
        dtype = np.dtype("<u8") if node.type.kind == "reference" else node.type.dtype
        # These belong to the structure of the file.
        self._spend(1, math.prod(node.shape) * node.type.size)
        return self._array(node, dtype, dtype)

    def pixels(self, node):
        """Return an array of numbers, whose size the caller has checked, in single precision."""
        with np.errstate(over="ignore"):
            return self._array(node, node.type.dtype, np.dtype(np.float32))

    def _array(self, node, dtype, result):
        self.check_readable(node)
        layout = parse_layout(node)
        n_bytes = math.prod(node.shape) * node.type.size
        if layout.kind == COMPACT:
            content = layout.content
        elif layout.kind == CHUNKED:
            return self._chunks(node, layout, dtype, result)
        elif layout.address == UNDEFINED or n_bytes == 0:
            return filled(node, dtype, result)
        elif layout.size < n_bytes:
            raise Damaged("an array is shorter than its size says")
        elif result != dtype and len(node.shape) == 2:
            self._content(layout.address + n_bytes, 0)
            self._file.seek(self.base + layout.address)
            return read_numbers(self._file.read, dtype, node.shape[::-1], by_columns=True).T
        else:
            content = self._content(layout.address, n_bytes)
        if len(content) < n_bytes:
            raise Damaged("an array is shorter than its size says")
        array = np.frombuffer(content, dtype, math.prod(node.shape)).reshape(node.shape)
        return array.astype(result, copy=False)

    def _chunks(self, node, layout, dtype, result):
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
        array = filled(node, dtype, result)
        filters = parse_filters(node)
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
            # Compression makes a chunk longer by a few bytes at most.
            if stored > n_bytes + n_bytes // 8 + 64:
                raise Damaged("a chunk is longer than it can be")
            content = unfiltered(
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
        if layout.address == UNDEFINED:
            return
        n_axes = len(grid)
        if layout.index == "tree":
            key_size = 8 + 8 * (n_axes + 1)
            entries = self._leaves(layout.address, 1, key_size)
            for number, (key, address) in enumerate(entries):
                if number == _MOST_CHUNKS:
                    raise Unsupported(f"is stored in more than {_MOST_CHUNKS:,} chunks")
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
        filtered = bool(parse_filters(node))
        if layout.index == "implicit":
            addresses = range(layout.address, layout.address + n_chunks * n_bytes, n_bytes)
            entries = ((address, n_bytes, 0) for address in addresses)
        else:
            entries = self._fixed_array(layout.address, n_chunks, filtered)
        for start, entry in zip(itertools.product(*starts), entries, strict=True):
            address, stored, skipped = entry
            if address != UNDEFINED:
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
                yield from [(UNDEFINED, 0, 0)] * n_here
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
