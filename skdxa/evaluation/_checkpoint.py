"""Finished splits on disk, bound to their run."""

import inspect
import json
import re
import sys
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from skdxa._description import NotDescribable, digest, digests_of_function
from skdxa.evaluation._archive import read_arrays, write_arrays
from skdxa.exceptions import CheckpointError
from skdxa.validation import holding, remedy_for, replacing

_MANIFEST = "manifest.json"
_MOST_LISTED = 5
# Temporary names that `replacing` gives to the files of a split or the manifest.
_TEMPORARY = re.compile(r"\.(manifest\.json|repeat-\d+-fold-\d+\.npz)\.[0-9a-f]{32}\.tmp")
# Parameters that change how a model is fitted, but not the model.
_WITHOUT_EFFECT = {"memory", "n_jobs", "verbose"}
# What the clones of an estimator have in addition to its parameters.
_KEPT_BY_CLONES = {"set_output": "_sklearn_output_config", "requests": "_metadata_request"}
_HASH = "sha256:"
# Format of the manifest, increased when the same run is described differently.
_FORMAT = "3"
# The version of Python, on which the digests of functions depend.
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_READABLE = (type(None), bool, int, float, str)
_LONGEST_READABLE = 80
# An estimator and its description.
_described_before = ContextVar("_described_before", default=(None, None))


class Checkpoint:
    """A folder with one file per finished split, and a manifest of the run.

    A folder that belongs to another run is refused. The object is small and can be sent to
    a worker.

    Parameters
    ----------
    folder : str or path-like
        Made if missing.
    identity : dict
        The run's description by `describe_run`.
    """

    def __init__(self, folder, identity):
        self.folder = Path(folder).resolve()
        with _writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        before = read_manifest(self.folder)
        if before is not None:
            _refuse_another_run(self.folder, before, identity)
        elif any(self.folder.glob("repeat-*-fold-*.npz")):
            raise CheckpointError(
                f"the checkpoint folder {self.folder} holds splits but no {_MANIFEST}, so that "
                "the run that they belong to is unknown. Use another folder."
            )
        else:
            with _writing(self.folder), replacing(self.folder / _MANIFEST) as file:
                file.write(json.dumps(identity, indent=1).encode())
        # From here on, the folder is known to belong to this run.
        for temporary in self.folder.iterdir():
            if _TEMPORARY.fullmatch(temporary.name):
                temporary.unlink(missing_ok=True)

    def path(self, repeat, fold):
        """Return the path of one split's file."""
        return self.folder / f"repeat-{repeat:04d}-fold-{fold:03d}.npz"

    def write(self, record):
        """Write a split, completely or not at all, if this machine has the folder."""
        if self.folder.is_dir():
            about = {name: value for name, value in record.items() if name != "arrays"}
            with _writing(self.folder):
                write_arrays(self.path(record["repeat"], record["fold"]), record["arrays"], about)

    def read(self, repeat, fold, test):
        """Read a split; return None if it is not finished.

        Parameters
        ----------
        repeat, fold : int
        test : ndarray of int of shape (n_test,)
            The rows that the split scores.

        Returns
        -------
        dict or None

        Raises
        ------
        CheckpointError
            If the file is damaged, or holds other rows or scores that are not finite.
        """
        path = self.path(repeat, fold)
        if not path.exists():
            return None
        try:
            arrays, about = read_arrays(path)
            _check_split(path, arrays, about, (repeat, fold), test)
        except ValueError as error:
            message = str(error).removesuffix(".")
            raise CheckpointError(f"{message}. Delete it to run the split again.") from error
        return {**about, "arrays": arrays}


