"""Compressed frames of a DICOM file: where they begin, and checks before they are decoded."""

import itertools
import math
import struct

import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGBaseline8Bit, JPEGExtended12Bit, RLELossless

from skdxa.exceptions import ScanReadError
from skdxa.scans._dicom_elements import unusable
from skdxa.scans._dicom_frame import LONGEST_PADDING, Frame, cut_short
from skdxa.scans._picture_checks import check_scans

_ITEM, _DELIMITER = 0xFFFEE000, 0xFFFEE0DD
# A scan has one fragment, or a few.
_MOST_FRAGMENTS = 100_000

_RLE_HEADER = 64
_START_OF_IMAGE = b"\xff\xd8"
_START_OF_CODESTREAM = b"\xff\x4f\xff\x51"
_JP2 = b"\x00\x00\x00\x0cjP  "
_END = b"\xff\xd9"
# Start of a frame in a JPEG or JPEG-LS stream, but for 0xC4, 0xC8 and 0xCC.
_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
# JPEG markers without a length.
_BARE_MARKERS = {0x01, *range(0xD0, 0xD9)}


def compressed_frames(pixels, shape, n_frames):
    """Return the number of frames and a function that reads one.

    Parameters
    ----------
    pixels : PixelElement
        Compressed frames, each in one or several fragments.
    shape : Shape
    n_frames : int
        The number that the header states; an error is raised if there are fewer.
    """
    # The first item is a table of offsets, which is often empty or wrong. Where frames begin is
    # evident from the fragments themselves.
    fragments = _fragments(pixels)[1:]
    if not fragments:
        raise cut_short("no compressed pixels")
    if pixels.syntax == RLELossless:
        frames = [[fragment] for fragment in fragments]
    else:
        frames = []
        for fragment in fragments:
            if _begins_frame(pixels, fragment) or not frames:
                frames.append([])
            frames[-1].append(fragment)
    if len(frames) < n_frames:
        raise cut_short(f"{len(frames)} of its {n_frames} frames")

    def read(frame):
        content = b"".join(pixels.read(*fragment) for fragment in frames[frame])
        precision = _check_compressed(content, pixels.syntax, shape)
        if pixels.syntax == RLELossless:
            return Frame(_unpacked_runs(content, shape))
        if pixels.syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
            content = _all_coefficients(content)
        return Frame(encapsulate([content], has_bot=False), precision=precision)

    return len(frames), read


def _fragments(pixels):
    """Return the first and last position of the items; pydicom's parser does not check bounds."""
    size = pixels.size()
    position, fragments = 0, []
    while len(fragments) <= _MOST_FRAGMENTS:
        head = pixels.read(position, position + 8)
        if len(head) < 8:
            raise cut_short("compressed pixels without an end")
        group, element, length = struct.unpack("<HHL", head)
        position += 8
        if group << 16 | element == _DELIMITER:
            return fragments
        if group << 16 | element != _ITEM:
            break
        if length > size - position:
            raise cut_short("fewer bytes of compressed pixels than it states")
        fragments.append((position, position + length))
        position += length
    raise ScanReadError(
        "the DICOM file is damaged: its compressed pixels are not in fragments. Export or copy "
        "it again.",
        reason="damaged file",
    )


def _begins_frame(pixels, fragment):
    first, last = fragment
    head = pixels.read(first, min(last, first + 8))
    return head.startswith((_START_OF_IMAGE, _START_OF_CODESTREAM, _JP2))


def _check_compressed(content, syntax, shape):
    """Return the bits of a compressed frame, or None for run lengths.

    A frame that is cut short, or not of the size that the header states, is refused.
    """
    if syntax == RLELossless:
        _check_runs(content, shape)
        return None
    # What follows the end fills up the fragment.
    if not content.rstrip(b"\0\xff").endswith(_END):
        raise cut_short("compressed pixels without an end")
    found = _j2k_size(content) if syntax in JPEG2000TransferSyntaxes else _jpeg_size(content)
    if found is None:
        raise ScanReadError(
            "the DICOM file is damaged: its compressed pixels are not what the header says. "
            "Export or copy it again.",
            reason="damaged file",
        )
    rows, columns, samples, precision = found
    if (rows, columns, samples) != (shape.rows, shape.columns, 1):
        raise ScanReadError(
            f"the DICOM file is damaged: its header says {shape.rows} x {shape.columns} pixels "
            f"in 1 channel, its compressed pixels {rows} x {columns} in {samples}. Export the "
            "scan again.",
            reason="damaged file",
        )
    if syntax not in JPEG2000TransferSyntaxes:
        check_scans(content, rows * columns)
    if precision > shape.bits_allocated:
        raise unusable("BitsAllocated", f"is less than the {precision} bits of the pixels")
    return precision


