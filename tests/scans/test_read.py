"""Files in: every format, every way to be broken."""

import dataclasses
import pickle
import zipfile

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from skdxa.exceptions import ScanError, ScanReadError
from skdxa.preprocessing import resample
from skdxa.scans import Scan, read_scan

PIXELS = (np.arange(63).reshape(7, 9) * 3 + 2).astype(np.uint8)
DENSITY = np.linspace(0.0, 1.5, 63).reshape(7, 9)
REAL_SPINE = "1.2.840.113619.2.110.210419.20150928115733.2.2.12.1.dcm"


def write_dicom(path, pixels=PIXELS, *, syntax=ExplicitVRLittleEndian, drop=(), **elements):
    """Write one greyscale frame, as a patient's file has it; `elements` override."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = "1.2.3"
    dataset.Modality = "CR"
    dataset.PatientName = "Secret^Name"
    dataset.PatientID = "010203-SECRET"
    dataset.PatientBirthDate = "19500102"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    for name, value in elements.items():
        setattr(dataset, name, value)
    for name in drop:
        delattr(dataset, name)
    dataset.save_as(path, enforce_file_format=True)
    return path


def cut(path, share):
    """Keep only the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "one"


def refusal(path, **options):
    """Give the message of the refusal, which names the file."""
    with pytest.raises(ScanReadError) as caught:
        read_scan(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith((".", "?"))
    return message


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


@pytest.mark.parametrize("syntax", [JPEGLSLossless, MPEG2MPML])
def test_missing_decoder(file, syntax, monkeypatch):
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", False)
    write_dicom(file, syntax=syntax, PixelData=encapsulate([b"\0" * 64]))
    message = refusal(file)
    assert f"no decoder is installed for the pixels' encoding ({syntax.name})" in message
    assert "pylibjpeg" in message


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
    assert "DICOM header is damaged" in message
    assert "abc" not in message


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


# NumPy


def test_numpy_array_is_taken_as_it_is(file):
    array = DENSITY.copy()
    array[0, :2] = np.nan
    with file.open("wb") as stream:
        np.save(stream, np.asfortranarray(array))
    scan = read_scan(str(file), spacing_mm=(1.05, 0.60))
    np.testing.assert_array_equal(scan.pixels, array.astype(np.float32))
    assert scan.pixels.dtype == np.float32
    assert scan.pixels.flags.c_contiguous
    assert (scan.spacing, scan.unit, scan.source) == ((1.05, 0.60), "g/cm2", "NumPy")


@pytest.mark.parametrize("array", [PIXELS, PIXELS.astype(float), PIXELS.astype("int16") % 5])
def test_unit_is_grey_level_where_it_cannot_be_a_density(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    assert read_scan(tmp_path / "a.npy").unit == "grey level"


UNUSABLE = [
    (np.empty((0, 9)), "the array is 0 x 9"),
    (np.ones(63), "the array is 63."),
    (np.ones((2, 7, 9)), "the array is 2 x 7 x 9"),
    (np.array(1.0), "the array is a single number"),
    (np.ones((7, 9), dtype=bool), "the array's are bool"),
    (np.ones((7, 9), dtype=complex), "the array's are complex128"),
    (np.full((7, 9), "1"), "the array's are str32"),
    (np.full((7, 9), np.nan), "all pixels are NaN"),
    (np.where(np.eye(7, 9), np.inf, 1.0), "7 of the pixels are infinite"),
    (np.full((7, 9), 1e300), "63 of the pixels are infinite"),
]


@pytest.mark.parametrize(("array", "reason"), UNUSABLE)
def test_arrays_that_are_no_scans(tmp_path, array, reason):
    np.save(tmp_path / "a.npy", array)
    assert reason in refusal(tmp_path / "a.npy")


def test_pickled_objects_are_refused(tmp_path):
    array = np.empty(1, dtype=object)
    array[0] = PIXELS
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    assert "holds pickled Python objects" in refusal(tmp_path / "a.npy")
    (tmp_path / "b.npy").write_bytes(pickle.dumps(PIXELS))
    assert "is a Python pickle" in refusal(tmp_path / "b.npy")


# Any file


def write_numpy(path):
    with path.open("wb") as stream:
        np.save(stream, DENSITY)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize(
    "write",
    [
        write_dicom,
        write_numpy,
    ],
    ids=["DICOM", "NumPy"],
)
def test_truncated(file, write, share):
    write(file)
    read_scan(file)
    message = refusal(cut(file, share))
    assert any(word in message for word in ("cut short", "damaged", "unknown format"))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"\xff\xd8\xff\xe0", "a JPEG picture"),
        (b"II*\x00", "a TIFF picture"),
        (b"%PDF-1.7", "a PDF document"),
        (b"scan,age\n", "of an unknown format"),
        (b"\x08\x00\xff", "of an unknown format"),
    ],
)
def test_other_formats(file, content, named):
    file.write_bytes(content)
    assert f"the file is {named}; skdxa reads DICOM, MATLAB .mat" in refusal(file)


def test_archive(file):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", "b")
    assert "a ZIP archive" in refusal(file)


def test_no_file_to_read(file, monkeypatch):
    assert "there is no such file" in refusal(file)
    assert "this is a folder" in refusal(file.parent)
    file.touch()
    assert "the file is empty" in refusal(file)

    def locked(path, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", locked)
    assert "cannot be opened (Permission denied)" in refusal(file)


@pytest.mark.parametrize("spacing_mm", [(1.05, -0.6), (1.05,), 1.05, "ab", (np.nan, 1)])
def test_bad_spacing(file, spacing_mm):
    write_dicom(file)
    with pytest.raises(ScanError, match="spacing_mm must be two positive numbers"):
        read_scan(file, spacing_mm=spacing_mm)


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
