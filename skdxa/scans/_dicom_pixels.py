"""The pixels of one frame of a DICOM file, decoded after their stated sizes have been checked."""

import itertools
import math
import re
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import (
    AllTransferSyntaxes,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from skdxa.exceptions import ScanReadError
from skdxa.scans._content import check_size
from skdxa.scans._dicom_elements import unusable
from skdxa.scans._frames import choose_frame
from skdxa.scans._picture_checks import check_scans

_ITEM, _DELIMITER = 0xFFFEE000, 0xFFFEE0DD
# A scan has one fragment, or a few.
_MOST_FRAGMENTS = 100_000
# As much may follow the pixels if it is zero: some writers fill up a block.
_LONGEST_PADDING = 2**16

_RLE_HEADER = 64
_START_OF_IMAGE = b"\xff\xd8"
_START_OF_CODESTREAM = b"\xff\x4f\xff\x51"
_JP2 = b"\x00\x00\x00\x0cjP  "
_END = b"\xff\xd9"
# Start of a frame in a JPEG or JPEG-LS stream, but for 0xC4, 0xC8 and 0xCC.
_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
# JPEG markers that stand alone.
_BARE_MARKERS = {0x01, *range(0xD0, 0xD9)}

_DICOM_UID = re.compile(r"1\.2\.840\.10008\.[0-9.]{1,40}")


@dataclass(frozen=True)
class _Shape:
    """What the header states of the stored values of one frame."""

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    is_signed: bool

    @property
    def n_bytes(self):
        """Bytes of a frame when it is not compressed."""
        return math.ceil(self.rows * self.columns * self.bits_allocated / 8)


@dataclass(frozen=True, eq=False)
class _Frame:
    """What is handed to a decoder: the frame alone, or all frames where they share bytes."""

    content: bytes
    index: int = 0
    n_frames: int = 1
    # Bits of the pixels as a compressed stream states them.
    precision: int | None = None


def read_frame(elements, pixels, options):
    """Return the stored values of one frame.

    Parameters
    ----------
    elements : Elements
        The header.
    pixels : PixelElement
        Where the file holds the pixels.
    options : object
        What the caller of `read_scan` states: `frame` and `max_pixels`.

    Returns
    -------
    stored : ndarray of shape (n_rows, n_columns)
        Whole numbers, or floats from FloatPixelData and DoubleFloatPixelData.
    frame : int
        Number of the frame, counted from 0.
    """
    shape = _shape(elements, pixels)
    check_size((shape.rows, shape.columns), options.max_pixels, what="the DICOM image")
    decoder = _decoder(pixels.syntax)
    n_frames = elements.whole("NumberOfFrames", least=1) or 1
    if n_frames > 1:
        choose_frame(n_frames, options.frame, what="the DICOM file")
    frames = _encapsulated_frames if pixels.syntax.is_encapsulated else _native_frames
    n_frames, read = frames(pixels, shape, n_frames)
    frame = choose_frame(n_frames, options.frame, what="the DICOM file")
    return _decode(decoder, read(frame), pixels, shape, elements.whole("HighBit")), frame


def _shape(elements, pixels):
    rows, columns = (elements.whole(keyword, least=1) for keyword in ("Rows", "Columns"))
    if pixels.keyword != "PixelData":
        bits = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}[pixels.keyword]
        if pixels.syntax.is_encapsulated:
            raise unusable(pixels.keyword, "is compressed, which DICOM does not define")
        return _Shape(rows, columns, bits, bits, is_signed=True)
    allocated = elements.whole("BitsAllocated")
    stored = elements.whole("BitsStored")
    if allocated not in (1, 8, 16, 32, 64):
        raise unusable("BitsAllocated", "is none of 1, 8, 16, 32 and 64")
    if not 1 <= stored <= allocated:
        raise unusable("BitsStored", f"is not from 1 to the {allocated} bits allocated")
    sign = elements.whole("PixelRepresentation")
    if sign > 1:
        raise unusable("PixelRepresentation", "is neither 0 nor 1")
    return _Shape(rows, columns, allocated, stored, is_signed=sign == 1)


# Transfer syntaxes


def syntax_name(syntax):
    """Return the name of a transfer syntax; one that DICOM does not know may hold any text."""
    if syntax in AllTransferSyntaxes:
        return syntax.name
    return str(syntax) if _DICOM_UID.fullmatch(syntax) else "unknown"


def _decoder(syntax):
    try:
        decoder = get_decoder(syntax) if syntax in AllTransferSyntaxes else None
    except NotImplementedError:
        decoder = None
    if decoder is None or not decoder.is_available:
        raise _undecodable(syntax, decoder)
    return decoder


