"""Measure how single scores and the AUC depend on TensorFlow's number of threads.

    python experiments/threads.py [--subjects 600] [--epochs 15] [--seeds 5]

For each seed, the paper's network is trained on two thirds of simulated patients for scoliosis,
once with one thread and once with two, in separate processes. It scores the other third.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def train(subjects, epochs, seed, path):
    from skdxa.classification import SpineCNNClassifier
    from skdxa.preprocessing import HorizontalFlip, SpineCropper
    from skdxa.simulation import make_spine_cohort

    cohort = make_spine_cohort(subjects, random_state=0)
    X = SpineCropper().fit_transform(cohort.data)
    y = cohort.target["scoliosis"].to_numpy().astype(int)
    test = np.arange(len(y)) % 3 == 0
    cnn = SpineCNNClassifier(epochs=epochs, augmenter=HorizontalFlip(), random_state=seed)
    np.savez(path, score=cnn.fit(X[~test], y[~test]).predict_proba(X[test])[:, 1], y=y[test])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--subjects", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train", nargs=2, metavar=("SEED", "FILE"), help="used by the script")
    options = parser.parse_args()
    if options.train:
        train(options.subjects, options.epochs, int(options.train[0]), options.train[1])
        return
    from sklearn.metrics import roc_auc_score

    print("Simulated patients.")
    print(f"{'seed':>5}{'AUC, 1 thread':>15}{'2 threads':>12}{'|score change|':>16}{'largest':>9}")
    areas = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            found = []
            for threads in (1, 2):
                path = Path(folder) / f"{seed}-{threads}.npz"
                command = [sys.executable, __file__, "--train", str(seed), str(path)]
                command += ["--subjects", str(options.subjects), "--epochs", str(options.epochs)]
                environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": str(threads)}
                subprocess.run(command, env=environment, check=True)
                found.append(np.load(path))
            areas.append([roc_auc_score(one["y"], one["score"]) for one in found])
            change = np.abs(found[0]["score"] - found[1]["score"])
            print(
                f"{seed:5}{areas[-1][0]:15.3f}{areas[-1][1]:12.3f}{change.mean():16.3f}"
                f"{change.max():9.3f}",
                flush=True,
            )
    difference = np.diff(areas, axis=1)[:, 0]
    print(
        f"AUC with two threads minus one: mean {difference.mean():+.3f}, "
        f"from {difference.min():+.3f} to {difference.max():+.3f}; between seeds the AUC has a "
        f"standard deviation of {np.std(areas, axis=0, ddof=1).mean():.3f}"
    )


if __name__ == "__main__":
    main()
