"""Intervals: closed forms, coverage, and input that allows no statement."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skdxa.significance import (
    bootstrap_interval,
    corrected_t_interval,
    corrected_t_test,
    proportion_interval,
    t_interval,
)


def test_t_interval_agrees_with_r():
    # R: t.test(c(0.61, 0.65, 0.60, 0.66))
    interval = t_interval([0.61, 0.65, 0.60, 0.66])
    assert interval.estimate == pytest.approx(0.63)
    assert interval.low == pytest.approx(0.583155658769676, rel=1e-12)
    assert interval.high == pytest.approx(0.676844341230324, rel=1e-12)
    assert (interval.level, interval.method) == (0.95, "Student t")


def test_narrower_at_a_lower_level():
    values = pd.Series([0.61, 0.65, 0.60, 0.66], index=[7, 3, 9, 1])
    wide, narrow = t_interval(values), t_interval(values, level=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_correction_widens_as_formula_says():
    values = np.tile([0.6, 0.7], 50)
    naive = t_interval(values)
    corrected = corrected_t_interval(values, n_train=2124, n_test=236)
    widening = (corrected.high - corrected.low) / (naive.high - naive.low)
    assert widening == pytest.approx(np.sqrt(1 + 100 * 236 / 2124))


def test_corrected_interval_covers_dependent_folds():
    # Scores with the correlation that the correction supposes, n_test / (n_test + n_train).
    rng = np.random.default_rng(0)
    common = rng.normal(size=(600, 1)) * np.sqrt(0.1)
    scores = 0.6 + 0.05 * (common + rng.normal(size=(600, 20)) * np.sqrt(0.9))
    corrected = [corrected_t_interval(row, n_train=90, n_test=10) for row in scores]
    naive = [t_interval(row) for row in scores]
    assert 0.93 < np.mean([i.low < 0.6 < i.high for i in corrected]) < 0.97
    assert np.mean([i.low < 0.6 < i.high for i in naive]) < 0.8


def test_corrected_test_and_interval_agree():
    differences = [0.02, 0.01, 0.04, 0.01, -0.01]
    test = corrected_t_test(differences, n_train=80, n_test=20)
    edge = corrected_t_test(differences, n_train=80, n_test=20, level=1 - test.pvalue)
    assert edge.interval.low == pytest.approx(0, abs=1e-12)
    assert (test.df, test.estimate) == (4, pytest.approx(0.014))


def test_equal_values_warn():
    with pytest.warns(RuntimeWarning, match="no width"):
        interval = t_interval([1.0, 1.0, 1.0])
    assert (interval.low, interval.high) == (1.0, 1.0)
    with pytest.warns(RuntimeWarning, match="no width"):
        corrected_t_interval([0.7, 0.7], n_train=9, n_test=1)


def test_differences_that_differ_by_rounding_alone_are_no_evidence():
    differences = np.array([0.7 - 0.6, 0.8 - 0.7, 0.9 - 0.8])
    assert np.ptp(differences) > 0
    with pytest.warns(RuntimeWarning, match="all differences are equal"):
        test = corrected_t_test(differences, n_train=9, n_test=1)
    assert np.isnan(test.statistic)
    assert np.isnan(test.pvalue)


def test_identical_models_differ_by_nothing():
    with pytest.warns(RuntimeWarning, match="all differences are equal"):
        test = corrected_t_test(np.zeros(10), n_train=9, n_test=1)
    assert (test.statistic, test.pvalue) == (0, 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.6], "at least two values"),
        ([0.6, np.nan, 0.7], "values has 1 NaN or infinite value.* first at position 1"),
        ([0.6, np.inf], "first at position 1"),
        ([[0.6, 0.7]], "one-dimensional"),
        (["a", "b"], "values must hold numbers"),
    ],
)
def test_bad_values(values, message):
    with pytest.raises(ValueError, match=message):
        t_interval(values)
    with pytest.raises(ValueError, match=message):
        corrected_t_interval(values, n_train=9, n_test=1)


@pytest.mark.parametrize("level", [0, 1, 95, np.nan])
def test_bad_level(level):
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        t_interval([0.6, 0.7], level=level)


@pytest.mark.parametrize("sizes", [{"n_train": 0, "n_test": 1}, {"n_train": 9, "n_test": -1}])
def test_bad_fold_sizes(sizes):
    with pytest.raises(ValueError, match="must be a positive number of scans"):
        corrected_t_interval([0.6, 0.7], **sizes)


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


def test_bootstrap_of_a_mean_has_its_known_variance():
    values = np.random.default_rng(1).normal(size=40)
    interval = bootstrap_interval(np.mean, (values,), n_resamples=4000, random_state=0)
    assert interval.estimate == values.mean()
    assert interval.variance == pytest.approx(values.var() / 40, rel=0.08)
    half = stats.norm.ppf(0.975) * values.std() / np.sqrt(40)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.08)


def test_copies_of_a_patient_bring_no_precision():
    values = np.random.default_rng(2).normal(size=30)
    copies, patient = np.tile(values, 9), np.tile([f"p{i}" for i in range(30)], 9)
    options = {"n_resamples": 1000, "random_state": 0}
    grouped = bootstrap_interval(np.mean, (copies,), groups=patient, **options)
    naive = bootstrap_interval(np.mean, (copies,), **options)
    assert grouped.variance == pytest.approx(values.var() / 30, rel=0.15)
    assert naive.variance == pytest.approx(values.var() / 270, rel=0.15)


@pytest.mark.parametrize("method", ["percentile", "bca", "basic", "normal"])
@pytest.mark.parametrize("grouped", [False, True])
def test_weights_say_the_same_as_resampled_rows(method, grouped):
    rng = np.random.default_rng(5)
    values, other = rng.normal(size=37), rng.normal(size=37)
    groups = rng.integers(0, 15, 37) if grouped else None
    sex = None if groups is None else groups % 2
    options = {
        "groups": groups,
        "stratify": sex,
        "method": method,
        "n_resamples": 300,
        "random_state": 0,
    }
    plain = bootstrap_interval(
        lambda a, b: np.sum(a * b) / np.sum(a**2), (values, other), **options
    )
    weighted = bootstrap_interval(
        lambda a, b, w: np.sum(w * a * b, axis=-1) / np.sum(w * a**2, axis=-1),
        (values, other),
        weighted=True,
        **options,
    )
    for name in ("estimate", "low", "high", "variance"):
        assert getattr(weighted, name) == pytest.approx(getattr(plain, name), rel=1e-9)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_strata_keep_their_size(method):
    y = np.repeat([0, 1], [25, 7])
    seen = set()

    def sensitivity(y, hit):
        seen.add((len(y), y.sum()))
        return hit[y == 1].mean()

    hit = np.tile([1, 0, 1, 1], 8)
    interval = bootstrap_interval(
        sensitivity, (y, hit), stratify=y, method=method, n_resamples=200, random_state=0
    )
    # The jackknife of BCa leaves one patient out.
    left_out = {(31, 6), (31, 7)} if method == "bca" else set()
    assert seen == {(32, 7)} | left_out
    assert interval.low < interval.estimate < interval.high


def test_same_seed_same_interval():
    arguments = (np.median, (np.arange(20.0),))
    first, second, other = (
        bootstrap_interval(*arguments, n_resamples=99, random_state=seed) for seed in (3, 3, 4)
    )
    assert first == second
    assert first.variance != other.variance


def test_undefined_resamples_are_not_hidden():
    y, hit = np.repeat([0, 1], [18, 2]), np.tile([0, 1], 10)

    def sensitivity(y, hit):
        return hit[y == 1].mean() if y.any() else np.nan

    with pytest.warns(RuntimeWarning, match=r"undefined in \d+ of 200 resamples"):
        interval = bootstrap_interval(sensitivity, (y, hit), n_resamples=200, random_state=0)
    assert np.isnan([interval.low, interval.high]).all()


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_constant_bootstrap_warns(method):
    with pytest.warns(RuntimeWarning, match="all resamples give the same"):
        bootstrap_interval(np.mean, (np.ones(9),), method=method, n_resamples=50, random_state=0)


@pytest.mark.parametrize("arrays", [np.ones(5), [0.1, 0.2], pd.Series([0.1, 0.2])])
def test_bootstrap_takes_a_tuple(arrays):
    with pytest.raises(ValueError, match="arrays must be a tuple of arrays"):
        bootstrap_interval(np.mean, arrays, n_resamples=9)


def test_missing_bca_interval_is_not_hidden():
    # No single patient moves the median of six zeros and three ones: no acceleration.
    with pytest.warns(RuntimeWarning, match="BCa interval does not exist"):
        interval = bootstrap_interval(
            np.median,
            (np.repeat([0, 1], [6, 3]),),
            method="bca",
            n_resamples=200,
            random_state=0,
        )
    assert np.isnan([interval.low, interval.high]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "BCa"}, "method must be one of"),
        ({"groups": ["a", "b", None, "a"]}, "groups is missing in 1 row.* position 2"),
        ({"stratify": [0, 1, np.nan, 1]}, "stratify is missing"),
        ({"stratify": [0, 1, 1, 1]}, "at least two patients in each stratum"),
        ({"groups": ["a", "b", "b", "c"], "stratify": [0, 0, 1, 1]}, r"patient b .*\(row 2\)"),
        ({"groups": ["a", "b"]}, "inconsistent numbers of samples"),
    ],
)
def test_bad_bootstrap(options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(np.mean, ([1.0, 2.0, 3.0, 4.0],), n_resamples=9, **options)
