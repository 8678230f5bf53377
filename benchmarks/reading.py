"""Time reading a DICOM file and resampling the scan, and loading a cohort of many.

    python benchmarks/reading.py [--scan FILE] [--rounds 5] [--calls 10] [--files 600]

Without a file of your own, a simulated scan is written as an iDXA scanner writes one: 780 x 716
pixels of 8 bits, white where it did not scan. A file is timed in processor seconds on one core;
the aim is at least 60 per second. A cohort of copies is timed by the clock, with one process and
with two in turns; two should be at least 1.6 times as fast. Its memory is the largest that the
process takes beyond what it took before, over that of the scans kept; the aim is at most 2.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ImplicitVRLittleEndian
from scipy.ndimage import zoom
from threadpoolctl import threadpool_limits

from skdxa.preprocessing import resample
from skdxa.scans import load_cohort, read_scan
from skdxa.simulation import make_spine_scan

SPACING_MM = (0.25, 0.25)
SHAPE = (780, 716)
EXPOSED_AREA_MM = [179, 195]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scan", type=Path, help="a DICOM file that states its spacing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--files", type=int, default=600, help="of the cohort")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        path = args.scan or write_simulated(Path(folder) / "simulated.dcm")
        print(f"{args.scan.name if args.scan else 'simulated scan'}, one core")
        print(f"{'step':24}{'best ms':>9}{'median ms':>11}{'files/s':>9}")
        for name, step in (("read", read_scan), ("read and resample", read_and_resample)):
            spent = [processor_seconds(step, path, args.calls) for _ in range(args.rounds)]
            best, median = min(spent), statistics.median(spent)
            print(f"{name:24}{best * 1e3:9.1f}{median * 1e3:11.1f}{1 / best:9.0f}")
        copies = Path(folder) / "copies"
        copies.mkdir()
        table = pd.DataFrame({"scan": [f"{number}.dcm" for number in range(args.files)]})
        for name in table["scan"]:
            shutil.copy(path, copies / name)
        load_in_turns(table, copies, args.rounds)


def load_in_turns(table, folder, rounds):
    print(f"\ncohort of {len(table)} files")
    print(f"{'processes':24}{'best s':>9}{'median s':>11}{'files/s':>9}")
    spent, shares = {1: [], 2: []}, {1: [], 2: []}
    for _ in range(rounds):
        for n_jobs in spent:
            before = reset_peak()
            start = time.perf_counter()
            cohort = load_cohort(table, scans=folder, n_jobs=n_jobs, progress=False)
            spent[n_jobs].append(time.perf_counter() - start)
            grown = memory("VmHWM") - before
            shares[n_jobs].append(grown / sum(scan.nbytes for scan in cohort.data["scan"]))
            del cohort
    for n_jobs, seconds in spent.items():
        best, median = min(seconds), statistics.median(seconds)
        print(f"{n_jobs:<24}{best:9.2f}{median:11.2f}{len(table) / best:9.0f}")
    ratios = [one / two for one, two in zip(spent[1], spent[2], strict=True)]
    print(
        f"two processes are {statistics.median(ratios):.2f} times as fast (median of the rounds)"
    )
    for n_jobs, share in shares.items():
        print(f"memory over that of the scans kept, {n_jobs} process(es): {max(share):.2f}")


def reset_peak():
    """Set the largest memory back to the present one, and return that in bytes (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


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
