"""What this package accepts as scans and as pixel spacing."""

from numbers import Real

import numpy as np
import pandas as pd

from skdxa.exceptions import ScanError


def check_scan(scan, *, name="scan"):
    """Give one scan as a 2-D float64 array, or raise a `ScanError`."""
    try:
        pixels = np.asarray(scan, dtype=float)
    except (TypeError, ValueError):
        pixels = np.empty(0)
    if pixels.ndim != 2 or pixels.size == 0:
        kind = type(scan).__name__
        if isinstance(scan, np.ndarray):
            kind = f"array of shape {scan.shape} and type {scan.dtype}"
        raise ScanError(
            f"{name} must be a two-dimensional array of numbers (rows, columns); it is: {kind}."
        )
    if np.isinf(pixels).any():
        raise ScanError(f"{name} holds infinite pixels; set those not scanned to NaN.")
    return pixels


def check_spacing(spacing_mm):
    """Give a pixel spacing as two positive floats (row_mm, column_mm), or raise a `ScanError`."""
    try:
        row_mm, column_mm = (float(length) for length in spacing_mm)
    except (TypeError, ValueError):
        row_mm = column_mm = np.nan
    if not (0 < row_mm < np.inf and 0 < column_mm < np.inf):
        raise ScanError(
            "spacing_mm must be two positive numbers, the height and the width of a pixel in "
            f"mm; got {spacing_mm!r}."
        )
    return row_mm, column_mm


def list_scans(X, *, column):
    """List the scans of a DataFrame's column, list, Series, object array or stack.

    Returns
    -------
    names : list of str
        What an error message calls each scan: its index label or its position.
    scans : list
        As they came.
    """
    if isinstance(X, pd.DataFrame):
        if column not in X.columns:
            raise ScanError(
                f"The table has no column {column!r}; its columns are {list(X.columns)}."
            )
        X = X[column]
    many = isinstance(X, pd.Series | list | tuple) or (
        isinstance(X, np.ndarray) and (X.ndim == 3 or (X.ndim == 1 and X.dtype == object))
    )
    if not many:
        hint = " Put a single scan into a list." if getattr(X, "ndim", 0) == 2 else ""
        raise ScanError(
            "X must be a DataFrame with a column of scans, a list, Series or object array of "
            f"two-dimensional arrays, or a stack (scans, rows, columns).{hint}"
        )
    if len(X) == 0:
        raise ScanError("X holds no scans.")
    if isinstance(X, pd.Series):
        names = [f"The {X.name or column} of row {label!r}" for label in X.index]
    else:
        names = [f"Scan {position}" for position in range(len(X))]
    scans = list(X)
    for name, scan in zip(names, scans, strict=True):
        if scan is None or scan is pd.NA or (isinstance(scan, Real) and scan != scan):
            raise ScanError(f"{name} is missing (it is {scan!r}). Leave this row out.")
    return names, scans
