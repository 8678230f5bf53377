"""A table and its folder of scans to a cohort."""

import difflib
import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.utils import Bunch
from tqdm import tqdm

from skdxa.exceptions import CohortError, ScanError
from skdxa.preprocessing import resample
from skdxa.scan_dtype import ScanArray
from skdxa.scans._anonymize import Pseudonyms
from skdxa.scans._file import file_hash
from skdxa.scans._labels import check_meanings, read_labels
from skdxa.scans._lines import MOST_LISTED, list_lines
from skdxa.scans._read import UNITS, read_scan
from skdxa.scans._table import read_table
from skdxa.validation import as_patients, check_spacing, printable

_SPACING_COLUMNS = ("row_mm", "column_mm")
_PLAIN_NUMBER = r"0|[1-9][0-9]{0,17}"  # Without leading zeros, and within 64 bits.
_MANY_EXCLUDED = 0.1


def load_cohort(
    table,
    *,
    scans=".",
    scan_column="scan",
    target_columns=None,
    group_column=None,
    labels=None,
    variable=None,
    unit=None,
    spacing_mm=(1.05, 0.60),
    default_spacing_mm=None,
    min_columns=None,
    sheet=None,
    anonymize=False,
    on_error="raise",
    n_jobs=None,
    progress=True,
):
    """Load a table and the scans it names as a cohort.

    Parameters
    ----------
    table : str, path-like or DataFrame
        One row per scan. A file is CSV as spreadsheets write it (commas, semicolons or tabs;
        decimal points or commas; UTF-8, UTF-16 or Windows-1252), Excel (``.xlsx``) or
        Parquet. Empty lines are skipped. Optional columns ``row_mm`` and ``column_mm`` give
        the height and width of a scan's pixels in mm, which override what its file says.
    scans : str or path-like, default="."
        Folder that the paths in `scan_column` are relative to.
    scan_column : str, default="scan"
        Column of the scans' paths. Absolute paths are taken as they are.
    target_columns : str, list of str or None, default=None
        Columns of labels: 0, 1, or empty where unknown. None loads scans without labels, to
        predict on.
    group_column : str, default=None
        Column that tells which scans are of one patient. Numbers and texts are read as by
        `skdxa.validation.as_patients`: ``1000``, ``1000.0`` and ``" 1000"`` are one patient,
        ``007`` and ``7`` are two. None: each scan is a patient of its own.
    labels : dict, default=None
        What the words in the target columns mean, such as ``{"Yes": 1, "No": 0, "unclear":
        None}``, where None is unknown. Letters' case does not count. Unless a key is a
        number, 0 and 1 keep their meaning.
    variable : str, default=None
        Name of the scan in MATLAB files and NumPy archives, as in `read_scan`.
    unit : {"g/cm2", "grey level"}, default=None
        What the pixels of all scans are, as in `read_scan`.
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel, in mm, that all scans are resampled to. The
        default is that of a GE Lunar Prodigy spine scan.
    default_spacing_mm : tuple of float, default=None
        Height and width of a pixel, in mm, of scans for which neither the table nor the file
        states it. None: where no scan states a spacing and none is DICOM, all are taken to
        be at `spacing_mm` already, and ``DESCR`` says so; otherwise those scans cannot be
        used.
    min_columns : int, default=None
        Fewest columns that a scan must have after resampling, such as the width of
        `skdxa.preprocessing.SpineCropper`; a narrower scan cannot be used.
    sheet : str, default=None
        Sheet of an Excel file; None takes the only one that is not empty.
    anonymize : bool or str, default=False
        Replace patients and paths by salted hashes. A text of at least 8 characters is the
        salt, and the same salt yields the same hashes; True draws one that is not kept.
        Other columns of the table stay as they are: leave out those that identify patients.
    on_error : {"raise", "exclude"}, default="raise"
        What to do about scans that cannot be used: raise one error that lists
        them, or leave them out and list them in ``excluded``. Errors of the table
        itself are always raised, all at once.
    n_jobs : int, default=None
        Processes that read, as in joblib.
    progress : bool, default=True
        Whether to show a progress bar where the standard error is a terminal.

    Returns
    -------
    cohort : Bunch
        With the attributes:

        data : DataFrame of n_scans rows
            The table without the targets, numbered from 0. The column ``scan``
            holds the resampled arrays, in place of `scan_column`; its type states their
            spacing, and their unit if it is the same for all. Later errors about a scan
            name its line and path.
        target : DataFrame of shape (n_scans, n_targets)
            0.0, 1.0, or NaN where unknown.
        groups : ndarray of shape (n_scans,)
            The patient of each scan.
        spacing_mm : tuple of float
            The spacing of all scans.
        simulated : bool
            False.
        sources : DataFrame of n_scans rows
            Where each scan comes from: its line in the table (``row``), ``path``,
            ``format``, ``unit``, ``rows`` and ``columns`` in the file, ``row_mm`` and
            ``column_mm`` there, what states them (``spacing_source``: "table", an element of
            the DICOM header, "default_spacing_mm" or "assumed"), and the file's ``sha256``.
        excluded : DataFrame
            One row per scan left out: its line in the table (``row``), its path
            (``scan``), the ``reason``, its ``kind`` in a few words, for a flow chart, and
            its patient (``group``) if `group_column` is given.
        DESCR : str
            What the cohort holds, in figures.

    Raises
    ------
    CohortError
        If the table cannot be used (a column is missing, a label is unknown, a
        scan or a patient is not given, a file is listed twice), if scans cannot be
        used and `on_error` is "raise", or if none is left. Lines are numbered as a
        spreadsheet numbers them: the header is line 1.
    ScanError
        If `spacing_mm` or `default_spacing_mm` is not a pair of positive numbers, or `unit`
        is unknown.

    Warns
    -----
    UserWarning
        If scans differ in unit, more than a tenth of the scans are left out, files with the
        same content belong to different patients, or a table is not in Unicode.

    See Also
    --------
    read_scan : What is done with each file.

    Notes
    -----
    Nothing but the pixels and their spacing is taken from the scans' files, so a
    cohort knows of a patient what the table says and no more.

    Scans in g/cm2 and scans in grey levels can stand in one cohort, though a
    network may then learn the scanner instead of the disease.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skdxa.scans import load_cohort
    >>> table = pd.DataFrame(
    ...     {"scan": ["a.npy", "b.npy"], "patient": ["p1", "p2"], "scoliosis": [0, 1]}
    ... ).assign(row_mm=1.05, column_mm=0.60)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for density, name in enumerate(table["scan"]):
    ...         np.save(Path(folder) / name, np.full((7, 9), 0.5 + density))
    ...     cohort = load_cohort(
    ...         table, scans=folder, target_columns="scoliosis", group_column="patient"
    ...     )
    >>> cohort.data["scan"][0].shape
    (7, 9)
    >>> print(cohort.DESCR)
    Cohort of 2 scans of 2 patients
    Pixels: 1.05 x 0.6 mm; scans of 7 x 9 pixels
    The spacing is stated by: table (2)
    Unit: g/cm2 (2)
    scoliosis: 1 positive, 1 negative, 0 unknown
    Excluded: 0 of 2 scans
    """
    _check_options(on_error, unit, min_columns)
    spacing_mm = check_spacing(spacing_mm)
    if default_spacing_mm is not None:
        default_spacing_mm = check_spacing(default_spacing_mm, name="default_spacing_mm")
    meanings = check_meanings(labels)
    pseudonyms = Pseudonyms(anonymize)
    targets = [target_columns] if isinstance(target_columns, str) else list(target_columns or ())
    table = read_table(table, text_columns={scan_column, group_column}, sheet=sheet)
    paths, target, groups = _check_table(
        table, Path(scans), scan_column, targets, group_column, meanings
    )
    if groups is not None:
        groups = pseudonyms.of_patients(groups)
        table[group_column] = groups

    shown = {line: pseudonyms.of_path(table.at[line, scan_column]) for line in paths}
    jobs = [
        _Job(
            line,
            path,
            _given_spacing(table, line),
            default_spacing_mm,
            # With its folder, so that a message says where the file was looked for.
            shown[line] if anonymize else printable(path),
        )
        for line, path in paths.items()
    ]
    read = _read_all(
        jobs,
        n_jobs=n_jobs,
        progress=progress,
        spacing_mm=spacing_mm,
        variable=variable,
        unit=unit,
        min_columns=min_columns,
    )
    n_assumed = _settle_unstated(read, spacing_mm)
    kept = [one.line for one in read if one.pixels is not None]
    excluded = pd.DataFrame(
        [
            {"row": one.line, "scan": shown[one.line], "reason": one.fault, "kind": one.kind}
            for one in read
            if one.pixels is None
        ],
        columns=["row", "scan", "reason", "kind"],
    ).astype({"row": int})
    if groups is not None:
        excluded["group"] = groups.loc[excluded["row"]].to_numpy()
    if len(excluded) and (on_error == "raise" or not kept):
        raise CohortError(_list_excluded(excluded, len(paths), on_error), excluded=excluded)

    data = table.drop(columns=targets).loc[kept].reset_index(drop=True)
    data = data.rename(columns={scan_column: "scan"})
    sources = pd.DataFrame([one.facts for one in read if one.pixels is not None])
    sources.insert(0, "row", kept)
    sources.insert(1, "path", [shown[line] for line in kept])
    units = sources["unit"].unique()
    data["scan"] = pd.Series(
        ScanArray(
            [one.pixels for one in read if one.pixels is not None],
            spacing_mm,
            units[0] if len(units) == 1 else None,
            [f"line {line}, {shown[line]}" for line in kept],
        )
    )
    cohort = Bunch(
        data=data,
        target=target.loc[kept].reset_index(drop=True),
        groups=np.arange(len(kept)) if groups is None else groups.loc[kept].to_numpy(),
        spacing_mm=spacing_mm,
        sources=sources,
        excluded=excluded,
        simulated=False,
    )
    cohort.DESCR = _describe(cohort, n_assumed, has_patients=groups is not None)
    _warn(cohort)
    return cohort


