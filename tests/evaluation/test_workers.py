"""Workers have their number of threads, end with their parent, and get each scan once."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed, parallel_config

from skdxa.evaluation._workers import Sendable
from skdxa.scan_dtype import ScanArray

RNG = np.random.default_rng(0)
SCANS = [RNG.normal(size=(90, 110 + n)).astype(np.float32) for n in range(4)]
SAME = [RNG.normal(size=(90, 110)).astype(np.float32) for n in range(4)]


def objects(images):
    column = np.empty(len(images), dtype=object)
    for place, image in enumerate(images):
        column[place] = image
    return column


def table(scans):
    frame = pd.DataFrame({"age": [61, 62, 63, 64], "sex": list("FMFM")}, index=[5, 3, 9, 7])
    frame.insert(1, "scan", scans)
    return frame


CASES = {
    "table with a spacing": table(ScanArray([*SCANS[:3], None], (1.05, 0.60), "g/cm2")),
    "table of objects": table(objects(SAME)),
    "column": pd.Series(objects(SCANS), index=[5, 3, 9, 7], name="scan"),
    "array of objects": objects(SCANS),
    "list": SCANS,
    "stack": np.stack(SAME),
    "numbers": pd.DataFrame({"age": [61, 62, 63, 64], "sex": list("FMFM")}),
}


def same(one, other):
    if isinstance(one, pd.DataFrame):
        return (
            one.columns.equals(other.columns)
            and one.index.equals(other.index)
            and one.dtypes.equals(other.dtypes)
            and all(same(list(one[name]), list(other[name])) for name in one)
        )
    if isinstance(one, pd.Series):
        return (
            one.name == other.name
            and one.index.equals(other.index)
            and same(list(one), list(other))
        )
    if isinstance(one, list | np.ndarray):
        return len(one) == len(other) and all(
            np.array_equal(a, b) for a, b in zip(one, other, strict=True)
        )
    return one == other


@pytest.mark.parametrize("X", CASES.values(), ids=CASES)
def test_data_arrive_as_they_were(X):
    for sent in (Sendable(X), pickle.loads(pickle.dumps(Sendable(X)))):
        assert type(sent.restore()) is type(X)
        assert same(X, sent.restore())


def test_columns_of_one_name_keep_their_places():
    X = pd.concat([CASES["table of objects"]] * 2, axis=1)
    back = Sendable(X).restore()
    assert back.columns.tolist() == ["age", "scan", "sex"] * 2
    assert same(list(X.iloc[:, 4]), list(back.iloc[:, 4]))


def kind_of_first_scan(sendable):
    X = sendable.restore()
    scan = X["scan"].iloc[0] if isinstance(X, pd.DataFrame) else X[0]
    return os.getpid(), isinstance(scan, np.memmap), getattr(scan, "filename", None)


@pytest.mark.parametrize("name", ["table with a spacing", "table of objects", "array of objects"])
def test_images_are_written_once_for_all_tasks(name):
    sendable = Sendable(CASES[name])
    found = Parallel(n_jobs=2, max_nbytes="32K")(
        delayed(kind_of_first_scan)(sendable) for _ in range(4)
    )
    assert os.getpid() not in {process for process, _, _ in found}
    assert all(is_shared for _, is_shared, _ in found)
    assert len({path for _, _, path in found}) == 1


# Trains networks in worker processes of one thread, and then in one process.
SAME_SCORES = """
import numpy as np
from skdxa.classification import SpineCNNClassifier
from skdxa.evaluation import repeated_cross_validate

if __name__ == "__main__":
    y = np.tile([0, 1], 12)
    X = np.random.default_rng(0).normal(size=(24, 9, 7)).astype("float32") + y[:, None, None]
    cnn = SpineCNNClassifier(filters=(2,), dense_units=3, epochs=2, validation_fraction=0)
    settings = {"n_splits": 2, "n_repeats": 1, "random_state": 0, "progress": False}
    many, one, few = (
        repeated_cross_validate(cnn, X, y, n_jobs=n_jobs, n_threads=1, **settings)
        for n_jobs in (2, 1, None)
    )
    assert set(many.folds["n_threads"]) == set(one.folds["n_threads"]) == {1}
    assert many.scores["score"].nunique() > 2
    assert many.scores.equals(one.scores) and one.scores.equals(few.scores)
    shared = repeated_cross_validate(cnn, X, y, n_jobs=2, n_threads=3, **settings)
    assert set(shared.folds["n_threads"]) == {3}
    try:
        repeated_cross_validate(cnn, X, y, n_threads=3, **settings)
    except RuntimeError as error:
        assert "TensorFlow has started already" in str(error), error
        print("as promised")
"""

WAITS = """
import os, sys, time
import numpy as np
from sklearn.linear_model import LogisticRegression
from skdxa.evaluation import repeated_cross_validate

class Waits(LogisticRegression):
    def fit(self, X, y):
        open(os.path.join(sys.argv[1], str(os.getpid())), "w").close()
        time.sleep(0.2)
        return super().fit(X, y)

if __name__ == "__main__":
    X = np.random.default_rng(0).normal(size=(40, 3000)).astype("float32")
    settings = {"n_repeats": 500, "n_splits": 2, "random_state": 0, "progress": False}
    repeated_cross_validate(Waits(), X, np.tile([0, 1], 20), n_jobs=2, **settings)
"""


def test_scores_depend_on_threads_and_not_on_jobs(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SAME_SCORES)
    environment = {name: value for name, value in os.environ.items() if "INTRAOP" not in name}
    ran = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, env=environment
    )
    assert ran.stdout.endswith("as promised\n"), ran.stderr


@pytest.mark.skipif(os.name != "posix", reason="the number of a parent is unknown after its end")
def test_workers_end_with_their_killed_parent(tmp_path):
    script, started = tmp_path / "script.py", tmp_path / "started"
    script.write_text(WAITS)
    started.mkdir()
    parent = subprocess.Popen([sys.executable, script, started])
    try:
        wait_for(lambda: any(started.iterdir()), 120)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    workers = [int(path.name) for path in started.iterdir()]
    assert parent.pid not in workers
    wait_for(lambda: not any(is_alive(worker) for worker in workers), 60)
    memory = Path("/dev/shm")
    if memory.is_dir():
        wait_for(lambda: not list(memory.glob(f"*_{parent.pid}_*")), 60)


def wait_for(happened, seconds):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "nothing has happened"
        time.sleep(0.1)


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # An ended process that nobody has waited for is no longer running.
    stat = Path(f"/proc/{process}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_threads_of_a_run(tmp_path, monkeypatch):
    from skdxa.evaluation import _cross_validate as module

    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setattr(module, "cpu_count", lambda: 9)
    assert module._threads_per_fit(4, 2, None) == 4
    assert module._threads_per_fit(None, 2, None) == 4
    assert module._threads_per_fit(None, 20, None) == 1
    assert module._threads_per_fit(None, 1, None) is None
    # A checkpoint keeps the number that it was begun with.
    for begun, kept in (({"n_threads": "3"}, 3), ({}, None)):
        (tmp_path / "manifest.json").write_text(json.dumps({"setting": begun}))
        assert module._threads_per_fit(None, 2, tmp_path) == kept
    with parallel_config("threading"):
        assert module._threads_per_fit(None, 2, None) is None
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "5")
    assert module._threads_per_fit(None, 2, None) is None
