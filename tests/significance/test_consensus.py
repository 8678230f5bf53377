"""Consensus of raters: rules, missing ratings, and bad ones."""

import numpy as np
import pandas as pd
import pytest

from skdxa.significance import consensus

NAN = np.nan


@pytest.mark.parametrize(
    ("row", "by_all", "by_majority", "by_any"),
    [
        ([1, 1, 1], 1, 1, 1),
        ([1, 1, 0], 0, 1, 1),
        ([1, 0, 0], 0, 0, 1),
        ([0, 0, 0], 0, 0, 0),
        ([1, 1, NAN], NAN, 1, 1),
        ([1, 0, NAN], 0, NAN, 1),
        ([0, 0, NAN], 0, 0, NAN),
        ([1, NAN, NAN], NAN, NAN, 1),
        ([NAN, NAN, NAN], NAN, NAN, NAN),
    ],
)
def test_consensus(row, by_all, by_majority, by_any):
    labels = [consensus([row], rule=rule)[0] for rule in ("all", "majority", "any")]
    np.testing.assert_array_equal(labels, [by_all, by_majority, by_any])


def test_split_majority_is_open():
    np.testing.assert_array_equal(
        consensus([[1, 0], [1, 1], [0, 0]], rule="majority"), [NAN, 1, 0]
    )


@pytest.mark.parametrize("dtype", ["float64", "Int64", "boolean", "object"])
def test_consensus_keeps_the_index(dtype):
    ratings = pd.DataFrame({"r1": [1, 1, 0], "r2": [1, None, 1]}, index=[7, 3, 9])
    label = consensus(ratings.astype(dtype))
    pd.testing.assert_series_equal(label, pd.Series([1, NAN, 0.0], index=[7, 3, 9]))


def test_bad_consensus():
    with pytest.raises(ValueError, match="got 2 at position 1 from rater 2"):
        consensus([[0, 1], [0, 2]])
    with pytest.raises(ValueError, match="ratings must be 0, 1 or NaN"):
        consensus([["yes", "no"], ["no", "no"]])
    with pytest.raises(ValueError, match="rule must be one of"):
        consensus([[0, 1], [1, 1]], rule="most")
    with pytest.raises(ValueError, match="two raters or more"):
        consensus([1, 0, 1])
