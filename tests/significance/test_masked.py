"""A masked value is a missing one, in statistics too: NumPy alone would use what it hides."""

import numpy as np
import pytest

from skdxa.significance import (
    bootstrap_interval,
    calibration,
    calibration_curve,
    consensus,
    delong_interval,
    delong_test,
    logistic_table,
    mcnemar,
    net_benefit,
    proportion_interval,
    rater_agreement,
    reclassification,
    t_interval,
)

N = 40
RNG = np.random.default_rng(0)
Y = np.arange(N) % 2
SCORE = RNG.normal(size=N) + Y
RISK = 1 / (1 + np.exp(-SCORE))


def masked(values):
    """Mask the fourth row, below which stands a value that would change the result."""
    values = np.array(values)
    mask = np.zeros(values.shape, dtype=bool)
    mask[3] = True
    return np.ma.masked_array(values, mask=mask)


@pytest.mark.parametrize(
    "call",
    [
        lambda: delong_interval(masked(Y), SCORE),
        lambda: delong_interval(Y, masked(SCORE)),
        lambda: delong_test(Y, SCORE, masked(RISK)),
        lambda: delong_interval(Y, SCORE, groups=masked(np.arange(N))),
        lambda: t_interval(masked(SCORE)),
        lambda: calibration(Y, masked(RISK)),
        lambda: calibration_curve(Y, masked(RISK)),
        lambda: net_benefit(Y, masked(RISK), [0.5]),
        lambda: reclassification(Y, RISK, masked(RISK)),
        lambda: mcnemar(masked(Y), Y),
        lambda: mcnemar(Y, 1 - Y, groups=masked(np.arange(N))),
        lambda: proportion_interval(masked(Y), 1, groups=np.arange(N)),
        lambda: calibration(Y, RISK, groups=masked(np.arange(N))),
        lambda: logistic_table(Y, masked(np.column_stack([SCORE, RISK]))),
        lambda: logistic_table(masked(Y), np.column_stack([SCORE])),
        lambda: rater_agreement(masked(np.column_stack([Y, Y]))),
    ],
)
def test_a_masked_row_is_named_as_missing(call):
    with pytest.raises(ValueError, match=r"missing|NaN"):
        call()


def test_a_bootstrap_does_not_use_what_a_mask_hides():
    values = masked(SCORE)
    values.data[3] = 1e6
    interval = bootstrap_interval(np.nanmean, (values,), n_resamples=200, random_state=0)
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.high < 10


def test_a_masked_rating_has_no_vote():
    ratings = np.ma.masked_array([[1, 1, 0], [0, 1, 1]], mask=[[0, 0, 0], [0, 0, 1]])
    with_nan = np.array([[1, 1, 0], [0, 1, np.nan]])
    np.testing.assert_array_equal(consensus(ratings), consensus(with_nan))
