"""What the functions of this package demand of their input, and how they complain."""

import warnings

import numpy as np
import pandas as pd

from skdxa.validation import fill_masked


def warn(message):
    """Warn of input that allows no statement."""
    warnings.warn(message, RuntimeWarning, stacklevel=3)


def check_level(level):
    """Confidence level strictly between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1 (0.95 for 95 %), got {level!r}")


def check_option(value, name, options):
    """One of the named options."""
    if value not in options:
        raise ValueError(f"{name} must be one of {list(options)}, got {value!r}")


def check_vector(values, name):
    """One-dimensional float array without NaN or infinity."""
    try:
        values = np.asarray(fill_masked(values), dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers: {error}") from error
    if values.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got an array of shape {values.shape}")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"{name} has {bad.size} NaN or infinite value(s), the first at position {bad[0]}: "
            "leave these rows out first"
        )
    return values


def check_binary(values, name="y"):
    """One-dimensional float array of zeros and ones."""
    values = check_vector(values, name)
    odd = values[(values != 0) & (values != 1)]
    if odd.size:
        raise ValueError(f"{name} must hold 0 and 1 only, got {odd[0]:g}")
    return values


def check_two_classes(values, name="y"):
    """Zeros and ones, at least one of each."""
    values = check_binary(values, name)
    if values.size == 0 or values.min() == values.max():
        found = f"only {values[0]:g}" if values.size else "nothing"
        raise ValueError(f"{name} must hold both 0 and 1, got {found}")
    return values


def check_probability(values, name):
    """One-dimensional float array within 0 and 1."""
    values = check_vector(values, name)
    outside = np.flatnonzero((values < 0) | (values > 1))
    if outside.size:
        raise ValueError(
            f"{name} must hold probabilities from 0 to 1, got {values[outside[0]]:g} "
            f"at position {outside[0]}"
        )
    return values


def check_complete(labels, name):
    """One-dimensional array of labels, none of them missing."""
    labels = np.asarray(fill_masked(labels))
    missing = np.flatnonzero(pd.isna(labels))
    if missing.size:
        raise ValueError(
            f"{name} is missing in {missing.size} row(s), the first at position {missing[0]}"
        )
    return labels


def check_open_probability(prob):
    prob = check_probability(prob, "prob")
    certain = np.flatnonzero((prob == 0) | (prob == 1))
    if certain.size:
        raise ValueError(
            f"prob is exactly {prob[certain[0]]:g} at position {certain[0]} ({certain.size} such "
            "value(s)), whose log odds are infinite: clip, for example with "
            "numpy.clip(prob, 1e-6, 1 - 1e-6), and say so"
        )
    return prob
