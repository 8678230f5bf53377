"""The elements of a DICOM file: read within bounds, and each checked where it is used.

Only the elements that describe the image are kept: names, numbers and dates of birth never get
into memory. Error messages name elements and never quote their values.
"""

import math
import re
import zlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from pydicom.charset import default_encoding
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.filereader import read_dataset, read_sequence
from pydicom.multival import MultiValue
from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from skdxa.exceptions import ScanReadError

_KEPT = (
    "BitsAllocated",
    "BitsStored",
    "BurnedInAnnotation",
    "Columns",
    "DoubleFloatPixelPaddingRangeLimit",
    "DoubleFloatPixelPaddingValue",
    "ExposedArea",
    "ExposureDoseSequence",
    "FloatPixelPaddingRangeLimit",
    "FloatPixelPaddingValue",
    "HighBit",
    "ImagerPixelSpacing",
    "Modality",
    "ModalityLUTSequence",
    "NominalScannedPixelSpacing",
    "NumberOfFrames",
    "PatientOrientation",
    "PerFrameFunctionalGroupsSequence",
    "PhotometricInterpretation",
    "PixelPaddingRangeLimit",
    "PixelPaddingValue",
    "PixelRepresentation",
    "PixelSpacing",
    "PixelSpacingCalibrationType",
    "PresentationLUTShape",
    "RealWorldValueMappingSequence",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "Rows",
    "SOPClassUID",
    "SamplesPerPixel",
    "SharedFunctionalGroupsSequence",
)
_PIXEL_TAGS = {
    tag_for_keyword(keyword): keyword
    for keyword in ("FloatPixelData", "DoubleFloatPixelData", "PixelData")
}
_UNDEFINED = 0xFFFFFFFF

# A header of a thousand elements needs three thousand reads. Each costs up to 50
# microseconds and takes about a kilobyte in pydicom.
_MOST_READS = 30_000
# Longer elements are left in the file. A table of 65,536 real-world values takes 512 KiB.
_LONGEST_ELEMENT = 640 * 2**10
# Texts and numbers in text, each of which costs microseconds.
_LONGEST_TEXT = 8 * 2**10
# pydicom reads this element always, in a time that grows with its square.
_CHARACTER_SET = (b"\x08\x00\x05\x00", b"\x00\x08\x00\x05")
_LONGEST_CHARACTER_SET = 1024
# Bytes of a compressed file that are inflated to find the size of the image.
_LONGEST_HEADER = 16 * 2**20
_PIECE = 2**20

_DECIMAL = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


@dataclass(eq=False)
class PixelElement:
    """Where a file holds its pixels.

    Parameters
    ----------
    file : binary file object
        The file, or its content once inflated.
    keyword : {"PixelData", "FloatPixelData", "DoubleFloatPixelData"}
        Name of the element.
    value_type : str or None
        The element's value representation, where the file names it.
    start : int
        Position of the first byte.
    length : int or None
        Number of bytes as stated; None where the value ends with a delimiter.
    syntax : UID
        The transfer syntax.
    """

    file: object
    keyword: str
    value_type: str | None
    start: int
    length: int | None
    syntax: UID

    def size(self):
        """Return the number of bytes that the file holds from the first one on."""
        return max(self.file.seek(0, 2) - self.start, 0)

    def read(self, first, last):
        """Return the bytes of the value from one position up to another."""
        if self.syntax.is_deflated:
            self.file.inflate(self.start + last)
        # A file object would allocate the length before it finds the end.
        left = max(self.size() - first, 0)
        self.file.seek(self.start + first)
        return self.file.read(min(last - first, left))


