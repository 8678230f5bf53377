"""McNemar: agreement with R, and decisions that never differ."""

import numpy as np
import pytest
from scipy import stats

from skdxa.significance import mcnemar


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


A = np.array([1, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1])
B = np.array([0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 1])
PATIENTS = np.array([1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6])


@pytest.mark.parametrize("method", ["exact", "mid-p", "plain"])
def test_one_scan_per_patient_is_the_plain_test(method):
    plain = mcnemar(A, B, method=method)
    clustered = mcnemar(A, B, groups=np.arange(12)[::-1], method=method)
    assert clustered == plain
    twice = np.repeat(np.arange(12), 2)
    copies = mcnemar(A[twice], B[twice], groups=twice, method=method)
    assert copies.estimate == plain.estimate
    assert copies.pvalue == pytest.approx(plain.pvalue, rel=1e-12)


def test_exact_test_of_patients_lists_all_signs():
    test = mcnemar(A, B, groups=PATIENTS)
    # Differences of the patients: 1, 1, 1, -1, 1 and 0.
    assert test.pvalue == pytest.approx(2 * (1 + 5) / 2**5)
    weights = np.array([5, 1, 3, 2, 2, 4, 1])
    sums = weights * [1, -1, 1, 1, 1, 1, -1]
    rows = np.repeat(np.arange(7), weights)
    wins = np.repeat(sums > 0, weights)
    signs = stats.permutation_test(
        (sums, np.zeros(7)),
        lambda a, b, axis: np.sum(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    found = {
        method: mcnemar(wins, ~wins, groups=rows, method=method) for method in ("exact", "mid-p")
    }
    assert found["exact"].pvalue == pytest.approx(signs.pvalue)
    at_least = np.mean(np.abs(signs.null_distribution) >= sums.sum())
    beyond = np.mean(np.abs(signs.null_distribution) > sums.sum())
    assert found["mid-p"].pvalue == pytest.approx((at_least + beyond) / 2)
    assert found["exact"].statistic == weights[sums > 0].sum()


def test_mcnemar_of_patients_holds_its_level():
    # The difference between the models varies from patient to patient and is 0 on average.
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(50), 4)
    rejected = {"exact": 0, "mid-p": 0, "plain": 0}
    naive = 0
    for _ in range(400):
        preference = rng.beta(0.7, 0.7, 50)[patients]
        a = rng.random(200) < preference
        b = np.where(rng.random(200) < 0.4, a, ~a)
        for method in rejected:
            rejected[method] += mcnemar(a, b, groups=patients, method=method).pvalue < 0.05
        naive += mcnemar(a, b).pvalue < 0.05
    assert 0.015 < rejected["exact"] / 400 < 0.075
    assert 0.025 < rejected["mid-p"] / 400 < 0.08
    assert 0.025 < rejected["plain"] / 400 < 0.08
    assert naive / 400 > 0.1


def test_patients_without_a_difference():
    with pytest.warns(RuntimeWarning, match="models never disagree"):
        test = mcnemar([1, 0, 1], [0, 1, 1], groups=["p", "p", "q"])
    assert test.pvalue == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": PATIENTS[1:]}, "right_a and groups must have the same rows, got 12 and 11"),
        ({"groups": np.where(PATIENTS == 6, np.nan, PATIENTS)}, "groups is missing for 1 of 12"),
        ({"groups": PATIENTS, "method": "corrected"}, "'corrected' assumes independent scans"),
    ],
)
def test_bad_patients(options, message):
    with pytest.raises(ValueError, match=message):
        mcnemar(A, B, **options)
