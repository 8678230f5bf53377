"""What follows from out-of-fold scores."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold

from skdxa.evaluation import CrossValidationResult, repeated_cross_validate
from skdxa.significance import bootstrap_interval, delong_interval, proportion_interval


def made_up(y, *, n_splits=5, n_repeats=4, groups=None, noise=1.0):
    """Scores drawn at random, on scikit-learn's folds."""
    rng = np.random.default_rng(0)
    kfold = RepeatedStratifiedKFold(n_splits=n_splits, n_repeats=n_repeats, random_state=0)
    scores, folds = [], []
    for number, (train, test) in enumerate(kfold.split(y, y)):
        repeat, fold = divmod(number, n_splits)
        score = stats.norm.cdf(y[test] - 0.5 + noise * rng.normal(size=test.size)).round(2)
        scores.append(pd.DataFrame({"repeat": repeat, "fold": fold, "row": test, "score": score}))
        folds.append({"repeat": repeat, "fold": fold, "n_train": len(train), "n_test": len(test)})
    return CrossValidationResult(pd.concat(scores), pd.DataFrame(folds), y, groups)


def of_repeats(*scores, y):
    """One fold a repeat, with these scores."""
    scores = [
        pd.DataFrame({"repeat": repeat, "fold": 0, "row": range(len(y)), "score": values})
        for repeat, values in enumerate(scores)
    ]
    folds = pd.DataFrame({"repeat": range(len(scores)), "fold": 0, "n_train": 9, "n_test": 1})
    return CrossValidationResult(pd.concat(scores), folds, y)


@pytest.fixture(scope="module")
def result():
    return made_up(np.random.default_rng(1).permutation(np.repeat([0, 1], [80, 33])))


def by_fold(result, metric, y=None):
    y = result.y if y is None else y
    return np.array(
        [
            metric(y[fold["row"]], fold["score"])
            for _, fold in result.scores.groupby(["repeat", "fold"])
        ]
    )


METRICS = {
    "sensitivity": lambda y, score: recall_score(y, score >= 0.4),
    "specificity": lambda y, score: recall_score(1 - y, score < 0.4),
    "accuracy": lambda y, score: accuracy_score(y, score >= 0.4),
    "auc": roc_auc_score,
}


def test_metrics_of_folds_and_repeats_are_those_of_scikit_learn(result):
    found = result.fold_metrics(threshold=0.4)
    assert found[["repeat", "fold"]].equals(result.folds[["repeat", "fold"]])
    pooled = result.repeat_metrics(threshold=0.4)
    assert pooled["repeat"].tolist() == [0, 1, 2, 3]
    for name, metric in METRICS.items():
        np.testing.assert_allclose(found[name], by_fold(result, metric), rtol=1e-12)
        expected = [metric(result.y, result.repeat_scores(repeat)) for repeat in range(4)]
        np.testing.assert_allclose(pooled[name], expected, rtol=1e-12)


@pytest.mark.parametrize(("interval", "share"), [("corrected", 22.6 / 90.4), ("t", 0)])
def test_intervals_over_folds_by_their_formula(result, interval, share):
    summary = result.summary(threshold=0.4, interval=interval, level=0.9)
    assert summary.index.tolist() == list(METRICS)
    for name, metric in METRICS.items():
        values = by_fold(result, metric)
        half = stats.t.ppf(0.95, 19) * values.std(ddof=1) * np.sqrt(1 / 20 + share)
        expected = [values.mean(), values.mean() - half, values.mean() + half]
        expected = np.clip(expected, 0, 1)
        np.testing.assert_allclose(
            summary.loc[name, ["estimate", "low", "high"]].astype(float), expected, rtol=1e-12
        )
    assert (summary["n_folds"] == 20).all()
    assert (summary["level"] == 0.9).all()


def test_intervals_of_the_median_repeat(result):
    y, score = result.y, result.repeat_scores()
    np.testing.assert_array_equal(score, result.repeat_scores(result.median_repeat()))
    summary = result.summary(interval="delong")
    expected = delong_interval(y, score)
    assert summary.loc["auc", ["estimate", "low", "high", "method"]].tolist() == [
        expected.estimate,
        expected.low,
        expected.high,
        "DeLong",
    ]
    hits = proportion_interval((score[y == 1] >= 0.5).sum(), 33)
    assert summary.loc["sensitivity", ["estimate", "low", "high", "method"]].tolist() == [
        hits.estimate,
        hits.low,
        hits.high,
        "Wilson score",
    ]
    assert summary.loc["specificity", "estimate"] == np.mean(score[y == 0] < 0.5)
    assert summary.loc["accuracy", "estimate"] == accuracy_score(y, score >= 0.5)


