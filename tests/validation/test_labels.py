"""Rows that must be the same, labels of both classes, seeds and levels."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skdxa import validation


def test_rows_must_be_the_same():
    one, two = pd.Series([1, 2], index=["a", "b"]), pd.Series([1, 2], index=["b", "a"])
    with pytest.raises(ValueError, match="X and y have different indices: align them first"):
        validation.check_same_rows(one, two, ("X", "y"))
    with pytest.raises(ValueError, match="X and y must have the same rows, got 2 and 1"):
        validation.check_same_rows(one, two[:1], ("X", "y"))
    validation.check_same_rows(one, two.to_numpy(), ("X", "y"))
    validation.check_same_rows(None, two, ("X", "y"))
    one = sparse.csr_array(np.eye(2))
    validation.check_same_rows(one, two, ("X", "y"))
    with pytest.raises(ValueError, match="X and y must have the same rows, got 2 and 1"):
        validation.check_same_rows(one, two[:1], ("X", "y"))


@pytest.mark.parametrize("positive", [[True, True], [False], []])
def test_labels_must_be_of_both_classes(positive):
    validation.check_both_labels(np.array([True, False]))
    with pytest.raises(ValueError, match=r"^y must hold both positive and negative labels\.$"):
        validation.check_both_labels(np.array(positive, dtype=bool))


def test_a_seed_is_itself_or_drawn():
    assert validation.as_seed(np.int64(5)) == 5
    assert type(validation.as_seed(np.int64(5))) is int
    first, second = (validation.as_seed(np.random.RandomState(1)) for _ in range(2))
    assert first == second
    generator = np.random.RandomState(1)
    assert validation.as_seed(generator) != validation.as_seed(generator)
    assert validation.as_seed(None) != validation.as_seed(None)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, np.nan])
def test_a_level_must_lie_between_0_and_1(level):
    validation.check_level(0.95)
    with pytest.raises(
        ValueError, match=r"level must lie between 0 and 1 \(0\.95 for 95 %\), got"
    ):
        validation.check_level(level)
