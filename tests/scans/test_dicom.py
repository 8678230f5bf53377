"""DICOM in: every encoding, every unit, and what hospitals' files get wrong."""

import dataclasses
import io
import pickle
import re
import shutil
import struct
import subprocess
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, get_decoder, pixel_array
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from scan_files import PIXELS, refusal, write_dicom

from skdxa.exceptions import ScanReadError
from skdxa.preprocessing import resample
from skdxa.scans import Scan, read_scan

REAL_SPINE = "1.2.840.113619.2.110.210419.20150928115733.2.2.12.1.dcm"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "one"


# DICOM


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]
)
def test_dicom_pixels_are_kept(file, syntax):
    scan = read_scan(write_dicom(file, syntax=syntax))
    assert scan.pixels.dtype == np.float32
    np.testing.assert_array_equal(scan.pixels, PIXELS)
    assert (scan.unit, scan.source, scan.spacing) == ("grey level", "DICOM", None)


def test_nothing_of_the_patient_leaves_the_reader(file):
    named = write_dicom(file.with_name("Secret_Name_010203.dcm"))
    scan = read_scan(named)
    assert [field.name for field in dataclasses.fields(Scan)] == [
        "pixels",
        "spacing",
        "unit",
        "source",
        "spacing_source",
    ]
    content = pickle.dumps(scan).lower()
    for secret in (b"secret", b"010203", b"1950", b"1.2.3"):
        assert secret not in content
    with pytest.raises(dataclasses.FrozenInstanceError):
        scan.source = "other"


def test_dicom_warnings_do_not_quote_the_header(file):
    # A warning is an error in these tests, and pydicom warns of such a number.
    with pytest.warns(UserWarning, match="Invalid value"):
        write_dicom(file, StudyInstanceUID="Secret^Name")
    np.testing.assert_array_equal(read_scan(file).pixels, PIXELS)


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


def test_head_is_put_at_the_top(file):
    write_dicom(file, PatientOrientation=["L", "F"])
    np.testing.assert_array_equal(read_scan(file).pixels, PIXELS)
    write_dicom(file, PatientOrientation=["L", "H"])
    np.testing.assert_array_equal(read_scan(file).pixels, PIXELS[::-1])
    write_dicom(file, PatientOrientation=["F", "L"])
    assert "lies on its side (PatientOrientation is F, L)" in refusal(file)


def exposures(*areas):
    items = [Dataset() for _ in areas]
    for item, area in zip(items, areas, strict=True):
        item.ExposedArea = area
    return items


@pytest.mark.parametrize(
    ("elements", "spacing_mm"),
    [
        ({"PixelSpacing": [1.05, 0.6]}, (1.05, 0.6)),
        ({"ImagerPixelSpacing": [1.05, 0.6]}, (1.05, 0.6)),
        ({"PixelSpacing": [1.05, 0.6], "ImagerPixelSpacing": [2, 3]}, (1.05, 0.6)),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [2, 3]}, (2, 3)),
        ({"PixelSpacing": [1.05, 0.6], "ExposedArea": [18, 7]}, (1.05, 0.6)),
        # Nine columns over 18 mm, seven rows over 7 mm.
        ({"ExposedArea": [18, 7]}, (1, 2)),
        ({"ExposureDoseSequence": exposures([18, 7])}, (1, 2)),
        ({"ExposedArea": [36, 7], "ExposureDoseSequence": exposures([18, 7])}, (1, 4)),
        ({"ExposedArea": 18}, None),
        ({"ExposedArea": [18, 0]}, None),
        ({"PixelSpacing": None}, None),
    ],
)
def test_dicom_spacing(file, elements, spacing_mm):
    write_dicom(file, **elements)
    assert read_scan(file).spacing == spacing_mm
    assert read_scan(file, spacing_mm=[0.5, 0.25]).spacing == (0.5, 0.25)


def test_area_in_other_units_than_mm_is_no_spacing(file):
    write_dicom(file, np.tile(PIXELS, (100, 100)), ExposedArea=[18, 20])
    assert read_scan(file).spacing is None


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


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_dicom_without_preamble(file, syntax):
    content = write_dicom(file, syntax=syntax).read_bytes()
    file.write_bytes(content[132:])
    np.testing.assert_array_equal(read_scan(file).pixels, PIXELS)
    # Without group 2 either, as old exports are.
    file.write_bytes(content[content.index(b"\x08\x00\x16\x00") :])
    np.testing.assert_array_equal(read_scan(file).pixels, PIXELS)


def test_run_length_encoded_pixels_are_decoded(file):
    # One segment of literal runs, after the header of 64 bytes.
    runs = b"".join(bytes([8]) + row.tobytes() for row in PIXELS)
    frame = np.array([1, 64, *[0] * 14], dtype="<u4").tobytes() + runs
    write_dicom(file, syntax=RLELossless, PixelData=encapsulate([frame]))
    np.testing.assert_array_equal(read_scan(file).pixels, PIXELS)
    write_dicom(file, syntax=RLELossless, PixelData=encapsulate([frame[:80]]))
    assert "pixel data are damaged or cut short" in refusal(file)


@pytest.mark.parametrize(
    ("syntax", "remedy"),
    [
        (JPEGLSLossless, 'Install pylibjpeg and its plugins with pip install "skdxa[compressed]"'),
        # Nothing that can be installed decodes a film.
        (MPEG2MPML, "Export the scan uncompressed"),
    ],
)
def test_missing_decoder(file, syntax, remedy, monkeypatch):
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", False)
    write_dicom(file, syntax=syntax, PixelData=encapsulate([b"\0" * 64]))
    message = refusal(file)
    assert f"no decoder is installed for the pixels' encoding ({syntax.name})" in message
    assert remedy in message
    assert "damaged" not in message


