"""What counts as a scan, and as a collection of scans."""

from numbers import Real

import numpy as np
import pandas as pd

from skdxa.exceptions import ScanError

_KINDS = (
    "a DataFrame with a column of scans, a list, Series or object array of two-dimensional "
    "arrays, or a stack (scans, rows, columns)"
)


def check_scan(scan, *, name="scan"):
    """Give one scan as a 2-D float32 array, or raise a `ScanError`.

    Parameters
    ----------
    scan : array-like of shape (n_rows, n_columns)
        Pixels; NaN where the scanner did not scan.
    name : str, default="scan"
        What an error message calls the scan.

    Returns
    -------
    scan : ndarray of shape (n_rows, n_columns), dtype float32
        The same memory if `scan` already was such an array.
    """
    try:
        # A number too large for float32 becomes infinite, which is reported below.
        with np.errstate(over="ignore"):
            pixels = np.asarray(scan, dtype=np.float32)
    except (TypeError, ValueError):
        pixels = None
    if pixels is None or pixels.ndim != 2:
        raise ScanError(
            f"{name} must be a two-dimensional array of numbers (rows, columns); "
            f"it is {_describe(scan)}."
        )
    if pixels.size == 0:
        raise ScanError(f"{name} has no pixels: its shape is {pixels.shape}.")
    finite = np.isfinite(pixels)
    if finite.all():
        return pixels
    if np.isinf(pixels).any():
        raise ScanError(
            f"{name} holds infinite pixels; correct them, or set those that "
            "were not scanned to NaN."
        )
    if not finite.any():
        raise ScanError(f"{name} holds no scanned pixel: all are NaN. Leave this scan out.")
    return pixels


def check_spacing(spacing_mm, *, name="spacing_mm"):
    """Give a pixel spacing as two positive floats (row_mm, column_mm), or raise a `ScanError`."""
    try:
        row_mm, column_mm = (float(length) for length in spacing_mm)
    except (TypeError, ValueError):
        row_mm = column_mm = np.nan
    if not (0 < row_mm < np.inf and 0 < column_mm < np.inf):
        raise ScanError(
            f"{name} must be two positive numbers, the height and the width of a pixel in mm; "
            f"got {spacing_mm!r}."
        )
    return row_mm, column_mm


def as_scans(X, *, column="scan"):
    """Give any accepted collection of scans as a list of 2-D float32 arrays.

    Parameters
    ----------
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans. Those of a list, Series, object array or DataFrame column may differ
        in size.
    column : str, default="scan"
        The column of a DataFrame that holds the scans.

    Returns
    -------
    scans : list of ndarray of shape (n_rows, n_columns), dtype float32
        In the order of `X`; memory is shared where no conversion was needed.

    Raises
    ------
    ScanError
        If `X` is of another kind, is empty, or a scan is missing or unusable. The
        message names the scan: by its index label in a DataFrame or Series, by its
        position otherwise.
    """
    if isinstance(X, pd.DataFrame):
        if column not in X.columns:
            raise ScanError(
                f"The table has no column {column!r} to take the scans from; its columns are "
                f"{list(X.columns)}."
            )
        X = X[column]
    is_stack = isinstance(X, np.ndarray) and X.ndim == 3
    is_object_array = isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype == object
    if not (is_stack or is_object_array or isinstance(X, pd.Series | list | tuple)):
        hint = " Put a single scan into a list." if getattr(X, "ndim", 0) == 2 else ""
        raise ScanError(f"X must be {_KINDS}; it is {_describe(X)}.{hint}")
    if len(X) == 0:
        raise ScanError("X holds no scans.")
    names = scan_names(X)
    for name, scan in zip(names, X, strict=True):
        if _is_missing(scan):
            raise ScanError(f"{name} is missing (it is {scan!r}). Leave this row out.")
    return [check_scan(scan, name=name) for name, scan in zip(names, X, strict=True)]


def scan_names(X):
    """Say what an error message calls each scan of a collection: its index label or position."""
    if isinstance(X, pd.DataFrame | pd.Series):
        return [f"The scan of row {label!r}" for label in X.index]
    return [f"Scan {position}" for position in range(len(X))]


def like_input(scans, X, *, column="scan"):
    """Put processed scans into the kind of collection they came in.

    Parameters
    ----------
    scans : list of ndarray of shape (n_rows, n_columns)
        One result for every scan of `X`.
    X : DataFrame, Series, list, tuple or ndarray
        What `as_scans` accepted.
    column : str, default="scan"
        The column of a DataFrame that holds the scans.

    Returns
    -------
    collection : DataFrame, Series, list or ndarray
        A DataFrame keeps its other columns; a stack stays a stack.
    """
    if isinstance(X, pd.DataFrame):
        return X.assign(**{column: as_series(scans, X.index)})
    if isinstance(X, pd.Series):
        return as_series(scans, X.index).rename(X.name)
    if isinstance(X, np.ndarray):
        return np.stack(scans) if X.ndim == 3 else as_series(scans, None).to_numpy()
    return scans


def as_series(scans, index):
    """Give scans as a Series of arrays, also where all have one shape."""
    column = np.empty(len(scans), dtype=object)
    for position, scan in enumerate(scans):
        column[position] = scan
    return pd.Series(column, index=index)


def _is_missing(value):
    return value is None or value is pd.NA or (isinstance(value, Real) and value != value)


def _describe(value):
    """Say what a value is, in the words of an error message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    if isinstance(value, str):
        return f"the text {value!r}"
    return f"a {type(value).__name__}"
