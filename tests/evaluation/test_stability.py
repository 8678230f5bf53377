"""The stability of scores: formulas by independent code, known truths, coverage."""

import numpy as np
import pytest
from scipy import stats
from sklearn.ensemble import ExtraTreesClassifier

from skdxa.evaluation import Folds, repeated_cross_validate
from skdxa.evaluation._stability import rank_correlations, stability_of, training_variance
from skdxa.significance import delong_interval


def draw_folds(n_scans, n_folds, n_repeats, rng):
    return rng.permuted(np.tile(np.arange(n_scans) % n_folds, (n_repeats, 1)), axis=1)


def q_one_by_one(score, fold_of):
    """Estimate q by loops over repeats and folds, with SciPy's correlation."""
    n_repeats, n_folds = len(score), fold_of.max() + 1
    squares = []
    for repeat in range(n_repeats):
        others = np.mean([score[r] for r in range(n_repeats) if r != repeat], axis=0)
        for fold in range(n_folds):
            rows = fold_of[repeat] == fold
            rho = stats.spearmanr(score[repeat, rows], others[rows]).statistic
            squares.append((2 * np.sin(np.pi * max(rho, 0) / 6)) ** 2)
    shared = np.mean(squares)
    return min(1, (n_folds - 1) * (1 - shared) / shared * (n_repeats - 1) / n_repeats)


@pytest.mark.parametrize("noise", [0.05, 0.2, 3.0])
@pytest.mark.parametrize("step", [0.25, 2.0**-20])
def test_q_against_a_loop(noise, step):
    # Steps that are powers of two, so that means of equal scores are equal to the last digit.
    rng = np.random.default_rng(0)
    n_repeats, n_scans, n_folds = 5, 67, 5
    fold_of = draw_folds(n_scans, n_folds, n_repeats, rng)
    score = rng.normal(size=n_scans) + noise * rng.normal(size=(n_repeats, n_scans))
    score = (score / step).round() * step
    q, g = stability_of(score, fold_of, n_folds)
    assert q == pytest.approx(q_one_by_one(score, fold_of), rel=1e-9)
    assert g == pytest.approx((1 + q) * np.sqrt(1 - q / 2), rel=1e-12)
    if noise == 3:
        assert (q, g) == (1, pytest.approx(np.sqrt(2)))


def test_q_of_an_example_by_hand():
    # Two repeats of two folds; in each fold one pair of neighbours changes places: Spearman's
    # rho is 1 - 6 * 2 / (4 * 15) = 0.8 in all of them.
    fold_of = np.array([[0, 1], [1, 0]]).repeat(4, axis=1)
    score = np.array([[1, 2, 3, 4, 1, 2, 3, 4], [2, 1, 3, 4, 1, 2, 4, 3]], dtype=float)
    shared = (2 * np.sin(0.8 * np.pi / 6)) ** 2
    q, g = stability_of(score, fold_of, 2)
    assert shared == pytest.approx(0.6617, abs=1e-4)
    assert q == pytest.approx((1 - shared) / shared / 2, rel=1e-12)
    assert q == pytest.approx(0.2556, abs=1e-4)
    assert g == pytest.approx(1.1727, abs=1e-4)


def test_scores_in_opposite_order_do_not_agree():
    # Models of one column that found opposite signs in one repeat of three.
    rng = np.random.default_rng(0)
    column = rng.normal(size=60)
    score = np.array([column, column, -column])
    fold_of = draw_folds(60, 3, 3, rng)
    # The first two agree with the mean of the others, which is 0 up to rounding, in nothing.
    turned = stability_of(score + 1e-3 * rng.normal(size=score.shape), fold_of, 3).q
    assert turned > 0.5
    assert stability_of(np.abs(score), fold_of, 3).q == pytest.approx(0)


