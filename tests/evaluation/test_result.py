"""Metrics, medians and scores of a cross-validation's result."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from skdxa.evaluation import CrossValidationResult, threshold_at_sensitivity


def test_metrics_of_folds_and_repeats_are_those_of_scikit_learn(result, metrics_by_fold, metrics):
    found = result.fold_metrics(threshold=0.4)
    assert found[["repeat", "fold"]].equals(result.folds[["repeat", "fold"]])
    pooled = result.repeat_metrics(threshold=0.4)
    assert pooled["repeat"].tolist() == [0, 1, 2, 3]
    for name, metric in metrics.items():
        np.testing.assert_allclose(found[name], metrics_by_fold[name], rtol=1e-12)
        expected = [metric(result.y, result.repeat_scores(repeat)) for repeat in range(4)]
        np.testing.assert_allclose(pooled[name], expected, rtol=1e-12)


def test_other_labels_than_those_trained_on(result):
    scored_y = result.y.astype(float)
    scored_y[::5] = 0
    scored_y[::7] = np.nan
    known = ~np.isnan(scored_y)
    found = result.fold_metrics(scored_y)
    for number, (_, fold) in enumerate(result.scores.groupby(["repeat", "fold"])):
        fold = fold[known[fold["row"]]]
        expected = roc_auc_score(scored_y[fold["row"]], fold["score"])
        assert found["auc"][number] == pytest.approx(expected, rel=1e-12)
    assert not result.summary(scored_y).equals(result.summary())
    score = result.repeat_scores(2)
    expected = confusion_matrix(scored_y[known], score[known] >= 0.5)
    np.testing.assert_array_equal(result.confusion_matrix(scored_y, repeat=2), expected)
    assert result.frame(pd.Series(scored_y))["y"].isna().sum() == 4 * (~known).sum()
    areas = [roc_auc_score(scored_y[known], result.repeat_scores(r)[known]) for r in range(4)]
    assert result.median_repeat(scored_y) == np.argsort(areas)[1]


@pytest.mark.parametrize(
    ("beaten", "median"),
    [([2], 0), ([2, 1], 0), ([0, 3, 1], 2), ([1, 0, 2, 3], 2), ([2, 4, 1, 3, 0], 0)],
)
def test_median_repeat_is_the_lower_middle(beaten, median, make_repeats):
    # One positive scan: the AUC follows from how many of four negatives score higher.
    scores = [[*(np.arange(4) < count), 0.5] for count in beaten]
    found = make_repeats(*scores, y=[0, 0, 0, 0, 1])
    assert found.repeat_metrics()["auc"].tolist() == [1 - count / 4 for count in beaten]
    assert found.median_repeat() == median
    assert found.median_fold() == (median, 0)


def test_of_equal_repeats_the_first_is_the_median(make_repeats):
    found = make_repeats([0.1, 0.9], [0.2, 0.8], [0.3, 0.7], y=[0, 1])
    assert found.median_repeat() == 1
    assert make_repeats([0.1, 0.9], [0.2, 0.8], y=[0, 1]).median_repeat() == 0


def test_median_fold(result, metrics_by_fold):
    areas = metrics_by_fold["auc"]
    repeat, fold = result.median_fold()
    assert areas[repeat * 5 + fold] == np.sort(areas)[9]
    lonely = np.zeros(113)
    lonely[result.scores.query("repeat == 2 and fold == 3")["row"].iloc[0]] = 1
    repeat, fold = result.median_fold(lonely)
    assert (
        result.scores.query("repeat == @repeat and fold == @fold")["row"]
        .isin(np.flatnonzero(lonely))
        .any()
    )


def test_a_fold_without_both_classes_is_no_median():
    scores = pd.DataFrame({"repeat": 0, "fold": [0, 1], "row": [0, 1], "score": [0.1, 0.9]})
    folds = pd.DataFrame({"repeat": 0, "fold": [0, 1], "n_train": 1, "n_test": 1})
    with pytest.raises(ValueError, match="no fold holds both"):
        CrossValidationResult(scores, folds, [0, 1]).median_fold()


def test_scores_by_scan(result):
    matrix = result.scores.pivot(index="repeat", columns="row", values="score").to_numpy()
    np.testing.assert_array_equal(result.repeat_scores(3), matrix[3])
    np.testing.assert_allclose(result.oof_scores(), matrix.mean(axis=0), rtol=1e-14)
    result.repeat_scores(3)[:] = 0
    np.testing.assert_array_equal(result.repeat_scores(3), matrix[3])
    frame = result.frame()
    assert frame.columns.tolist() == ["repeat", "fold", "row", "score", "y"]
    np.testing.assert_array_equal(frame["y"], result.y[frame["row"]])


def test_confusion_matrix_of_the_median_repeat(result):
    found = result.confusion_matrix(threshold=0.4)
    expected = confusion_matrix(result.y, result.repeat_scores() >= 0.4)
    np.testing.assert_array_equal(found, expected)
    assert found.index.name == "actual"
    assert found.columns.name == "predicted"
    assert found.loc[1, 0] == expected[1, 0]


def test_a_predictor_without_training_on_the_same_folds(result):
    t_score = np.random.default_rng(2).normal(-2, 1, 113)
    replaced = dataclasses.replace(
        result, scores=result.scores.assign(score=-t_score[result.scores["row"]])
    )
    np.testing.assert_array_equal(replaced.repeat_scores(1), -t_score)
    assert replaced.repeat_metrics(threshold=2.5)["accuracy"][0] == pytest.approx(
        np.mean((t_score <= -2.5) == result.y)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.summary(interval="wilson"), "interval must be one of .*'corrected'"),
        (lambda r: r.summary([0, 1]), "y must have a label for each of 113 scans, got 2"),
        (lambda r: r.summary(np.full(113, 2)), r"y must hold \[0, 1\] .* got 2"),
        (lambda r: r.summary(["?"] * 113), r"y must hold \[0, 1\] .* got '\?'"),
        (lambda r: r.median_repeat(np.zeros(113)), "both positive and negative labels"),
        (lambda r: r.median_repeat(np.full(113, np.nan)), "both positive and negative labels"),
        (lambda r: r.repeat_scores(4), "there are repeats 0 to 3, but no repeat 4"),
        (lambda r: r.repeat_scores(-1), "no repeat -1"),
    ],
)
def test_bad_questions_are_refused(result, call, message):
    with pytest.raises(ValueError, match=message):
        call(result)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(113)}, "y must hold two labels"),
        ({"y": np.arange(112) % 2}, "each of the 112 rows of y once per repeat"),
        ({"y": np.array([0, None] * 56 + [1], dtype=object)}, "y is missing for 56 of 113 scans"),
        ({"y": np.array([{}, 0] * 56 + [1], dtype=object)}, "one column of numbers or texts"),
        ({"y": np.zeros((113, 2))}, r"one column .* shape \(113, 2\)"),
        ({"folds": pd.DataFrame({"repeat": [0], "fold": [1]})}, "each fold of each repeat once"),
    ],
)
def test_what_does_not_fit_together_is_refused(result, change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(result, **change)


def test_its_text_counts_repeats_folds_and_scans(result):
    assert repr(result) == "CrossValidationResult(4 repeats x 5 folds, 113 scans)"


def test_thresholds_of_all_repeats(result):
    for options in ({"rule": "at_least"}, {"rule": "guaranteed", "confidence": 0.8}):
        found = result.thresholds(0.7, **options)
        assert found["repeat"].tolist() == [0, 1, 2, 3]
        for repeat, threshold, sensitivity, specificity in found.itertuples(index=False):
            score = result.repeat_scores(repeat)
            assert threshold == threshold_at_sensitivity(result.y, score, 0.7, **options)
            called = score >= threshold
            assert sensitivity == np.mean(called[result.y == 1]) >= 0.7
            assert specificity == pytest.approx(np.mean(~called[result.y == 0]))


def test_thresholds_by_other_labels_and_patients(make_result):
    y = np.tile([0, 0, 1], 40)
    other = np.where(np.arange(120) < 30, np.nan, 1 - y)
    grouped = make_result(y, groups=np.arange(120) // 2)
    found = grouped.thresholds(0.8, other, rule="guaranteed")["threshold"][0]
    assert found == threshold_at_sensitivity(
        1 - y[30:],
        grouped.repeat_scores(0)[30:],
        0.8,
        rule="guaranteed",
        groups=np.arange(30, 120) // 2,
    )
