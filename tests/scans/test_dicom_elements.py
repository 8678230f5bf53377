"""Elements that are not as DICOM defines them, and headers made to do harm."""

import re
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pydicom
import pytest
from dicom_files import with_element
from pydicom.dataelem import DataElement
from pydicom.uid import DeflatedExplicitVRLittleEndian
from scan_files import PIXELS, refusal, write_dicom

from skdxa.scans import read_scan


def test_damaged_dicom_header(file):
    write_dicom(file, PixelSpacing=[1.05, 0.6])
    content = file.read_bytes()
    file.write_bytes(content.replace(b"1.05\\0.6", b"1.05\\abc"))
    message = refusal(file)
    assert "DICOM element PixelSpacing holds no number. Give spacing_mm" in message
    assert "abc" not in message
    np.testing.assert_array_equal(read_scan(file, spacing_mm=(1.05, 0.6)).pixels, PIXELS)


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
