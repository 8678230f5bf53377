"""McNemar: agreement with R, and decisions that never differ."""

import numpy as np
import pytest

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
