"""joblib on a cluster of dask workers: lost work, and the setup of each worker.

dask is an extra (``pip install "skdxa[dask]"``) and is imported only where joblib uses it.
"""

import sys
import time
from concurrent.futures import CancelledError
from contextlib import contextmanager, nullcontext, suppress

from joblib import parallel_config
from joblib.parallel import get_active_backend

# Number of consecutive losses of work, without any finished task, that a cluster may have.
_MOST_LOSSES = 5
_SECONDS_BEFORE_SENDING_AGAIN = 0.5


def dask_client():
    """Return the client of the dask cluster that joblib is set to use, or None without one."""
    backend, _ = get_active_backend()
    return backend.client if type(backend).__name__ == "DaskDistributedBackend" else None


def tasks_at_once():
    """Return how many tasks run at once in the dask worker of this task, or None without one."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return get_worker().state.nthreads
    except ValueError:
        return None


def within_one_task():
    """Return a context in which code that runs in a dask worker sends no further tasks.

    joblib in a dask worker would otherwise send even the only fit of a split, with its data, as
    another task to any worker, also for ``n_jobs=1``.
    """
    return nullcontext() if dask_client() is None else parallel_config(backend="sequential")


@contextmanager
def data_sent(*data):
    """Send a copy of the data to each dask worker for the duration of the context.

    joblib by itself sends an argument to one worker, from which others copy it. Tasks are
    cancelled if that worker dies, and wait forever if it dies while the argument is sent. Calls
    of joblib in the context must be given the same objects as arguments. Each context has its own
    connection to the cluster, since joblib's still waits for tasks that were cancelled.
    """
    if dask_client() is None:
        yield
        return
    backend, _ = get_active_backend()
    with parallel_config(
        backend="dask",
        client=backend.client,
        wait_for_workers_timeout=backend.wait_for_workers_timeout,
        **backend.submit_kwargs,
    ):
        fresh, _ = get_active_backend()
        count = fresh.effective_n_jobs
        # joblib runs everything in this process if a single worker has started so far.
        fresh.effective_n_jobs = lambda n_jobs: max(count(n_jobs), 2)
        send_more(*backend._scatter, *data)
        yield


def send_more(*data):
    """Send more data, and those of `data_sent` again, within its context.

    For a call of joblib whose link to the cluster cannot be replaced.
    """
    if dask_client() is None:
        return
    backend, n_jobs = get_active_backend()
    # Waits for a worker, or says that there is none.
    backend.effective_n_jobs(n_jobs)
    # joblib knows the data by these two attributes, which it sets from its argument `scatter`.
    backend._scatter = [*backend._scatter, *data]
    sent = _send(backend.client, backend._scatter)
    backend.data_futures = dict(zip(map(id, backend._scatter), sent, strict=True))


def _send(client, data):
    """Send data to all workers; send it again if a worker dies in the meantime."""
    if not data:
        return []
    for _ in range(_MOST_LOSSES):
        try:
            return client.scatter(data, broadcast=True, hash=False)
        except OSError:
            # Wait until the scheduler knows that the worker has died.
            time.sleep(_SECONDS_BEFORE_SENDING_AGAIN)
    return client.scatter(data, broadcast=True, hash=False)


class Losses:
    """Count how often in a row a cluster has lost work, and give up after a few times.

    dask runs the tasks of a worker that dies again. If data that no other worker has are lost
    too, it cancels all tasks that need them, and only their sender can send them again.
    """

    error = CancelledError

    def __init__(self):
        self.number = 0

    def count(self, error):
        """Count a loss; raise a RuntimeError if there are too many in a row."""
        self.number += 1
        if self.number > _MOST_LOSSES:
            raise RuntimeError(
                f"The dask cluster has lost its tasks {self.number} times in a row without "
                f"finishing any ({error}). See the logs of the workers: they may have too little "
                "memory or time."
            ) from error

    def end(self):
        """Reset the count, since work has been finished."""
        self.number = 0


@contextmanager
def prepared_workers(name, prepare, *args):
    """Call a function in each dask worker, and in each that joins while the context lasts.

    Parameters
    ----------
    name : str
        Names the preparation on the cluster.
    prepare : callable
        Called as ``prepare(*args, tasks_at_once)``, with the number of tasks that the worker
        runs at once; nothing is called without a dask cluster.
    *args
        Its first arguments.
    """
    client = dask_client()
    if client is None:
        yield
        return
    from distributed import WorkerPlugin

    class Preparation(WorkerPlugin):
        def setup(self, worker):
            prepare(*args, worker.state.nthreads)

    try:
        client.register_plugin(Preparation(), name=name)
        yield
    finally:
        # A worker that has just died, and that the scheduler still knows, does not answer.
        with suppress(OSError):
            client.unregister_worker_plugin(name)


def call_on_workers(function, *args, **kwargs):
    """Call a function once in each dask worker that answers, if joblib uses a cluster."""
    client = dask_client()
    if client is not None:
        client.run(function, *args, on_error="ignore", **kwargs)
