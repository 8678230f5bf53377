"""Net benefit: values counted by hand, and bad thresholds."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skdxa.significance import bootstrap_interval, net_benefit

Y = np.array([0, 0, 0, 0, 1, 1, 1])
OLD = np.array([0.1, 0.3, 0.2, 0.4, 0.3, 0.5, 0.4])


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


def simulated(n, seed=0):
    rng = np.random.default_rng(seed)
    prob = rng.beta(1, 4, n)
    return (rng.random(n) < prob).astype(int), prob


def test_band_has_the_known_variance():
    y, prob = simulated(900)
    thresholds = [0.05, 0.2, 0.4]
    curve = net_benefit(y, prob, thresholds, level=0.9, n_resamples=4000, random_state=0)
    pd.testing.assert_frame_equal(curve.iloc[:, :7], net_benefit(y, prob, thresholds))
    # Net benefit is a mean over scans: 1, the odds of the threshold negated, or 0.
    for row, threshold in zip(curve.itertuples(), thresholds, strict=True):
        odds = threshold / (1 - threshold)
        part = np.where(prob >= threshold, np.where(y == 1, 1, -odds), 0)
        assert row.net_benefit == pytest.approx(part.mean())
        half = stats.norm.ppf(0.95) * part.std() / 30
        assert row.high - row.low == pytest.approx(2 * half, rel=0.08)
        assert row.low < row.net_benefit < row.high


def test_band_is_that_of_each_threshold_alone():
    y, prob = simulated(113)
    patient = np.arange(113) // 3

    def benefit(y, prob, weights):
        part = (prob >= 0.2) * (y - (1 - y) / 4)
        return (weights * part).sum(axis=-1) / weights.sum(axis=-1)

    options = {"groups": patient, "n_resamples": 500, "random_state": 3}
    curve = net_benefit(y, prob, [0.1, 0.2], **options)
    alone = bootstrap_interval(benefit, (y, prob), weighted=True, **options)
    assert (curve.low[1], curve.high[1]) == pytest.approx((alone.low, alone.high))
    assert curve.equals(net_benefit(y, prob, [0.1, 0.2], **options))


def test_copies_of_scans_narrow_no_band():
    y, prob = simulated(300)
    options = {"n_resamples": 2000, "random_state": 0}
    twice = np.repeat(np.arange(300), 4)
    plain = net_benefit(y, prob, 0.2, **options)
    copies = net_benefit(y[twice], prob[twice], 0.2, groups=twice, **options)
    naive = net_benefit(y[twice], prob[twice], 0.2, **options)
    widths = [(curve.high - curve.low)[0] for curve in (plain, copies, naive)]
    assert widths[1] == pytest.approx(widths[0], rel=0.06)
    assert widths[2] == pytest.approx(widths[0] / 2, rel=0.06)


def test_nobody_treated_has_a_net_benefit_of_zero():
    curve = net_benefit(Y, OLD, 0.9, n_resamples=50, random_state=0)
    assert (curve.low[0], curve.high[0]) == (0, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_resamples": -1}, "n_resamples must be a whole number of 0 or more, got -1"),
        ({"n_resamples": 0.5}, "n_resamples must be a whole number of 0 or more, got 0.5"),
        ({"groups": list("abcdef")}, "y and groups must have the same rows, got 7 and 6"),
        ({"groups": [*"abcdef", None]}, "groups is missing for 1 of 7 scans"),
        ({"level": 95}, "level must lie between 0 and 1"),
    ],
)
def test_bad_options_of_the_band(options, message):
    with pytest.raises(ValueError, match=message):
        net_benefit(Y, OLD, 0.3, **options)


def test_risks_equal_to_a_threshold_are_treated_however_the_threshold_was_made():
    rng = np.random.default_rng(0)
    prob = rng.integers(1, 99, 400) / 100
    y = rng.random(400) < prob
    thresholds = np.arange(0.05, 0.5, 0.05)
    assert 0.15 not in thresholds
    options = {"n_resamples": 50, "random_state": 0}
    drawn = net_benefit(y, prob, thresholds, **options)
    pd.testing.assert_frame_equal(drawn, net_benefit(y, prob, thresholds.round(2), **options))
    assert drawn["true_positives"][2] == ((prob >= 0.15) & y).sum()
