"""Time reading a DICOM file and resampling the scan, in processor seconds on one core.

    python benchmarks/reading.py [--scan FILE] [--rounds 5] [--calls 10]

Without a file of your own, a simulated scan is written as an iDXA scanner writes one: 780 x 716
pixels of 8 bits, white where it did not scan. The aim is at least 60 files per second.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ImplicitVRLittleEndian
from scipy.ndimage import zoom
from threadpoolctl import threadpool_limits

from skdxa.preprocessing import resample
from skdxa.scans import read_scan
from skdxa.simulation import make_spine_scan

SPACING_MM = (0.25, 0.25)
SHAPE = (780, 716)
EXPOSED_AREA_MM = [179, 195]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scan", type=Path, help="a DICOM file that states its spacing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        path = args.scan or write_simulated(Path(folder) / "simulated.dcm")
        print(f"{args.scan.name if args.scan else 'simulated scan'}, one core")
        print(f"{'step':24}{'best ms':>9}{'median ms':>11}{'files/s':>9}")
        for name, step in (("read", read_scan), ("read and resample", read_and_resample)):
            spent = [processor_seconds(step, path, args.calls) for _ in range(args.rounds)]
            best, median = min(spent), statistics.median(spent)
            print(f"{name:24}{best * 1e3:9.1f}{median * 1e3:11.1f}{1 / best:9.0f}")


def read_and_resample(path):
    scan = read_scan(path)
    return resample(scan.pixels, scan.spacing)


def processor_seconds(step, path, calls):
    step(path)
    start = time.process_time()
    for _ in range(calls):
        step(path)
    return (time.process_time() - start) / calls


def write_simulated(path):
    density = np.nan_to_num(make_spine_scan(random_state=0).scan)
    fine = zoom(density, np.divide(SHAPE, density.shape), order=1)
    pixels = np.clip(fine / 1.6 * 250, 0, 250).astype(np.uint8)
    for step, rows in enumerate(np.array_split(np.arange(SHAPE[0]), 4)):
        pixels[rows, : 10 + 7 * step] = pixels[rows, SHAPE[1] - 20 + 4 * step :] = 255
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.SOPClassUID, dataset.SOPInstanceUID = ComputedRadiographyImageStorage, "1.2.3"
    dataset.Modality, dataset.ExposedArea = "CR", EXPOSED_AREA_MM
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = SHAPE
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


if __name__ == "__main__":
    main()
