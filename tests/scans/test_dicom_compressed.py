"""Compressed frames, against other software and with damage."""

import io
import subprocess
import tracemalloc
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import J2K_HEAD, MILLI, dcmtk, run_length_encoded, smooth
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.uid import (
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from scan_files import PIXELS, refusal, write_dicom

from skdxa.scans import read_scan


def test_run_length_encoded_pixels_are_decoded(file):
    # One segment of literal runs, after the header of 64 bytes.
    runs = b"".join(bytes([8]) + row.tobytes() for row in PIXELS)
    frame = np.array([1, 64, *[0] * 14], dtype="<u4").tobytes() + runs
    write_dicom(file, syntax=RLELossless, PixelData=encapsulate([frame]))
    np.testing.assert_array_equal(read_scan(file).pixels, PIXELS)
    write_dicom(file, syntax=RLELossless, PixelData=encapsulate([frame[:80]]))
    assert "pixel data are damaged or cut short" in refusal(file)


def test_frames_in_several_fragments(file):
    needs("pylibjpeg", "libjpeg")
    start = b"\xff\xd8\xff\xc3\x00\x0b\x08\x00\x07\x00\x09\x01\x01\x11\x00"
    write_dicom(file, syntax=JPEGLosslessSV1, PixelData=encapsulate([start, start], has_bot=False))
    assert "holds 2 frames" in refusal(file)


def test_fewer_frames_than_stated(file):
    data = encapsulate([run_length_encoded(PIXELS)])
    write_dicom(file, syntax=RLELossless, NumberOfFrames=2, PixelData=data)
    assert "holds 1 of its 2 frames" in refusal(file, frame=0)


def test_pixels_without_a_delimiter(file):
    content = write_dicom(
        file, syntax=RLELossless, PixelData=encapsulate([run_length_encoded(PIXELS)])
    ).read_bytes()
    for length in range(1, 9 + 80, 8):
        file.write_bytes(content[:-length])
        assert "cut short" in refusal(file)
    file.write_bytes(content[: content.rindex(b"\xfe\xff\x00\xe0")] + b"Secret Name" + bytes(9))
    message = refusal(file)
    assert "not in fragments" in message
    assert "Secret" not in message


def test_no_fragments(file):
    content = write_dicom(file, syntax=RLELossless, PixelData=encapsulate([b"Secret"]))
    content = content.read_bytes()
    start = content.index(b"\xfe\xff\x00\xe0")
    file.write_bytes(content[: start + 4] + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4))
    assert "holds no compressed pixels" in refusal(file)


def needs(*modules):
    for module in modules:
        pytest.importorskip(module, reason=f"{module} (extra skdxa[compressed]) is not installed")


@pytest.mark.parametrize(
    ("encode", "decode", "bits"),
    [
        (["dcmcrle"], ["dcmdrle"], 8),
        (["dcmcrle"], ["dcmdrle"], 16),
        (["dcmcjpeg", "+eb"], ["dcmdjpeg"], 8),
        (["dcmcjpeg", "+ee"], ["dcmdjpeg"], 8),
        (["dcmcjpeg", "+ee"], ["dcmdjpeg"], 12),
        (["dcmcjpeg", "+e1"], ["dcmdjpeg"], 8),
        (["dcmcjpeg", "+el"], ["dcmdjpeg"], 16),
        (["dcmcjpls", "+el"], ["dcmdjpls"], 8),
        (["dcmcjpls", "+el"], ["dcmdjpls"], 16),
        (["dcmcjpls", "+en"], ["dcmdjpls"], 16),
    ],
    ids=lambda value: "".join(map(str, value)) if isinstance(value, list) else str(value),
)
def test_encodings_against_dcmtk(file, encode, decode, bits):
    if encode[0] != "dcmcrle":
        needs("pylibjpeg", "libjpeg")
    pixels = smooth(np.uint8 if bits == 8 else np.uint16, 2**bits - 1)
    plain = write_dicom(file.with_name("plain"), pixels, BitsStored=bits, HighBit=bits - 1)
    compressed, decoded = file.with_name("compressed"), file.with_name("decoded")
    program, *options = encode
    subprocess.run([dcmtk(program), *options, plain, compressed], check=True)
    subprocess.run([dcmtk(decode[0]), compressed, decoded], check=True)
    scan = read_scan(compressed)
    is_lossy = encode[-1] in ("+eb", "+ee", "+en")
    # Decoders of lossy JPEG of 12 bits round differently.
    tolerance = 1 if encode[-1] == "+ee" and bits == 12 else 0
    np.testing.assert_allclose(scan.pixels, read_scan(decoded).pixels, atol=tolerance, rtol=0)
    if not is_lossy:
        np.testing.assert_array_equal(scan.pixels, pixels)


@pytest.mark.parametrize(
    ("dtype", "bits"), [(np.uint8, 8), (np.uint16, 12), (np.uint16, 16), (np.int16, 16)]
)
def test_jpeg_2000(file, dtype, bits):
    needs("pylibjpeg", "openjpeg")
    peak = 2 ** (bits - (dtype == np.int16)) - 1
    pixels = smooth(dtype, peak)
    dataset = pydicom.dcmread(write_dicom(file, pixels, BitsStored=bits, HighBit=bits - 1))
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    dataset.save_as(file, enforce_file_format=True)
    np.testing.assert_array_equal(read_scan(file).pixels, pixels)


