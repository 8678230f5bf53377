"""Ranks within cells."""

import numpy as np
import pytest
from scipy import stats

from skdxa.evaluation._ranks import ranks_within


@pytest.mark.parametrize("n_cells", [1, 7, 300])
def test_ranks_are_those_of_each_cell(n_cells):
    rng = np.random.default_rng(n_cells)
    score = rng.integers(0, 9, size=1_234) / 9  # many ties
    cell = rng.integers(n_cells, size=score.size)
    found = ranks_within(score, cell)
    for number in range(n_cells):
        expected = stats.rankdata(score[cell == number])
        np.testing.assert_array_equal(found[cell == number], expected)


def test_ranks_of_nothing():
    assert ranks_within(np.empty(0), np.empty(0, dtype=int)).shape == (0,)
