"""Stratified folds that find the patient in a column of the table."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator, StratifiedGroupKFold, StratifiedKFold

from skdxa.classification._columns import patient_column


class StratifiedPatientKFold(BaseCrossValidator, BaseEstimator):
    """Shuffled stratified folds that find the patient in a column of the table.

    It is an estimator for the sake of its parameters: a nested name such as ``cv__random_state``
    sets them, which does not work for scikit-learn's own splitters.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds.

    group_column : str or None, default=None
        Column of the patient. None: each row is another patient.

    random_state : int, RandomState instance or None, default=None
        Seeds the shuffle.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.classification import StratifiedPatientKFold
    >>> X = pd.DataFrame({"patient": ["P1", "P1", "P2", "P3", "P4", "P4"]})
    >>> y = [1, 1, 0, 1, 0, 0]
    >>> splitter = StratifiedPatientKFold(2, group_column="patient", random_state=0)
    >>> for train, test in splitter.split(X, y):
    ...     print(X["patient"].iloc[test].unique().tolist())
    ...
    ['P3', 'P4']
    ['P1', 'P2']
    """

    def __init__(self, n_splits=5, *, group_column=None, random_state=None):
        self.n_splits = n_splits
        self.group_column = group_column
        self.random_state = random_state

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of folds."""
        return self.n_splits

    def split(self, X, y, groups=None):
        """Yield the positions of the rows to train on and to score, fold by fold.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_scans, ...)
            A table where `group_column` is given.
        y : array-like of shape (n_scans,)
            The classes to stratify by.
        groups : None
            Ignored; the patients are in `X`.

        Yields
        ------
        train, test : ndarray of int
            Positions of rows; a patient's rows are all in one of the two.

        Raises
        ------
        CohortError
            If `group_column` is not in `X`, or a patient is missing.
        ValueError
            If a class has fewer patients than there are folds.
        """
        settings = {"shuffle": True, "random_state": self.random_state}
        if self.group_column is None:
            unit, units = "scans", np.arange(len(y))
            folds = StratifiedKFold(self.n_splits, **settings).split(X, y)
        else:
            unit, units = "patients", patient_column(X, self.group_column)
            folds = StratifiedGroupKFold(self.n_splits, **settings).split(X, y, units)
        # scikit-learn only warns, and a fold without the rarer class would follow.
        fewest = pd.Series(units).groupby(np.asarray(y)).nunique().min()
        if fewest < self.n_splits:
            raise ValueError(
                f"The rarer class has {fewest} {unit} to train on, fewer than the "
                f"{self.n_splits} inner folds. Use a smaller cv."
            )
        yield from folds
