"""The folds of a repeated cross-validation."""

import copy
import warnings
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state, column_or_1d

from skdxa._sklearn import HasMethods, Interval, validate_params
from skdxa.evaluation._drawing import check_sizes, draw_folds, fold_of_splits, joint_strata
from skdxa.evaluation._patients import splits_by_groups
from skdxa.validation import (
    as_patients,
    as_seed,
    check_aligned,
    check_known,
    check_same_rows,
    fill_masked,
    has_repeated_patients,
    plain_labels,
    split_patients,
)

# Parameters of all functions that draw folds.
DRAWING = {
    "y": ["array-like"],
    "groups": ["array-like", None],
    "stratify": ["array-like", None],
    "n_splits": [Interval(Integral, 2, None, closed="left")],
    "n_repeats": [Interval(Integral, 1, None, closed="left")],
    "random_state": ["random_state"],
}


@dataclass(frozen=True, eq=False)
class Folds:
    """The fold of every scan in every repeat of a cross-validation.

    Predictors that are evaluated on the same folds can be compared fold by fold: a network and
    a T-score, or two networks.

    Parameters
    ----------
    fold_of : array-like of int of shape (n_repeats, n_scans)
        The fold in which each scan is left out of training, counted from 0. Every fold of
        every repeat holds at least one scan. If all repeats hold the same folds in another
        order, they get the numbers of the first.
    y : array-like of shape (n_scans,)
        Two labels of any type, none missing; the second, sorted, is positive.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan.

    Attributes
    ----------
    classes : ndarray of shape (2,)
        The labels of `y`, sorted.

    Raises
    ------
    ValueError
        If the lengths differ, `y` or `groups` has gaps, `y` has not two labels, or a fold
        of a repeat holds no scan.

    See Also
    --------
    CrossValidationResult.fold_assignment : The folds of a result.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.evaluation import Folds
    >>> y = np.tile([0, 0, 1], 10)
    >>> folds = Folds.draw(y, n_splits=5, n_repeats=2, random_state=0)
    >>> folds
    Folds(2 repeats x 5 folds, 30 scans)
    >>> t_score = np.linspace(0, -3, 30)
    >>> folds.with_scores(-t_score).summary(threshold=2.5).loc["accuracy", "n_folds"].item()
    10
    """

    fold_of: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None = None

    def __post_init__(self):
        y, classes = _two_labels(self.y)
        # The warning of patients with similar names is given once, where the folds are drawn.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            groups = None if self.groups is None else as_patients(self.groups, len(y))
        fold_of = np.asarray(self.fold_of)
        if fold_of.ndim != 2 or fold_of.shape[1] != len(y) or fold_of.dtype.kind not in "iu":
            raise ValueError(
                f"fold_of must hold whole numbers and have the shape (n_repeats, {len(y)}), got "
                f"shape {fold_of.shape} and type {fold_of.dtype}."
            )
        numbers = np.arange(fold_of.max(initial=-1) + 1)
        if not all(np.array_equal(np.unique(folds), numbers) for folds in fold_of):
            raise ValueError(
                "every repeat in fold_of must have the same folds, counted from 0, and each "
                "must hold a scan."
            )
        # A frozen dataclass sets its fields through object.
        for name, value in (("y", y), ("groups", groups), ("classes", classes)):
            object.__setattr__(self, name, value)
        fold_of = _numbered_alike(fold_of.astype(np.int32, copy=False))
        object.__setattr__(self, "fold_of", fold_of)

    def __repr__(self):
        return (
            f"{type(self).__name__}({self.n_repeats} repeats x {self.n_folds} folds, "
            f"{len(self.y)} scans)"
        )

    @property
    def n_repeats(self):
        """Number of repeats."""
        return len(self.fold_of)

    @property
    def n_folds(self):
        """Number of folds per repeat."""
        return int(self.fold_of.max()) + 1

    @classmethod
    @validate_params(DRAWING, prefer_skip_nested_validation=True)
    def draw(cls, y, *, groups=None, stratify=None, n_splits=10, n_repeats=100, random_state=None):
        """Draw stratified folds that keep the scans of a patient together.

        Parameters
        ----------
        y : array-like of shape (n_scans,)
            Two labels of any type, none missing.
        groups : array-like of shape (n_scans,), optional
            The patient of each scan. A patient's scans stay together.
        stratify : array-like of shape (n_scans,) or (n_scans, n_labels), optional
            Labels whose shares the folds keep, `y` if not given. Several columns are kept
            jointly; NaN in them is a separate stratum.
        n_splits : int, default=10
            Folds per repeat.
        n_repeats : int, default=100
            Repeats, each with other folds.
        random_state : int, RandomState instance or None, default=None
            Seeds the folds.

        Returns
        -------
        Folds
            Those of `RepeatedStratifiedKFold`; where a patient has several scans those of
            `StratifiedGroupKFold`, shuffled again in each repeat.

        Raises
        ------
        ValueError
            If `y`, `groups` and `stratify` have different rows, `y` or `groups` has gaps,
            `y` has not two labels, a stratum has fewer scans or patients than `n_splits`,
            or the training part of a fold lacks a label.
        """
        check_aligned(y=y, groups=groups, stratify=stratify)
        y, _ = _two_labels(column_or_1d(fill_masked(y), warn=True))
        groups = None if groups is None else as_patients(groups, len(y))
        strata = y if stratify is None else joint_strata(stratify)
        patients = groups if has_repeated_patients(groups) else None
        check_sizes(strata, patients, y if stratify is None else stratify, n_splits)
        seed = as_seed(random_state)
        return cls(draw_folds(y, patients, strata, n_splits, n_repeats, seed), y, groups)

    @classmethod
    @validate_params(
        {
            "cv": [HasMethods(["split"]), HasMethods(["__iter__"])],
            "y": ["array-like"],
            "X": ["array-like", "sparse matrix", None],
            "groups": ["array-like", None],
            "cv_groups": ["array-like", None],
            "n_repeats": [Interval(Integral, 1, None, closed="left")],
            "random_state": ["random_state"],
        },
        prefer_skip_nested_validation=True,
    )
    def from_splitter(
        cls, cv, y, *, X=None, groups=None, cv_groups=None, n_repeats=1, random_state=None
    ):
        """Create folds from any splitter, such as one that leaves out one hospital at a time.

        Parameters
        ----------
        cv : splitter or list of (train, test)
            A splitter of scikit-learn, such as ``LeaveOneGroupOut()``, or positions of the
            training and the test scans of each split. Every scan must be tested once per
            repeat, and every other scan be trained on. A splitter that repeats itself, such
            as ``RepeatedKFold``, gives as many repeats as it has.
        y : array-like of shape (n_scans,)
            Two labels of any type, none missing.
        X : array-like of shape (n_scans, ...), optional
            Passed to the splitter, which rarely uses it; `y` if not given.
        groups : array-like of shape (n_scans,), optional
            The patient of each scan. A patient's scans must lie in one fold. If not given and
            `cv` is a `Folds`, those of `cv`.
        cv_groups : array-like of shape (n_scans,), optional
            Groups for the splitter, such as the hospital of each scan;
            `groups` if not given and the splitter is one of scikit-learn's for groups.
        n_repeats : int, default=1
            How often the splitter is called.
        random_state : int, RandomState instance or None, default=None
            Seeds a splitter whose own `random_state` is None; its folds then differ from
            repeat to repeat.

        Returns
        -------
        Folds

        Raises
        ------
        ValueError
            If rows differ, a scan is tested never or twice in a repeat, a scan of neither
            part is left over, a patient is in two folds, repeats have different numbers of
            folds, or the training part of a fold lacks a label.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.model_selection import LeaveOneGroupOut
        >>> from skdxa.evaluation import Folds
        >>> site = np.repeat(["Oulu", "Turku", "Tampere"], 4)
        >>> y = np.tile([0, 1], 6)
        >>> Folds.from_splitter(LeaveOneGroupOut(), y, cv_groups=site).fold_of.tolist()
        [[0, 0, 0, 0, 2, 2, 2, 2, 1, 1, 1, 1]]
        """
        check_aligned(y=y, X=X, groups=groups, cv_groups=cv_groups)
        y, _ = _two_labels(column_or_1d(fill_masked(y), warn=True))
        groups = None if groups is None else as_patients(groups, len(y))
        if groups is None and isinstance(cv, Folds):
            groups = cv.groups
        splitter = copy.deepcopy(check_cv(cv))
        if cv_groups is not None:
            check_known(cv_groups, "cv_groups")
            cv_groups = plain_labels(cv_groups)
        elif splits_by_groups(splitter):
            cv_groups = groups
        if getattr(splitter, "random_state", 0) is None:
            splitter.random_state = check_random_state(as_seed(random_state))
        X = y if X is None else X
        splits = [split for _ in range(n_repeats) for split in splitter.split(X, y, cv_groups)]
        fold_of = fold_of_splits(splits, y)
        apart = [] if groups is None else split_patients(fold_of, groups)
        if len(apart):
            raise ValueError(
                f"the splitter puts scans of patient {apart[0]} into two folds of one repeat, "
                f"and those of {len(apart)} patients in all: give it the patients as groups, or "
                "leave these patients out."
            )
        return cls(fold_of, y, groups)

    def split(self, X=None, y=None, groups=None):
        """Yield the training and the test scans of each fold, as a splitter of scikit-learn.

        Parameters
        ----------
        X : array-like of shape (n_scans, ...), optional
            The scans; only their number is checked.
        y, groups : object, optional
            Ignored.

        Yields
        ------
        train, test : ndarray of int
            Positions, fold by fold, one repeat after the other.

        Raises
        ------
        ValueError
            If `X` has another number of rows than the folds have scans.

        Examples
        --------
        >>> from skdxa.evaluation import Folds
        >>> folds = Folds([[0, 1, 0, 1], [0, 0, 1, 1]], [0, 0, 1, 1])
        >>> [test.tolist() for train, test in folds.split()]
        [[0, 2], [1, 3], [0, 1], [2, 3]]
        """
        check_same_rows(X, self.y, ("X", "the labels of the folds"))
        for fold_of in self.fold_of:
            for fold in range(self.n_folds):
                yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of splits, as a splitter of scikit-learn.

        Parameters
        ----------
        X, y, groups : object, optional
            Ignored.

        Returns
        -------
        int
            Folds of all repeats.
        """
        return self.n_repeats * self.n_folds

    def first(self, n_repeats=1):
        """Return the folds of the first repeats alone.

        Parameters
        ----------
        n_repeats : int, default=1
            Number of repeats.

        Returns
        -------
        Folds

        Raises
        ------
        ValueError
            If there are fewer repeats.
        """
        if not 1 <= n_repeats <= self.n_repeats:
            raise ValueError(
                f"n_repeats must lie between 1 and {self.n_repeats}, the repeats that there are; "
                f"got {n_repeats!r}."
            )
        return Folds(self.fold_of[:n_repeats], self.y, self.groups)

    def table(self):
        """Return the sizes of all folds.

        Returns
        -------
        pandas.DataFrame of shape (n_repeats * n_folds, 4)
            One row per fold: `repeat`, `fold`, `n_train` and `n_test` scans.
        """
        cell = np.arange(self.n_repeats)[:, np.newaxis] * self.n_folds + self.fold_of
        n_test = np.bincount(cell.ravel(), minlength=self.n_repeats * self.n_folds)
        repeat, fold = np.indices((self.n_repeats, self.n_folds)).reshape(2, -1)
        return pd.DataFrame(
            {"repeat": repeat, "fold": fold, "n_train": len(self.y) - n_test, "n_test": n_test}
        )

    def with_scores(self, scores, *, response_method="decision_function"):
        """Return the result of a cross-validation that gave these scores.

        Parameters
        ----------
        scores : array-like of shape (n_scans,) or (n_repeats, n_scans)
            One score per scan, higher for positives, in the order of `y`: the same in all
            repeats, such as a negated T-score, or others in each.
        response_method : {"predict_proba", "decision_function"}, default="decision_function"
            What the scores are. It decides the default threshold: 0.5 for probabilities, 0
            for other values.

        Returns
        -------
        CrossValidationResult
            The scores on these folds.

        Raises
        ------
        ValueError
            If the scores have another shape or are not all finite.
        """
        # Imported here, since that module imports this one.
        from skdxa.evaluation._result import CrossValidationResult

        scores = np.asarray(fill_masked(scores), dtype=float)
        if scores.shape not in (self.fold_of.shape, self.fold_of.shape[1:]):
            raise ValueError(
                f"scores must have the shape {self.fold_of.shape[1:]} or {self.fold_of.shape}, "
                f"got {scores.shape}."
            )
        if not np.isfinite(scores).all():
            raise ValueError(f"scores must be finite; {np.sum(~np.isfinite(scores))} are not.")
        repeat, row = np.indices(self.fold_of.shape)
        table = {
            "repeat": repeat.ravel(),
            "fold": self.fold_of.astype(int).ravel(),
            "row": row.ravel(),
            "score": np.broadcast_to(scores, self.fold_of.shape).ravel(),
        }
        return CrossValidationResult(
            pd.DataFrame(table),
            self.table(),
            self.y,
            self.groups,
            response_method=response_method,
        )


def _two_labels(y):
    """Return labels as a plain array, and the two that occur."""
    check_known(y, "y")
    y = plain_labels(y)
    classes = np.unique(y)
    if not len(classes):
        raise ValueError("y must hold two labels, and is empty.")
    if len(classes) != 2:
        listed = [*map(repr, classes[:5].tolist()), *["..."] * (len(classes) > 5)]
        raise ValueError(f"y must hold two labels, got {len(classes)}: {', '.join(listed)}.")
    return y, classes


def _numbered_alike(fold_of):
    """Return the folds with the same numbers in all repeats, if all repeats have the same folds.

    Such repeats train the same models again, which must not count as further evidence.
    """
    # The first scan of each scan's fold, whatever the fold's number is.
    first = np.array([np.unique(one, return_index=True)[1][one] for one in fold_of])
    return np.tile(fold_of[0], (len(fold_of), 1)) if (first == first[0]).all() else fold_of
