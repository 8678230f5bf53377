"""Compare one process of many threads with many processes of one thread, on a cross-validation.

    python benchmarks/parallel.py [--patients 160] [--epochs 3] [--folds 10] [--rounds 3]
    python benchmarks/parallel.py --dask

Both ways cross-validate the paper's network on simulated patients. They alternate (A B A B), each
in a process of its own that is started and warmed up before it is timed. The processor time is
that of the process and its workers; other programs disturb it less than the wall time. With
``--dask`` one dask worker of one thread is compared with as many as there are cores. All ways of
one thread per fit must print the same AUC.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


def processor_seconds():
    """Return the processor time of this process and of its living descendants, on Linux."""
    seconds, family = 0.0, {os.getpid()}
    # A child's number is higher than its parent's, except after the numbers have wrapped.
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if pid in family or int(values[1]) in family:
            family.add(pid)
            seconds += (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


@contextlib.contextmanager
def dask_workers(n_workers):
    """Let joblib send its tasks to dask workers of one thread each."""
    from distributed import Client, LocalCluster
    from joblib import parallel_config

    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
        parallel_config(backend="dask"),
    ):
        yield


def measure(patients, epochs, folds, n_jobs, n_threads, on_dask):
    """Print the wall and the processor time of one cross-validation, and its AUC."""
    with dask_workers(n_jobs) if on_dask else contextlib.nullcontext():
        _measure(patients, epochs, folds, n_jobs, n_threads)


def _measure(patients, epochs, folds, n_jobs, n_threads):
    from sklearn.metrics import roc_auc_score

    from skdxa.classification import SpineCNNClassifier
    from skdxa.evaluation import repeated_cross_validate
    from skdxa.preprocessing import SpineCropper
    from skdxa.simulation import make_spine_cohort

    cohort = make_spine_cohort(patients, random_state=0)
    X = SpineCropper().fit_transform(cohort.data)
    y = cohort.target["unreliable"].to_numpy().astype(int)
    settings = {"n_jobs": n_jobs, "n_threads": n_threads, "n_repeats": 1, "progress": False}
    # Starts the workers and compiles their networks.
    cnn = SpineCNNClassifier(epochs=1)
    repeated_cross_validate(cnn, X, y, n_splits=2 * n_jobs, random_state=1, **settings)
    cnn = SpineCNNClassifier(epochs=epochs)
    start, processor = time.perf_counter(), processor_seconds()
    result = repeated_cross_validate(cnn, X, y, n_splits=folds, random_state=0, **settings)
    wall, processor = time.perf_counter() - start, processor_seconds() - processor
    scores = result.scores.sort_values("row")["score"]
    print(wall, processor, roc_auc_score(y, scores))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--patients", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--dask", action="store_true", help="compare numbers of dask workers")
    parser.add_argument("--measure", type=int, nargs=2, help="used by the script")
    options = parser.parse_args()
    if options.measure:
        measure(options.patients, options.epochs, options.folds, *options.measure, options.dask)
        return
    ways = {
        f"1 process of {options.cores} threads": (1, options.cores),
        f"{options.cores} processes of 1 thread": (options.cores, 1),
    }
    if options.dask:
        ways = {
            "1 dask worker of 1 thread": (1, 1),
            f"{options.cores} dask workers of 1 thread": (options.cores, 1),
        }
    found = {name: [] for name in ways}
    print(f"{options.folds} folds of {options.patients} simulated patients")
    for number in range(options.rounds):
        for name, way in ways.items():
            command = [sys.executable, "-W", "ignore", __file__, "--measure", *map(str, way)]
            for option in ("patients", "epochs", "folds"):
                command += [f"--{option}", str(getattr(options, option))]
            command += ["--dask"] * options.dask
            ran = subprocess.run(command, check=True, capture_output=True, text=True)
            found[name].append([float(value) for value in ran.stdout.split()[-3:]])
            wall, processor, auc = found[name][-1]
            print(
                f"round {number + 1}, {name}: {wall:.1f} s, processor {processor:.1f} s, "
                f"AUC {auc:.3f}",
                flush=True,
            )
    one, many = (np.array(values) for values in found.values())
    ratios = one[:, :2] / many[:, :2]
    for kind, column in (("wall time", 0), ("processor time", 1)):
        rounds = ", ".join(f"{ratio:.2f}" for ratio in ratios[:, column])
        print(f"{kind}: the second is {np.median(ratios[:, column]):.2f} times as fast ({rounds})")


if __name__ == "__main__":
    main()
