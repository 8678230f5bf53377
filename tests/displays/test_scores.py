"""Labels and scores of scans."""

import numpy as np
import pytest

from skdxa.displays._scores import known_scores, split_labels


def test_labels_are_split_with_the_larger_one_positive():
    positive, known = split_labels(["sick", None, "healthy"], 3)
    assert positive.tolist() == [True, False, False]
    assert known.tolist() == [True, False, True]
    with pytest.raises(ValueError, match=r"both positive and negative labels, got \[1\]\.$"):
        split_labels([1, 1], 2)


def test_known_scores():
    known = np.array([True, False, True])
    assert known_scores([1, np.nan, 3], known, "age").tolist() == [1, 3]
    with pytest.raises(ValueError, match=r"age must hold one number for each of 3 scans, got"):
        known_scores([1, 2], known, "age")