# MILLI as OpenJPH encodes it without loss.
HIGH_THROUGHPUT = bytes.fromhex(
    "ff4fff51002940000000000900000007000000000000000000000009000000070000000000000000"
    "00010f0101ff50000800020000000aff52000c00020001000504044001ff5c001320889090909090"
    "90909090909090888888ff64001700014f70656e4a50482056657220302e32362e332eff90000a00"
    "000000005e0001ff93c000268df80507740000c0001280e601077400a00009c094a4e400a23400a0"
    "000ab80002400a024050c1004201fcb600fc011300c00025800054400026e0200ce40000f002d9df"
    "a6e600e80cf3a6e500ffd9"
)


@pytest.mark.parametrize("in_two", [False, True])
def test_high_throughput_jpeg_2000(file, in_two):
    needs("pylibjpeg", "openjpeg")
    data = encapsulate([HIGH_THROUGHPUT], fragments_per_frame=1 + in_two)
    write_dicom(file, MILLI, syntax=HTJ2KLossless, PixelData=data)
    np.testing.assert_array_equal(read_scan(file).pixels, MILLI)


def test_a_sequential_scan_that_states_too_few_coefficients(file):
    needs("pylibjpeg", "libjpeg")
    pixels = smooth(np.uint16, 2**12 - 1)
    plain = write_dicom(file.with_name("plain"), pixels, BitsStored=12, HighBit=11)
    subprocess.run([dcmtk("dcmcjpeg"), "+ee", plain, file], check=True)
    expected = read_scan(file).pixels
    content = file.read_bytes()
    assert content.count(b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00") == 1
    file.write_bytes(
        content.replace(
            b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00",
            b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00",
        )
    )
    np.testing.assert_array_equal(read_scan(file).pixels, expected)


def test_a_file_of_pydicom_that_states_too_few_coefficients(tmp_path):
    needs("pylibjpeg", "libjpeg")
    path = Path(pydicom.__file__).parent / "data" / "test_files" / "JPEG-lossy.dcm"
    if not path.is_file():
        pytest.skip("pydicom is installed without its test files")
    subprocess.run([dcmtk("dcmdjpeg"), path, tmp_path / "decoded"], check=True)
    expected = read_scan(tmp_path / "decoded").pixels
    np.testing.assert_allclose(read_scan(path).pixels, expected, atol=1, rtol=0)


@pytest.mark.parametrize("dtype", ["u1", "<u2", "<i2"])
def test_run_lengths_as_pydicom_decodes_them(file, dtype):
    rng = np.random.default_rng(0)
    pixels = np.repeat(rng.integers(0, 120, (7, 3)), 3, axis=1).astype(dtype)
    pixels[2:4] = rng.integers(np.iinfo(dtype).max, size=(2, 9))
    bits = 8 * pixels.dtype.itemsize
    signed = int(pixels.dtype.kind == "i")
    plain = write_dicom(file, pixels, BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1)
    dataset = pydicom.dcmread(plain)
    dataset.PixelRepresentation = signed
    dataset.compress(RLELossless)
    dataset.save_as(file)
    np.testing.assert_array_equal(pixel_array(file), pixels)
    np.testing.assert_array_equal(read_scan(file).pixels, pixels.astype(np.float32))


def test_many_scans_of_the_pixels(file):
    buffer = io.BytesIO()
    Image.new("L", (4000, 4000)).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last = content[content.rindex(b"\xff\xda") : -2]
    data = encapsulate([content[:-2] + 50 * last + content[-2:]])
    write_dicom(file, syntax=JPEGExtended12Bit, Rows=4000, Columns=4000, PixelData=data)
    assert "holds more scans of its pixels than are decoded" in refusal(file)


JPEG_HEAD = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc3\x00\x0b\x08%s\x01\x01\x11\x00\xff\xd9"


@pytest.mark.parametrize(
    ("syntax", "frame", "reason"),
    [
        (JPEGLosslessSV1, JPEG_HEAD % b"\xff\xff\xff\xff", "compressed pixels 65535 x 65535 in 1"),
        (JPEGLSLossless, JPEG_HEAD % b"\x00\x08\x00\x09", "compressed pixels 8 x 9 in 1"),
        (JPEG2000Lossless, J2K_HEAD, "compressed pixels 65535 x 65535 in 1"),
        (JPEGBaseline8Bit, b"\xff\xd8" + b"\xff\xd9", "not what the header says"),
        (JPEG2000Lossless, b"\xff\xd8" + b"\xff\xd9", "not what the header says"),
        (JPEG2000Lossless, J2K_HEAD[:-2], "without an end"),
        (RLELossless, b"\x02" + bytes(99), "2 planes of run lengths in place of 1"),
        (RLELossless, b"\x01" + bytes(9), "0 planes of run lengths in place of 1"),
        (
            RLELossless,
            run_length_encoded(PIXELS) + b"\x80" * 2**20,
            "run lengths are more",
        ),
    ],
)
def test_compressed_frames_of_another_size(file, syntax, frame, reason):
    if syntax in (JPEGLosslessSV1, JPEGLSLossless):
        needs("pylibjpeg", "libjpeg")
    write_dicom(file, syntax=syntax, PixelData=encapsulate([frame]))
    assert reason in refusal(file)


def test_run_lengths_of_a_larger_image(file):
    # Four megabytes that stand for 256 million pixels.
    runs = run_length_encoded(PIXELS)[:64] + b"\x81\x00" * 2_000_000
    write_dicom(file, syntax=RLELossless, Rows=2000, Columns=1500, PixelData=encapsulate([runs]))
    tracemalloc.start()
    try:
        assert "run lengths are those of a larger image" in refusal(file)
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()
