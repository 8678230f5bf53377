"""Frames, lengths and decoders of a DICOM file."""

import struct

import numpy as np
import pytest
from dicom_files import J2K_HEAD, MILLI, run_length_encoded
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import (
    MPEG2MPML,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from scan_files import PIXELS, refusal, write_dicom

from skdxa.scans import read_scan


@pytest.mark.parametrize(
    ("syntax", "remedy"),
    [
        (JPEGLSLossless, 'Install pylibjpeg and its plugins with pip install "skdxa[compressed]"'),
        # Nothing that can be installed decodes a film.
        (MPEG2MPML, "Export the scan uncompressed"),
    ],
)
def test_missing_decoder(file, syntax, remedy, monkeypatch):
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", False)
    write_dicom(file, syntax=syntax, PixelData=encapsulate([b"\0" * 64]))
    message = refusal(file)
    assert f"no decoder is installed for the pixels' encoding ({syntax.name})" in message
    assert remedy in message
    assert "damaged" not in message


def test_unknown_encoding(file):
    content = write_dicom(file).read_bytes()
    file.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))
    assert "encoding (1.2.840.10008.1.2.9)" in refusal(file)


def test_high_bit(file):
    # Left behind when values were shifted down: it changes nothing.
    write_dicom(file, MILLI, BitsStored=12, HighBit=15)
    np.testing.assert_array_equal(read_scan(file).pixels, MILLI)
    write_dicom(file, MILLI << 4, BitsStored=12, HighBit=15)
    assert "HighBit contradicts BitsStored" in refusal(file)
    # An overlay in the bits above.
    write_dicom(file, MILLI | 0xF000, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_scan(file).pixels, MILLI)


@pytest.mark.parametrize("has_offsets", [False, True])
@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, ExplicitVRBigEndian])
@pytest.mark.parametrize("pixels", [PIXELS, MILLI])
def test_frames(file, pixels, syntax, declared, has_offsets):
    frames = np.stack([pixels, pixels + 1, pixels + 2])
    elements = {"NumberOfFrames": 3} if declared else {}
    dtype = frames.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")
    data = frames.astype(dtype).tobytes()
    data += b"\0" * (len(data) % 2)
    if syntax == RLELossless:
        data = encapsulate([run_length_encoded(frame) for frame in frames], has_bot=has_offsets)
    elements |= {"Rows": 7, "Columns": 9, "PixelData": data}
    write_dicom(file, pixels, syntax=syntax, **elements)
    assert "holds 3 frames. Name the scan's frame with frame=, counted from 0" in refusal(file)
    for frame in range(3):
        np.testing.assert_array_equal(read_scan(file, frame=frame).pixels, frames[frame])
    assert "none of number 3" in refusal(file, frame=3)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (bytes(9), None),
        (bytes(449), None),
        (bytes(8) + b"x", "states 72 bytes of pixels, but an image of its size has 63"),
        (bytes(2**17), "of pixels, but an image of its size has 63"),
        (bytes(63), "holds 2 frames"),
        (bytes(126), "holds 3 frames"),
    ],
)
def test_bytes_after_the_pixels(file, more, reason):
    content = PIXELS.tobytes() + more
    write_dicom(file, PixelData=content + b"\0" * (len(content) % 2))
    if reason is None:
        np.testing.assert_array_equal(read_scan(file).pixels, PIXELS)
    else:
        assert reason in refusal(file)


def test_floating_point_pixels_are_not_compressed(file):
    write_dicom(
        file, syntax=RLELossless, PixelData=encapsulate([bytes(8)]), FloatPixelData=bytes(252)
    )
    assert "DICOM element FloatPixelData is compressed" in refusal(file)


def test_compressed_pixels_under_an_uncompressed_syntax(file):
    content = write_dicom(
        file, syntax=RLELossless, PixelData=encapsulate([run_length_encoded(PIXELS)])
    ).read_bytes()
    file.write_bytes(content.replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.1\0"))
    assert "says that its pixels are not compressed" in refusal(file)


def test_decoders_log_nothing(file, caplog):
    caplog.set_level("DEBUG")
    frame = J2K_HEAD.replace(struct.pack(">2L", 65535, 65535), struct.pack(">2L", 9, 7))
    write_dicom(file, syntax=JPEG2000Lossless, PixelData=encapsulate([frame]))
    assert "while decoding JPEG 2000" in refusal(file)
    assert caplog.records == []
    # As before for the caller's own use of pydicom.
    with pytest.raises(RuntimeError, match="Unable to decode"):
        pixel_array(file)
    assert caplog.records != []


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEGLosslessSV1, HTJ2KLossless])
def test_missing_plugins_are_named(file, syntax, monkeypatch):
    decoder = get_decoder(syntax)
    monkeypatch.setattr(decoder, "_available", {})
    write_dicom(file, syntax=syntax, PixelData=encapsulate([b"\xff\xd8\xff\xd9"]))
    message = refusal(file)
    assert 'pip install "skdxa[compressed]"' in message
    assert "damaged" not in message


def test_twelve_bits_need_more_than_pillow(file, monkeypatch):
    decoder = get_decoder(JPEGExtended12Bit)
    pillow = {"pillow": decoder._available["pillow"]}
    monkeypatch.setattr(decoder, "_available", pillow)
    frame = b"\xff\xd8\xff\xc1\x00\x0b\x0c\x00\x07\x00\x09\x01\x01\x11\x00\xff\xd9"
    write_dicom(file, MILLI, syntax=JPEGExtended12Bit, PixelData=encapsulate([frame]))
    message = refusal(file)
    assert 'pip install "skdxa[compressed]"' in message
    assert "damaged" not in message


def test_stated_size_is_compared_before_anything_is_decoded(file):
    write_dicom(file, Rows=65535, Columns=65535)
    message = refusal(file)
    assert "65535 x 65535 pixels, more than the 64,000,000" in message
    assert "7 x 9 pixels, more than the 62" in refusal(write_dicom(file), max_pixels=62)


def test_unknown_encoding_is_not_quoted(file):
    content = write_dicom(file).read_bytes()
    file.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"Secret^Name^1950012\0"))
    message = refusal(file)
    assert "encoding (unknown)" in message
    assert "SECRET" not in message.upper().replace(str(file).upper(), "")
