"""The command `skdxa`."""

import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from skdxa import __version__

app = typer.Typer(
    name="skdxa",
    help="Deep learning on DXA scans of the lumbar spine. Research software, no medical device.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool):
    if wanted:
        typer.echo(f"skdxa {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print version."),
    ] = False,
):
    """Deep learning on DXA scans of the lumbar spine. Research software, no medical device."""


@app.command()
def study(
    out: Annotated[Path, typer.Option(help="Folder for the report; made when it is complete.")],
    cohort: Annotated[
        Path | None,
        typer.Option(help="CSV table of scans and labels; if none, patients are simulated."),
    ] = None,
    scans: Annotated[
        Path | None,
        typer.Option(
            help="Folder that the table's paths are relative to; by default the table's."
        ),
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Column of labels; may be given several times.")
    ] = None,
    scan_column: Annotated[str, typer.Option(help="Column of the scans' paths.")] = "scan",
    group_column: Annotated[
        str | None, typer.Option(help="Column of the patients, if some have several scans.")
    ] = None,
    exclude_unreadable: Annotated[
        bool, typer.Option("--exclude-unreadable", help="Leave out scans that cannot be read.")
    ] = False,
    subjects: Annotated[int, typer.Option(min=1, help="Patients to simulate.")] = 600,
    splits: Annotated[int, typer.Option(min=2, help="Folds; the paper has 10.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats; the paper has 100.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs; the paper has 100.")] = 30,
    validation_fraction: Annotated[
        float, typer.Option(help="Share of training scans on which the epoch is chosen.")
    ] = 0.1,
    interval: Annotated[
        str,
        typer.Option(
            help="Interval: stability, corrected, t (the paper's, too narrow), delong, bootstrap."
        ),
    ] = "stability",
    seed: Annotated[int, typer.Option(help="Seed of simulation, splits and networks.")] = 0,
    jobs: Annotated[int | None, typer.Option(help="Processes that train.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder of finished splits, to resume after a crash.")
    ] = None,
    shuffle_labels: Annotated[
        bool, typer.Option("--shuffle-labels", help="Shuffle labels: the AUC must fall to 0.5.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the folder if it exists.")
    ] = False,
):
    """Cross-validate the paper's network and write a table, ROC curves and a manifest."""
    if out.exists() and not overwrite:
        raise ValueError(f"{out} exists. Choose another folder, or give --overwrite.")
    # Imported here, so that --help and a mistyped option are answered at once.
    from skdxa.evaluation import format_table
    from skdxa.scans import load_cohort
    from skdxa.study import PAPER_EPOCHS, Protocol, run_study

    protocol = Protocol(
        targets=tuple(target or ["scoliosis"]),
        n_subjects=subjects,
        n_splits=splits,
        n_repeats=repeats,
        epochs=epochs,
        interval=interval,
        validation_fraction=validation_fraction,
        shuffle_labels=shuffle_labels,
        random_state=seed,
    )
    if epochs != PAPER_EPOCHS:
        fewer = "fewer" if epochs < PAPER_EPOCHS else "more"
        typer.echo(f"The paper's network, {fewer} epochs: {epochs}; the paper has {PAPER_EPOCHS}.")
    patients = None
    if cohort is not None:
        patients = load_cohort(
            cohort,
            scans=cohort.parent if scans is None else scans,
            scan_column=scan_column,
            target_columns=list(protocol.targets),
            group_column=group_column,
            on_error="exclude" if exclude_unreadable else "raise",
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


_METHODS = {
    "stability": "Means over the folds (stability; with one repeat corrected resampled t)",
    "corrected": "Means over the folds (corrected resampled t)",
    "t": "Means over the folds (Student's t, which is too narrow)",
    "delong": "Pooled scores of the median repeat (DeLong, Wilson)",
    "bootstrap": "Pooled scores of the median repeat (bootstrap)",
}


def _show_warning(message, category, filename, lineno, file=None, line=None):
    typer.echo(f"Warning: {message}", err=True)


def _end(number, frame):
    """Stop as on Ctrl-C, so that unfinished files are removed when a scheduler ends the job."""
    # A second signal must not interrupt the removal.
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def main():
    """Run the command; print an error of the user's or a warning as one line."""
    warnings.showwarning = _show_warning
    signal.signal(signal.SIGTERM, _end)
    try:
        app()
    except (ValueError, OSError) as error:
        message = str(error).replace("on_error='exclude'", "--exclude-unreadable")
        typer.echo(f"Error: {message}", err=True)
        raise SystemExit(1) from None