class Elements:
    """Elements of a dataset, by keyword; every fault is a `ScanReadError` that names one.

    Parameters
    ----------
    dataset : pydicom Dataset
        As read: nothing has been converted yet.
    reads : _Reads
        What may still be read, for sequences that are parsed when they are asked for.
    """

    def __init__(self, dataset, reads):
        self._dataset = dataset
        self._reads = reads
        self._is_little = dataset.original_encoding[1]

    def __contains__(self, keyword):
        raw = self._raw(keyword)
        return raw is not None and raw.value not in (None, b"", "")

    def text(self, keyword):
        """Return an element's only text in capitals, without spaces at its ends, or None."""
        values = self._values(keyword)
        if len(values) > 1 or not all(isinstance(value, str) for value in values):
            raise unusable(keyword, "holds no single text")
        return values[0].strip(" \0").upper() if values else None

    def texts(self, keyword):
        """Return an element's texts in capitals."""
        values = self._values(keyword)
        if not all(isinstance(value, str) for value in values):
            raise unusable(keyword, "holds no text")
        return [value.strip(" \0").upper() for value in values]

    def numbers(self, keyword, *, finite=True):
        """Return an element's numbers, an empty list if it is absent or empty."""
        return [_number(value, keyword, finite=finite) for value in self._values(keyword)]

    def number(self, keyword, *, finite=True):
        """Return an element's only number, or None if it is absent or empty."""
        numbers = self.numbers(keyword, finite=finite)
        if len(numbers) > 1:
            raise unusable(keyword, f"holds {len(numbers)} values in place of one")
        return numbers[0] if numbers else None

    def whole(self, keyword, *, least=0):
        """Return an element's only whole number, or None if it is absent or empty."""
        number = self.number(keyword)
        if number is not None and (number != int(number) or number < least):
            raise unusable(keyword, f"holds no whole number from {least}")
        return None if number is None else int(number)

    def words(self, keyword, *, types=("US", "SS")):
        """Return an element's values of 16 bits, unsigned, whatever sign its type gives them.

        Files often state such an element in the type of the other sign, so the caller
        interprets them.
        """
        raw = self._raw(keyword)
        if raw is None:
            return np.empty(0, dtype=np.uint16)
        content = raw.value or b""
        value_type = raw.VR or types[0]
        if value_type not in types or not isinstance(content, bytes) or len(content) % 2:
            raise unusable(keyword, "is not of the type that DICOM defines for it")
        words = np.frombuffer(content, "<u2" if self._is_little else ">u2")
        return words.astype(np.uint16)

    def items(self, keyword):
        """Return the items of a sequence, an empty list if it is absent or empty."""
        raw = self._raw(keyword)
        if raw is None or raw.value is None:
            return []
        sequence = raw.value
        if isinstance(sequence, bytes):
            sequence = self._parsed(keyword, raw)
        elif raw.VR != "SQ":
            raise unusable(keyword, "is not a sequence")
        return [Elements(item, self._reads) for item in sequence]

    def item(self, keyword):
        """Return the first item of a sequence, or None."""
        return next(iter(self.items(keyword)), None)

    def _parsed(self, keyword, raw):
        if raw.VR not in (None, "SQ", "UN"):
            raise unusable(keyword, "is not a sequence")
        # Elements of unknown type (UN) are encoded with implicit VR, as the standard specifies.
        is_implicit = raw.is_implicit_VR or raw.VR == "UN"
        is_little = raw.is_little_endian or raw.VR == "UN"
        file = _Metered(BytesIO(raw.value), self._reads)
        try:
            return read_sequence(file, is_implicit, is_little, len(raw.value), default_encoding)
        except ScanReadError:
            raise
        # A damaged sequence makes pydicom fail in ways that it does not list.
        except Exception:
            self._reads.check()
            raise unusable(keyword, "is damaged or nested too deeply") from None

    def _raw(self, keyword):
        tag = tag_for_keyword(keyword)
        if tag not in self._dataset:
            return None
        element = self._dataset.get_item(tag, keep_deferred=True)
        is_left_out = isinstance(element, RawDataElement) and element.value is None
        if is_left_out and element.length:
            raise unusable(keyword, "is too long")
        return element

    def _values(self, keyword):
        raw = self._raw(keyword)
        if raw is None or raw.value in (None, b"", ""):
            return []
        is_table = keyword == "RealWorldValueLUTData" and raw.VR in (None, "FD", "UN")
        if isinstance(raw.value, bytes) and len(raw.value) > _LONGEST_TEXT and not is_table:
            raise unusable(keyword, "is too long")
        try:
            value = self._dataset[tag_for_keyword(keyword)].value
        # Each type raises different errors.
        except Exception:
            raise unusable(keyword, "holds a value that cannot be read") from None
        if value is None or (isinstance(value, str) and not value.strip(" \0")):
            return []
        return list(value) if isinstance(value, MultiValue | list) else [value]


def unusable(keyword, what):
    """Return the error that an element cannot be used."""
    remedy = "Correct the header or export the scan again."
    if keyword.endswith("Spacing") or keyword == "ExposedArea":
        remedy = "Give spacing_mm, or export the scan again."
    return ScanReadError(f"the DICOM element {keyword} {what}. {remedy}", reason="damaged file")


def _holds_recursion(error):
    """Return whether an error, or one that pydicom turned into it, is of too deep a recursion."""
    while error is not None:
        if isinstance(error, RecursionError):
            return True
        error = error.__context__
    return False


def read_elements(file):
    """Read a file up to its pixels.

    Parameters
    ----------
    file : binary file object
        Open at the start of a DICOM file, with or without its preamble.

    Returns
    -------
    elements : Elements
    pixels : PixelElement or None
        None if the file holds none.
    """
    reads = _Reads()
    metered = _Metered(file, reads)
    try:
        dataset, pixels = _read(metered, reads)
    except (ScanReadError, MemoryError):
        raise
    # A damaged header makes pydicom fail in ways that it does not list.
    except Exception as error:
        if _holds_recursion(error):
            raise ScanReadError(
                "the DICOM header is damaged: its sequences are nested too deeply. Export or "
                "copy the file again.",
                reason="damaged file",
            ) from None
        reads.check()
        raise ScanReadError(
            f"the DICOM header is damaged ({type(error).__name__}). Export or copy the file "
            "again.",
            reason="damaged file",
        ) from None
    return Elements(dataset, reads), pixels


