"""The command `skdxa study`."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from skdxa.cli._options import (
    AnonymizeOption,
    CheckpointOption,
    JobsOption,
    OverwriteOption,
    Reading,
    SchedulerOption,
    TargetOption,
    check_new,
    ending_told,
    on_cluster,
)

_METHODS = {
    "stability": "Means over the folds (stability; with one repeat corrected resampled t)",
    "corrected": "Means over the folds (corrected resampled t)",
    "t": "Means over the folds (Student's t, which is too narrow)",
    "delong": "Pooled scores of the median repeat (DeLong, Wilson)",
    "bootstrap": "Pooled scores of the median repeat (bootstrap)",
}
# From so many trainings on, the command says how long they take before it begins.
_MANY_TRAININGS = 50


@dataclass
class Choices:
    """Choices that replace those of the protocol where they are given."""

    splits: Annotated[int | None, typer.Option(min=2, help="Folds; the paper has 10.")] = None
    repeats: Annotated[int | None, typer.Option(min=1, help="Repeats; the paper has 100.")] = None
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; the paper has 100.")] = None
    subjects: Annotated[int | None, typer.Option(min=1, help="Patients to simulate.")] = None
    height: Annotated[int | None, typer.Option(min=1, help="Rows of the crop.")] = None
    width: Annotated[int | None, typer.Option(min=1, help="Columns of the crop.")] = None
    validation_fraction: Annotated[
        float | None, typer.Option(help="Share of training scans on which the epoch is chosen.")
    ] = None
    interval: Annotated[
        str | None,
        typer.Option(
            help="Interval: stability, corrected, t (the paper's, too narrow), delong, bootstrap."
        ),
    ] = None
    gaps: Annotated[
        str | None,
        typer.Option(help="Patients with gaps in clinical columns: leave_out, or impute."),
    ] = None
    seed: Annotated[int | None, typer.Option(help="Seed of simulation, splits and networks.")] = (
        None
    )


_NAMES = {
    "splits": "n_splits",
    "repeats": "n_repeats",
    "subjects": "n_subjects",
    "seed": "random_state",
}


def study(
    reading: Reading,
    choices: Choices,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report; made when it is complete.")
    ] = None,
    cohort: Annotated[
        Path | None,
        typer.Option(
            help="Table of scans and labels (CSV, Excel, Parquet); if none, patients are "
            "simulated."
        ),
    ] = None,
    external: Annotated[
        Path | None, typer.Option(help="Table of another hospital, on which models are tested.")
    ] = None,
    external_scans: Annotated[
        Path | None, typer.Option(help="Folder of its scans; by default the table's.")
    ] = None,
    target: TargetOption = None,
    protocol: Annotated[
        str, typer.Option(help="quick (minutes), or paper (10 folds x 100, 100 epochs).")
    ] = "quick",
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file of choices: columns, primary comparison, seed and so on."),
    ] = None,
    anonymize: AnonymizeOption = False,
    shuffle_labels: Annotated[
        bool, typer.Option("--shuffle-labels", help="Shuffle labels: the AUC must fall to 0.5.")
    ] = False,
    stack: Annotated[bool, typer.Option(help="Train the stack of network and columns.")] = True,
    audit: Annotated[bool, typer.Option(help="Train the networks of the audit.")] = True,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say how long it would take, and end.")
    ] = False,
    jobs: JobsOption = None,
    scheduler: SchedulerOption = None,
    checkpoint: CheckpointOption = None,
    overwrite: OverwriteOption = False,
):
    """Run a whole study: all tasks, tables, figures and an audit, in one report."""
    if out is None and not estimate:
        raise ValueError("--out is missing: name the folder for the report.")
    check_new(out, overwrite)
    # Imported here, so that --help and a mistyped option are answered at once.
    from skdxa.study import count_trainings, estimate_study, run_study

    chosen = _protocol(protocol, config, choices, target, shuffle_labels, stack, audit)
    patients = others = None
    if cohort is not None:
        patients = _load(reading, cohort, chosen, jobs=jobs, anonymize=anonymize)
        typer.echo(patients.DESCR)
    if external is not None:
        others = _load(
            replace(reading, scans=external_scans), external, chosen, jobs=jobs,
            anonymize=anonymize, may_lack=True,
        )  # fmt: skip
        typer.echo(f"External hospital: {others.DESCR}")
    targets = chosen.targets or ("scoliosis", "unreliable", "fracture_ever")
    if patients is not None:
        targets = [name for name in targets if name in patients.target]
    n_trainings = count_trainings(chosen, targets)
    if estimate or n_trainings > _MANY_TRAININGS:
        found = estimate_study(chosen, n_scans=None if patients is None else len(patients.data))
        typer.echo(found.text())
        if estimate:
            return
    with ending_told(), on_cluster(scheduler):
        done = run_study(
            chosen,
            patients,
            external=others,
            out=out,
            overwrite=overwrite,
            checkpoint=checkpoint,
            n_jobs=jobs,
            report=typer.echo,
        )
    _print(done, chosen, simulated=patients is None)


def _protocol(name, config, choices, target, shuffle_labels, stack, audit):
    from skdxa.study import PAPER_EPOCHS, Protocol

    bases = {"quick": Protocol.quick, "paper": Protocol.paper}
    if name not in bases:
        raise ValueError(f"--protocol must be quick or paper; got {name!r}.")
    changes = {
        _NAMES.get(key, key): value for key, value in asdict(choices).items() if value is not None
    }
    if target:
        changes["targets"] = tuple(target)
    if shuffle_labels:
        changes["shuffle_labels"] = True
    if not stack:
        changes["stack_folds"] = 0
    if not audit:
        changes["audit"] = False
    chosen = Protocol.from_toml(config, **changes) if config else bases[name](**changes)
    if chosen.epochs != PAPER_EPOCHS:
        fewer = "fewer" if chosen.epochs < PAPER_EPOCHS else "more"
        typer.echo(
            f"The paper's network, {fewer} epochs: {chosen.epochs}; the paper has {PAPER_EPOCHS}."
        )
    return chosen


def _load(reading, table, protocol, *, jobs, anonymize, may_lack=False):
    """Load a cohort with the labels that the protocol names and the table has."""
    from skdxa.scans import read_table
    from skdxa.study import label_columns

    header = read_table(
        table, text_columns={reading.scan_column, reading.group_column}, sheet=reading.sheet
    ).columns
    targets = label_columns(protocol, header, may_lack=may_lack)
    return reading.load(table, targets, width=protocol.width, jobs=jobs, anonymize=anonymize)


def _print(done, protocol, *, simulated):
    """Print the rows of the networks, what the audit found, and where the report is."""
    from skdxa.evaluation import format_table

    kind = "simulated patients" if simulated else "patients"
    shuffled = ", labels shuffled" if protocol.shuffle_labels else ""
    typer.echo(
        f"\nOut of fold, {kind}{shuffled}. {_METHODS[protocol.interval]}; 95 % intervals.\n"
    )
    networks = done.table[done.table["predictor"] == "Deep learning"]
    typer.echo(format_table(networks, to="text"))
    faults = done.audit[done.audit["verdict"] == "fault"]
    for fault in faults.itertuples():
        typer.echo(f"\nThe audit found a fault. {fault.name}: {fault.finding}", err=True)
    typer.echo(
        f"\nWritten to {done.out}: open report.html. Research software; not for diagnosis or "
        "treatment."
    )
