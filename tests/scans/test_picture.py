"""Greyscale pictures."""

import shutil
import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image
from scan_files import refusal

from skdxa.scans import read_scan

GREY = (np.arange(63).reshape(7, 9) * 4).astype(np.uint8)
DEEP = GREY.astype(np.uint16) * 200


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "RGBA"])
def test_grey_pictures(tmp_path, kind, mode):
    if kind == "BMP" and mode in ("LA", "RGBA"):
        pytest.skip("BMP holds no transparency here")
    path = tmp_path / "scan"
    Image.fromarray(GREY).convert(mode).save(path, kind)
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.pixels, GREY)
    assert (scan.unit, scan.source, scan.spacing) == ("grey level", kind, None)


def test_jpeg_is_close(tmp_path):
    smooth = np.linspace(0, 255, 63).reshape(7, 9).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "scan", "JPEG", quality=100)
    scan = read_scan(tmp_path / "scan")
    assert scan.source == "JPEG"
    np.testing.assert_allclose(scan.pixels, smooth, atol=4)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits(tmp_path, kind):
    Image.fromarray(DEEP).save(tmp_path / "scan", kind)
    np.testing.assert_array_equal(read_scan(tmp_path / "scan").pixels, DEEP)


def write_png(path, values, colour):
    """Write a PNG file of 16 bits per value; Pillow writes none with colours or transparency."""
    rows, columns = values.shape[:2]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        header = struct.pack(">IIBBBBB", columns, rows, 16, colour, 0, 0, 0)
        for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(content)) + name + content)
            file.write(struct.pack(">I", zlib.crc32(name + content)))


@pytest.mark.parametrize(("colour", "n_channels"), [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_are_not_cut_to_eight(tmp_path, colour, n_channels):
    values = np.repeat(DEEP[:, :, np.newaxis], n_channels, axis=2)
    if n_channels in (2, 4):
        values[:, :, -1] = 65535
    write_png(tmp_path / "scan", values, colour)
    assert "16 bits per value with transparency or colours" in refusal(tmp_path / "scan")
    # The same values in grey alone.
    write_png(tmp_path / "grey", DEEP[:, :, np.newaxis], 0)
    np.testing.assert_array_equal(read_scan(tmp_path / "grey").pixels, DEEP)


def test_sixteen_bits_of_a_colour_tiff_are_not_cut_to_eight(tmp_path):
    values = np.repeat(DEEP[:, :, np.newaxis], 3, axis=2).tobytes()
    # Columns, rows, bits of three values (stored below), no compression, RGB, place of the pixels,
    # values per pixel, rows per strip, bytes.
    tags = [(256, 4, 1, 9), (257, 4, 1, 7), (258, 3, 3, 8), (259, 4, 1, 1), (262, 4, 1, 2),
            (273, 4, 1, 14), (277, 4, 1, 3), (278, 4, 1, 7), (279, 4, 1, len(values))]  # fmt: skip
    (tmp_path / "scan").write_bytes(
        struct.pack("<2sHI", b"II", 42, 14 + len(values))
        + struct.pack("<3H", 16, 16, 16)
        + values
        + struct.pack("<H", len(tags))
        + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        + bytes(4)
    )
    assert "16 bits per value with transparency or colours" in refusal(tmp_path / "scan")


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_of_densities(tmp_path, compression):
    density = np.linspace(0, 1.5, 63, dtype=np.float32).reshape(7, 9)
    Image.fromarray(density).save(tmp_path / "scan", "TIFF", compression=compression)
    scan = read_scan(tmp_path / "scan")
    np.testing.assert_array_equal(scan.pixels, density)
    assert scan.unit == "g/cm2"


def test_one_bit(tmp_path):
    Image.fromarray(GREY > 100).save(tmp_path / "scan", "PNG")
    np.testing.assert_array_equal(read_scan(tmp_path / "scan").pixels, 255 * (GREY > 100))


def test_transparent_pixels_were_not_scanned(tmp_path):
    picture = Image.fromarray(GREY).convert("LA")
    picture.putalpha(Image.fromarray(np.where(GREY > 20, 255, 0).astype(np.uint8)))
    picture.save(tmp_path / "scan", "PNG")
    np.testing.assert_array_equal(
        read_scan(tmp_path / "scan").pixels, np.where(GREY > 20, GREY, np.nan)
    )


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_colour_is_refused(tmp_path, mode):
    picture = Image.fromarray(np.stack([GREY, GREY, 255 - GREY], axis=-1)).convert(mode)
    picture.save(tmp_path / "scan", "TIFF")
    message = refusal(tmp_path / "scan")
    assert f"the picture is in colour (mode {mode})" in message
    assert message.endswith("Export the greyscale scan itself.")


def test_pages(tmp_path):
    pages = [Image.fromarray(array) for array in (GREY, GREY[::-1].copy())]
    pages[0].save(tmp_path / "scan", "TIFF", save_all=True, append_images=pages[1:])
    assert "the TIFF picture holds 2 frames. Name the scan's frame with frame=" in refusal(
        tmp_path / "scan"
    )
    np.testing.assert_array_equal(read_scan(tmp_path / "scan", frame=1).pixels, GREY[::-1])
    assert "holds 2 frames, so there is none of number 2" in refusal(tmp_path / "scan", frame=2)


def test_orientation_is_followed(tmp_path):
    picture = Image.fromarray(GREY)
    exif = picture.getexif()
    exif[0x0112] = 6  # The picture is stored on its side.
    picture.save(tmp_path / "scan", "PNG", exif=exif)
    np.testing.assert_array_equal(read_scan(tmp_path / "scan").pixels, np.rot90(GREY, -1))


def white_is_zero(path, array):
    """Write a TIFF that counts from white, which Pillow does not write beyond 8 bits."""
    bits = array.dtype.itemsize * 8
    kind = {"u": 1, "f": 3}[array.dtype.kind]
    tags = [
        (256, 3, array.shape[1]),
        (257, 3, array.shape[0]),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, 0),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, array.shape[0]),
        (279, 4, array.nbytes),
        (339, 3, kind),
    ]
    content = array.tobytes()
    entries = b"".join(
        struct.pack("<HHIHH" if size == 3 else "<HHII", tag, size, 1, value, *([0] * (size == 3)))
        for tag, size, value in tags
    )
    path.write_bytes(
        struct.pack("<2sHI", b"II", 42, 8 + len(content))
        + content
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )


