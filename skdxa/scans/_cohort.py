"""A table and its folder of scans to a cohort."""

import difflib
import io
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skdxa.exceptions import CohortError, ScanError
from skdxa.preprocessing import resample
from skdxa.scan_dtype import ScanArray
from skdxa.scans._read import read_scan
from skdxa.validation import as_patients, check_spacing

_SPACING_COLUMNS = ("row_mm", "column_mm")
_MOST_LISTED = 10
# Without leading zeros, and within 64 bits.
_PLAIN_NUMBER = re.compile("0|[1-9][0-9]{0,17}")


def load_cohort(
    table,
    *,
    scans=".",
    scan_column="scan",
    target_columns,
    group_column=None,
    spacing_mm=(1.05, 0.60),
    on_error="raise",
):
    """Load a table and the scans it names as a cohort.

    Parameters
    ----------
    table : str, path-like or DataFrame
        One row per scan. A file is read as comma-separated UTF-8 text with a header
        line; lines without any entry are skipped. Optional columns ``row_mm`` and
        ``column_mm`` give the height and width of a scan's pixels in mm, which
        override what its file says.
    scans : str or path-like, default="."
        Folder that the paths in `scan_column` are relative to.
    scan_column : str, default="scan"
        Column of the scans' paths. Absolute paths are taken as they are.
    target_columns : str or list of str
        Columns of labels: 0, 1, or empty where unknown.
    group_column : str, default=None
        Column that tells which scans are of one patient. Numbers and texts are read as by
        `skdxa.validation.as_patients`: ``1000``, ``1000.0`` and ``" 1000"`` are one patient,
        ``007`` and ``7`` are two. None: each scan is a patient of its own.
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel, in mm, that all scans are resampled to. The
        default is that of a GE Lunar Prodigy spine scan. Where no scan states a
        spacing and all are plain arrays (NumPy, MATLAB), they are taken to be at this
        one already, and ``DESCR`` says so.
    on_error : {"raise", "exclude"}, default="raise"
        What to do about scans that cannot be used: raise one error that lists
        them, or leave them out and list them in ``excluded``. Errors of the table
        itself are always raised.

    Returns
    -------
    cohort : Bunch
        With the attributes:

        data : DataFrame of n_scans rows
            The table without the targets, numbered from 0. The column ``scan``
            holds the resampled arrays, in place of `scan_column`; its type states their
            spacing, and their unit if it is the same for all.
        target : DataFrame of shape (n_scans, n_targets)
            0.0, 1.0, or NaN where unknown.
        groups : ndarray of shape (n_scans,)
            The patient of each scan.
        spacing_mm : tuple of float
            The spacing of all scans.
        simulated : bool
            False.
        excluded : DataFrame
            One row per scan left out: its line in the table (``row``), its path
            (``scan``), the ``reason``, and its ``kind`` in a few words, for a flow chart.
        DESCR : str
            What the cohort holds, in figures.

    Raises
    ------
    CohortError
        If the table cannot be used (a column is missing, a label is not 0 or 1, a
        scan or a patient is not given, a file is listed twice), if scans cannot be
        used and `on_error` is "raise", or if none is left. Lines are numbered as a
        spreadsheet numbers them: the header is line 1.
    ScanError
        If `spacing_mm` is not a pair of positive numbers.

    See Also
    --------
    read_scan : What is done with each file.

    Notes
    -----
    Nothing but the pixels and their spacing is taken from the scans' files, so a
    cohort knows of a patient what the table says and no more.

    Scans in g/cm2 and scans in grey levels can stand in one cohort, though a
    network may then learn the scanner instead of the disease. ``DESCR`` says how
    many there are of each.

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
    ...     for name in table["scan"]:
    ...         np.save(Path(folder) / name, np.linspace(0, 1.5, 63).reshape(7, 9))
    ...     cohort = load_cohort(
    ...         table, scans=folder, target_columns="scoliosis", group_column="patient"
    ...     )
    >>> cohort.data["scan"][0].shape
    (7, 9)
    >>> print(cohort.DESCR)
    Cohort of 2 scans of 2 patients
    Pixels: 1.05 x 0.6 mm; scans of 7 x 9 pixels
    Unit: g/cm2 (2)
    scoliosis: 1 positive, 1 negative, 0 unknown
    Excluded: 0 of 2 scans
    """
    if on_error not in ("raise", "exclude"):
        raise CohortError(f"on_error must be 'raise' or 'exclude'; got {on_error!r}.")
    spacing_mm = check_spacing(spacing_mm)
    targets = [target_columns] if isinstance(target_columns, str) else list(target_columns)
    table = _read_table(table, {scan_column, group_column})
    _check_columns(table, scan_column, targets, group_column)
    paths = _paths(table[scan_column], Path(scans))
    target = _labels(table[targets])
    if group_column is not None:
        _check_given(table[group_column], "patient")
        table[group_column] = _patients(table[group_column])

    read, excluded = {}, []
    for line, path in paths.items():
        try:
            read[line] = read_scan(path, spacing_mm=_given_spacing(table, line, path))
        except ScanError as error:
            # Other errors are of the spacing that the table gives.
            kind = getattr(error, "reason", "pixel spacing unusable")
            excluded.append((line, table.at[line, scan_column], str(error), kind))
    # A folder of plain arrays is taken to be at the cohort's spacing; a single one among
    # scans that state theirs is more likely a mistake.
    n_assumed = sum(scan.spacing is None for scan in read.values())
    if n_assumed < len(read) or any(scan.source == "DICOM" for scan in read.values()):
        n_assumed = 0
        for line in [line for line, scan in read.items() if scan.spacing is None]:
            del read[line]
            excluded.append(
                (
                    line,
                    table.at[line, scan_column],
                    f"{paths[line]}: the file does not say how large its pixels are. Give their "
                    "height and width in mm in columns 'row_mm' and 'column_mm' of the table.",
                    "pixel spacing unknown",
                )
            )
    excluded.sort()
    kept = list(read)
    pixels = [
        resample(scan.pixels, scan.spacing or spacing_mm, spacing_mm) for scan in read.values()
    ]
    units = [scan.unit for scan in read.values()]
    if excluded and (on_error == "raise" or not kept):
        raise CohortError(_list_excluded(excluded, len(paths), on_error))

    data = table.drop(columns=targets).loc[kept].reset_index(drop=True)
    data = data.rename(columns={scan_column: "scan"})
    unit = units[0] if len(set(units)) == 1 else None
    data["scan"] = pd.Series(ScanArray(pixels, spacing_mm, unit))
    cohort = Bunch(
        data=data,
        target=target.loc[kept].reset_index(drop=True),
        groups=np.arange(len(kept)) if group_column is None else data[group_column].to_numpy(),
        spacing_mm=spacing_mm,
        excluded=pd.DataFrame(excluded, columns=["row", "scan", "reason", "kind"]).astype(
            {"row": int}
        ),
        simulated=False,
    )
    cohort.DESCR = _describe(cohort, units, n_assumed, has_patients=group_column is not None)
    return cohort


