"""Groups of many in an HDF5 file: a heap holds their links and a tree lists them."""

import bisect
import struct

from skdxa.scans._hdf5_messages import UNDEFINED, Damaged, Unsupported, parse_link

MOST_LINKS = 100_000
LARGEST_BLOCK = 1 << 20


class DenseLinks:
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
        if not (powers and self._first <= self._largest <= LARGEST_BLOCK and 0 < bits <= 64):
            raise Damaged("a group's names are broken")
        if not 0 < self._width <= 64 or self._rows > 64:
            raise Damaged("a group's names are broken")
        self._id_length = id_length
        self._offset_width = -(-bits // 8)
        most = struct.unpack_from("<I", head, 10)[0]
        self._length_width = min(
            (self._largest.bit_length() + 6) // 8, (most.bit_length() + 7) // 8
        )
        self._blocks = list(self._find_blocks())
        self._starts = [start for start, _, _ in self._blocks]

    def _find_blocks(self):
        """Yield a block's first position in the heap, its address in the file and its size."""
        if self._rows == 0:
            yield 0, self._root, self._first
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
                if address != UNDEFINED:
                    yield start, address, size
                start, at = start + size, at + 8

    def read(self):
        """Return the links by name."""
        head = self._read(self._index, 38)
        if head[:4] != b"BTHD" or head[5] != 5:
            raise Damaged("a group's list is broken")
        node_size, record_size, depth = struct.unpack_from("<IHH", head, 6)
        root, n_records = struct.unpack_from("<QH", head, 16)
        total = struct.unpack_from("<Q", head, 26)[0]
        if record_size != 4 + self._id_length or node_size > LARGEST_BLOCK or depth > 8:
            raise Damaged("a group's list is broken")
        if total > MOST_LINKS:
            raise Unsupported(f"has more than {MOST_LINKS:,} objects in a group")
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
        number = bisect.bisect_right(self._starts, start) - 1
        if number < 0:
            raise Damaged("a group's names are broken")
        first, address, size = self._blocks[number]
        if start + length > first + size:
            raise Damaged("a group's names are broken")
        return parse_link(self._read(address + start - first, length))
