"""Non-inferiority of an AUC: agreement with the intervals, and how often it errs."""

import numpy as np
import pytest
from scipy import stats

from skdxa.significance import delong_interval, delong_test, non_inferiority_test


def draw(rng, separation=1.0, n=180):
    y = np.tile([0, 0, 1], n // 3)
    return y, separation * y + rng.normal(size=n)


@pytest.mark.parametrize("groups", [None, np.arange(180) // 2])
def test_the_test_agrees_with_the_interval(groups):
    decisions = set()
    for seed in range(40):
        y, score = draw(np.random.default_rng(seed))
        other = score + 0.4 * np.random.default_rng(900 + seed).normal(size=180)
        for reference, margin in ((0.74, 0.06), (other, 0.015)):
            test = non_inferiority_test(y, score, reference, margin=margin, groups=groups)
            assert (test.pvalue < 0.025) == (test.interval.low > -margin)
            decisions.add((np.ndim(reference), bool(test.pvalue < 0.025)))
    assert len(decisions) == 4


def test_against_a_value_the_interval_is_delongs():
    y, score = draw(np.random.default_rng(0))
    test = non_inferiority_test(y, score, 0.8, margin=0.1, level=0.9)
    area = delong_interval(y, score, level=0.9)
    assert test.estimate == area.estimate - 0.8
    assert (test.interval.low, test.interval.high) == (area.low - 0.8, area.high - 0.8)
    assert test.interval.variance == area.variance
    assert test.method == "non-inferiority, DeLong, logit scale"


def test_against_another_score_the_interval_is_that_of_the_paired_test():
    rng = np.random.default_rng(0)
    (y, score), (_, other) = draw(rng), draw(rng)
    test, paired = non_inferiority_test(y, score, other, margin=0.1), delong_test(y, score, other)
    assert test.interval == paired.interval
    expected = (paired.estimate + 0.1) / np.sqrt(paired.interval.variance)
    assert test.statistic == pytest.approx(expected)
    assert test.pvalue == pytest.approx(stats.norm.sf(expected))


def test_an_auc_that_is_worse_by_the_margin_is_rarely_accepted():
    # The true AUC is 0.76; the reference less the margin is the same.
    separation = np.sqrt(2) * stats.norm.ppf(0.76)
    accepted = [
        non_inferiority_test(
            *draw(np.random.default_rng(seed), separation), 0.81, margin=0.05
        ).pvalue
        < 0.025
        for seed in range(400)
    ]
    assert 0 < np.mean(accepted) < 0.045


def test_without_a_variance_there_is_no_test():
    y = np.tile([0, 1], 20)
    with pytest.warns(RuntimeWarning, match="the AUC has no variance, so there is no p") as warned:
        test = non_inferiority_test(y, y + 0.1, 0.8, margin=0.1)
    assert warned[0].filename == __file__
    assert np.isnan(test.pvalue)
    assert test.interval.low > 0
    with pytest.warns(RuntimeWarning, match="variance is zero"):
        test = non_inferiority_test(y, y + 0.1, y, margin=0.1)
    assert np.isnan(test.pvalue)


@pytest.mark.parametrize(
    ("reference", "margin", "message"),
    [
        (0.8, 0, "margin must lie between 0 and 0.5, got 0"),
        (0.8, 5, "margin must lie between 0 and 0.5, got 5"),
        (1.0, 0.1, "reference must be an AUC above the margin of 0.1 and below 1"),
        (0.1, 0.1, "reference must be an AUC above the margin"),
    ],
)
def test_non_inferiority_refuses(reference, margin, message):
    with pytest.raises(ValueError, match=message):
        non_inferiority_test([0, 1, 0, 1], [1, 2, 3, 4], reference, margin=margin)
