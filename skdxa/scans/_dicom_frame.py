"""What a DICOM header states of the pixels of one frame, and what a decoder receives."""

import math
from dataclasses import dataclass

from skdxa.exceptions import ScanReadError

# As much may follow the pixels if it is zero: some writers fill up a block.
LONGEST_PADDING = 2**16


@dataclass(frozen=True)
class Shape:
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
class Frame:
    """What a decoder receives: the frame alone, or all frames where they share bytes."""

    content: bytes
    index: int = 0
    n_frames: int = 1
    # Bits of the pixels as a compressed stream states them.
    precision: int | None = None


def cut_short(what):
    """Return the error of a file whose pixels end too early; `what` says what it holds."""
    return ScanReadError(
        f"the pixel data are damaged or cut short: the DICOM file holds {what}. Export or copy "
        "it again.",
        reason="damaged file",
    )
