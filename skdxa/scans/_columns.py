"""The columns of a cohort's table: paths, labels, patients and spacings."""

import difflib
import os
from contextlib import contextmanager

import numpy as np
import pandas as pd

from skdxa.exceptions import CohortError
from skdxa.scans._labels import read_labels
from skdxa.scans._rows import MOST_LISTED, list_rows
from skdxa.validation import as_patients, in_stored_form, printable

_SPACING_COLUMNS = ("row_mm", "column_mm")
_PLAIN_NUMBER = r"0|[1-9][0-9]{0,17}"  # Without leading zeros, and within 64 bits.


def check_table(table, folder, scan_column, targets, group_column, meanings):
    """Return paths, labels and patients by row, or raise all faults of the table at once."""
    problems, paths, groups = [], None, None
    target = pd.DataFrame(index=table.index)
    missing = _check_columns(table, scan_column, targets, group_column, problems)
    if scan_column not in missing:
        paths = _paths(table[scan_column], folder, problems)
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


def given_spacing(table, row):
    """Return the pixel spacing that a table states for a scan.

    Parameters
    ----------
    table : DataFrame
        With columns ``row_mm`` and ``column_mm``, or without.
    row : object
        Index label of the scan's row, as of `read_table`.

    Returns
    -------
    spacing_mm : tuple of float or None
        Height and width of a pixel, in mm, which override what the scan's file states. One of
        them is NaN where the table gives the other alone; None without both columns, or where
        both cells are empty.

    Raises
    ------
    CohortError
        If the table has one of the two columns alone.

    See Also
    --------
    load_cohort : Read a table with its scans.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.scans import given_spacing
    >>> table = pd.DataFrame({"scan": ["a.npy", "b.npy"], "row_mm": [1.05, None]})
    >>> table["column_mm"] = [0.6, None]
    >>> given_spacing(table, 0)
    (1.05, 0.6)
    >>> given_spacing(table, 1) is None
    True
    """
    if not _has_spacing(table):
        return None
    # Convert to Python numbers, whose repr is short in messages.
    spacing_mm = tuple(table[name].astype(object).at[row] for name in _SPACING_COLUMNS)
    return None if all(map(pd.isna, spacing_mm)) else spacing_mm


@contextmanager
def _collected(problems):
    """Add an error about the table to a list, so that all can be raised together."""
    try:
        yield
    except ValueError as error:
        problems.append(str(error))


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
            f"the table has a column 'scan' in addition to '{scan_column}', which becomes 'scan' "
            "in the cohort. Rename or drop it."
        )
    with _collected(problems):
        _has_spacing(table)
    return missing


def _has_spacing(table):
    """Return whether a table states spacings; raise an error if it states one side alone."""
    without = [name for name in _SPACING_COLUMNS if name not in table.columns]
    if len(without) == 1:
        raise CohortError(
            f"the table gives one side of the pixels but has no column '{without[0]}'. "
            "Both 'row_mm' and 'column_mm' are needed, or neither."
        )
    return not without


def _unknown_column(role, name, columns):
    columns = [str(column) for column in columns]
    near = difflib.get_close_matches(str(name), columns, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"the table has no {role} column '{name}'. Its columns are {', '.join(columns)}.{hint}"


def _is_missing(values):
    return values.isna() | (values.astype(str).str.strip() == "")


def _check_given(values, what):
    missing = values.index[_is_missing(values)]
    if len(missing):
        raise CohortError(
            f"column '{values.name}' names no {what} in {list_rows(missing)}. Fill in the {what} "
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


def _paths(values, folder, problems):
    """Return the path of each row's scan, and add faults to a list."""
    with _collected(problems):
        _check_given(values, "scan")
    if not folder.is_dir():
        problems.append(f"the folder of scans {printable(folder)} does not exist.")
    given = values[~_is_missing(values)]
    paths = {row: str(folder / str(value)) for row, value in given.items()}
    first_row, twice = {}, []
    for row, path in paths.items():
        before = first_row.setdefault(_real_path(path), row)
        if before != row:
            twice.append(
                f"rows {before} and {row} of the table name the same scan, "
                f"{printable(str(values[row]))}. Delete one, or correct its path."
            )
    problems += twice[:MOST_LISTED]
    if len(twice) > MOST_LISTED:
        problems.append(f"{len(twice) - MOST_LISTED} more rows name a scan of another row.")
    return paths


def _real_path(path):
    try:
        return os.path.realpath(in_stored_form(path))
    except (OSError, ValueError):
        return path  # No file can have this path; the error of reading states why.
