"""Agreement: closed forms, and ratings that allow no statement."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as fleiss_of_counts

from skdxa.significance import (
    adjusted_kappa,
    cohen_kappa,
    fleiss_kappa,
    proportion_interval,
    rater_agreement,
)

RATINGS = np.array([[0, 0, 0], [1, 1, 0], [1, 1, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1], [0, 0, 1]])


def severities(n=90):
    """Two raters with a severity from 0 to 3, never 2."""
    rng = np.random.default_rng(0)
    first = rng.choice([0, 1, 3], n)
    return first, np.where(rng.random(n) < 0.7, first, rng.choice([0, 1, 3], n))


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_cohen_agrees_with_other_packages(weights):
    first, second = severities()
    kappa = cohen_kappa(first, second, weights=weights)
    table = pd.crosstab(first, second).to_numpy()
    other = cohens_kappa(table, wt=weights)
    assert kappa.estimate == pytest.approx(cohen_kappa_score(first, second, weights=weights))
    assert np.sqrt(kappa.interval.variance) == pytest.approx(other.std_kappa)
    assert kappa.statistic == pytest.approx(other.z_value)
    assert kappa.pvalue == pytest.approx(other.pvalue_two_sided)
    assert kappa.interval.low == pytest.approx(other.kappa_low)


GRADES = [0, 0, 1, 1, 3, 3, 0, 1], [0, 1, 1, 1, 3, 1, 0, 3]


def test_a_grade_that_nobody_used_widens_distances():
    # Mean distance of the pairs, and of all ratings of one with all of the other.
    kappa = cohen_kappa(*GRADES, weights="linear", categories=range(4))
    assert kappa.estimate == pytest.approx(1 - (5 / 8) / (76 / 64))
    assert cohen_kappa(*GRADES, weights="linear").estimate == pytest.approx(
        1 - (3 / 8) / (52 / 64)
    )


def test_grades_of_a_scale_whose_third_nobody_used():
    first, second = [0, 0, 1, 1, 1, 3, 3, 3, 3], [0, 0, 1, 1, 1, 1, 1, 3, 3]
    # Of nine pairs two differ, by two grades of the scale, or by one of those used.
    options = {"weights": "linear"}
    stated = cohen_kappa(first, second, categories=[0, 1, 2, 3], **options)
    assert stated.estimate == pytest.approx(1 - (4 / 9) / (104 / 81))
    assert f"{stated.estimate:.3f}" == "0.654"
    assert f"{cohen_kappa(first, second, **options).estimate:.3f}" == "0.727"
    table = rater_agreement(np.transpose([first, second]), categories=range(4), **options)
    assert table.loc["1-2", "kappa"] == stated.estimate


# R: vcd::Kappa(table(factor(first, 0:3), factor(second, 0:3)), weights), vcd 1.4.11
@pytest.mark.parametrize(
    ("weights", "categories", "estimate", "std_err"),
    [
        ("linear", range(4), 0.49438202247191, 0.178916097904892),
        ("linear", None, 0.516129032258065, 0.164069243067657),
        ("quadratic", range(4), 0.612736660929432, 0.163291429426774),
        ("quadratic", None, 0.656488549618321, 0.130100409664158),
    ],
)
def test_grades_agree_with_r(weights, categories, estimate, std_err):
    first = [0, 0, 1, 1, 3, 3, 0, 1, 0, 3, 1, 1, 0, 0, 3]
    second = [0, 1, 1, 1, 3, 1, 0, 3, 0, 3, 0, 1, 0, 1, 1]
    kappa = cohen_kappa(first, second, weights=weights, categories=categories)
    assert kappa.estimate == pytest.approx(estimate, rel=1e-10)
    assert np.sqrt(kappa.interval.variance) == pytest.approx(std_err, rel=1e-10)


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_categories_of_the_scale(weights):
    first, second = severities()
    kappa = cohen_kappa(first, second, weights=weights, categories=[0, 1, 2, 3])
    expected = cohen_kappa_score(first, second, weights=weights, labels=[0, 1, 2, 3])
    assert kappa.estimate == pytest.approx(expected)
    without = np.array(
        [
            cohen_kappa(
                *np.delete([first, second], row, axis=1), weights=weights, categories=range(4)
            ).estimate
            for row in range(90)
        ]
    )
    jackknife = 89 / 90 * np.sum((without - without.mean()) ** 2)
    assert kappa.interval.variance == pytest.approx(jackknife, rel=0.1)
    words = np.array(["none", "mild", "moderate", "severe"])
    in_words = cohen_kappa(words[first], words[second], weights=weights, categories=words)
    assert in_words == kappa
    table = rater_agreement(
        np.column_stack([first, second]), weights=weights, categories=[0, 1, 2, 3]
    )
    assert table.kappa["1-2"] == kappa.estimate
    assert table.std_err["1-2"] == pytest.approx(np.sqrt(kappa.interval.variance))


def test_categories_do_not_matter_without_weights():
    first, second = severities()
    plain, stated = cohen_kappa(first, second), cohen_kappa(first, second, categories=[3, 1, 2, 0])
    assert stated.estimate == pytest.approx(plain.estimate)
    assert stated.interval.variance == pytest.approx(plain.interval.variance)
    assert stated.pvalue == pytest.approx(plain.pvalue)


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([0, 1, 2], r"a rating is 3, which is not among the categories \[0, 1, 2\]"),
        ([0, 1, 3, 3], "categories must be at least two different ones"),
        ([0], "categories must be at least two different ones"),
        ([0, 1, np.nan, 3], "categories is missing in 1 row"),
    ],
)
def test_bad_categories(categories, message):
    with pytest.raises(ValueError, match=message):
        cohen_kappa(*GRADES, weights="linear", categories=categories)


def test_rows_and_columns():
    table = rater_agreement(pd.DataFrame(RATINGS, columns=["anna", "bo", "cy"]))
    assert table.index.tolist() == ["1-2", "1-3", "2-3", "all"]
    assert table.columns.tolist() == ["agreement", "kappa", "std_err", "low", "high"]
    assert table.agreement.tolist() == pytest.approx([6 / 7, 5 / 7, 4 / 7, 15 / 21])
    assert table.kappa["1-3"] == cohen_kappa(RATINGS[:, 0], RATINGS[:, 2]).estimate
    assert table.kappa["all"] == fleiss_kappa(RATINGS).estimate


def test_fleiss_agrees_with_statsmodels_and_its_jackknife():
    counts = np.column_stack([3 - RATINGS.sum(axis=1), RATINGS.sum(axis=1)])
    kappa = fleiss_kappa(RATINGS)
    assert kappa.estimate == pytest.approx(fleiss_of_counts(counts))
    without = [fleiss_of_counts(np.delete(counts, row, axis=0)) for row in range(7)]
    assert kappa.interval.variance == pytest.approx(6 / 7 * 7 * np.var(without))


def test_names_of_categories_do_not_matter():
    words = np.array(["normal", "scoliosis"])[RATINGS]
    pd.testing.assert_frame_equal(rater_agreement(words), rater_agreement(RATINGS))
    pd.testing.assert_frame_equal(
        rater_agreement(pd.DataFrame(words)), rater_agreement(RATINGS.tolist())
    )


def test_kappa_interval_covers():
    # Two raters who see the truth with a sensitivity and specificity of 90 %, and half of
    # the scans positive: expected agreement 0.82, by chance 0.5.
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        truth = rng.random((150, 1)) < 0.5
        ratings = truth ^ (rng.random((150, 2)) < 0.1)
        row = rater_agreement(ratings).loc["all"]
        inside += row.low < 0.64 < row.high
    assert 0.91 < inside / 200 < 0.985


def test_perfect_agreement_warns():
    ratings = RATINGS[:, [0, 0, 0]]
    with pytest.warns(RuntimeWarning, match="no width"):
        table = rater_agreement(ratings)
    assert (table.kappa == 1).all()
    assert (table.low == 1).all()
    assert (table.std_err == 0).all()


def test_one_rating_for_all_is_undefined():
    with pytest.warns(RuntimeWarning, match="kappa is undefined"):
        table = rater_agreement(np.ones((7, 3)))
    assert (table.agreement == 1).all()
    assert table[["kappa", "std_err", "low", "high"]].isna().all(axis=None)
    with pytest.warns(RuntimeWarning, match="kappa is undefined"):
        opposed = cohen_kappa(np.zeros(7), np.ones(7))
    assert np.isnan([opposed.estimate, opposed.pvalue, opposed.interval.low]).all()


def test_one_constant_rater_gives_no_test():
    with pytest.warns(RuntimeWarning, match="one rater gave every scan the same rating"):
        kappa = cohen_kappa([0, 1, 0, 1, 1], np.ones(5))
    assert kappa.estimate == 0
    assert np.isnan([kappa.statistic, kappa.pvalue]).all()


def test_single_other_rating_has_no_jackknife():
    ratings = np.zeros((7, 3))
    ratings[2, 1] = 1
    with pytest.warns(RuntimeWarning, match="a single scan has another rating"):
        kappa = fleiss_kappa(ratings)
    assert np.isfinite(kappa.estimate)
    assert np.isnan([kappa.interval.low, kappa.interval.variance]).all()


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ([[0], [1]], "two raters or more; got shape"),
        ([0, 1, 1], "two raters or more; got shape"),
        ([[0, 1]], "agreement needs at least two scans, got 1"),
        ([[0, 1], [np.nan, 1], [np.nan, 0]], r"rater 1 gave no rating at index 1 \(2 missing"),
        (
            pd.DataFrame({"r1": [0, 1], "r2": [0, None]}, index=["p7", "p9"]),
            "rater r2 gave no rating at index p9",
        ),
    ],
)
def test_bad_ratings(ratings, message):
    for function in (rater_agreement, fleiss_kappa):
        with pytest.raises(ValueError, match=message):
            function(ratings)


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        ([0], [1], {}, "kappa needs at least two scans, got 1"),
        ([0, 1], [1, np.nan], {}, "second is missing in 1 row"),
        ([0, 1], [1, 0, 1], {}, "first and second must have the same rows, got 2 and 3"),
        ([0, 1], [1, 0], {"weights": "cubic"}, "weights must be one of"),
        (["mild", "none"], ["none", "none"], {"weights": "linear"}, "categories with an order"),
    ],
)
def test_bad_pair(first, second, options, message):
    with pytest.raises(ValueError, match=message):
        cohen_kappa(first, second, **options)


def test_adjusted_kappa_and_its_indices():
    # Both positive 2, first alone 3, second alone 1, neither 10.
    first = np.repeat([1, 1, 0, 0], [2, 3, 1, 10])
    second = np.repeat([1, 0, 1, 0], [2, 3, 1, 10])
    adjusted = adjusted_kappa(first, second)
    assert adjusted.interval.estimate == pytest.approx(2 * 12 / 16 - 1)
    exact = proportion_interval(12, 16, method="exact")
    assert adjusted.interval.low == pytest.approx(2 * exact.low - 1)
    assert adjusted.interval.high == pytest.approx(2 * exact.high - 1)
    assert adjusted.prevalence_index == pytest.approx((2 - 10) / 16)
    assert adjusted.bias_index == pytest.approx((3 - 1) / 16)


@pytest.mark.parametrize("categories", [[0, 0, 0], [0, 1, 2]])
def test_adjusted_kappa_takes_two_categories(categories):
    with pytest.raises(ValueError, match="there must be two categories, got"):
        adjusted_kappa(categories, categories)
