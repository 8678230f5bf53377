"""Checks of the input of this package, and its warnings."""

import warnings

import numpy as np
import pandas as pd

from skdxa.validation import (
    as_patients,
    check_aligned,
    check_same_rows,
    fill_masked,
    has_repeated_patients,
    patient_codes,
)


def warn(message):
    """Warn of data that do not allow an estimate or a test."""
    warnings.warn(message, RuntimeWarning, stacklevel=3)


def check_option(value, name, options):
    """Raise unless the value is one of the options."""
    if value not in options:
        raise ValueError(f"{name} must be one of {list(options)}, got {value!r}.")


def check_vector(values, name):
    """Return a one-dimensional float array without NaN or infinity."""
    try:
        values = np.asarray(fill_masked(values), dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers: {error}.") from error
    if values.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got an array of shape {values.shape}.")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"{name} has {bad.size} NaN or infinite value(s), the first at position {bad[0]}: "
            "leave these rows out first."
        )
    return values


def check_binary(values, name="y"):
    """Return a one-dimensional float array of zeros and ones."""
    values = check_vector(values, name)
    others = values[(values != 0) & (values != 1)]
    if others.size:
        raise ValueError(f"{name} must hold 0 and 1 only, got {others[0]:g}.")
    return values


def check_both_classes(values, name="y"):
    """Return a float array of zeros and ones with at least one of each."""
    values = check_binary(values, name)
    if values.size == 0 or values.min() == values.max():
        found = f"only {values[0]:g}" if values.size else "nothing"
        raise ValueError(f"{name} must hold both 0 and 1, got {found}.")
    return values


def check_probability(values, name):
    """Return a one-dimensional float array of values from 0 to 1."""
    values = check_vector(values, name)
    outside = np.flatnonzero((values < 0) | (values > 1))
    if outside.size:
        raise ValueError(
            f"{name} must hold probabilities from 0 to 1, got {values[outside[0]]:g} "
            f"at position {outside[0]}."
        )
    return values


def check_complete(labels, name):
    """Return a one-dimensional array of labels without missing ones."""
    labels = np.asarray(fill_masked(labels))
    missing = np.flatnonzero(pd.isna(labels))
    if missing.size:
        raise ValueError(
            f"{name} is missing in {missing.size} row(s), the first at position {missing[0]}."
        )
    return labels


def check_risks(y, prob, groups=None):
    """Return outcomes, risks with finite log odds, and patients as `check_groups` does."""
    check_aligned(y=y, prob=prob, groups=groups)
    patient = check_groups(groups, y, "y")
    y, prob = check_both_classes(y), check_probability(prob, "prob")
    certain = np.flatnonzero((prob == 0) | (prob == 1))
    if certain.size:
        raise ValueError(
            f"prob is exactly {prob[certain[0]]:g} at position {certain[0]} ({certain.size} such "
            "value(s)), whose log odds are infinite: clip, for example with "
            "numpy.clip(prob, 1e-6, 1 - 1e-6), and report that you did."
        )
    return y, prob, patient


def check_groups(groups, rows, name):
    """Return the number of each row's patient, counted from 0, or None without groups.

    `rows` is the argument called `name` that `groups` must match row by row. Where every
    row is of another patient, the rows are numbered in their order, so that the result is
    exactly that without groups.
    """
    if groups is None:
        return None
    check_same_rows(rows, groups, (name, "groups"))
    patients = as_patients(groups, len(rows))
    if not has_repeated_patients(patients):
        return np.arange(len(rows))
    return patient_codes(patients)


def check_rating_table(ratings):
    """Return ratings as an array with one row per scan and one column per rater."""
    values = np.asarray(fill_masked(ratings))
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(
            "ratings must have one row per scan and one column per rater, for two raters or more; "
            f"got shape {values.shape}."
        )
    return values
