"""Run a study and write its report."""

import json
import platform
import re
import shutil
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skdxa.classification import set_threads
from skdxa.exceptions import CheckpointError
from skdxa.simulation import make_spine_cohort
from skdxa.study._checklist import checklists
from skdxa.study._clinical import check_clinical
from skdxa.study._cohort import check_cohort, table_rows
from skdxa.study._fracture_comparison import experiment_names
from skdxa.study._output import (
    base_names,
    check_out,
    excluded_records,
    naming,
    new_folder,
    write_csv,
)
from skdxa.study._plan import study_steps
from skdxa.study._report import write_report
from skdxa.study._resume import bind_folder, remove_former, telling_what_is_kept
from skdxa.study._step_models import file_of
from skdxa.study._steps import StudyState, run_steps
from skdxa.study._tasks import find_tasks, known_rows, positions, rename_columns
from skdxa.study._values import NETWORK_ROW
from skdxa.validation import holding

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

_REPORT_FILE = re.compile(
    r"report\.html|table1\.csv|scores\.csv|manifest\.json|roc_[\w-]+\.png"
    r"|tables/[\w-]+\.csv|figures/[\w-]+\.(png|svg)|scores/[\w-]+\.(csv|parquet)"
    r"|models/[\w-]+\.(skdxa|json)"
)