def test_unknown_encoding(file):
    content = write_dicom(file).read_bytes()
    file.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))
    assert "encoding (1.2.840.10008.1.2.9)" in refusal(file)


@pytest.mark.parametrize(
    ("elements", "drop", "reason"),
    [
        ({"NumberOfFrames": 3}, (), "holds 3 frames"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, (), "in colour (PALETTE COLOR)"),
        (
            {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0},
            (),
            "in colour (RGB), as report screens are",
        ),
        ({"BurnedInAnnotation": "YES"}, (), "burned into the pixels"),
        ({}, ("PixelData",), "no complete image (PixelData missing)"),
        ({"PixelData": b""}, (), "no complete image (PixelData missing)"),
        ({}, ("Rows", "Columns"), "no complete image (Rows, Columns missing)"),
        ({}, ("PhotometricInterpretation",), "(PhotometricInterpretation missing)"),
        ({"PixelData": bytes(20)}, (), "pixel data are damaged or cut short"),
    ],
)
def test_dicom_without_one_grey_frame(file, elements, drop, reason):
    assert reason in refusal(write_dicom(file, drop=drop, **elements))


def test_damaged_dicom_header(file):
    write_dicom(file, PixelSpacing=[1.05, 0.6])
    content = file.read_bytes()
    file.write_bytes(content.replace(b"1.05\\0.6", b"1.05\\abc"))
    message = refusal(file)
    assert "DICOM element PixelSpacing holds no number. Give spacing_mm" in message
    assert "abc" not in message
    np.testing.assert_array_equal(read_scan(file, spacing_mm=(1.05, 0.6)).pixels, PIXELS)


# What values stand for


