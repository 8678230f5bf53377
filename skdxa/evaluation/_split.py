"""The work on one split of a cross-validation, and how the splits are joined to a result."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import cross_validate

from skdxa._cluster import tasks_at_once, within_one_task
from skdxa._sklearn import final_step
from skdxa.classification import get_threads, set_threads, trains_network
from skdxa.evaluation._result import CrossValidationResult
from skdxa.evaluation._scores import positive_scores, response_method_of
from skdxa.evaluation._workers import Sendable

_CURVE = "history/"


@dataclass
class Work:
    """What all splits need.

    Parameters
    ----------
    estimator : classifier or Pipeline
    data : Sendable
        The scans.
    y : ndarray of shape (n_scans,)
    fold_of : ndarray of int of shape (n_repeats, n_scans)
        The fold in which each scan is left out, in each repeat.
    params : dict or None
        Parameters of `fit`.
    seed : int
        The seed of the run.
    n_threads : int or None
        Threads of TensorFlow for each fit; None leaves the number as it is.
    """

    estimator: BaseEstimator
    data: Sendable
    y: np.ndarray
    fold_of: np.ndarray
    params: dict | None
    seed: int
    n_threads: int | None


def run_split(work, repeat, fold, *, store, keep_model):
    """Fit on all folds but one, score that one, and write the scores to the checkpoint.

    Parameters
    ----------
    work : Work
    repeat, fold : int
        Which split.
    store : Checkpoint or None
    keep_model : bool
        Whether to return the fitted estimator.

    Returns
    -------
    record : dict
        Numbers of the split, and its `arrays`: rows, scores and learning curves.
    model : estimator or None
    """
    n_threads, fold_of = work.n_threads, work.fold_of[repeat]
    # Only networks depend on threads, and a process whose TensorFlow has started cannot change
    # their number.
    if n_threads not in (None, get_threads()) and trains_network(work.estimator):
        set_threads(n_threads, fits_at_once=tasks_at_once())
    train, test = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
    try:
        with within_one_task():
            found = cross_validate(
                _with_seed(work.estimator, work.seed, repeat, fold),
                work.data.restore(),
                work.y,
                cv=[(train, test)],
                scoring=_score_rows,
                n_jobs=1,
                params=work.params,
                return_estimator=True,
                error_score="raise",
            )
    except Exception as error:
        kind = ValueError if isinstance(error, ValueError) else RuntimeError
        raise kind(f"repeat {repeat}, fold {fold}: {type(error).__name__}: {error}") from error
    model = found["estimator"][0]
    step = final_step(model)
    record = {
        "repeat": repeat,
        "fold": fold,
        "n_train": len(train),
        "n_test": len(test),
        "fit_time": float(found["fit_time"][0]),
        "score_time": float(found["score_time"][0]),
        "best_epoch": float(getattr(step, "best_epoch_", np.nan)),
        "n_threads": get_threads(),
        "response_method": response_method_of(model),
        "arrays": {
            "row": test,
            "score": np.concatenate([found[f"test_{place}"] for place in range(len(test))]),
            **{_CURVE + name: curve for name, curve in _curves(step).items()},
        },
    }
    if store is not None:
        store.write(record)
    return record, model if keep_model else None


def _score_rows(model, X, y):
    """Score each row: a scorer for scikit-learn that returns one number per row."""
    # Only a fitted StackingClassifier has predict_proba.
    scores = positive_scores(model, X, response_method_of(model))
    return dict(enumerate(scores.tolist()))


def _with_seed(estimator, seed, repeat, fold):
    """Clone an estimator, and set its unset random states by the seed of the split."""
    estimator = clone(estimator)
    unset = sorted(
        name
        for name, value in estimator.get_params(deep=True).items()
        if value is None and name.rpartition("__")[-1] == "random_state"
    )
    seeds = np.random.SeedSequence(seed, spawn_key=(repeat, fold)).generate_state(len(unset))
    return estimator.set_params(**dict(zip(unset, seeds.tolist(), strict=True)))


def _curves(classifier):
    """Return learning curves, one number per epoch; none from a history of another kind."""
    history = getattr(classifier, "history_", None)
    if not isinstance(history, dict):
        return {}
    curves = {name: np.asarray(curve, dtype=float) for name, curve in history.items()}
    same_length = len({curve.shape for curve in curves.values()}) == 1
    return curves if same_length and all(c.ndim == 1 for c in curves.values()) else {}


def gather(records, y, groups):
    """Join the records of all splits to a result.

    Parameters
    ----------
    records : list of dict
        From `run_split`, sorted by repeat and fold.
    y : ndarray of shape (n_scans,)
    groups : ndarray of shape (n_scans,) or None

    Returns
    -------
    CrossValidationResult
    """
    scores, histories = [], []
    for record in records:
        arrays = record["arrays"]
        split = {"repeat": record["repeat"], "fold": record["fold"]}
        scores.append(pd.DataFrame({**split, "row": arrays["row"], "score": arrays["score"]}))
        curves = {
            name.removeprefix(_CURVE): array
            for name, array in arrays.items()
            if name.startswith(_CURVE)
        }
        if curves:
            n_epochs = len(next(iter(curves.values())))
            histories.append(
                pd.DataFrame({**split, "epoch": np.arange(1, n_epochs + 1), **curves})
            )
    folds = pd.DataFrame(records).drop(columns=["arrays", "response_method"])
    kept = {"histories": pd.concat(histories, ignore_index=True)} if histories else {}
    return CrossValidationResult(
        pd.concat(scores, ignore_index=True),
        folds,
        y,
        groups,
        response_method=records[0]["response_method"],
        **kept,
    )