def test_scores_without_training_are_stable():
    rng = np.random.default_rng(0)
    t_score = np.tile(rng.normal(size=50).round(1), (3, 1))
    assert stability_of(t_score, draw_folds(50, 5, 3, rng), 5) == pytest.approx((0, 1))


def test_constant_scores():
    rng = np.random.default_rng(0)
    fold_of = draw_folds(40, 4, 3, rng)
    assert stability_of(np.full((3, 40), 0.3), fold_of, 4) == pytest.approx((0, 1))
    # A fold whose scores are constant shares nothing with the other repeats.
    score = np.tile(rng.normal(size=40), (3, 1))
    score[0, fold_of[0] == 2] = 0.3
    assert 0 < stability_of(score, fold_of, 4).q < 1
    cell = np.repeat([0, 1, 2], 4)
    first = np.array([1, 1, 1, 1, 2, 2, 2, 2, 1, 2, 3, 4])
    second = np.array([5, 5, 5, 5, 1, 2, 3, 4, 4, 3, 2, 1])
    assert rank_correlations(first, second, cell, 3).tolist() == [1, 0, -1]


def test_stability_is_unknown_with_one_repeat_or_tiny_folds():
    score = np.random.default_rng(0).normal(size=(3, 8))
    pairs = np.tile(np.arange(8) // 2, (3, 1))
    assert np.isnan(stability_of(score[:1], pairs[:1] // 2, 2)).all()
    assert np.isnan(stability_of(score, pairs, 4)).all()
    halves = pairs // 2
    assert np.isnan(stability_of(score, halves, 2)).all()  # the same folds in all repeats
    assert np.isnan(training_variance(score, halves, 2, 4))
    halves[0] = 1 - halves[0]
    assert not np.isnan(stability_of(score, halves, 2)).any()


def linear_scores(X, y, fold_of, n_folds):
    """Score by the difference of the class means of the other folds."""
    score = np.empty(fold_of.shape)
    for repeat, folds in enumerate(fold_of):
        for fold in range(n_folds):
            train, test = folds != fold, folds == fold
            weight = X[train & (y == 1)].mean(axis=0) - X[train & (y == 0)].mean(axis=0)
            score[repeat, test] = X[test] @ weight
    return score


@pytest.mark.parametrize(("n_columns", "shift"), [(4, 0.9), (12, 0.7), (20, 0.8)])
def test_q_is_the_share_of_noise_in_a_linear_score(n_columns, shift):
    # The variance of the mean difference is known, since the variance within classes is 1.
    # Folds are large, since Spearman's rho of few scans is lower, and q larger, on average.
    n_scans, n_positive, n_folds = 2000, 100, 5
    y = (np.arange(n_scans) < n_positive).astype(int)
    noise = n_columns * (1 / n_positive + 1 / (n_scans - n_positive))
    truth = noise / (noise + shift**2)
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n_scans, n_columns))
        X[y == 1, 0] += shift
        folds = Folds.draw(y, n_splits=n_folds, n_repeats=4, random_state=seed)
        score = linear_scores(X, y, folds.fold_of, n_folds)
        found.append(stability_of(score[:, y == 0], folds.fold_of[:, y == 0], n_folds).q)
    assert np.mean(found) == pytest.approx(truth, abs=0.04)


@pytest.mark.parametrize("n_patients", [23, 9])
def test_training_variance_against_a_loop(n_patients):
    rng = np.random.default_rng(0)
    n_repeats, n_scans, n_folds = 3, 23, 4
    patient = np.arange(n_scans) % n_patients
    fold_of = draw_folds(n_patients, n_folds, n_repeats, rng)[:, patient]
    shift = rng.normal(size=(n_repeats, n_folds))
    values = rng.normal(size=(n_repeats, n_scans))
    values += np.take_along_axis(shift, fold_of, axis=1)
    moved = values - values.mean(axis=0)
    products = [
        moved[repeat, i] * moved[repeat, j]
        for repeat in range(n_repeats)
        for i in range(n_scans)
        for j in range(n_scans)
        if patient[i] != patient[j] and fold_of[repeat, i] == fold_of[repeat, j]
    ]
    together = [
        moved[repeat, fold_of[repeat] == fold].sum() ** 2
        for repeat in range(n_repeats)
        for fold in range(n_folds)
    ]
    error = np.sum(together) / len(products) * np.sqrt(2 / (n_repeats * (n_folds - 1)))
    expected = (n_folds - 1) * (np.mean(products) + error) * n_repeats / (n_repeats - 1)
    assert np.mean(products) > 0
    names = [f"P{number}" for number in patient]
    found = training_variance(values, fold_of, n_folds, 1, names)
    assert found == pytest.approx(expected, rel=1e-12)
    of_scans = training_variance(values, fold_of, n_folds, 1)
    assert np.isclose(of_scans, found, rtol=1e-9) == (n_patients == n_scans)
    limit = 10 * values.var() / 20
    assert limit < expected
    limited = training_variance(values, fold_of, n_folds, 20, names)
    assert limited == pytest.approx(limit, rel=1e-12)


def test_training_variance_of_models_that_shift():
    # Among cohorts, models vary n_folds - 1 times as much as from fold to fold.
    rng = np.random.default_rng(0)
    n_repeats, n_scans, n_folds = 400, 60, 5
    fold_of = draw_folds(n_scans, n_folds, n_repeats, rng)
    own = rng.normal(size=n_scans)
    shift = 0.1 * rng.normal(size=(n_repeats, n_folds))
    values = own + np.take_along_axis(shift, fold_of, axis=1)
    found = training_variance(values, fold_of, n_folds, 10)
    assert found == pytest.approx(4 * 0.01, rel=0.12)
    still = np.tile(own, (n_repeats, 1))
    assert training_variance(still, fold_of, n_folds, 10) == 0


def test_training_variance_is_unknown_with_one_repeat_or_single_scans():
    values = np.arange(8.0).reshape(2, 4)
    fold_of = np.tile(np.arange(4), (2, 1))
    assert np.isnan(training_variance(values, fold_of, 4, 2))
    assert np.isnan(training_variance(values[:1], fold_of[:1] // 2, 2, 2))


@pytest.mark.slow
@pytest.mark.parametrize(("n_columns", "shift"), [(8, 0.0), (8, 0.6), (3, 1.0)])
def test_g_is_how_much_delongs_error_is_too_small(n_columns, shift):
    n_scans, n_positive, n_folds = 400, 60, 10
    y = (np.arange(n_scans) < n_positive).astype(int)
    noise = n_columns * (1 / n_positive + 1 / (n_scans - n_positive))
    q = noise / (noise + shift**2)
    areas, variances = [], []
    for seed in range(500):
        X = np.random.default_rng(seed).normal(size=(n_scans, n_columns))
        X[y == 1, 0] += shift
        folds = Folds.draw(y, n_splits=n_folds, n_repeats=4, random_state=seed)
        score = linear_scores(X, y, folds.fold_of, n_folds)
        areas.append(folds.with_scores(score).fold_metrics()["auc"].mean())
        variances.append(delong_interval(y, score[0]).variance)
    found = np.std(areas) / np.sqrt(np.mean(variances))
    assert found == pytest.approx((1 + q) * np.sqrt(1 - q / 2), rel=0.1)


@pytest.mark.slow
def test_coverage_where_nothing_can_be_learnt():
    # 5 columns of noise, 78 of 600 positive: the true AUC of every model is 0.5. The corrected
    # t held it in 85 % of 1,000 simulated cohorts, the interval by stability in 95 %.
    n_scans, n_folds, n_cohorts = 600, 10, 300
    y = (np.arange(n_scans) < 78).astype(int)
    holds = {"stability": 0, "corrected": 0}
    for seed in range(n_cohorts):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n_scans, 5))
        folds = Folds.draw(y, n_splits=n_folds, n_repeats=5, random_state=seed)
        score = linear_scores(X, y, folds.fold_of, n_folds)
        result = folds.with_scores(score)
        for interval in holds:
            row = result.summary(interval=interval).loc["auc"]
            holds[interval] += row["low"] <= 0.5 <= row["high"]
    assert holds["stability"] / n_cohorts > 0.92
    assert 0.78 < holds["corrected"] / n_cohorts < 0.91


def seeded_scores(n_scans, fold_of, n_folds, *, training, seeds, rng):
    """Draw scores with noise of the training scans, and twice with noise of seeds."""
    n_repeats = len(fold_of)
    shared = rng.normal(size=n_scans)
    # Each fold leaves out its own scans' noise: independent from repeat to repeat.
    trained = shared + np.sqrt(training) * rng.normal(size=(n_repeats, n_scans))
    return [trained + np.sqrt(seeds) * rng.normal(size=(n_repeats, n_scans)) for _ in range(2)]


def test_noise_of_seeds_is_taken_apart():
    rng = np.random.default_rng(0)
    n_scans, n_folds, n_repeats, training, seeds = 4000, 5, 6, 0.05, 0.3
    fold_of = draw_folds(n_scans, n_folds, n_repeats, rng)
    score, again = seeded_scores(
        n_scans, fold_of, n_folds, training=training, seeds=seeds, rng=rng
    )
    assert stability_of(score, fold_of, n_folds).q == 1
    for n_refitted in (2, n_repeats):
        q, g = stability_of(score, fold_of, n_folds, again[:n_refitted])
        # To first order the changes from repeat to repeat are somewhat too large.
        assert 4 * training - 0.03 < q < 4 * training + 0.1
        assert g == pytest.approx((1 + q) * np.sqrt(1 - q / 2))
    # Fits that do not differ by seeds leave q as it is.
    score = seeded_scores(n_scans, fold_of, n_folds, training=training, seeds=0, rng=rng)[0]
    alone = stability_of(score, fold_of, n_folds)
    assert stability_of(score, fold_of, n_folds, score) == pytest.approx(alone)
    # Without any agreement between seeds, no noise of training is left.
    noise = rng.normal(size=score.shape)
    assert stability_of(score, fold_of, n_folds, noise).q == 0


def test_a_second_fit_on_the_same_folds_narrows_the_interval():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1], [150, 60]))
    X = rng.normal(size=(210, 4)) + 0.5 * y[:, np.newaxis]
    forest = ExtraTreesClassifier(5, max_depth=3)
    run = {"progress": False}
    result = repeated_cross_validate(forest, X, y, n_splits=5, n_repeats=3, random_state=0, **run)
    first = result.fold_assignment.first(2)
    again = repeated_cross_validate(forest, X, y, cv=first, random_state=1, **run)
    np.testing.assert_array_equal(again.fold_assignment.fold_of, first.fold_of)
    alone, apart = result.summary().loc["auc"], result.summary(other_seeds=again).loc["auc"]
    assert (alone["q"], apart["q"]) == (
        result.stability().q,
        result.stability(other_seeds=again).q,
    )
    assert apart["q"] < alone["q"]
    assert apart["high"] - apart["low"] < alone["high"] - alone["low"]
    with pytest.raises(ValueError, match="must be of the same labels and of the folds"):
        again.stability(other_seeds=result)
    other = repeated_cross_validate(forest, X, y, n_splits=5, n_repeats=2, random_state=1, **run)
    with pytest.raises(ValueError, match="call repeated_cross_validate with cv="):
        result.summary(other_seeds=other)
    with pytest.raises(ValueError, match="other_seeds has no effect on interval='delong'"):
        result.summary(interval="delong", other_seeds=again)
    for n_repeats in (0, 4):
        with pytest.raises(ValueError, match="n_repeats must lie between 1 and 3"):
            result.fold_assignment.first(n_repeats)