def with_element(path, keyword, value_type, value, **options):
    """Write a file one element of which is of the given type, whatever DICOM defines."""
    dataset = pydicom.dcmread(write_dicom(path, **options))
    dataset[keyword] = DataElement(tag_for_keyword(keyword), value_type, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def sequence_item(**elements):
    item = Dataset()
    for name, value in elements.items():
        setattr(item, name, value)
    return item


MILLI = np.linspace(600, 1500, 63).reshape(7, 9).astype(np.uint16)
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


def groups(slope=None, spacing=None, rescale_type="g/cm2"):
    """Functional groups, each present if its value is."""
    item = Dataset()
    if slope is not None:
        item.PixelValueTransformationSequence = [
            sequence_item(RescaleSlope=slope, RescaleIntercept=0, RescaleType=rescale_type)
        ]
    if spacing is not None:
        item.PixelMeasuresSequence = [sequence_item(PixelSpacing=spacing)]
    return item


@pytest.mark.parametrize("is_undefined", [False, True])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_shared_functional_groups(file, syntax, is_undefined):
    write_dicom(
        file,
        MILLI,
        syntax=syntax,
        SharedFunctionalGroupsSequence=[groups(0.001, [1.05, 0.6])],
        NumberOfFrames=1,
    )
    if is_undefined:
        dataset = pydicom.dcmread(file)
        dataset["SharedFunctionalGroupsSequence"].is_undefined_length = True
        dataset.SharedFunctionalGroupsSequence[0].is_undefined_length_sequence_item = True
        dataset.save_as(file, enforce_file_format=True)
    scan = read_scan(file)
    np.testing.assert_allclose(scan.pixels, MILLI * 0.001, rtol=1e-6)
    assert (scan.unit, scan.spacing, scan.spacing_source) == ("g/cm2", (1.05, 0.6), "PixelSpacing")


def test_functional_groups_of_a_frame(file):
    frames = np.stack([MILLI, MILLI + 100])
    elements = {
        "NumberOfFrames": 2,
        "Rows": 7,
        "Columns": 9,
        "SharedFunctionalGroupsSequence": [groups(0.001, [1.05, 0.6])],
        "PerFrameFunctionalGroupsSequence": [groups(), groups(0.002, [2.0, 3.0], "US")],
        # Of no account where there are functional groups.
        "RescaleSlope": 9,
        "RescaleIntercept": 9,
    }
    write_dicom(file, frames, **elements)
    assert "holds 2 frames. Name the scan's frame with frame=" in refusal(file)
    first, second = read_scan(file, frame=0), read_scan(file, frame=1)
    np.testing.assert_allclose(first.pixels, MILLI * 0.001, rtol=1e-6)
    np.testing.assert_allclose(second.pixels, (MILLI + 100) * 0.002, rtol=1e-6)
    assert (first.spacing, first.unit) == ((1.05, 0.6), "g/cm2")
    assert (second.spacing, second.unit) == ((2.0, 3.0), "grey level")
    assert "holds 2 frames, so there is none of number 2" in refusal(file, frame=2)
    write_dicom(file, frames, **(elements | {"PerFrameFunctionalGroupsSequence": [groups()]}))
    assert "PerFrameFunctionalGroupsSequence has fewer items than frames" in refusal(file, frame=1)


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


# Elements that are not as DICOM defines them


ODD = [
    ("PixelPaddingValue", "OW", b"\x64\x00"),
    ("PixelPaddingValue", "US", [100, 101]),
    ("PixelPaddingValue", "LO", "Secret"),
    ("RescaleType", "LO", ["G/CM2", "US"]),
    ("RescaleType", "DS", "1"),
    ("RescaleSlope", "LO", "Secret"),
    ("RescaleSlope", "DS", ["1", "2"]),
    ("RescaleSlope", "DS", "0"),
    ("RescaleSlope", "FD", np.nan),
    ("RescaleIntercept", "OB", b"12"),
    ("PixelSpacing", "LO", "Secret"),
    ("ImagerPixelSpacing", "OB", b"12"),
    ("Rows", "US", [7, 9]),
    ("Rows", "US", 0),
    ("Columns", "LO", "Secret"),
    ("Columns", "DS", "9.5"),
    ("SamplesPerPixel", "US", [1, 1]),
    ("BitsAllocated", "US", 12),
    ("BitsStored", "US", 9),
    ("BitsStored", "US", 0),
    ("HighBit", "LO", "Secret"),
    ("HighBit", "US", [7, 7]),
    ("PixelRepresentation", "US", 2),
    ("PhotometricInterpretation", "CS", ["MONOCHROME1", "MONOCHROME2"]),
    ("PresentationLUTShape", "CS", ["IDENTITY", "INVERSE"]),
    ("PatientOrientation", "US", [1, 2]),
    ("NumberOfFrames", "IS", "0"),
    ("NumberOfFrames", "IS", "-2"),
    ("NumberOfFrames", "LO", "Secret"),
    ("BurnedInAnnotation", "CS", ["NO", "YES"]),
    ("Modality", "US", 1),
    ("SOPClassUID", "UI", ["1.2", "1.3"]),
    ("ModalityLUTSequence", "LO", "Secret"),
    ("RealWorldValueMappingSequence", "OB", b"12345678"),
    ("SharedFunctionalGroupsSequence", "LO", "Secret"),
    ("ExposureDoseSequence", "US", 3),
]


@pytest.mark.parametrize(("keyword", "value_type", "value"), ODD)
def test_unusable_elements_are_named(file, keyword, value_type, value):
    message = refusal(with_element(file, keyword, value_type, value))
    assert f"DICOM element {keyword} " in message
    assert "Secret" not in message


@pytest.mark.parametrize("text", ["1_05", "0x10", "1e400", "nan", "1,05", "1.05 2"])
def test_text_that_is_no_decimal(file, text):
    content = write_dicom(file, RescaleSlope="1234567890", RescaleIntercept="0").read_bytes()
    file.write_bytes(content.replace(b"1234567890", text.ljust(10).encode()))
    assert "DICOM element RescaleSlope holds" in refusal(file)


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagerPixelSpacing", "ExposedArea"])
@pytest.mark.parametrize(("value_type", "value"), [("LO", "Secret"), ("OB", b"12")])
def test_spacing_of_the_caller_comes_first(file, keyword, value_type, value):
    with_element(file, keyword, value_type, value)
    assert re.search(f"{keyword} holds (no|.* not a) number. Give spacing_mm", refusal(file))
    scan = read_scan(file, spacing_mm=(1.05, 0.6))
    assert (scan.spacing, scan.spacing_source) == ((1.05, 0.6), "caller")
    np.testing.assert_array_equal(scan.pixels, PIXELS)


@pytest.mark.parametrize("value_type", ["US", "SS"])
def test_padding_of_the_other_sign(file, value_type):
    signed = PIXELS.astype(np.int16) - 100
    value = int(signed[2, 3]) % 65536 if value_type == "US" else int(signed[2, 3])
    with_element(file, "PixelPaddingValue", value_type, value, pixels=signed)
    np.testing.assert_array_equal(np.argwhere(np.isnan(read_scan(file).pixels)), [[2, 3]])


def test_high_bit(file):
    # Left behind when values were shifted down: it changes nothing.
    write_dicom(file, MILLI, BitsStored=12, HighBit=15)
    np.testing.assert_array_equal(read_scan(file).pixels, MILLI)
    write_dicom(file, MILLI << 4, BitsStored=12, HighBit=15)
    assert "HighBit contradicts BitsStored" in refusal(file)
    # An overlay in the bits above.
    write_dicom(file, MILLI | 0xF000, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_scan(file).pixels, MILLI)


# Spacing


@pytest.mark.parametrize(
    ("elements", "spacing", "source"),
    [
        ({"PixelSpacing": [1.05, 0.6]}, (1.05, 0.6), "PixelSpacing"),
        ({"ImagerPixelSpacing": [1.05, 0.6]}, (1.05, 0.6), "ImagerPixelSpacing"),
        (
            {"PixelSpacing": [1.05, 0.6], "ImagerPixelSpacing": [1.1, 0.7]},
            (1.05, 0.6),
            "PixelSpacing",
        ),
        # Equal numbers are those at the detector, unless they are said to be calibrated.
        (
            {"PixelSpacing": [1.05, 0.6], "ImagerPixelSpacing": [1.05, 0.6]},
            (1.05, 0.6),
            "ImagerPixelSpacing",
        ),
        (
            {
                "PixelSpacing": [1.05, 0.6],
                "ImagerPixelSpacing": [1.05, 0.6],
                "PixelSpacingCalibrationType": "GEOMETRY",
            },
            (1.05, 0.6),
            "PixelSpacing",
        ),
        ({"NominalScannedPixelSpacing": [2, 3]}, (2, 3), "NominalScannedPixelSpacing"),
        (
            {"NominalScannedPixelSpacing": [2, 3], "ImagerPixelSpacing": [1.05, 0.6]},
            (1.05, 0.6),
            "ImagerPixelSpacing",
        ),
        ({"ExposedArea": [18, 7]}, (1, 2), "ExposedArea"),
        ({"PixelSpacing": [1.05]}, None, None),
        ({"PixelSpacing": [-1.05, 0.6]}, None, None),
        ({}, None, None),
    ],
)
def test_source_of_the_spacing(file, elements, spacing, source):
    scan = read_scan(write_dicom(file, **elements))
    assert (scan.spacing, scan.spacing_source) == (spacing, source)


# Frames and lengths


def run_length_encoded(pixels):
    """Encode as runs of literals, plane by plane, the highest byte first."""
    big = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    planes = [big[byte :: pixels.dtype.itemsize] for byte in range(pixels.dtype.itemsize)]
    segments = []
    for plane in planes:
        runs = b"".join(
            bytes([len(plane[start : start + 128]) - 1]) + plane[start : start + 128]
            for start in range(0, len(plane), 128)
        )
        segments.append(runs + b"\0" * (len(runs) % 2))
    starts = np.cumsum([64, *(len(segment) for segment in segments)])[:-1]
    header = np.zeros(16, "<u4")
    header[0], header[1 : len(starts) + 1] = len(starts), starts
    return header.tobytes() + b"".join(segments)


@pytest.mark.parametrize("has_offsets", [False, True])
@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, ExplicitVRBigEndian])
@pytest.mark.parametrize("pixels", [PIXELS, MILLI])
def test_frames(file, pixels, syntax, declared, has_offsets):
    frames = np.stack([pixels, pixels + 1, pixels + 2])
    elements = {"NumberOfFrames": 3} if declared else {}
    dtype = frames.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")
    data = frames.astype(dtype).tobytes()
    data += b"\0" * (len(data) % 2)
    if syntax == RLELossless:
        data = encapsulate([run_length_encoded(frame) for frame in frames], has_bot=has_offsets)
    elements |= {"Rows": 7, "Columns": 9, "PixelData": data}
    write_dicom(file, pixels, syntax=syntax, **elements)
    assert "holds 3 frames. Name the scan's frame with frame=, counted from 0" in refusal(file)
    for frame in range(3):
        np.testing.assert_array_equal(read_scan(file, frame=frame).pixels, frames[frame])
    assert "none of number 3" in refusal(file, frame=3)


