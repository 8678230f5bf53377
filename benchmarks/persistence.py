"""Measure a saved model: size, time to load, first prediction, scans per second.

    python benchmarks/persistence.py [--scans 400] [--rounds 5]

The model is the paper's network after `SpineCropper`, trained for one epoch on random scans; its
speed does not depend on what it has learnt. Cold times are those of new processes, median of the
rounds: from the start of Python to the first prediction, and within it the parts that are skdxa's
own (its import and `load_model`; the rest is the import of libraries, and TensorFlow's tracing).
Beside each time by the clock stands the processor time, which other programs do not lengthen much.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skdxa.classification import SpineCNNClassifier
from skdxa.persistence import load_model, model_card, save_model
from skdxa.preprocessing import HorizontalFlip, SpineCropper

COLD = """
import json, sys, time
marks = [(time.perf_counter(), time.process_time())]
def mark():
    marks.append((time.perf_counter(), time.process_time()))
import sklearn.calibration, sklearn.ensemble, sklearn.pipeline, sklearn.impute, pandas
mark()
import skdxa.persistence
mark()
model = skdxa.persistence.load_model(sys.argv[1])
mark()
import tensorflow, keras
mark()
import numpy as np
model.predict_proba(np.load(sys.argv[2]))
mark()
print(json.dumps(marks))
"""
PARTS = (
    "import of scikit-learn and pandas",
    "import of skdxa.persistence",
    "load_model",
    "import of TensorFlow and Keras",
    "first prediction",
)


def simulate_scans(n_scans, rng):
    """Simulate bent spines of 160 rows and 300 columns."""
    rows, columns = np.mgrid[:160, :300]
    scans = np.empty((n_scans, 160, 300), np.float32)
    for scan in scans:
        bend = rng.uniform(-20, 20) * np.sin(np.pi * rows / 160)
        offset = np.abs(columns - rng.uniform(130, 170) - bend)
        scan[:] = 0.1 + (offset < 38) + rng.normal(0, 0.05, rows.shape)
    return scans


def cold_times(path, scan, rounds):
    """Return seconds by the clock and of the processor for each part of a first prediction."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        ran = subprocess.run(
            [sys.executable, "-c", COLD, path, scan],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        whole = time.perf_counter() - start
        marks = np.array(json.loads(ran.stdout))
        found.append(np.vstack([np.diff(marks, axis=0), [whole, marks[-1, 1]]]))
    return dict(zip([*PARTS, "whole process"], np.median(found, axis=0), strict=True))


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scans", type=int, default=400, help="scans per round of predictions")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    scans = simulate_scans(options.scans, rng)
    y = np.arange(24) % 2
    network = make_pipeline(
        SpineCropper(), SpineCNNClassifier(epochs=1, augmenter=HorizontalFlip(), random_state=0)
    ).fit(scans[:24], y)
    calibrated = CalibratedClassifierCV(FrozenEstimator(network), cv=2).fit(scans[:24], y)

    with tempfile.TemporaryDirectory() as folder:
        print(f"{'model':28}{'size':>10}{'save':>10}{'load':>10}")
        for name, model in {"network": network, "calibrated network": calibrated}.items():
            path = Path(folder) / f"{name}.skdxa"
            saving, loading = [], []
            for _ in range(options.rounds):
                start = time.perf_counter()
                save_model(model, path, card=model_card(model))
                saved = time.perf_counter()
                load_model(path)
                saving.append(saved - start)
                loading.append(time.perf_counter() - saved)
            print(
                f"{name:28}{path.stat().st_size / 1e6:7.2f} MB"
                f"{1e3 * statistics.median(saving):7.0f} ms"
                f"{1e3 * statistics.median(loading):7.0f} ms"
            )
        path = Path(folder) / "network.skdxa"
        np.save(Path(folder) / "scan.npy", scans[:1])
        print(f"\n{'new process, seconds':38}{'clock':>8}{'processor':>11}")
        cold = cold_times(path, Path(folder) / "scan.npy", options.rounds)
        for name, (clock, processor) in cold.items():
            print(f"{name:38}{clock:8.2f}{processor:11.2f}")
        loaded = load_model(path)

    cropper, cnn = loaded[0], loaded[-1]
    crops = cropper.transform(scans)
    steps = {
        "crop": lambda: cropper.transform(scans),
        "network": lambda: cnn.predict(crops),
        "crop and network": lambda: loaded.predict(scans),
    }
    times = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(options.rounds):
        for name, step in steps.items():
            start = time.perf_counter(), time.process_time()
            step()
            end = time.perf_counter(), time.process_time()
            times[name].append(np.subtract(end, start))
    print(f"\n{'predict':28}{'scans/s':>10}{'fastest':>10}{'processor ms a scan':>22}")
    for name, spent in times.items():
        clock, processor = np.transpose(spent)
        print(
            f"{name:28}{options.scans / np.median(clock):10.0f}{options.scans / min(clock):10.0f}"
            f"{1e3 * np.median(processor) / options.scans:22.2f}"
        )


if __name__ == "__main__":
    main()