@contextmanager
def using(folder):
    """Create a checkpoint folder, and lock it so that no other run uses it.

    Parameters
    ----------
    folder : str, path-like or None
        With None, nothing is locked.
    """
    if folder is None:
        yield
        return
    with _writing(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with _writing(folder):
            stack.enter_context(holding(folder, CheckpointError))
        yield


@contextmanager
def _writing(folder):
    """Name the checkpoint in the error if the disk is full or write-protected."""
    try:
        yield
    except OSError as error:
        remedy = remedy_for(error)
        remedy = "Use another folder" if remedy is None else f"{remedy}, or use another folder"
        raise CheckpointError(
            f"the checkpoint folder {folder} cannot be written to ({error.strerror or error}). "
            f"{remedy}; splits that are finished are kept."
        ) from error


def _check_split(path, arrays, about, split, test):
    """Raise a ValueError unless a file holds the scores of a split."""
    score, row = arrays.get("score"), arrays.get("row")
    if (about.get("repeat"), about.get("fold")) != split or "response_method" not in about:
        raise ValueError(f"{path} is damaged: it describes another split")
    if row is None or score is None or not np.array_equal(row, test) or score.shape != row.shape:
        raise ValueError(f"{path} is damaged: it holds the scores of other rows")
    if not np.isfinite(score).all():
        raise ValueError(f"{path} is damaged: it holds scores that are not finite")


def read_manifest(folder):
    """Read the manifest of a checkpoint folder; return None if the folder is new."""
    path = Path(folder) / _MANIFEST
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise CheckpointError(
            f"{path} is damaged ({error}). Use another checkpoint folder."
        ) from error


def describe_run(estimator, X, settings, labels, params, fold_of):
    """Describe everything in a run that must not change when it is resumed.

    Parameters
    ----------
    estimator : estimator
        Not fitted.
    X : array-like of shape (n_scans, ...)
    settings, labels : dict
        Numbers by name; arrays or None by name.
    params : dict or None
        Passed to `fit`.
    fold_of : ndarray of shape (n_repeats, n_scans)

    Returns
    -------
    dict
        Texts, and dicts and lists of them.

    Raises
    ------
    CheckpointError
        If a part of the run cannot be described, so that a later run could not detect a change.
    """
    described = {
        "format": _FORMAT,
        "python": _PYTHON,
        "setting": {name: repr(value) for name, value in settings.items()},
    }
    known, of_estimator = _described_before.get()
    if known is estimator:
        described |= of_estimator
    parts = {
        "estimator": lambda: _describe_class(type(estimator)),
        "estimator parameter": lambda: _describe_parameters(estimator),
        "fit parameter": lambda: {name: _digest(value) for name, value in (params or {}).items()},
        "data": lambda: {
            **{
                name: "none" if value is None else _digest(value) for name, value in labels.items()
            },
            **_describe_data(X),
        },
    }
    for name in [name for name in parts if name not in described]:
        try:
            described[name] = parts[name]()
        except NotDescribable as error:
            raise CheckpointError(
                f"a checkpoint cannot detect later whether the {name} has changed: "
                f"{error} cannot be described. Use only what can be pickled there, or run "
                "without a checkpoint."
            ) from error
    return described | {"splits": _digest(fold_of)}


@contextmanager
def described_once(estimator, described):
    """Describe an estimator by its initial state in all runs that are part of one run.

    Fits may fill a cache to which a function refers. Where the first fits are read from a
    checkpoint, the cache would be another one when the later runs are described.

    Parameters
    ----------
    estimator : estimator
    described : dict or None
        The description of the whole run, which None leaves out.
    """
    if described is None:
        yield
        return
    kept = {name: described[name] for name in ("estimator", "estimator parameter")}
    token = _described_before.set((estimator, kept))
    try:
        yield
    finally:
        _described_before.reset(token)


def _describe_data(X):
    if isinstance(X, pd.DataFrame):
        return {f"X[{name!r}]": _digest(column) for name, column in X.items()}
    return {"X": _digest(X)}


def _digest(values):
    """Return a hash of the values that does not depend on their layout in memory."""
    if isinstance(values, (pd.Series, pd.Index)):
        values = values.to_numpy()
    return digest(values)


def _describe_parameters(estimator):
    """Describe the parameters of an estimator, which are all that its clones have."""
    parameters = estimator.get_params(deep=True)
    # The steps of a pipeline are parameters too, listed with their own parameters.
    listed = {
        id(value)
        for name, value in parameters.items()
        if any(other.startswith(f"{name}__") for other in parameters)
    }
    described = {
        name: _describe(value, listed)
        for name, value in parameters.items()
        if name.rpartition("__")[-1] not in _WITHOUT_EFFECT
    }
    if _keeps_its_state(estimator):
        described["state"] = _hashed(estimator)
    for name, value in {"": estimator, **parameters}.items():
        if hasattr(value, "get_params") and not inspect.isclass(value):
            for what, attribute in _KEPT_BY_CLONES.items():
                if hasattr(value, attribute):
                    described[f"{name} {what}".strip()] = _hashed(getattr(value, attribute))
    return described


def _describe(value, listed=frozenset()):
    """Describe a parameter, in the same way in every process."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if isinstance(value, dict):
        return {
            _describe_key(key): _hashed(item) if _is_fitted(item) else _describe(item, listed)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_describe(item, listed) for item in value]
    if inspect.isclass(value):
        return _describe_class(value)
    if inspect.ismethod(value):
        described = _describe_function(value.__func__)
        return {**described, "object": _hashed(value.__self__)}
    if inspect.isfunction(value):
        return _describe_function(value)
    if hasattr(value, "get_params") and not _keeps_its_state(value):
        name = _describe_class(type(value))
        return name if id(value) in listed else [name, _describe_parameters(value)]
    return f"{_name_of(type(value))} {_hashed(value)}"


def _describe_key(key):
    return (
        repr(key) if isinstance(key, (bool, int, float, str, bytes, type(None))) else _hashed(key)
    )


def _describe_class(value):
    """Describe a class by its name and, if it is the user's own, its code."""
    return f"{_name_of(value)} {_hashed(value)}"


def _describe_function(function):
    """Describe a function by its name and, one by one, by what it consists of and refers to."""
    described = {"function": _name_of(function)}
    for label, (value, found) in digests_of_function(function).items():
        readable = type(value) in _READABLE and len(repr(value)) <= _LONGEST_READABLE
        described[label] = repr(value) if readable else f"{_HASH}{found}"
    return described


def _name_of(value):
    return f"{value.__module__}.{value.__qualname__}"


def _hashed(value):
    return f"{_HASH}{digest(value)}"


def _keeps_its_state(estimator):
    """Return whether clones keep what an estimator has learned, as those of a FrozenEstimator."""
    clone = getattr(type(estimator), "__sklearn_clone__", None)
    return clone is not None and clone is not BaseEstimator.__sklearn_clone__


def _is_fitted(value):
    """Return whether a value is an estimator that has learned something.

    Clones of an estimator copy what the dicts among its parameters hold, with all its state.
    """
    if not hasattr(value, "get_params") or inspect.isclass(value):
        return False
    return any(name.endswith("_") for name in getattr(value, "__dict__", ()))


def _refuse_another_run(folder, before, now):
    if before.get("format") != _FORMAT:
        raise CheckpointError(
            f"the checkpoint folder {folder} was created by another version of skdxa, "
            "which described a run differently. Use another folder."
        )
    before, now = _flat(before), _flat(now)
    begun_with, python = before.pop("python", None), now.pop("python", None)
    differences = [
        _difference(name, before.get(name, "absent"), now.get(name, "absent"))
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if differences:
        more = len(differences) - _MOST_LISTED
        raise CheckpointError(
            f"the checkpoint folder {folder} belongs to another run: "
            + "; ".join(differences[:_MOST_LISTED])
            + (f"; and {more} more" if more > 0 else "")
            + ". Undo the change, or use another folder."
            + (
                f" It was begun with Python {begun_with}, with which functions are not compared."
                if begun_with != python
                else ""
            )
        )


def _difference(name, before, now):
    before, now = (re.sub(rf" ?{_HASH}[0-9a-f]+", "", text) for text in (before, now))
    if before == now or "" in (before, now) or not name.startswith(("setting", "estimator")):
        return f"{name} changed"
    return f"{name} was {before}, is {now}"


def _flat(tree, name=""):
    """Return the texts of a tree of dicts and lists, by their path in it."""
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, list):
        items = enumerate(tree)
    else:
        return {name: tree}
    leaves = {}
    for key, value in items:
        leaves.update(_flat(value, f"{name} {key}".strip()))
    return leaves
