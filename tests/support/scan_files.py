"""Scan files for tests, and the refusal of those that cannot be read."""

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from skdxa.exceptions import ScanReadError
from skdxa.scans import read_scan

PIXELS = (np.arange(63).reshape(7, 9) * 3 + 2).astype(np.uint8)
DENSITY = np.linspace(0.0, 1.5, 63).reshape(7, 9)


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


def refusal(path, **options):
    """Return the message of the refusal, which names the file."""
    with pytest.raises(ScanReadError) as caught:
        read_scan(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith((".", "?"))
    return message
