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
    with pytest.warns(RuntimeWarning, match="the proportion is undefined"):
        interval = proportion_interval(0, 0)
    assert np.isnan([interval.estimate, interval.low, interval.high]).all()


@pytest.mark.parametrize(("n_hits", "n_total"), [(3, 2), (-1, 2), (0.5, 2), (np.nan, 2)])
def test_bad_counts(n_hits, n_total):
    with pytest.raises(ValueError, match="whole numbers with 0 <= n_hits <= n_total"):
        proportion_interval(n_hits, n_total)


def test_unknown_proportion_method():
    with pytest.raises(ValueError, match=r"method must be one of \['wilson', 'exact'\]"):
        proportion_interval(1, 2, method="wald")


HITS = np.array([1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1])


@pytest.mark.parametrize("method", ["wilson", "exact"])
def test_one_scan_per_patient_is_the_plain_interval(method):
    plain = proportion_interval(8, 11, method=method)
    clustered = proportion_interval(HITS, 1, groups=list("kjihgfedcba"), method=method)
    assert clustered.estimate == plain.estimate
    assert (clustered.low, clustered.high) == pytest.approx((plain.low, plain.high), rel=1e-9)
    assert clustered.method == f"clustered {plain.method}"


@pytest.mark.parametrize("method", ["wilson", "exact"])
def test_copies_of_scans_bring_no_precision(method):
    plain = proportion_interval(8, 11, method=method)
    patients = np.repeat(np.arange(11), 3)
    copies = proportion_interval(np.repeat(HITS, 3), 1, groups=patients, method=method)
    summed = proportion_interval(3 * HITS, 3, groups=np.arange(11), method=method)
    for interval in (copies, summed):
        assert (interval.low, interval.high) == pytest.approx((plain.low, plain.high), rel=1e-9)


def test_effective_sample_size_has_its_bounds():
    # All hits: as many scans as patients. One hit of each patient: all scans.
    patients = np.repeat(np.arange(6), 2)
    everyone = proportion_interval(np.ones(12), 1, groups=patients)
    plain = proportion_interval(6, 6)
    assert (everyone.low, everyone.high) == pytest.approx((plain.low, plain.high))
    halves = proportion_interval(np.tile([0, 1], 6), 1, groups=patients)
    plain = proportion_interval(6, 12)
    assert (halves.low, halves.high) == pytest.approx((plain.low, plain.high))
    assert halves.variance == 0


def test_clustered_proportion_covers():
    rng = np.random.default_rng(0)
    inside, naive = 0, 0
    for _ in range(600):
        n_scans = rng.integers(1, 6, 60)
        hits = rng.binomial(n_scans, rng.beta(2.1, 0.9, 60))
        interval = proportion_interval(hits, n_scans, groups=np.arange(60))
        inside += interval.low < 0.7 < interval.high
        plain = proportion_interval(hits.sum(), n_scans.sum())
        naive += plain.low < 0.7 < plain.high
    assert 0.93 < inside / 600 < 0.975
    assert naive / 600 < 0.9


def test_one_patient_has_no_interval():
    with pytest.warns(RuntimeWarning, match="no two patients have scans"):
        interval = proportion_interval([1, 0, 1], 1, groups=["a", "a", "a"])
    assert interval.estimate == 2 / 3
    assert np.isnan([interval.low, interval.high]).all()
    with pytest.warns(RuntimeWarning, match="no two patients have scans"):
        assert np.isnan(proportion_interval([0, 0], [0, 0], groups=["a", "b"]).estimate)


@pytest.mark.parametrize(
    ("n_hits", "n_total", "groups", "message"),
    [
        ([1, 0], 1, None, "single numbers without groups, got arrays"),
        (1, 2, ["a", "b"], "n_hits must be one-dimensional"),
        ([1, 0], 1, ["a", "b", "c"], "n_hits and groups must have the same rows, got 2 and 3"),
        ([1, 0], 1, ["a", None], "groups is missing for 1 of 2 scans"),
        ([1, 0], [1, 1, 1], ["a", "b"], "n_hits and n_total must have the same rows"),
        ([1, np.nan], 1, ["a", "b"], "n_hits has 1 NaN"),
        ([1, 2], 1, ["a", "b"], "0 <= n_hits <= n_total, got 2 and 1 at position 1"),
    ],
)
def test_bad_clustered_counts(n_hits, n_total, groups, message):
    with pytest.raises(ValueError, match=message):
        proportion_interval(n_hits, n_total, groups=groups)
