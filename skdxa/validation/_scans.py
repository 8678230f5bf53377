"""Checks of scans, images, spacings and collections of scans."""

from numbers import Real

import numpy as np
import pandas as pd

from skdxa.exceptions import ScanError
from skdxa.scan_dtype import ScanArray, ScanDtype
from skdxa.validation._masked import fill_masked

_KINDS = (
    "a DataFrame with a column of scans, a list, Series or object array of two-dimensional "
    "arrays, or a stack (scans, rows, columns)"
)


def check_image(image, *, name="image", dtype=np.float32):
    """Return an image as a non-empty 2-D float array without infinite pixels.

    Parameters
    ----------
    image : array-like of shape (n_rows, n_columns)
        Pixels; NaN and masked pixels are allowed everywhere.
    name : str, default="image"
        How an error message names the image.
    dtype : dtype, default=numpy.float32
        Floating-point type of the result.

    Returns
    -------
    image : ndarray of shape (n_rows, n_columns)
        The same memory if `image` already was such an array.

    Raises
    ------
    ScanError
        If the image is of another kind or shape, is empty or holds infinite pixels.

    Examples
    --------
    >>> from skdxa.validation import check_image
    >>> check_image([[1, 2, 3], [4, 5, None]])
    array([[ 1.,  2.,  3.],
           [ 4.,  5., nan]], dtype=float32)
    """
    try:
        # A number too large for float32 becomes infinite, which is reported below.
        with np.errstate(over="ignore"):
            pixels = np.asarray(fill_masked(image), dtype=dtype)
    except (TypeError, ValueError):
        pixels = None
    if pixels is None or pixels.ndim != 2:
        raise ScanError(
            f"{name} must be a two-dimensional array of numbers (rows, columns); "
            f"it is {_describe(image)}."
        )
    if pixels.size == 0:
        raise ScanError(f"{name} has no pixels: its shape is {pixels.shape}.")
    if np.isinf(pixels).any():
        raise ScanError(
            f"{name} holds infinite pixels; correct them, or set those that "
            "were not scanned to NaN."
        )
    return pixels


def check_scan(scan, *, name="scan", dtype=np.float32):
    """Return a scan as a 2-D float array with at least one scanned pixel.

    Parameters
    ----------
    scan : array-like of shape (n_rows, n_columns)
        Pixels; NaN, or masked, where the scanner did not scan.
    name : str, default="scan"
        How an error message names the scan.
    dtype : dtype, default=numpy.float32
        Floating-point type of the result.

    Returns
    -------
    scan : ndarray of shape (n_rows, n_columns)
        The same memory if `scan` already was such an array.

    Raises
    ------
    ScanError
        As for `check_image`, or if all pixels are NaN.

    Examples
    --------
    >>> from skdxa.validation import check_scan
    >>> check_scan([[float("nan")] * 3] * 2, name="Scan 7")
    Traceback (most recent call last):
    ...
    skdxa.exceptions.ScanError: Scan 7 holds no scanned pixel: all are NaN. Leave this scan out.
    """
    pixels = check_image(scan, name=name, dtype=dtype)
    if np.isnan(pixels).all():
        raise ScanError(f"{name} holds no scanned pixel: all are NaN. Leave this scan out.")
    return pixels


def check_spacing(spacing_mm, *, name="spacing_mm"):
    """Return a pixel spacing as two positive floats.

    Parameters
    ----------
    spacing_mm : tuple of float
        Height and width of a pixel in mm.
    name : str, default="spacing_mm"
        How an error message names the spacing.

    Returns
    -------
    spacing_mm : tuple of float
        Height and width of a pixel in mm.

    Raises
    ------
    ScanError
        If `spacing_mm` is anything but two positive finite numbers.

    Examples
    --------
    >>> from skdxa.validation import check_spacing
    >>> check_spacing([1.05, "0.6"])
    (1.05, 0.6)
    """
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