def _undecodable(syntax, decoder):
    remedy = "Export the scan uncompressed."
    if decoder is not None:
        remedy = (
            'Install pylibjpeg and its plugins with pip install "skdxa[compressed]", or export '
            "the scan uncompressed."
        )
    return ScanReadError(
        f"no decoder is installed for the pixels' encoding ({syntax_name(syntax)}). {remedy}",
        reason="unsupported image",
    )


# Frames that are not compressed


def _native_frames(pixels, shape, n_frames):
    """Return the number of frames and a function that reads one."""
    if pixels.length is None:
        raise ScanReadError(
            "the DICOM file says that its pixels are not compressed, but holds them as if they "
            "were. Export the scan again.",
            reason="damaged file",
        )
    bits = shape.rows * shape.columns * shape.bits_allocated
    n_bytes = math.ceil(n_frames * bits / 8)
    if pixels.length < n_bytes:
        raise _cut_short(f"{pixels.length:,} bytes of pixels in place of {n_bytes:,}")
    excess = pixels.length - n_bytes
    if excess >= shape.n_bytes and excess % shape.n_bytes <= 1:
        n_frames += excess // shape.n_bytes
        n_bytes = math.ceil(n_frames * bits / 8)
    elif excess > 1:
        _check_padding(pixels, n_bytes, excess)

    def read(frame):
        # Frames of single bits, and those in swapped pairs of bytes, need not begin at a byte
        # of their own.
        share_bytes = shape.bits_allocated == 1 or pixels.syntax == ExplicitVRBigEndian
        first, last = frame * shape.n_bytes, (frame + 1) * shape.n_bytes
        if share_bytes:
            first, last = 0, n_bytes + n_bytes % 2
        content = pixels.read(first, min(last, pixels.length))
        if len(content) < min(last, n_bytes) - first:
            raise _cut_short("fewer bytes of pixels than it states")
        return _Frame(content, frame, n_frames) if share_bytes else _Frame(content)

    return n_frames, read


def _check_padding(pixels, n_bytes, excess):
    padding = b"x"
    if excess <= _LONGEST_PADDING:
        padding = pixels.read(n_bytes, n_bytes + excess)
    if padding.strip(b"\0"):
        raise ScanReadError(
            f"the DICOM file is damaged: it states {pixels.length:,} bytes of pixels, but an "
            f"image of its size has {n_bytes:,}. Export or copy it again.",
            reason="damaged file",
        )


# Frames that are compressed, each in one or several fragments


def _encapsulated_frames(pixels, shape, n_frames):
    """Return the number of frames and a function that reads one."""
    # The first item is a table of offsets, which is often empty or wrong. Where frames begin
    # can be told from the fragments themselves.
    fragments = _fragments(pixels)[1:]
    if not fragments:
        raise _cut_short("no compressed pixels")
    if pixels.syntax == RLELossless:
        frames = [[fragment] for fragment in fragments]
    else:
        frames = []
        for fragment in fragments:
            if _begins_frame(pixels, fragment) or not frames:
                frames.append([])
            frames[-1].append(fragment)
    if len(frames) < n_frames:
        raise _cut_short(f"{len(frames)} of its {n_frames} frames")

    def read(frame):
        content = b"".join(pixels.read(*fragment) for fragment in frames[frame])
        precision = _check_compressed(content, pixels.syntax, shape)
        if pixels.syntax == RLELossless:
            return _Frame(_unpacked_runs(content, shape))
        if pixels.syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
            content = _all_coefficients(content)
        return _Frame(encapsulate([content], has_bot=False), precision=precision)

    return len(frames), read


def _fragments(pixels):
    """Return the first and last position of the items; pydicom's parser does not check bounds."""
    size = pixels.size()
    position, fragments = 0, []
    while len(fragments) <= _MOST_FRAGMENTS:
        head = pixels.read(position, position + 8)
        if len(head) < 8:
            raise _cut_short("compressed pixels without an end")
        group, element, length = struct.unpack("<HHL", head)
        position += 8
        if group << 16 | element == _DELIMITER:
            return fragments
        if group << 16 | element != _ITEM:
            break
        if length > size - position:
            raise _cut_short("fewer bytes of compressed pixels than it states")
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
        raise _cut_short("compressed pixels without an end")
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
        raise _cut_short(f"{n_segments} planes of run lengths in place of {n_bytes}")
    # A run of one pixel takes two bytes, and no encoder does worse. A run of nothing takes one,
    # so a longer frame could keep the decoder busy for ever.
    longest = _RLE_HEADER + n_bytes * (2 * shape.rows * shape.columns + 2)
    if len(content) > longest:
        raise ScanReadError(
            f"the DICOM file is damaged: {len(content):,} bytes of run lengths are more than "
            f"any image of its size needs ({longest:,}). Export or copy it again.",
            reason="damaged file",
        )


