"""Return results in the type of the input: a scalar, an array, a Series or a table."""

import numpy as np
import pandas as pd

from skdxa.validation import check_same_rows, fill_masked

# Where a limit is compared, less than this is rounding: float32 keeps a T-score to 2e-7, and
# T-scores of densities given to four decimals differ by 8e-4 or more.
ROUNDING = 1e-6


def as_floats(values, name):
    """Return numbers as a float64 array; None and pd.NA become NaN."""
    array = np.asarray(fill_masked(values))
    if array.dtype == object:
        array = np.where(pd.isna(array), np.nan, array)
    try:
        return array.astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers: {str(error).rstrip('.')}.") from error


def same_kind(array, values):
    """Convert an array to the type of `values`: a float, an array, a Series or a DataFrame."""
    if isinstance(values, pd.DataFrame):
        return pd.DataFrame(array, index=values.index, columns=values.columns)
    if isinstance(values, pd.Series):
        return pd.Series(array, index=values.index, name=values.name)
    return array.item() if array.ndim == 0 else array


def one_per_row(array, table):
    """Convert one value per row to a Series if the table was a DataFrame."""
    if isinstance(table, pd.DataFrame):
        return pd.Series(array, index=table.index)
    return array.item() if array.ndim == 0 else array


def first_place(values, marked):
    """Describe the position of the first marked value: " at index 'a', column 'bmd_L1'"."""
    position = tuple(int(axis[0]) for axis in np.nonzero(np.atleast_1d(marked)))
    if isinstance(values, pd.DataFrame):
        row, column = position
        index, name = values.index.tolist()[row], values.columns[column]
        return f" at index {index!r}, column {name!r}"
    if isinstance(values, pd.Series):
        return f" at index {values.index.tolist()[position[0]]!r}"
    if np.ndim(values) == 0:
        return ""
    return f" at position {position[0] if len(position) == 1 else position}"


def decide(known, decision, values):
    """Return decisions in the type of `values`; unknown decisions remain unknown."""
    if isinstance(values, pd.DataFrame | pd.Series):
        return same_kind(decision, values).astype("boolean").where(same_kind(known, values))
    if decision.ndim == 0:
        return bool(decision) if known else pd.NA
    return decision if known.all() else np.where(known, decision, np.nan)


def check_same_index(first, second, names):
    """Refuse tables whose rows are not the same patients in the same order."""
    indexed = pd.DataFrame | pd.Series
    if isinstance(first, indexed) and isinstance(second, indexed):
        check_same_rows(first, second, names)
    elif np.shape(first) != np.shape(second):
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same rows in the same order: align them "
            "first, or pass NumPy arrays if position is what pairs them."
        )
