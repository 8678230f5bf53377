"""Time the variogram slopes of 2,949 scans with four vertebrae each, on one core.

    python benchmarks/variogram.py [--scans 2949]

It should take less than 60 s. Each scan has 178 x 300 random pixels; a hundred different scans
are repeated, to save memory.
"""

import argparse
from time import perf_counter

import numpy as np
import pandas as pd

from skdxa.texture import VariogramSlope

N_DISTINCT = 100


def simulated_table(n_scans):
    """Draw random scans, each with a label image of vertebrae of 34 mm by 45 mm."""
    rng = np.random.default_rng(0)
    labels = np.zeros((178, 300), dtype=np.uint8)
    for number in range(4):
        labels[20 + 34 * number : 52 + 34 * number, 112:187] = number + 1
    scans = rng.normal(1, 0.1, (N_DISTINCT, *labels.shape)).astype(np.float32)
    chosen = [scans[number % N_DISTINCT] for number in range(n_scans)]
    return pd.DataFrame({"scan": chosen, "labels": [labels] * n_scans})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scans", type=int, default=2_949)
    args = parser.parse_args()
    table = simulated_table(args.scans)
    print(f"{'axis':<10}{'lags, mm':>10}{'seconds':>10}{'scans/s':>10}")
    for axis, largest in (("both", 3.2), ("mean", 3.2), ("both", 6.0), ("all", 3.2)):
        slope = VariogramSlope(lags_mm=(0, largest), axis=axis, regions="labels").fit(table)
        start = perf_counter()
        slopes = slope.transform(table)
        seconds = perf_counter() - start
        assert slopes.shape == (args.scans, 4)
        print(f"{axis:<10}{f'0-{largest:g}':>10}{seconds:>10.1f}{args.scans / seconds:>10,.0f}")


if __name__ == "__main__":
    main()
