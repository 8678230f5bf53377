"""Predictions with a stated error rate."""

import numpy as np
import pandas as pd
import pytest

from skdxa.evaluation import conformal_calls, conformal_p_values

Y = [0, 0, 0, 0, 1, 1, 1]
SCORE = [0.1, 0.2, 0.3, 0.6, 0.4, 0.8, 0.9]


def test_by_hand():
    p_values = conformal_p_values(Y, SCORE, [0.25, 0.6, 1.0])
    # Of the negatives 0.3 and 0.6 lie at or above 0.25, of the positives none at or below.
    np.testing.assert_allclose(p_values["negative"], [3 / 5, 2 / 5, 1 / 5])
    np.testing.assert_allclose(p_values["positive"], [1 / 4, 2 / 4, 4 / 4])
    assert conformal_calls(p_values, error_rate=0.3).tolist() == [
        "negative",
        "cannot say",
        "positive",
    ]
    assert conformal_calls(p_values, error_rate=0.7).tolist()[0] == "cannot say"


def test_calls_go_by_the_names_of_the_columns():
    p_values = conformal_p_values(Y, SCORE, [0.05, 0.25, 0.95])
    expected = ["negative", "negative", "positive"]
    for table in (p_values, p_values[["positive", "negative"]], p_values.assign(name=list("abc"))):
        assert conformal_calls(table, error_rate=0.25).tolist() == expected
    with pytest.raises(
        ValueError, match=r"'negative' and 'positive', .* columns \['positive'\]\."
    ):
        conformal_calls(p_values[["positive"]])
    with pytest.raises(ValueError, match=r"it is a ndarray\."):
        conformal_calls(p_values.to_numpy())


def test_repeats_and_patients():
    score = np.array([SCORE, np.sqrt(SCORE)])
    both = conformal_p_values(Y, score, [0.25])
    each = [conformal_p_values(Y, one, [0.25]) for one in score]
    np.testing.assert_allclose(both, (each[0] + each[1]) / 2)
    # A patient whose scans are counted twice changes nothing.
    twice = conformal_p_values(Y * 2, SCORE * 2, [0.25], groups=[*range(7)] * 2)
    pd.testing.assert_frame_equal(twice, conformal_p_values(Y, SCORE, [0.25]))


@pytest.mark.parametrize("error_rate", [0.05, 0.1, 0.3])
def test_the_error_rate_is_kept_for_any_scores(error_rate):
    rng = np.random.default_rng(0)
    wrong = {0: [], 1: []}
    for _ in range(400):
        y = np.repeat([0, 1], [40, 25])
        score = rng.normal(size=65) + 0.8 * y
        new_y = np.repeat([0, 1], 20)
        p_values = conformal_p_values(y, score, rng.normal(size=40) + 0.8 * new_y)
        for label, name in ((0, "negative"), (1, "positive")):
            wrong[label].append((p_values[name][new_y == label] <= error_rate).mean())
    for rates in wrong.values():
        error = np.std(rates) / np.sqrt(len(rates))
        assert np.mean(rates) < error_rate + 3 * error
        assert np.mean(rates) > error_rate - 0.04 - 3 * error


@pytest.mark.parametrize(
    ("y", "score", "new_score", "reason"),
    [
        (Y[:-1], SCORE, [0.5], "score"),
        ([2, *Y[1:]], SCORE, [0.5], "y must hold 0 and 1"),
        ([0] * 7, SCORE, [0.5], "y has no scan with label 1"),
        (Y, [np.nan, *SCORE[1:]], [0.5], "must hold finite numbers"),
        (Y, SCORE, [np.inf], "must hold finite numbers"),
        (Y, SCORE, 0.5, r"one number for each new scan, got shape \(\)"),
        (Y, SCORE, [[0.5, 0.6]], r"got shape \(1, 2\); with a row for each fold, give fold"),
    ],
)
def test_what_does_not_fit(y, score, new_score, reason):
    with pytest.raises(ValueError, match=reason):
        conformal_p_values(y, score, new_score)


@pytest.mark.parametrize("error_rate", [0, 1, "a"])
def test_error_rates(error_rate):
    with pytest.raises(ValueError, match="error_rate must lie between 0 and 1"):
        conformal_calls(conformal_p_values(Y, SCORE, [0.5]), error_rate=error_rate)


def test_scores_are_compared_with_those_of_the_same_model():
    # The second model's scores are 10 higher.
    fold = np.array([0, 1, 0, 1, 0, 1, 0])
    by_model = np.array(SCORE) + 10 * fold
    found = conformal_p_values(
        Y, by_model, [[0.25, 0.6], [10.25, 10.6]], fold=fold, groups=[0, 0, 1, 2, 3, 4, 5]
    )
    alike = conformal_p_values(Y, SCORE, [0.25, 0.6], groups=[0, 0, 1, 2, 3, 4, 5])
    pd.testing.assert_frame_equal(found, alike)
    # 0.3 in fold 0 is above 0.25; 0.6 in fold 1 is above 0.35, not above 0.65.
    found = conformal_p_values(Y, SCORE, [[0.25, 0.25], [0.35, 0.65]], fold=fold)
    np.testing.assert_allclose(found["negative"], [3 / 5, 2 / 5])


@pytest.mark.parametrize(
    ("fold", "new_score", "reason"),
    [
        ([0] * 6, [[0.5]], "y and fold must have the same rows"),
        ([0, 1, 2, 0, 1, 2, 0], [[0.5], [0.5]], "one row for each fold"),
        ([0] * 7, [0.5], "one row for each fold"),
    ],
)
def test_bad_folds(fold, new_score, reason):
    with pytest.raises(ValueError, match=reason):
        conformal_p_values(Y, SCORE, new_score, fold=fold)


def test_folds_of_several_repeats_are_refused():
    with pytest.raises(ValueError, match="score be of one repeat"):
        conformal_p_values(Y, [SCORE, SCORE], [[0.5]], fold=[0] * 7)


def test_rows_are_compared_and_new_ones_keep_their_index():
    y, score = pd.Series([0, 0, 0, 1, 1, 1]), pd.Series([0.1, 0.2, 0.5, 0.4, 0.8, 0.9])
    new = pd.Series([0.3, 0.7], index=["P8", "P2"])
    found = conformal_p_values(y, score, new)
    assert found.index.tolist() == ["P8", "P2"]
    np.testing.assert_array_equal(found, conformal_p_values(y, score, new.to_numpy()))
    mixed = score.sample(frac=1, random_state=1)
    with pytest.raises(ValueError, match="y and score have different indices"):
        conformal_p_values(y, mixed, new)
    with pytest.raises(ValueError, match="score and groups have different indices"):
        conformal_p_values(y.to_numpy(), score, new, groups=mixed)
