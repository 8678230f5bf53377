"""Variances of two means of patients with several values."""

import warnings

import numpy as np
import pytest

from skdxa.significance import delong_interval, proportion_interval
from skdxa.significance._clusters import (
    n_patients_of_classes,
    patients_of_classes,
    variances_of_two_means,
)

Y = np.array([1, 1, 0, 1, 0, 0, 1, 0, 0])
PATIENT = np.array([0, 0, 0, 1, 2, 2, 3, 4, 1])
CHANGE = np.array([0.3, 0.1, -0.2, 0.4, 0.0, 0.1, -0.3, 0.2, 0.6])


def test_patients_without_numbers_are_all_different():
    positives, negatives = patients_of_classes(None, Y)
    assert np.intersect1d(positives, negatives).size == 0
    assert n_patients_of_classes((positives, negatives)) == (4, 5)
    assert n_patients_of_classes(patients_of_classes(PATIENT, Y)) == (3, 4)


@pytest.mark.parametrize("ddof", [0, 1])
def test_different_patients_have_the_variances_of_two_samples(ddof):
    classes = CHANGE[Y == 1], CHANGE[Y == 0]
    found = variances_of_two_means(classes, patients_of_classes(None, Y), ddof=ddof)
    own = [values.var(ddof=ddof) / values.size for values in classes]
    assert found == pytest.approx((sum(own), *own))


def test_scans_of_a_patient_are_added_up():
    classes = CHANGE[Y == 1], CHANGE[Y == 0]
    patients = patients_of_classes(PATIENT, Y)
    # A share of the sum of both means for each of the five patients.
    share = np.where(Y == 1, CHANGE / 4, CHANGE / 5)
    by_patient = [share[number == PATIENT].sum() for number in range(5)]
    total, *own = variances_of_two_means(classes, patients, ddof=0, centred=False)
    assert total == pytest.approx(np.sum(np.square(by_patient)))
    assert own[0] == pytest.approx((0.4**2 + 0.4**2 + 0.3**2) / 16)
    centred = np.where(Y == 1, CHANGE - classes[0].mean(), CHANGE - classes[1].mean())
    sums = np.array([np.bincount(PATIENT, centred * (c == Y)) / (4, 5)[1 - c] for c in (1, 0)])
    expected = [3 / 2 * np.sum(sums[0] ** 2), 4 / 3 * np.sum(sums[1] ** 2)]
    total, *own = variances_of_two_means(classes, patients)
    assert own == pytest.approx(expected)
    assert total == pytest.approx(sum(expected) + 2 * 5 / 4 * np.sum(sums[0] * sums[1]))


def test_a_class_of_one_patient_has_no_variance():
    patients = np.array([0, 1]), np.array([2, 2, 2])
    assert np.isnan(variances_of_two_means((CHANGE[:2], CHANGE[2:5]), patients)).all()


@pytest.mark.parametrize(("n_most", "warns"), [(200, True), (60, True), (8, False), (1, False)])
def test_patients_with_most_of_the_scans_are_warned_of(n_most, warns):
    """With 200 scans of one patient beside 40 others, a third of the intervals hold the AUC."""
    patient = np.r_[np.zeros(n_most, int), np.arange(1, 41), 41 + np.arange(80)]
    y = np.r_[np.ones(n_most + 40), np.zeros(80)]
    rng = np.random.default_rng(0)
    score, hits = y + rng.normal(size=y.size), rng.integers(0, 2, y.size)
    positive = y == 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        delong_interval(y, score, groups=patient)
        proportion_interval(hits[positive], 1, groups=patient[positive])
    assert len(caught) == 2 * warns
    told = f"{n_most} of {n_most + 40} positive scans are of one of 41 patients, as if there were"
    assert not warns or str(caught[0].message).startswith(told)


def test_few_patients_alike_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        proportion_interval([1, 1, 0, 0, 1, 0], 1, groups=list("aabbcc"))
