"""Measure how often DeLong's intervals hold the area under the ROC curve of a score.

    python experiments/delong.py [--samples 1000]

All patients are simulated: scores are normal within the classes, with standard deviation 1, and
were not trained on these patients. For each number of patients and true area the script prints in
which share of the samples the "95 %" interval holds that area: on the identity scale, on the logit
scale, and, where each patient has three scans that share half of the variance, on the logit scale
with the patients given.
"""

import argparse
import os

# Set before NumPy is loaded, since its linear algebra would otherwise use every core.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import warnings

import numpy as np
from scipy import stats

from skdxa.significance import delong_interval

# Positive and negative patients, true area, scans per patient.
CELLS = [
    (10, 20, 0.98, 1),
    (10, 20, 0.80, 1),
    (12, 288, 0.95, 1),
    (92, 2268, 0.63, 1),
    (250, 250, 0.95, 1),
    (40, 160, 0.80, 3),
    (40, 160, 0.95, 3),
]


def coverage(n_positive, n_negative, area, n_scans, n_samples):
    """Return the share of the samples, in per cent, whose interval of each kind holds the area."""
    y = np.repeat([1, 0], [n_positive, n_negative])
    shift = stats.norm.ppf(area) * 2**0.5
    held = {"identity": 0, "logit": 0, "logit, patients": 0}
    for seed in range(n_samples):
        rng = np.random.default_rng(seed)
        score = shift * y + rng.normal(size=y.size)
        labels, patient = y, None
        if n_scans > 1:
            labels, patient = (np.repeat(of, n_scans) for of in (y, np.arange(y.size)))
            own = rng.normal(size=labels.size)
            shared = np.repeat(score - shift * y, n_scans)
            score = shift * labels + (shared + own) / 2**0.5
        kinds = {"identity": {"scale": "identity"}, "logit": {}}
        if patient is not None:
            kinds["logit, patients"] = {"groups": patient}
        for kind, options in kinds.items():
            with warnings.catch_warnings():
                # Of separated classes, whose interval on the identity scale is a point.
                warnings.filterwarnings("ignore", "the DeLong variance is zero")
                found = delong_interval(labels, score, **options)
            held[kind] += found.low <= area <= found.high
    return {kind: 100 * n / n_samples for kind, n in held.items() if n}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=1000, help="simulated samples per cell")
    args = parser.parse_args()
    print(f"{args.samples} simulated samples per cell; per cent held:")
    for n_positive, n_negative, area, n_scans in CELLS:
        held = coverage(n_positive, n_negative, area, n_scans, args.samples)
        print(
            f"{n_positive:4} positive, {n_negative:4} negative patients, {n_scans} scan"
            f"{'s' * (n_scans > 1)} each, area {area:.2f}:  "
            + "  ".join(f"{kind} {share:.1f}" for kind, share in held.items()),
            flush=True,
        )


if __name__ == "__main__":
    main()
