"""Options that several commands share, and their conversion to arguments."""

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from skdxa.cli._columns import read_names

# The variable from which --anonymize reads its salt, since a salt on the command line would be
# kept in the shell's history.
_SALT = "SKDXA_SALT"
# Environment variables that affect the commands.
ENVIRONMENT = {
    _SALT: "Salt of --anonymize, at least 8 characters. The same salt yields the same hashes; "
    "without the variable a salt is drawn that is not kept.",
    "TF_NUM_INTRAOP_THREADS": "Threads that TensorFlow uses for one fit, on which the scores "
    "depend a little.",
    "KERAS_BACKEND": "Must be tensorflow where it is set, as skdxa's networks need TensorFlow.",
}

# The name of a choice in a protocol file, if it differs from that of the option.
IN_PROTOCOL = {
    "target": "targets",
    "column": "columns",
    "splits": "n_splits",
    "repeats": "n_repeats",
    "subjects": "n_subjects",
    "seed": "random_state",
    "stack": "stack_folds",
}

# An argument of a function in an error message, and the option of the command.
_AS_OPTIONS = (
    (r"on_error='exclude'", "--exclude-unreadable"),
    (r"labels=\{'Yes': 1, 'No': 0\}", "--label Yes=1 --label No=0"),
    (r"default_spacing_mm=", "--spacing"),
    (r"\bvariable=", "--variable"),
    (r"\bsheet=", "--sheet"),
    (r"\bunit='([^']*)'", r"--unit '\1'"),
    (r"\barray_spacing_mm\b", "--spacing"),
    (r"\bn_jobs=1\b", "--jobs 1"),
    (r"\(n_jobs\)", "(--jobs)"),
)

TableArgument = Annotated[
    Path, typer.Argument(help="Table of scans and labels: CSV, Excel, Parquet.")
]
ModelArgument = Annotated[Path, typer.Argument(help="Model file, as skdxa fit writes it.")]
NewScansArgument = Annotated[
    list[Path], typer.Argument(help="Files, folders, or tables with a column of scans.")
]
TargetOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Column of labels, by the table's name or skdxa's; may be given several times."
    ),
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=COLUMN",
        help="What the table calls a column that skdxa knows by another name, such as age=Age; "
        "may be given several times. skdxa columns lists the names.",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        help="Protocol file (TOML) with choices, such as columns, folds and the primary "
        "comparison; options replace those of the file."
    ),
]
ScanColumnOption = Annotated[str, typer.Option(help="Column of the scans' paths.")]
FolderOption = Annotated[
    Path | None,
    typer.Option(help="Folder that a table's paths are relative to; by default the table's."),
]
SpacingOption = Annotated[
    tuple[float, float] | None,
    typer.Option(help="Height and width in mm of pixels whose size is not stated."),
]
AnonymizeOption = Annotated[
    bool,
    typer.Option(
        "--anonymize",
        help=f"Replace patients and paths by hashes, salted by the variable {_SALT}.",
    ),
]
HeightOption = Annotated[
    int | None, typer.Option(min=1, help="Rows of the crop.", show_default="150")
]
WidthOption = Annotated[
    int | None, typer.Option(min=1, help="Columns of the crop.", show_default="150")
]
SplitsOption = Annotated[
    int | None, typer.Option(min=2, help="Folds; the paper has 10.", show_default="5")
]
ValidationFractionOption = Annotated[
    float | None,
    typer.Option(help="Share of training scans on which the epoch is chosen.", show_default="0.1"),
]
SeedOption = Annotated[
    int | None, typer.Option(help="Seed of simulation, splits and networks.", show_default="0")
]
CheckpointOption = Annotated[
    Path | None, typer.Option(help="Folder of finished splits, to resume after a crash.")
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        help="Processes that read and train; by default one reads, and one per processor trains."
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Scheduler of a dask cluster that trains, such as tcp://node1:8786, or the file that "
        "it has written. Needs skdxa[dask].",
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace the file or folder if it exists.")
]


@dataclass
class Reading:
    """How a table and its scans are read."""

    scans: FolderOption = None
    scan_column: ScanColumnOption = "scan"
    column: ColumnOption = None
    group_column: Annotated[
        str | None, typer.Option(help="Column of the patients, if some have several scans.")
    ] = None
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="Meaning of a word in the target columns, such as Yes=1, No=0, unclear=; "
            "may be given several times."
        ),
    ] = None
    variable: Annotated[
        str | None, typer.Option(help="Name of the scan in MATLAB files and NumPy archives.")
    ] = None
    unit: Annotated[
        str | None, typer.Option(help="What the pixels are: 'g/cm2' or 'grey level'.")
    ] = None
    spacing: SpacingOption = None
    resample_to: Annotated[
        tuple[float, float],
        typer.Option(help="Height and width in mm of the pixels that all scans are resampled to."),
    ] = (1.05, 0.60)
    sheet: Annotated[str | None, typer.Option(help="Sheet of an Excel table.")] = None
    exclude_unreadable: Annotated[
        bool, typer.Option("--exclude-unreadable", help="Leave out scans that cannot be used.")
    ] = False

    def labels_of(self, table, protocol, *, may_lack=False):
        """Return the columns of a table that hold the labels of a protocol."""
        from skdxa.scans import read_table
        from skdxa.study import label_columns

        header = read_table(
            table, text_columns={self.scan_column, self.group_column}, sheet=self.sheet
        ).columns
        return label_columns(protocol, header, may_lack=may_lack)

    def load(self, table, targets, *, width, jobs, anonymize=False, on_error=None):
        """Return the cohort of a table; scans narrower than `width` cannot be used."""
        from skdxa.scans import load_cohort

        if on_error is None:
            on_error = "exclude" if self.exclude_unreadable else "raise"
        return load_cohort(
            table,
            scans=table.parent if self.scans is None else self.scans,
            scan_column=self.scan_column,
            target_columns=list(targets or ()),
            group_column=self.group_column,
            labels=_meanings(self.label),
            variable=self.variable,
            unit=self.unit,
            spacing_mm=self.resample_to,
            default_spacing_mm=self.spacing,
            min_columns=width,
            sheet=self.sheet,
            anonymize=os.environ.get(_SALT, True) if anonymize else False,
            on_error=on_error,
            n_jobs=jobs,
        )