def _check_options(on_error, unit, min_columns):
    if on_error not in ("raise", "exclude"):
        raise CohortError(f"on_error must be 'raise' or 'exclude'; got {on_error!r}.")
    if unit is not None and unit not in UNITS:
        raise ScanError(f"unit must be 'g/cm2', 'grey level' or None; got {unit!r}.")
    if min_columns is not None and not (isinstance(min_columns, Integral) and min_columns > 0):
        raise CohortError(f"min_columns must be a positive whole number; got {min_columns!r}.")


@contextmanager
def _collected(problems):
    """Add an error about the table to a list, so that all can be raised together."""
    try:
        yield
    except ValueError as error:
        problems.append(str(error))


def _check_table(table, folder, scan_column, targets, group_column, meanings):
    """Return paths, labels and patients by line, or raise all faults of the table at once."""
    problems, paths, groups = [], None, None
    target = pd.DataFrame(index=table.index)
    missing = _check_columns(table, scan_column, targets, group_column, problems)
    if scan_column not in missing:
        with _collected(problems):
            paths = _paths(table[scan_column], folder)
    for name in dict.fromkeys(targets):
        if name not in missing:
            with _collected(problems):
                target[name] = read_labels(table[name], meanings)
    if group_column is not None and group_column not in missing:
        with _collected(problems):
            groups = _patients(table[group_column])
    if len(problems) == 1:
        raise CohortError(problems[0])
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise CohortError(f"the table has {len(problems)} faults:\n{listed}")
    return paths, target, groups


