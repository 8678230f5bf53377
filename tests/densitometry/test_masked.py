"""A masked density, T-score or corner is an unknown one: NumPy alone would drop the mask."""

import numpy as np
import pytest

from skdxa.densitometry import (
    FINNISH_WOMEN,
    cobb_angle,
    evaluable_vertebrae,
    is_osteoporotic,
    minimum_t_score,
    precision_error,
    spine_t_score,
    t_score,
)

BMD = np.array([[0.9, 0.95, 0.94, 1.0], [0.8, 0.9, 0.92, 0.95]])
T_SCORES = np.array([[-1.7, -2.6, -1.9, -1.8], [-1.0, -1.2, -1.1, -0.8]])
MASK = np.array([[False, True, False, False], [False, False, False, False]])


def masked(values):
    return np.ma.masked_array(values, mask=MASK)


def with_nan(values):
    return np.where(MASK, np.nan, values)


@pytest.mark.parametrize(
    ("function", "values"),
    [
        (lambda bmd: t_score(bmd, FINNISH_WOMEN, site="spine"), BMD),
        (lambda bmd: spine_t_score(bmd, FINNISH_WOMEN), BMD),
        (is_osteoporotic, T_SCORES),
        (minimum_t_score, T_SCORES),
        (lambda scores: evaluable_vertebrae(scores).evaluable, T_SCORES),
        (lambda bmd: precision_error(bmd).sd, BMD),
    ],
)
def test_a_masked_value_is_unknown(function, values):
    found = np.asarray(function(masked(values)), dtype=float)
    expected = np.asarray(function(with_nan(values)), dtype=float)
    np.testing.assert_array_equal(found, expected)
    # The value under the mask would have changed the result.
    assert not np.array_equal(found, np.asarray(function(values), dtype=float))


def test_a_masked_point_of_a_spine_line_is_unknown():
    line = 30 + 8 * np.sin(np.linspace(0, 3, 40))
    hidden = line.copy()
    hidden[20] = 500
    mask = np.arange(40) == 20
    results = []
    for spine in (np.ma.masked_array(hidden, mask=mask), np.where(mask, np.nan, line)):
        try:
            results.append(cobb_angle(spine, spacing_mm=(1.05, 0.60)))
        except ValueError as error:
            results.append(str(error))
    assert results[0] == results[1]
