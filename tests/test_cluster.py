"""Cross-validation, search and study on a dask cluster of two worker processes."""

import json
import os
import subprocess
import sys
from concurrent.futures import CancelledError

import numpy as np
import pytest
from fragile import Fragile
from joblib import Parallel, delayed, parallel_config

from skdxa._cluster import (
    Losses,
    dask_client,
    data_sent,
    prepared_workers,
    tasks_at_once,
    within_one_task,
)
from skdxa.classification import HyperbandSearchCV
from skdxa.cli._options import on_cluster
from skdxa.evaluation import repeated_cross_validate

distributed = pytest.importorskip("distributed", reason="dask is not installed (skdxa[dask])")
dask = pytest.importorskip("dask")

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="workers are killed by a signal"),
    # dask leaves the sockets of killed workers to Python.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # 2026-12: joblib 1.5 warns of its own backend for dask, as joblib 1.6 does no more.
    pytest.mark.filterwarnings("ignore:`apply_async` is deprecated:DeprecationWarning"),
]
# Labels larger than what joblib sends along with each task.
Y = np.tile([0, 1], 150)
X = np.random.default_rng(0).normal(size=(300, 7)).astype(np.float32) + Y[:, None]


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def on_dask(client):
    client.wait_for_workers(1, timeout=60)
    # A worker takes longer than joblib's ten seconds to start again on a busy machine.
    with parallel_config(backend="dask", client=client, wait_for_workers_timeout=120):
        yield client


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_kills", "kept"),
    [
        pytest.param(1, {"return_models": "all"}, id="one worker"),
        # All copies of the data are lost, too, so that dask cancels the tasks.
        pytest.param(2, {}, id="all workers"),
    ],
)
def test_splits_of_killed_workers_are_run_again(on_dask, tmp_path, n_kills, kept):
    killed, checkpoint = tmp_path / "killed", tmp_path / "splits"
    killed.mkdir()
    classifier = Fragile(str(killed), n_kills)
    settings = {"n_splits": 2, "n_repeats": 5, "random_state": 0, "progress": False}
    there = repeated_cross_validate(classifier, X, Y, checkpoint=checkpoint, **kept, **settings)
    assert len(list(killed.iterdir())) == n_kills
    assert len(list(checkpoint.glob("*.npz"))) == 10
    assert len(there.models or ()) == (10 if kept else 0)
    with parallel_config(backend="sequential"):
        here = repeated_cross_validate(classifier, X, Y, **settings)
    assert there.scores.equals(here.scores)
    assert there.scores["score"].nunique() > 200


@pytest.mark.slow
def test_search_is_the_same_with_killed_workers(on_dask, tmp_path):
    def search():
        return HyperbandSearchCV(
            Fragile(str(tmp_path), 2),
            {"C": [0.001, 0.01, 0.1, 1.0]},
            resource="max_iter",
            max_resource=90,
            min_resource=30,
            cv=2,
            scoring="roc_auc",
            random_state=0,
        ).fit(X, Y)

    there = search()
    assert len(list(tmp_path.iterdir())) == 2
    with parallel_config(backend="sequential"):
        here = search()
    assert there.best_params_ == here.best_params_
    for name in ("mean_test_score", "split0_test_score", "split1_test_score"):
        assert np.array_equal(there.cv_results_[name], here.cv_results_[name])


def backend_within():
    with within_one_task():
        return dask_client() is None, os.getpid()


def test_nothing_within_a_task_is_sent_to_other_workers(on_dask):
    with data_sent():
        found = Parallel()(delayed(backend_within)() for _ in range(4))
    assert all(alone for alone, _ in found)
    assert os.getpid() not in {process for _, process in found}


def test_a_single_worker_is_used(on_dask, monkeypatch):
    monkeypatch.setattr(on_dask, "ncores", lambda: {"tcp://127.0.0.1:9": 1})
    with data_sent(X):
        found = Parallel()(delayed(os.getpid)() for _ in range(3))
    assert os.getpid() not in found


def note_number(path, n_tasks):
    path.write_text(str(n_tasks))


def test_workers_are_prepared(on_dask, tmp_path):
    note = tmp_path / "note"
    with prepared_workers("test", note_number, note):
        assert note.read_text() == "1"
    with (
        pytest.raises(ValueError, match="base must be"),
        prepared_workers("test", int, "x"),
    ):
        pytest.fail("goes on although a worker could not be prepared")


def test_a_worker_knows_how_many_tasks_it_runs_at_once(client):
    assert tasks_at_once() is None
    assert client.submit(tasks_at_once).result() == 1


def test_without_a_cluster_there_is_nothing_to_prepare():
    assert dask_client() is None
    with data_sent(X), within_one_task(), prepared_workers("test", int, "x"):
        assert dask_client() is None


def test_losses_without_progress_end():
    losses = Losses()
    for _ in range(5):
        losses.count(CancelledError())
    losses.end()
    for _ in range(5):
        losses.count(CancelledError())
    with pytest.raises(RuntimeError, match="lost its tasks 6 times in a row"):
        losses.count(CancelledError("x"))


def test_the_command_trains_on_the_cluster(client, tmp_path):
    client.wait_for_workers(1, timeout=60)
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": client.scheduler.address}))
    for scheduler in (client.scheduler.address, str(file)):
        with on_cluster(scheduler), data_sent():
            found = Parallel()(delayed(os.getpid)() for _ in range(3))
        assert os.getpid() not in found
    with on_cluster(None):
        assert dask_client() is None


def test_the_command_says_what_is_missing(monkeypatch):
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "100ms"}),
        pytest.raises(ValueError, match="no dask scheduler answers there"),
        on_cluster("tcp://127.0.0.1:9"),
    ):
        pytest.fail("there is a scheduler")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match="pip install"), on_cluster("tcp://127.0.0.1:9"):
        pytest.fail("dask is there")


# Trains networks in workers of one thread, and then in this process.
SAME_SCORES = """
if __name__ == "__main__":
    import numpy as np
    from distributed import Client, LocalCluster
    from joblib import parallel_config
    from skdxa.classification import HyperbandSearchCV, SpineCNNClassifier, set_threads
    from skdxa.evaluation import repeated_cross_validate

    y = np.tile([0, 1], 12)
    X = np.random.default_rng(0).normal(size=(24, 9, 7)).astype("float32") + y[:, None, None]
    cnn = SpineCNNClassifier(filters=(2,), dense_units=3, epochs=2, validation_fraction=0)

    def scores(**settings):
        settings |= {"n_splits": 2, "n_repeats": 3, "random_state": 0, "progress": False}
        return repeated_cross_validate(cnn, X, y, **settings)

    def search():
        space = {"learning_rate": [0.001, 0.01, 0.03]}
        settings = {"max_resource": 3, "cv": 2, "scoring": "roc_auc", "random_state": 0}
        return HyperbandSearchCV(cnn, space, **settings).fit(X, y).cv_results_["mean_test_score"]

    set_threads(1)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
        parallel_config(backend="dask"),
    ):
        there = scores()
        best_there = search()
    here = scores(n_threads=1)
    assert set(there.folds["n_threads"]) == {1}
    assert there.scores["score"].nunique() > 20
    assert there.scores.equals(here.scores)
    assert np.array_equal(best_there, search())
    print("as promised")
"""


def test_networks_have_the_same_scores_on_the_cluster(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SAME_SCORES)
    environment = {name: value for name, value in os.environ.items() if "INTRAOP" not in name}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", script, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert ran.stdout.endswith("as promised\n"), ran.stderr
