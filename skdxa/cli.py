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
RepeatsOption = Annotated[int, typer.Option(min=1, help="Repeats; the paper has 100.")]
EpochsOption = Annotated[int, typer.Option(min=1, help="Epochs; the paper has 100.")]
ValidationOption = Annotated[
    float, typer.Option(help="Share of training scans on which the epoch is chosen.")
]
SeedOption = Annotated[int, typer.Option(help="Seed of simulation, splits and networks.")]
CheckpointOption = Annotated[
    Path | None, typer.Option(help="Folder of finished splits, to resume after a crash.")
]
ModelArgument = Annotated[Path, typer.Argument(help="Model file, as skdxa fit writes it.")]
NewScansArgument = Annotated[
    list[Path], typer.Argument(help="Files, folders, or tables with a column of scans.")
]
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
    model: Annotated[
        Path | None,
        typer.Option(help="Model file; compare the scans with those that it was trained on."),
    ] = None,
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
    if model is not None:
        _print_drift(patients, model)
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
    repeats: RepeatsOption = 1,
    epochs: EpochsOption = 30,
    validation_fraction: ValidationOption = 0.1,
    interval: Annotated[
        str,
        typer.Option(
            help="Interval: stability, corrected, t (the paper's, too narrow), delong, bootstrap."
        ),
    ] = "stability",
    seed: SeedOption = 0,
    jobs: JobsOption = None,
    checkpoint: CheckpointOption = None,
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


@app.command()
def fit(
    table: Annotated[Path, typer.Argument(help="Table of scans and labels: CSV, Excel, Parquet.")],
    target: Annotated[str, typer.Option(help="Column of labels.")],
    out: Annotated[Path, typer.Option(help="Model file to write, such as scoliosis.skdxa.")],
    scans: ScansOption = None,
    scan_column: ScanColumnOption = "scan",
    group_column: GroupColumnOption = None,
    label: LabelOption = None,
    variable: VariableOption = None,
    unit: UnitOption = None,
    spacing: SpacingOption = None,
    sheet: SheetOption = None,
    exclude_unreadable: ExcludeOption = False,
    height: HeightOption = 150,
    width: WidthOption = 150,
    splits: SplitsOption = 5,
    repeats: RepeatsOption = 1,
    epochs: EpochsOption = 30,
    validation_fraction: ValidationOption = 0.1,
    seed: SeedOption = 0,
    rule: Annotated[
        str,
        typer.Option(
            help="How the threshold is chosen on out-of-fold scores: fixed (0.5), youden, "
            "sensitivity."
        ),
    ] = "fixed",
    sensitivity: Annotated[
        float, typer.Option(help="Sensitivity that the rule of that name reaches.")
    ] = 0.9,
    evaluation: Annotated[
        bool, typer.Option(help="Cross-validate first; predictions are then judged by it.")
    ] = True,
    jobs: JobsOption = None,
    checkpoint: CheckpointOption = None,
    overwrite: OverwriteOption = False,
):
    """Cross-validate the paper's network, fit it on all scans, and write a model file."""
    _check_new(out, overwrite)
    from skdxa.evaluation import format_table, performance_table
    from skdxa.persistence import model_card, save_model
    from skdxa.scans import load_cohort
    from skdxa.study import Protocol, fit_model

    protocol = Protocol(
        targets=(target,),
        n_splits=splits,
        n_repeats=repeats,
        epochs=epochs,
        height=height,
        width=width,
        validation_fraction=validation_fraction,
        random_state=seed,
    )
    options = _cohort_options(
        table=table,
        scans=scans,
        target=[target],
        scan_column=scan_column,
        group_column=group_column,
        label=label,
        variable=variable,
        unit=unit,
        spacing=spacing,
        sheet=sheet,
        anonymize=False,
        width=width,
        jobs=jobs,
    )
    patients = load_cohort(table, on_error="exclude" if exclude_unreadable else "raise", **options)
    typer.echo(patients.DESCR)
    fitted = fit_model(
        protocol,
        patients,
        rule=rule,
        sensitivity=sensitivity,
        evaluate=evaluation,
        checkpoint=checkpoint,
        n_jobs=jobs,
        report=typer.echo,
    )
    if fitted.result is not None:
        performance = performance_table({target: fitted.result}, threshold=fitted.threshold)
        typer.echo("\nOut of fold; 95 % intervals.\n")
        typer.echo(format_table(performance, to="text"))
    card = model_card(
        fitted.model,
        result=fitted.result,
        title=f"{target.replace('_', ' ').capitalize()}, lumbar spine DXA",
        data=patients.DESCR,
    )
    save_model(fitted.model, out, card=card, data=fitted.data)
    typer.echo(
        f"\nWritten to {out}. Positive is a probability of at least {fitted.threshold:.3g}. "
        "Research software; not for diagnosis or treatment."
    )


