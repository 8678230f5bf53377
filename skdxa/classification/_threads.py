"""How many threads TensorFlow uses for one fit."""

import os
import sys


def set_threads(n_threads):
    """Set how many threads TensorFlow uses for one fit, in this process and its workers.

    The scores of a network depend on the number of threads, and the same number gives the
    same scores on the same kind of processor.

    Parameters
    ----------
    n_threads : int
        Number of threads, at least 1.

    Raises
    ------
    ValueError
        If `n_threads` is no whole number of at least 1.
    RuntimeError
        If TensorFlow has started with another number, which cannot be changed any more.

    Notes
    -----
    The number is passed on by the environment variable TF_NUM_INTRAOP_THREADS, which worker
    processes inherit and which can be set in place of this function.

    Examples
    --------
    >>> from skdxa.classification import set_threads
    >>> set_threads(2)  # doctest: +SKIP
    """
    if isinstance(n_threads, bool) or not isinstance(n_threads, int) or n_threads < 1:
        raise ValueError(f"n_threads must be a whole number of at least 1; got {n_threads!r}.")
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        threading = tensorflow.config.threading
        if threading.get_intra_op_parallelism_threads() != n_threads:
            try:
                threading.set_intra_op_parallelism_threads(n_threads)
            except RuntimeError as error:
                raise RuntimeError(
                    f"TensorFlow has started already, so that it cannot use {n_threads} threads "
                    "from now on. Set n_threads before the first network is fitted, or set the "
                    "environment variable TF_NUM_INTRAOP_THREADS before Python starts."
                ) from error
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(n_threads)