def test_bootstrap_of_the_median_repeat(result):
    kwargs = {"n_resamples": 100, "level": 0.9}
    summary = result.summary(interval="bootstrap", random_state=0, **kwargs)
    score = result.repeat_scores()
    direct = bootstrap_interval(
        roc_auc_score, (result.y, score), stratify=result.y, random_state=1, **kwargs
    )
    assert summary.loc["auc", "estimate"] == pytest.approx(direct.estimate, rel=1e-12)
    assert summary.loc["auc", ["low", "high"]].tolist() == pytest.approx(
        [direct.low, direct.high], abs=0.04
    )
    again = result.summary(interval="bootstrap", random_state=0, **kwargs)
    assert summary.equals(again)


@pytest.mark.parametrize("torn", [False, True])
def test_bootstrap_draws_a_patients_scans_together(torn):
    # Each patient five times over: the patients' interval is wider than that of the scans.
    y = np.repeat(np.arange(24) % 2, 5)
    if torn:
        y[0] = 1
    groups = np.repeat([f"patient {number}" for number in range(24)], 5)
    single = made_up(y, n_repeats=1)
    score = np.repeat(single.repeat_scores(0)[::5], 5)
    scores = single.scores.assign(score=score[single.scores["row"]])
    alone = dataclasses.replace(single, scores=scores)
    grouped = dataclasses.replace(alone, groups=groups)
    widths = []
    for kind in (alone, grouped):
        summary = kind.summary(interval="bootstrap", random_state=0, n_resamples=100)
        widths.append(summary.loc["auc", "high"] - summary.loc["auc", "low"])
    assert widths[1] > 1.5 * widths[0]
    with pytest.warns(RuntimeWarning, match="takes a patient's several scans for independent"):
        grouped.summary(interval="delong")


def test_other_labels_than_those_trained_on(result):
    later = result.y.astype(float)
    later[::5] = 0
    later[::7] = np.nan
    known = ~np.isnan(later)
    found = result.fold_metrics(later)
    for number, (_, fold) in enumerate(result.scores.groupby(["repeat", "fold"])):
        fold = fold[known[fold["row"]]]
        expected = roc_auc_score(later[fold["row"]], fold["score"])
        assert found["auc"][number] == pytest.approx(expected, rel=1e-12)
    assert not result.summary(later).equals(result.summary())
    score = result.repeat_scores(2)
    expected = confusion_matrix(later[known], score[known] >= 0.5)
    np.testing.assert_array_equal(result.confusion_matrix(later, repeat=2), expected)
    assert result.frame(pd.Series(later))["y"].isna().sum() == 4 * (~known).sum()
    areas = [roc_auc_score(later[known], result.repeat_scores(r)[known]) for r in range(4)]
    assert result.median_repeat(later) == np.argsort(areas)[1]


def test_folds_without_a_positive_are_left_out_and_counted(result):
    later = np.where(np.arange(113) == np.flatnonzero(result.y)[0], 1.0, 0.0)
    later[np.flatnonzero(result.y)[1]] = 1
    expected = r"undefined in some of 20 folds.*: sensitivity in (\d+), auc in \1\.$"
    with pytest.warns(RuntimeWarning, match=expected):
        summary = result.summary(later)
    assert summary.loc["specificity", "n_folds"] == 20
    assert summary.loc["auc", "n_folds"] == result.fold_metrics(later)["auc"].notna().sum() < 9


def test_metrics_without_spread_have_no_interval():
    y = np.tile([0, 0, 1], 20)
    perfect = made_up(y, noise=0.0)
    for interval in ("corrected", "t"):
        with pytest.warns(RuntimeWarning) as caught:
            summary = perfect.summary(interval=interval)
        assert len(caught) == 1
        message = str(caught[0].message)
        assert message.startswith("no interval for sensitivity, specificity, accuracy, auc: ")
        assert caught[0].filename == __file__
        assert (summary["estimate"] == 1).all()
        assert summary[["low", "high"]].isna().all(axis=None)
    with pytest.warns(RuntimeWarning, match="no interval for auc: the DeLong variance is zero"):
        summary = perfect.summary(interval="delong")
    assert summary["low"].isna().tolist() == [False, False, False, True]
    with pytest.warns(RuntimeWarning, match="no interval for sensitivity, .*: all resamples"):
        perfect.summary(interval="bootstrap", n_resamples=20)


