"""Precision errors and the changes that they allow to see."""

import numpy as np
import pandas as pd
import pytest

from skdxa.densitometry import (
    least_significant_change,
    precision_error,
)


def test_precision_error_by_hand():
    # Glüer et al.: the root of the mean variance; SD of a pair is |difference| / sqrt(2).
    pairs = np.array([[1.00, 1.02], [0.90, 0.90], [1.10, 1.07]])
    error = precision_error(pairs)
    spread = np.abs(np.diff(pairs)[:, 0]) / np.sqrt(2)
    assert error.sd == pytest.approx(np.sqrt((spread**2).mean()))
    relative = spread / pairs.mean(axis=1)
    assert error.percent_cv == pytest.approx(100 * np.sqrt((relative**2).mean()))
    assert (error.n_patients, error.degrees_of_freedom) == (3, 3)


def test_precision_error_recovers_a_known_one_from_unequal_repeats():
    rng = np.random.default_rng(0)
    values = rng.normal(1.0, 0.1, (4000, 1)) + rng.normal(0, 0.012, (4000, 3))
    values[:1500, 2] = np.nan
    values[:100, 1:] = np.nan
    error = precision_error(pd.DataFrame(values))
    assert error.degrees_of_freedom == 2 * 2500 + 1400
    assert error.n_patients == 3900
    assert error.sd == pytest.approx(0.012, rel=0.03)


def test_precision_error_needs_repeated_measurements():
    with pytest.raises(ValueError, match="no patient who was measured at least twice"):
        precision_error([[1.0, np.nan], [np.nan, 1.0]])
    with pytest.raises(ValueError, match=r"repeated must be positive; .* position \(0, 1\)"):
        precision_error([[1.0, 0.0]])
    with pytest.raises(ValueError, match=r"row per patient .* its shape is \(2,\)"):
        precision_error([1.0, 1.1])


def test_least_significant_change_has_the_factors_of_the_iscd():
    for level, factor in ((0.80, 1.81), (0.90, 2.33), (0.95, 2.77)):
        assert least_significant_change(1.0, level=level) == factor
    assert least_significant_change([0.01, 0.02]).tolist() == pytest.approx([0.0277, 0.0554])
    with pytest.raises(ValueError, match=r"level must lie between 0 and 1 .* got 95"):
        least_significant_change(0.01, level=95)
    with pytest.raises(ValueError, match=r"precision_sd must be zero or positive .* position 1"):
        least_significant_change([0.01, -0.01])
