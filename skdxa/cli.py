"""The command `skdxa`."""

import os
import re
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

# What --anonymize takes its salt from, since a salt on the command line would be kept in the
# shell's history.
_SALT = "SKDXA_SALT"

# Options that several commands share.
ScansOption = Annotated[
    Path | None,
    typer.Option(help="Folder that the table's paths are relative to; by default the table's."),
]
TargetOption = Annotated[
    list[str] | None, typer.Option(help="Column of labels; may be given several times.")
]
ScanColumnOption = Annotated[str, typer.Option(help="Column of the scans' paths.")]
GroupColumnOption = Annotated[
    str | None, typer.Option(help="Column of the patients, if some have several scans.")
]
LabelOption = Annotated[
    list[str] | None,
    typer.Option(help="Meaning of a word in the target columns, such as Yes=1, No=0, unclear=."),
]
VariableOption = Annotated[
    str | None, typer.Option(help="Name of the scan in MATLAB files and NumPy archives.")
]
UnitOption = Annotated[
    str | None, typer.Option(help="What the pixels are: 'g/cm2' or 'grey level'.")
]
SpacingOption = Annotated[
    tuple[float, float] | None,
    typer.Option(help="Height and width in mm of pixels of which nothing states them."),
]
SheetOption = Annotated[str | None, typer.Option(help="Sheet of an Excel table.")]
ExcludeOption = Annotated[
    bool, typer.Option("--exclude-unreadable", help="Leave out scans that cannot be used.")
]
AnonymizeOption = Annotated[
    bool,
    typer.Option(
        "--anonymize",
        help=f"Replace patients and paths by hashes, salted by the variable {_SALT}.",
    ),
]
HeightOption = Annotated[int, typer.Option(min=1, help="Rows of the crop.")]
WidthOption = Annotated[int, typer.Option(min=1, help="Columns of the crop.")]
SplitsOption = Annotated[int, typer.Option(min=2, help="Folds; the paper has 10.")]
JobsOption = Annotated[int | None, typer.Option(help="Processes that read and train.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace the folder if it exists.")
]


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
def check(
    table: Annotated[Path, typer.Argument(help="Table of scans and labels: CSV, Excel, Parquet.")],
    scans: ScansOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for scans.csv, the flow chart and contact sheets."),
    ] = None,
    target: TargetOption = None,
    scan_column: ScanColumnOption = "scan",
    group_column: GroupColumnOption = None,
    label: LabelOption = None,
    variable: VariableOption = None,
    unit: UnitOption = None,
    spacing: SpacingOption = None,
    sheet: SheetOption = None,
    exclude_unreadable: ExcludeOption = False,
    anonymize: AnonymizeOption = False,
    height: HeightOption = 150,
    width: WidthOption = 150,
    splits: SplitsOption = 5,
    jobs: JobsOption = None,
    overwrite: OverwriteOption = False,
):
    """Look over a folder of scans before a study; the exit status is 0 if one could start."""
    _check_new(out, overwrite)
    from skdxa.exceptions import CohortError
    from skdxa.scans import load_cohort
    from skdxa.study import Protocol, review_cohort

    options = _cohort_options(
        table=table,
        scans=scans,
        target=target,
        scan_column=scan_column,
        group_column=group_column,
        label=label,
        variable=variable,
        unit=unit,
        spacing=spacing,
        sheet=sheet,
        anonymize=anonymize,
        width=width,
        jobs=jobs,
    )
    try:
        patients = load_cohort(table, on_error="exclude", **options)
    except CohortError as error:
        if error.excluded is None:
            raise
        # Every scan, not the first ten.
        _list_files(error.excluded)
        raise CohortError("No scan can be used.") from None
    protocol = None
    if target:
        protocol = Protocol(targets=tuple(target), n_splits=splits, height=height, width=width)
    review = review_cohort(patients, protocol, out=out, overwrite=overwrite)
    typer.echo(patients.DESCR)
    _list_files(patients.excluded)
    odd = review.scans[review.scans["usable"] & (review.scans["remarks"] != "")]
    if len(odd):
        typer.echo(f"\nTo look at: {len(odd)} scan{'s' * (len(odd) > 1)}.")
        for scan in odd.itertuples():
            typer.echo(f"  line {scan.row}: {scan.scan}: {scan.remarks}.")
    if not target:
        typer.echo("\nNo column of labels was named with --target.")
    problems = list(review.problems)
    if len(patients.excluded) and not exclude_unreadable:
        problems.append(
            f"{len(patients.excluded)} of {len(review.scans)} scans cannot be used. Correct "
            "them, or leave them out with --exclude-unreadable."
        )
    if review.out:
        typer.echo(f"\nWritten to {review.out}.")
    for problem in problems:
        typer.echo(f"Error: {problem}", err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo("\nA study could start.")


@app.command()
def study(
    out: Annotated[Path, typer.Option(help="Folder for the report; made when it is complete.")],
    cohort: Annotated[
        Path | None,
        typer.Option(
            help="Table of scans and labels (CSV, Excel, Parquet); if none, patients are "
            "simulated."
        ),
    ] = None,
    scans: ScansOption = None,
    target: TargetOption = None,
    scan_column: ScanColumnOption = "scan",
    group_column: GroupColumnOption = None,
    label: LabelOption = None,
    variable: VariableOption = None,
    unit: UnitOption = None,
    spacing: SpacingOption = None,
    sheet: SheetOption = None,
    exclude_unreadable: ExcludeOption = False,
    anonymize: AnonymizeOption = False,
    height: HeightOption = 150,
    width: WidthOption = 150,
    subjects: Annotated[int, typer.Option(min=1, help="Patients to simulate.")] = 600,
    splits: SplitsOption = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats; the paper has 100.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs; the paper has 100.")] = 30,
    validation_fraction: Annotated[
        float, typer.Option(help="Share of training scans on which the epoch is chosen.")
    ] = 0.1,
    interval: Annotated[
        str,
        typer.Option(help="Interval: corrected, t (the paper's, too narrow), delong, bootstrap."),
    ] = "corrected",
    seed: Annotated[int, typer.Option(help="Seed of simulation, splits and networks.")] = 0,
    jobs: JobsOption = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder of finished splits, to resume after a crash.")
    ] = None,
    shuffle_labels: Annotated[
        bool, typer.Option("--shuffle-labels", help="Shuffle labels: the AUC must fall to 0.5.")
    ] = False,
    overwrite: OverwriteOption = False,
):
    """Cross-validate the paper's network and write a table, ROC curves and a manifest."""
    _check_new(out, overwrite)
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
        height=height,
        width=width,
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
        options = _cohort_options(
            table=cohort,
            scans=scans,
            target=protocol.targets,
            scan_column=scan_column,
            group_column=group_column,
            label=label,
            variable=variable,
            unit=unit,
            spacing=spacing,
            sheet=sheet,
            anonymize=anonymize,
            width=width,
            jobs=jobs,
        )
        patients = load_cohort(
            cohort, on_error="exclude" if exclude_unreadable else "raise", **options
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
    "corrected": "Means over the folds (corrected resampled t)",
    "t": "Means over the folds (Student's t, which is too narrow)",
    "delong": "Pooled scores of the median repeat (DeLong, Wilson)",
    "bootstrap": "Pooled scores of the median repeat (bootstrap)",
}


