"""What a scan, a spacing, a label, a patient and an aligned row are.

Every package checks its input here, so that the same fault gives the same error
everywhere. Masked arrays are turned into arrays with NaN here as well, since NumPy drops
their masks in silence.
"""

import contextlib
import hashlib
import re
import unicodedata
import warnings
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import assert_all_finite, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length

from skdxa._sklearn import num_samples
from skdxa.exceptions import ScanError
from skdxa.scan_dtype import ScanArray, ScanDtype

__all__ = [
    "as_patients",
    "as_scans",
    "as_seed",
    "as_series",
    "check_image",
    "check_known",
    "check_same_rows",
    "check_scan",
    "check_spacing",
    "check_two_classes",
    "fill_masked",
    "has_repeated_patients",
    "like_input",
    "patient_codes",
    "plain_labels",
    "positive_and_known",
    "scan_dtype_of",
    "scan_names",
    "split_patients",
]

_KINDS = (
    "a DataFrame with a column of scans, a list, Series or object array of two-dimensional "
    "arrays, or a stack (scans, rows, columns)"
)
# Characters of no width: controls, joiners, direction marks, byte order marks.
_INVISIBLE = {"Cc", "Cf"}
_WHOLE_NUMBER = re.compile(r"(-?[0-9]+)\.0*")
# The largest whole number up to which all whole numbers have a float64 of their own.
_LARGEST_EXACT = 2**53
_LONGEST_IDENTITY = 128
_MOST_LISTED = 5