def test_frames_in_several_fragments(file):
    needs("pylibjpeg", "libjpeg")
    start = b"\xff\xd8\xff\xc3\x00\x0b\x08\x00\x07\x00\x09\x01\x01\x11\x00"
    write_dicom(file, syntax=JPEGLosslessSV1, PixelData=encapsulate([start, start], has_bot=False))
    assert "holds 2 frames" in refusal(file)


def test_fewer_frames_than_stated(file):
    data = encapsulate([run_length_encoded(PIXELS)])
    write_dicom(file, syntax=RLELossless, NumberOfFrames=2, PixelData=data)
    assert "holds 1 of its 2 frames" in refusal(file, frame=0)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (bytes(9), None),
        (bytes(449), None),
        (bytes(8) + b"x", "states 72 bytes of pixels, but an image of its size has 63"),
        (bytes(2**17), "of pixels, but an image of its size has 63"),
        (bytes(63), "holds 2 frames"),
        (bytes(126), "holds 3 frames"),
    ],
)
def test_bytes_after_the_pixels(file, more, reason):
    content = PIXELS.tobytes() + more
    write_dicom(file, PixelData=content + b"\0" * (len(content) % 2))
    if reason is None:
        np.testing.assert_array_equal(read_scan(file).pixels, PIXELS)
    else:
        assert reason in refusal(file)


def test_pixels_without_a_delimiter(file):
    content = write_dicom(
        file, syntax=RLELossless, PixelData=encapsulate([run_length_encoded(PIXELS)])
    ).read_bytes()
    for length in range(1, 9 + 80, 8):
        file.write_bytes(content[:-length])
        assert "cut short" in refusal(file)
    file.write_bytes(content[: content.rindex(b"\xfe\xff\x00\xe0")] + b"Secret Name" + bytes(9))
    message = refusal(file)
    assert "not in fragments" in message
    assert "Secret" not in message


def test_floating_point_pixels_are_not_compressed(file):
    write_dicom(
        file, syntax=RLELossless, PixelData=encapsulate([bytes(8)]), FloatPixelData=bytes(252)
    )
    assert "DICOM element FloatPixelData is compressed" in refusal(file)


def test_no_fragments(file):
    content = write_dicom(file, syntax=RLELossless, PixelData=encapsulate([b"Secret"]))
    content = content.read_bytes()
    start = content.index(b"\xfe\xff\x00\xe0")
    file.write_bytes(content[: start + 4] + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4))
    assert "holds no compressed pixels" in refusal(file)


def test_compressed_pixels_under_an_uncompressed_syntax(file):
    content = write_dicom(
        file, syntax=RLELossless, PixelData=encapsulate([run_length_encoded(PIXELS)])
    ).read_bytes()
    file.write_bytes(content.replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.1\0"))
    assert "says that its pixels are not compressed" in refusal(file)


# Encodings, against other software


def smooth(dtype, peak):
    """An image that compresses well: 40 rows, 60 columns."""
    rows, columns = np.indices((40, 60))
    waves = np.sin(rows / 7) * np.cos(columns / 5)
    return np.round((waves + 1) / 2 * peak).astype(dtype)


def dcmtk(name):
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"the program {name} of dcmtk is not installed")
    return program


def needs(*modules):
    for module in modules:
        pytest.importorskip(module, reason=f"{module} (extra skdxa[compressed]) is not installed")


@pytest.mark.parametrize(
    ("encode", "decode", "bits"),
    [
        (["dcmcrle"], ["dcmdrle"], 8),
        (["dcmcrle"], ["dcmdrle"], 16),
        (["dcmcjpeg", "+eb"], ["dcmdjpeg"], 8),
        (["dcmcjpeg", "+ee"], ["dcmdjpeg"], 8),
        (["dcmcjpeg", "+ee"], ["dcmdjpeg"], 12),
        (["dcmcjpeg", "+e1"], ["dcmdjpeg"], 8),
        (["dcmcjpeg", "+el"], ["dcmdjpeg"], 16),
        (["dcmcjpls", "+el"], ["dcmdjpls"], 8),
        (["dcmcjpls", "+el"], ["dcmdjpls"], 16),
        (["dcmcjpls", "+en"], ["dcmdjpls"], 16),
    ],
    ids=lambda value: "".join(map(str, value)) if isinstance(value, list) else str(value),
)
def test_encodings_against_dcmtk(file, encode, decode, bits):
    if encode[0] != "dcmcrle":
        needs("pylibjpeg", "libjpeg")
    pixels = smooth(np.uint8 if bits == 8 else np.uint16, 2**bits - 1)
    plain = write_dicom(file.with_name("plain"), pixels, BitsStored=bits, HighBit=bits - 1)
    compressed, decoded = file.with_name("compressed"), file.with_name("decoded")
    program, *options = encode
    subprocess.run([dcmtk(program), *options, plain, compressed], check=True)
    subprocess.run([dcmtk(decode[0]), compressed, decoded], check=True)
    scan = read_scan(compressed)
    is_lossy = encode[-1] in ("+eb", "+ee", "+en")
    # Decoders of lossy JPEG of 12 bits round differently.
    tolerance = 1 if encode[-1] == "+ee" and bits == 12 else 0
    np.testing.assert_allclose(scan.pixels, read_scan(decoded).pixels, atol=tolerance, rtol=0)
    if not is_lossy:
        np.testing.assert_array_equal(scan.pixels, pixels)


