"""Masked scans and labels."""

import numpy as np
import pytest

from skdxa import validation


def masked(values, mask):
    return np.ma.masked_array(values, mask=mask)


def test_masked_values_become_nan():
    scan = masked(np.ones((2, 3)), [[0, 1, 0], [0, 0, 0]])
    expected = [[1, np.nan, 1], [1, 1, 1]]
    np.testing.assert_array_equal(validation.check_scan(scan), np.float32(expected))
    np.testing.assert_array_equal(validation.fill_masked(scan.astype(int)), expected)
    assert validation.fill_masked(masked(["a", "b"], [True, False])).tolist() == [None, "b"]
    whole = masked(np.arange(3), False)
    assert validation.fill_masked(whole).dtype.kind == "i"
    plain = np.arange(3)
    assert validation.fill_masked(plain) is plain
    stack = masked(np.ones((2, 2, 3)), np.arange(12).reshape(2, 2, 3) == 0)
    assert [np.isnan(scan).sum() for scan in validation.as_scans(stack)] == [1, 0]


def test_masked_labels_are_unknown():
    y = masked([0, 1, 1, 0], [False, False, True, False])
    with pytest.raises(ValueError, match="NaN for 1 of 4 scans, the first in position 2"):
        validation.check_two_classes(y, 4)
    _, known = validation.positive_and_known(y, np.array([0, 1]), 4)
    assert known.tolist() == [True, True, False, True]
    with pytest.raises(ValueError, match="missing for 1 of 4 scans, the first in position 2"):
        validation.as_patients(y, 4)
