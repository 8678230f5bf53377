"""Measure how many scans per second the simulation draws on one core.

python benchmarks/simulation.py [--patients 200]
"""

import argparse
import os

# Set before NumPy is loaded, since its linear algebra would otherwise use every core.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import time

from skdxa.simulation import make_spine_cohort


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--patients", type=int, default=200)
    args = parser.parse_args()
    # Imports and caches are not part of the measurement.
    make_spine_cohort(40, random_state=1)
    for site in ("population", "hospital"):
        start, cpu = time.perf_counter(), time.process_time()
        make_spine_cohort(args.patients, site=site, random_state=0, n_jobs=1)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(
            f"{site}: {args.patients / cpu:.0f} scans/s by processor time, "
            f"{args.patients / wall:.0f} by wall time"
        )


if __name__ == "__main__":
    main()
