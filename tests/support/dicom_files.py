"""DICOM files for tests: elements of any type, items of sequences, and encodings."""

import shutil
import struct

import numpy as np
import pydicom
import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from scan_files import write_dicom


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


J2K_HEAD = (
    b"\xff\x4f\xff\x51\x00\x29\x00\x00"
    + struct.pack(">8L", 65535, 65535, 0, 0, 65535, 65535, 0, 0)
    + b"\x00\x01\x07\x01\x01\xff\xd9"
)
