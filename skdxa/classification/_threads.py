"""How many threads TensorFlow uses for one fit."""

import importlib
import os
import sys

from joblib import cpu_count

from skdxa.classification._cnn import SpineCNNClassifier

# Packages whose estimators run in TensorFlow.
_NETWORKS = {"keras", "scikeras", "tensorflow"}


def get_threads():
    """Return how many threads TensorFlow uses for one fit in this process.

    Returns
    -------
    n_threads : int
        The number set by `set_threads` or by the environment variable TF_NUM_INTRAOP_THREADS,
        or, if neither is set, the number of processors.

    See Also
    --------
    set_threads : Set the number.

    Examples
    --------
    >>> from skdxa.classification import get_threads
    >>> get_threads() >= 1
    True
    """
    tensorflow = _started_tensorflow()
    threads = tensorflow.config.threading.get_intra_op_parallelism_threads() if tensorflow else 0
    threads = threads or int(os.environ.get("TF_NUM_INTRAOP_THREADS") or 0)
    return threads or cpu_count()


def set_threads(n_threads, *, fits_at_once=None):
    """Set how many threads TensorFlow uses for one fit, in this process and its workers.

    The scores of a network depend on the number of threads, and the same number gives the
    same scores on the same kind of processor.

    Parameters
    ----------
    n_threads : int
        Number of threads of each operation, at least 1.
    fits_at_once : int, default=None
        How many fits this process runs at the same time. TensorFlow then runs
        ``n_threads * fits_at_once`` operations at once, so that workers do not compete for
        processors. None leaves its own number, as many as there are processors. Scores do
        not depend on it, and it has no effect once TensorFlow has started.

    Raises
    ------
    ValueError
        If `n_threads` or `fits_at_once` is not a whole number of at least 1.
    RuntimeError
        If TensorFlow has started with another number, which cannot be changed any more.

    See Also
    --------
    get_threads : Return the number.

    Notes
    -----
    The number is passed on by the environment variable TF_NUM_INTRAOP_THREADS, which
    worker processes inherit and which can be set instead of calling this function. Workers of a
    dask cluster do not inherit it: `HyperbandSearchCV` and
    `skdxa.evaluation.repeated_cross_validate` set their number. Operations at once are passed on
    by TF_NUM_INTEROP_THREADS.

    Examples
    --------
    >>> from skdxa.classification import set_threads
    >>> set_threads(2)  # doctest: +SKIP
    """
    given = {"n_threads": n_threads}
    if fits_at_once is not None:
        given["fits_at_once"] = fits_at_once
    for name, number in given.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"{name} must be a whole number of at least 1; got {number!r}.")
    tensorflow = _started_tensorflow()
    if tensorflow is not None:
        threading = tensorflow.config.threading
        if threading.get_intra_op_parallelism_threads() != n_threads:
            try:
                threading.set_intra_op_parallelism_threads(n_threads)
            except RuntimeError as error:
                raise RuntimeError(
                    f"TensorFlow has started already, so that it cannot use {n_threads} threads "
                    "from now on. Set n_threads before the first network is fitted, or set the "
                    "environment variable TF_NUM_INTRAOP_THREADS before Python starts; restart "
                    "workers of a dask cluster by Client.restart()."
                ) from error
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(n_threads)
    if fits_at_once is not None:
        os.environ["TF_NUM_INTEROP_THREADS"] = str(n_threads * fits_at_once)


def trains_network(estimator):
    """Return whether any part of an estimator trains a network in TensorFlow.

    Parameters
    ----------
    estimator : estimator
        Also a pipeline, search or stack, all parameters of which are inspected.

    Returns
    -------
    bool
        True for networks of skdxa, Keras and SciKeras.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdxa.classification import SpineCNNClassifier, trains_network
    >>> from skdxa.preprocessing import SpineCropper
    >>> trains_network(make_pipeline(SpineCropper(), SpineCNNClassifier()))
    True
    """
    parts = [estimator, *estimator.get_params(deep=True).values()]
    return any(
        isinstance(part, SpineCNNClassifier)
        or any(kind.__module__.partition(".")[0] in _NETWORKS for kind in type(part).__mro__)
        for part in parts
    )


def _started_tensorflow():
    """Return TensorFlow if it has been imported, waiting for a thread that is importing it."""
    return importlib.import_module("tensorflow") if "tensorflow" in sys.modules else None
