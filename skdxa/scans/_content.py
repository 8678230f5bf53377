"""What a decoder finds in a file, and the limits that all decoders keep to."""

import math
from dataclasses import dataclass

import numpy as np

from skdxa.exceptions import ScanReadError

# Bytes that are read or inflated at a time.
_PIECE = 1 << 18

# A whole-body scan has a million pixels; a film digitized at 50 micrometres has 50 million.
MAX_PIXELS = 64_000_000


@dataclass(frozen=True, eq=False)
class Content:
    """What a decoder finds in a file.

    Parameters
    ----------
    array : ndarray
        The pixels as stored or as converted by the header, of any numeric type; row 0 is at
        the head and bone is bright.
    source : str
        Name of the format.
    spacing : tuple of float, default=None
        Height and width of a pixel in mm, where the file states them.
    spacing_source : str, default=None
        Name of the element of the header that states the spacing.
    unit : str, default=None
        "g/cm2" or "grey level" where the format says which; None leaves it to the values.
    number_type : dtype, default=None
        Type of the numbers in the file, where the array is of another.
    """

    array: np.ndarray
    source: str
    spacing: tuple[float, float] | None = None
    spacing_source: str | None = None
    unit: str | None = None
    number_type: np.dtype | None = None

    @property
    def is_real(self):
        """Whether the file stores floating-point numbers."""
        return (self.number_type or self.array.dtype).kind == "f"


def check_size(shape, max_pixels, *, what="the image"):
    """Raise a `ScanReadError` if an array of a shape would have too many pixels.

    Decoders call this with the shape that a header states, before anything of that size is
    allocated.

    Parameters
    ----------
    shape : sequence of int
        Sizes along all axes.
    max_pixels : int
        Largest number of elements allowed.
    what : str, default="the image"
        How the error message names the array.
    """
    n_pixels = math.prod(int(size) for size in shape)
    if n_pixels > max_pixels:
        raise ScanReadError(
            f"{what} has {format_shape(shape)} pixels, more than the {max_pixels:,} that are "
            "read. Export the scan alone, or raise max_pixels if the file is what it should be.",
            reason="too large",
        )


def format_shape(shape):
    """Return a shape as text, such as ``7 x 9``."""
    return " x ".join(map(str, shape)) or "a single number"


def two_axes(shape):
    """Return rows and columns of an array, or raise a `ScanReadError` if it cannot be a scan.

    Parameters
    ----------
    shape : sequence of int
        Sizes along all axes. Beyond two, an axis of length 1 carries nothing.

    Returns
    -------
    n_rows, n_columns : int
    """
    sizes = [size for size in shape if size != 1] if len(shape) > 2 else list(shape)
    if len(sizes) != 2 or min(sizes) < 2:
        raise ScanReadError(
            "a scan has two dimensions, rows and columns, of at least 2 pixels each; "
            f"the array is {format_shape(shape)}.",
            reason="no scan",
        )
    return tuple(int(size) for size in sizes)


def read_numbers(read, dtype, shape, *, by_columns):
    """Return numbers in single precision, converted in small parts to save memory.

    Parameters
    ----------
    read : callable
        Returns as many bytes as it is asked for, fewer at the end only.
    dtype : dtype
        How the numbers are stored.
    shape : sequence of int
        Sizes along all axes; `two_axes` says which are taken.
    by_columns : bool
        Whether a column's numbers follow each other, as in MATLAB, or a row's.

    Returns
    -------
    pixels : ndarray of float32 of shape (n_rows, n_columns)
        Infinite where a number is beyond single precision.
    """
    n_rows, n_columns = two_axes(shape)
    pixels = np.empty((n_rows, n_columns), dtype=np.float32)
    lines = pixels.T if by_columns else pixels
    n_lines, length = lines.shape
    # Whole lines at a time; many columns at once, since these are scattered in the result.
    n_whole = max(1, (16 * _PIECE if by_columns else _PIECE) // (length * dtype.itemsize))
    with np.errstate(over="ignore"):
        for first in range(0, n_lines, n_whole):
            several = lines[first : first + n_whole]
            content = read(several.size * dtype.itemsize)
            if len(content) < several.size * dtype.itemsize:
                raise ScanReadError(
                    "the file is damaged or cut short: it ends within the array. Export or copy "
                    "it again.",
                    reason="damaged file",
                )
            several[...] = np.frombuffer(content, dtype).reshape(several.shape)
    return pixels


def gathered(read1, n_bytes):
    """Return as many bytes as are wanted from a stream that returns fewer at a time.

    Parameters
    ----------
    read1 : callable
        Returns at most as many bytes as it is asked for, none at the end only.
    n_bytes : int
        Number of bytes wanted.

    Returns
    -------
    content : bytes
        Shorter if the stream has ended.
    """
    parts, left = [], n_bytes
    while left and (part := read1(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
