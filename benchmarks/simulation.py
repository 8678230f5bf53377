"""Scans a second that one core simulates: `python benchmarks/simulation.py [n_subjects]`."""

import sys
from time import perf_counter

from skdxa.simulation import make_spine_cohort


def main(n_subjects=200):
    make_spine_cohort(2, random_state=0)
    for site in ("population", "hospital"):
        start = perf_counter()
        make_spine_cohort(n_subjects, site=site, random_state=0, n_jobs=1)
        print(f"{site}: {n_subjects / (perf_counter() - start):.0f} scans/s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
