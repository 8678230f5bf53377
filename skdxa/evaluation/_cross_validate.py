"""Repeated cross-validation that keeps every score and can be resumed."""

import os
import re
from numbers import Integral
from os import PathLike

import numpy as np
from joblib import cpu_count, effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed
from tqdm import tqdm

from skdxa._cluster import Losses, dask_client, data_sent
from skdxa._sklearn import HasMethods, Interval, StrOptions, validate_params
from skdxa.evaluation._checkpoint import Checkpoint, describe_run, read_manifest, using
from skdxa.evaluation._drawing import joint_strata
from skdxa.evaluation._folds import DRAWING, Folds
from skdxa.evaluation._patients import with_patients
from skdxa.evaluation._split import Work, gather, run_split
from skdxa.evaluation._workers import Sendable, start_worker, worker_deaths_told
from skdxa.validation import as_seed, check_aligned, fill_masked, has_repeated_patients

# Parameters of all functions that fit an estimator fold by fold.
FITTING = {
    "estimator": [HasMethods(["fit", "get_params"])],
    "X": ["array-like", "sparse matrix"],
    "n_jobs": [Integral, None],
    "checkpoint": [str, PathLike, None],
    "params": [dict, None],
    "progress": ["boolean"],
}


@validate_params(
    {
        **DRAWING,
        **FITTING,
        "cv": [HasMethods(["split"]), HasMethods(["__iter__"]), None],
        "cv_groups": ["array-like", None],
        "n_splits": [Interval(Integral, 2, None, closed="left"), None],
        "n_repeats": [Interval(Integral, 1, None, closed="left"), None],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "return_models": [StrOptions({"median", "all"}), None],
    },
    prefer_skip_nested_validation=True,
)
def repeated_cross_validate(
    estimator,
    X,
    y,
    *,
    groups=None,
    stratify=None,
    cv=None,
    cv_groups=None,
    n_splits=None,
    n_repeats=None,
    random_state=None,
    n_jobs=None,
    n_threads=None,
    checkpoint=None,
    return_models=None,
    params=None,
    progress=True,
):
    """Cross-validate a classifier of two classes many times and keep every score.

    Each split goes through `sklearn.model_selection.cross_validate`: the estimator is
    cloned, fitted on the training folds alone (with all its preprocessing, if it is a
    pipeline) and scores the fold left out once. Metrics are computed from the result.

    Parameters
    ----------
    estimator : classifier or Pipeline
        With `predict_proba` or `decision_function`. Not changed.
    X : array-like, list or DataFrame of shape (n_scans, ...)
        Scans or a table, one row per scan; `cohort.data` as it is.
    y : array-like of shape (n_scans,)
        Two labels of any type; the second, sorted, is positive.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan. A patient's scans stay together. If not given and `cv` is a
        `Folds`, the patients of these.
    stratify : array-like of shape (n_scans,) or (n_scans, n_labels), optional
        Labels whose shares the folds keep, `y` if not given. Several columns are kept
        jointly, such as the label trained on and the one scored on; NaN in them is a separate
        stratum.
    cv : splitter or list of (train, test), optional
        Folds in place of the stratified ones drawn here, from any splitter of scikit-learn;
        ``LeaveOneGroupOut()`` leaves one hospital out. In each repeat every scan must be tested
        once, by a model that is trained on all scans of the other folds, and the scans of a
        patient must be in one fold.
    cv_groups : array-like of shape (n_scans,), optional
        The groups for `cv`, such as the hospital of each scan; the patients if not
        given.
    n_splits : int, optional
        Folds per repeat, 10 if not given. With `cv` the splitter decides.
    n_repeats : int, optional
        Repeats, each with other folds, 100 if not given; with `cv` how often the splitter is
        asked, by default once.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds and the fits. None draws a seed, or uses that of the checkpoint if one has
        been started.
    n_jobs : int, optional
        Splits in parallel, by joblib; `joblib.parallel_config` selects threads or a
        cluster, of which dask uses all workers. Scores do not depend on it, for a network at
        the same `n_threads`.
    n_threads : int, optional
        Threads of TensorFlow for each fit, on which the scores of a network depend. None
        shares the processors among worker processes: cores // n_jobs threads each; on a
        dask cluster one. Without workers, TensorFlow's default is kept. The environment variable
        TF_NUM_INTRAOP_THREADS has precedence, and a checkpoint that has been started keeps its
        number.
    checkpoint : str or path-like, optional
        Folder for finished splits. Called again with the same arguments, the function
        resumes where it was killed and ends with the same scores. Only one run at a time
        may use a folder.
    return_models : {"median", "all"}, optional
        Fitted estimators to keep in the result: those of the median repeat (by `y`), or
        all. A checkpoint holds no models, so those of splits that an earlier run has
        finished are fitted again, with the same seeds.
    params : dict, optional
        Passed to `fit` as by `cross_validate`: arrays of n_scans values are split like
        `y`. Where patients have several scans, `groups` are added for the classifier, or
        for a search whose `cv` is a splitter for groups. With scikit-learn's metadata routing
        on, they go wherever they are requested.
    progress : bool, default=True
        Show a progress bar on the standard error stream.

    Returns
    -------
    CrossValidationResult
        Scores, folds, learning curves and models.

    Raises
    ------
    ValueError
        If `cv` is given with `n_splits` or `stratify`, or its splits are not as above.
    ValueError
        If `y` contains NaN or does not have two labels, a class (or stratum) has fewer
        scans or patients than `n_splits`, or an estimator fails or gives NaN in a fold;
        the message then names the repeat and the fold, and the cause is chained. Other
        errors of an estimator than a ValueError are raised as a RuntimeError.
    CheckpointError
        If the folder belongs to another run, naming the differences, is in use or cannot be
        written to, or a file in it is damaged; if a parameter holds what a later run could not
        compare, such as a function that uses an open file.
    TrainingError
        If a worker process is killed, for example for lack of memory.
    RuntimeError
        If TensorFlow has started in this process, or in a worker of a dask cluster, with
        another number of threads; or if the cluster loses its tasks again and again.

    Warns
    -----
    UserWarning
        If patients have several scans and a part of the estimator, which is named, splits
        its training scans without regard to them.

    See Also
    --------
    CrossValidationResult : Metrics and intervals of the scores.
    Folds : The folds, on which other predictors can be evaluated.

    Notes
    -----
    Folds are those of `RepeatedStratifiedKFold`. Where a patient has several scans they
    are those of `StratifiedGroupKFold`, shuffled anew each repeat.

    A splitter `cv` whose own `random_state` is None is seeded by `random_state`. If it is not
    random, such as one that leaves out one hospital after the other, its folds are the same in
    every repeat, and only the seeds of the fits differ; the intervals are then those of a single
    repeat.

    The scores of a network depend on the number of threads of a fit, and not on `n_jobs`:
    with ``n_threads=1``, one process and four have the same scores. The column `n_threads` of
    the result's `folds` records the number. On several cores, that many processes of one thread
    take less time for many fits than one process of many threads
    (``benchmarks/parallel.py``).

    Each fit has its own seed, derived from `random_state`, the repeat and the fold.
    Every parameter `random_state` of the estimator and its steps that is None is set by it.
    A parameter that is set to a number keeps that number in every fold.

    A checkpoint's manifest binds it to data, labels, folds and parameters. Custom functions and
    classes are identified by what they do and by everything that they refer to: defaults,
    variables of an enclosing function, globals, other functions, the object of a method. A global
    that fits change, such as a cache, counts as it is when this function is called. Comments and
    lines in a file may change. What belongs to an installed package is identified by its name, so
    that another version of it goes unnoticed; so do changes of files that `X` or a function only
    names. Workers that have access to the folder write the files; otherwise this process writes
    them when the scores arrive. No file is a pickle.

    On a dask cluster (``joblib.parallel_config(backend="dask")``) the splits of a worker that
    dies are run by another one, and so are those that are cancelled because the data of the worker
    are lost. What runs within a split, such as a search, stays in its worker.

    Memory on top of the data is one score per scan and repeat, and the models asked for:
    with ``return_models="median"`` all models fitted in this call are kept until the end.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import repeated_cross_validate
    >>> X, y = make_classification(100, random_state=0)
    >>> result = repeated_cross_validate(
    ...     LogisticRegression(), X, y, n_splits=5, n_repeats=2, random_state=0, progress=False
    ... )
    >>> result.scores.columns.tolist()
    ['repeat', 'fold', 'row', 'score']
    >>> len(result.scores)
    200
    """
    check_aligned(X=X, y=y, groups=groups, stratify=stratify, cv_groups=cv_groups)
    X = fill_masked(X)
    seed = seed_of_run(random_state, checkpoint)
    if cv is None:
        if cv_groups is not None:
            raise ValueError("cv_groups are the groups of a splitter: give it too, as cv.")
        folds = Folds.draw(
            y,
            groups=groups,
            stratify=stratify,
            n_splits=10 if n_splits is None else n_splits,
            n_repeats=100 if n_repeats is None else n_repeats,
            random_state=seed,
        )
    else:
        for name, value in (("n_splits", n_splits), ("stratify", stratify)):
            if value is not None:
                raise ValueError(f"{name} has no effect with cv, which defines the folds.")
        # A generator of splits is used up by the first repeat.
        cv = cv if hasattr(cv, "split") else list(cv)
        folds = Folds.from_splitter(
            cv,
            y,
            X=X,
            groups=groups,
            cv_groups=cv_groups,
            n_repeats=1 if n_repeats is None else n_repeats,
            random_state=seed,
        )
    n_splits, n_repeats = folds.n_folds, folds.n_repeats
    y, groups = folds.y, folds.groups
    n_threads = _threads_per_fit(n_threads, n_jobs, checkpoint)
    if has_repeated_patients(groups):
        params = with_patients(params, estimator, groups)
    run_described = None
    if checkpoint is not None:
        settings = {"n_splits": n_splits, "n_repeats": n_repeats, "random_state": seed}
        if n_threads is not None:
            settings["n_threads"] = n_threads
        if cv is not None:
            settings["cv"] = _describe_splitter(cv)
        strata = None if stratify is None else joint_strata(stratify)
        labels = {"y": y, "groups": groups, "stratify": strata}
        run_described = describe_run(estimator, X, settings, labels, params, folds.fold_of)

    work = Work(estimator, Sendable(X), y, folds.fold_of, params, seed, n_threads)

    def run(splits, keep_model, store):
        # Single scans are arrays that joblib by default considers too small to share between
        # processes: it would send copies of all with every split.
        settings = {"return_as": "generator_unordered", "max_nbytes": "32K"}
        if _has_worker_processes(n_jobs):
            # Workers of an earlier call, which may have started with another number of threads,
            # are replaced, since joblib keeps only workers with the same initializer.
            settings |= {"initializer": start_worker, "initargs": (os.getpid(), n_threads)}
        elif dask_client() is not None:
            # Workers that join later also get tasks.
            settings |= {"pre_dispatch": "all"}
        with data_sent(work):
            workers = Parallel(n_jobs=n_jobs, **settings)
        return workers(
            delayed(run_split)(work, repeat, fold, store=store, keep_model=keep_model)
            for repeat, fold in splits
        )

    def read(store, split):
        repeat, fold = split
        return store.read(repeat, fold, np.flatnonzero(folds.fold_of[repeat] == fold))

    def finish(splits, keep_model, store):
        """Run splits, and those again that a cluster has lost."""
        unfinished, losses = set(splits), Losses()
        while unfinished:
            try:
                for record, model in run(sorted(unfinished), keep_model, store):
                    unfinished.discard((record["repeat"], record["fold"]))
                    losses.end()
                    yield record, model
            except losses.error as error:
                losses.count(error)
                # Workers may have written splits whose scores did not arrive.
                for split in sorted(unfinished) if store and not keep_model else []:
                    record = read(store, split)
                    if record is not None:
                        unfinished.discard(split)
                        yield record, None

    with using(checkpoint), worker_deaths_told(checkpoint):
        store = None if checkpoint is None else Checkpoint(checkpoint, run_described)
        splits = list(np.ndindex(n_repeats, n_splits))
        records, models = {}, {}
        for split in splits if store else []:
            record = read(store, split)
            if record is not None:
                records[split] = record
        bar = tqdm(
            desc=f"{n_repeats} x {n_splits} folds",
            total=len(splits),
            initial=len(records),
            unit="fit",
            disable=not progress,
        )
        with bar:
            unfinished = [split for split in splits if split not in records]
            for record, model in finish(unfinished, return_models is not None, store):
                split = record["repeat"], record["fold"]
                records[split], models[split] = record, model
                if store and not store.path(*split).exists():
                    store.write(record)
                bar.update()
        result = gather([records[split] for split in splits], y, groups)
        if return_models is not None:
            median = result.median_repeat() if return_models == "median" else None
            wanted = [split for split in splits if median in (None, split[0])]
            missing = [split for split in wanted if split not in models]
            for record, model in finish(missing, True, None):
                models[record["repeat"], record["fold"]] = model
            result.models = {split: models[split] for split in wanted}
        return result


