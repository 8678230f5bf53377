"""Checks that Pillow does not make.

Pictures of a few kilobytes can take it minutes or gigabytes, and a PNG picture may hold fewer
pixels than it says.
"""

import struct
import zlib
from io import BytesIO

import numpy as np

from skdxa.exceptions import ScanReadError

# Chunks of a PNG picture; each takes about 10 microseconds.
_MOST_CHUNKS = 50_000
# Samples of a pixel by the type of colour; first column and row, and steps, of interlaced passes.
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
# Bytes inflated at a time.
_PIECE = 2**16
# Segments of a JPEG picture before its pixels.
_MOST_SEGMENTS = 2_000
_MOST_FILL_BYTES = 1_000
# Each scan of a JPEG picture goes over all of its pixels; there are 10 in most that have several.
_MOST_SCANNED = 640_000_000
_START_OF_SCAN = b"\xff\xda"
_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = {0x01, *range(0xD0, 0xDA)}
# Limits of a TIFF picture: directories (one per page), their entries, and the pieces in which a
# page is stored.
_MOST_DIRECTORIES = 1_000
_MOST_ENTRIES = 50_000
_MOST_STRIPS = 30_000
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_STRIP_OFFSETS, _TILE_OFFSETS = 273, 324
_DIRECTORIES_BELOW = (0x8769, 0x8825, 0xA005)
_SIZES = np.zeros(2**16, dtype=np.int64)
_SIZES[[1, 2, 6, 7]] = 1
_SIZES[[3, 8]] = 2
_SIZES[[4, 9, 11, 13]] = 4
_SIZES[[5, 10, 12, 16, 17, 18]] = 8
# Run lengths of a BMP picture, which Pillow unpacks in Python.
_LONGEST_RUNS = 2 * 2**20


def check_picture(file, kind, max_pixels):
    """Raise a `ScanReadError` if a picture would take Pillow too long or too much memory.

    Parameters
    ----------
    file : binary file object
        Open for reading; it is put back to its start.
    kind : {"PNG", "JPEG", "TIFF", "BMP"}
        The format.
    max_pixels : int
        Largest number of pixels.
    """
    file.seek(0)
    if kind == "JPEG":
        _check_jpeg(file)
    elif kind == "BMP":
        _check_bmp(file)
    else:
        check = _check_png if kind == "PNG" else check_directories
        check(file, max_pixels)
    file.seek(0)


def check_scans(content, n_pixels):
    """Raise a `ScanReadError` if a JPEG stream goes over its pixels too often.

    Parameters
    ----------
    content : bytes
        The stream.
    n_pixels : int
        Number of its pixels.
    """
    if content.count(_START_OF_SCAN) * n_pixels > _MOST_SCANNED:
        raise ScanReadError(
            "the JPEG stream holds more scans of its pixels than are decoded. Export the scan "
            "in another format.",
            reason="too large",
        )


def _check_png(file, max_pixels):
    size, at, head, pixels = file.seek(0, 2), 8, b"", []
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        start = file.read(8)
        if at >= size or len(start) < 8:
            break
        length = int.from_bytes(start[:4], "big")
        if start[4:] == b"IHDR":
            head = file.read(min(length, 13))
        elif start[4:] == b"IDAT":
            pixels.append((at + 8, length))
        at += 12 + length
    else:
        raise _too_many("chunks")
    if len(head) == 13:
        width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head)
        n_bytes = _png_bytes(width, height, bits * _SAMPLES.get(colour, 1), interlaced)
        if width * height <= max_pixels and not _inflates_to(file, pixels, n_bytes):
            raise ScanReadError(
                "the PNG picture is damaged or cut short: it holds fewer pixels than it says. "
                "Export it again.",
                reason="damaged file",
            )


