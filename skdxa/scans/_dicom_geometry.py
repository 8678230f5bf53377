"""How large a pixel of a DICOM image is, and which way is up."""

from skdxa.exceptions import ScanReadError
from skdxa.scans._dicom_groups import find_item

# No bone densitometer has such a resolution: the area was not given in millimetres.
_FINEST_MM = 0.05


def find_spacing(elements, frame):
    """Return a pixel's size and the element that states it.

    Parameters
    ----------
    elements : Elements
        The header.
    frame : int
        Number of the frame, counted from 0.

    Returns
    -------
    spacing : tuple of float, or None
        Height and width in mm.
    source : str or None
        Keyword of the element. Without a PixelSpacingCalibrationType, a PixelSpacing that
        repeats the ImagerPixelSpacing is the latter: it is measured at the detector.
    """
    imager = _positive_pair(elements, "ImagerPixelSpacing")
    measures = find_item(elements, frame, "PixelMeasuresSequence", ("PixelSpacing",))
    patient = _positive_pair(measures, "PixelSpacing")
    if patient is not None:
        is_calibrated = "PixelSpacingCalibrationType" in elements
        at_detector = patient == imager and not is_calibrated
        return patient, "ImagerPixelSpacing" if at_detector else "PixelSpacing"
    if imager is not None:
        return imager, "ImagerPixelSpacing"
    nominal = _positive_pair(elements, "NominalScannedPixelSpacing")
    if nominal is not None:
        return nominal, "NominalScannedPixelSpacing"
    for holder in (elements, *elements.items("ExposureDoseSequence")):
        area = _positive_pair(holder, "ExposedArea")
        if area is not None:
            spacing = area[1] / elements.whole("Rows"), area[0] / elements.whole("Columns")
            if min(spacing) >= _FINEST_MM:
                return spacing, "ExposedArea"
    return None, None


def _positive_pair(elements, keyword):
    """Return two positive numbers, or None: zeros mean an unknown size."""
    numbers = elements.numbers(keyword)
    return tuple(numbers) if len(numbers) == 2 and min(numbers) > 0 else None


def upright(pixels, elements):
    """Return the pixels with the head at the top, or refuse those that lie on their side."""
    rightwards, downwards = _directions(elements.texts("PatientOrientation"))
    if rightwards in ("H", "F"):
        raise ScanReadError(
            f"the scan lies on its side (PatientOrientation is {rightwards}, {downwards}). "
            "Rotate it so that the head is at the top.",
            reason="unsupported image",
        )
    return pixels[::-1] if downwards == "H" else pixels


def _directions(orientation):
    """Return the first letters of where a row and a column lead, empty if unknown."""
    if len(orientation) != 2:
        return "", ""
    return tuple(text[:1] if text[:1] in "LRAPHF" else "?" for text in orientation)