def fill_masked(values):
    """Return a masked array as an ordinary array with NaN at the masked places.

    Parameters
    ----------
    values : object
        Anything; only a `numpy.ma.MaskedArray` is changed.

    Returns
    -------
    values : object
        A float array with NaN for a masked array of numbers, an object array with None for
        a masked array of texts, and otherwise `values` itself.
    """
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if not np.ma.is_masked(values):
        return values.data
    if values.dtype.kind not in "biuf":
        texts = values.data.astype(object)
        texts[np.ma.getmaskarray(values)] = None
        return texts
    dtype = values.dtype if values.dtype.kind == "f" else np.float64
    return values.astype(dtype).filled(np.nan)


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
        otherwise.
    """
    if isinstance(X, pd.Series):
        column = X.name or column
    if isinstance(X, pd.DataFrame | pd.Series):
        return [f"The {column} of row {label!r}" for label in X.index]
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
        spacing goes on doing so.
    """
    if isinstance(X, pd.DataFrame):
        return X.assign(**{column: like_input(scans, X[column], unit=unit)})
    if isinstance(X, pd.Series):
        dtype = X.dtype
        if isinstance(dtype, ScanDtype):
            scans = ScanArray(scans, dtype.spacing_mm, dtype.unit if unit is ... else unit)
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
    """
    column = np.empty(len(scans), dtype=object)
    for position, scan in enumerate(scans):
        column[position] = scan
    return pd.Series(column, index=index)


def check_known(labels, name):
    """Raise a `ValueError` if any label is missing, naming the first such row.

    Parameters
    ----------
    labels : array-like of shape (n_scans,)
        Labels or patients.
    name : str
        How an error message names the labels.
    """
    unknown = np.flatnonzero(pd.isna(fill_masked(labels)))
    if unknown.size:
        raise ValueError(
            f"{name} is missing for {unknown.size} of {len(labels)} scans, the first in position "
            f"{unknown[0]} (counted from 0): leave these scans out."
        )


def check_two_classes(y, n_rows):
    """Return the two classes of labels, sorted, and each label's position among them.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Two labels of any type.
    n_rows : int
        Number of scans that `y` must match.

    Returns
    -------
    classes : ndarray of shape (2,)
        The labels, sorted; the second is the positive one.
    codes : ndarray of int of shape (n_scans,)
        0 or 1 for each scan.

    Raises
    ------
    ValueError
        If `y` has another length, holds NaN or infinite values, or has not exactly two
        classes.
    """
    y = column_or_1d(fill_masked(y), warn=True)
    check_consistent_length(range(n_rows), y)
    unknown = np.flatnonzero(pd.isna(y))
    if unknown.size:
        raise ValueError(
            f"Input y contains NaN for {unknown.size} of {len(y)} scans, the first in "
            f"position {unknown[0]}. Leave out scans whose label is unknown."
        )
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) > 2:
        raise ValueError(
            "Only binary classification is supported. The type of the target is "
            f"{type_of_target(y)}. For more classes, train one classifier per class, for example "
            "with sklearn.multiclass.OneVsRestClassifier."
        )
    if len(classes) < 2:
        raise ValueError(
            f"y holds only one class, {classes[0].item()!r}; a classifier needs scans of two."
        )
    return classes, codes


def plain_labels(labels):
    """Return labels as a NumPy array of numbers or texts, never of objects.

    Parameters
    ----------
    labels : array-like of shape (n_scans,)
        Numbers or texts, none of them missing.

    Returns
    -------
    labels : ndarray of shape (n_scans,)
        The labels.
    """
    labels = np.asarray(fill_masked(labels))
    if labels.dtype == object:
        labels = np.array(labels.tolist())
    if labels.dtype == object or labels.ndim != 1:
        raise ValueError(
            f"labels must be one column of numbers or texts, got shape {labels.shape} and "
            f"type {labels.dtype}."
        )
    return labels


def positive_and_known(y, classes, n_scans):
    """Return which labels are positive, and which are known at all.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Labels of `classes`, or 0 and 1; NaN where unknown.
    classes : ndarray of shape (2,)
        Negative and positive label.
    n_scans : int
        Number of labels expected.

    Returns
    -------
    positive, known : ndarray of bool of shape (n_scans,)
        A label that is unknown is not positive.

    Raises
    ------
    ValueError
        If `y` has another length or holds another label.
    """
    y = column_or_1d(fill_masked(y), warn=True)
    if len(y) != n_scans:
        raise ValueError(f"y must have a label for each of {n_scans} scans, got {len(y)}.")
    known = ~pd.isna(y)
    given = y[known].tolist()
    for pair in (classes.tolist(), [0, 1]):
        if set(given) <= set(pair):
            positive = np.zeros(n_scans, dtype=bool)
            positive[known] = [label == pair[1] for label in given]
            return positive, known
    raise ValueError(
        f"y must hold {classes.tolist()} (or 0 and 1) and NaN where unknown, got "
        f"{next(label for label in given if label not in pair)!r}."
    )


def as_patients(groups, n_rows, *, name="groups"):
    """Return the patient of each scan, each patient written in one way.

    Two tables often write one patient differently, and a patient in two folds makes every
    score of a cross-validation too high. Whole numbers are one patient however they are
    written (``1000``, ``1000.0``, ``"1000"``, ``"1000.0"``). Texts are brought to Unicode
    normalization form C, without invisible characters and without spaces at the ends.
    ``"007"`` and ``"7"`` stay two patients.

    Parameters
    ----------
    groups : array-like of shape (n_scans,)
        The patient of each scan.
    n_rows : int
        Number of scans that `groups` must match.
    name : str, default="groups"
        How an error message names `groups`.

    Returns
    -------
    patients : ndarray of shape (n_scans,)
        Whole numbers if all patients were given as numbers, and otherwise texts.

    Raises
    ------
    ValueError
        If the length differs, or a patient is missing or neither a number nor a text.

    Warns
    -----
    UserWarning
        If patients differ only in letters' case, in spaces or in leading zeros, naming the
        first of them; or if floating-point numbers are too large to tell patients apart.
    """
    groups = np.asarray(fill_masked(groups))
    groups = column_or_1d(groups) if groups.dtype != object else groups
    if groups.shape != (n_rows,):
        raise ValueError(
            f"{name} must name the patient of each of {n_rows} scans, got an array of shape "
            f"{groups.shape}."
        )
    if groups.dtype.kind in "iu":
        return groups
    check_known(groups, name)
    values = groups.tolist()
    if groups.dtype == object and all(isinstance(value, Integral) for value in values):
        with contextlib.suppress(OverflowError):
            return np.array(values, dtype=np.int64)
    written = [_identity(value, position, name) for position, value in enumerate(values)]
    patients = np.array(written, dtype=str)
    if (patients == "").any():
        check_known(np.where(patients == "", None, patients), name)
    if groups.dtype.kind == "f":
        if np.abs(groups).max(initial=0) >= _LARGEST_EXACT:
            warnings.warn(
                f"{name} holds floating-point numbers of 2**53 or more, which may have merged "
                "different patients: read this column as text.",
                UserWarning,
                stacklevel=3,
            )
        elif (groups % 1 == 0).all():
            return groups.astype(np.int64)
    _warn_of_lookalikes(np.unique(patients), name)
    return patients


def _identity(value, position, name):
    """Return how a patient is written."""
    if isinstance(value, Integral) or (isinstance(value, Real) and value % 1 == 0):
        return _shortened(_digits(int(value)))
    if isinstance(value, Real):
        return repr(float(value))
    if not isinstance(value, str):
        raise ValueError(
            f"{name} must hold numbers or texts; it holds a {type(value).__name__} in position "
            f"{position}."
        )
    text = unicodedata.normalize("NFC", value)
    text = "".join(c for c in text if unicodedata.category(c) not in _INVISIBLE).strip()
    number = _WHOLE_NUMBER.fullmatch(text)
    return _shortened(number.group(1) if number else text)


def _shortened(text):
    """Return a text, or its hash where it would make an array of texts very large."""
    if len(text) <= _LONGEST_IDENTITY:
        return text
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _digits(number):
    try:
        return str(number)
    except ValueError:  # Python refuses to write thousands of digits in base ten.
        return hex(number)


def _warn_of_lookalikes(patients, name):
    """Warn of patients that differ only in case, in spaces or in leading zeros."""
    alike = {}
    for patient in patients.tolist():
        key = "".join(patient.casefold().split()).lstrip("0")
        alike.setdefault(key, []).append(patient)
    several = [" and ".join(map(repr, same[:3])) for same in alike.values() if len(same) > 1]
    if several:
        more = len(several) - _MOST_LISTED
        warnings.warn(
            f"{name} holds patients that differ only in letters' case, in spaces or in leading "
            f"zeros, and that count as different patients: {'; '.join(several[:_MOST_LISTED])}"
            + (f"; and {more} more" if more > 0 else "")
            + ". Write each patient in one way if they are the same.",
            UserWarning,
            stacklevel=4,
        )


def patient_codes(groups):
    """Return the number of each scan's patient, counted from 0 in sorted order.

    Parameters
    ----------
    groups : ndarray of shape (n_scans,)
        The patient of each scan, as `as_patients` returns it.

    Returns
    -------
    codes : ndarray of int of shape (n_scans,)
        Numbers of patients.
    """
    return np.unique(groups, return_inverse=True)[1]


def has_repeated_patients(groups):
    """Return whether any patient has several scans.

    Parameters
    ----------
    groups : ndarray of shape (n_scans,) or None
        The patient of each scan, as `as_patients` returns it.

    Returns
    -------
    bool
        False where `groups` is None.
    """
    return groups is not None and len(np.unique(groups)) < len(groups)


def split_patients(fold_of, groups):
    """Return the patients whose scans lie in several folds of one repeat.

    Parameters
    ----------
    fold_of : ndarray of int of shape (n_repeats, n_scans)
        Fold of each scan in each repeat.
    groups : ndarray of shape (n_scans,)
        The patient of each scan.

    Returns
    -------
    patients : ndarray
        Values of `groups`; empty if every patient's scans stay together.
    """
    _, first, patient = np.unique(groups, return_index=True, return_inverse=True)
    apart = (fold_of != fold_of[:, first[patient]]).any(axis=0)
    return np.unique(groups[apart])


def check_same_rows(first, second, names):
    """Raise a `ValueError` unless two collections have the same rows in the same order.

    NumPy pairs rows by position. Where both collections have an index, it must be the same,
    since rows that pandas knows to be different patients would otherwise be paired in
    silence.

    Parameters
    ----------
    first, second : array-like, sparse matrix, list, Series or DataFrame
        The collections; None is skipped.
    names : tuple of str
        How an error message names the two.
    """
    if first is None or second is None:
        return
    # A sparse matrix has no length.
    n_first, n_second = num_samples(first), num_samples(second)
    if n_first != n_second:
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same rows, got {n_first} and {n_second}."
        )
    indexed = pd.Series | pd.DataFrame
    if (
        isinstance(first, indexed)
        and isinstance(second, indexed)
        and not first.index.equals(second.index)
    ):
        raise ValueError(
            f"{names[0]} and {names[1]} have different indices: align them first, or pass "
            "NumPy arrays if the order of the rows is what pairs them."
        )


def as_seed(random_state):
    """Return the one integer that seeds all random numbers of a calculation.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        An integer stands for itself; a generator, or NumPy's own for None, is drawn from.

    Returns
    -------
    seed : int
        Not below 0 unless `random_state` is.
    """
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


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
