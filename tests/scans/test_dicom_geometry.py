"""The spacing of a DICOM file, and its head at the top."""

import re

import numpy as np
import pytest
from dicom_files import with_element
from pydicom.dataset import Dataset
from scan_files import PIXELS, refusal, write_dicom

from skdxa.scans import read_scan


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


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagerPixelSpacing", "ExposedArea"])
@pytest.mark.parametrize(("value_type", "value"), [("LO", "Secret"), ("OB", b"12")])
def test_spacing_of_the_caller_comes_first(file, keyword, value_type, value):
    with_element(file, keyword, value_type, value)
    assert re.search(f"{keyword} holds (no|.* not a) number. Give spacing_mm", refusal(file))
    scan = read_scan(file, spacing_mm=(1.05, 0.6))
    assert (scan.spacing, scan.spacing_source) == ((1.05, 0.6), "caller")
    np.testing.assert_array_equal(scan.pixels, PIXELS)


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
