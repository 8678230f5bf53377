"""Student's t: closed forms, coverage, and input that allows no statement."""

import numpy as np
import pandas as pd
import pytest

from skdxa.significance import corrected_t_interval, corrected_t_test, t_interval


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


def test_correction_widens_by_the_formula():
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
