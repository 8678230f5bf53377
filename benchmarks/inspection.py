"""Measure how many maps per second each method draws, and the memory of many Grad-CAMs.

    python benchmarks/inspection.py [--images 256] [--rounds 5] [--calls 2000]

The network is the paper's, the images are 150 x 150 random pixels. The methods alternate, so
that other programs slow all of them alike; the table shows the fastest and the median round.
Memory is the resident size while Grad-CAM is called repeatedly, for one image at a time and,
every tenth call, with other weights.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from skdxa.classification import SpineCNNClassifier
from skdxa.inspection import (
    class_score,
    feature_maps,
    grad_cam,
    integrated_gradients,
    maximize_activation,
    occlusion,
    randomized,
    vanilla_gradients,
)


def resident_mib():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=2000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(args.images, 150, 150)).astype(np.float32)
    cnn = SpineCNNClassifier(epochs=1, random_state=0).fit(X[:32], np.arange(len(X[:32])) % 2)
    few = X[:2]
    methods = {
        "class_score": (len(X), lambda: class_score(cnn, X)),
        "grad_cam": (len(X), lambda: grad_cam(cnn, X)),
        "grad_cam, conv1": (len(X), lambda: grad_cam(cnn, X, layer="conv1")),
        "vanilla_gradients": (len(X), lambda: vanilla_gradients(cnn, X)),
        "feature_maps": (len(X), lambda: feature_maps(cnn, X, random_state=0)),
        "integrated_gradients": (len(few), lambda: integrated_gradients(cnn, few)),
        "occlusion": (len(few), lambda: occlusion(cnn, few)),
        "maximize_activation": (
            8,
            lambda: maximize_activation(cnn, units=range(8), n_steps=20, random_state=0),
        ),
    }
    rates = {name: [] for name in methods}
    for _, method in methods.values():
        method()
    for _ in range(args.rounds):
        for name, (n, method) in methods.items():
            start = time.perf_counter()
            method()
            rates[name].append(n / (time.perf_counter() - start))
    print(f"{'method':<34}{'fastest':>10}{'median':>10}   (maps/s)")
    for name, rate in rates.items():
        steps = ", 20 steps" if name == "maximize_activation" else ""
        print(f"{name + steps:<34}{max(rate):>10.1f}{statistics.median(rate):>10.1f}")

    others = [randomized(cnn, random_state=seed) for seed in range(5)]
    print(f"\n{'Grad-CAMs':>10}{'MiB':>8}")
    for call in range(args.calls + 1):
        if call % max(1, args.calls // 5) == 0:
            print(f"{call:>10}{resident_mib():>8.0f}", flush=True)
        grad_cam(others[call // 10 % 5], X[:1])


if __name__ == "__main__":
    main()