def _check_columns(table, scan_column, targets, group_column, problems):
    """Add faults of the columns to a list, and return the names of those that are missing."""
    inputs = [scan_column] if group_column is None else [scan_column, group_column]
    missing = []
    for role, names in (("scan", inputs[:1]), ("target", targets), ("group", inputs[1:])):
        for name in dict.fromkeys(names):
            if name not in table.columns:
                missing.append(name)
                problems.append(_unknown_column(role, name, table.columns))
    for name in dict.fromkeys(targets):
        if targets.count(name) > 1 or name in inputs:
            problems.append(f"column '{name}' has two roles. Name each target column once.")
    if scan_column != "scan" and "scan" in table.columns and "scan" not in targets:
        problems.append(
            f"the table has a column 'scan' beside '{scan_column}', which becomes 'scan' in the "
            "cohort. Rename or drop it."
        )
    without = [name for name in _SPACING_COLUMNS if name not in table.columns]
    if len(without) == 1:
        problems.append(
            f"the table gives one side of the pixels but has no column '{without[0]}'. "
            "Both 'row_mm' and 'column_mm' are needed, or neither."
        )
    return missing


def _unknown_column(role, name, columns):
    columns = [str(column) for column in columns]
    near = difflib.get_close_matches(str(name), columns, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"the table has no {role} column '{name}'. Its columns are {', '.join(columns)}.{hint}"


def _check_given(values, what):
    missing = values.index[values.isna() | (values.astype(str).str.strip() == "")]
    if len(missing):
        raise CohortError(
            f"column '{values.name}' names no {what} in {list_lines(missing)}. Fill in the {what} "
            "or delete the row."
        )


def _patients(column):
    """Return each patient written in one way, as whole numbers if all are plain numbers."""
    _check_given(column, "patient")
    patients = as_patients(column, len(column), name=f"column '{column.name}'")
    patients = pd.Series(patients, index=column.index, name=column.name)
    if patients.dtype.kind not in "iu" and patients.str.fullmatch(_PLAIN_NUMBER).all():
        return patients.astype(np.int64)
    return patients


def _paths(values, folder):
    """Return the path of each line's scan."""
    _check_given(values, "scan")
    if not folder.is_dir():
        raise CohortError(f"the folder of scans {printable(folder)} does not exist.")
    paths = {line: str(folder / str(value)) for line, value in values.items()}
    first_line = {}
    for line, path in paths.items():
        before = first_line.setdefault(_real_path(path), line)
        if before != line:
            raise CohortError(
                f"lines {before} and {line} of the table name the same scan, {values[line]}. "
                "Delete one, or correct its path."
            )
    return paths


def _real_path(path):
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path  # No file can be there; reading it says why.


def _given_spacing(table, line):
    """Return the spacing that the table states for a scan, or None."""
    if not set(_SPACING_COLUMNS) <= set(table.columns):
        return None
    # As objects, the numbers are Python's, which read well in a message.
    spacing_mm = tuple(table[name].astype(object).at[line] for name in _SPACING_COLUMNS)
    return None if all(map(pd.isna, spacing_mm)) else spacing_mm


@dataclass(frozen=True)
class _Job:
    """One scan to read."""

    line: int
    path: str
    given_mm: tuple | None
    default_mm: tuple | None
    shown: str


@dataclass
class _Read:
    """One scan that was read, or why it cannot be used."""

    line: int
    shown: str
    pixels: np.ndarray | None = None
    facts: dict | None = None
    fault: str | None = None
    kind: str | None = None

    def refuse(self, fault, kind):
        self.pixels, self.fault, self.kind = None, f"{self.shown}: {fault}", kind
        return self


def _read_all(jobs, *, n_jobs, progress, **options):
    """Return what was read for each job, in their order."""
    if n_jobs in (None, 1):
        done = (_read_one(job, **options) for job in jobs)
    else:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator")
        done = parallel(delayed(_read_one)(job, **options) for job in jobs)
    # None: only where the standard error is a terminal.
    return list(tqdm(done, total=len(jobs), desc="Reading", disable=None if progress else True))


def _read_one(job, *, spacing_mm, variable, unit, min_columns):
    read = _Read(job.line, job.shown)
    try:
        given_mm = job.given_mm and check_spacing(job.given_mm, name="(row_mm, column_mm)")
        scan = read_scan(job.path, spacing_mm=given_mm, unit=unit, variable=variable)
        native_mm = scan.spacing or job.default_mm
        read.facts = {
            "format": scan.source,
            "unit": scan.unit,
            "rows": scan.pixels.shape[0],
            "columns": scan.pixels.shape[1],
            "row_mm": native_mm and native_mm[0],
            "column_mm": native_mm and native_mm[1],
            "spacing_source": _spacing_source(given_mm, scan, job),
            "sha256": file_hash(job.path),
        }
        read.pixels = scan.pixels
        # At once, since the scan as read is often many times as large.
        if native_mm:
            read.pixels = resample(scan.pixels, native_mm, spacing_mm)
    except ScanError as error:
        # Other errors are of the spacing that the table or the file states.
        kind = getattr(error, "reason", "pixel spacing unusable")
        message = str(error).removeprefix(f"{printable(job.path)}: ")
        return read.refuse(message, kind)
    n_columns = read.pixels.shape[1]
    if min_columns is not None and n_columns < min_columns:
        row_mm, column_mm = spacing_mm
        return read.refuse(
            f"the scan has {n_columns} columns at {row_mm:g} x {column_mm:g} mm, "
            f"fewer than the {min_columns} needed. Leave it out, or choose a smaller width.",
            "too narrow",
        )
    return read


def _spacing_source(given_mm, scan, job):
    if given_mm:
        return "table"
    if scan.spacing:
        return scan.spacing_source
    return "default_spacing_mm" if job.default_mm else None


def _settle_unstated(read, spacing_mm):
    """Decide about scans of unknown spacing; return how many are taken to be at the cohort's.

    A folder of plain arrays is taken to be at the cohort's spacing; a single one among scans
    that state theirs is more likely a mistake.
    """
    found = [one for one in read if one.pixels is not None]
    unstated = [one for one in found if one.facts["row_mm"] is None]
    if len(unstated) == len(found) and not any(one.facts["format"] == "DICOM" for one in found):
        for one in unstated:
            row_mm, column_mm = spacing_mm
            one.facts.update(row_mm=row_mm, column_mm=column_mm, spacing_source="assumed")
        return len(unstated)
    for one in unstated:
        one.refuse(
            "the file does not say how large its pixels are. State their height and width in mm "
            "in columns 'row_mm' and 'column_mm' of the table, or for all such files with "
            "default_spacing_mm=.",
            "pixel spacing unknown",
        )
    return 0


def _list_excluded(excluded, n_scans, on_error):
    listed = [f"  line {one.row}: {one.reason}" for one in excluded.head(MOST_LISTED).itertuples()]
    if len(excluded) > MOST_LISTED:
        listed.append(f"  and {len(excluded) - MOST_LISTED} more")
    advice = (
        "Correct them, or leave them out with on_error='exclude'."
        if on_error == "raise" and len(excluded) < n_scans
        else "No scan is left."
    )
    return "\n".join([f"{len(excluded)} of {n_scans} scans cannot be used:", *listed, advice])


def _warn(cohort):
    """Warn of what a study should know before it begins."""
    sources, n_excluded = cohort.sources, len(cohort.excluded)
    n_listed = len(sources) + n_excluded
    if sources["unit"].nunique() > 1:
        counts = ", ".join(f"{n} in {unit}" for unit, n in sources["unit"].value_counts().items())
        warnings.warn(
            f"the scans differ in unit: {counts}. A network may learn the scanner in place of "
            "the disease. Export all in one unit, or study them apart.",
            UserWarning,
            stacklevel=3,
        )
    if n_excluded > _MANY_EXCLUDED * n_listed:
        kinds = ", ".join(
            f"{n} x {kind}" for kind, n in cohort.excluded["kind"].value_counts().items()
        )
        warnings.warn(
            f"{n_excluded} of {n_listed} scans are left out ({kinds}). Those kept may not "
            "stand for all: look at what is left out.",
            UserWarning,
            stacklevel=3,
        )
    same = sources.assign(group=cohort.groups)[sources["sha256"].duplicated(keep=False)]
    copies = [
        f"lines {', '.join(map(str, rows['row']))}"
        for _, rows in same.groupby("sha256", sort=False)
        if rows["group"].nunique() > 1
    ]
    if copies:
        more = f" and {len(copies) - MOST_LISTED} more" if len(copies) > MOST_LISTED else ""
        warnings.warn(
            f"files of the same content belong to different patients: "
            f"{'; '.join(copies[:MOST_LISTED])}{more}. One scan in two folds makes scores too "
            "high: correct the paths or the patients.",
            UserWarning,
            stacklevel=3,
        )


def _describe(cohort, n_assumed, *, has_patients):
    n_scans, n_excluded = len(cohort.data), len(cohort.excluded)
    n_patients = len(pd.unique(cohort.groups))
    shapes = np.array([scan.shape for scan in cohort.data["scan"]])
    sides = (
        f"{low}" if low == high else f"{low}-{high}"
        for low, high in zip(shapes.min(axis=0), shapes.max(axis=0), strict=True)
    )
    row_mm, column_mm = cohort.spacing_mm
    spacing = f"The spacing is stated by: {_counted(cohort.sources['spacing_source'])}"
    if n_assumed:
        spacing = (
            f"The files do not state their spacing; all are taken to be at {row_mm:g} x "
            f"{column_mm:g} mm already"
        )
    elif (cohort.sources["spacing_source"] == "ImagerPixelSpacing").any():
        spacing += "; ImagerPixelSpacing is at the detector, so lengths are too large"
    lines = [
        f"Cohort of {n_scans} scans"
        + (f" of {n_patients} patients" if has_patients else ", each taken as its own patient"),
        f"Pixels: {row_mm:g} x {column_mm:g} mm; scans of {' x '.join(sides)} pixels",
        spacing,
        f"Unit: {_counted(cohort.sources['unit'])}",
    ]
    for name, labels in cohort.target.items():
        lines.append(
            f"{name}: {(labels == 1).sum()} positive, {(labels == 0).sum()} negative, "
            f"{labels.isna().sum()} unknown"
        )
    lines.append(f"Excluded: {n_excluded} of {n_scans + n_excluded} scans")
    return "\n".join(lines)


def _counted(values):
    counts = values.value_counts().sort_index()
    return ", ".join(f"{value} ({n})" for value, n in counts.items())
