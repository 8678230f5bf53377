"""Checks of the parameters and fitted attributes in a model file.

A check takes a value and returns it as plain Python or NumPy, or raises `Unfit` with what it
must be. The same checks are used in saving, where they decide what can be stored, and in
loading, where they decide what is accepted.
"""

import math
import re
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skdxa.scan_dtype import ScanDtype

_MOST_TEXT = 1000
_MOST_ITEMS = 100_000
LARGEST_INT = 2**53


class Unfit(Exception):
    """A value that is not what it must be; the message completes "must be ..."."""


def nothing(value):
    """Accept None."""
    if value is not None:
        raise Unfit("None")


def flag(value):
    """Accept True and False."""
    if not isinstance(value, bool | np.bool_):
        raise Unfit("True or False")
    return bool(value)


def false(value):
    """Accept False."""
    if flag(value):
        raise Unfit("False")
    return False


def whole(low, high=LARGEST_INT):
    """Return a check of whole numbers in a range."""

    def check(value):
        if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
            raise Unfit(f"a whole number from {low}")
        if not low <= value <= high:
            raise Unfit(f"a whole number from {low} to {high}")
        return int(value)

    return check


def real(low=-math.inf, high=math.inf, *, finite=True):
    """Return a check of numbers in a range."""

    def check(value):
        if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
            raise Unfit("a number")
        value = int(value) if isinstance(value, Integral) else float(value)
        if finite and not math.isfinite(value):
            raise Unfit("a finite number")
        if not low <= value <= high and value == value:
            raise Unfit(f"a number from {low:g} to {high:g}")
        return value

    return check


def not_a_number(value):
    """Accept NaN."""
    if not (isinstance(value, Real) and value != value):
        raise Unfit("NaN")
    return math.nan


def text(value):
    """Accept a short text."""
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        raise Unfit(f"a text of at most {_MOST_TEXT} characters")
    return str(value)


def identifier(value):
    """Accept a name as Keras and scikit-learn have them, without dots."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_ ]{0,60}", value):
        raise Unfit("a name of letters, digits and underscores")
    return str(value)


def one_of(*names, ignore_case=False):
    """Return a check that a text is one of some."""

    def check(value):
        given = value.lower() if ignore_case and isinstance(value, str) else value
        if not isinstance(value, str) or given not in names:
            raise Unfit("one of " + ", ".join(repr(name) for name in names))
        return str(value)

    return check


def label(value):
    """Accept a label of a class or a column: a text or a number."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value)
    return real(-LARGEST_INT, LARGEST_INT)(value)


def either(*checks):
    """Return a check that accepts what one of some checks accepts."""

    def check(value):
        reasons = []
        for one in checks:
            try:
                return one(value)
            except Unfit as unfit:
                reasons.append(str(unfit))
        raise Unfit(" or ".join(reasons))

    return check


def sequence(item, *, least=0, most=_MOST_ITEMS, as_tuple=False):
    """Return a check of lists, tuples and arrays whose items all pass one check."""

    def check(value):
        if not isinstance(value, list | tuple | np.ndarray):
            raise Unfit("a list")
        if not least <= len(value) <= most:
            raise Unfit(f"a list of {least} to {most} values")
        values = [item(one) for one in value]
        return tuple(values) if as_tuple or isinstance(value, tuple) else values

    return check


def mapping(key, item, *, most=1000):
    """Return a check of dicts, with one check for the keys and one for the values."""

    def check(value):
        if not isinstance(value, dict) or len(value) > most:
            raise Unfit(f"a dict of at most {most} values")
        return {key(one): item(other) for one, other in value.items()}

    return check


def named(item):
    """Return a check of pairs of a name and a step; the names differ and have no "__"."""

    def check(value):
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= 1000:
            raise Unfit("a list of pairs of a name and a step")
        pairs = []
        for pair in value:
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise Unfit("a list of pairs of a name and a step")
            pairs.append((text(pair[0]), item(pair[1])))
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names) or any("__" in name for name in names):
            raise Unfit("a list of pairs whose names differ and have no double underscore")
        return pairs

    return check


def estimator(value):
    """Accept an estimator; which classes are allowed is decided where it is written or read."""
    if isinstance(value, type) or not hasattr(value, "fit"):
        raise Unfit("an estimator")
    return value


def fitted_estimator(value):
    """Accept an estimator that has been fitted."""
    estimator(value)
    try:
        check_is_fitted(value)
    except (NotFittedError, TypeError):
        raise Unfit("a fitted estimator") from None
    return value


def splitter(value):
    """Accept a splitter of cross-validation."""
    if isinstance(value, type) or not hasattr(value, "split") or isinstance(value, str):
        raise Unfit("a splitter")
    return value


def floats(n_dimensions, *, single=False):
    """Return a check of arrays of finite floats with some number of dimensions."""

    def check(value):
        kinds = (np.float32,) if single else (np.float32, np.float64)
        if not isinstance(value, np.ndarray) or value.dtype not in kinds:
            raise Unfit(f"an array of {' or '.join(kind.__name__ for kind in kinds)}")
        if value.ndim != n_dimensions or value.size == 0:
            raise Unfit(f"an array of {n_dimensions} dimensions that is not empty")
        if not np.isfinite(value).all():
            raise Unfit("an array of finite numbers")
        return value

    return check


def any_floats(value):
    """Accept an array of finite float32 with any number of dimensions."""
    return floats(np.ndim(value), single=True)(value)


def counts(value):
    """Accept a number of scans, or an array of them."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "iuf" or value.ndim != 1 or not (value >= 0).all():
            raise Unfit("whole numbers from 0")
        return value
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return float(value)
    return whole(0)(value)


def two_labels(value):
    """Accept the labels of two classes in ascending order."""
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        raise Unfit("an array of two labels")
    if len(value) != 2:
        raise Unfit(f"two labels, since models have two classes, not {len(value)}")
    plain = [label(one) for one in value.tolist()]
    texts = [isinstance(one, str) for one in plain]
    if texts[0] != texts[1] or not plain[0] < plain[1]:
        raise Unfit("two labels in ascending order")
    return value


def column_names(value):
    """Accept names of columns."""
    if not isinstance(value, np.ndarray) or value.ndim != 1 or not len(value) <= _MOST_ITEMS:
        raise Unfit("an array of names")
    for one in value.tolist():
        label(one)
    return value


def scan_dtype(value):
    """Accept pixel spacing and unit of scans, or None."""
    if value is None:
        return None
    if not isinstance(value, ScanDtype):
        raise Unfit("a type of scans")
    if value.spacing_mm is not None and not (
        len(value.spacing_mm) == 2 and all(0 < mm < 1000 for mm in value.spacing_mm)
    ):
        raise Unfit("a type of scans with two positive spacings")
    if value.unit is not None:
        text(value.unit)
    return value
