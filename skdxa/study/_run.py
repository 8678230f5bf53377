"""Run a study and write its report."""

import json
import platform
import re
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skdxa.classification import set_threads
from skdxa.evaluation import performance_table, repeated_cross_validate
from skdxa.simulation import make_spine_cohort
from skdxa.study._cohort import check_cohort, check_target
from skdxa.study._output import (
    base_names,
    check_out,
    excluded_records,
    file_names,
    new_folder,
    write_csv,
)

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

_REPORT_FILE = re.compile(r"table1\.csv|scores\.csv|manifest\.json|roc_[\w-]+\.png")


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
    """Run the study that a protocol declares, and write its report into a folder.

    Parameters
    ----------
    protocol : Protocol
        The choices of the study.
    cohort : Bunch or None, default=None
        From `skdxa.scans.load_cohort`; None simulates one.
    out : str or path-like
        Folder to make. It appears when everything in it is complete; an interrupted
        study leaves nothing.
    overwrite : bool, default=False
        Whether `out` may exist and be replaced, if it holds nothing but a report.
    checkpoint : str, path-like or None, default=None
        Folder that keeps finished splits, so that a killed study resumes where it was;
        each target gets a folder in it.
    n_jobs : int or None, default=None
        Processes that train, as in joblib.
    progress : bool, default=True
        Whether to show a progress bar on the standard error.
    report : callable or None, default=None
        Called with each line on the progress of the study, such as ``print``.

    Returns
    -------
    study : Bunch
        `table` (DataFrame: one row per target, the index `experiment`), `results` (dict of
        CrossValidationResult by target), `manifest` (dict) and `out` (Path).

    Raises
    ------
    FileExistsError
        If `out` exists and `overwrite` is False, or it holds other files than those of a
        report.
    CohortError
        If the parts of the cohort do not fit together, it lacks a target of the protocol, or
        a target has too few labels.
    ValueError
        If `checkpoint` lies within `out`.

    Notes
    -----
    The files are ``table1.csv`` (one row per target: sensitivity, specificity, accuracy and
    AUC as fractions, with their intervals, and whether the patients were simulated),
    ``scores.csv`` (every out-of-fold score: `target`, `repeat`, `fold`, `row` in
    ``cohort.data``, `patient`, `label`, `score`), ``roc_<target>.png`` and
    ``manifest.json`` (versions, seed, parameters, times, scans left out). Scans whose
    label is unknown are left out of that target. The report calls patients simulated
    where ``cohort.simulated`` is true.

    The table's AUC is the mean over the folds, as in the paper; the curve's is of the
    pooled scores of the median repeat. They differ a little.

    If another program makes `out` while the study runs, the report goes to a folder with
    a number after the name.

    Examples
    --------
    >>> from skdxa.study import Protocol, run_study
    >>> study = run_study(Protocol(), out="report")  # doctest: +SKIP
    """
    out = Path(out)
    _check_out(out, overwrite, checkpoint)
    say = report or (lambda line: None)
    times = {}
    if cohort is None:
        say(f"Simulating {protocol.n_subjects} patients ...")
        with _timed(times, "simulation"):
            cohort = make_spine_cohort(protocol.n_subjects, random_state=protocol.random_state)
    cohort = Bunch(**{**cohort, "groups": check_cohort(cohort)[2]})
    for target in protocol.targets:
        check_target(protocol, cohort, target)
    simulated = cohort.get("simulated", False)
    if protocol.n_threads is not None:
        set_threads(protocol.n_threads)
    files = file_names(protocol.targets)
    with new_folder(
        out, overwrite=overwrite, check=lambda: _check_out(out, overwrite, None)
    ) as folder:
        results = {}
        for target in protocol.targets:
            with _timed(times, target):
                results[target] = _cross_validate(
                    protocol,
                    cohort,
                    target,
                    checkpoint=checkpoint and Path(checkpoint) / files[target],
                    n_jobs=n_jobs,
                    progress=progress,
                    say=say,
                )
        table = performance_table(
            results,
            threshold=protocol.threshold,
            interval=protocol.interval,
            random_state=protocol.random_state,
        )
        manifest = _manifest(protocol, cohort, results, times, simulated=simulated)
        table["patients"] = manifest["patients"]
        write_csv(table, folder.path / "table1.csv")
        scores = [_scores(cohort, target, result) for target, result in results.items()]
        write_csv(pd.concat(scores), folder.path / "scores.csv", index=False)
        for target, result in results.items():
            picture = folder.path / f"roc_{files[target]}.png"
            _draw(result, target, picture, protocol, simulated=simulated)
        (folder.path / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return Bunch(table=table, results=results, manifest=manifest, out=folder.out)


def _check_out(out, overwrite, checkpoint):
    if checkpoint is not None and out.resolve() in (
        Path(checkpoint).resolve(),
        *Path(checkpoint).resolve().parents,
    ):
        raise ValueError(
            f"checkpoint {checkpoint} lies within {out}, which is replaced at the end."
        )
    check_out(out, overwrite=overwrite, files=_REPORT_FILE, what="report")


def _cross_validate(protocol, cohort, target, *, checkpoint, n_jobs, progress, say):
    known = _known(cohort, target)
    y = cohort.target.loc[known, target].to_numpy().astype(int)
    say(
        f"{target}: {len(y)} scans, {y.sum()} positive; {protocol.n_splits} folds x "
        f"{protocol.n_repeats}, {protocol.epochs} epoch{'s' * (protocol.epochs > 1)} ..."
    )
    if protocol.shuffle_labels:
        y = np.random.RandomState(protocol.random_state).permutation(y)
    return repeated_cross_validate(
        protocol.pipeline(),
        # With its index, so that an error names the row of cohort.data.
        cohort.data[known],
        y,
        groups=cohort.groups[known],
        n_splits=protocol.n_splits,
        n_repeats=protocol.n_repeats,
        random_state=protocol.random_state,
        n_jobs=n_jobs,
        checkpoint=checkpoint,
        progress=progress,
    )


def _known(cohort, target):
    return cohort.target[target].notna().to_numpy()


def _scores(cohort, target, result):
    rows = np.flatnonzero(_known(cohort, target))[result.scores["row"]]
    scores = result.frame().rename(columns={"y": "label"}).assign(target=target, row=rows)
    scores["patient"] = cohort.groups[rows]
    return scores[["target", "repeat", "fold", "row", "patient", "label", "score"]]


def _draw(result, target, path, protocol, *, simulated):
    from skdxa.displays import RepeatedRocDisplay, paper_figure

    figure = paper_figure(height=4.3)
    ax = figure.subplots()
    RepeatedRocDisplay.from_result(result, threshold=protocol.threshold, ax=ax)
    n_scans, n_patients = len(result.y), len(np.unique(result.groups))
    who = f"{n_patients} {'simulated ' * simulated}patients"
    if n_scans > n_patients:
        who = f"{n_scans} scans of {who}"
    shuffled = ", labels shuffled" if protocol.shuffle_labels else ""
    ax.set_title(f"{target.replace('_', ' ')}{shuffled}\n{who}", fontsize="medium")
    figure.savefig(path, dpi=200)


def _manifest(protocol, cohort, results, times, *, simulated):
    from skdxa.classification import has_bfloat16

    parameters = protocol.as_dict()
    if not simulated:
        del parameters["n_subjects"]
    return {
        "patients": "simulated" if simulated else "real",
        "description": cohort.DESCR,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": parameters.pop("random_state"),
        "parameters": parameters,
        "threads": sorted(
            {int(n) for result in results.values() for n in result.folds["n_threads"].unique()}
        ),
        "precision": "bfloat16" if has_bfloat16() else "float32",
        "scans": {
            target: {
                "n": len(result.y),
                "patients": len(np.unique(result.groups)),
                "positive": int((result.y == result.classes[1]).sum()),
            }
            for target, result in results.items()
        },
        "excluded": excluded_records(cohort.excluded),
        "seconds": {name: round(seconds, 1) for name, seconds in times.items()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        "platform": platform.platform(),
        "command": base_names(sys.argv),
    }


@contextmanager
def _timed(times, name):
    start = time.perf_counter()
    yield
    times[name] = time.perf_counter() - start