@pytest.mark.parametrize("kind", ["BMP", "JPEG"])
def test_pictures_of_img2dcm(file, kind):
    picture, dicom = file.with_name("picture"), file.with_name("dicom")
    Image.fromarray(smooth(np.uint8, 255)).save(picture, format=kind)
    subprocess.run([dcmtk("img2dcm"), "-i", kind, picture, dicom], check=True)
    np.testing.assert_array_equal(read_scan(dicom).pixels, np.asarray(Image.open(picture)))


@pytest.mark.parametrize(
    ("dtype", "bits"), [(np.uint8, 8), (np.uint16, 12), (np.uint16, 16), (np.int16, 16)]
)
def test_jpeg_2000(file, dtype, bits):
    needs("pylibjpeg", "openjpeg")
    peak = 2 ** (bits - (dtype == np.int16)) - 1
    pixels = smooth(dtype, peak)
    dataset = pydicom.dcmread(write_dicom(file, pixels, BitsStored=bits, HighBit=bits - 1))
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    dataset.save_as(file, enforce_file_format=True)
    np.testing.assert_array_equal(read_scan(file).pixels, pixels)


# MILLI as OpenJPH encodes it without loss.
HIGH_THROUGHPUT = bytes.fromhex(
    "ff4fff51002940000000000900000007000000000000000000000009000000070000000000000000"
    "00010f0101ff50000800020000000aff52000c00020001000504044001ff5c001320889090909090"
    "90909090909090888888ff64001700014f70656e4a50482056657220302e32362e332eff90000a00"
    "000000005e0001ff93c000268df80507740000c0001280e601077400a00009c094a4e400a23400a0"
    "000ab80002400a024050c1004201fcb600fc011300c00025800054400026e0200ce40000f002d9df"
    "a6e600e80cf3a6e500ffd9"
)


@pytest.mark.parametrize("in_two", [False, True])
def test_high_throughput_jpeg_2000(file, in_two):
    needs("pylibjpeg", "openjpeg")
    data = encapsulate([HIGH_THROUGHPUT], fragments_per_frame=1 + in_two)
    write_dicom(file, MILLI, syntax=HTJ2KLossless, PixelData=data)
    np.testing.assert_array_equal(read_scan(file).pixels, MILLI)


def test_a_sequential_scan_that_states_too_few_coefficients(file):
    needs("pylibjpeg", "libjpeg")
    pixels = smooth(np.uint16, 2**12 - 1)
    plain = write_dicom(file.with_name("plain"), pixels, BitsStored=12, HighBit=11)
    subprocess.run([dcmtk("dcmcjpeg"), "+ee", plain, file], check=True)
    expected = read_scan(file).pixels
    content = file.read_bytes()
    assert content.count(b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00") == 1
    file.write_bytes(
        content.replace(
            b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00",
            b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00",
        )
    )
    np.testing.assert_array_equal(read_scan(file).pixels, expected)


def test_a_file_of_pydicom_that_states_too_few_coefficients(tmp_path):
    needs("pylibjpeg", "libjpeg")
    path = Path(pydicom.__file__).parent / "data" / "test_files" / "JPEG-lossy.dcm"
    if not path.is_file():
        pytest.skip("pydicom is installed without its test files")
    subprocess.run([dcmtk("dcmdjpeg"), path, tmp_path / "decoded"], check=True)
    expected = read_scan(tmp_path / "decoded").pixels
    np.testing.assert_allclose(read_scan(path).pixels, expected, atol=1, rtol=0)


@pytest.mark.parametrize("dtype", ["u1", "<u2", "<i2"])
def test_run_lengths_as_pydicom_decodes_them(file, dtype):
    rng = np.random.default_rng(0)
    pixels = np.repeat(rng.integers(0, 120, (7, 3)), 3, axis=1).astype(dtype)
    pixels[2:4] = rng.integers(np.iinfo(dtype).max, size=(2, 9))
    bits = 8 * pixels.dtype.itemsize
    signed = int(pixels.dtype.kind == "i")
    plain = write_dicom(file, pixels, BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1)
    dataset = pydicom.dcmread(plain)
    dataset.PixelRepresentation = signed
    dataset.compress(RLELossless)
    dataset.save_as(file)
    np.testing.assert_array_equal(pixel_array(file), pixels)
    np.testing.assert_array_equal(read_scan(file).pixels, pixels.astype(np.float32))


def test_many_scans_of_the_pixels(file):
    buffer = io.BytesIO()
    Image.new("L", (4000, 4000)).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last = content[content.rindex(b"\xff\xda") : -2]
    data = encapsulate([content[:-2] + 50 * last + content[-2:]])
    write_dicom(file, syntax=JPEGExtended12Bit, Rows=4000, Columns=4000, PixelData=data)
    assert "holds more scans of its pixels than are decoded" in refusal(file)


def test_decoders_log_nothing(file, caplog):
    caplog.set_level("DEBUG")
    frame = J2K_HEAD.replace(struct.pack(">2L", 65535, 65535), struct.pack(">2L", 9, 7))
    write_dicom(file, syntax=JPEG2000Lossless, PixelData=encapsulate([frame]))
    assert "while decoding JPEG 2000" in refusal(file)
    assert caplog.records == []
    # As before for the caller's own use of pydicom.
    with pytest.raises(RuntimeError, match="Unable to decode"):
        pixel_array(file)
    assert caplog.records != []


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEGLosslessSV1, HTJ2KLossless])
def test_missing_plugins_are_named(file, syntax, monkeypatch):
    decoder = get_decoder(syntax)
    monkeypatch.setattr(decoder, "_available", {})
    write_dicom(file, syntax=syntax, PixelData=encapsulate([b"\xff\xd8\xff\xd9"]))
    message = refusal(file)
    assert 'pip install "skdxa[compressed]"' in message
    assert "damaged" not in message


