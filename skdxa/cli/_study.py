"""The command `skdxa study`."""

from pathlib import Path
from typing import Annotated

import typer

from skdxa.cli._options import (
    AnonymizeOption,
    CheckpointOption,
    JobsOption,
    OverwriteOption,
    Reading,
    TargetOption,
    Training,
    check_new,
)

_METHODS = {
    "stability": "Means over the folds (stability; with one repeat corrected resampled t)",
    "corrected": "Means over the folds (corrected resampled t)",
    "t": "Means over the folds (Student's t, which is too narrow)",
    "delong": "Pooled scores of the median repeat (DeLong, Wilson)",
    "bootstrap": "Pooled scores of the median repeat (bootstrap)",
}


def study(
    out: Annotated[Path, typer.Option(help="Folder for the report; made when it is complete.")],
    reading: Reading,
    training: Training,
    cohort: Annotated[
        Path | None,
        typer.Option(
            help="Table of scans and labels (CSV, Excel, Parquet); if none, patients are "
            "simulated."
        ),
    ] = None,
    target: TargetOption = None,
    anonymize: AnonymizeOption = False,
    subjects: Annotated[int, typer.Option(min=1, help="Patients to simulate.")] = 600,
    interval: Annotated[
        str,
        typer.Option(
            help="Interval: stability, corrected, t (the paper's, too narrow), delong, bootstrap."
        ),
    ] = "stability",
    shuffle_labels: Annotated[
        bool, typer.Option("--shuffle-labels", help="Shuffle labels: the AUC must fall to 0.5.")
    ] = False,
    jobs: JobsOption = None,
    checkpoint: CheckpointOption = None,
    overwrite: OverwriteOption = False,
):
    """Cross-validate the paper's network and write a table, ROC curves and a manifest."""
    check_new(out, overwrite)
    # Imported here, so that --help and a mistyped option are answered at once.
    from skdxa.evaluation import format_table
    from skdxa.study import PAPER_EPOCHS, run_study

    protocol = training.protocol(
        target or ["scoliosis"],
        n_subjects=subjects,
        interval=interval,
        shuffle_labels=shuffle_labels,
    )
    epochs = protocol.epochs
    if epochs != PAPER_EPOCHS:
        fewer = "fewer" if epochs < PAPER_EPOCHS else "more"
        typer.echo(f"The paper's network, {fewer} epochs: {epochs}; the paper has {PAPER_EPOCHS}.")
    patients = None
    if cohort is not None:
        patients = reading.load(
            cohort, protocol.targets, width=protocol.width, jobs=jobs, anonymize=anonymize
        )
        typer.echo(patients.DESCR)
    done = run_study(
        protocol,
        patients,
        out=out,
        overwrite=overwrite,
        checkpoint=checkpoint,
        n_jobs=jobs,
        report=typer.echo,
    )
    kind = "simulated patients" if patients is None else "patients"
    shuffled = ", labels shuffled" if shuffle_labels else ""
    typer.echo(f"\nOut of fold, {kind}{shuffled}. {_METHODS[interval]}; 95 % intervals.\n")
    typer.echo(format_table(done.table, to="text"))
    typer.echo(f"\nWritten to {done.out}. Research software; not for diagnosis or treatment.")
