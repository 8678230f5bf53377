"""Calibration, net benefit, reclassification, McNemar, several tests at once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from skdxa.significance import (
    adjust_pvalues,
    calibration,
    hosmer_lemeshow,
    mcnemar,
    net_benefit,
    reclassification,
)

DATA = Path(__file__).parents[1] / "data" / "significance"
Y = np.array([0, 0, 0, 0, 1, 1, 1])
OLD = np.array([0.1, 0.3, 0.2, 0.4, 0.3, 0.5, 0.4])
NEW = np.array([0.2, 0.2, 0.1, 0.3, 0.5, 0.6, 0.3])


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
    new, trained = (hosmer_lemeshow(*too_extreme, out_of_fold=fresh) for fresh in (True, False))
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


def test_hosmer_lemeshow_out_of_fold_holds_its_level():
    rng = np.random.default_rng(1)
    rejected = 0
    for _ in range(300):
        prob = rng.uniform(0.1, 0.7, 300)
        rejected += hosmer_lemeshow(rng.random(300) < prob, prob, out_of_fold=True).pvalue < 0.05
    assert 0.02 < rejected / 300 < 0.09


def test_net_benefit_at_the_ends():
    curve = net_benefit(Y, OLD, [0.05, 0.3, 0.9])
    # Everyone is treated at 5 %, nobody at 90 %; 0.3 itself counts as above 0.3.
    assert curve.net_benefit.tolist() == pytest.approx(
        [3 / 7 - 4 / 7 / 19, 3 / 7 - 2 / 7 * 3 / 7, 0]
    )
    assert curve.net_benefit[0] == curve.treat_all[0]
    assert curve.true_positives.tolist() == [3, 3, 0]
    assert curve.interventions_avoided[0] == 0
    assert net_benefit(Y, OLD, 0.3).shape == (1, 7)


@pytest.mark.parametrize("threshold", [0, 1, [0.1, 1.2]])
def test_bad_threshold(threshold):
    with pytest.raises(ValueError, match="thresholds must lie between 0 and 1"):
        net_benefit(Y, OLD, threshold)


def test_reclassification_counts_moves():
    # Events: two up, one down; others: one up, three down.
    result = reclassification(Y, OLD, NEW)
    assert result.nri_events.estimate == pytest.approx(1 / 3)
    assert result.nri_nonevents.estimate == pytest.approx(1 / 2)
    assert result.nri.estimate == pytest.approx(5 / 6)
    assert result.idi.estimate == pytest.approx((0.2 + 0.1 - 0.1) / 3 + (0.2 / 4))
    mirrored = reclassification(Y, NEW, OLD)
    assert mirrored.nri.estimate == -result.nri.estimate
    assert mirrored.idi.statistic == pytest.approx(-result.idi.statistic)


def test_categories_include_their_lower_cutoff():
    # Patient 4 rises from 0.3 to 0.5 and 1 falls from 0.3; 3 and 6 fall to 0.3 itself.
    result = reclassification(Y, OLD, NEW, cutoffs=[0.45, 0.3])
    assert result.nri_events.estimate == pytest.approx(1 / 3)
    assert result.nri_nonevents.estimate == 1 / 4


def test_models_that_agree_are_not_told_apart():
    with pytest.warns(RuntimeWarning, match="variance is zero"):
        result = reclassification(Y, OLD, OLD)
    assert (result.nri.statistic, result.nri.pvalue) == (0, 1)
    assert (result.idi.statistic, result.idi.pvalue) == (0, 1)


def test_one_event_gives_no_standard_error():
    with pytest.warns(RuntimeWarning, match="at least two events and two non-events"):
        result = reclassification([0, 0, 1], OLD[:3], NEW[:3])
    assert np.isnan([result.nri.pvalue, result.idi.interval.low]).all()
    assert np.isfinite(result.nri.estimate)


def test_bad_reclassification():
    with pytest.raises(ValueError, match="new must hold probabilities from 0 to 1, got 2"):
        reclassification(Y, OLD, np.full(7, 2))
    with pytest.raises(ValueError, match="old and new must have the same rows"):
        reclassification(Y, OLD[1:], NEW)


# R: mcnemar.test(matrix(c(30, 12, 5, 40), 2)), correct = TRUE or FALSE; binom.test(5, 17)
def test_mcnemar_agrees_with_r():
    right_a, right_b = (
        np.repeat([1, 0, 1, 0], [30, 12, 5, 40]),
        np.repeat([1, 1, 0, 0], [30, 12, 5, 40]),
    )
    tests = {
        method: mcnemar(right_a, right_b, method=method)
        for method in ("exact", "mid-p", "corrected", "plain")
    }
    assert tests["exact"].estimate == pytest.approx(-7 / 87)
    assert (tests["exact"].statistic, tests["exact"].df) == (5, None)
    assert tests["exact"].pvalue == pytest.approx(0.143463134765625, rel=1e-12)
    assert tests["corrected"].statistic == pytest.approx(2.11764705882353)
    assert tests["plain"].pvalue == pytest.approx(0.0895550744136431)
    assert tests["plain"].pvalue < tests["mid-p"].pvalue < tests["exact"].pvalue
    assert tests["plain"].df == 1


def test_mcnemar_swapped_and_balanced():
    a, b = np.array([1, 1, 1, 0, 0, 1]), np.array([0, 0, 1, 1, 0, 0])
    for method in ("exact", "mid-p", "corrected", "plain"):
        assert mcnemar(a, b, method=method).pvalue == mcnemar(b, a, method=method).pvalue
        assert mcnemar([1, 0, 1], [0, 1, 1], method=method).pvalue == 1
    # Three against one: 2 * (P(0) + P(1)), and that less P(1), of 16ths.
    assert mcnemar(a, b).pvalue == pytest.approx(2 * (1 + 4) / 16)
    assert mcnemar(a, b, method="mid-p").pvalue == pytest.approx((2 * 1 + 4) / 16)


@pytest.mark.parametrize("method", ["exact", "mid-p", "corrected", "plain"])
def test_models_that_never_disagree(method):
    with pytest.warns(RuntimeWarning, match="models never disagree"):
        test = mcnemar([1, 0, 1], [1, 0, 1], method=method)
    if method in ("exact", "mid-p"):
        assert (test.statistic, test.pvalue) == (0, 1)
    else:
        assert np.isnan([test.statistic, test.pvalue]).all()


@pytest.mark.parametrize(
    ("right_a", "right_b", "message"),
    [
        ([], [], "right_a and right_b are empty"),
        ([0, 2], [0, 1], "right_a must hold 0 and 1 only, got 2"),
        ([0, 1], [0, 1, 1], "must have the same rows, got 2 and 3"),
    ],
)
def test_bad_mcnemar(right_a, right_b, message):
    with pytest.raises(ValueError, match=message):
        mcnemar(right_a, right_b)


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
