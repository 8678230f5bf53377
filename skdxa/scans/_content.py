"""What a decoder finds in a file, and the limits that all decoders keep to."""

import math
from dataclasses import dataclass

import numpy as np

from skdxa.exceptions import ScanReadError

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
    """

    array: np.ndarray
    source: str
    spacing: tuple[float, float] | None = None
    spacing_source: str | None = None
    unit: str | None = None


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


def bounded(stream, limit):
    """Return everything that a stream holds, or raise a `ScanReadError` beyond a limit.

    Parameters
    ----------
    stream : binary file object
        Open for reading; usually one that inflates compressed content.
    limit : int
        Largest number of bytes.

    Returns
    -------
    content : bytes
    """
    content = stream.read(limit + 1)
    if len(content) > limit:
        raise ScanReadError(
            f"the compressed content is larger than the {limit:,} bytes that are read. Export "
            "the scan alone, or raise max_pixels if the file is what it should be.",
            reason="too large",
        )
    return content
