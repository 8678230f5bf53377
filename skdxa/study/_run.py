"""Run a study and write its report."""

import json
import platform
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from skdxa.evaluation import performance_table, repeated_cross_validate
from skdxa.exceptions import CohortError
from skdxa.simulation import make_spine_cohort

_PACKAGES = (
    "skdxa",
    "scikit-learn",
    "numpy",
    "scipy",
    "pandas",
    "keras",
    "tensorflow",
    "scikeras",
)


def run_study(
    protocol,
    cohort=None,
    *,
    out,
    overwrite=False,
    checkpoint=None,
    n_jobs=None,
    progress=True,
    report=None,
):
    """Run the study that a protocol declares and write its report into a folder.

    Parameters
    ----------
    protocol : Protocol
        What to do.
    cohort : Bunch or None, default=None
        From `skdxa.scans.load_cohort`; None simulates one.
    out : str or path-like
        Folder to make. It appears when everything in it is complete; an interrupted
        study leaves nothing.
    overwrite : bool, default=False
        Whether `out` may exist and be replaced.
    checkpoint : str, path-like or None, default=None
        Folder that keeps finished splits, so that a killed study goes on where it was;
        each target gets a folder in it.
    n_jobs : int or None, default=None
        Processes that train, as in joblib.
    progress : bool, default=True
        Whether to show a progress bar on the standard error.
    report : callable or None, default=None
        Called with each line of news, such as ``print``.

    Returns
    -------
    study : Bunch
        `table` (DataFrame: a row a target, the index `experiment`), `results` (dict of
        CrossValidationResult by target), `manifest` (dict) and `out` (Path).

    Raises
    ------
    FileExistsError
        If `out` exists and `overwrite` is False.
    CohortError
        If the cohort lacks a target of the protocol, or a target has too few labels.

    Notes
    -----
    Written are ``table1.csv`` (a row a target: sensitivity, specificity, accuracy and
    AUC as fractions, with their intervals, and whether the patients were simulated),
    ``roc_<target>.png`` and ``manifest.json`` (versions, seed, parameters, times). Scans
    whose label is unknown are left out of that target.

    The table's AUC is the mean over the folds, as in the paper; the curve's is of the
    pooled scores of the median repeat. They differ a little.

    Examples
    --------
    >>> from skdxa.study import Protocol, run_study
    >>> study = run_study(Protocol(), out="report")  # doctest: +SKIP
    """
    out = Path(out)
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists. Choose another folder, or allow overwriting it.")
    say = report or (lambda line: None)
    times = {}
    simulated = cohort is None
    if simulated:
        say(f"Simulating {protocol.n_subjects} patients ...")
        with _timed(times, "simulation"):
            cohort = make_spine_cohort(protocol.n_subjects, random_state=protocol.random_state)
    _check_targets(protocol, cohort)
    with _new_folder(out) as folder:
        results = {}
        for target in protocol.targets:
            with _timed(times, target):
                results[target] = _cross_validate(
                    protocol,
                    cohort,
                    target,
                    checkpoint=None if checkpoint is None else Path(checkpoint) / target,
                    n_jobs=n_jobs,
                    progress=progress,
                    say=say,
                )
        table = performance_table(
            results, threshold=protocol.threshold, interval=protocol.interval
        )
        manifest = _manifest(protocol, cohort, results, times, simulated=simulated)
        table["patients"] = manifest["patients"]
        table.to_csv(folder / "table1.csv")
        for target, result in results.items():
            _draw(result, target, folder / f"roc_{target}.png", protocol, simulated=simulated)
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return Bunch(table=table, results=results, manifest=manifest, out=out)


def _check_targets(protocol, cohort):
    for target in protocol.targets:
        if target not in cohort.target.columns:
            raise CohortError(
                f"The cohort has no target {target!r}; it has {list(cohort.target.columns)}."
            )


def _cross_validate(protocol, cohort, target, *, checkpoint, n_jobs, progress, say):
    known = cohort.target[target].notna().to_numpy()
    data = cohort.data[known].reset_index(drop=True)
    y = cohort.target.loc[known, target].to_numpy().astype(int)
    groups = np.asarray(cohort.groups)[known]
    say(
        f"{target}: {len(y)} scans, {y.sum()} positive; {protocol.n_splits} folds x "
        f"{protocol.n_repeats}, {protocol.epochs} epochs ..."
    )
    if protocol.shuffle_labels:
        y = np.random.RandomState(protocol.random_state).permutation(y)
    several = len(np.unique(groups)) < len(groups)
    return repeated_cross_validate(
        protocol.pipeline(),
        data,
        y,
        groups=groups if several else None,
        # The scans on which an epoch is chosen are split off by patient too.
        params={"cnn__groups": groups} if several else None,
        n_splits=protocol.n_splits,
        n_repeats=protocol.n_repeats,
        random_state=protocol.random_state,
        n_jobs=n_jobs,
        checkpoint=checkpoint,
        progress=progress,
    )


def _draw(result, target, path, protocol, *, simulated):
    from skdxa.displays import RepeatedRocDisplay
    from skdxa.displays._style import paper_figure

    figure = paper_figure(height=3.7)
    ax = figure.subplots()
    RepeatedRocDisplay.from_result(result, threshold=protocol.threshold, ax=ax)
    kind = "simulated patients" if simulated else "patients"
    shuffled = ", labels shuffled" if protocol.shuffle_labels else ""
    ax.set_title(
        f"{target.replace('_', ' ')}{shuffled}\n{len(result.y)} {kind}", fontsize="medium"
    )
    figure.savefig(path, dpi=200)


def _manifest(protocol, cohort, results, times, *, simulated):
    return {
        "patients": "simulated" if simulated else "real",
        "description": cohort.DESCR,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": protocol.as_dict(),
        "seed": protocol.random_state,
        "scans": {
            target: {"n": len(result.y), "positive": int((result.y == result.classes[1]).sum())}
            for target, result in results.items()
        },
        "excluded": len(cohort.excluded),
        "seconds": {name: round(seconds, 1) for name, seconds in times.items()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        "platform": platform.platform(),
        "command": sys.argv,
    }


@contextmanager
def _timed(times, name):
    start = time.perf_counter()
    yield
    times[name] = time.perf_counter() - start


@contextmanager
def _new_folder(out):
    """Give a folder beside `out` that becomes `out` if all goes well, and else vanishes."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield folder
        folder.chmod(0o755)
        if out.exists():
            former = folder.with_name(f"{folder.name}-former")
            out.rename(former)
            folder.rename(out)
            shutil.rmtree(former) if former.is_dir() else former.unlink()
        else:
            folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
