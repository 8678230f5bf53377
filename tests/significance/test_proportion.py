"""Proportions: agreement with R, and counts that allow no statement."""

import numpy as np
import pytest

from skdxa.significance import proportion_interval


# R: binom.test(x, n)$conf.int and prop.test(x, n, correct = FALSE)$conf.int
@pytest.mark.parametrize(
    ("n_hits", "n_total", "method", "level", "low", "high"),
    [
        (3, 92, "exact", 0.99, 0.00370606211550534, 0.114256329699323),
        (55, 92, "wilson", 0.95, 0.495659750892042, 0.692150412073815),
        (0, 17, "wilson", 0.95, 0, 0.184318135008852),
        (0, 17, "exact", 0.95, 0, 0.195064322969093),
        (17, 17, "exact", 0.95, 0.804935677030907, 1),
    ],
)
def test_proportion_agrees_with_r(n_hits, n_total, method, level, low, high):
    interval = proportion_interval(n_hits, n_total, method=method, level=level)
    assert interval.estimate == n_hits / n_total
    assert interval.low == pytest.approx(low, rel=1e-6, abs=1e-12)
    assert interval.high == pytest.approx(high, rel=1e-6)


def test_proportion_of_nobody():
    with pytest.warns(RuntimeWarning, match="proportion of nobody"):
        interval = proportion_interval(0, 0)
    assert np.isnan([interval.estimate, interval.low, interval.high]).all()


@pytest.mark.parametrize(("n_hits", "n_total"), [(3, 2), (-1, 2), (0.5, 2), (np.nan, 2)])
def test_bad_counts(n_hits, n_total):
    with pytest.raises(ValueError, match="whole numbers with 0 <= n_hits <= n_total"):
        proportion_interval(n_hits, n_total)


def test_unknown_proportion_method():
    with pytest.raises(ValueError, match=r"method must be one of \['wilson', 'exact'\]"):
        proportion_interval(1, 2, method="wald")
