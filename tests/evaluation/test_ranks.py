"""Ranks within cells."""

import numpy as np
import pytest
from scipy import stats

from skdxa.evaluation._ranks import ranks_within


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([1_234], id="one"),
        pytest.param([29, 31, 30, 0, 28], id="nearly equal, one empty"),
        pytest.param([4] * 300, id="many"),
        pytest.param([200, *[1] * 40], id="one large"),
        pytest.param([1] * 20, id="single scores"),
    ],
)
def test_ranks_are_those_of_each_cell(sizes):
    rng = np.random.default_rng(0)
    cell = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    # Many ties, and infinite scores.
    score = rng.choice([*np.arange(9) / 9, np.inf, -np.inf], size=cell.size)
    found = ranks_within(score, cell)
    for number in np.unique(cell):
        expected = stats.rankdata(score[cell == number])
        np.testing.assert_array_equal(found[cell == number], expected)


def test_ranks_of_nothing():
    assert ranks_within(np.empty(0), np.empty(0, dtype=int)).shape == (0,)