def _check_runs(content, shape):
    n_segments = struct.unpack("<L", content[:4])[0] if len(content) > _RLE_HEADER else 0
    n_bytes = math.ceil(shape.bits_allocated / 8)
    if shape.bits_allocated % 8:
        raise unusable("BitsAllocated", "is not a whole number of bytes, as run lengths need")
    if n_segments != n_bytes:
        raise cut_short(f"{n_segments} planes of run lengths in place of {n_bytes}")
    # A run of one pixel needs two bytes, and no encoder needs more. An empty run needs one, so
    # that a longer frame could occupy the decoder without end.
    longest = _RLE_HEADER + n_bytes * (2 * shape.rows * shape.columns + 2)
    if len(content) > longest:
        raise ScanReadError(
            f"the DICOM file is damaged: {len(content):,} bytes of run lengths are more than "
            f"any image of its size needs ({longest:,}). Export or copy it again.",
            reason="damaged file",
        )


def _unpacked_runs(content, shape):
    """Return the bytes of a frame from its run lengths, the lowest byte of a pixel first.

    The decoder of pydicom, written in Python, needs seconds for an image of many short runs.
    """
    n_bytes, n_pixels = shape.bits_allocated // 8, shape.rows * shape.columns
    frame = np.empty((n_pixels, n_bytes), dtype=np.uint8)
    starts = struct.unpack_from(f"<{n_bytes}L", content, 4)
    # Each plane holds one byte of all pixels; the highest comes first.
    for plane, ends in enumerate(itertools.pairwise((*starts, len(content))), start=1):
        runs = content[slice(*ends)]
        if _unpacked(runs, n_pixels + LONGEST_PADDING) is not None:
            raise ScanReadError(
                "the DICOM file is damaged: its run lengths are those of a larger image. Export "
                "or copy it again.",
                reason="damaged file",
            )
        pixels = _unpacked(runs, n_pixels)
        if pixels is None:
            raise cut_short("fewer run lengths than pixels")
        frame[:, n_bytes - plane] = pixels
    return frame.tobytes()


def _unpacked(runs, n_pixels):
    """Return the first pixels of a plane as one row, None if there are fewer."""
    try:
        # DICOM's run lengths are those of PackBits.
        row = Image.frombytes("L", (n_pixels, 1), runs, "packbits", "L")
    except ValueError:
        return None
    return np.asarray(row)[0]


def _jpeg_size(content):
    """Return rows, columns, channels and bits of a JPEG or JPEG-LS stream, or None."""
    position = 2
    while content.startswith(_START_OF_IMAGE) and position + 10 <= len(content):
        if content[position] != 0xFF:
            return None
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker in _BARE_MARKERS:
            position += 2
        elif marker in _FRAME_MARKERS:
            precision, rows, columns, samples = struct.unpack_from(">BHHB", content, position + 4)
            return rows, columns, samples, precision
        else:
            position += 2 + struct.unpack_from(">H", content, position + 2)[0]
    return None


def _all_coefficients(content):
    """Return a sequential JPEG stream whose scan states that it holds all coefficients.

    It cannot hold others, but some encoders state 0 to 0, which strict decoders refuse.
    """
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        end = position + 2 + struct.unpack_from(">H", content, position + 2)[0]
        if marker == _START_OF_SCAN and end <= len(content):
            return content[: end - 3] + b"\0\x3f\0" + content[end:]
        position = end
    return content


def _j2k_size(content):
    """Return rows, columns, channels and bits of a JPEG 2000 codestream, or None."""
    start = content.find(_START_OF_CODESTREAM)
    if start < 0 or len(content) < start + 43:
        return None
    right, lower, left, upper = struct.unpack_from(">4L", content, start + 8)
    samples, precision = struct.unpack_from(">HB", content, start + 40)
    return lower - upper, right - left, samples, (precision & 0x7F) + 1
