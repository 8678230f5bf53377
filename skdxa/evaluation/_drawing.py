"""How folds are drawn, and taken from any splitter."""

import numpy as np
import pandas as pd
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedGroupKFold
from sklearn.utils import check_random_state

from skdxa.validation import fill_masked, split_patients


def joint_strata(stratify):
    """Return one number for each combination of labels, with NaN as a separate label.

    Parameters
    ----------
    stratify : array-like of shape (n_scans,) or (n_scans, n_labels)

    Returns
    -------
    ndarray of int of shape (n_scans,)
        Numbers from 0, in the order in which the combinations occur.
    """
    # As objects, a column of numbers and a column of texts keep their types.
    table = pd.DataFrame(np.asarray(fill_masked(stratify), dtype=object))
    return table.groupby(list(table.columns), dropna=False, sort=False).ngroup().to_numpy()


def check_sizes(strata, patients, labels, n_splits):
    """Refuse a stratum that is too small to be in every fold.

    Parameters
    ----------
    strata : ndarray of shape (n_scans,)
    patients : ndarray of shape (n_scans,) or None
        Given where a patient has several scans.
    labels : array-like of shape (n_scans,) or (n_scans, n_labels)
        As the user gave them, for the message.
    n_splits : int
    """
    members = pd.DataFrame({"stratum": strata})
    members["member"] = np.arange(len(strata)) if patients is None else patients
    sizes = members.groupby("stratum")["member"].nunique()
    if sizes.min() < n_splits:
        row = np.argmax(strata == sizes.idxmin())
        label = np.asarray(labels, dtype=object)[row]
        label = label.tolist() if isinstance(label, np.ndarray) else label
        raise ValueError(
            f"fewer {'scans' if patients is None else 'patients'} ({sizes.min()}) have the label "
            f"{label!r}, as at position {row}, than n_splits={n_splits}: use fewer folds, or "
            "leave that label out."
        )


def draw_folds(y, patients, strata, n_splits, n_repeats, seed):
    """Return the fold of every scan in every repeat, drawn at random.

    Parameters
    ----------
    y, strata : ndarray of shape (n_scans,)
        Labels, two of which must occur in every training part, and the strata whose shares are
        kept in the folds.
    patients : ndarray of shape (n_scans,) or None
        Given where a patient has several scans, which stay together.
    n_splits, n_repeats, seed : int

    Returns
    -------
    ndarray of int of shape (n_repeats, n_scans)
    """
    if patients is None:
        kfold = RepeatedStratifiedKFold(n_splits=n_splits, n_repeats=n_repeats, random_state=seed)
        splits = kfold.split(y, strata)
    else:
        shuffle = {"shuffle": True, "random_state": check_random_state(seed)}
        splits = (
            split
            for _ in range(n_repeats)
            for split in StratifiedGroupKFold(n_splits, **shuffle).split(y, strata, patients)
        )
    fold_of = np.full((n_repeats, len(y)), -1, dtype=np.int32)
    for number, (train, test) in enumerate(splits):
        repeat, fold = divmod(number, n_splits)
        fold_of[repeat, test] = fold
        if test.size == 0 or len(np.unique(y[train])) < 2:
            problem = "no scan" if test.size == 0 else "a training part of one class"
            raise ValueError(
                f"fold {fold} of repeat {repeat} has {problem}: use fewer folds than "
                f"n_splits={n_splits}, or stratify by y."
            )
    apart = [] if patients is None else split_patients(fold_of, patients)
    if len(apart):
        raise RuntimeError(f"patient {apart[0]} is in two folds of one repeat.")
    return fold_of


def fold_of_splits(splits, y):
    """Return the fold of every scan in every repeat of a splitter, which tests each scan once.

    Parameters
    ----------
    splits : iterable of (train, test)
        Positions or masks.
    y : ndarray of shape (n_scans,)

    Returns
    -------
    ndarray of int of shape (n_repeats, n_scans)
    """
    repeats, fold_of, n_folds = [], np.full(len(y), -1, dtype=np.int32), 0
    for number, (train, test) in enumerate(splits):
        in_train, in_test = (_membership(part, len(y), number) for part in (train, test))
        twice = np.flatnonzero(in_test & (fold_of >= 0))
        if twice.size:
            raise ValueError(
                f"split {number} tests position {twice[0]} a second time before every row has "
                "been tested once: each row must be scored once per repeat. Use a splitter whose "
                "test parts do not overlap."
            )
        wrong = np.flatnonzero(in_train == in_test)
        if wrong.size:
            parts = "both parts" if in_train[wrong[0]] else "neither part"
            raise ValueError(
                f"position {wrong[0]} is in {parts} of split {number} ({wrong.size} positions in "
                "all): the training part must hold all rows that are not tested."
            )
        if not in_test.any() or len(np.unique(y[in_train])) < 2:
            problem = "a training part of one class" if in_test.any() else "no scan to test"
            raise ValueError(f"split {number} has {problem}.")
        fold_of[in_test] = n_folds
        n_folds += 1
        if (fold_of >= 0).all():
            repeats.append(fold_of)
            fold_of, n_folds = np.full(len(y), -1, dtype=np.int32), 0
    if n_folds or not repeats:
        never = np.flatnonzero(fold_of < 0)
        raise ValueError(
            f"the splitter never tests position {never[0]} ({never.size} positions in all) in "
            f"repeat {len(repeats)}: each row must be scored once per repeat."
        )
    if len({int(repeat.max()) for repeat in repeats}) > 1:
        numbers = [int(repeat.max()) + 1 for repeat in repeats]
        raise ValueError(
            f"the repeats of the splitter have different numbers of folds: {numbers}."
        )
    return np.array(repeats)


def _membership(rows, n_rows, number):
    """Return which rows a part of a split holds, given as positions or as a mask."""
    in_part = np.zeros(n_rows, dtype=bool)
    try:
        in_part[rows] = True
    except IndexError as error:
        raise ValueError(f"split {number} does not fit the {n_rows} rows of y: {error}.") from None
    return in_part