def _check_new(out, overwrite):
    if out is not None and out.exists() and not overwrite:
        raise ValueError(f"{out} exists. Choose another folder, or give --overwrite.")


def _cohort_options(*, table, scans, target, label, spacing, anonymize, width, jobs, **options):
    """Return the options of `load_cohort` from those of the command."""
    return {
        "scans": table.parent if scans is None else scans,
        "target_columns": list(target or ()),
        "labels": _meanings(label),
        "default_spacing_mm": spacing,
        "anonymize": os.environ.get(_SALT, True) if anonymize else False,
        "min_columns": width,
        "n_jobs": jobs,
        **options,
    }


def _meanings(label):
    """Return the words given as ``Yes=1`` with what they mean."""
    if not label:
        return None
    meanings = {}
    for text in label:
        word, found, meaning = text.rpartition("=")
        if not found or meaning not in ("0", "1", ""):
            raise ValueError(
                f"--label {text} must be a word, '=' and 0, 1 or nothing for unknown, such as "
                "Yes=1."
            )
        meanings[word] = int(meaning) if meaning else None
    return meanings


def _list_files(excluded):
    """Print each scan that cannot be used, and what to do about it."""
    if len(excluded):
        typer.echo(f"\nCannot be used: {len(excluded)} scan{'s' * (len(excluded) > 1)}.")
    for scan in excluded.itertuples():
        typer.echo(f"  line {scan.row}: {scan.reason}")


def _show_warning(message, category, filename, lineno, file=None, line=None):
    typer.echo(f"Warning: {message}", err=True)


def _end(number, frame):
    """Stop as on Ctrl-C, so that unfinished files are removed when a scheduler ends the job."""
    # A second signal must not interrupt the removal.
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


# How an error message names an argument of a function, and the option of the command.
_AS_OPTIONS = (
    (r"on_error='exclude'", "--exclude-unreadable"),
    (r"labels=\{'Yes': 1, 'No': 0\}", "--label Yes=1 --label No=0"),
    (r"default_spacing_mm=", "--spacing"),
    (r"\bvariable=", "--variable"),
    (r"\bsheet=", "--sheet"),
    (r"\bunit='([^']*)'", r"--unit '\1'"),
)


def main():
    """Run the command; print an error of the user's or a warning as one line."""
    warnings.showwarning = _show_warning
    signal.signal(signal.SIGTERM, _end)
    try:
        app()
    except (ValueError, OSError) as error:
        message = str(error)
        for argument, option in _AS_OPTIONS:
            message = re.sub(argument, option, message)
        typer.echo(f"Error: {message}", err=True)
        raise SystemExit(1) from None