def test_a_metric_of_a_single_fold_has_no_interval():
    single = of_repeats([0.2, 0.6, 0.4, 0.8], y=[0, 0, 1, 1])
    with pytest.warns(RuntimeWarning, match="defined in fewer than two folds"):
        summary = single.summary()
    assert summary["estimate"].tolist() == [0.5, 0.5, 0.5, 0.75]
    with pytest.warns(RuntimeWarning) as caught:
        summary = single.summary([0, 0, 0, np.nan])
    assert len(caught) == 2
    assert summary["estimate"].isna().tolist() == [True, False, False, True]


def test_interval_ends_stay_within_bounds():
    y = np.tile([0, 1], 30)
    found = made_up(y, noise=0.35, n_splits=10, n_repeats=1).summary()
    assert found["high"].max() == 1
    assert (found["low"] < found["estimate"]).all()


@pytest.mark.parametrize(
    ("beaten", "median"),
    [([2], 0), ([2, 1], 0), ([0, 3, 1], 2), ([1, 0, 2, 3], 2), ([2, 4, 1, 3, 0], 0)],
)
def test_median_repeat_is_the_lower_middle(beaten, median):
    # One positive scan; the number of negatives above it, of four, makes the area.
    scores = [[*(np.arange(4) < count), 0.5] for count in beaten]
    found = of_repeats(*scores, y=[0, 0, 0, 0, 1])
    assert found.repeat_metrics()["auc"].tolist() == [1 - count / 4 for count in beaten]
    assert found.median_repeat() == median
    assert found.median_fold() == (median, 0)


def test_of_equal_repeats_the_first_is_the_median():
    found = of_repeats([0.1, 0.9], [0.2, 0.8], [0.3, 0.7], y=[0, 1])
    assert found.median_repeat() == 1
    assert of_repeats([0.1, 0.9], [0.2, 0.8], y=[0, 1]).median_repeat() == 0


def test_median_fold(result):
    areas = by_fold(result, roc_auc_score)
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


@pytest.mark.parametrize("labels", [[0, 1], ["healthy", "fracture"], [False, True], [1.0, 2.0]])
@pytest.mark.parametrize("with_groups", [False, True])
def test_saved_and_loaded_is_the_same(tmp_path, labels, with_groups):
    y = pd.Series(np.tile([0, 0, 1], 14)).map(dict(enumerate(labels)))
    groups = pd.Series([f"patient {number}" for number in range(42)]) if with_groups else None
    X = np.random.default_rng(0).normal(size=(42, 2))
    saved = repeated_cross_validate(
        RandomForestClassifier(2),
        X,
        y,
        groups=groups,
        n_splits=3,
        n_repeats=2,
        return_models="all",
        progress=False,
    )
    path = tmp_path / "scoliosis.scores"
    saved.save(path)
    saved.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["scoliosis.scores"]
    loaded = CrossValidationResult.load(path)
    for table in ("scores", "folds", "histories"):
        pd.testing.assert_frame_equal(
            getattr(loaded, table), getattr(saved, table), check_exact=True
        )
    np.testing.assert_array_equal(loaded.y, saved.y)
    np.testing.assert_array_equal(loaded.classes, sorted(labels))
    assert loaded.models == {}
    assert loaded.response_method == "predict_proba"
    if with_groups:
        np.testing.assert_array_equal(loaded.groups, groups)
    else:
        assert loaded.groups is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert loaded.summary().equals(saved.summary())


def test_learning_curves_are_saved(tmp_path, result):
    curves = pd.DataFrame({"repeat": 0, "fold": 1, "epoch": [1, 2], "loss": [0.7, 0.6]})
    dataclasses.replace(result, histories=curves).save(tmp_path / "result.npz")
    loaded = CrossValidationResult.load(tmp_path / "result.npz")
    pd.testing.assert_frame_equal(loaded.histories, curves)


def test_foreign_files_are_refused(tmp_path):
    text = tmp_path / "text.npz"
    text.write_text("sensitivity,specificity\n")
    objects = tmp_path / "objects.npz"
    np.savez(objects, y=np.array([LogisticRegression()]), about=np.array("{}"))
    array = tmp_path / "array.npz"
    with array.open("wb") as file:
        np.save(file, np.zeros(3))
    plain = tmp_path / "plain.npz"
    np.savez(plain, y=np.zeros(3))
    for path in (text, objects, array, plain):
        with pytest.raises(ValueError, match=rf"{path.name} is damaged, or not a file of skdxa"):
            CrossValidationResult.load(path)
    later = tmp_path / "later.npz"
    np.savez(later, y=np.zeros(3), about=np.array('{"format": 99}'))
    with pytest.raises(ValueError, match="not a cross-validation result that this version"):
        CrossValidationResult.load(later)


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


def test_it_says_what_it_is(result):
    assert repr(result) == "CrossValidationResult(4 repeats x 5 folds, 113 scans)"
