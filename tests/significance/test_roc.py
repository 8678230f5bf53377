"""DeLong: closed forms, coverage, and input that allows no statement."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skdxa.significance import (
    bootstrap_interval,
    delong_interval,
    delong_test,
    delong_test_unpaired,
    roc_points,
)

DATA = Path(__file__).parents[1] / "data" / "significance"
Y = np.array([0, 0, 0, 0, 0, 1, 1, 1])
NETWORK = np.array([0.1, 0.4, 0.2, 0.3, 0.6, 0.5, 0.9, 0.7])
AGE = np.array([62, 70, 65, 74, 66, 68, 71, 64])


def by_pairs(y, score):
    """Area and variance from all pairs, as DeLong wrote them."""
    wins = np.sign(np.subtract.outer(score[y == 1], score[y == 0])) / 2 + 0.5
    return wins.mean(), (
        wins.mean(axis=1).var(ddof=1) / wins.shape[0]
        + wins.mean(axis=0).var(ddof=1) / wins.shape[1]
    )


def test_midranks_equal_all_pairs_with_ties():
    rng = np.random.default_rng(0)
    for n_values in (2, 5, 1000):
        y, score = rng.integers(0, 2, 63), rng.integers(0, n_values, 63).astype(float)
        interval = delong_interval(y, score)
        assert (interval.estimate, interval.variance) == pytest.approx(by_pairs(y, score))


def test_paired_test_agrees_with_r():
    # pROC: roc.test(roc(y, network), roc(y, age), method = "delong", paired = TRUE)
    test = delong_test(Y, NETWORK, AGE)
    assert test.estimate == pytest.approx(0.4)
    assert test.statistic == pytest.approx(1.434274331201, rel=1e-11)
    assert test.pvalue == pytest.approx(0.151493992404, rel=1e-10)
    assert test.interval.low == pytest.approx(-0.146607839770371, rel=1e-11)
    assert test.interval.high == pytest.approx(0.946607839770371, rel=1e-11)


def test_unpaired_test_agrees_with_r():
    # pROC: roc.test(roc_a, roc_b, method = "delong", paired = FALSE)
    test = delong_test_unpaired(
        [0, 0, 1, 0, 1, 1], [1, 2, 3, 4, 5, 6], [0, 1, 1, 0, 0], [1, 4, 2, 3, 5]
    )
    assert test.statistic == pytest.approx(1.055289706022, rel=1e-11)
    assert test.df == pytest.approx(5.748218527316, rel=1e-11)
    assert test.pvalue == pytest.approx(0.333614134602, rel=1e-10)
    edge = delong_test_unpaired(
        [0, 0, 1, 0, 1, 1],
        [1, 2, 3, 4, 5, 6],
        [0, 1, 1, 0, 0],
        [1, 4, 2, 3, 5],
        level=1 - test.pvalue,
    )
    assert edge.interval.low == pytest.approx(0, abs=1e-10)


def test_reversing_a_score_mirrors_its_area():
    up, down = delong_interval(Y, NETWORK), delong_interval(Y, -NETWORK)
    assert down.estimate == pytest.approx(1 - up.estimate)
    assert down.variance == pytest.approx(up.variance)
    assert (1 - down.high, 1 - down.low) == pytest.approx((up.low, up.high))
    up, down = (delong_interval(Y, sign * NETWORK, scale="identity") for sign in (1, -1))
    assert (up.high, down.low) == (1, 0)


def test_intervals_on_both_scales_have_their_closed_form():
    on_logit = delong_interval(Y, NETWORK, level=0.8)
    area, error = on_logit.estimate, np.sqrt(on_logit.variance)
    half = stats.norm.ppf(0.9) * error / (area * (1 - area))
    odds = area / (1 - area) * np.exp([-half, half])
    assert (on_logit.low, on_logit.high) == pytest.approx(tuple(odds / (1 + odds)))
    plain = delong_interval(Y, NETWORK, level=0.5, scale="identity")
    half = stats.norm.ppf(0.75) * error
    assert (plain.low, plain.high) == pytest.approx((area - half, area + half))
    assert (on_logit.method, plain.method) == ("DeLong, logit scale", "DeLong")


def test_lists_series_and_small_floats_give_the_same():
    y = pd.Series(Y, index=range(10, 18))
    score = pd.Series(NETWORK, index=range(10, 18))
    assert delong_interval(y, score) == delong_interval(Y.tolist(), NETWORK.tolist())
    assert delong_interval(Y == 1, NETWORK) == delong_interval(Y, NETWORK)
    tied = np.float32([0.1, 0.1, 0.2, 0.3, 0.3, 0.3, 0.4, 0.4])
    assert delong_interval(Y, tied).estimate == by_pairs(Y, tied)[0]


def test_intervals_cover():
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], [80, 40])
    truth = stats.norm.cdf(1 / np.sqrt(2))
    inside = {"identity": 0, "logit": 0}
    for _ in range(400):
        score = rng.normal(size=120) + y
        for scale in inside:
            interval = delong_interval(y, score, scale=scale)
            inside[scale] += interval.low < truth < interval.high
    assert 0.92 < inside["identity"] / 400 < 0.98
    assert 0.92 < inside["logit"] / 400 < 0.98


def test_paired_test_holds_its_level():
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], [60, 40])
    pvalues = []
    for _ in range(400):
        common = rng.normal(size=100) + y
        noise = rng.normal(size=(2, 100))
        pvalues.append(delong_test(y, common + noise[0], common + noise[1]).pvalue)
    assert 0.02 < np.mean(np.array(pvalues) < 0.05) < 0.085


@pytest.mark.parametrize("groups", [None, np.arange(8)])
@pytest.mark.parametrize(("score", "area"), [(np.r_[1:9], 1), (-np.r_[1:9], 0)])
def test_perfect_separation_is_not_certain(score, area, groups):
    interval = delong_interval(Y, score, groups=groups)
    assert (interval.estimate, interval.variance, interval.method) == (area, 0, "Newcombe")
    assert (interval.high if area else interval.low) == area
    end = interval.low if area else 1 - interval.high
    # Hanley and McNeil's variance, with the mean size of the classes, puts the area at z = 1.96.
    q1, q2 = end / (2 - end), 2 * end**2 / (1 + end)
    variance = (end * (1 - end) + (4 - 1) * (q1 + q2 - 2 * end**2)) / (3 * 5)
    assert (1 - end) / np.sqrt(variance) == pytest.approx(stats.norm.ppf(0.975))
    with pytest.warns(RuntimeWarning, match="DeLong variance is zero"):
        interval = delong_interval(Y, score, groups=groups, scale="identity")
    assert (interval.low, interval.high) == (area, area)


def test_copies_of_separated_scans_bring_no_precision():
    twice = np.repeat(np.arange(8), 2)
    copies = delong_interval(Y[twice], twice, groups=twice)
    single = delong_interval(Y, np.arange(8))
    assert (copies.low, copies.high) == (single.low, single.high)


@pytest.mark.parametrize("scale", ["logit", "identity"])
def test_constant_score_warns(scale):
    with pytest.warns(RuntimeWarning, match="DeLong variance is zero"):
        interval = delong_interval(Y, np.full(8, 0.3), scale=scale)
    assert (interval.estimate, interval.low, interval.high) == (0.5, 0.5, 0.5)


def test_areas_near_one_are_covered():
    # A quarter of these simulated scores separate the classes.
    rng = np.random.default_rng(4)
    y, truth = np.repeat([0, 1], [20, 10]), 0.98
    inside = {"logit": 0, "identity": 0}
    for _ in range(400):
        score = rng.normal(size=30) + np.sqrt(2) * stats.norm.ppf(truth) * y
        for scale in inside:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "the DeLong variance is zero")
                interval = delong_interval(y, score, scale=scale)
            assert 0 < interval.low < interval.high <= 1 or interval.low == interval.high == 1
            inside[scale] += interval.low < truth < interval.high
    assert inside["logit"] / 400 > 0.93
    assert inside["identity"] / 400 < 0.75


@pytest.mark.parametrize("score", [[1, 2, 3, 4], [4, 3, 2, 1]])
def test_a_single_positive_that_is_separated_has_no_interval(score):
    with pytest.warns(RuntimeWarning, match="at least two positives and two negatives"):
        interval = delong_interval([0, 0, 0, 1], score)
    assert interval.estimate in (0, 1)
    assert np.isnan([interval.variance, interval.low, interval.high]).all()


@pytest.mark.parametrize("y", [[0, 0, 0, 1], [1, 0, 1, 1]])
def test_single_positive_or_negative_has_no_variance(y):
    with pytest.warns(RuntimeWarning, match="at least two positives and two negatives"):
        interval = delong_interval(y, [1, 3, 2, 2.5])
    assert np.isfinite(interval.estimate)
    assert np.isnan([interval.variance, interval.low, interval.high]).all()
    with pytest.warns(RuntimeWarning, match="at least two positives"):
        test = delong_test(y, [1, 3, 2, 2.5], [4, 1, 3, 2])
    assert np.isnan([test.statistic, test.pvalue, test.interval.low]).all()
    with pytest.warns(RuntimeWarning, match="at least two positives"):
        test = delong_test_unpaired(y, [1, 3, 2, 2.5], Y, NETWORK)
    assert np.isnan([test.statistic, test.pvalue, test.df, test.interval.high]).all()


def test_scores_of_one_order_do_not_differ():
    with pytest.warns(RuntimeWarning, match="variance is zero"):
        test = delong_test(Y, NETWORK, np.exp(3 * NETWORK))
    assert (test.estimate, test.statistic, test.pvalue) == (0, 0, 1)
    assert (test.interval.low, test.interval.high) == (0, 0)


def test_difference_without_variance_is_not_significant():
    with pytest.warns(RuntimeWarning, match="variance is zero"):
        test = delong_test(Y, np.arange(8), np.zeros(8))
    assert test.estimate == 0.5
    assert np.isnan([test.statistic, test.pvalue]).all()
    with pytest.warns(RuntimeWarning, match="variance is zero"):
        test = delong_test_unpaired(Y, np.arange(8), Y, np.zeros(8))
    assert np.isnan([test.statistic, test.pvalue, test.df]).all()


@pytest.mark.parametrize(
    ("y", "score", "message"),
    [
        ([0, 0, 0], [1, 2, 3], "y must hold both 0 and 1, got only 0"),
        ([], [], "got nothing"),
        ([0, 1, 2], [1, 2, 3], "y must hold 0 and 1 only, got 2"),
        ([0, 1, np.nan], [1, 2, 3], "y has 1 NaN .* position 2"),
        ([0, 1, 1], [1, np.nan, np.nan], "score has 2 NaN .* first at position 1"),
        ([0, 1, 1], [1, 2], "y and score must have the same rows, got 3 and 2"),
        ([0, 1, 1], [[1], [2], [3]], "score must be one-dimensional"),
    ],
)
def test_bad_input(y, score, message):
    for function in (delong_interval, roc_points):
        with pytest.raises(ValueError, match=message):
            function(y, score)


def test_rows_of_other_patients_are_not_paired():
    y = pd.Series(Y)
    with pytest.raises(ValueError, match="y and score have different indices: align them"):
        delong_interval(y, pd.Series(NETWORK, index=range(1, 9)))
    with pytest.raises(ValueError, match="score_a and score_b have different indices"):
        delong_test(Y, pd.Series(NETWORK), pd.Series(AGE, index=range(8, 0, -1)))


def test_unknown_scale():
    with pytest.raises(ValueError, match=r"scale must be one of \['logit', 'identity'\]"):
        delong_interval(Y, NETWORK, scale="log")


def test_roc_points_keep_collinear_points():
    points = roc_points([0, 0, 0, 1, 1], [1, 2, 3, 3, 4])
    assert points.threshold.tolist() == [np.inf, 4, 3, 2, 1]
    assert points.sensitivity.tolist() == [0, 0.5, 1, 1, 1]
    assert points.specificity.tolist() == pytest.approx([1, 1, 2 / 3, 1 / 3, 0])


def simulated_visits(rng, n_patients=70):
    """Patients with one to four scans, whose labels and scores are correlated."""
    patient = np.repeat(np.arange(n_patients), rng.integers(1, 5, n_patients))
    effect, frailty = rng.normal(size=(2, n_patients))
    y = (frailty[patient] + rng.normal(size=patient.size) > 0.5).astype(int)
    return y, y + 1.2 * effect[patient] + rng.normal(size=(2, patient.size)), patient


def test_one_scan_per_patient_is_plain_delong():
    patients = np.array(list("hgfedcba"))
    plain, clustered = delong_interval(Y, NETWORK), delong_interval(Y, NETWORK, groups=patients)
    assert (clustered.variance, clustered.low) == (plain.variance, plain.low)
    assert clustered.method == "clustered DeLong, logit scale"
    plain, clustered = delong_test(Y, NETWORK, AGE), delong_test(Y, NETWORK, AGE, groups=patients)
    assert clustered.interval.variance == plain.interval.variance
    assert clustered.statistic == plain.statistic


def test_copies_of_scans_bring_no_precision():
    single, twice = delong_interval(Y, NETWORK), np.repeat(np.arange(8), 2)
    copies = delong_interval(Y[twice], NETWORK[twice], groups=twice)
    assert copies.estimate == pytest.approx(single.estimate)
    assert copies.variance == pytest.approx(single.variance, rel=1e-12)
    test = delong_test(Y, NETWORK, AGE)
    copies = delong_test(Y[twice], NETWORK[twice], AGE[twice], groups=twice)
    assert copies.statistic == pytest.approx(test.statistic, rel=1e-12)


def test_clustered_variance_equals_that_of_a_bootstrap_of_patients():
    table = pd.read_csv(DATA / "respiratory.csv")
    y, age = table.y.to_numpy(), table.age.to_numpy()
    wins = np.sign(np.subtract.outer(age[y == 1], age[y == 0])) / 2 + 0.5

    def area(y, weights):
        positives, negatives = weights[..., y == 1], weights[..., y == 0]
        n_pairs = positives.sum(axis=-1) * negatives.sum(axis=-1)
        return np.sum((positives @ wins) * negatives, axis=-1) / n_pairs

    resampled = bootstrap_interval(
        area, (y,), groups=table.id, weighted=True, n_resamples=4000, random_state=0
    )
    clustered = delong_interval(y, age, groups=table.id)
    assert resampled.estimate == pytest.approx(clustered.estimate)
    assert resampled.variance == pytest.approx(clustered.variance, rel=0.06)
    assert delong_interval(y, age).variance < 0.5 * clustered.variance


def test_clustered_intervals_cover():
    rng = np.random.default_rng(3)
    areas, tests = [], []
    for _ in range(500):
        y, (first, second), patient = simulated_visits(rng)
        areas.append(delong_interval(y, first, groups=patient))
        tests.append(delong_test(y, first, second, groups=patient))
    estimates = np.array([interval.estimate for interval in areas])
    expected = np.mean([interval.variance for interval in areas])
    assert expected == pytest.approx(estimates.var(), rel=0.12)
    inside = [interval.low < estimates.mean() < interval.high for interval in areas]
    assert 0.92 < np.mean(inside) < 0.975
    assert 0.025 < np.mean([test.pvalue < 0.05 for test in tests]) < 0.08


def test_scans_of_both_classes_may_cancel():
    # The positive scan of each patient is just above the negative one, so that the area is
    # the same in any sample of six different patients.
    negatives = np.arange(6.0)
    with pytest.warns(RuntimeWarning, match="DeLong variance is zero"):
        interval = delong_interval(
            np.repeat([0, 1], 6), np.r_[negatives, negatives + 0.1], groups=np.tile(range(6), 2)
        )
    assert interval.estimate == pytest.approx(7 / 12)
    assert interval.variance == 0


def test_a_class_of_one_patient_has_no_variance():
    groups = [1, 2, 3, 4, 5, 6, 6, 6]
    with pytest.warns(RuntimeWarning, match="two negatives, of different patients"):
        interval = delong_interval(Y, NETWORK, groups=groups)
    assert np.isnan([interval.variance, interval.low, interval.high]).all()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (list("abcdefg"), "y and groups must have the same rows, got 8 and 7"),
        ([*"abcdefg", None], "groups is missing for 1 of 8 scans, the first in position 7"),
        ([1, 2, 3, np.nan, 5, 6, 7, 8], "groups is missing for 1 of 8 scans"),
        (pd.Series(list("abcdefgh"), index=range(1, 9)), "y and groups have different indices"),
    ],
)
def test_bad_groups(groups, message):
    y = pd.Series(Y)
    with pytest.raises(ValueError, match=message):
        delong_interval(y, NETWORK, groups=groups)
    with pytest.raises(ValueError, match=message):
        delong_test(y, NETWORK, AGE, groups=groups)


def test_scores_and_patients_are_compared_where_labels_have_no_index():
    y, score = np.tile([0, 1], 10), pd.Series(np.arange(20.0))
    groups = pd.Series(np.arange(20) // 2).sample(frac=1, random_state=0)
    for call in (
        lambda: delong_interval(y, score, groups=groups),
        lambda: delong_test(y, np.arange(20), score, groups=groups),
    ):
        with pytest.raises(ValueError, match="and groups have different indices"):
            call()
