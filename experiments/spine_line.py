"""Measure the error of the spine line, and its quality, finding by finding.

    python experiments/spine_line.py [--scans 200] [--patients 1000] [--seed 0]

Three sets of simulated scans of either site are searched:

- spines with one finding each, as severe as the simulator draws it;
- spines of a cohort in a field with something in it that misleads a search: arms, iliac
  crests, bowel gas, a side so near that it cuts the field beside the spine, pixels saturated
  at 8 bits, blur, noise;
- whole cohorts, and the patients in them who have a finding among others.

The error of a scan is that of its median row. A line is good if its error is at most 3 mm.
"""

import argparse

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

from skdxa.preprocessing import LOW_QUALITY, find_spine_line, looks_like_spine
from skdxa.simulation import make_spine_cohort, make_spine_scan

SITES = ("population", "hospital")
VERTEBRAE = ("L1", "L2", "L3", "L4")
SPACING_MM = ROW_MM, COLUMN_MM = 1.05, 0.60
GOOD_MM, LOST_MM = 3.0, 10.0


# Functions of a random generator that return parameters of `make_spine_scan`.
def on_all(part):
    return lambda rng: {part: rng.uniform(1, 4, 4)}


def on_one(finding):
    return lambda rng: {finding: [VERTEBRAE[rng.integers(4)]]}


def on_several(finding):
    return lambda rng: {finding: VERTEBRAE[-rng.integers(2, 5) :]}


def slipped(rng):
    slip_mm = np.zeros(4)
    slip_mm[rng.integers(4)] = rng.choice([-1, 1]) * rng.uniform(2.5, 10)
    return {"slip_mm": slip_mm}


FINDINGS = {
    "none": lambda rng: {},
    "scoliosis": lambda rng: {"cobb_angle": min(10 + rng.gamma(1.7, 5.0), 45)},
    "osteophytes": on_all("osteophytes"),
    "sclerosis": on_all("sclerosis"),
    "disc narrowing": on_all("disc_narrowing"),
    "facet arthrosis": on_all("facet_arthrosis"),
    "fracture": on_one("fractured"),
    "cement": on_one("cement"),
    "rods": on_several("rods"),
    "laminectomy": on_several("laminectomy"),
    "button": on_one("button"),
    "zip fastener": on_several("zip_fastener"),
    "contrast": on_one("contrast"),
    "slip": slipped,
    "clips": lambda rng: {"clips": True},
    "aortic calcification": lambda rng: {"aortic_calcification": rng.uniform(0.3, 1)},
    "motion": lambda rng: {"motion_mm": rng.uniform(1.2, 4)},
}


# Functions of a scan, its line and a random generator that return a misleading scan and its
# line.
def near_the_edge(scan, line, rng):
    """Cut the field 23 to 42 mm from the middle of the spine, beside it or through its rim."""
    cut = int(line.mean() - rng.uniform(23, 42) / COLUMN_MM)
    return scan[:, cut:], line - cut


def with_arms(scan, line, rng):
    """Lay the two bones of a forearm along one side or both."""
    scan = scan.copy()
    rows, columns = np.indices(scan.shape)
    for side in ([0], [1], [0, 1])[rng.integers(3)]:
        aside = columns if side == 0 else scan.shape[1] - 1 - columns
        lean, first = rng.uniform(-0.12, 0.12), rng.uniform(8, 22)
        for middle, radius in ((first, rng.uniform(9, 14)), (first + 27, rng.uniform(8, 12))):
            away = np.abs(aside - middle - lean * (rows - len(scan) / 2)) / radius
            scan += 0.45 * np.sqrt(np.clip(1 - away**2, 0, 1))
            scan += 0.35 * ((away > 0.65) & (away < 1))
    return scan, line


def with_crests(scan, line, rng):
    """Raise both iliac crests into the lower third of the field."""
    scan = scan.copy()
    rows, columns = np.indices(scan.shape)
    for aside in (columns, scan.shape[1] - 1 - columns):
        bottom, side = len(scan) + rng.uniform(-10, 15), rng.uniform(0, 25)
        away = np.hypot((rows - bottom) * ROW_MM, (aside - side) * COLUMN_MM)
        radius = rng.uniform(24, 45)
        scan += 0.5 * (away < radius) + 0.5 * ((away < radius) & (away > radius - 6))
    return scan, line


def with_gas(scan, line, rng):
    """Add eight large loops of bowel filled with gas."""
    scan = scan.copy()
    rows, columns = np.indices(scan.shape)
    for _ in range(8):
        half_rows, half_columns = rng.uniform(8, 40, 2)
        away = np.hypot(
            (rows - rng.uniform(0, scan.shape[0])) / half_rows,
            (columns - rng.uniform(0, scan.shape[1])) / half_columns,
        )
        scan -= rng.uniform(0.1, 0.4) * np.sqrt(np.clip(1 - away**2, 0, 1))
    return scan, line


def saturated(scan, line, rng):
    """Export 8 bits, of which the brightest 10 to 30 % of the pixels are at 255."""
    low, high = np.nanquantile(scan, [0.02, rng.uniform(0.7, 0.9)])
    return np.clip(np.round(255 * (scan - low) / (high - low)), 0, 255), line


def blurred(scan, line, rng):
    """Blur by 1.5 to 4 mm."""
    unscanned = np.isnan(scan)
    filled = np.where(unscanned, np.nanmedian(scan), scan)
    sigma = rng.uniform(1.5, 4, 2) / SPACING_MM
    return np.where(unscanned, np.nan, gaussian_filter(filled, sigma)), line


def noisy(scan, line, rng):
    """Add some seven times the noise of a usual scan."""
    return scan + rng.normal(0, 0.25, scan.shape), line


