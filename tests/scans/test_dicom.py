"""DICOM files that hold scans, those that hold reports, and what is read of neither."""

import dataclasses
import pickle
import re
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import dcmtk, smooth
from PIL import Image
from pydicom.pixels import apply_modality_lut
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from scan_files import PIXELS, refusal, write_dicom

from skdxa.exceptions import ScanReadError
from skdxa.preprocessing import resample
from skdxa.scans import Scan, read_scan

REAL_SPINE = "1.2.840.113619.2.110.210419.20150928115733.2.2.12.1.dcm"


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


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_dicom_without_preamble(file, syntax):
    content = write_dicom(file, syntax=syntax).read_bytes()
    file.write_bytes(content[132:])
    np.testing.assert_array_equal(read_scan(file).pixels, PIXELS)
    # Without group 2 either, as old exports are.
    file.write_bytes(content[content.index(b"\x08\x00\x16\x00") :])
    np.testing.assert_array_equal(read_scan(file).pixels, PIXELS)


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


@pytest.mark.parametrize("kind", ["BMP", "JPEG"])
def test_pictures_of_img2dcm(file, kind):
    picture, dicom = file.with_name("picture"), file.with_name("dicom")
    Image.fromarray(smooth(np.uint8, 255)).save(picture, format=kind)
    subprocess.run([dcmtk("img2dcm"), "-i", kind, picture, dicom], check=True)
    np.testing.assert_array_equal(read_scan(dicom).pixels, np.asarray(Image.open(picture)))


def test_preamble_of_another_format(file):
    content = write_dicom(file).read_bytes()
    file.write_bytes(b"II*\x00" + content[4:])
    np.testing.assert_array_equal(read_scan(file).pixels, PIXELS)


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