@app.command()
def predict(
    model: ModelArgument,
    scans: NewScansArgument,
    out: Annotated[Path, typer.Option(help="Table to write: one row per scan (CSV).")],
    scan_column: ScanColumnOption = "scan",
    spacing: SpacingOption = None,
    error_rate: Annotated[
        float, typer.Option(help="Error rate at which a scan is called positive or negative.")
    ] = 0.1,
    overwrite: OverwriteOption = False,
):
    """Predict on new scans; the exit status is 0 if all, and 3 if some could not be used."""
    _check_new(out, overwrite)
    from skdxa.persistence import load_model
    from skdxa.study import predict_scans, write_csv

    loaded, data = load_model(model, return_data=True)
    paths = _new_scans(scans, scan_column)
    table = predict_scans(
        loaded, paths, data=data or None, spacing_mm=spacing, error_rate=error_rate
    )
    write_csv(table, out, index=False)
    _print_predictions(table, out)


@app.command()
def explain(
    model: ModelArgument,
    scans: NewScansArgument,
    out: Annotated[Path, typer.Option(help="Folder for one picture per scan.")],
    scan_column: ScanColumnOption = "scan",
    spacing: SpacingOption = None,
    positive: Annotated[
        str, typer.Option(help="What the positive class is, for the titles.")
    ] = "positive",
    overwrite: OverwriteOption = False,
):
    """Draw what the network looks at on each scan, with the probability."""
    _check_new(out, overwrite)
    from skdxa.persistence import load_model
    from skdxa.study import explain_scans

    loaded, data = load_model(model, return_data=True)
    table = explain_scans(
        loaded,
        _new_scans(scans, scan_column),
        out=out,
        data=data or None,
        positive=positive,
        spacing_mm=spacing,
    )
    _print_predictions(table, out)


def _new_scans(given, scan_column):
    """Return the paths of scans: files as they are, those in folders, those in tables."""
    from skdxa.scans import read_table

    paths = []
    for path in given:
        if path.is_dir():
            paths += sorted(
                file
                for file in path.rglob("*")
                if file.is_file() and not file.name.startswith(".")
            )
        elif path.suffix.lower() in _TABLES:
            table = read_table(path, text_columns={scan_column})
            if scan_column not in table:
                raise ValueError(
                    f"{path} has no column '{scan_column}' of scans; it has "
                    f"{', '.join(map(str, table.columns))}."
                )
            paths += [path.parent / scan for scan in table[scan_column].dropna()]
        else:
            paths.append(path)
    if not paths:
        raise ValueError("There is no scan in what was named.")
    return paths


def _print_predictions(table, out):
    failed = table[table["error"].notna()]
    careful = table[table["error"].isna() & table["remarks"].fillna("").ne("")]
    n_positive = int((table["class"] == 1).sum())
    typer.echo(
        f"{len(table)} scans: {n_positive} positive, {len(table) - n_positive - len(failed)} "
        f"negative, {len(failed)} not usable; {len(careful)} with a reason to be careful."
    )
    for scan in careful.itertuples():
        typer.echo(f"  {scan.scan}: {scan.remarks}.")
    for scan in failed.itertuples():
        typer.echo(f"Error: {scan.error}", err=True)
    typer.echo(f"Written to {out}. Research software; not for diagnosis or treatment.")
    if len(failed):
        raise typer.Exit(1 if len(failed) == len(table) else 3)


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


_TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
_METHODS = {
    "stability": "Means over the folds (stability; with one repeat corrected resampled t)",
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
