"""Seconds to calculate variogram slopes of 2,949 scans with four vertebrae each, on one core.

Run ``python benchmarks/variogram.py``; it should take less than 60 s. The pixels are random,
178 x 300 of them a scan; the same hundred scans come again and again, to save memory.
"""

from time import perf_counter

import numpy as np
import pandas as pd

from skdxa.texture import VariogramSlope

N_SCANS, N_DISTINCT = 2_949, 100


def simulated_table():
    """Random scans, each with an image of labels: vertebrae of 34 mm by 45 mm."""
    rng = np.random.default_rng(0)
    labels = np.zeros((178, 300), dtype=np.uint8)
    for number in range(4):
        labels[20 + 34 * number : 52 + 34 * number, 112:187] = number + 1
    scans = rng.normal(1, 0.1, (N_DISTINCT, *labels.shape)).astype(np.float32)
    chosen = [scans[number % N_DISTINCT] for number in range(N_SCANS)]
    return pd.DataFrame({"scan": chosen, "labels": [labels] * N_SCANS})


def main():
    table = simulated_table()
    print(f"{'axis':<10}{'lags, mm':>10}{'seconds':>10}{'scans/s':>10}")
    for axis, largest in (("both", 3.2), ("mean", 3.2), ("both", 6.0), ("all", 3.2)):
        slope = VariogramSlope(lags_mm=(0, largest), axis=axis, regions="labels").fit(table)
        start = perf_counter()
        slopes = slope.transform(table)
        seconds = perf_counter() - start
        assert slopes.shape == (N_SCANS, 4)
        print(f"{axis:<10}{f'0-{largest:g}':>10}{seconds:>10.1f}{N_SCANS / seconds:>10,.0f}")


if __name__ == "__main__":
    main()
