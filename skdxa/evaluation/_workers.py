"""Worker processes: how they start and end, and how scans reach them."""

import os
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import numpy as np
import pandas as pd

from skdxa.classification import set_threads
from skdxa.exceptions import TrainingError
from skdxa.scan_dtype import ScanDtype

_SECONDS_BETWEEN_LOOKS = 1.0


def start_worker(parent, n_threads):
    """Prepare a worker process: set its number of threads, and end it with its parent.

    A worker that waits for tasks does not notice that its parent was killed, and would stay for
    minutes or for ever, with the scans in shared memory.

    Parameters
    ----------
    parent : int
        Number of the process that starts the worker.
    n_threads : int or None
        Threads of TensorFlow; None leaves its own number.
    """
    if n_threads is not None:
        set_threads(n_threads, fits_at_once=1)
    # On Windows, the number of the parent stays after its end.
    if os.name == "posix":
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent):
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)


@contextmanager
def worker_deaths_told(checkpoint):
    """Raise one error if a worker process was killed, which names the splits that are kept.

    Parameters
    ----------
    checkpoint : path-like or None
        Folder of finished splits.
    """
    try:
        yield
    except BrokenProcessPool as error:
        kept = "" if checkpoint is None else f" Splits that are finished are kept in {checkpoint}."
        raise TrainingError(
            "a worker process was killed, possibly because memory ran out. Use fewer processes "
            f"(n_jobs), and run it again.{kept}"
        ) from error


class Sendable:
    """Data whose images joblib can write once, for all tasks, to memory that workers share.

    joblib does so for arrays of numbers, also in lists, but not for arrays within an array or
    column of objects, of which every task would be sent a copy.

    Parameters
    ----------
    X : array-like, list or DataFrame of shape (n_scans, ...)
        The data; DataFrames, Series and arrays of objects are taken apart.
    """

    def __init__(self, X):
        self._images = []
        self._rest = X
        if isinstance(X, pd.DataFrame):
            places = [place for place in range(X.shape[1]) if _holds_images(X.iloc[:, place])]
            self._images = [
                (place, X.columns[place], X.dtypes.iloc[place], list(X.iloc[:, place]))
                for place in places
            ]
            self._rest = X.iloc[:, [n for n in range(X.shape[1]) if n not in places]]
        elif isinstance(X, pd.Series) and _holds_images(X):
            self._images = [(None, X.name, X.dtype, list(X))]
            self._rest = X.index
        elif isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1:
            self._images = [(None, None, None, list(X))]

    def restore(self):
        """Return the data as they were; images are views of what was sent."""
        if isinstance(self._rest, pd.DataFrame):
            frame = self._rest.copy(deep=False)
            for place, name, dtype, images in self._images:
                frame.insert(place, name, _column(images, dtype), allow_duplicates=True)
            return frame
        if not self._images:
            return self._rest
        _, name, dtype, images = self._images[0]
        if dtype is None:
            return _column(images, None)
        return pd.Series(_column(images, dtype), index=self._rest, name=name)

    def __getstate__(self):
        # An array of objects is in the list of its images already.
        plain = isinstance(self._rest, np.ndarray) and bool(self._images)
        return {"_images": self._images, "_rest": None if plain else self._rest}


def _holds_images(column):
    if isinstance(column.dtype, ScanDtype):
        return True
    return column.dtype == object and any(isinstance(value, np.ndarray) for value in column)


def _column(images, dtype):
    if isinstance(dtype, ScanDtype):
        return dtype.construct_array_type()._from_sequence(images, dtype=dtype)
    column = np.empty(len(images), dtype=object)
    # Assigned one by one, since NumPy would stack images of one shape.
    for place, image in enumerate(images):
        column[place] = image
    return column
