"""Checks of labels of two classes, of the common rows of two collections, and of levels."""

from itertools import combinations
from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.utils import assert_all_finite, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length

from skdxa._sklearn import num_samples
from skdxa.validation._masked import fill_masked


def check_known(labels, name):
    """Raise a `ValueError` if any label is missing, naming the first such row.

    Parameters
    ----------
    labels : array-like of shape (n_scans,)
        Labels or patients.
    name : str
        How an error message names the labels.

    Examples
    --------
    >>> from skdxa.validation import check_known
    >>> check_known([0, 1, None], "y")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: y is missing for 1 of 3 scans, the first in position 2 (counted from 0)...
    """
    unknown = np.flatnonzero(pd.isna(fill_masked(labels)))
    if unknown.size:
        raise ValueError(
            f"{name} is missing for {unknown.size} of {len(labels)} scans, the first in position "
            f"{unknown[0]} (counted from 0): leave these scans out."
        )


def check_two_classes(y, n_rows):
    """Return the two classes of labels, sorted, and each label's position among them.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Two labels of any type.
    n_rows : int
        Number of scans that `y` must match.

    Returns
    -------
    classes : ndarray of shape (2,)
        The labels, sorted; the second is the positive one.
    codes : ndarray of int of shape (n_scans,)
        0 or 1 for each scan.

    Raises
    ------
    ValueError
        If `y` has another length, holds NaN or infinite values, or has not exactly two
        classes.

    Examples
    --------
    >>> from skdxa.validation import check_two_classes
    >>> check_two_classes(["scoliotic", "normal", "normal"], 3)
    (array(['normal', 'scoliotic'], dtype='<U9'), array([1, 0, 0]))
    """
    y = column_or_1d(fill_masked(y), warn=True)
    check_consistent_length(range(n_rows), y)
    unknown = np.flatnonzero(pd.isna(y))
    if unknown.size:
        raise ValueError(
            f"Input y contains NaN for {unknown.size} of {len(y)} scans, the first in "
            f"position {unknown[0]}. Leave out scans whose label is unknown."
        )
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) > 2:
        raise ValueError(
            "Only binary classification is supported. The type of the target is "
            f"{type_of_target(y)}. For more classes, train one classifier per class, for example "
            "with sklearn.multiclass.OneVsRestClassifier."
        )
    if len(classes) < 2:
        raise ValueError(
            f"y holds only one class, {classes[0].item()!r}; a classifier needs scans of two."
        )
    return classes, codes


def plain_labels(labels):
    """Return labels as a NumPy array of numbers or texts, never of objects.

    Parameters
    ----------
    labels : array-like of shape (n_scans,)
        Numbers or texts, none of them missing.

    Returns
    -------
    labels : ndarray of shape (n_scans,)
        The labels.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.validation import plain_labels
    >>> plain_labels(pd.Series(["yes", "no"], dtype=object))
    array(['yes', 'no'], dtype='<U3')
    """
    labels = np.asarray(fill_masked(labels))
    if labels.dtype == object:
        labels = np.array(labels.tolist())
    if labels.dtype == object or labels.ndim != 1:
        raise ValueError(
            f"labels must be one column of numbers or texts, got shape {labels.shape} and "
            f"type {labels.dtype}."
        )
    return labels


def positive_and_known(y, classes, n_scans):
    """Return which labels are positive, and which are known at all.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Labels of `classes`, or 0 and 1; NaN where unknown.
    classes : ndarray of shape (2,)
        Negative and positive label.
    n_scans : int
        Number of labels expected.

    Returns
    -------
    positive, known : ndarray of bool of shape (n_scans,)
        A label that is unknown is not positive.

    Raises
    ------
    ValueError
        If `y` has another length or holds another label.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.validation import positive_and_known
    >>> positive_and_known([1, 0, np.nan], np.array([0, 1]), 3)
    (array([ True, False, False]), array([ True,  True, False]))
    """
    y = column_or_1d(fill_masked(y), warn=True)
    if len(y) != n_scans:
        raise ValueError(f"y must have a label for each of {n_scans} scans, got {len(y)}.")
    known = ~pd.isna(y)
    given = y[known].tolist()
    for pair in (classes.tolist(), [0, 1]):
        if set(given) <= set(pair):
            positive = np.zeros(n_scans, dtype=bool)
            positive[known] = [label == pair[1] for label in given]
            return positive, known
    raise ValueError(
        f"y must hold {classes.tolist()} (or 0 and 1) and NaN where unknown, got "
        f"{next(label for label in given if label not in pair)!r}."
    )


