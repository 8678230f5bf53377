"""Time and memory of a thousand small fits through cross-validation.

    python benchmarks/small_fits.py [--fits 1000] [--rounds 3]

Small networks are cross-validated on random images of 24 x 24 pixels, ten folds in each repeat.
The time of a fit that is not arithmetic is what is left when its epochs are taken away: fits of
one and of five epochs alternate (A B A B), and the line through both is continued to no epoch.
Memory is that of the process after the first round and at the end.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import time

import numpy as np
from memory import resident_mib

from skdxa.classification import SpineCNNClassifier
from skdxa.evaluation import repeated_cross_validate

N_FOLDS, FEW, MANY = 10, 1, 5


def cross_validate(X, y, epochs, n_fits):
    """Cross-validate a small network; return the seconds by the clock and of the processor."""
    cnn = SpineCNNClassifier(filters=(4, 8), dense_units=8, epochs=epochs)
    start = time.perf_counter(), time.process_time()
    repeated_cross_validate(
        cnn,
        X,
        y,
        n_splits=N_FOLDS,
        n_repeats=max(1, n_fits // N_FOLDS),
        random_state=0,
        n_jobs=1,
        progress=False,
    )
    return time.perf_counter() - start[0], time.process_time() - start[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = rng.normal(size=(80, 24, 24)).astype(np.float32) + y[:, np.newaxis, np.newaxis]
    cross_validate(X, y, FEW, 2 * N_FOLDS)
    print(f"{'round':>5}{'seconds a fit':>15}{'beyond its epochs':>19}{'of the processor':>18}")
    part = max(options.fits // (2 * options.rounds), N_FOLDS)
    for number in range(1, options.rounds + 1):
        few = np.array(cross_validate(X, y, FEW, part)) / part
        many = np.array(cross_validate(X, y, MANY, part)) / part
        wall, processor = few - FEW * (many - few) / (MANY - FEW)
        print(f"{number:5}{few[0]:15.3f}{wall:19.3f}{processor:18.3f}", flush=True)
        if number == 1:
            start = resident_mib()
    print(f"memory after {2 * part + 2 * N_FOLDS} fits {start:.0f} MiB; ", end="")
    n_fits = 2 * part * options.rounds + 2 * N_FOLDS
    print(f"after {n_fits} fits {resident_mib() - start:+.1f} MiB")


if __name__ == "__main__":
    main()
