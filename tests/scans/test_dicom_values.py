"""What the stored values of a DICOM file mean: inversion, rescaling, tables, padding."""

import numpy as np
import pydicom
import pytest
from dicom_files import MILLI, sequence_item, with_element
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.pixels import apply_modality_lut
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from scan_files import PIXELS, refusal, write_dicom

from skdxa.scans import read_scan


@pytest.mark.parametrize(
    ("pixels", "elements", "expected"),
    [
        (PIXELS, {}, 255.0 - PIXELS),
        (PIXELS.astype(np.uint16), {"BitsStored": 12, "HighBit": 11}, 4095.0 - PIXELS),
        (PIXELS.astype(np.int16) - 9, {}, -1.0 - (PIXELS - 9.0)),
        (PIXELS, {"RescaleSlope": 2, "RescaleIntercept": -5}, 2 * (255.0 - PIXELS) - 5),
    ],
)
def test_monochrome1_is_inverted(file, pixels, elements, expected):
    write_dicom(file, pixels, PhotometricInterpretation="MONOCHROME1", **elements)
    np.testing.assert_array_equal(read_scan(file).pixels, expected)


@pytest.mark.parametrize(
    ("rescale_type", "unit"), [("g/cm2", "g/cm2"), ("G/CM^2", "g/cm2"), ("US", "grey level")]
)
def test_rescaling_gives_the_physical_values(file, rescale_type, unit):
    write_dicom(file, RescaleSlope="0.01", RescaleIntercept="0.25", RescaleType=rescale_type)
    scan = read_scan(file)
    np.testing.assert_allclose(scan.pixels, PIXELS * 0.01 + 0.25, rtol=1e-6)
    assert scan.unit == unit


def test_declared_padding_is_unscanned(file):
    write_dicom(file, PixelPaddingValue=int(PIXELS[2, 3]))
    np.testing.assert_array_equal(np.argwhere(np.isnan(read_scan(file).pixels)), [[2, 3]])
    write_dicom(
        file,
        PixelPaddingValue=int(PIXELS[2, 5]),
        PixelPaddingRangeLimit=int(PIXELS[2, 3]),
        PhotometricInterpretation="MONOCHROME1",
    )
    np.testing.assert_array_equal(
        np.argwhere(np.isnan(read_scan(file).pixels)), [[2, 3], [2, 4], [2, 5]]
    )


DENSITY = {"RescaleSlope": "0.001", "RescaleIntercept": "0", "RescaleType": "g/cm2"}


