"""Columns of a table: finite numbers, and patients."""

from numbers import Real

import numpy as np
import pandas as pd

from skdxa.exceptions import CohortError
from skdxa.validation import as_patients


def _column(X, column):
    """Return one column of a table, or raise an error that says why there is none."""
    if not isinstance(X, pd.DataFrame):
        raise CohortError(
            f"X must be a DataFrame with the column {column!r}; it is a {type(X).__name__}."
        )
    if column not in X.columns:
        raise CohortError(
            f"The table has no column {column!r}; its columns are {X.columns.tolist()}."
        )
    values = X[column]
    if isinstance(values, pd.DataFrame):
        raise CohortError(
            f"The table has {values.shape[1]} columns named {column!r}. Rename all but one."
        )
    return values


def finite_column(X, column):
    """Return one column of a table as finite float64."""
    values = _column(X, column)
    if not pd.api.types.is_any_real_numeric_dtype(values):
        values = values.astype(object)
        is_number = np.array([isinstance(value, Real) for value in values], dtype=bool)
        wrong = np.flatnonzero(~(is_number | values.isna()))
        if wrong.size:
            value = values.iloc[wrong[0]]
            shown = repr(value) if isinstance(value, str) else f"a {type(value).__name__}"
            raise CohortError(
                f"Column {column!r} holds {shown} at index {_label(X, wrong)!r}, where a number "
                "is required. Write categories as numbers, such as 0 and 1."
            )
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    unusable = np.flatnonzero(~np.isfinite(numbers))
    if unusable.size:
        raise CohortError(
            f"Column {column!r} is {numbers[unusable[0]]} in {unusable.size} of {len(X)} rows, "
            f"the first at index {_label(X, unusable)!r}. Leave these rows out, or fill the gaps "
            "in a step before this one."
        )
    return numbers


def patient_column(X, column):
    """Return the patient of each row."""
    patients = _column(X, column)
    unknown = np.flatnonzero(pd.isna(patients))
    if unknown.size:
        raise CohortError(
            f"Column {column!r} states no patient for {unknown.size} of {len(X)} rows, the first "
            f"at index {_label(X, unknown)!r}. Give every scan a patient."
        )
    return as_patients(patients, len(X), name=f"column {column!r}")


def _label(X, positions):
    """Return the index label of the first of some rows, as a plain Python value."""
    return X.index[positions[:1]].tolist()[0]