FIELDS = {
    "near the edge": near_the_edge,
    "arms": with_arms,
    "iliac crests": with_crests,
    "bowel gas": with_gas,
    "saturated": saturated,
    "blurred": blurred,
    "noisy": noisy,
}

# How a finding is recognised in `cohort.pathology`: its columns, and the least severity.
IN_COHORT = {
    "osteophytes": ("osteophytes", 2.0),
    "sclerosis": ("sclerosis", 2.0),
    "disc narrowing": ("disc_narrowing", 2.0),
    "facet arthrosis": ("facet_arthrosis", 2.0),
    "fracture": ("collapse", 0.2),
    "cement": ("cement", 1),
    "rods": ("rods", 1),
    "laminectomy": ("laminectomy", 1),
    "button": ("button", 1),
    "zip fastener": ("zip", 1),
    "contrast": ("contrast", 1),
    "slip": ("slip", 2.5),
    "clips": ("clips", 1),
    "aortic calcification": ("aorta", 0.3),
    "motion": ("motion", 1.2),
}


def draw(finding, site, seed):
    """Draw a spine of usual build with one finding."""
    rng = np.random.default_rng(seed)
    level = np.array([-0.07, -0.01, 0.04, 0.04])
    options = {
        "cobb_angle": min(rng.gamma(2.2, 1.5), 9.0),
        "convex": ("left", "right")[rng.integers(2)],
        "bmd": (rng.normal(1.0, 0.15) + level + rng.normal(0, 0.03, 4)).clip(0.5, 1.7),
        "tbs": np.clip(rng.normal(1.24, 0.1), 0.9, 1.6),
        "size": rng.normal(0.965, 0.05, 2).clip(0.82, 1.2),
        "thickness_cm": np.clip(rng.normal(20, 3), 13, 29),
        "fat_fraction": np.clip(rng.normal(0.38, 0.08), 0.15, 0.6),
        "n_rows": int(rng.integers(155, 176)),
        "random_state": int(rng.integers(2**31)),
    }
    # The matrices are too small for threads to help.
    with threadpool_limits(1, user_api="blas"):
        spine = make_spine_scan(**options | FINDINGS[finding](rng), site=site)
    return judge(spine.scan, spine.spine_line)


def mislead(field, scan, line, seed):
    return judge(*FIELDS[field](scan, line, np.random.default_rng(seed)))


def judge(scan, line):
    """Error of the median row in mm, quality, and whether the scan looks like a spine."""
    with threadpool_limits(1, user_api="blas"):
        found, quality = find_spine_line(scan, spacing_mm=SPACING_MM, return_quality=True)
        spine = looks_like_spine(scan, spacing_mm=SPACING_MM)
    return np.median(np.abs(found - line)) * COLUMN_MM, quality, spine


def summarise(judged):
    error, quality, spine = np.array(judged, dtype=float).T
    good = error <= GOOD_MM
    return {
        "scans": len(error),
        "median mm": np.median(error),
        "95 % mm": np.quantile(error, 0.95),
        "largest mm": error.max(),
        "% within 3 mm": 100 * good.mean(),
        "% off by 10 mm": 100 * (error >= LOST_MM).mean(),
        "lowest quality": quality.min(),
        "% of good lines flagged": 100 * (quality[good] < LOW_QUALITY).mean(),
        "% no spine": 100 * (1 - spine.mean()),
    }


def present(cohort, columns, least):
    """Which patients have a finding that is at least so severe on some vertebra."""
    table = cohort.pathology
    names = [name for name in table if name == columns or name.rsplit("_", 1)[0] == columns]
    return (table[names].astype(float).abs() >= least).any(axis=1).to_numpy()


def show(title, rows):
    # No column of a table is left out for want of width.
    with pd.option_context("display.width", None, "display.max_columns", None):
        table = pd.DataFrame(rows).T.rename_axis(["finding", "site"])
        table["scans"] = table["scans"].astype(int)
        print(f"\n{title}\n{table.round(2).to_string()}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scans", type=int, default=200, help="per finding and site")
    parser.add_argument("--patients", type=int, default=1000, help="per cohort")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    run = Parallel(n_jobs=args.jobs)
    rows = {}
    for k, finding in enumerate(FINDINGS):
        for j, site in enumerate(SITES):
            seeds = [(args.seed, k, j, i) for i in range(args.scans)]
            rows[finding, site] = summarise(run(delayed(draw)(finding, site, s) for s in seeds))
    show("One finding by itself (simulated)", rows)

    in_field, in_cohort = {}, {}
    for j, site in enumerate(SITES):
        cohort = make_spine_cohort(
            args.patients, site=site, random_state=args.seed, n_jobs=args.jobs
        )
        pairs = list(zip(cohort.data["scan"], cohort.spine_lines, strict=True))
        for k, field in enumerate(FIELDS):
            in_field[field, site] = summarise(
                run(
                    delayed(mislead)(field, scan, line, (args.seed, k, j, i))
                    for i, (scan, line) in enumerate(pairs[: args.scans])
                )
            )
        judged = np.array(run(delayed(judge)(*pair) for pair in pairs))
        in_cohort["all", site] = summarise(judged)
        groups = {name: present(cohort, *what) for name, what in IN_COHORT.items()}
        groups["scoliosis"] = cohort.truth["cobb_angle"].to_numpy() > 10
        in_cohort |= {
            (name, site): summarise(judged[chosen])
            for name, chosen in groups.items()
            if chosen.any()
        }
    show("Misleading fields (simulated patients of a cohort)", in_field)
    show("Patients of a cohort with a finding among others (simulated)", in_cohort)


if __name__ == "__main__":
    main()