def test_twelve_bits_need_more_than_pillow(file, monkeypatch):
    decoder = get_decoder(JPEGExtended12Bit)
    pillow = {"pillow": decoder._available["pillow"]}
    monkeypatch.setattr(decoder, "_available", pillow)
    frame = b"\xff\xd8\xff\xc1\x00\x0b\x0c\x00\x07\x00\x09\x01\x01\x11\x00\xff\xd9"
    write_dicom(file, MILLI, syntax=JPEGExtended12Bit, PixelData=encapsulate([frame]))
    message = refusal(file)
    assert 'pip install "skdxa[compressed]"' in message
    assert "damaged" not in message


def test_deflated_content_is_inflated_within_bounds(file):
    write_dicom(file, syntax=DeflatedExplicitVRLittleEndian)
    meta = file.read_bytes()[: file.read_bytes().index(b"1.2.840.10008.1.2.1.99") + 22]
    # 300 MB of zeros in 300 kB.
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(squeeze.compress(bytes(10**6)) for _ in range(300)) + squeeze.flush()
    file.write_bytes(meta + bomb)
    tracemalloc.start()
    try:
        assert "more elements than a scan's" in refusal(file)
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


def test_large_deflated_image(file):
    # Beyond what is inflated to read the header.
    pixels = np.tile(PIXELS, (300, 900))
    write_dicom(file, pixels, syntax=DeflatedExplicitVRLittleEndian)
    assert pixels.nbytes > 16 * 2**20
    scan = read_scan(file)
    np.testing.assert_array_equal(scan.pixels, pixels)
    assert "more than the 1,000" in refusal(file, max_pixels=1000)


# Sizes that headers state


def test_stated_size_is_compared_before_anything_is_decoded(file):
    write_dicom(file, Rows=65535, Columns=65535)
    message = refusal(file)
    assert "65535 x 65535 pixels, more than the 64,000,000" in message
    assert "7 x 9 pixels, more than the 62" in refusal(write_dicom(file), max_pixels=62)


JPEG_HEAD = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc3\x00\x0b\x08%s\x01\x01\x11\x00\xff\xd9"
J2K_HEAD = (
    b"\xff\x4f\xff\x51\x00\x29\x00\x00"
    + struct.pack(">8L", 65535, 65535, 0, 0, 65535, 65535, 0, 0)
    + b"\x00\x01\x07\x01\x01\xff\xd9"
)


@pytest.mark.parametrize(
    ("syntax", "frame", "reason"),
    [
        (JPEGLosslessSV1, JPEG_HEAD % b"\xff\xff\xff\xff", "compressed pixels 65535 x 65535 in 1"),
        (JPEGLSLossless, JPEG_HEAD % b"\x00\x08\x00\x09", "compressed pixels 8 x 9 in 1"),
        (JPEG2000Lossless, J2K_HEAD, "compressed pixels 65535 x 65535 in 1"),
        (JPEGBaseline8Bit, b"\xff\xd8" + b"\xff\xd9", "not what the header says"),
        (JPEG2000Lossless, b"\xff\xd8" + b"\xff\xd9", "not what the header says"),
        (JPEG2000Lossless, J2K_HEAD[:-2], "without an end"),
        (RLELossless, b"\x02" + bytes(99), "2 planes of run lengths in place of 1"),
        (RLELossless, b"\x01" + bytes(9), "0 planes of run lengths in place of 1"),
        (
            RLELossless,
            run_length_encoded(PIXELS) + b"\x80" * 2**20,
            "run lengths are more",
        ),
    ],
)
def test_compressed_frames_of_another_size(file, syntax, frame, reason):
    if syntax in (JPEGLosslessSV1, JPEGLSLossless):
        needs("pylibjpeg", "libjpeg")
    write_dicom(file, syntax=syntax, PixelData=encapsulate([frame]))
    assert reason in refusal(file)


# Headers made to do harm


def insert(content, more):
    """Insert elements in front of the first one of group 0028."""
    start = content.index(b"\x28\x00\x02\x00")
    return content[:start] + more + content[start:]


