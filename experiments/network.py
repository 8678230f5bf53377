"""Measure the AUC of the paper's network on a simulated cohort of the paper's size.

    python experiments/network.py [--patients 2949] [--splits 3] [--epochs 20] [--seed 0]
                                  [--tasks scoliosis unreliable fracture]

The AUCs of the three tasks are out of fold, and the epoch is chosen within the training folds.
The fracture task is trained on fractures ever and scored on those within five years of the
scan.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

from skdxa.evaluation import repeated_cross_validate
from skdxa.simulation import make_spine_cohort
from skdxa.study import Protocol

TASKS = {
    "scoliosis": ("scoliosis", "scoliosis"),
    "unreliable": ("unreliable", "unreliable"),
    "fracture": ("fracture_ever", "fracture_5y"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--patients", type=int, default=2949)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    args = parser.parse_args()
    cohort = make_spine_cohort(args.patients, random_state=args.seed)
    pipeline = Protocol(epochs=args.epochs).pipeline()
    # The crop depends on each scan alone, so cropping once, outside the folds, leaks nothing.
    stack = pipeline[:-1].fit_transform(cohort.data)
    print(
        f"{args.patients} simulated patients, seed {args.seed}, {args.splits} folds, "
        f"{args.epochs} epochs",
        flush=True,
    )
    print(
        f"{'task':14}{'mean AUC':>9}{'corrected 95 %':>18}{'pooled':>8}{'DeLong 95 %':>17}"
        f"{'minutes':>9}"
    )
    for task in args.tasks:
        trained, scored = TASKS[task]
        start = time.perf_counter()
        known = cohort.target[trained].notna().to_numpy()
        y = cohort.target.loc[known, trained].to_numpy().astype(int)
        y_scored = cohort.target.loc[known, scored].to_numpy()
        result = repeated_cross_validate(
            pipeline[-1],
            stack[known],
            y,
            stratify=pd.DataFrame({"trained": y, "scored": np.nan_to_num(y_scored, nan=-1)}),
            n_splits=args.splits,
            n_repeats=1,
            random_state=args.seed,
            progress=False,
        )
        cells = []
        for interval in ("corrected", "delong"):
            auc = result.summary(y_scored, interval=interval).loc["auc"]
            cells += [auc["estimate"], f"{auc['low']:.3f}-{auc['high']:.3f}"]
        minutes = (time.perf_counter() - start) / 60
        print(
            f"{task:14}{cells[0]:9.3f}{cells[1]:>18}{cells[2]:8.3f}{cells[3]:>17}{minutes:9.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
