"""Pictures: PNG, TIFF, BMP and JPEG, read by Pillow; greyscale alone."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION

from skdxa.exceptions import ScanReadError
from skdxa.scans._content import Content, check_size
from skdxa.scans._frames import choose_frame
from skdxa.scans._picture_checks import check_directories, check_picture

_FORMATS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
    b"BM": "BMP",
}
_WHITE_IS_ZERO = 0
# Where the header of a PNG file states bits per value, and whether it holds grey values alone.
_PNG_BITS, _PNG_COLOUR = 24, 25
# Pixels of a colour picture that are compared at a time.
_PIXELS = 2**20


def looks_like_picture(head):
    """Return whether a file's first bytes are those of a picture that can be read."""
    return _format(head) is not None


def read_picture(file, options):
    """Return the grey levels of a picture."""
    head = file.read(_PNG_COLOUR + 1)
    kind = _format(head)
    check_picture(file, kind, options.max_pixels)
    try:
        image = Image.open(file, formats=[kind])
    except UnidentifiedImageError:
        raise ScanReadError(
            f"the {kind} picture is damaged or of a kind that Pillow does not read. Export it "
            "again.",
            reason="damaged file",
        ) from None
    except Image.DecompressionBombError:
        check_size((2 * Image.MAX_IMAGE_PIXELS,), options.max_pixels, what="the picture")
        raise
    with image:
        n_frames = getattr(image, "n_frames", 1)
        image.seek(choose_frame(n_frames, options.frame, what=f"the {kind} picture"))
        check_size(image.size[::-1], options.max_pixels, what="the picture")
        _check_depth(image, kind, head)
        white_is_zero = _is_white_zero(image)
        # Apply the rotation that a camera or a viewer applies for display.
        if kind == "PNG":
            check_directories(BytesIO(_exif(image)), 1)
        ImageOps.exif_transpose(image, in_place=True)
        array = _grey(image)
    if white_is_zero:
        array = _invert(array)
    return Content(array, kind)


def _format(head):
    return next((kind for magic, kind in _FORMATS.items() if head.startswith(magic)), None)


def _is_white_zero(image):
    """Return whether the stored values have to be inverted, which Pillow does up to 8 bits."""
    tags = getattr(image, "tag_v2", {})
    return tags.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO and image.mode not in ("1", "L")


def _check_depth(image, kind, head):
    """Refuse grey levels of which Pillow would keep the upper 8 bits alone."""
    if kind == "PNG":
        bits, is_grey = head[_PNG_BITS], head[_PNG_COLOUR] == 0
    else:
        bits = max(getattr(image, "tag_v2", {}).get(BITSPERSAMPLE, (8,)))
        is_grey = len(image.getbands()) == 1
    if bits > 8 and not is_grey:
        raise ScanReadError(
            f"the picture holds {bits} bits per value with transparency or colours, of which 8 "
            f"bits would be read. Export it as {bits}-bit greyscale without an alpha channel.",
            reason="unsupported image",
        )


def _exif(image):
    """Return the Exif data of a PNG picture as Pillow will find them."""
    image.load()
    exif = image.info.get("exif")
    if exif is None:
        # As written by older programs.
        lines = image.info.get("Raw profile type exif", "").split("\n")
        exif = bytes.fromhex("".join(lines[3:]))
    return exif.removeprefix(b"Exif\0\0")


def _invert(array):
    if array.dtype.kind != "u":
        raise ScanReadError(
            "the picture counts from white (WhiteIsZero) in a type without a largest value. "
            "Export it with black as zero.",
            reason="unsupported image",
        )
    return np.iinfo(array.dtype).max - array


def _grey(image):
    """Return the grey levels of an image, also where they are stored as equal colours."""
    if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
        array = np.asarray(image)
        return array.astype(np.uint8) * 255 if array.dtype == bool else array
    if image.mode not in ("LA", "P", "PA", "RGB", "RGBA"):
        raise _colour(image.mode)
    n_columns, n_rows = image.size
    grey = np.empty((n_rows, n_columns), dtype=np.uint8)
    unscanned = np.zeros((n_rows, n_columns), dtype=bool)
    n_together = max(1, _PIXELS // n_columns)
    for top in range(0, n_rows, n_together):
        bottom = min(top + n_together, n_rows)
        strip = image.crop((0, top, n_columns, bottom))
        strip = strip if strip.mode == "RGBA" else strip.convert("RGBA")
        red, green, blue, opacity = strip.split()
        if any(ImageChops.difference(red, other).getbbox() for other in (green, blue)):
            raise _colour(image.mode)
        grey[top:bottom] = red
        # Transparent pixels were not scanned.
        unscanned[top:bottom] = np.asarray(opacity) == 0
    if unscanned.any():
        grey = grey.astype(np.float32)
        grey[unscanned] = np.nan
    return grey


def _colour(mode):
    return ScanReadError(
        f"the picture is in colour (mode {mode}), as report screens are. Export the greyscale "
        "scan itself.",
        reason="unsupported image",
    )
