"""Intervals and tests from an estimate and its variance."""

import numpy as np
import pytest
from scipy import stats

from skdxa.significance._wald import interval_around, sample_variance, wald_test


def test_test_and_interval_agree():
    statistic, pvalue = wald_test(0.6, 0.09, stats.norm, "test")
    assert statistic == pytest.approx(2)
    edge = interval_around(0.6, 0.09, stats.norm, 1 - pvalue, "test")
    assert (edge.low, edge.high) == (pytest.approx(0, abs=1e-12), pytest.approx(1.2))


def test_rounding_is_no_variance():
    values = np.array([0.7 - 0.6, 0.8 - 0.7, 0.9 - 0.8])
    assert values.var() > 0
    assert sample_variance(values) == 0
    assert sample_variance(np.array([1.0, 3.0, 5.0])) == 4
    with pytest.raises(ValueError, match="at least two values"):
        sample_variance(values[:1])


@pytest.mark.parametrize(("estimate", "expected"), [(0.0, (0, 1)), (0.2, (np.nan, np.nan))])
def test_no_variance_is_no_evidence(estimate, expected):
    with pytest.warns(RuntimeWarning, match="a score: the variance is zero"):
        np.testing.assert_equal(wald_test(estimate, 0.0, stats.norm, "a score"), expected)
    with pytest.warns(RuntimeWarning, match="interval has no width"):
        interval = interval_around(estimate, 0.0, stats.norm, 0.95, "a score")
    assert (interval.low, interval.high) == (estimate, estimate)