@dataclass
class Training:
    """How the network is trained and cross-validated; options not given come from the protocol."""

    height: HeightOption = None
    width: WidthOption = None
    splits: SplitsOption = None
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Repeats; the paper has 100.", show_default="1")
    ] = None
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs; the paper has 100.", show_default="30")
    ] = None
    validation_fraction: ValidationFractionOption = None
    seed: SeedOption = None


def choices_of(options):
    """Return the options that were given, by the names of a protocol's choices."""
    return {
        IN_PROTOCOL.get(name, name): value for name, value in options.items() if value is not None
    }


def read_protocol(config, options, *, targets=None, column=None):
    """Return the protocol of a file, or the default one, with the options given in its place.

    Parameters
    ----------
    config : Path or None
    options : dict
        Values by the names of options; None where not given.
    targets : sequence of str or None
        In place of the file's.
    column : list of str or None
        As given to ``--column``, in addition to the file's.

    Returns
    -------
    Protocol
        Without a primary comparison, which only a study makes.
    """
    from skdxa.study import Protocol

    changes = {**choices_of(options), "primary": None}
    protocol = Protocol.from_toml(config, **changes) if config else Protocol(**changes)
    return with_columns(protocol, column, targets)


def with_columns(protocol, column, targets=None):
    """Return a protocol with the columns of ``--column`` and targets by skdxa's names.

    Targets may be given by skdxa's names or by those of the table.
    """
    columns = {**protocol.columns, **read_names(column, targets)}
    ours = {theirs: name for name, theirs in columns.items()}
    chosen = targets or protocol.targets
    if chosen is not None:
        chosen = tuple(dict.fromkeys(ours.get(target, target) for target in chosen))
    return protocol.with_changes(columns=columns, targets=chosen)


_INTERVALS = {
    "stability": "Means over the folds, with 95 % stability intervals.",
    "corrected": "Means over the folds, with 95 % intervals by the corrected resampled t.",
    "t": "Means over the folds, with 95 % intervals by Student's t, which are too narrow.",
    "delong": "Pooled scores of the median repeat, with 95 % intervals by DeLong and Wilson.",
    "bootstrap": "Pooled scores of the median repeat, with 95 % intervals by the bootstrap.",
}


def intervals_in_words(interval):
    """Return a sentence on what a table of performance states, and by which interval."""
    return _INTERVALS[interval]


def as_options(message):
    """Return a message with the command's options in place of a function's arguments."""
    for argument, option in _AS_OPTIONS:
        message = re.sub(argument, option, message)
    return message


def check_new(out, overwrite):
    """Refuse to replace a file or folder without --overwrite."""
    if out is not None and out.exists() and not overwrite:
        raise ValueError(f"{out} exists. Choose another name, or give --overwrite.")


def check_writable(out):
    """Refuse a file that cannot be written, before any long computation starts."""
    folder = out.parent
    if not folder.is_dir():
        raise ValueError(f"{out}: its folder does not exist. Make the folder first.")
    if not os.access(folder, os.W_OK):
        raise ValueError(
            f"{out} cannot be written, since its folder does not permit it. Choose another folder."
        )


def training_jobs(jobs, protocol, scheduler=None):
    """Return how many processes train.

    Parameters
    ----------
    jobs : int or None
        As the user has given them; None is as many as the processors have threads for, and
        not more than the fits of a cross-validation.
    protocol : Protocol
    scheduler : str or None, default=None
        A dask cluster, which uses all of its workers.

    Returns
    -------
    n_jobs : int or None
    """
    if jobs is not None or scheduler is not None:
        return jobs
    from joblib import cpu_count

    n_threads = protocol.n_threads or int(os.environ.get("TF_NUM_INTRAOP_THREADS") or 1)
    return max(min(cpu_count() // n_threads, protocol.n_trainings), 1)


@contextmanager
def on_cluster(scheduler):
    """Run the tasks of joblib on the dask cluster of a scheduler, or on this machine without one.

    Parameters
    ----------
    scheduler : str or None
        Address, or the path of the file that ``dask scheduler --scheduler-file`` writes.
    """
    if scheduler is None:
        yield
        return
    from joblib import parallel_config

    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(
            "--scheduler needs dask, which is not installed: pip install 'skdxa[dask]'."
        ) from error
    where = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
    try:
        client = Client(**where, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"--scheduler {scheduler}: no dask scheduler answers there ({error}). Give the "
            "address that it prints when it starts, such as tcp://node1:8786."
        ) from error
    with client, parallel_config(backend="dask", client=client, wait_for_workers_timeout=600):
        yield


@contextmanager
def ending_told():
    """Print what an interrupted run has noted, such as where finished parts are kept."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        for note in getattr(end, "__notes__", ()):
            typer.echo(f"Interrupted. {note}", err=True)
        raise


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