UNDEFINED = b"\xff\xff\xff\xff"
SEQUENCE = b"\x09\x00\x10\x10SQ\0\0" + UNDEFINED
ITEM = b"\xfe\xff\x00\xe0"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        # Five thousand sequences, each in the one before. Where pydicom is at the limit of
        # Python's stack, it can end in an error of its own.
        ((SEQUENCE + ITEM + UNDEFINED) * 5000, "nested too deeply|header is damaged"),
        # Half a million empty items in 4 MB.
        (SEQUENCE + (ITEM + bytes(4)) * 500_000, "more elements than a scan's"),
        (b"\x09\x00\x10\x10OB\0\0\xf0\xff\xff\xff", "no complete image"),
        (b"\x09\x00\x10\x10OB\0\0" + UNDEFINED, "no complete image"),
        (b"\x18\x00\x64\x11UT\0\0\xf0\xff\xff\xff", "no complete image"),
        (SEQUENCE + b"Secret Name and more", "header is damaged"),
        (SEQUENCE + ITEM + b"\xf0\xff\xff\xff" + b"Secret Name", "damaged|no complete image"),
    ],
    ids=["nested", "many", "long", "endless", "long spacing", "no item", "long item"],
)
def test_headers_that_do_not_end(file, more, reason):
    file.write_bytes(insert(write_dicom(file).read_bytes(), more))
    start = time.process_time()
    tracemalloc.start()
    try:
        message = refusal(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert re.search(reason, message)
    assert "Secret" not in message
    assert peak < 512 * 2**20
    # Tracing makes it several times slower.
    assert time.process_time() - start < 20


def test_long_element_is_left_in_the_file(file):
    for n_copies in (2000, 2_000_000):
        with_element(file, "RescaleType", "UT", "g/cm2 " * n_copies)
        assert "DICOM element RescaleType is too long" in refusal(file)


def test_table_of_all_real_world_values(file):
    entries = [0.5 + value / 65536 for value in range(65536)]
    mapping = real_world(first=0, last=65535, RealWorldValueLUTData=entries)
    # In explicit syntax a sequence holds no table so long.
    write_dicom(
        file, MILLI, syntax=ImplicitVRLittleEndian, RealWorldValueMappingSequence=[mapping]
    )
    np.testing.assert_allclose(read_scan(file).pixels, 0.5 + MILLI / 65536, rtol=1e-6)


def test_damaged_sequence_that_is_used(file):
    content = ITEM + b"Secret Name"
    element = b"\x28\x00\x00\x30SQ\0\0" + struct.pack("<L", len(content)) + content
    file.write_bytes(insert(write_dicom(file).read_bytes(), element[:-8]))
    assert "no complete image" in refusal(file)
    file.write_bytes(insert(write_dicom(file).read_bytes(), element))
    message = refusal(file)
    assert "DICOM element" in message
    assert "Secret" not in message


def test_many_items_in_a_sequence_that_is_used(file):
    dataset = pydicom.dcmread(write_dicom(file))
    dataset["ModalityLUTSequence"] = DataElement(0x00283000, "UN", (ITEM + bytes(4)) * 80_000)
    dataset.save_as(file, enforce_file_format=True)
    assert "more elements than a scan's" in refusal(file)


def test_run_lengths_of_a_larger_image(file):
    # Four megabytes that stand for 256 million pixels.
    runs = run_length_encoded(PIXELS)[:64] + b"\x81\x00" * 2_000_000
    write_dicom(file, syntax=RLELossless, Rows=2000, Columns=1500, PixelData=encapsulate([runs]))
    tracemalloc.start()
    try:
        assert "run lengths are those of a larger image" in refusal(file)
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()


def test_long_character_set(file):
    element = b"\x08\x00\x05\x00UC\0\0" + struct.pack("<L", 2**20) + b"M\\" * 2**19
    file.write_bytes(insert(write_dicom(file).read_bytes(), element))
    assert "DICOM element SpecificCharacterSet is too long" in refusal(file)


def test_text_of_other_alphabets(file):
    write_dicom(
        file,
        SpecificCharacterSet="ISO_IR 192",
        PatientName="Ångström^山田",
        RescaleSlope="0.01",
        RescaleIntercept="0",
        RescaleType="g/cm²",
    )
    assert read_scan(file).unit == "g/cm2"
    content = file.read_bytes().replace(b"MONOCHROME2", b"M\xff\xfeOCHROME2")
    file.write_bytes(content)
    assert "in colour (of an unknown kind)" in refusal(file)


def test_preamble_of_another_format(file):
    content = write_dicom(file).read_bytes()
    file.write_bytes(b"II*\x00" + content[4:])
    np.testing.assert_array_equal(read_scan(file).pixels, PIXELS)


def test_unknown_encoding_is_not_quoted(file):
    content = write_dicom(file).read_bytes()
    file.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"Secret^Name^1950012\0"))
    message = refusal(file)
    assert "encoding (unknown)" in message
    assert "SECRET" not in message.upper().replace(str(file).upper(), "")


# Reports

SECONDARY = "1.2.840.10008.5.1.4.1.1.7"


@pytest.mark.parametrize(
    ("elements", "drop", "reason"),
    [
        ({"Modality": "SR"}, (), "is a structured report"),
        ({"Modality": "DOC"}, (), "is a document, such as a PDF report"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, ("PixelData",), "such as a PDF report"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.22"}, ("Rows",), "is a structured report"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1"}, (), "is a presentation state"),
        ({"SOPClassUID": SECONDARY, "Modality": "OT"}, (), "secondary capture of no modality"),
        (
            {"SOPClassUID": SECONDARY, "Modality": "OT", "BurnedInAnnotation": "YES"},
            (),
            "BurnedInAnnotation is YES",
        ),
        ({"BurnedInAnnotation": "YES"}, (), "BurnedInAnnotation is YES"),
        ({"Modality": "BMD"}, ("PixelData",), "no complete image (PixelData missing)"),
    ],
)
def test_reports(file, elements, drop, reason):
    assert reason in refusal(write_dicom(file, drop=drop, **elements))


@pytest.mark.parametrize(
    "elements",
    [
        {"Modality": "BMD"},
        {"Modality": "OT"},
        {"SOPClassUID": SECONDARY, "Modality": "BMD"},
        # An ophthalmic photograph, whose number begins alike.
        {"SOPClassUID": SECONDARY + "7.1.5.1", "Modality": "OT"},
        {"SOPClassUID": SECONDARY, "Modality": "OT", "BurnedInAnnotation": "NO"},
    ],
)
def test_secondary_captures_that_are_scans(file, elements):
    np.testing.assert_array_equal(read_scan(write_dicom(file, **elements)).pixels, PIXELS)


# Files of pydicom's


