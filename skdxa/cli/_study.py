"""The command `skdxa study`."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from skdxa.cli._options import (
    AnonymizeOption,
    CheckpointOption,
    ConfigOption,
    HeightOption,
    JobsOption,
    OverwriteOption,
    Reading,
    SchedulerOption,
    SeedOption,
    TargetOption,
    ValidationFractionOption,
    WidthOption,
    check_new,
    choices_of,
    ending_told,
    intervals_in_words,
    on_cluster,
    training_jobs,
    with_columns,
)
from skdxa.exceptions import CohortError

# With more trainings the command prints an estimate of the time before it starts.
_MANY_TRAININGS = 50
# The value of an option that is not given comes from the protocol.
_PROTOCOLS = "the protocol's"


@dataclass
class Choices:
    """Choices that replace those of the protocol where they are given."""

    splits: Annotated[
        int | None, typer.Option(min=2, help="Folds; the paper has 10.", show_default=_PROTOCOLS)
    ] = None
    repeats: Annotated[
        int | None,
        typer.Option(min=1, help="Repeats; the paper has 100.", show_default=_PROTOCOLS),
    ] = None
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs; the paper has 100.", show_default=_PROTOCOLS)
    ] = None
    subjects: Annotated[
        int | None, typer.Option(min=1, help="Patients to simulate.", show_default=_PROTOCOLS)
    ] = None
    height: HeightOption = None
    width: WidthOption = None
    validation_fraction: ValidationFractionOption = None
    interval: Annotated[
        str | None,
        typer.Option(
            help="Interval: stability, corrected, t (the paper's, too narrow), delong, bootstrap.",
            show_default="stability",
        ),
    ] = None
    gaps: Annotated[
        str | None,
        typer.Option(
            help="Patients with gaps in clinical columns: leave_out, or impute.",
            show_default="leave_out",
        ),
    ] = None
    seed: SeedOption = None


def study(
    reading: Reading,
    choices: Choices,
    table: Annotated[
        Path | None,
        typer.Argument(
            help="Table of scans and labels: CSV, Excel, Parquet; if none, patients are simulated."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report; made when it is complete.")
    ] = None,
    cohort: Annotated[
        Path | None,
        typer.Option(help="The table, another way to name it."),
    ] = None,
    external: Annotated[
        Path | None,
        typer.Option(
            help="Table of another hospital, with the same names of columns, on which models are "
            "tested."
        ),
    ] = None,
    external_scans: Annotated[
        Path | None, typer.Option(help="Folder of its scans; by default the table's.")
    ] = None,
    target: TargetOption = None,
    protocol: Annotated[
        str, typer.Option(help="quick (minutes), or paper (10 folds x 100, 100 epochs).")
    ] = "quick",
    config: ConfigOption = None,
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
    if table is not None and cohort is not None:
        raise ValueError(f"The table is named twice, {table} and --cohort {cohort}: name it once.")
    table = cohort if table is None else table
    check_new(out, overwrite)
    # Imported here, so that --help and a mistyped option are answered at once.
    from skdxa.study import count_trainings, estimate_study, run_study

    chosen = _protocol(
        protocol, config, choices, target, reading.column, shuffle_labels, stack, audit
    )
    patients = others = None
    if table is not None:
        patients = _load(reading, table, chosen, jobs=jobs, anonymize=anonymize)
        typer.echo(patients.DESCR)
    if external is not None:
        try:
            others = _load(
                replace(reading, scans=external_scans), external, chosen, jobs=jobs,
                anonymize=anonymize, may_lack=True,
            )  # fmt: skip
        except CohortError as error:
            raise CohortError(f"The external hospital, {external}: {error}") from error
        typer.echo(f"External hospital: {others.DESCR}")
    targets = chosen.targets or ("scoliosis", "unreliable", "fracture_ever")
    if patients is not None:
        given = {name: chosen.columns.get(name, name) for name in targets}
        targets = [name for name, column in given.items() if column in patients.target]
    n_jobs = training_jobs(jobs, chosen, scheduler)
    n_trainings = count_trainings(chosen, targets)
    if estimate or n_trainings > _MANY_TRAININGS:
        if not targets:
            raise CohortError(
                f"The table has none of the targets of the protocol: {', '.join(given)}. Name a "
                "column by --target or --column."
            )
        n_scans = None if patients is None else len(patients.data)
        found = estimate_study(chosen, targets=targets, n_scans=n_scans, n_jobs=n_jobs)
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
            n_jobs=n_jobs,
            report=typer.echo,
        )
    _print(done, chosen, simulated=patients is None)


def _protocol(name, config, choices, target, column, shuffle_labels, stack, audit):
    from skdxa.study import PAPER_EPOCHS, Protocol

    bases = {"quick": Protocol.quick, "paper": Protocol.paper}
    if name not in bases:
        raise ValueError(f"--protocol must be quick or paper; got {name!r}.")
    changes = choices_of(asdict(choices))
    if shuffle_labels:
        changes["shuffle_labels"] = True
    if not stack:
        changes["stack_folds"] = 0
    if not audit:
        changes["audit"] = False
    chosen = Protocol.from_toml(config, **changes) if config else bases[name](**changes)
    chosen = with_columns(chosen, column, target)
    if chosen.epochs != PAPER_EPOCHS:
        fewer = "fewer" if chosen.epochs < PAPER_EPOCHS else "more"
        typer.echo(
            f"The paper's network, {fewer} epochs: {chosen.epochs}; the paper has {PAPER_EPOCHS}."
        )
    return chosen


def _load(reading, table, protocol, *, jobs, anonymize, may_lack=False):
    """Load a cohort with the labels that the protocol names and the table has."""
    targets = reading.labels_of(table, protocol, may_lack=may_lack)
    return reading.load(table, targets, width=protocol.width, jobs=jobs, anonymize=anonymize)


def _print(done, protocol, *, simulated):
    """Print the rows of the networks, what the audit found, and where the report is."""
    from skdxa.evaluation import format_table

    kind = "simulated patients" if simulated else "patients"
    shuffled = ", labels shuffled" if protocol.shuffle_labels else ""
    typer.echo(
        f"\nOut of fold, {kind}{shuffled}. {intervals_in_words(protocol.stated_interval)}\n"
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
