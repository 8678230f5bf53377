"""Identify the scans of one patient, however the patient is written."""

import contextlib
import hashlib
import re
import unicodedata
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.utils import column_or_1d

from skdxa.validation._labels import check_known
from skdxa.validation._masked import fill_masked

# Characters of no width: controls, joiners, direction marks, byte order marks.
_INVISIBLE = {"Cc", "Cf"}
_WHOLE_NUMBER = re.compile(r"(-?[0-9]+)\.0*")
# The largest whole number up to which all whole numbers are distinct in float64.
_LARGEST_EXACT = 2**53
_LONGEST_IDENTITY = 128
_MOST_LISTED = 5


def as_patients(groups, n_rows, *, name="groups"):
    """Return the patient of each scan, each patient written in one way.

    Two tables often write one patient differently, and a patient in two folds makes every
    score of a cross-validation too high. Whole numbers are one patient however they are
    written (``1000``, ``1000.0``, ``"1000"``, ``"1000.0"``). Texts are brought to Unicode
    normalization form C, without invisible characters and without spaces at the ends.
    ``"007"`` and ``"7"`` remain two patients.

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
        If patients differ only in case, in spaces or in leading zeros, naming the first of
        them; or if floating-point numbers are too large to distinguish patients.

    Examples
    --------
    >>> from skdxa.validation import as_patients
    >>> as_patients(["1000", 1000, "1000.0", " P7 "], 4)
    array(['1000', '1000', '1000', 'P7'], dtype='<U4')
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
            f"{name} holds patients that differ only in case, in spaces or in leading zeros, "
            f"and that count as different patients: {'; '.join(several[:_MOST_LISTED])}"
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

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.validation import patient_codes
    >>> patient_codes(np.array(["P7", "P2", "P7"]))
    array([1, 0, 1])
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

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.validation import has_repeated_patients
    >>> has_repeated_patients(np.array(["P7", "P2", "P7"]))
    True
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

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.validation import split_patients
    >>> split_patients(np.array([[0, 1, 1, 0]]), np.array(["P7", "P2", "P7", "P9"]))
    array(['P7'], dtype='<U2')
    """
    _, first, patient = np.unique(groups, return_index=True, return_inverse=True)
    apart = (fold_of != fold_of[:, first[patient]]).any(axis=0)
    return np.unique(groups[apart])
