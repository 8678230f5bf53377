"""Measure how many scans per second each step of preprocessing handles, on one core.

    python benchmarks/preprocessing.py [--scans 200] [--rounds 5]

The steps alternate (A B C A B C ...), so that other programs slow all of them alike; the
table shows the fastest and the median round.
"""

import argparse
import os

# Set before NumPy is loaded, since its linear algebra would otherwise use every core.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import statistics
import time

import numpy as np

from skdxa.preprocessing import (
    HorizontalFlip,
    IntensityScaler,
    SpineCropper,
    find_spine_line,
    looks_like_spine,
    resample,
)


def simulate_scans(n_scans, rng):
    """Simulate spines of 150 to 178 rows and 300 columns, every third with unscanned margins."""
    scans = []
    for number in range(n_scans):
        n_rows = int(rng.integers(150, 179))
        rows, columns = np.mgrid[:n_rows, :300]
        bend = rng.uniform(-20, 20) * np.sin(np.pi * rows / n_rows)
        offset = np.abs(columns - rng.uniform(130, 170) - bend)
        vertebra = 0.9 + 0.2 * np.cos(2 * np.pi * rows / 34)
        scan = 0.1 + vertebra * (offset < 38) + rng.normal(0, 0.05, rows.shape)
        if number % 3 == 0:
            scan[: n_rows // 2, :20] = np.nan
        scans.append(scan.astype(np.float32))
    return scans


def main():
    """Time every step and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scans", type=int, default=200, help="scans per round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    scans = simulate_scans(options.scans, np.random.default_rng(0))
    stack = SpineCropper().fit_transform(scans)
    scaler = IntensityScaler().fit(stack)
    steps = {
        "find_spine_line": lambda: [find_spine_line(scan) for scan in scans],
        "find_spine_line and quality": lambda: [
            find_spine_line(scan, return_quality=True) for scan in scans
        ],
        "looks_like_spine": lambda: [looks_like_spine(scan) for scan in scans],
        "SpineCropper, 150 x 150": lambda: SpineCropper().transform(scans),
        "SpineCropper, fit_transform": lambda: SpineCropper().fit_transform(scans),
        "HorizontalFlip of a stack": lambda: HorizontalFlip().transform(stack),
        "IntensityScaler of a stack": lambda: scaler.transform(stack),
        "resample, 0.60 to 1.00 mm": lambda: [resample(s, (1.05, 0.6), (1, 1)) for s in scans],
    }
    rates = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(options.rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            rates[name].append(len(scans) / (time.perf_counter() - start))

    base = rates["SpineCropper, 150 x 150"]
    print(f"{'step':<28}{'fastest':>12}{'median':>12}{'x cropper':>12}   (scans/s, one core)")
    for name, rate in rates.items():
        # Both ran under the same load within a round, so ratios are taken per round.
        ratio = statistics.median(a / b for a, b in zip(rate, base, strict=True))
        print(f"{name:<28}{max(rate):>12,.0f}{statistics.median(rate):>12,.0f}{ratio:>12.1f}")


if __name__ == "__main__":
    main()
