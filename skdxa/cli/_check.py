"""The command `skdxa check`."""

from pathlib import Path
from typing import Annotated

import typer

from skdxa.cli._exit import FAILED
from skdxa.cli._options import (
    AnonymizeOption,
    ConfigOption,
    HeightOption,
    JobsOption,
    OverwriteOption,
    Reading,
    SplitsOption,
    TableArgument,
    TargetOption,
    WidthOption,
    as_options,
    check_new,
    read_protocol,
)


def check(
    table: TableArgument,
    reading: Reading,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for scans.csv, the flow chart and contact sheets."),
    ] = None,
    target: TargetOption = None,
    config: ConfigOption = None,
    anonymize: AnonymizeOption = False,
    height: HeightOption = None,
    width: WidthOption = None,
    splits: SplitsOption = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Model file; compare the scans with those that it was trained on."),
    ] = None,
    jobs: JobsOption = None,
    overwrite: OverwriteOption = False,
):
    """Check a folder of scans before a study; the exit status is 0 if one could start."""
    check_new(out, overwrite)
    from skdxa.exceptions import CohortError
    from skdxa.study import review_cohort
    from skdxa.validation import printable

    given = {"height": height, "width": width, "splits": splits}
    protocol = read_protocol(config, given, targets=target, column=reading.column)
    labels = target or config is not None
    try:
        patients = reading.load(
            table,
            reading.labels_of(table, protocol) if labels else None,
            width=protocol.width,
            jobs=jobs,
            anonymize=anonymize,
            on_error="exclude",
        )
    except CohortError as error:
        if error.excluded is None:
            raise
        # Print every scan, not only the first ten.
        _list_files(error.excluded)
        raise CohortError("No scan can be used.") from None
    if not labels:
        protocol = protocol.with_changes(targets=None)
    review = review_cohort(patients, protocol, out=out, overwrite=overwrite)
    typer.echo(patients.DESCR)
    _list_files(patients.excluded)
    remarked = review.scans[review.scans["usable"] & (review.scans["remarks"] != "")]
    if len(remarked):
        typer.echo(f"\nTo look at: {len(remarked)} scan{'s' * (len(remarked) > 1)}.")
        for scan in remarked.itertuples():
            typer.echo(f"  row {scan.row}: {printable(scan.scan)}: {scan.remarks}.")
    if model is not None:
        _print_drift(patients, model)
    if not labels:
        typer.echo("\nNo column of labels was named with --target.")
    problems = list(review.problems)
    if len(patients.excluded) and not reading.exclude_unreadable:
        problems.append(
            f"{len(patients.excluded)} of {len(review.scans)} scans cannot be used. Correct "
            "them, or leave them out with --exclude-unreadable."
        )
    if review.out:
        typer.echo(f"\nWritten to {review.out}.")
    for problem in problems:
        typer.echo(f"Error: {problem}", err=True)
    if problems:
        raise typer.Exit(FAILED)
    typer.echo("\nA study could start.")


def _list_files(excluded):
    """Print each scan that cannot be used, and what to do about it."""
    if len(excluded):
        typer.echo(f"\nCannot be used: {len(excluded)} scan{'s' * (len(excluded) > 1)}.")
    for scan in excluded.itertuples():
        typer.echo(f"  row {scan.row}: {as_options(scan.reason)}")


def _print_drift(patients, model):
    """Print how the scans differ from those that a model was trained on."""
    from skdxa.persistence import load_model
    from skdxa.study import compare_with_training

    _, data = load_model(model, return_data=True)
    drift = compare_with_training(patients, data)
    typer.echo(
        f"\nCompared with the scans that {model.name} was trained on, "
        f"{drift.attrs['n_outside']} of {len(patients.data)} lie outside the middle 99 % in "
        "some feature."
    )
    typer.echo(drift.round(3).to_string())