def _read_table(table, text_columns):
    """Return the table as a DataFrame whose index is the line, the header being line 1."""
    if isinstance(table, pd.DataFrame):
        source = "the table"
        table = table.set_axis(range(2, len(table) + 2), axis=0)
    elif isinstance(table, str | os.PathLike):
        source = f"the table {table}"
        table = _read_csv(table, text_columns)
    else:
        raise CohortError(
            f"table must be the path of a CSV file or a DataFrame; got {type(table).__name__}."
        )
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise CohortError(f"{source} has two columns named '{twice[0]}'. Rename one.")
    if table.empty:
        raise CohortError(f"{source} has no rows. Give it one row per scan.")
    return table


def _read_csv(path, text_columns):
    try:
        # Blank lines are read too, so that every row knows its line.
        cells = pd.read_csv(Path(path), header=None, dtype=str, skip_blank_lines=False)
    except pd.errors.EmptyDataError as error:
        raise CohortError(f"the table {path} is empty.") from error
    except OSError as error:
        raise CohortError(f"the table {path} cannot be opened ({error.strerror}).") from error
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise CohortError(
            f"the table {path} is not comma-separated UTF-8 text ({str(error).strip()}). Save it "
            "as such, or read it yourself and pass the DataFrame."
        ) from error
    # Spreadsheets leave empty lines and columns behind.
    cells = cells.dropna(how="all").dropna(how="all", axis="columns")
    header, rows = cells.iloc[0], cells.iloc[1:]
    if header.isna().any():
        column = header.isna().to_numpy().nonzero()[0][0] + 1
        raise CohortError(f"the table {path} has no name for column {column} in its header.")
    # The column types can be inferred only now that the blank lines are gone.
    names = header.tolist()
    if rows.empty:
        return pd.DataFrame(columns=names)
    # Paths and patients stay text even where all look like numbers: 01 and 1 are two.
    as_text = {position: str for position, name in enumerate(names) if name in text_columns}
    text = io.StringIO(rows.to_csv(header=False, index=False))
    table = pd.read_csv(text, header=None, dtype=as_text)
    return table.set_axis(names, axis=1).set_axis(rows.index + 1, axis=0)


def _patients(column):
    """Return each patient written in one way, as whole numbers if all are plain numbers."""
    patients = as_patients(column, len(column), name=f"column '{column.name}'")
    if patients.dtype.kind == "U" and all(map(_PLAIN_NUMBER.fullmatch, patients.tolist())):
        return patients.astype(np.int64)
    return patients


def _check_columns(table, scan_column, targets, group_column):
    if not targets:
        raise CohortError("target_columns names no column. Name at least one column of labels.")
    inputs = [scan_column] if group_column is None else [scan_column, group_column]
    for role, names in (("scan", inputs[:1]), ("target", targets), ("group", inputs[1:])):
        for name in names:
            if name not in table.columns:
                raise CohortError(_unknown_column(role, name, table.columns))
    for name in targets:
        if targets.count(name) > 1 or name in inputs:
            raise CohortError(f"column '{name}' has two roles. Give each target column once.")
    if scan_column != "scan" and "scan" in table.columns and "scan" not in targets:
        raise CohortError(
            f"the table has a column 'scan' beside '{scan_column}', which becomes 'scan' in the "
            "cohort. Rename or drop it."
        )
    missing = [name for name in _SPACING_COLUMNS if name not in table.columns]
    if len(missing) == 1:
        raise CohortError(
            f"the table gives one side of the pixels but has no column '{missing[0]}'. "
            "Give both 'row_mm' and 'column_mm', or neither."
        )