def _read(file, reads):
    if file.read(132)[128:] != b"DICM":
        file.seek(0)
    meta = read_dataset(
        file,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, vr, length: tag >> 16 != 2,
        specific_tags=[
            tag_for_keyword(keyword)
            for keyword in ("TransferSyntaxUID", "MediaStorageSOPClassUID")
        ],
    )
    stated = Elements(meta, reads).text("TransferSyntaxUID")
    syntax = UID(stated) if stated else _guessed_syntax(file)
    is_known = syntax in AllTransferSyntaxes
    if is_known and syntax.is_deflated:
        file = _Metered(_Inflated(file.read(), _LONGEST_HEADER), reads)
    found = []

    def is_pixels(tag, vr, length):
        if tag in _PIXEL_TAGS:
            found.append((tag, vr, length, file.tell()))
        return tag in _PIXEL_TAGS

    dataset = read_dataset(
        file,
        is_implicit_VR=is_known and syntax.is_implicit_VR,
        is_little_endian=not is_known or syntax.is_little_endian,
        stop_when=is_pixels,
        defer_size=_LONGEST_ELEMENT,
        specific_tags=[tag_for_keyword(keyword) for keyword in _KEPT],
    )
    if "SOPClassUID" not in dataset and "MediaStorageSOPClassUID" in meta:
        dataset.SOPClassUID = Elements(meta, reads).text("MediaStorageSOPClassUID")
    if not found or found[-1][2] == 0:
        return dataset, None
    tag, vr, length, start = found[-1]
    pixels = PixelElement(
        file=file.file,
        keyword=_PIXEL_TAGS[tag],
        value_type=vr,
        start=start,
        length=None if length == _UNDEFINED else length,
        syntax=syntax,
    )
    return dataset, pixels


def _guessed_syntax(file):
    """Return the transfer syntax of a file that states none, from its first element."""
    start = file.tell()
    head = file.read(6)
    file.seek(start)
    if not (head[4:6].isalpha() and head[4:6].isupper()):
        return ImplicitVRLittleEndian
    # Group 8 reads as 2048 in the other order.
    return ExplicitVRBigEndian if head[:1] == b"\0" else ExplicitVRLittleEndian


class _Reads:
    """How many more reads a file may take."""

    def __init__(self):
        self._left = _MOST_READS

    def spend(self):
        self._left -= 1
        self.check()

    def check(self):
        if self._left < 0:
            raise ScanReadError(
                "the DICOM header holds more elements than a scan's. Export the scan alone.",
                reason="too large",
            )


class _Metered:
    """A file with a limit on the number of reads, and none beyond its end."""

    def __init__(self, file, reads):
        self.file = file
        self._reads = reads
        start = file.tell()
        self._size = file.seek(0, 2)
        file.seek(start)
        self.seek, self.tell = file.seek, file.tell
        self._element = b""

    def read(self, size=None):
        self._reads.spend()
        left = max(self._size - self.tell(), 0)
        size = left if size is None else min(size, left)
        if size > _LONGEST_CHARACTER_SET and self._element in _CHARACTER_SET:
            raise unusable("SpecificCharacterSet", "is too long")
        content = self.file.read(size)
        if size == 8:
            # Usually the head of an element.
            self._element = content[:4]
        return content


class _Inflated(BytesIO):
    """The first bytes of a deflated content, to which more can be added."""

    def __init__(self, compressed, limit):
        self._inflating, self._compressed = zlib.decompressobj(-zlib.MAX_WBITS), compressed
        super().__init__()
        self.inflate(limit)
        self.seek(0)

    def inflate(self, limit):
        """Inflate up to a position or to the end of the data."""
        size = self.seek(0, 2)
        while size < limit and not self._inflating.eof:
            part = self._inflating.decompress(self._compressed, min(limit - size, _PIECE))
            if not (part or self._inflating.unconsumed_tail):
                break
            self._compressed = self._inflating.unconsumed_tail
            size += self.write(part)


def _number(value, keyword, *, finite):
    written = getattr(value, "original_string", None) or value
    if isinstance(written, str) and not _DECIMAL.fullmatch(written.strip("\0")):
        raise unusable(keyword, "holds text that is not a number")
    if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
        raise unusable(keyword, "holds no number")
    number = float(value)
    if finite and not math.isfinite(number):
        raise unusable(keyword, "holds no finite number")
    return number
