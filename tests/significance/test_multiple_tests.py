"""Adjusted p-values: agreement with R, and bad p-values."""

import numpy as np
import pandas as pd
import pytest

from skdxa.significance import adjust_pvalues


# R: p.adjust(c(0.001, 0.013, 0.04, 0.2, 0.013, 0.7), method)
@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("holm", [0.006, 0.065, 0.12, 0.4, 0.065, 0.7]),
        ("bonferroni", [0.006, 0.078, 0.24, 1, 0.078, 1]),
        ("hommel", [0.006, 0.052, 0.12, 0.4, 0.052, 0.7]),
        ("fdr_bh", [0.006, 0.026, 0.06, 0.24, 0.026, 0.7]),
        ("fdr_by", [0.0147, 0.0637, 0.147, 0.588, 0.0637, 1]),
    ],
)
def test_adjusted_pvalues_agree_with_r(method, expected):
    pvalues = [0.001, 0.013, 0.04, 0.2, 0.013, 0.7]
    assert adjust_pvalues(pvalues, method=method) == pytest.approx(expected)


def test_adjusted_pvalues_keep_their_names():
    pvalues = pd.Series({"age": 0.01, "tbs": 0.04, "min_t": 0.03}, name="pvalue")
    adjusted = adjust_pvalues(pvalues)
    assert adjusted.to_dict() == pytest.approx({"age": 0.03, "tbs": 0.06, "min_t": 0.06})
    assert adjusted.name == "pvalue"


@pytest.mark.parametrize(
    ("pvalues", "options", "message"),
    [
        ([0.1, np.nan], {}, "pvalues has 1 NaN"),
        ([0.1, 1.2], {}, "probabilities from 0 to 1, got 1.2"),
        ([], {}, "pvalues is empty"),
        ([0.1], {"method": "best"}, "method must be one of"),
    ],
)
def test_bad_pvalues(pvalues, options, message):
    with pytest.raises(ValueError, match=message):
        adjust_pvalues(pvalues, **options)
