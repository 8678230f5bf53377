"""The pixels of one frame of a DICOM file, decoded after their stated sizes have been checked."""

import math
import re

from pydicom.pixels import get_decoder
from pydicom.uid import (
    AllTransferSyntaxes,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from skdxa.exceptions import ScanReadError
from skdxa.scans._content import check_size
from skdxa.scans._dicom_compressed import compressed_frames
from skdxa.scans._dicom_elements import unusable
from skdxa.scans._dicom_frame import LONGEST_PADDING, Frame, Shape, cut_short
from skdxa.scans._frames import choose_frame

_DICOM_UID = re.compile(r"1\.2\.840\.10008\.[0-9.]{1,40}")


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
    frames = compressed_frames if pixels.syntax.is_encapsulated else _native_frames
    n_frames, read = frames(pixels, shape, n_frames)
    frame = choose_frame(n_frames, options.frame, what="the DICOM file")
    return _decode(decoder, read(frame), pixels, shape, elements.whole("HighBit")), frame


def _shape(elements, pixels):
    rows, columns = (elements.whole(keyword, least=1) for keyword in ("Rows", "Columns"))
    if pixels.keyword != "PixelData":
        bits = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}[pixels.keyword]
        if pixels.syntax.is_encapsulated:
            raise unusable(pixels.keyword, "is compressed, which DICOM does not define")
        return Shape(rows, columns, bits, bits, is_signed=True)
    allocated = elements.whole("BitsAllocated")
    stored = elements.whole("BitsStored")
    if allocated not in (1, 8, 16, 32, 64):
        raise unusable("BitsAllocated", "is none of 1, 8, 16, 32 and 64")
    if not 1 <= stored <= allocated:
        raise unusable("BitsStored", f"is not from 1 to the {allocated} bits allocated")
    sign = elements.whole("PixelRepresentation")
    if sign > 1:
        raise unusable("PixelRepresentation", "is neither 0 nor 1")
    return Shape(rows, columns, allocated, stored, is_signed=sign == 1)


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
        raise cut_short(f"{pixels.length:,} bytes of pixels in place of {n_bytes:,}")
    excess = pixels.length - n_bytes
    if excess >= shape.n_bytes and excess % shape.n_bytes <= 1:
        n_frames += excess // shape.n_bytes
        n_bytes = math.ceil(n_frames * bits / 8)
    elif excess > 1:
        _check_padding(pixels, n_bytes, excess)

    def read(frame):
        # Frames of single bits, and those in swapped pairs of bytes, need not begin at a new byte.
        share_bytes = shape.bits_allocated == 1 or pixels.syntax == ExplicitVRBigEndian
        first, last = frame * shape.n_bytes, (frame + 1) * shape.n_bytes
        if share_bytes:
            first, last = 0, n_bytes + n_bytes % 2
        content = pixels.read(first, min(last, pixels.length))
        if len(content) < min(last, n_bytes) - first:
            raise cut_short("fewer bytes of pixels than it states")
        return Frame(content, frame, n_frames) if share_bytes else Frame(content)

    return n_frames, read


def _check_padding(pixels, n_bytes, excess):
    padding = b"x"
    if excess <= LONGEST_PADDING:
        padding = pixels.read(n_bytes, n_bytes + excess)
    if padding.strip(b"\0"):
        raise ScanReadError(
            f"the DICOM file is damaged: it states {pixels.length:,} bytes of pixels, but an "
            f"image of its size has {n_bytes:,}. Export or copy it again.",
            reason="damaged file",
        )


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
    # Each decoder has its own errors.
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
        raise unusable("HighBit", "contradicts BitsStored, so that the pixel values are ambiguous")


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