def pydicom_files():
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.filterwarnings("ignore")
def test_files_of_pydicom():
    """Every file is read as pydicom reads it, or refused."""
    read, refused = [], []
    for path in pydicom_files():
        try:
            scan = read_scan(path)
        except ScanReadError as error:
            refused.append(str(error))
            continue
        dataset = pydicom.dcmread(path, force=True)
        if path.name == "JPEG-lossy.dcm":
            # pydicom refuses what its scan states; see the test with dcmtk.
            continue
        stored = dataset.pixel_array
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            stored = 2**dataset.BitsStored - 1 - stored
        expected = apply_modality_lut(stored, dataset).astype(np.float32)
        scanned = ~np.isnan(scan.pixels)
        np.testing.assert_array_equal(scan.pixels[scanned], expected[scanned], err_msg=str(path))
        assert scanned.mean() > 0.5
        read.append(path.name)
    assert len(read) >= 40
    assert {"CT_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm"} <= set(read)
    # Each names its file and a remedy; none blames pydicom.
    assert all(re.search(r": .*\. .*\.$", message) for message in refused)


# Margins


def staircase(n_rows, n_columns):
    """Make a noisy image with stair-step margins on both sides; and where they are."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 200, (n_rows, n_columns)).astype(np.uint8)
    unscanned = np.zeros(pixels.shape, dtype=bool)
    left, right = [9, 4, 7, 0], [3, 0, 8, 5]
    for step, rows in enumerate(np.array_split(np.arange(n_rows), 4)):
        unscanned[rows, : left[step]] = True
        unscanned[rows, n_columns - right[step] :] = True
    pixels[unscanned] = 255
    return pixels, unscanned


def test_stair_step_margins_are_unscanned(file):
    pixels, unscanned = staircase(80, 60)
    scan = read_scan(write_dicom(file, pixels))
    np.testing.assert_array_equal(np.isnan(scan.pixels), unscanned)
    np.testing.assert_array_equal(scan.pixels[~unscanned], pixels[~unscanned])
    write_dicom(file, 255 - pixels, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_scan(file).pixels, scan.pixels)


def test_margins_of_a_tiny_scan(file):
    pixels = PIXELS.copy()
    pixels[:3, :2] = pixels[3:5, :1] = pixels[2:, 8:] = 255
    unscanned = pixels == 255
    scan = read_scan(write_dicom(file, pixels))
    np.testing.assert_array_equal(np.isnan(scan.pixels), unscanned)


def test_row_between_two_steps_is_unscanned(file):
    pixels, unscanned = staircase(80, 60)
    # The blend of a step 4 wide and one 7 wide.
    pixels[40, :7], pixels[40, :5] = 100, 255
    unscanned[40, :7], unscanned[40, :5] = False, True
    scan = read_scan(write_dicom(file, pixels))
    np.testing.assert_array_equal(np.isnan(scan.pixels), unscanned)


def test_saturated_bone_stays(file):
    pixels, unscanned = staircase(80, 60)
    pixels[20:60, 25:35] = 255
    # Saturated bone that touches a margin.
    rows = np.arange(80)[:, None]
    pixels[(np.hypot(rows - 12, np.arange(60) - 12) < 6) & ~unscanned] = 255
    scan = read_scan(write_dicom(file, pixels))
    np.testing.assert_array_equal(np.isnan(scan.pixels), unscanned)


def test_saturated_bone_at_the_edge_stays(file):
    pixels, _ = staircase(80, 60)
    pixels[pixels == 255] = 100
    # The rounded outline of a pelvis that leaves the picture on the left.
    rows = np.arange(80)[:, None]
    pixels[np.hypot(rows - 80, np.arange(60)) < 30] = 255
    scan = read_scan(write_dicom(file, pixels))
    np.testing.assert_array_equal(scan.pixels, pixels)


def test_constant_picture_is_not_all_margin(file):
    pixels = np.full((7, 9), 80, dtype=np.uint8)
    np.testing.assert_array_equal(read_scan(write_dicom(file, pixels)).pixels, pixels)


def test_rows_never_scanned(file):
    pixels = np.tile(PIXELS, (5, 1))
    pixels[:6] = 255
    nan_rows = np.isnan(read_scan(write_dicom(file, pixels)).pixels)
    assert nan_rows[:6].all()
    assert not nan_rows[6:].any()


# Real scans


def test_real_spine(real_data):
    scan = read_scan(real_data / "dxa" / REAL_SPINE)
    assert scan.pixels.shape == (780, 716)
    assert scan.spacing == pytest.approx((197 / 780, 180 / 716))
    assert scan.spacing == pytest.approx((0.25, 0.25), rel=0.011)
    assert (scan.unit, scan.source) == ("grey level", "DICOM")

    # Margins counted apart from this rule, as connected regions of white at each side.
    unscanned = np.isnan(scan.pixels)
    assert (unscanned[:, :358].sum(), unscanned[:, 358:].sum()) == (16764, 20268)
    assert not unscanned[:, 50:660].any()

    # The spine is bright; beside it is only soft tissue, and the pelvis below that.
    assert np.nanmean(scan.pixels[:, 300:420]) > 100
    for side in (slice(50, 150), slice(566, 666)):
        assert np.nanmean(scan.pixels[300:600, side]) < 10
    for side in (slice(0, 60), slice(656, 716)):
        assert np.nanmean(scan.pixels[700:, side]) > 2 * np.nanmean(scan.pixels[:80, side])

    assert resample(scan.pixels, scan.spacing).shape == (188, 300)


def test_real_scans_without_margins(real_data):
    others = [path for path in (real_data / "dxa").glob("*.dcm") if path.name != REAL_SPINE]
    assert len(others) == 7
    for path in others:
        scan = read_scan(path)
        assert not np.isnan(scan.pixels).any()
        assert scan.spacing[0] == pytest.approx(scan.spacing[1], rel=0.01)
