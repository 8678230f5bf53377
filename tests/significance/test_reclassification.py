"""Reclassification: moves counted by hand, and data that allow no statement."""

import numpy as np
import pytest

from skdxa.significance import reclassification

Y = np.array([0, 0, 0, 0, 1, 1, 1])
OLD = np.array([0.1, 0.3, 0.2, 0.4, 0.3, 0.5, 0.4])
NEW = np.array([0.2, 0.2, 0.1, 0.3, 0.5, 0.6, 0.3])


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