def as_scans(X, *, column="scan", dtype=np.float32, check=check_scan):
    """Return any accepted collection of scans as a list of 2-D float arrays.

    Parameters
    ----------
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans. Those of a list, Series, object array or DataFrame column may differ
        in size.
    column : str, default="scan"
        The column of a DataFrame that holds the scans.
    dtype : dtype, default=numpy.float32
        Floating-point type of the result.
    check : callable, default=check_scan
        What each scan must be: `check_scan`, or `check_image` for images of labels.

    Returns
    -------
    scans : list of ndarray of shape (n_rows, n_columns)
        In the order of `X`; memory is shared where no conversion was needed.

    Raises
    ------
    ScanError
        If `X` is of another kind, is empty, or a scan is missing or unusable. The
        message names the scan: by its index label in a DataFrame or Series, by its
        position otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.validation import as_scans
    >>> [scan.shape for scan in as_scans([np.ones((7, 9)), np.ones((6, 8))])]
    [(7, 9), (6, 8)]
    """
    X = _collection(X, column)
    if len(X) == 0:
        raise ScanError("X holds no scans.")
    names = scan_names(X, column=column)
    for name, scan in zip(names, X, strict=True):
        if _is_missing(scan):
            raise ScanError(f"{name} is missing (it is {scan!r}). Leave this row out.")
    return [
        check(getattr(scan, "pixels", scan), name=name, dtype=dtype)
        for name, scan in zip(names, X, strict=True)
    ]


def as_stack(X, *, column="scan", shape=None):
    """Return images of one shape and without NaN as one array.

    Parameters
    ----------
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The images, such as crops.
    column : str, default="scan"
        The column of a DataFrame that holds the images.
    shape : tuple of int, default=None
        Rows and columns that each image must have; by default those of the first.

    Returns
    -------
    stack : ndarray of shape (n_images, n_rows, n_columns), dtype float32
        `X` itself where it is such an array.

    Raises
    ------
    ScanError
        If an image cannot be used, has another shape, or holds NaN; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.validation import as_stack
    >>> as_stack([np.zeros((7, 9)), np.ones((7, 9))]).shape
    (2, 7, 9)
    """
    # The array itself, where it is a stack; the mask of a masked array becomes NaN below.
    is_stack = type(X) in (np.ndarray, np.memmap) and X.ndim == 3 and X.dtype == np.float32
    if is_stack and X.size and shape in (None, X.shape[1:]) and np.isfinite(X).all():
        return X
    images = as_scans(X, column=column)
    names = scan_names(X, column=column)
    expected = "the first scan's" if shape is None else "that of the scans in fit,"
    shape = images[0].shape if shape is None else shape
    for name, image in zip(names, images, strict=True):
        if image.shape != shape:
            raise ScanError(
                f"{name} has shape {image.shape}, not {expected} {shape}. Crop all scans "
                "to one shape, for example with SpineCropper."
            )
    stack = np.stack(images)
    finite = np.isfinite(stack).all(axis=(1, 2))
    if not finite.all():
        raise ScanError(
            f"{names[int(np.argmin(finite))]} holds NaN pixels. SpineCropper fills what the "
            "scanner did not scan."
        )
    return stack


def _collection(X, column):
    """Return the scans of a table, or the collection itself if it is one of scans."""
    if isinstance(X, pd.DataFrame):
        if column not in X.columns:
            raise ScanError(
                f"The table has no column {column!r} to take the scans from; its columns are "
                f"{list(X.columns)}."
            )
        return X[column]
    if type(X).__module__.partition(".")[0] == "polars":
        raise ScanError(
            f"X is a polars {type(X).__name__}, which skdxa does not read. Pass X.to_pandas()."
        )
    if isinstance(X, pd.Series | list | tuple):
        return X
    if isinstance(X, np.ndarray):
        # scikit-learn makes a table of one column from a list in some meta-estimators.
        if X.dtype == object and X.ndim == 2 and X.shape[1] == 1:
            return X[:, 0]
        if X.ndim == 3 or (X.ndim == 1 and X.dtype == object):
            return X
    hint = ""
    if isinstance(X, np.ndarray) and X.ndim == 2:
        hint = " Put a single scan into a list."
        if X.dtype == object:
            hint = " Pass the DataFrame itself, which names its columns."
    elif isinstance(X, np.ndarray) and X.ndim == 4 and X.shape[-1] == 1:
        hint = " Leave out the last axis: X[..., 0]."
    raise ScanError(f"X must be {_KINDS}; it is {_describe(X)}.{hint}")