def _png_bytes(width, height, bits, interlaced):
    """Return the length of a PNG picture's lines, each with the byte in front that filters it."""
    n_bytes = 0
    for left, top, step, jump in _PASSES if interlaced else ((0, 0, 1, 1),):
        n_columns, n_rows = -(-(width - left) // step), -(-(height - top) // jump)
        if n_columns > 0 and n_rows > 0:
            n_bytes += n_rows * (1 + -(-n_columns * bits // 8))
    return n_bytes


def _inflates_to(file, places, n_bytes):
    """Return whether parts of a file inflate to a length at least; Pillow takes any."""
    inflating, left = zlib.decompressobj(), n_bytes
    try:
        for at, length in places:
            file.seek(at)
            while left > 0 and length > 0 and (part := file.read(min(length, _PIECE // 4))):
                length -= len(part)
                while left > 0 and part:
                    left -= len(inflating.decompress(part, min(left, _PIECE)))
                    part = inflating.unconsumed_tail
    except zlib.error:
        return False
    return left <= 0


def _check_jpeg(file):
    content = file.read()
    at, n_segments, n_fill, n_pixels, exif = 2, 0, 0, 0, b""
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:
            n_fill, at = n_fill + 1, at + 1
        elif marker in _BARE_MARKERS:
            n_segments, at = n_segments + 1, at + 2
        elif marker == _START_OF_SCAN[1]:
            break
        else:
            length = struct.unpack_from(">H", content, at + 2)[0]
            segment = content[at + 4 : at + 2 + length]
            n_segments, at = n_segments + 1, at + 2 + max(length, 2)
            if marker in _FRAME_MARKERS and len(segment) >= 5:
                n_pixels = max(n_pixels, np.prod(struct.unpack_from(">HH", segment, 1)))
            elif marker == 0xE1 and segment.startswith(b"Exif\0\0"):
                exif += segment[6:]
            elif marker == 0xE2 and segment.startswith(b"MPF\0"):
                check_directories(BytesIO(segment[4:]), 1)
        if n_segments > _MOST_SEGMENTS or n_fill > _MOST_FILL_BYTES:
            raise _too_many("segments")
    if exif:
        check_directories(BytesIO(exif), 1)
    check_scans(content, int(n_pixels))


def _check_bmp(file):
    head = file.read(34)
    is_run_length_encoded = len(head) == 34 and head[30] in (1, 2)
    if is_run_length_encoded and file.seek(0, 2) > _LONGEST_RUNS:
        raise _too_many("run lengths")


def check_directories(file, max_pixels):
    """Raise a `ScanReadError` if directories of TIFF or Exif hold more than is read.

    Parameters
    ----------
    file : binary file object
        Open for reading: a TIFF picture or the Exif data of another.
    max_pixels : int
        Largest number of pixels of a tile.
    """
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(16)
    order = "<" if head.startswith(b"I") else ">"
    is_big = head[2:4] in (b"+\0", b"\0+")
    whole, width = ("Q", 8) if is_big else ("I", 4)
    kinds = f"{order}u2", f"{order}u2", f"{order}u{width}", f"{order}u{width}"
    entry = np.dtype(list(zip(("tag", "type", "count", "value"), kinds, strict=True)))
    if len(head) < 2 * width:
        return
    pending, seen = [struct.unpack_from(order + whole, head, width)[0]], set()
    n_entries = n_bytes = 0
    while pending:
        at = pending.pop()
        if at in seen or not 0 < at < size:
            continue
        seen.add(at)
        file.seek(at)
        counted = file.read(8 if is_big else 2)
        count = int.from_bytes(counted, "little" if order == "<" else "big")
        n_entries += count
        if len(seen) > _MOST_DIRECTORIES or n_entries > _MOST_ENTRIES:
            raise _too_many("pages or entries")
        content = file.read(count * entry.itemsize)
        entries = np.frombuffer(content, entry, len(content) // entry.itemsize)
        counts = np.minimum(entries["count"].astype(np.uint64), 2**40).astype(np.int64)
        lengths = _SIZES[entries["type"]] * counts
        n_bytes += int(lengths[lengths > width].sum())
        if n_bytes > size:
            raise ScanReadError(
                "the picture is damaged: its entries are longer than the file. Export it again.",
                reason="damaged file",
            )
        _check_pieces(entries, order, width, max_pixels)
        for tag in _DIRECTORIES_BELOW:
            pending += [int(value) for value in entries["value"][entries["tag"] == tag]]
        following = file.read(width)
        if len(following) == width:
            pending.append(struct.unpack(order + whole, following)[0])


def _check_pieces(entries, order, width, max_pixels):
    def value(tag):
        found = entries[entries["tag"] == tag]
        if not len(found):
            return 0
        number = int(found["value"][-1])
        # A short number is at the start of the field.
        return number >> 8 * (width - 2) if order == ">" and found["type"][-1] == 3 else number

    pieces = entries["count"][np.isin(entries["tag"], (_STRIP_OFFSETS, _TILE_OFFSETS))]
    if pieces.max(initial=0) > _MOST_STRIPS:
        raise _too_many("strips or tiles")
    if value(_TILE_WIDTH) * value(_TILE_LENGTH) > max(max_pixels, 2**20):
        raise _too_many("pixels in a tile")


def _too_many(what):
    return ScanReadError(
        f"the picture holds more {what} than are read. Export the scan alone, or in another "
        "format.",
        reason="too large",
    )
