"""Turn the stored values of a DICOM image into grey levels or densities, bone bright."""

import numpy as np

from skdxa.exceptions import ScanReadError
from skdxa.scans._dicom_elements import unusable
from skdxa.scans._dicom_groups import find_item
from skdxa.scans._margins import unscanned_margins

# The spellings of g/cm2 in UCUM, and those found in RescaleType.
_DENSITY = ("G/CM2", "G.CM-2")
# A RescaleType that states no physical unit. Optical density says how dark a film looks, so
# that bone is bright where it is low, as with grey levels.
_GREY_TYPES = (None, "US", "OD", "NONE", "UNSPECIFIED", "NORMALIZED")
_LARGEST_TABLE = 2**16
# Rows computed at a time, so that double precision takes little memory.
_ROWS = 64


def convert(stored, elements, frame, *, is_float):
    """Return an image's values and their unit.

    Parameters
    ----------
    stored : ndarray of shape (n_rows, n_columns)
        The values as they are stored.
    elements : Elements
        The header.
    frame : int
        Number of the frame, counted from 0.
    is_float : bool
        Whether the values come from FloatPixelData or DoubleFloatPixelData.

    Returns
    -------
    values : ndarray of float32 of shape (n_rows, n_columns)
        Bone bright; NaN where the scanner did not scan.
    unit : {"g/cm2", "grey level"}

    Notes
    -----
    Values come from the first of these: a real-world value mapping to g/cm2, a modality lookup
    table, the rescale slope and intercept. MONOCHROME1 and the presentation shape INVERSE say
    how to display an image. They change grey levels, never a physical quantity.
    """
    unscanned = _padding(stored, elements, is_float=is_float)
    densities = _mapped_densities(stored, elements, frame)
    if densities is not None:
        values, unit = densities, "g/cm2"
    elif table := elements.item("ModalityLUTSequence"):
        values, unit = _looked_up(stored, table, is_signed=_is_signed(elements, is_float))
    else:
        values, unit = _rescaled(stored, elements, frame, is_float=is_float)
    values[unscanned | unscanned_margins(values)] = np.nan
    return values, unit


def _is_signed(elements, is_float):
    return is_float or elements.whole("PixelRepresentation") == 1


def _rescaled(stored, elements, frame, *, is_float):
    item = find_item(
        elements,
        frame,
        "PixelValueTransformationSequence",
        ("RescaleSlope", "RescaleIntercept", "RescaleType"),
    )
    slope, intercept = item.number("RescaleSlope"), item.number("RescaleIntercept")
    if slope == 0:
        raise unusable("RescaleSlope", "is 0, so that all pixels are equal")
    rescale_type = item.text("RescaleType")
    is_inverse = rescale_type in _GREY_TYPES and _is_inverse(elements)
    largest = _largest(elements, is_float=is_float) if is_inverse else None

    def rescale(rows):
        values = rows.astype(np.float64)
        if is_inverse:
            values = largest - values
        if slope is not None:
            values *= slope
        if intercept is not None:
            values += intercept
        return values

    return _by_rows(rescale, stored), _unit(rescale_type)


def _by_rows(function, stored):
    """Return a function of the stored values in single precision, computed in double."""
    values = np.empty(stored.shape, dtype=np.float32)
    # Beyond single precision, a number becomes infinite, which is refused later.
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(stored), _ROWS):
            values[start : start + _ROWS] = function(stored[start : start + _ROWS])
    return values


def _is_inverse(elements):
    # Images with both elements state the same inversion twice, so invert once.
    photometric = elements.text("PhotometricInterpretation")
    return photometric == "MONOCHROME1" or elements.text("PresentationLUTShape") == "INVERSE"


def _largest(elements, *, is_float):
    """Return the sum of the lowest and the highest value that can be stored."""
    if is_float:
        raise ScanReadError(
            "the DICOM image counts from white (MONOCHROME1) in floating-point numbers, which "
            "have no largest value. Export it as MONOCHROME2, or with its unit.",
            reason="unsupported image",
        )
    return -1.0 if _is_signed(elements, is_float) else 2.0 ** elements.whole("BitsStored") - 1


def _unit(text):
    return "g/cm2" if _is_density(text) else "grey level"


def _is_density(text):
    plain = (text or "").replace("^", "").replace("\u00b2", "2").replace(" ", "")
    return plain in _DENSITY


# Lookup tables


