"""Functional groups, of all frames and of one."""

import numpy as np
import pydicom
import pytest
from dicom_files import MILLI, sequence_item
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from scan_files import refusal, write_dicom

from skdxa.scans import read_scan


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