@pytest.mark.parametrize("shape", [None, "INVERSE", "IDENTITY"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_display_does_not_change_a_density(file, photometric, shape):
    write_dicom(
        file, MILLI, PhotometricInterpretation=photometric, PresentationLUTShape=shape, **DENSITY
    )
    scan = read_scan(file)
    np.testing.assert_allclose(scan.pixels, MILLI * 0.001, rtol=1e-6)
    assert scan.unit == "g/cm2"


@pytest.mark.parametrize(
    ("photometric", "shape", "is_inverse"),
    [
        ("MONOCHROME2", "IDENTITY", False),
        # In an image both say the same, so that it is inverted once.
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", True),
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_grey_levels_are_inverted_once(file, photometric, shape, is_inverse):
    write_dicom(file, PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    expected = 255 - PIXELS if is_inverse else PIXELS
    np.testing.assert_array_equal(read_scan(file).pixels, expected)


@pytest.mark.parametrize(
    ("rescale_type", "is_inverse"), [("HU", False), ("OD", True), ("US", True)]
)
def test_only_grey_levels_are_inverted(file, rescale_type, is_inverse):
    write_dicom(
        file,
        PhotometricInterpretation="MONOCHROME1",
        RescaleSlope=2,
        RescaleIntercept=-5,
        RescaleType=rescale_type,
    )
    stored = 255.0 - PIXELS if is_inverse else PIXELS.astype(float)
    scan = read_scan(file)
    np.testing.assert_array_equal(scan.pixels, 2 * stored - 5)
    assert scan.unit == "grey level"


def modality_lut(entries, *, first=0, bits=16, **elements):
    item = sequence_item(LUTDescriptor=[len(entries), first, bits], ModalityLUTType="US")
    item["LUTData"] = DataElement(0x00283006, "OW", np.asarray(entries, "<u2").tobytes())
    for name, value in elements.items():
        setattr(item, name, value)
    return [item]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_modality_table(file, syntax, photometric):
    table = 1000 - 5 * np.arange(200)
    write_dicom(
        file,
        syntax=syntax,
        PhotometricInterpretation=photometric,
        ModalityLUTSequence=modality_lut(table),
        # The table takes the place of the slope.
        RescaleSlope=7,
        RescaleIntercept=0,
    )
    scan = read_scan(file)
    np.testing.assert_array_equal(scan.pixels, 1000.0 - 5 * PIXELS.astype(float))
    assert scan.unit == "grey level"


def test_modality_table_is_clipped_at_its_ends(file):
    shuffled = np.random.default_rng(0).permutation(PIXELS.ravel()).reshape(7, 9)
    pixels = shuffled.astype(np.int16) - 100
    table = 400 + np.arange(130)
    write_dicom(file, pixels, ModalityLUTSequence=modality_lut(table, first=-50))
    looked_up = read_scan(file).pixels
    np.testing.assert_array_equal(looked_up, apply_modality_lut(pixels, pydicom.dcmread(file)))
    assert (looked_up == 400).sum() == (pixels <= -50).sum() > 1
    assert (looked_up == 529).sum() == (pixels >= 79).sum() > 1


def test_modality_table_of_bytes(file):
    # 256 entries of 8 bits, two in a word.
    item = sequence_item(LUTDescriptor=[256, 0, 8], ModalityLUTType="g/cm^2")
    item["LUTData"] = DataElement(0x00283006, "OW", bytes(value // 32 for value in range(256)))
    scan = read_scan(write_dicom(file, ModalityLUTSequence=[item]))
    np.testing.assert_array_equal(scan.pixels, PIXELS // 32)
    assert scan.unit == "g/cm2"


@pytest.mark.parametrize(
    ("item", "named"),
    [
        (sequence_item(ModalityLUTType="US"), "LUTDescriptor holds 0 values"),
        (modality_lut([1, 2], LUTDescriptor=[2, 0])[0], "LUTDescriptor holds 2 values"),
        (
            modality_lut([1, 2], LUTDescriptor=[3, 0, 16])[0],
            "LUTData holds 2 values in place",
        ),
        (modality_lut([1, 2], bits=32)[0], "LUTDescriptor states entries of other than"),
        (modality_lut([1, 400], bits=8)[0], "LUTData holds values of more than 8 bits"),
        (modality_lut([1, 2], ModalityLUTType=["US", "g/cm2"])[0], "ModalityLUTType holds no"),
    ],
)
def test_damaged_modality_table(file, item, named):
    assert f"DICOM element {named}" in refusal(write_dicom(file, ModalityLUTSequence=[item]))


@pytest.mark.parametrize(("dtype", "prefix"), [("f4", ""), ("f8", "Double")])
def test_floating_point_pixels(file, dtype, prefix):
    pixels = np.linspace(0.5, 1.5, 63).reshape(7, 9).astype(dtype)
    elements = {
        f"{prefix}FloatPixelData": pixels.tobytes(),
        f"{prefix}FloatPixelPaddingValue": float(pixels[2, 3]),
    }
    dropped = ("PixelData", "BitsStored", "HighBit", "PixelRepresentation")
    write_dicom(file, drop=dropped, **elements)
    scan = read_scan(file)
    expected = pixels.astype(np.float32)
    expected[2, 3] = np.nan
    np.testing.assert_array_equal(scan.pixels, expected)
    write_dicom(file, drop=dropped, PhotometricInterpretation="MONOCHROME1", **elements)
    assert "no largest value" in refusal(file)
    write_dicom(file, drop=dropped, PhotometricInterpretation="MONOCHROME1", **elements, **DENSITY)
    np.testing.assert_allclose(read_scan(file).pixels, expected * 0.001, rtol=1e-6)


def real_world(code="g/cm2", *, scheme="UCUM", first=0, last=2000, **elements):
    unit = sequence_item(CodeValue=code, CodingSchemeDesignator=scheme, CodeMeaning="x")
    item = sequence_item(MeasurementUnitsCodeSequence=[unit], **elements)
    for end, value in (("First", first), ("Last", last)):
        keyword = f"RealWorldValue{end}ValueMapped"
        item[keyword] = DataElement(tag_for_keyword(keyword), "US", value)
    return item


LINE = {"RealWorldValueSlope": 0.002, "RealWorldValueIntercept": -0.5}


@pytest.mark.parametrize("code", ["g/cm2", "g.cm-2"])
def test_real_world_density(file, code):
    mapping = real_world(code, **LINE)
    write_dicom(
        file,
        MILLI,
        RescaleSlope=3,
        RescaleIntercept=7,
        PhotometricInterpretation="MONOCHROME1",
        RealWorldValueMappingSequence=[real_world("[hnsf'U]", **LINE), mapping],
    )
    scan = read_scan(file)
    # From the values as stored, not as rescaled.
    np.testing.assert_allclose(scan.pixels, MILLI * 0.002 - 0.5, rtol=1e-6)
    assert scan.unit == "g/cm2"
    shared = sequence_item(RealWorldValueMappingSequence=[mapping])
    write_dicom(file, MILLI, SharedFunctionalGroupsSequence=[shared])
    np.testing.assert_array_equal(read_scan(file).pixels, scan.pixels)


@pytest.mark.parametrize("other", [{"code": "mg/cm2"}, {"scheme": "99LOCAL"}])
def test_real_world_values_in_other_units_are_ignored(file, other):
    write_dicom(file, MILLI, RealWorldValueMappingSequence=[real_world(**other, **LINE)])
    scan = read_scan(file)
    np.testing.assert_array_equal(scan.pixels, MILLI)
    assert scan.unit == "grey level"


def test_real_world_table_maps_its_range_only(file):
    entries = [0.5, 0.75, 1.25]
    mapping = real_world(first=50, last=52, RealWorldValueLUTData=entries)
    scan = read_scan(write_dicom(file, RealWorldValueMappingSequence=[mapping]))
    # PIXELS holds 50, but neither 51 nor 52.
    np.testing.assert_array_equal(scan.pixels, np.where(PIXELS == 50, 0.5, np.nan))


@pytest.mark.parametrize(
    ("mapping", "named"),
    [
        (real_world(), "RealWorldValueSlope"),
        (real_world(RealWorldValueSlope=0.0, RealWorldValueIntercept=0.0), "RealWorldValueSlope"),
        (
            real_world(RealWorldValueSlope=np.inf, RealWorldValueIntercept=0.0),
            "RealWorldValueSlope",
        ),
        (real_world(first=[1, 2], **LINE), "RealWorldValueFirstValueMapped"),
        (real_world(last=3, RealWorldValueLUTData=[1.0, 2.0]), "RealWorldValueLUTData"),
        (real_world(first=300, **LINE), "RealWorldValueMappingSequence maps none"),
    ],
)
def test_damaged_real_world_mapping(file, mapping, named):
    write_dicom(file, RealWorldValueMappingSequence=[mapping])
    assert f"DICOM element {named}" in refusal(file)


@pytest.mark.parametrize("value_type", ["US", "SS"])
def test_padding_of_the_other_sign(file, value_type):
    signed = PIXELS.astype(np.int16) - 100
    value = int(signed[2, 3]) % 65536 if value_type == "US" else int(signed[2, 3])
    with_element(file, "PixelPaddingValue", value_type, value, pixels=signed)
    np.testing.assert_array_equal(np.argwhere(np.isnan(read_scan(file).pixels)), [[2, 3]])


def test_table_of_all_real_world_values(file):
    entries = [0.5 + value / 65536 for value in range(65536)]
    mapping = real_world(first=0, last=65535, RealWorldValueLUTData=entries)
    # In explicit syntax a sequence holds no table so long.
    write_dicom(
        file, MILLI, syntax=ImplicitVRLittleEndian, RealWorldValueMappingSequence=[mapping]
    )
    np.testing.assert_allclose(read_scan(file).pixels, 0.5 + MILLI / 65536, rtol=1e-6)
