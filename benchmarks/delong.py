"""Time DeLong's interval and paired test, by number of scans.

    python benchmarks/delong.py [--scans 1000 10000 100000 1000000]

A million scans should take less than 2 s.
"""

import argparse
from time import perf_counter

import numpy as np

from skdxa.significance import delong_interval, delong_test


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scans", type=int, nargs="+", default=[10**3, 10**4, 10**5, 10**6])
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"{'scans':>10} {'distinct scores':>16} {'interval, s':>12} {'paired test, s':>15}")
    for n_scans in args.scans:
        y = (rng.random(n_scans) < 0.144).astype(int)
        for decimals in (2, 15):
            first, second = (rng.normal(size=(2, n_scans)) + 0.5 * y).round(decimals)
            seconds = []
            for function, scores in ((delong_interval, [first]), (delong_test, [first, second])):
                start = perf_counter()
                function(y, *scores)
                seconds.append(perf_counter() - start)
            distinct = np.unique(first).size
            print(f"{n_scans:>10,} {distinct:>16,} {seconds[0]:>12.4f} {seconds[1]:>15.4f}")


if __name__ == "__main__":
    main()
