"""Memory of many fits with predictions, and of a search over many architectures.

    python benchmarks/memory.py fits [--fits 300]
    python benchmarks/memory.py architectures [--architectures 30]

Images are random. `fits` trains one architecture again and again; growth is measured from the
tenth fit on, since the first fits import TensorFlow and compile the network. `architectures`
trains networks that differ in their dense width; growth is measured from the first.
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


def measure(settings, first, side):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(96, side, side)).astype(np.float32)
    y = np.arange(96) % 2
    print(f"{'fits':>5}{'MiB':>8}{f'MiB since fit {first}':>20}")
    for number, changes in enumerate(settings, start=1):
        cnn = SpineCNNClassifier(
            **{"epochs": 2, "augmenter": HorizontalFlip(), "random_state": number, **changes}
        )
        cnn.fit(X, y).predict_proba(X)
        if number == first:
            start = resident_mib()
        if number in (1, first, len(settings)) or number % max(len(settings) // 10, 1) == 0:
            now = resident_mib()
            growth = f"{now - start:20.1f}" if number >= first else ""
            print(f"{number:5}{now:8.0f}{growth}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["fits", "architectures"])
    parser.add_argument("--fits", type=int, default=300)
    parser.add_argument("--architectures", type=int, default=30)
    parser.add_argument("--side", type=int, default=150, help="rows and columns of an image")
    options = parser.parse_args()
    if options.what == "fits":
        measure([{}] * options.fits, min(10, options.fits), options.side)
    else:
        widths = range(16, 16 + options.architectures)
        measure([{"dense_units": width} for width in widths], 1, options.side)


if __name__ == "__main__":
    main()