def test_pictures_that_count_from_white_are_inverted(tmp_path):
    white_is_zero(tmp_path / "scan", 255 - GREY)
    np.testing.assert_array_equal(read_scan(tmp_path / "scan").pixels, GREY)
    white_is_zero(tmp_path / "scan", 65535 - DEEP)
    np.testing.assert_array_equal(read_scan(tmp_path / "scan").pixels, DEEP)


def test_sizes_are_checked_before_the_picture_is_decoded(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "scan", "PNG")
    assert "the picture has 7 x 9 pixels, more than the 62" in refusal(
        tmp_path / "scan", max_pixels=62
    )
    # The size is in the header; the checksum behind it is of the first chunk.
    content = bytearray((tmp_path / "scan").read_bytes())
    content[16:24] = struct.pack(">II", 2**30, 2**30)
    (tmp_path / "scan").write_bytes(content)
    assert any(word in refusal(tmp_path / "scan") for word in ("damaged", "pixels, more than"))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "JPEG"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_short(tmp_path, kind, share):
    noise = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "scan", kind)
    content = (tmp_path / "scan").read_bytes()
    (tmp_path / "scan").write_bytes(content[: int(len(content) * share)])
    assert "damaged" in refusal(tmp_path / "scan")


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGB", "RGBA", "I;16"])
def test_png_with_fewer_lines_than_it_says(tmp_path, mode):
    path = tmp_path / "scan"
    picture = Image.fromarray(DEEP) if mode == "I;16" else Image.fromarray(GREY).convert(mode)
    picture.save(path, "PNG")
    content = bytearray(path.read_bytes())
    assert read_scan(path).pixels.shape == (7, 9)
    content[23] = 8
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    assert "holds fewer pixels than it says" in refusal(path)


def test_interlaced_png(tmp_path):
    path = tmp_path / "scan.png"
    (tmp_path / "scan.gray").write_bytes(GREY.tobytes())
    command = [image_magick(), "-size", "9x7", "-depth", "8", str(tmp_path / "scan.gray")]
    subprocess.run([*command, "-interlace", "PNG", str(path)], check=True, timeout=60)
    content = path.read_bytes()
    assert content[28] == 1
    np.testing.assert_array_equal(read_scan(path).pixels, GREY)


def test_texts_are_not_logged(tmp_path, caplog, capfd):
    caplog.set_level("DEBUG")
    path = tmp_path / "scan"
    Image.fromarray(GREY).save(path, "TIFF", description="Secret^Name")
    assert b"Secret^Name" in path.read_bytes()
    caplog.clear()
    read_scan(path)
    assert caplog.records == []
    assert capfd.readouterr().err == ""
    Image.open(path).close()
    assert "Secret^Name" in caplog.text


def image_magick():
    """Return ImageMagick's command, or skip; other programs bear the name as well."""
    for name in ("magick", "convert"):
        path = shutil.which(name)
        if path is not None:
            version = subprocess.run([path, "-version"], capture_output=True, text=True)
            if "ImageMagick" in version.stdout:
                return path
    pytest.skip("ImageMagick is not installed")


@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp"])
@pytest.mark.parametrize("depth", [8, 16])
def test_pictures_of_imagemagick(tmp_path, suffix, depth):
    if (suffix, depth) == ("bmp", 16):
        pytest.skip("BMP has 8 bits")
    array = GREY if depth == 8 else DEEP
    (tmp_path / "scan.gray").write_bytes(array.tobytes())
    command = [image_magick(), "-size", "9x7", "-depth", str(depth), "-endian", "LSB"]
    command += [str(tmp_path / "scan.gray"), str(tmp_path / f"scan.{suffix}")]
    subprocess.run(command, check=True, timeout=60)
    np.testing.assert_array_equal(read_scan(tmp_path / f"scan.{suffix}").pixels, array)


@pytest.mark.parametrize(
    "options", ["-8", "-c none", "-c lzw:2", "-c zip", "-c packbits", "-t", "-B"]
)
def test_pictures_of_libtiff(tmp_path, options):
    if shutil.which("tiffcp") is None:
        pytest.skip("tiffcp of libtiff is not installed")
    Image.fromarray(DEEP).save(tmp_path / "a.tiff")
    command = ["tiffcp", *options.split(), str(tmp_path / "a.tiff"), str(tmp_path / "b.tiff")]
    subprocess.run(command, check=True, timeout=60)
    np.testing.assert_array_equal(read_scan(tmp_path / "b.tiff").pixels, DEEP)
