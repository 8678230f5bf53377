"""Memory of many fits with predictions: resident size after each tenth.

    python benchmarks/memory.py [--fits 60]

Images are random. The first fits import TensorFlow and compile the network; growth is
measured from the tenth fit on.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from skdxa.classification import SpineCNNClassifier
from skdxa.preprocessing import HorizontalFlip


def resident_mib():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fits", type=int, default=60)
    n_fits = parser.parse_args().fits
    rng = np.random.default_rng(0)
    X = rng.normal(size=(96, 150, 150)).astype(np.float32)
    y = np.arange(96) % 2
    print(f"{'fits':>5}{'MiB':>8}{'MiB a fit since the tenth':>28}")
    for number in range(1, n_fits + 1):
        cnn = SpineCNNClassifier(epochs=2, augmenter=HorizontalFlip(), random_state=number)
        cnn.fit(X, y).predict_proba(X)
        if number == 10:
            start = resident_mib()
        if number % 10 == 0:
            now = resident_mib()
            growth = (now - start) / (number - 10) if number > 10 else 0
            print(f"{number:5}{now:8.0f}{growth:28.2f}", flush=True)


if __name__ == "__main__":
    main()