def seed_of_run(random_state, checkpoint):
    """Return the seed of a run; without a given one, that of a checkpoint that has been started.

    Parameters
    ----------
    random_state : int, RandomState instance or None
    checkpoint : str, path-like or None

    Returns
    -------
    int
    """
    if random_state is None and checkpoint is not None:
        begun = read_manifest(checkpoint)
        if begun is not None:
            return int(begun["setting"]["random_state"])
    return as_seed(random_state)


def _describe_splitter(cv):
    """Describe a splitter in words that are the same in every process."""
    return (
        re.sub(r" at 0x[0-9a-fA-F]+", "", repr(cv)) if hasattr(cv, "split") else "a list of splits"
    )


def _threads_per_fit(n_threads, n_jobs, checkpoint):
    """Return the number of TensorFlow's threads for each fit, or None for its default."""
    if n_threads is not None:
        return int(n_threads)
    begun = None if checkpoint is None else read_manifest(checkpoint)
    if begun is not None:
        kept = begun["setting"].get("n_threads")
        return None if kept is None else int(kept)
    chosen = os.environ.get("TF_NUM_INTRAOP_THREADS")
    if dask_client() is not None:
        # Workers do not inherit the variable, and each of their threads runs a separate task.
        return int(chosen or 1)
    if chosen or not _has_worker_processes(n_jobs):
        return None
    return max(cpu_count() // effective_n_jobs(n_jobs), 1)


def _has_worker_processes(n_jobs):
    """Return whether splits run in processes that joblib starts on this machine."""
    backend, _ = get_active_backend()
    return type(backend).__name__ == "LokyBackend" and effective_n_jobs(n_jobs) > 1