def _unpacked_runs(content, shape):
    """Return the bytes of a frame from its run lengths, the lowest byte of a pixel first.

    pydicom's own decoder, in Python, takes seconds for an image of many short runs.
    """
    n_bytes, n_pixels = shape.bits_allocated // 8, shape.rows * shape.columns
    frame = np.empty((n_pixels, n_bytes), dtype=np.uint8)
    starts = struct.unpack_from(f"<{n_bytes}L", content, 4)
    # Each plane holds one byte of all pixels; the highest comes first.
    for plane, ends in enumerate(itertools.pairwise((*starts, len(content))), start=1):
        runs = content[slice(*ends)]
        if _unpacked(runs, n_pixels + _LONGEST_PADDING) is not None:
            raise ScanReadError(
                "the DICOM file is damaged: its run lengths are those of a larger image. Export "
                "or copy it again.",
                reason="damaged file",
            )
        pixels = _unpacked(runs, n_pixels)
        if pixels is None:
            raise _cut_short("fewer run lengths than pixels")
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


# Decoding


def _decode(decoder, frame, pixels, shape, high_bit):
    is_float = pixels.keyword != "PixelData"
    if pixels.syntax == RLELossless:
        # The run lengths have been unpacked.
        decoder = get_decoder(ExplicitVRLittleEndian)
    plugin = ""
    allocated, stored = shape.bits_allocated, shape.bits_stored
    if pixels.syntax in set(JPEGTransferSyntaxes) - set(JPEGLSTransferSyntaxes):
        # The decoders return bytes for up to 8 bits, however many are allocated.
        allocated = 8 if frame.precision <= 8 else 16
        stored = min(stored, allocated)
        is_complete = "pylibjpeg" in decoder.available_plugins
        if pixels.syntax == JPEGExtended12Bit and frame.precision > 8 and not is_complete:
            raise _undecodable(pixels.syntax, decoder)
        # Lossy decoders round differently, and Pillow is always installed.
        if pixels.syntax in (JPEGBaseline8Bit, JPEGExtended12Bit) and allocated == 8:
            plugin = "pillow"
    # Where the header contradicts itself, all bits are kept for a closer look.
    is_odd = high_bit not in (None, stored - 1) and not is_float
    try:
        array, _ = decoder.as_array(
            frame.content,
            index=frame.index,
            number_of_frames=frame.n_frames,
            rows=shape.rows,
            columns=shape.columns,
            samples_per_pixel=1,
            bits_allocated=allocated,
            bits_stored=allocated if is_odd else stored,
            photometric_interpretation="MONOCHROME2",
            pixel_representation=int(shape.is_signed),
            pixel_keyword=pixels.keyword,
            pixel_vr=pixels.value_type or "OW",
            decoding_plugin=plugin,
        )
    except MemoryError:
        raise
    # Each decoder has errors of its own.
    except Exception as error:
        raise _damaged(pixels.syntax, decoder, error) from None
    if is_odd:
        _check_bits(array, stored, is_signed=shape.is_signed)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check_bits(array, bits_stored, *, is_signed):
    """Raise an error if values use other bits than the lowest ones."""
    low, high = (-(2 ** (bits_stored - 1)), 2 ** (bits_stored - 1) - 1)
    if not is_signed:
        low, high = 0, 2**bits_stored - 1
    if array.min() < low or array.max() > high:
        raise unusable("HighBit", "contradicts BitsStored, so that the pixels cannot be told")


def _damaged(syntax, decoder, error):
    hint = ""
    needs_plugins = syntax.is_encapsulated and syntax != RLELossless
    if needs_plugins and "pylibjpeg" not in decoder.available_plugins:
        hint = (
            ' If other software reads it, install more decoders with pip install "skdxa'
            '[compressed]".'
        )
    return ScanReadError(
        f"the pixel data are damaged or cut short ({type(error).__name__} while decoding "
        f"{syntax_name(syntax)}). Export or copy the file again.{hint}",
        reason="damaged file",
    )


def _cut_short(what):
    return ScanReadError(
        f"the pixel data are damaged or cut short: the DICOM file holds {what}. Export or copy "
        "it again.",
        reason="damaged file",
    )
