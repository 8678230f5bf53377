"""Finished splits on disk, bound to the run that they belong to."""

import inspect
import json
import re
from contextlib import ExitStack, contextmanager
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from scipy.stats.distributions import rv_frozen

from skdxa.evaluation._archive import read_arrays, write_arrays
from skdxa.exceptions import CheckpointError
from skdxa.validation import holding, replacing

_MANIFEST = "manifest.json"
_MOST_LISTED = 5
# As `replacing` names the files that become a split or the manifest.
_TEMPORARY = re.compile(r"\.(manifest\.json|repeat-\d+-fold-\d+\.npz)\.[0-9a-f]{32}\.tmp")
# Parameters that change how a model is fitted, but not the model.
_WITHOUT_EFFECT = {"memory", "n_jobs", "verbose"}


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
                "the run that they belong to is unknown. Take another folder."
            )
        else:
            with _writing(self.folder), replacing(self.folder / _MANIFEST) as file:
                file.write(json.dumps(identity, indent=1).encode())
        # Only now is it certain that the folder is of this run.
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
            raise CheckpointError(f"{error}. Delete it, and the split is run again.") from error
        return {**about, "arrays": arrays}


@contextmanager
def using(folder):
    """Make a checkpoint folder, and hold it so that no other run uses it meanwhile.

    Parameters
    ----------
    folder : str, path-like or None
        None holds nothing.
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
    """Name the checkpoint in the error where a disk is full or must not be written to."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint folder {folder} cannot be written to ({error.strerror or error}). "
            "Free some space or take another folder; splits that are finished are kept."
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
            f"{path} is damaged ({error}). Take another checkpoint folder."
        ) from error


def describe_run(estimator, X, settings, labels, params, fold_of):
    """Describe all of a run that must not change when it is resumed.

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
    """
    return {
        "setting": {name: repr(value) for name, value in settings.items()},
        "estimator": _describe_name(type(estimator)),
        "estimator parameter": _describe_parameters(estimator),
        "fit parameter": {name: _digest(value) for name, value in (params or {}).items()},
        "data": {
            **{
                name: "none" if value is None else _digest(value) for name, value in labels.items()
            },
            **_describe_data(X),
        },
        "splits": _digest(fold_of),
    }


def _describe_data(X):
    if isinstance(X, pd.DataFrame):
        return {f"X[{name!r}]": _digest(column) for name, column in X.items()}
    return {"X": _digest(X)}


def _digest(values):
    """Return a hash of the values that does not depend on their layout in memory."""
    if isinstance(values, (pd.Series, pd.Index)):
        values = values.to_numpy()
    if isinstance(values, np.ndarray) and values.dtype != object:
        return joblib.hash(np.ascontiguousarray(values))
    if isinstance(values, (list, tuple, np.ndarray)):
        return joblib.hash(
            [np.ascontiguousarray(v) if isinstance(v, np.ndarray) else v for v in values]
        )
    return joblib.hash(values)


def _describe_parameters(estimator):
    parameters = estimator.get_params(deep=True)
    # The steps of a pipeline are parameters too, listed with parameters of their own.
    listed = {id(value) for value in parameters.values()}
    return {
        name: _describe(value, listed)
        for name, value in parameters.items()
        if name.rpartition("__")[-1] not in _WITHOUT_EFFECT
    }


def _describe(value, listed=frozenset()):
    """Describe a parameter, in the same way in every process."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if isinstance(value, dict):
        return {repr(key): _describe(item, listed) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_describe(item, listed) for item in value]
    if inspect.isclass(value):
        return _describe_name(value)
    if inspect.isroutine(value):
        return _describe_function(value)
    name = _describe_name(type(value))
    if hasattr(value, "get_params"):
        return name if id(value) in listed else [name, _describe_parameters(value)]
    if hasattr(value, "get_config"):  # Keras: a hash would hold its automatic name
        return [name, _describe(value.get_config())]
    if isinstance(value, rv_frozen):  # holds the state of NumPy's global generator
        return [name, value.dist.name, _describe(value.args), _describe(value.kwds)]
    try:
        return f"{name} {_digest(value)}"
    except Exception:  # Pickle calls the value's own methods, which may raise anything.
        return name


def _describe_name(value):
    return f"{value.__module__}.{value.__qualname__}"


def _describe_function(function):
    # With its source, since a function that builds a network is edited more often than renamed.
    try:
        return f"{_describe_name(function)} {joblib.hash(inspect.getsource(function))}"
    except (OSError, TypeError):
        return function.__qualname__


def _refuse_another_run(folder, before, now):
    before, now = _flat(before), _flat(now)
    differences = [
        f"{name} was {before.get(name, 'absent')}, is {now.get(name, 'absent')}"
        if _is_readable(name)
        else f"{name} changed"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if differences:
        more = len(differences) - _MOST_LISTED
        raise CheckpointError(
            f"the checkpoint folder {folder} belongs to another run: "
            + "; ".join(differences[:_MOST_LISTED])
            + (f"; and {more} more" if more > 0 else "")
            + ". Undo the change, or take another folder."
        )


def _is_readable(name):
    return name.startswith(("setting", "estimator"))


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
