"""Calibration: agreement with R, simulated truth, and risks that allow no statement."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, logit

from skdxa.significance import calibration, hosmer_lemeshow

DATA = Path(__file__).parents[1] / "data" / "significance"
Y = np.array([0, 0, 0, 0, 1, 1, 1])
OLD = np.array([0.1, 0.3, 0.2, 0.4, 0.3, 0.5, 0.4])


@pytest.fixture(scope="module")
def too_extreme():
    """Outcomes, and risks made too low and too extreme."""
    table = pd.read_csv(DATA / "fracture_pred.csv")
    return table.y.to_numpy(), expit(0.4 + 1.5 * logit(table.p_t_tbs_age.to_numpy()))


def test_calibration_agrees_with_r(too_extreme):
    # R: glm(y ~ offset(lp), binomial) and glm(y ~ lp, binomial), epsilon = 1e-14
    result = calibration(*too_extreme)
    assert result.in_the_large == pytest.approx(1.15313500002916, rel=1e-8)
    assert np.sqrt(result.in_the_large_interval.variance) == pytest.approx(0.107121272685352)
    assert result.in_the_large_interval.low == pytest.approx(0.943181163587772)
    assert result.slope == pytest.approx(0.666666645401894, rel=1e-8)
    assert np.sqrt(result.slope_interval.variance) == pytest.approx(0.185480908255164)
    assert result.slope_interval.high == pytest.approx(1.03020254540179)
    assert result.intercept == pytest.approx(-0.266666757373108)
    assert result.brier == pytest.approx(0.0379398933006856, rel=1e-10)
    assert result.scaled_brier == pytest.approx(-0.0127196425096727, rel=1e-8)
    assert result.expected == pytest.approx(30.1423206945017)
    assert (result.n, result.events) == (2360, 92)


def test_right_risks_are_found_right():
    rng = np.random.default_rng(0)
    prob = rng.uniform(0.02, 0.6, 5000)
    result = calibration(rng.random(5000) < prob, prob)
    for interval, truth in ((result.in_the_large_interval, 0), (result.slope_interval, 1)):
        assert interval.low < truth < interval.high
        assert interval.high - interval.low < 0.3


def test_shifted_risks_show_in_the_large_alone(too_extreme):
    y, prob = too_extreme
    before, after = calibration(y, prob), calibration(y, expit(logit(prob) - 3))
    assert after.in_the_large == pytest.approx(before.in_the_large + 3)
    assert after.slope == pytest.approx(before.slope)


@pytest.mark.parametrize(
    "prob",
    [np.full(7, 0.4), [0.1, 0.2, 0.3, 0.3, 0.3, 0.5, 0.6], [0.9, 0.8, 0.8, 0.7] + 3 * [0.1]],
)
def test_no_slope_without_overlap(prob):
    with pytest.warns(RuntimeWarning, match="no calibration slope exists"):
        result = calibration(Y, prob)
    assert np.isnan([result.slope, result.slope_interval.low, result.intercept]).all()
    assert np.isfinite(result.in_the_large)


@pytest.mark.parametrize(
    ("y", "prob", "message"),
    [
        (Y, [0, 0.3, 0.2, 0, 0.3, 0.5, 0.4], r"exactly 0 at position 0 \(2 such.*numpy.clip"),
        (Y, [0.1, 0.3, 0.2, 1, 0.3, 0.5, 0.4], "exactly 1 at position 3"),
        (Y, 100 * OLD, "prob must hold probabilities from 0 to 1, got 10 at position 0"),
        (Y, [np.nan, *OLD[1:]], "prob has 1 NaN"),
        (np.zeros(7), OLD, "y must hold both 0 and 1"),
        (Y, OLD[1:], "y and prob must have the same rows"),
    ],
)
def test_bad_risks(y, prob, message):
    for function in (calibration, lambda y, prob: hosmer_lemeshow(y, prob, out_of_fold=True)):
        with pytest.raises(ValueError, match=message):
            function(y, prob)


def test_hosmer_lemeshow_agrees_with_r(too_extreme):
    # R: groups by cut(quantile(p, 0:10 / 10), include.lowest = TRUE), chi-square by hand
    with pytest.warns(RuntimeWarning, match=r"groups have fewer than 5 expected .*n_groups\."):
        new, trained = (
            hosmer_lemeshow(*too_extreme, out_of_fold=fresh) for fresh in (True, False)
        )
    assert new.statistic == trained.statistic == pytest.approx(178.099242213796)
    assert (new.df, trained.df) == (10, 8)
    assert new.pvalue == pytest.approx(5.81143380726386e-33, rel=1e-7)
    assert trained.pvalue == pytest.approx(2.58046034051267e-34, rel=1e-7)


def test_ties_make_fewer_groups():
    # The same in R, where cut() leaves 3 groups of 71, 20 and 22.
    table = pd.read_csv(DATA / "asah.csv")
    prob = np.round(expit(-2.5 + 0.7 * table.wfns), 1)
    test = hosmer_lemeshow(table.y, prob, out_of_fold=True)
    assert test.statistic == pytest.approx(4.0000079540374)
    assert (test.df, test.pvalue) == (3, pytest.approx(0.261463271058058))


@pytest.mark.parametrize("out_of_fold", [True, False])
def test_one_group_is_no_test(out_of_fold):
    with pytest.warns(RuntimeWarning, match=r"1 group\(s\) of risk"):
        test = hosmer_lemeshow(Y, np.full(7, 0.4), out_of_fold=out_of_fold)
    assert np.isnan([test.statistic, test.pvalue]).all()
    with pytest.raises(ValueError, match="n_groups must be at least 2"):
        hosmer_lemeshow(Y, OLD, out_of_fold=True, n_groups=1)


@pytest.mark.parametrize("invert", [False, True])
def test_few_expected_events_or_non_events_warn(invert):
    # Two groups of 50 with 4.9 and 5 expected events, or non-events.
    prob, y = np.repeat([0.098, 0.1], 50), np.tile([0, 1] + 8 * [0], 10)
    if invert:
        prob, y = 1 - prob, 1 - y
    expected = r"1 of 2 groups have fewer than 5 expected .*\(the fewest 4.9\)"
    with pytest.warns(RuntimeWarning, match=expected):
        test = hosmer_lemeshow(y, prob, out_of_fold=True, n_groups=2)
    assert test.statistic == pytest.approx(0.1**2 / (4.9 * 0.902))


def test_hosmer_lemeshow_out_of_fold_holds_its_level():
    rng = np.random.default_rng(1)
    rejected = 0
    for _ in range(300):
        prob = rng.uniform(0.15, 0.7, 400)
        rejected += hosmer_lemeshow(rng.random(400) < prob, prob, out_of_fold=True).pvalue < 0.05
    assert 0.02 < rejected / 300 < 0.09


def visits(rng, n_patients=120):
    """Outcomes, calibrated risks, and patients whose outcomes are correlated given the risks."""
    patient = np.repeat(np.arange(n_patients), rng.integers(1, 6, n_patients))
    log_odds = rng.normal(-0.8, 1, n_patients)[patient] + rng.normal(0, 0.5, patient.size)
    # A common random number correlates the outcomes and leaves each risk as it is.
    chance = rng.random(n_patients)[patient]
    chance = np.where(rng.random(patient.size) < 0.5, chance, rng.random(patient.size))
    return (chance < expit(log_odds)).astype(int), expit(log_odds), patient


def test_clustered_calibration_covers():
    rng = np.random.default_rng(2)
    inside, naive = np.zeros(2), np.zeros(2)
    for _ in range(400):
        y, prob, patient = visits(rng)
        for count, groups in ((inside, patient), (naive, None)):
            result = calibration(y, prob, groups=groups)
            intervals = result.in_the_large_interval, result.slope_interval
            count += [i.low < truth < i.high for i, truth in zip(intervals, (0, 1), strict=True)]
    assert (inside / 400 > 0.92).all()
    assert (inside / 400 < 0.98).all()
    assert (naive / 400 < 0.92).all()


def test_patients_of_calibration():
    y, prob, _ = visits(np.random.default_rng(3), 1500)
    plain, clustered = calibration(y, prob), calibration(y, prob, groups=np.arange(y.size))
    twice = np.repeat(np.arange(y.size), 2)
    copies = calibration(y[twice], prob[twice], groups=twice)
    for name in ("in_the_large_interval", "slope_interval"):
        one, sandwich, two = (getattr(r, name) for r in (plain, clustered, copies))
        assert sandwich.estimate == one.estimate
        assert sandwich.variance == pytest.approx(one.variance, rel=0.05)
        assert two.variance == pytest.approx(sandwich.variance, rel=1e-9)
        assert (one.method, two.method) == ("Wald", "clustered Wald")


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (list("abcdef"), "y and groups must have the same rows, got 7 and 6"),
        ([*"abcdef", None], "groups is missing for 1 of 7 scans"),
        (list("aaaaaaa"), "groups must hold at least two patients"),
        (list("aaaaaab"), "2 patients are too few"),
    ],
)
def test_bad_patients(groups, message):
    with pytest.raises(ValueError, match=message):
        calibration(Y, OLD, groups=groups)


def test_observed_over_expected_events():
    rng = np.random.default_rng(0)
    prob = rng.uniform(0.05, 0.6, 300)
    y = (rng.random(300) < prob).astype(int)
    found = calibration(y, prob, level=0.9).observed_over_expected
    assert found.estimate == pytest.approx(y.sum() / prob.sum())
    assert found.low * found.high == pytest.approx(found.estimate**2)
    # Against a bootstrap of the logarithm.
    drawn = rng.integers(300, size=(4000, 300))
    logs = np.log(y[drawn].sum(axis=1) / prob[drawn].sum(axis=1))
    assert found.variance == pytest.approx(logs.var(), rel=0.1)
    half = stats.norm.ppf(0.95) * np.sqrt(found.variance)
    assert found.high == pytest.approx(found.estimate * np.exp(half))
    twice = calibration(np.tile(y, 2), np.tile(prob, 2), groups=np.tile(np.arange(300), 2))
    assert twice.observed_over_expected.variance == pytest.approx(found.variance)


def test_the_interval_of_observed_over_expected_events_holds():
    held = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        prob = rng.uniform(0.05, 0.6, 150)
        y = (rng.random(150) < prob).astype(int)
        found = calibration(y, prob).observed_over_expected
        held.append(found.low <= 1 <= found.high)
    assert 0.92 < np.mean(held) < 0.985
