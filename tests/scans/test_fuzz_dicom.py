"""Damaged DICOM files: each is read, or refused by one clear error, soon and in little memory.

As a program, this file damages as many files as wanted:

    python tests/scans/test_fuzz_dicom.py --files 3000 --seed 1
"""

import argparse
import collections
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from skdxa.exceptions import ScanReadError
from skdxa.scans import read_scan

MOST_SECONDS = 2
MOST_BYTES = 2**30
COMPRESSED = (
    "JPEG2000.dcm",
    "JPEGLSNearLossless_16.dcm",
    "JPGExtended.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_RLE.dcm",
)
LENGTHS = [b"\xff\xff\xff\xff", b"\xf0\xff\xff\xff", b"\x00\x00\x00\x00", b"\xff\xff\x00\x00"]
VALUE_TYPES = [b"OB", b"OW", b"SQ", b"UN", b"UT", b"US", b"SS", b"DS", b"IS", b"LO", b"FD", b"XX"]


def item(**elements):
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def sound_files():
    """Make one file of each kind."""
    pixels = (np.arange(63).reshape(7, 9) * 20).astype(np.uint16)
    runs = [bytes([62]) + plane for plane in (bytes(63), bytes(range(63)))]
    header = np.array([2, 64, 128, *[0] * 13], "<u4").tobytes()
    run_length_encoded = header + b"".join(run for run in runs)
    group = item(
        PixelMeasuresSequence=[item(PixelSpacing=[1.05, 0.6])],
        PixelValueTransformationSequence=[item(RescaleSlope=2, RescaleIntercept=1)],
    )
    table = item(LUTDescriptor=[100, 0, 16], LUTData=bytes(200), ModalityLUTType="US")
    table["LUTData"].VR = "OW"
    unit = item(CodeValue="g/cm2", CodingSchemeDesignator="UCUM")
    mapping = item(
        MeasurementUnitsCodeSequence=[unit],
        RealWorldValueFirstValueMapped=0,
        RealWorldValueLastValueMapped=2000,
        RealWorldValueSlope=0.001,
        RealWorldValueIntercept=0.0,
    )
    kinds = [
        (ImplicitVRLittleEndian, {"PixelSpacing": [1.05, 0.6], "PixelPaddingValue": 20}),
        (ExplicitVRLittleEndian, {"RescaleSlope": "0.001", "RescaleType": "g/cm2"}),
        (ExplicitVRBigEndian, {"ImagerPixelSpacing": [1.05, 0.6]}),
        (DeflatedExplicitVRLittleEndian, {"ExposedArea": [18, 7]}),
        (RLELossless, {"PixelData": encapsulate([run_length_encoded])}),
        (ExplicitVRLittleEndian, {"SharedFunctionalGroupsSequence": [group]}),
        (ImplicitVRLittleEndian, {"ModalityLUTSequence": [table]}),
        (ExplicitVRLittleEndian, {"RealWorldValueMappingSequence": [mapping]}),
    ]
    for syntax, elements in kinds:
        dataset = item(
            SOPClassUID="1.2.840.10008.5.1.4.1.1.1",
            SOPInstanceUID="1.2.3",
            Modality="CR",
            PatientName="Secret^Name",
            PatientOrientation=["L", "F"],
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME1",
            Rows=7,
            Columns=9,
            BitsAllocated=16,
            BitsStored=12,
            HighBit=11,
            PixelRepresentation=0,
            PixelData=pixels.tobytes(),
        )
        for name, value in elements.items():
            setattr(dataset, name, value)
        for element in dataset:
            element.is_undefined_length = element.VR == "SQ"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        yield buffer.getvalue()
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    for name in COMPRESSED:
        if (folder / name).is_file():
            yield (folder / name).read_bytes()


def damaged(content, others, rng):
    """Damage a file in one or two places, most often in its header."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 3)):
        reach = len(content) if rng.random() < 0.4 else min(len(content), 1500)
        position = int(rng.integers(min(128, reach - 1), reach))
        # What changes no length leaves more of the file to be understood.
        match rng.choice(8, p=[0.2, 0.2, 0.1, 0.05, 0.05, 0.1, 0.1, 0.2]):
            case 0:
                content[position] ^= 1 << int(rng.integers(8))
            case 1:
                content[position] = int(rng.integers(256))
            case 2:
                content[position : position + 4] = LENGTHS[rng.integers(len(LENGTHS))]
            case 3:
                del content[position : position + int(rng.integers(1, 40))]
            case 4:
                content[position:position] = rng.bytes(int(rng.integers(1, 40)))
            case 5:
                content[position:position] = content[position : position + 60] * 3
            case 6:
                other = others[rng.integers(len(others))]
                content[position:position] = other[position : position + int(rng.integers(1, 400))]
            case 7:
                starts = [
                    start
                    for value_type in VALUE_TYPES
                    if (start := content.find(value_type, position)) >= 0
                ]
                if starts:
                    start = min(starts)
                    content[start : start + 2] = VALUE_TYPES[rng.integers(len(VALUE_TYPES))]
        if len(content) < 200:
            break
    if rng.random() < 0.1:
        del content[int(rng.integers(132, max(len(content), 133))) :]
    return bytes(content)


def main():
    import resource

    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    sound = list(sound_files())
    rng = np.random.default_rng(args.seed)
    outcomes, slowest, faults = collections.Counter(), 0.0, []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.dcm"
        for content in sound:
            path.write_bytes(content)
            try:
                read_scan(path)
            except ScanReadError as error:
                # The decoders are an extra.
                if "skdxa[compressed]" not in str(error):
                    raise
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES,) * 2)
        for number in range(args.files):
            content = damaged(sound[rng.integers(len(sound))], sound, rng)
            path.write_bytes(content)
            print(number, end="\r", file=sys.stderr, flush=True)
            frame = None if rng.random() < 0.8 else 0
            start = time.process_time()
            try:
                scan = read_scan(path, frame=frame)
                outcomes["read"] += 1
                if scan.pixels.dtype != np.float32 or np.isinf(scan.pixels).any():
                    faults.append([number, "pixels"])
            except ScanReadError as error:
                outcomes[error.reason] += 1
                message = str(error)
                is_clear = message.startswith(f"{path}: ") and message.endswith(".")
                if not is_clear or "Secret" in message:
                    faults.append([number, message])
            except BaseException as error:
                faults.append([number, repr(error)])
            slowest = max(slowest, time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report = {"outcomes": outcomes, "slowest": slowest, "peak": peak, "faults": faults}
    print(json.dumps(report))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")
def test_damaged_files_are_read_or_refused():
    command = [sys.executable, __file__, "--files", "300", "--seed", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["faults"] == []
    assert sum(report["outcomes"].values()) == 300
    # Neither all nor nothing: the damage is of the kind that matters.
    assert report["outcomes"]["read"] > 20
    assert report["outcomes"]["damaged file"] > 50
    assert report["slowest"] < MOST_SECONDS


if __name__ == "__main__":
    main()