def _unknown_column(role, name, columns):
    columns = [str(column) for column in columns]
    near = difflib.get_close_matches(str(name), columns, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    if len(columns) == 1 and ";" in columns[0]:
        hint = " It seems to be separated by semicolons: save it with commas."
    return f"the table has no {role} column '{name}'. Its columns are {', '.join(columns)}.{hint}"


def _check_given(values, what):
    missing = values.index[values.isna() | (values.astype(str).str.strip() == "")]
    if len(missing):
        raise CohortError(
            f"column '{values.name}' names no {what} in {_lines(missing)}. Fill in the {what} or "
            "delete the row."
        )


def _lines(lines):
    listed = ", ".join(str(line) for line in lines[:_MOST_LISTED])
    more = f" and {len(lines) - _MOST_LISTED} more" if len(lines) > _MOST_LISTED else ""
    return f"line{'s' if len(lines) > 1 else ''} {listed}{more}"


def _paths(values, folder):
    """Return the path of each line's scan."""
    _check_given(values, "scan")
    if not folder.is_dir():
        raise CohortError(f"the folder of scans {folder} does not exist.")
    paths = {line: folder / str(value) for line, value in values.items()}
    first_line = {}
    for line, path in paths.items():
        before = first_line.setdefault(path.resolve(), line)
        if before != line:
            raise CohortError(
                f"lines {before} and {line} of the table name the same scan, {values[line]}. "
                "Delete one, or correct its path."
            )
    return paths


def _labels(table):
    """Return the targets as 0.0, 1.0 and NaN."""
    labels = {}
    for name, values in table.items():
        numbers = pd.to_numeric(values.astype(object), errors="coerce").astype(float)
        wrong = values.index[values.notna() & ~numbers.isin([0, 1])]
        if len(wrong):
            raise CohortError(
                f"target column '{name}' must hold 0, 1, or nothing where unknown; it holds "
                f"'{values[wrong[0]]}' in {_lines(wrong[:1])}"
                + (f", and other values in {_lines(wrong[1:])}." if len(wrong) > 1 else ".")
            )
        labels[name] = numbers
    return pd.DataFrame(labels)


def _given_spacing(table, line, path):
    """Return the spacing that the table states for a scan, or None."""
    if not set(_SPACING_COLUMNS) <= set(table.columns):
        return None
    # As objects, the numbers are Python's, which read well in a message.
    spacing_mm = tuple(table[name].astype(object).at[line] for name in _SPACING_COLUMNS)
    if pd.isna(spacing_mm[0]) and pd.isna(spacing_mm[1]):
        return None
    return check_spacing(spacing_mm, name=f"{path}: (row_mm, column_mm)")


def _list_excluded(excluded, n_scans, on_error):
    listed = [f"  line {line}: {reason}" for line, _, reason, _ in excluded[:_MOST_LISTED]]
    if len(excluded) > _MOST_LISTED:
        listed.append(f"  and {len(excluded) - _MOST_LISTED} more")
    advice = (
        "Correct them, or leave them out with on_error='exclude'."
        if on_error == "raise" and len(excluded) < n_scans
        else "No scan is left."
    )
    return "\n".join([f"{len(excluded)} of {n_scans} scans cannot be used:", *listed, advice])


def _describe(cohort, units, n_assumed, *, has_patients):
    n_scans, n_excluded = len(cohort.data), len(cohort.excluded)
    n_patients = len(pd.unique(cohort.groups))
    shapes = np.array([scan.shape for scan in cohort.data["scan"]])
    sides = (
        f"{low}" if low == high else f"{low}-{high}"
        for low, high in zip(shapes.min(axis=0), shapes.max(axis=0), strict=True)
    )
    row_mm, column_mm = cohort.spacing_mm
    lines = [
        f"Cohort of {n_scans} scans"
        + (f" of {n_patients} patients" if has_patients else ", each taken as its own patient"),
        f"Pixels: {row_mm:g} x {column_mm:g} mm; scans of {' x '.join(sides)} pixels",
        *(
            [
                f"The files do not state their spacing; all are taken to be at {row_mm:g} x "
                f"{column_mm:g} mm already"
            ]
            if n_assumed
            else []
        ),
        "Unit: " + ", ".join(f"{unit} ({units.count(unit)})" for unit in sorted(set(units))),
    ]
    for name, labels in cohort.target.items():
        lines.append(
            f"{name}: {(labels == 1).sum()} positive, {(labels == 0).sum()} negative, "
            f"{labels.isna().sum()} unknown"
        )
    lines.append(f"Excluded: {n_excluded} of {n_scans + n_excluded} scans")
    return "\n".join(lines)
