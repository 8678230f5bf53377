"""Scans read by several processes or threads."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from skdxa.exceptions import CohortError
from skdxa.scans import _batch, load_cohort, read_scan

NAMES = [f"{number}.npy" for number in range(5)]


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(NAMES):
        np.save(tmp_path / name, np.full((7, 9), number / 4))
    return tmp_path


def load(folder, **options):
    return load_cohort(pd.DataFrame({"scan": NAMES}), scans=folder, n_jobs=2, **options)


@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_a_backend_that_the_caller_chooses(folder, backend):
    with joblib.parallel_config(backend=backend):
        assert not _batch._can_fork()
        cohort = load(folder)
    assert [scan[0, 0] * 4 for scan in cohort.data["scan"]] == [0, 1, 2, 3, 4]


def test_processes_are_not_copied_with_threads_of_others(monkeypatch):
    assert _batch._can_fork() == (sys.platform == "linux" and "tensorflow" not in sys.modules)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert not _batch._can_fork()


@pytest.mark.parametrize(
    ("place", "error", "reason"),
    [
        ("_read._check_pixels", MemoryError, "the file needs more memory"),
        ("_read._decode", OSError, "the file cannot be read to its end"),
        ("_batch.resample", MemoryError, "needs more memory to be resampled"),
    ],
)
def test_a_file_at_the_limit_of_memory_or_of_the_disk(folder, monkeypatch, place, error, reason):
    calls = []

    def fails_once(*args):
        if not calls:
            calls.append(args)
            raise error
        return function(*args)

    module, name = place.split(".")
    function = getattr(sys.modules[f"skdxa.scans.{module}"], name)
    monkeypatch.setattr(f"skdxa.scans.{place}", fails_once)
    with pytest.warns(UserWarning, match="1 of 5 scans are left out"):
        cohort = load_cohort(
            pd.DataFrame({"scan": NAMES}),
            scans=folder,
            default_spacing_mm=(1.05, 0.60),
            on_error="exclude",
        )
    assert reason in cohort.excluded["reason"][0]
    assert len(cohort.data) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux alone")
def test_a_process_that_ends(folder, monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(_batch, "read_scan", lambda *args, **options: os._exit(1))
    with pytest.raises(CohortError, match=r"has ended.*Read with n_jobs=1\.$"):
        load(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux alone")
def test_an_interrupted_reading_waits_for_nothing_more(folder, monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    many = [f"{number}.npy" for number in range(400)]
    for name in many:
        np.save(folder / name, np.ones((7, 9)))
    read_one = read_scan

    begun = folder / "begun"
    begun.mkdir()

    def slow(path, **options):
        (begun / Path(path).name).touch()
        # Long enough that the others wait when the reading is interrupted.
        time.sleep(0.02)
        return read_one(path, **options)

    def interrupted(done, **options):
        next(iter(done))
        raise KeyboardInterrupt

    monkeypatch.setattr(_batch, "read_scan", slow)
    monkeypatch.setattr(_batch, "tqdm", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_cohort(pd.DataFrame({"scan": many}), scans=folder, n_jobs=2)
    assert 0 < len(list(begun.iterdir())) < len(many) / 2


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux alone")
def test_workers_end_with_a_parent_that_is_killed(folder):
    code = """
import os, signal, sys
import pandas as pd
from skdxa.scans import _batch, load_cohort
def kill(done, **options):
    print(*[process.pid for process in multiprocessing.active_children()], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
import multiprocessing
_batch.tqdm = kill
load_cohort(pd.DataFrame({"scan": ["0.npy", "1.npy"]}), scans=sys.argv[1], n_jobs=2)
"""
    killed = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )
    # The output ends when the last of the workers, which have it open as well, has ended.
    try:
        output, _ = killed.communicate(timeout=60)
    finally:
        killed.kill()
    assert len(output.split()) == 2
    assert killed.returncode == -signal.SIGKILL


def test_threads_are_silent_until_the_last_has_read(folder, monkeypatch):
    """What one thread has read must not let another's warnings and log records out."""
    inside, going_on, heard = threading.Event(), threading.Event(), []

    def slow(file, options):
        inside.set()
        assert going_on.wait(10)
        warnings.warn("Secret", UserWarning, stacklevel=1)
        heard.append(logging.getLogger("pydicom").disabled)
        return decode(file, options)

    decode = sys.modules["skdxa.scans._read"]._decode
    monkeypatch.setattr("skdxa.scans._read._decode", slow)
    thread = threading.Thread(target=read_scan, args=(folder / NAMES[0],))
    thread.start()
    assert inside.wait(10)
    monkeypatch.setattr("skdxa.scans._read._decode", decode)
    read_scan(folder / NAMES[1])
    going_on.set()
    thread.join()
    assert heard == [True]
    assert not logging.getLogger("pydicom").disabled