def scan_dtype_of(X, *, column="scan"):
    """Return the pixel spacing and unit that a collection of scans states.

    Parameters
    ----------
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans. A column of type `ScanDtype`, as cohorts have, and the `Scan` objects of
        `skdxa.scans.read_scan` state spacing and unit; plain arrays do not.
    column : str, default="scan"
        The column of a DataFrame that holds the scans.

    Returns
    -------
    dtype : ScanDtype or None
        None where the scans are plain arrays.

    Raises
    ------
    ScanError
        If the scans differ in spacing or unit; the message names the first that differs.

    Examples
    --------
    >>> from skdxa.simulation import make_spine_cohort
    >>> from skdxa.validation import scan_dtype_of
    >>> scan_dtype_of(make_spine_cohort(2, random_state=0).data)
    scan[1.05 x 0.6 mm, g/cm2]
    """
    X = _collection(X, column)
    dtype = getattr(X, "dtype", None)
    if isinstance(dtype, ScanDtype):
        return dtype
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return None
    stated = [
        ScanDtype(scan.spacing, scan.unit) if hasattr(scan, "pixels") else None for scan in X
    ]
    for name, one in zip(scan_names(X, column=column), stated, strict=True):
        if one != stated[0]:
            raise ScanError(
                f"{name} is of type {one or 'plain array'}, the first scan of type "
                f"{stated[0] or 'plain array'}. Bring all scans to one spacing and one unit; "
                "skdxa.scans.load_cohort does so."
            )
    return stated[0]


def scan_names(X, *, column="scan"):
    """Return how an error message names each scan of a collection.

    Parameters
    ----------
    X : DataFrame, Series, list, tuple or ndarray
        The scans.
    column : str, default="scan"
        The column of a DataFrame that holds the scans.

    Returns
    -------
    names : list of str
        One name per scan, with its index label in a DataFrame or Series and its position
        otherwise; where a column of type `ScanDtype` states the file, with that as well.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.validation import scan_names
    >>> scan_names(pd.DataFrame({"scan": [None, None]}, index=["P1", "P2"]))
    ["The scan at index 'P1'", "The scan at index 'P2'"]
    """
    if isinstance(X, pd.Series):
        column = X.name or column
    if isinstance(X, pd.DataFrame | pd.Series):
        scans = X[column] if isinstance(X, pd.DataFrame) and column in X.columns else X
        files = getattr(scans.array, "names", None) if isinstance(scans, pd.Series) else None
        files = [None] * len(X) if files is None else files
        return [
            f"The {column} at index {label!r}" + (f" ({file})" if file else "")
            for label, file in zip(X.index, files, strict=True)
        ]
    return [f"Scan {position}" for position in range(len(X))]


def like_input(scans, X, *, column="scan", unit=...):
    """Return processed scans in the kind of collection they came in.

    Parameters
    ----------
    scans : list of ndarray of shape (n_rows, n_columns)
        One result for every scan of `X`.
    X : DataFrame, Series, list, tuple or ndarray
        What `as_scans` accepted.
    column : str, default="scan"
        The column of a DataFrame that holds the scans.
    unit : str or None, optional
        Unit of the processed scans; that of `X` if not given.

    Returns
    -------
    collection : DataFrame, Series, list or ndarray
        A DataFrame keeps its other columns; a stack stays a stack; a column that states its
        spacing continues to do so.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.validation import as_scans, like_input
    >>> X = np.ones((3, 7, 9))
    >>> like_input([scan[:4] for scan in as_scans(X)], X).shape
    (3, 4, 9)
    """
    if isinstance(X, pd.DataFrame):
        return X.assign(**{column: like_input(scans, X[column], unit=unit)})
    if isinstance(X, pd.Series):
        dtype = X.dtype
        if isinstance(dtype, ScanDtype):
            unit = dtype.unit if unit is ... else unit
            scans = ScanArray(scans, dtype.spacing_mm, unit, X.array.names)
            return pd.Series(scans, index=X.index, name=X.name)
        return as_series(scans, X.index).rename(X.name)
    if isinstance(X, np.ndarray):
        if X.ndim == 3:
            return np.stack(scans)
        return as_series(scans, None).to_numpy().reshape(X.shape)
    return scans


def as_series(scans, index):
    """Return scans as a Series of arrays, also where all have one shape.

    Parameters
    ----------
    scans : list of ndarray of shape (n_rows, n_columns)
        The scans.
    index : Index, array-like or None
        The index of the Series; None counts from 0.

    Returns
    -------
    column : Series of ndarray
        One array per scan.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.validation import as_series
    >>> as_series([np.ones((7, 9))] * 2, ["P1", "P2"]).map(np.shape).tolist()
    [(7, 9), (7, 9)]
    """
    column = np.empty(len(scans), dtype=object)
    for position, scan in enumerate(scans):
        column[position] = scan
    return pd.Series(column, index=index)


def _is_missing(value):
    return (
        value is None
        or value is pd.NA
        or value is np.ma.masked
        or (isinstance(value, Real) and value != value)
    )


def _describe(value):
    """Describe the kind of a value for an error message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    if isinstance(value, str):
        return f"the text {value!r}"
    return f"a {type(value).__name__}"
