"""Reclassification: moves counted by hand, and data that allow no statement."""

import numpy as np
import pytest
from scipy.special import expit, logit

from skdxa.significance import bootstrap_interval, reclassification

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


def test_models_that_agree_do_not_differ_significantly():
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
    with pytest.raises(ValueError, match="y and old must have the same rows"):
        reclassification(Y, OLD[1:], NEW)


TESTS = ["nri", "nri_events", "nri_nonevents", "idi", "idi_events", "idi_nonevents"]


@pytest.mark.parametrize("cutoffs", [None, [0.3, 0.45]])
def test_one_scan_per_patient_and_copies(cutoffs):
    plain = reclassification(Y, OLD, NEW, cutoffs=cutoffs)
    clustered = reclassification(Y, OLD, NEW, cutoffs=cutoffs, groups=list("gfedcba"))
    assert clustered == plain
    twice = np.repeat(np.arange(7), 2)
    copies = reclassification(Y[twice], OLD[twice], NEW[twice], cutoffs=cutoffs, groups=twice)
    for name in TESTS:
        one, two = getattr(plain, name), getattr(copies, name)
        assert two.estimate == pytest.approx(one.estimate)
        assert two.statistic == pytest.approx(one.statistic)
        assert two.interval.variance == pytest.approx(one.interval.variance)


@pytest.mark.parametrize("cutoffs", [None, [0.2, 0.4]])
def test_clustered_variances_equal_those_of_a_bootstrap_of_patients(cutoffs):
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(150), rng.integers(1, 5, 150))
    effect = rng.normal(size=(2, 150))[:, patient]
    y = (effect[0] + rng.normal(size=patient.size) > 0.8).astype(int)
    old = expit(-1.2 + 0.8 * effect[0] + 0.3 * rng.normal(size=patient.size))
    new = expit(logit(old) + 0.6 * (y - 0.4) + 0.8 * effect[1])
    result = reclassification(y, old, new, cutoffs=cutoffs, groups=patient)
    rise = new - old
    if cutoffs is not None:
        rise = np.digitize(new, cutoffs) - np.digitize(old, cutoffs)
    changes = {"nri": np.sign(rise), "idi": new - old}

    def improvement(y, change, weights):
        up, down = weights * y, weights * (1 - y)
        return (up @ change) / up.sum(axis=-1) - (down @ change) / down.sum(axis=-1)

    naive = reclassification(y, old, new, cutoffs=cutoffs)
    for name, change in changes.items():
        resampled = bootstrap_interval(
            improvement, (y, change), groups=patient, weighted=True, random_state=0
        )
        test = getattr(result, name)
        assert test.estimate == pytest.approx(resampled.estimate)
        assert test.interval.variance == pytest.approx(resampled.variance, rel=0.1)
        assert getattr(naive, name).interval.variance < 0.8 * test.interval.variance


def test_clustered_categorical_test_has_its_second_moments():
    twice = [0, 0, 1, 2, 3, 4, 4, 5, 6]
    patients = np.array([1, 2, 3, 4, 5, 6, 6, 6, 7])
    y, old, new = Y[twice], OLD[twice], NEW[twice]
    result = reclassification(y, old, new, cutoffs=[0.3, 0.45], groups=patients)
    move = np.sign(np.digitize(new, [0.3, 0.45]) - np.digitize(old, [0.3, 0.45]))
    better = np.where(y == 1, move / y.sum(), -move / (1 - y).sum())
    by_patient = np.bincount(patients, better)
    assert result.nri.statistic == pytest.approx(by_patient.sum() / np.sqrt(np.sum(by_patient**2)))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (list("abcdef"), "y and groups must have the same rows, got 7 and 6"),
        ([1, 2, 3, 4, np.nan, 6, 7], "groups is missing for 1 of 7 scans"),
    ],
)
def test_bad_patients(groups, message):
    with pytest.raises(ValueError, match=message):
        reclassification(Y, OLD, NEW, groups=groups)


def test_events_of_one_patient_give_no_standard_error():
    with pytest.warns(RuntimeWarning, match="two non-events, of different patients"):
        result = reclassification(Y, OLD, NEW, groups=[1, 2, 3, 4, 5, 5, 5])
    assert np.isnan([result.nri.pvalue, result.idi.interval.low]).all()


@pytest.mark.parametrize("cutoffs", [None, [0.3]])
def test_rounding_is_no_change_of_risk(cutoffs):
    old = np.array([0.1, 0.3, 0.2, 0.4, 0.3, 0.5, 0.4])
    new = old - 1e-15  # which moves 0.3 below the cutoff
    assert (new < old).all()
    with pytest.warns(RuntimeWarning, match="variance is zero"):
        result = reclassification(Y, old, new, cutoffs=cutoffs)
    assert (result.nri.estimate, result.nri_events.estimate, result.idi.estimate) == (0, 0, 0)
    changed = reclassification(Y, old, old - [1e-9, 0, 1e-9, 0, 0, 1e-9, 0])
    assert changed.nri_events.estimate == pytest.approx(-1 / 3)
