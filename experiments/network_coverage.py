"""Measure how often the intervals of a cross-validated network hold, on small simulated images.

    python experiments/network_coverage.py [--cohorts 100] [--out network_coverage.csv]
        [--patients 300] [--prevalence 0.2] [--rows 24] [--columns 16] [--signal 1.2]
        [--splits 5] [--repeats 3] [--epochs 8] [--jobs 1]

Each cohort has new images: smooth noise, to which positive patients have a bright spot added at a
place that is fixed, weaker or stronger by chance. The network is `SpineCNNClassifier` with few
kernels. For every cohort the script appends a line to the file: mean AUC; `q` and `g`, with and
without a second fit of the first repeat that takes the noise of seeds apart; the agreement of
these two fits; and the ends of the intervals. A run that is killed goes on with the next cohort.
At the end it prints how often each interval holds the mean AUC of all cohorts, and its mean width
relative to that with the true standard error.

The agreement by seed is the mean correlation of the two fits (Spearman's, turned into Pearson's),
within folds, of the larger class.

``--cohorts 1`` shows how long one cohort takes.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from scipy import stats
from scipy.ndimage import gaussian_filter
from scipy.special import expit, logit

from skdxa.classification import SpineCNNClassifier
from skdxa.evaluation import repeated_cross_validate

KINDS = ("stability", "seeds apart", "corrected", "delong")


def draw_images(args, rng):
    """Return images with a spot in the positive ones, and labels."""
    y = rng.permutation(np.arange(args.patients) < round(args.prevalence * args.patients))
    images = rng.normal(size=(args.patients, args.rows, args.columns))
    images = gaussian_filter(images, (0, 1.5, 1.5))
    images /= images.std()
    row, column = np.ogrid[: args.rows, : args.columns]
    distance = (row - args.rows / 3) ** 2 + (column - args.columns / 2) ** 2
    strength = args.signal * y * rng.gamma(4, 0.25, size=args.patients)
    images += strength[:, np.newaxis, np.newaxis] * np.exp(-distance / 8)
    return images.astype(np.float32), y.astype(int)


def network(args):
    return SpineCNNClassifier(
        filters=(4, 8),
        kernel_size=3,
        dense_units=8,
        epochs=args.epochs,
        validation_fraction=0.0,
        restore_best=False,
    )


def agreement_by_seed(first, second):
    """Return the correlation of two fits of the same folds, within folds of the first repeat."""
    negative, fold_of = first.y == 0, first.fold_assignment.fold_of[0]
    scores = first.repeat_scores(0), second.repeat_scores(0)
    ranks = [
        stats.spearmanr(*(score[negative & (fold_of == fold)] for score in scores)).statistic
        for fold in range(first.n_folds)
    ]
    return float(np.mean(2 * np.sin(np.pi * np.array(ranks) / 6)))


def measure(args, seed):
    """Return the numbers of one cohort."""
    X, y = draw_images(args, np.random.default_rng(seed))
    run = {"progress": False, "n_jobs": args.jobs, "n_threads": 1}
    result = repeated_cross_validate(
        network(args),
        X,
        y,
        n_splits=args.splits,
        n_repeats=args.repeats,
        random_state=seed,
        **run,
    )
    fold_of = result.fold_assignment.fold_of[0]
    splits = [
        (np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold))
        for fold in range(args.splits)
    ]
    again = repeated_cross_validate(
        network(args), X, y, cv=splits, random_state=seed + 10**6, **run
    )
    found = {"seed": seed, "agreement": agreement_by_seed(result, again)}
    for kind in KINDS:
        options = {"other_seeds": again} if kind == "seeds apart" else {"interval": kind}
        with warnings.catch_warnings():
            # Of the other metrics: a network of a few epochs may call nobody positive.
            warnings.filterwarnings("ignore", "no interval for sensitivity")
            row = result.summary(**options).loc["auc"]
        found |= {f"{kind}_{name}": row[name] for name in ("estimate", "low", "high")}
        if kind in ("stability", "seeds apart"):
            found |= {f"{kind}_{name}": row[name] for name in ("q", "g")}
    return found


def report(table, n_events):
    """Print how often each interval holds."""
    n = len(table)
    q, q_apart = table["stability_q"].mean(), table["seeds apart_q"].mean()
    print(f"{n} cohorts; q {q:.2f}, with seeds apart {q_apart:.2f}, ", end="")
    print(f"agreement by seed {table['agreement'].mean():.2f}")
    for kind in KINDS:
        estimate, low, high = (table[f"{kind}_{name}"] for name in ("estimate", "low", "high"))
        truth = estimate.mean()
        held = np.mean((low <= truth) & (truth <= high))
        spread = estimate.std(ddof=1) / (truth * (1 - truth))
        half = stats.t.ppf(0.975, n_events - 1) * spread
        ideal = np.mean(expit(logit(estimate) + half) - expit(logit(estimate) - half))
        error = np.sqrt(held * (1 - held) / n)
        print(
            f"  {kind:12} AUC {truth:.3f} +- {estimate.std(ddof=1):.3f}  held {100 * held:.1f} % "
            f"(standard error {100 * error:.1f})  relative width {np.mean(high - low) / ideal:.2f}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cohorts", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("network_coverage.csv"))
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--prevalence", type=float, default=0.2)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--columns", type=int, default=16)
    parser.add_argument("--signal", type=float, default=1.2)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    begun = pd.read_csv(args.out) if args.out.exists() else pd.DataFrame({"seed": []})
    for seed in range(len(begun), args.cohorts):
        start = time.perf_counter()
        line = pd.DataFrame([measure(args, seed)])
        line.to_csv(args.out, mode="a", header=not args.out.exists(), index=False)
        seconds = time.perf_counter() - start
        print(
            f"cohort {seed}: AUC {line['stability_estimate'][0]:.3f}, {seconds:.0f} s", flush=True
        )
    table = pd.read_csv(args.out)
    if len(table) > 1:
        report(table, round(args.prevalence * args.patients))


if __name__ == "__main__":
    main()
