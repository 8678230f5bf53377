"""DICOM files: one greyscale frame, upright, with bone bright."""

from skdxa.exceptions import ScanReadError
from skdxa.scans._content import Content
from skdxa.scans._dicom_elements import read_elements
from skdxa.scans._dicom_geometry import find_spacing, upright
from skdxa.scans._dicom_pixels import read_frame
from skdxa.scans._dicom_values import convert

_IMAGE = ("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns")
_STORED = ("BitsAllocated", "BitsStored", "PixelRepresentation")

_GREY = ("MONOCHROME1", "MONOCHROME2")
# Other values are not printed, since they may contain any text.
_COLOURS = (
    *("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_PARTIAL_422"),
    *("YBR_ICT", "YBR_RCT", "HSV", "ARGB", "CMYK", "XYB"),
)

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
# Files without an image, by the beginning of their SOP class.
_DOCUMENTS = {
    "1.2.840.10008.5.1.4.1.1.88.": "a structured report",
    "1.2.840.10008.5.1.4.1.1.104.": "a document, such as a PDF report",
    "1.2.840.10008.5.1.4.1.1.11.": "a presentation state, which says how to display an image",
    "1.2.840.10008.5.1.4.1.1.9.": "a waveform",
    "1.2.840.10008.1.3.10": "a directory of other files (DICOMDIR)",
}
_DOCUMENT_MODALITIES = {
    "SR": "a structured report",
    "DOC": "a document, such as a PDF report",
    "KO": "a selection of other files",
    "PR": "a presentation state, which says how to display an image",
}


def has_dicom_prefix(head):
    """Return whether DICOM's prefix follows the preamble."""
    return head[128:132] == b"DICM"


def looks_like_dicom(head):
    """Return whether a file's first bytes are DICOM, with or without its preamble."""
    if head[128:132] == b"DICM":
        return True
    # Without preamble the first element is of group 2 or 8, and either names its
    # type by two capitals or gives a length of less than 256 bytes.
    element = head[:8]
    named = element[4:6].isalpha() and element[4:6].isupper()
    short = element[5:8] == bytes(3)
    # Group 8 in the other order of bytes names its type.
    swapped = element[:2] == b"\x00\x08" and named
    known = element[:2] in (b"\x02\x00", b"\x08\x00") and (named or short)
    return len(element) == 8 and (known or swapped)


def read_dicom(file, options):
    """Return the pixels, the spacing and the unit of one frame of a DICOM file."""
    elements, pixels = read_elements(file)
    _check_image(elements, pixels)
    stored, frame = read_frame(elements, pixels, options)
    values, unit = convert(stored, elements, frame, is_float=pixels.keyword != "PixelData")
    spacing, source = find_spacing(elements, frame) if options.needs_spacing else (None, None)
    return Content(
        upright(values, elements), "DICOM", spacing=spacing, spacing_source=source, unit=unit
    )


def _check_image(elements, pixels):
    _check_no_document(elements)
    needed = _IMAGE if pixels and pixels.keyword != "PixelData" else (*_IMAGE, *_STORED)
    missing = [keyword for keyword in needed if keyword not in elements]
    if pixels is None:
        missing.append("PixelData")
    if missing:
        raise ScanReadError(
            f"the DICOM file holds no complete image ({', '.join(missing)} missing). "
            "It is a report or was cut short; export the scan's image again.",
            reason="damaged file",
        )
    photometric = elements.text("PhotometricInterpretation")
    if elements.whole("SamplesPerPixel") != 1 or photometric not in _GREY:
        named = photometric if photometric in (*_COLOURS, *_GREY) else "of an unknown kind"
        raise ScanReadError(
            f"the DICOM image is in colour ({named}), as report screens are. "
            "Export the greyscale scan itself.",
            reason="unsupported image",
        )
    _check_no_report(elements)


def _check_no_document(elements):
    """Refuse files that are made to hold text or references."""
    sop_class, modality = elements.text("SOPClassUID") or "", elements.text("Modality")
    kinds = [kind for start, kind in _DOCUMENTS.items() if sop_class.startswith(start)]
    kinds += [_DOCUMENT_MODALITIES[modality]] if modality in _DOCUMENT_MODALITIES else []
    if kinds:
        raise ScanReadError(
            f"the DICOM file is {kinds[0]}, and not a scan. Export the scan's image; bone "
            "densities that a report states belong in the table of patients.",
            reason="unsupported image",
        )


def _check_no_report(elements):
    """Refuse pictures of a screen, which show the patient's name and text over the scan."""
    burned_in = elements.text("BurnedInAnnotation")
    if burned_in == "YES":
        raise ScanReadError(
            "the DICOM header says that text identifying the patient is burned into "
            "the pixels (BurnedInAnnotation is YES). Export the scan without annotations.",
            reason="identifying text",
        )
    sop_class = elements.text("SOPClassUID") or ""
    is_capture = f"{sop_class}.".startswith(f"{_SECONDARY_CAPTURE}.")
    if is_capture and elements.text("Modality") == "OT" and burned_in != "NO":
        raise ScanReadError(
            "the DICOM file is a secondary capture of no modality (OT), as report screens are, "
            "and does not state that it contains no text. Export the scan itself, or set "
            "BurnedInAnnotation to NO if you have looked at it.",
            reason="unsupported image",
        )
