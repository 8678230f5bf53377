"""Measure how often the audit finds a second scan under another name, and false pairs.

    python experiments/twins.py [--patients 1000] [--seeds 0 2] [--kinds "scanned again"]

Each simulated patient of a cohort is scanned once, and some a second time: with other placement,
bowel, soft tissue, noise and margins, and then as it is, in another brightness, or mirrored.
"""

import argparse

import numpy as np
import pandas as pd

from skdxa.simulation import make_spine_cohort
from skdxa.study import _similar

KINDS = {
    "scanned again": lambda scan: scan,
    "and in another brightness": lambda scan: 0.3 + np.clip(scan, 0, None) ** 0.8,
    "and mirrored": lambda scan: scan[:, ::-1],
}


def correlations(n_patients, seed, kind, lowest):
    """Return the correlations above `lowest` of twins and of others, and the number of twins."""
    cohort = make_spine_cohort(n_patients, n_scans_per_subject=1.3, random_state=seed)
    patient = np.asarray(cohort.groups)
    again = pd.Series(patient).duplicated().to_numpy()
    scans = [
        KINDS[kind](scan) if second else scan
        for scan, second in zip(cohort.data["scan"], again, strict=True)
    ]
    found = pd.DataFrame(
        _similar.similar_pairs(scans, np.arange(len(scans)), limit=lowest),
        columns=["one", "other", "alike"],
    )
    twins = patient[found["one"]] == patient[found["other"]]
    single = ~again[found["one"]] & ~again[found["other"]]
    sizes = pd.Series(patient).value_counts()
    return found["alike"][twins], found["alike"][~twins & single], (sizes * (sizes - 1) // 2).sum()


def main():
    """Print, by kind of second scan, the share found and the false pairs at several limits."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--patients", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    limits = sorted({0.86, 0.88, 0.89, 0.9, 0.91, 0.92, _similar.ALIKE})
    for kind in options.kinds:
        runs = [correlations(options.patients, seed, kind, 0.8) for seed in options.seeds]
        alike = pd.concat([run[0] for run in runs])
        others = pd.concat([run[1] for run in runs])
        n_twins = sum(run[2] for run in runs)
        print(f"\nSimulated patients, {kind}: {n_twins} twins; others at most {others.max():.3f}")
        rows = [
            (limit, 100 * (alike >= limit).sum() / n_twins, (others >= limit).sum() / len(runs))
            for limit in limits
        ]
        columns = ["limit", "found (%)", f"false pairs in {options.patients}"]
        print(pd.DataFrame(rows, columns=columns).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
