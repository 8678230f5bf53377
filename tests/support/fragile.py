"""A classifier that kills the dask workers of its first fits."""

import os
import signal

from sklearn.linear_model import LogisticRegression


class Fragile(LogisticRegression):
    """Kill the process of the first fits, if they run in dask workers.

    Parameters
    ----------
    folder : str
        Holds one file per killed worker.
    n_kills : int
        How many fits kill.
    """

    def __init__(self, folder, n_kills=1, C=1.0, max_iter=100):
        super().__init__(C=C, max_iter=max_iter)
        self.folder = folder
        self.n_kills = n_kills

    def fit(self, X, y):
        """Fit, or kill the worker."""
        from distributed import get_worker

        try:
            get_worker()
        except ValueError:
            return super().fit(X, y)
        for number in range(self.n_kills):
            try:
                os.close(os.open(f"{self.folder}/{number}", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y)