def check_both_labels(positive):
    """Raise a `ValueError` unless labels are positive for some scans and negative for others.

    Parameters
    ----------
    positive : ndarray of bool of shape (n_scans,)
        Which labels are positive, of scans whose label is known.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.validation import check_both_labels
    >>> check_both_labels(np.array([True, True]))
    Traceback (most recent call last):
    ...
    ValueError: y must hold both positive and negative labels.
    """
    if positive.all() or not positive.any():
        raise ValueError("y must hold both positive and negative labels.")


def check_same_rows(first, second, names):
    """Raise a `ValueError` unless two collections have the same rows in the same order.

    NumPy pairs rows by position. Where both collections have an index, it must be the same,
    since rows with different labels in pandas, such as different patients, would otherwise be
    paired without an error.

    Parameters
    ----------
    first, second : array-like, sparse matrix, list, Series or DataFrame
        The collections; None is skipped.
    names : tuple of str
        How an error message names the two.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.validation import check_same_rows
    >>> X, y = pd.DataFrame({"age": [66, 70]}), pd.Series([0, 1], index=[1, 0])
    >>> check_same_rows(X, y, ("X", "y"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: X and y have different indices: align them first, ...
    """
    if first is None or second is None:
        return
    # A sparse matrix has no length.
    n_first, n_second = num_samples(first), num_samples(second)
    if n_first != n_second:
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same rows, got {n_first} and {n_second}."
        )
    indexed = pd.Series | pd.DataFrame
    if (
        isinstance(first, indexed)
        and isinstance(second, indexed)
        and not first.index.equals(second.index)
    ):
        raise ValueError(
            f"{names[0]} and {names[1]} have different indices: align them first, or pass "
            "NumPy arrays if the order of the rows is what pairs them."
        )


def check_aligned(**parts):
    """Raise a `ValueError` unless several collections have the same rows in the same order.

    Each is compared with every other by `check_same_rows`, since only two of them may have an
    index.

    Parameters
    ----------
    **parts : array-like, sparse matrix, list, Series or DataFrame
        The collections, by the names that error messages give them; None is skipped.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.validation import check_aligned
    >>> score, patient = pd.Series([0.2, 0.7]), pd.Series(["P1", "P2"], index=[1, 0])
    >>> check_aligned(y=[0, 1], score=score, groups=patient)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: score and groups have different indices: align them first, ...
    """
    for (name, one), (other_name, other) in combinations(parts.items(), 2):
        check_same_rows(one, other, (name, other_name))


def as_seed(random_state):
    """Return the one integer that seeds all random numbers of a calculation.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        An integer is returned as it is; otherwise the seed is drawn from the generator, or from
        NumPy's global one if None.

    Returns
    -------
    seed : int
        Not below 0 unless `random_state` is.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.validation import as_seed
    >>> as_seed(7)
    7
    >>> as_seed(np.random.RandomState(0))
    209652396
    """
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def check_level(level):
    """Raise a `ValueError` unless a confidence level is above 0 and below 1.

    Parameters
    ----------
    level : float
        The level.

    Examples
    --------
    >>> from skdxa.validation import check_level
    >>> check_level(0.95)
    >>> check_level(95)
    Traceback (most recent call last):
    ...
    ValueError: level must lie between 0 and 1 (0.95 for 95 %), got 95.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1 (0.95 for 95 %), got {level!r}.")
