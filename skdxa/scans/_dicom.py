"""DICOM files: one greyscale frame, upright, with bone bright."""

import warnings

import numpy as np
import pydicom
from pydicom.pixels import get_decoder
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from skdxa.exceptions import ScanReadError
from skdxa.scans._content import Content
from skdxa.scans._margins import unscanned_margins

_IMAGE_TAGS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "PixelData",
)

# Nothing else is parsed: names, numbers and dates never get into memory.
_TAGS = (
    *_IMAGE_TAGS,
    "BurnedInAnnotation",
    "ExposedArea",
    "ExposureDoseSequence",
    "HighBit",
    "ImagerPixelSpacing",
    "NumberOfFrames",
    "PatientOrientation",
    "PixelPaddingRangeLimit",
    "PixelPaddingValue",
    "PixelSpacing",
    "PlanarConfiguration",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
)

# No bone densitometer resolves so finely: the area was not given in millimetres.
_FINEST_MM = 0.05


def looks_like_dicom(head):
    """Tell whether a file's first bytes are DICOM, with or without its preamble."""
    if head[128:132] == b"DICM":
        return True
    # Without preamble the first element is of group 2 or 8, and either names its
    # type by two capitals or gives a length of less than 256 bytes.
    element = head[:8]
    named = element[4:6].isalpha() and element[4:6].isupper()
    short = element[5:8] == bytes(3)
    return len(element) == 8 and element[:2] in (b"\x02\x00", b"\x08\x00") and (named or short)


def read_dicom(file, options):
    """Return a DICOM file's pixels, spacing and unit."""
    # Warnings quote the values they dislike, and these may be the patient's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(file, force=True, specific_tags=list(_TAGS))
            found = {tag: dataset.get(tag) for tag in _TAGS}
            _check_image(found)
            spacing_mm, slope, intercept = _spacing(found), *_rescaling(found)
        except ScanReadError:
            raise
        # A damaged header makes pydicom fail in ways it does not list.
        except Exception as error:
            raise ScanReadError(
                f"the DICOM header is damaged ({type(error).__name__}). "
                "Export or copy the file again.",
                reason="damaged file",
            ) from error
        stored = _stored_pixels(dataset)
    pixels = slope * _bone_bright(stored, found) + intercept
    pixels[_padding(stored, found) | unscanned_margins(pixels)] = np.nan
    return Content(_upright(pixels, found), "DICOM", spacing=spacing_mm, unit=_unit(found))


def _check_image(found):
    missing = [tag for tag in _IMAGE_TAGS if found[tag] in (None, b"", "")]
    if missing:
        raise ScanReadError(
            f"the DICOM file holds no complete image ({', '.join(missing)} missing). "
            "It is a report or was cut short; export the scan's image again.",
            reason="damaged file",
        )
    photometric = found["PhotometricInterpretation"]
    if found["SamplesPerPixel"] != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise ScanReadError(
            f"the DICOM image is in colour ({photometric}), as report screens are. "
            "Export the greyscale scan itself.",
            reason="unsupported image",
        )
    if int(found["NumberOfFrames"] or 1) != 1:
        raise ScanReadError(
            f"the DICOM file holds {found['NumberOfFrames']} frames. "
            "Export the one that is the scan as a file of its own.",
            reason="unsupported image",
        )
    if found["BurnedInAnnotation"] == "YES":
        raise ScanReadError(
            "the DICOM header says that text identifying the patient is burned into "
            "the pixels (BurnedInAnnotation is YES). Export the scan without annotations.",
            reason="identifying text",
        )


def _stored_pixels(dataset):
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = (
            ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        )
    syntax = dataset.file_meta.TransferSyntaxUID
    if not _decodable(syntax):
        raise ScanReadError(
            f"no decoder is installed for the pixels' encoding ({syntax.name}). "
            "Install pylibjpeg with its plugins (pip install 'pylibjpeg[all]'), or export the "
            "scan uncompressed.",
            reason="unsupported image",
        )
    try:
        return dataset.pixel_array
    # Each decoder has errors of its own.
    except Exception as error:
        raise ScanReadError(
            f"the pixel data are damaged or cut short ({error}). Export or copy the file again.",
            reason="damaged file",
        ) from error


def _decodable(syntax):
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:
        return False


def _rescaling(found):
    slope, intercept = found["RescaleSlope"], found["RescaleIntercept"]
    return 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)


def _bone_bright(stored, found):
    """Return the stored values as floats; for MONOCHROME1, lowest and highest change places."""
    stored = stored.astype(np.float64)
    if found["PhotometricInterpretation"] == "MONOCHROME2":
        return stored
    signed = found["PixelRepresentation"] == 1
    return (-1 if signed else 2 ** found["BitsStored"] - 1) - stored


def _upright(pixels, found):
    rightwards, downwards = _directions(found["PatientOrientation"])
    if rightwards in ("H", "F"):
        raise ScanReadError(
            f"the scan lies on its side (PatientOrientation is "
            f"{rightwards}, {downwards}). Rotate it so that the head is at the top.",
            reason="unsupported image",
        )
    return pixels[::-1] if downwards == "H" else pixels


def _directions(orientation):
    """Return the first letters of where a row and a column lead, empty if unknown."""
    if orientation is None or isinstance(orientation, str) or len(orientation) != 2:
        return "", ""
    return orientation[0][:1], orientation[1][:1]


def _padding(stored, found):
    """Mask of the pixels that the header itself declares to be no part of the scan."""
    first = found["PixelPaddingValue"]
    if first is None:
        return np.zeros(stored.shape, dtype=bool)
    last = found["PixelPaddingRangeLimit"]
    low, high = sorted((first, first if last is None else last))
    return (stored >= low) & (stored <= high)


def _spacing(found):
    """Return (row_mm, column_mm) from the first of the elements that says it, else None."""
    for tag in ("PixelSpacing", "ImagerPixelSpacing"):
        pair = _positive_pair(found[tag])
        if pair is not None:
            return pair
    areas = [found["ExposedArea"]]
    areas += [item.get("ExposedArea") for item in found["ExposureDoseSequence"] or ()]
    for width_and_height in filter(None, map(_positive_pair, areas)):
        column_mm = width_and_height[0] / found["Columns"]
        row_mm = width_and_height[1] / found["Rows"]
        if min(row_mm, column_mm) >= _FINEST_MM:
            return row_mm, column_mm
    return None


def _positive_pair(value):
    """Return two positive floats, or None if the element is absent or is not that."""
    if value is None or isinstance(value, str | float | int) or len(value) != 2:
        return None
    first, second = (float(number) for number in value)
    return (first, second) if 0 < first < np.inf and 0 < second < np.inf else None


def _unit(found):
    declared = (found["RescaleType"] or "").lower().replace("^", "").replace("\u00b2", "2")
    return "g/cm2" if declared.replace(" ", "") == "g/cm2" else "grey level"