def _looked_up(stored, table, *, is_signed):
    """Return the output of a modality lookup table; values beyond its ends take the end's."""
    if stored.dtype.kind == "f":
        raise unusable("ModalityLUTSequence", "cannot look up floating-point pixels")
    descriptor = table.words("LUTDescriptor")
    if len(descriptor) != 3:
        raise unusable("LUTDescriptor", f"holds {len(descriptor)} values in place of 3")
    n_entries = int(descriptor[0]) or _LARGEST_TABLE
    first = int(descriptor[1].view(np.int16)) if is_signed else int(descriptor[1])
    bits = int(descriptor[2])
    if not 1 <= bits <= 16:
        raise unusable("LUTDescriptor", "states entries of other than 1 to 16 bits")
    entries = table.words("LUTData", types=("US", "SS", "OW", "UN"))
    if bits <= 8 and len(entries) == (n_entries + 1) // 2 < n_entries:
        # Two entries in each word, as dcmtk and others have them.
        entries = entries.astype("<u2").view(np.uint8)[:n_entries]
    if len(entries) != n_entries:
        raise unusable("LUTData", f"holds {len(entries)} values in place of {n_entries}")
    if entries.max() >= 2**bits:
        raise unusable("LUTData", f"holds values of more than {bits} bits")
    unit = _unit(table.text("ModalityLUTType"))

    def look_up(rows):
        return entries[np.clip(rows.astype(np.int64) - first, 0, n_entries - 1)]

    return _by_rows(look_up, stored), unit


# Real-world values


def _mapped_densities(stored, elements, frame):
    """Return areal densities where a real-world value mapping gives them, else None.

    Mappings to other units are ignored: a scan is a density or a grey level.
    """
    holder = find_item(elements, frame, None, ("RealWorldValueMappingSequence",))
    mappings = [
        mapping
        for mapping in holder.items("RealWorldValueMappingSequence")
        if _states_density(mapping)
    ]
    if not mappings:
        return None
    densities = np.full(stored.shape, np.nan, dtype=np.float32)
    for mapping in reversed(mappings):
        low, high = _mapped_range(mapping, stored)
        inside = (stored >= low) & (stored <= high)
        if "RealWorldValueLUTData" in mapping:
            entries = np.array(mapping.numbers("RealWorldValueLUTData"))
            if len(entries) != high - low + 1:
                raise unusable("RealWorldValueLUTData", "does not fit its first and last value")
            densities[inside] = entries[stored[inside].astype(np.int64) - int(low)]
            continue
        slope = mapping.number("RealWorldValueSlope")
        intercept = mapping.number("RealWorldValueIntercept")
        if not slope or intercept is None:
            raise unusable("RealWorldValueSlope", "and its intercept do not state a mapping")
        densities[inside] = slope * stored[inside].astype(np.float64) + intercept
    if np.isnan(densities).all():
        raise unusable("RealWorldValueMappingSequence", "maps none of the pixels")
    return densities


def _states_density(mapping):
    code = mapping.item("MeasurementUnitsCodeSequence")
    if code is None or code.text("CodingSchemeDesignator") not in (None, "UCUM"):
        return False
    return _is_density(code.text("CodeValue"))


def _mapped_range(mapping, stored):
    """Return the first and last stored value of a mapping."""
    ends = []
    for end in ("First", "Last"):
        number = mapping.number(f"DoubleFloatRealWorldValue{end}ValueMapped")
        if number is None:
            words = mapping.words(f"RealWorldValue{end}ValueMapped")
            if len(words) != 1:
                raise unusable(f"RealWorldValue{end}ValueMapped", "holds no single value")
            signed = stored.dtype.kind != "u"
            number = int(words[0].view(np.int16)) if signed else int(words[0])
        ends.append(number)
    return ends


# Padding


def _padding(stored, elements, *, is_float):
    """Return a mask of the pixels that the header marks as outside the scan (padding)."""
    prefix = "" if not is_float else "Float" if stored.dtype.itemsize == 4 else "DoubleFloat"
    ends = []
    for keyword in (f"{prefix}PixelPaddingValue", f"{prefix}PixelPaddingRangeLimit"):
        end = _padding_value(stored, elements, keyword, is_float=is_float)
        if end is not None:
            ends.append(end)
    if f"{prefix}PixelPaddingValue" not in elements:
        return np.zeros(stored.shape, dtype=bool)
    return (stored >= min(ends)) & (stored <= max(ends))


def _padding_value(stored, elements, keyword, *, is_float):
    if is_float:
        number = elements.number(keyword, finite=False)
        return None if number is None or np.isnan(number) else stored.dtype.type(number)
    words = elements.words(keyword)
    if len(words) > 1:
        raise unusable(keyword, f"holds {len(words)} values in place of one")
    if len(words) == 0:
        return None
    # Its type is often that of the other sign.
    return int(words[0].view(np.int16)) if stored.dtype.kind == "i" else int(words[0])