def run_study(
    protocol,
    cohort=None,
    *,
    external=None,
    out,
    model=None,
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
    external : Bunch or None, default=None
        A cohort of another hospital, on which the models of the median repeat are tested.
    out : str or path-like
        Folder to create. It appears when everything in it is complete.
    model : classifier, dict of str to classifier or None, default=None
        Classifier to train instead of the paper's network, on `cohort.data` as it is; a dict
        has one classifier per target. Steps that need a network are then left out.
    overwrite : bool, default=False
        Whether `out` may exist and be replaced, if it holds nothing but a report.
    checkpoint : str, path-like or None, default=None
        Folder that keeps finished parts, so that a killed study resumes where it stopped. None
        uses a folder next to `out`, with ``.unfinished`` after the name, which is removed
        when the report is complete.
    n_jobs : int or None, default=None
        Processes that train, as in joblib.
    progress : bool, default=True
        Whether to show progress bars on the standard error.
    report : callable or None, default=None
        Called with each line on the progress of the study, such as ``print``.

    Returns
    -------
    study : Bunch
        With the attributes:

        table : DataFrame
            Table 1: one row per network and clinical predictor, the index `experiment`; the
            row of a network is named after its target.
        tables : dict of str to DataFrame
            All tables by name, as in the folder ``tables``.
        results : dict of str to CrossValidationResult
            Of the networks, by target.
        clinical : dict of str to Bunch
            The clinical comparison of each target, as `fracture_benchmarks` returns it.
        external : dict of str to DataFrame
            The external tests, by target.
        sentences : dict of str to list of str
            What was found, in words, by topic.
        audit : DataFrame
            One row per check: `name`, `question`, `verdict` and `finding`.
        left_out : dict of str to str
            The steps that were left out, and why.
        manifest : dict
            Choices, versions, seed, numbers of scans and times.
        out : Path
            The folder made.

    Raises
    ------
    FileExistsError
        If `out` exists and `overwrite` is False, or it holds other files than those of a
        report.
    CohortError
        If the parts of a cohort do not fit together, it lacks a target or a column that the
        protocol names, or a target has too few labels.
    CheckpointError
        If `checkpoint` belongs to another study, is in use by another run, cannot be written
        to, or holds damaged files.
    OSError
        If a file of the report or of `checkpoint` cannot be read or written; the message names
        the file, what to do, and where finished parts are kept.
    ValueError
        If `checkpoint` lies within `out`, or the protocol's primary comparison names an
        unknown experiment.

    Notes
    -----
    The files are ``report.html``, one page that can be read offline; ``table1.csv``; the folders
    ``tables`` (every table as CSV), ``figures`` (PNG and SVG), ``scores`` (every out-of-fold
    score: `target`, `repeat`, `fold`, `row` in ``cohort.data``, `patient`, `label`, `score`;
    Parquet where pyarrow is installed, CSV otherwise), ``models`` (those of the median repeat);
    and ``manifest.json``. Scans whose label is unknown are left out of that target. The report
    calls patients simulated where ``cohort.simulated`` is true.

    A task, table or figure whose columns are missing is left out, and the report says so. A
    target that the protocol names must exist.

    The table's AUC is the mean over the folds, as in the paper; the curve's is of the
    pooled scores of the median repeat. They differ a little.

    If another program makes `out` while the study runs, the report goes to a folder with
    a number after the name.

    Examples
    --------
    >>> from skdxa.study import Protocol, run_study
    >>> study = run_study(Protocol.quick(), out="report")  # doctest: +SKIP
    """
    out = Path(out)
    _check_out(out, overwrite, checkpoint)
    _check_primary(protocol)
    say = report or (lambda line: None)
    start = time.perf_counter()
    if cohort is None:
        # Find an unknown target before minutes of simulation.
        find_columns(protocol, make_spine_cohort(1, random_state=0))
        say(f"Simulating {protocol.n_subjects} patients ...")
        cohort = make_spine_cohort(protocol.n_subjects, random_state=protocol.random_state)
    cohort = _prepared(protocol, cohort)
    external = None if external is None else _prepared(protocol, external, may_lack=True)
    tasks, left_out = find_tasks(protocol, cohort)
    check_clinical(protocol, cohort, [task.target for task in tasks])
    if protocol.primary and protocol.primary["target"] not in [task.target for task in tasks]:
        raise ValueError(
            f"primary names the target {protocol.primary['target']!r}, which the cohort does not "
            f"have; it has {[task.target for task in tasks]}."
        )
    if protocol.n_threads is not None:
        set_threads(protocol.n_threads)
    kept = checkpoint is not None
    work = Path(checkpoint) if kept else out.with_name(f"{out.name}.unfinished")
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint folder {work} cannot be made ({error.strerror}). Use another folder."
        ) from error
    with (
        telling_what_is_kept(work),
        holding(work, CheckpointError),
        new_folder(
            out, overwrite=overwrite, check=lambda: _check_out(out, overwrite, None)
        ) as folder,
    ):
        remove_former(work, out, folder.path)
        models = {task.target: _model_of(model, task.target, protocol) for task in tasks}
        if bind_folder(work, protocol, cohort, external, tasks):
            say(f"Resuming from the finished parts in {work}.")
        else:
            say(
                f"Finished parts are kept in {work}: if the run ends early, give the same "
                "command again."
            )
        state = StudyState(
            protocol=protocol,
            cohort=cohort,
            external=external,
            tasks=tasks,
            models=models,
            work=work,
            folder=folder.path,
            n_jobs=n_jobs,
            progress=progress,
            say=say,
            left_out=left_out,
        )
        steps = study_steps(protocol, tasks, external)
        for name, reason in left_out.items():
            say(f"Left out: {name}: {reason}")
        run_steps(steps, state)
        manifest = _manifest(state, time.perf_counter() - start)
        _write(state, manifest)
    if not kept:
        shutil.rmtree(work, ignore_errors=True)
    table = state.tables["table1"].numbers
    return Bunch(
        table=table,
        tables={name: one.numbers for name, one in state.tables.items()},
        results=state.results,
        clinical=state.clinical,
        external=state.external_tests,
        sentences=state.sentences,
        audit=pd.DataFrame([vars(item) for item in state.audit]),
        left_out=state.left_out,
        manifest=manifest,
        out=folder.out,
    )


def _check_out(out, overwrite, checkpoint):
    if checkpoint is not None and out.resolve() in (
        Path(checkpoint).resolve(),
        *Path(checkpoint).resolve().parents,
    ):
        raise ValueError(
            f"checkpoint {checkpoint} lies within {out}, which is replaced at the end."
        )
    check_out(out, overwrite=overwrite, files=_REPORT_FILE, what="report")


def _check_primary(protocol):
    """Refuse a primary comparison of unknown experiments before anything is run."""
    if protocol.primary is None:
        return
    names = experiment_names(protocol.texture)
    for role in ("model", "against"):
        name = protocol.primary.get(role)
        if name is not None and name not in names:
            raise ValueError(f"primary: {role} must be one of {names}; got {name!r}.")
    if protocol.primary.get("model", NETWORK_ROW) == protocol.primary.get("against"):
        raise ValueError(f"primary compares {protocol.primary['against']!r} with itself.")


def find_columns(protocol, cohort):
    """Raise a `CohortError` if a cohort lacks a column that a protocol names."""
    from skdxa.exceptions import CohortError

    cohort = rename_columns(cohort, protocol.columns)
    for target in protocol.targets or ():
        if target not in cohort.target:
            raise CohortError(
                f"The cohort has no target {target!r}; it has {list(cohort.target.columns)}."
            )


def _prepared(protocol, cohort, *, may_lack=False):
    cohort = rename_columns(Bunch(**cohort), protocol.columns, may_lack=may_lack)
    groups = check_cohort(cohort)[2]
    if groups is None:
        groups = np.arange(len(cohort.data))
    excluded = cohort.get("excluded")
    if excluded is None:
        excluded = pd.DataFrame(columns=["row", "scan", "reason", "kind"])
    return Bunch(
        **{
            **cohort,
            "groups": groups,
            "excluded": excluded,
            "DESCR": cohort.get("DESCR") or f"Cohort of {len(cohort.data)} scans",
        }
    )


def _model_of(model, target, protocol):
    if isinstance(model, dict):
        if target not in model:
            raise ValueError(f"model has no classifier for {target!r}; it has {[*model]}.")
        return model[target]
    return protocol.pipeline() if model is None else model


def _write(state, manifest):
    """Write tables, scores, models, manifest and report."""
    folder = state.folder
    for name in ("tables", "figures", "scores", "models"):
        (folder / name).mkdir(exist_ok=True)
    for table in state.tables.values():
        indexed = table.numbers.index.name is not None
        write_csv(table.numbers, folder / "tables" / f"{table.name}.csv", index=indexed)
    # The name has not changed since the first version.
    write_csv(state.tables["table1"].numbers, folder / "table1.csv")
    found = pd.DataFrame([vars(item) for item in state.audit])
    write_csv(found, folder / "tables" / "audit.csv", index=False)
    lists = checklists(state, manifest["versions"])
    for name, table in lists.items():
        stem = re.sub(r"\W+", "_", name.lower())
        write_csv(table, folder / "tables" / f"checklist_{stem}.csv", index=False)
    for task in state.tasks:
        if task.target in state.results:
            scores = _scores(state, task)
            _write_scores(state, scores, folder / "scores" / file_of(state, task))
    if state.external_scores is not None:
        _write_scores(state, state.external_scores, folder / "scores" / "external")
    for path in sorted((state.work / "models").glob("*.skdxa")):
        # Read and written apart, so that an error names the file that it concerns:
        # shutil.copyfile names the file read where the disk of the copy is full.
        content = path.read_bytes()
        with naming(folder / "models" / path.name) as copied:
            copied.write_bytes(content)
    manifest["left_out"], manifest["notes"] = state.left_out, state.notes
    with naming(folder / "manifest.json") as path:
        path.write_text(json.dumps(manifest, indent=2, default=float) + "\n")
    write_report(folder / "report.html", state, manifest, lists)


def _write_scores(state, scores, path):
    if find_spec("pyarrow") is not None:
        with naming(path.with_name(f"{path.name}.parquet")) as path:
            scores.to_parquet(path, index=False)
        return
    write_csv(scores, path.with_name(f"{path.name}.csv"), index=False)
    note = "Scores were written as CSV, since pyarrow, which writes Parquet, is not installed."
    if note not in state.notes:
        state.notes.append(note)


def _scores(state, task):
    result, cohort = state.results[task.target], state.cohort
    rows = positions(known_rows(cohort, task.target))[result.scores["row"]]
    scores = result.frame().rename(columns={"y": "label"}).assign(target=task.target, row=rows)
    scores["table_row"] = np.asarray(table_rows(cohort))[rows]
    scores["patient"] = np.asarray(cohort.groups)[rows]
    names = ["target", "repeat", "fold", "row", "table_row", "patient", "label", "score"]
    return scores[names]


def _manifest(state, seconds):
    parameters = state.protocol.as_dict()
    if not state.simulated:
        del parameters["n_subjects"]
    results = state.results
    return {
        "patients": "simulated" if state.simulated else "real",
        "description": state.cohort.DESCR,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": parameters.pop("random_state"),
        "parameters": parameters,
        "primary": state.primary,
        "threads": sorted(
            {
                int(n)
                for result in results.values()
                if "n_threads" in result.folds
                for n in result.folds["n_threads"].unique()
            }
        ),
        "precision": _precision(),
        "scans": {
            target: {
                "n": len(result.y),
                "patients": len(np.unique(result.groups)),
                "positive": int((result.y == result.classes[1]).sum()),
            }
            for target, result in results.items()
        },
        "excluded": excluded_records(state.cohort.excluded),
        "seconds": {name: round(took, 1) for name, took in state.seconds.items()}
        | {"all": round(seconds, 1)},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        "platform": platform.platform(),
        "command": base_names(sys.argv),
    }


def _precision():
    """Return in what TensorFlow multiplies; None if nothing has loaded it."""
    if "tensorflow" not in sys.modules:
        return None
    from skdxa.classification import has_bfloat16

    return "bfloat16" if has_bfloat16() else "float32"
