"""The difference of two cross-validated models."""

import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import brier_score_loss

from skdxa.evaluation import Folds, compare
from skdxa.evaluation._stability import stability_of, training_variance
from skdxa.significance import corrected_t_test

N_SCANS, N_EVENTS, N_FOLDS, N_REPEATS = 150, 40, 5, 4


@pytest.fixture(scope="module")
def y():
    return np.random.default_rng(1).permutation(np.repeat([0, 1], [N_SCANS - N_EVENTS, N_EVENTS]))


@pytest.fixture(scope="module")
def folds(y):
    return Folds.draw(y, n_splits=N_FOLDS, n_repeats=N_REPEATS, random_state=0)


def noisy(folds, seed, noise, n_repeats=N_REPEATS):
    """Return probabilities, in part of the scans' own, in part of each repeat."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=len(folds.y)) + folds.y
    scores = stats.norm.cdf(own + noise * rng.normal(size=(n_repeats, len(folds.y))) - 0.5)
    return folds.with_scores(scores, response_method="predict_proba")


@pytest.fixture(scope="module")
def models(folds):
    return noisy(folds, 0, 0.2), noisy(folds, 1, 0.4)


def by_fold(folds, function):
    """Compute something for each fold of each repeat, one by one."""
    return np.array(
        [
            function(repeat, np.flatnonzero(folds.fold_of[repeat] == fold))
            for repeat in range(folds.n_repeats)
            for fold in range(folds.n_folds)
        ]
    )


def check(test, differences, variance, df):
    assert test.estimate == pytest.approx(differences.mean(), rel=1e-12)
    assert test.interval.variance == pytest.approx(variance, rel=1e-9)
    assert test.statistic == pytest.approx(test.estimate / np.sqrt(variance), rel=1e-9)
    assert test.pvalue == pytest.approx(2 * stats.t.sf(abs(test.statistic), df), rel=1e-9)
    assert test.df == df
    half = stats.t.ppf(0.95, df) * np.sqrt(variance)
    ends = [test.interval.low, test.interval.high]
    assert ends == pytest.approx([test.estimate - half, test.estimate + half], rel=1e-9)
    assert (test.interval.level, test.interval.estimate) == (0.9, test.estimate)


def corrected(differences):
    return differences.var(ddof=1) * (1 / differences.size + 30 / 120)


def test_difference_of_areas_by_its_formula(folds, models, y):
    test = compare(*models, level=0.9)
    differences = models[0].fold_metrics()["auc"] - models[1].fold_metrics()["auc"]
    standardised = np.zeros((2, N_REPEATS, N_SCANS))
    for number, model in enumerate(models):
        for repeat in range(N_REPEATS):
            score = model.repeat_scores(repeat)
            negatives = [(folds.fold_of[repeat] == fold) & (y == 0) for fold in range(N_FOLDS)]
            variance = np.average(
                [score[rows].var() for rows in negatives], weights=[r.sum() for r in negatives]
            )
            standardised[number, repeat] = score / np.sqrt(variance)
    q, g = stability_of(
        (standardised[0] - standardised[1])[:, y == 0], folds.fold_of[:, y == 0], 5
    )
    assert 0 < q <= 1
    check(test, differences, corrected(differences) * g**2, N_EVENTS - 1)
    assert test.method == "corrected resampled t, stability"
    reverse = compare(*models[::-1], level=0.9)
    assert reverse.estimate == -test.estimate
    assert reverse.pvalue == pytest.approx(test.pvalue, rel=1e-9)


@pytest.mark.parametrize(
    ("metric", "among"), [("sensitivity", [1]), ("specificity", [0]), ("accuracy", [0, 1])]
)
def test_difference_of_shares_by_its_formula(folds, models, y, metric, among):
    test = compare(*models, metric=metric, threshold=(0.4, 0.6), level=0.9)
    rows = np.isin(y, among)
    right = [
        ((np.stack([model.repeat_scores(r) for r in range(N_REPEATS)]) >= limit) == y)
        for model, limit in zip(models, (0.4, 0.6), strict=True)
    ]
    values = right[0].astype(float) - right[1]
    differences = by_fold(folds, lambda repeat, test: values[repeat, test[rows[test]]].mean())
    training = training_variance(values[:, rows], folds.fold_of[:, rows], N_FOLDS, N_EVENTS)
    check(test, differences, corrected(differences) + training, N_EVENTS - 1)


def test_difference_of_brier_scores(folds, models, y):
    test = compare(*models, metric="brier", interval="corrected", level=0.9)
    differences = by_fold(
        folds,
        lambda repeat, test: (
            brier_score_loss(y[test], models[0].repeat_scores(repeat)[test])
            - brier_score_loss(y[test], models[1].repeat_scores(repeat)[test])
        ),
    )
    check(test, differences, corrected(differences), 19)
    assert compare(*models, metric="brier").interval.variance >= test.interval.variance
    values = folds.with_scores(models[1].repeat_scores(0))
    with pytest.raises(ValueError, match=r"Brier score needs probabilities.*decision_function"):
        compare(models[0], values, metric="brier")


def test_with_one_repeat_it_is_the_corrected_resampled_t(y):
    folds = Folds.draw(y, n_splits=N_FOLDS, n_repeats=1, random_state=0)
    models = noisy(folds, 0, 0.2, 1), noisy(folds, 1, 0.4, 1)
    differences = models[0].fold_metrics()["auc"] - models[1].fold_metrics()["auc"]
    expected = corrected_t_test(differences, n_train=120, n_test=30)
    for interval in ("stability", "corrected"):
        found = compare(*models, interval=interval)
        assert found.pvalue == pytest.approx(expected.pvalue, rel=1e-12)
        assert found.interval.low == pytest.approx(expected.interval.low, rel=1e-12)
        assert found.method == "corrected resampled t"


def test_scores_without_training_are_not_widened(folds, y):
    rng = np.random.default_rng(0)
    models = [folds.with_scores(rng.normal(size=N_SCANS) + shift * y) for shift in (1, 0.5)]
    wide, narrow = (compare(*models, interval=kind) for kind in ("stability", "corrected"))
    assert wide.statistic == pytest.approx(narrow.statistic, rel=0.005)


def test_the_scale_of_the_scores_does_not_matter(folds, models):
    expected = compare(*models)
    scores = np.stack([models[1].repeat_scores(repeat) for repeat in range(N_REPEATS)])
    found = compare(models[0], folds.with_scores(5 - 1e6 * (1 - scores)))
    assert found.pvalue == pytest.approx(expected.pvalue, rel=1e-6)


def test_equal_and_constant_scores(folds, models):
    with pytest.warns(RuntimeWarning, match=r"no interval .* the same in all folds\.$"):
        test = compare(models[0], models[0])
    assert (test.estimate, test.statistic, test.pvalue) == (0, 0, 1)
    assert np.isnan(test.interval.low)
    perfect = folds.with_scores(folds.y)
    constant = folds.with_scores(np.full(N_SCANS, 0.2))
    with pytest.warns(RuntimeWarning, match="the same in all folds"):
        test = compare(perfect, constant)
    assert test.estimate == 0.5
    assert np.isnan([test.statistic, test.pvalue]).all()
    test = compare(models[0], constant)
    assert test.pvalue < 0.05


def test_rows_without_a_label_count_nowhere(folds, models):
    scored_y = folds.y.astype(float)
    left_out = np.flatnonzero(folds.y == 0)[3:9]
    scored_y[left_out] = np.nan
    scores = models[1].scores.copy()
    where = scores["row"].isin(left_out)
    scores.loc[where, "score"] = np.random.default_rng(0).random(where.sum())
    other = dataclasses.replace(models[1], scores=scores)
    for metric in ("auc", "specificity", "brier"):
        found, expected = (
            compare(models[0], second, metric=metric, y=scored_y) for second in (models[1], other)
        )
        assert found == expected
    assert compare(*models).estimate != compare(models[0], other).estimate
    with pytest.raises(ValueError, match="both positive and negative"):
        compare(*models, y=np.where(folds.y == 0, 0, np.nan))


def test_folds_without_a_positive_and_single_patients(models, y):
    scored_y = np.zeros(N_SCANS)
    scored_y[np.flatnonzero(y)[:3]] = 1
    with pytest.warns(RuntimeWarning, match=r"undefined in \d+ of 20 folds") as caught:
        test = compare(*models, y=scored_y)
    assert test.df == 2
    assert caught[0].filename == __file__
    scored_y[np.flatnonzero(y)[1:3]] = np.nan
    with pytest.warns(RuntimeWarning) as caught:
        test = compare(*models, y=scored_y)
    assert "a class has fewer than two patients" in str(caught[-1].message)
    assert np.isnan(test.pvalue)


def test_patients_are_the_unit(y):
    groups = np.arange(N_SCANS) // 3
    order = np.argsort(y, kind="stable")
    folds = Folds.draw(
        y[order], groups=groups, n_splits=N_FOLDS, n_repeats=N_REPEATS, random_state=0
    )
    test = compare(noisy(folds, 0, 0.2), noisy(folds, 1, 0.2))
    assert test.df == len(np.unique(groups[y[order] == 1])) - 1 < 14


def test_other_folds_labels_and_patients_are_refused(folds, models, y):
    with pytest.raises(ValueError, match=r"the results differ: 4 repeats of 150 .* 3 repeats"):
        compare(models[0], noisy(Folds(folds.fold_of[:3], y), 0, 1, 3))
    moved = folds.fold_of.copy()
    moved[2, [7, 8]] = (moved[2, 7] + 1) % 5, (moved[2, 8] + 1) % 5
    with pytest.raises(
        ValueError, match=r"other folds: in repeat 2, position 7 is in fold \d and"
    ):
        compare(models[0], noisy(Folds(moved, y), 0, 1))
    other = y.copy()
    other[[5, 9]] = 1 - other[[5, 9]]
    with pytest.raises(
        ValueError, match=r"other labels in 2 of 150 rows, the first at position 5\."
    ):
        compare(models[0], noisy(Folds(folds.fold_of, other), 0, 1))
    patients = np.arange(N_SCANS)
    patients[11] = 10
    with pytest.raises(
        ValueError, match="other patients in 1 of 150 rows, the first at position 11"
    ):
        compare(models[0], noisy(Folds(folds.fold_of, y, patients), 0, 1))
    # The names of the patients do not matter.
    named = noisy(Folds(folds.fold_of, y, [f"P{999 - i}" for i in range(N_SCANS)]), 0, 1)
    compare(models[0], named)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"metric": "kappa"}, r"metric must be one of .*'brier'.*, got 'kappa'"),
        ({"interval": "t"}, r"interval must be one of .*'stability', 'corrected'.*, got 't'"),
        ({"level": 95}, "level must lie between 0 and 1"),
    ],
)
def test_options_are_checked(models, option, message):
    with pytest.raises(ValueError, match=message):
        compare(*models, **option)


@pytest.mark.slow
def test_no_difference_is_rarely_claimed():
    # Both models score by the class means of three columns of their own, equally informative.
    n_scans, n_cohorts = 600, 200
    y = (np.arange(n_scans) < 78).astype(int)
    claimed = 0
    for seed in range(n_cohorts):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n_scans, 6)) + y[:, np.newaxis] * np.tile([0.35, 0.25, 0.15], 2)
        folds = Folds.draw(y, n_repeats=4, random_state=seed)
        scores = np.empty((2, *folds.fold_of.shape))
        for repeat, fold in np.ndindex(4, 10):
            test = folds.fold_of[repeat] == fold
            weights = X[~test & (y == 1)].mean(axis=0) - X[~test & (y == 0)].mean(axis=0)
            scores[0, repeat, test] = X[test, :3] @ weights[:3]
            scores[1, repeat, test] = X[test, 3:] @ weights[3:]
        claimed += compare(*(folds.with_scores(score) for score in scores)).pvalue < 0.05
    assert claimed / n_cohorts <= 0.06
