"""Intervals of the metrics: formulas, warnings and limits."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, logit
from sklearn.metrics import accuracy_score, roc_auc_score

from skdxa.evaluation import Folds
from skdxa.significance import bootstrap_interval, delong_interval, proportion_interval


@pytest.mark.parametrize(("interval", "share"), [("corrected", 22.6 / 90.4), ("t", 0)])
def test_intervals_over_folds_by_their_formula(result, interval, share, metrics_by_fold):
    summary = result.summary(threshold=0.4, interval=interval, level=0.9)
    assert summary.index.tolist() == list(metrics_by_fold)
    for name, values in metrics_by_fold.items():
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
        "DeLong, logit scale",
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
    assert (summary["aggregation"] == "pooled").all()
    assert (result.summary()["aggregation"] == "mean of folds").all()


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


@pytest.mark.parametrize("with_both_labels", [False, True])
def test_bootstrap_draws_a_patients_scans_together(with_both_labels, make_result):
    # Each patient has five equal scans: the interval is wider if patients are resampled.
    y = np.repeat(np.arange(24) % 2, 5)
    if with_both_labels:
        y[0] = 1
    groups = np.repeat([f"patient {number}" for number in range(24)], 5)
    single = make_result(y, n_repeats=1)
    score = np.repeat(single.repeat_scores(0)[::5], 5)
    scores = single.scores.assign(score=score[single.scores["row"]])
    alone = dataclasses.replace(single, scores=scores)
    grouped = dataclasses.replace(alone, groups=groups)
    widths = []
    for kind in (alone, grouped):
        summary = kind.summary(interval="bootstrap", random_state=0, n_resamples=100)
        widths.append(summary.loc["auc", "high"] - summary.loc["auc", "low"])
    assert widths[1] > 1.5 * widths[0]


def test_delong_takes_the_scans_of_a_patient_as_correlated(make_result):
    y = np.repeat(np.arange(40) % 2, 3)
    patient = [f"patient {number}" for number in np.repeat(np.arange(40), 3)]
    scores = make_result(y[::3], n_repeats=1).repeat_scores(0)
    folds = Folds(np.zeros((1, 120), dtype=int), y, patient)
    grouped = folds.with_scores(np.repeat(scores, 3), response_method="predict_proba")
    scored_y = np.where(np.arange(120) < 9, np.nan, y)
    known = ~np.isnan(scored_y)
    summary = grouped.summary(scored_y, interval="delong")
    judged = scored_y[known], np.repeat(scores, 3)[known]
    expected = delong_interval(*judged, groups=patient[9:])
    found = summary.loc["auc", ["estimate", "low", "high", "method"]].tolist()
    assert found == [expected.estimate, expected.low, expected.high, expected.method]
    right = ((judged[1] >= 0.5) == judged[0]).astype(int)
    expected = proportion_interval(right, 1, groups=patient[9:])
    assert summary.loc["accuracy", ["low", "high"]].tolist() == [expected.low, expected.high]
    alone = dataclasses.replace(grouped, groups=None).summary(scored_y, interval="delong")
    width, plain = (table["high"] - table["low"] for table in (summary, alone))
    # Three equal scans of each patient.
    np.testing.assert_allclose(width / plain, np.sqrt(3), rtol=0.12)


def test_delong_of_one_positive_patient_has_no_interval():
    groups = np.repeat(np.arange(9), 2)
    y = (groups == 0).astype(int)
    folds = Folds(np.zeros((1, 18), dtype=int), y, groups)
    result = folds.with_scores(np.arange(18) % 5)
    with pytest.warns(RuntimeWarning) as caught:
        summary = result.summary(interval="delong", threshold=2)
    (message,) = [str(warning.message) for warning in caught]
    assert message.startswith("no interval for sensitivity: clustered Wilson score: no two ")
    assert "; auc: DeLong's variance needs at least two positives" in message
    assert summary["low"].isna().tolist() == [True, False, False, True]


def test_folds_without_a_positive_are_left_out_and_counted(result):
    scored_y = np.where(np.arange(113) == np.flatnonzero(result.y)[0], 1.0, 0.0)
    scored_y[np.flatnonzero(result.y)[1]] = 1
    expected = r"undefined in some of 20 folds.*: sensitivity in (\d+), auc in \1\.$"
    with pytest.warns(RuntimeWarning, match=expected):
        summary = result.summary(scored_y)
    assert summary.loc["specificity", "n_folds"] == 20
    assert summary.loc["auc", "n_folds"] == result.fold_metrics(scored_y)["auc"].notna().sum() < 9


def test_metrics_without_spread_have_no_interval(make_result):
    y = np.tile([0, 0, 1], 20)
    perfect = make_result(y, noise=0.0)
    for interval in ("corrected", "t"):
        with pytest.warns(RuntimeWarning) as caught:
            summary = perfect.summary(interval=interval)
        assert len(caught) == 1
        message = str(caught[0].message)
        assert message.startswith("no interval for sensitivity, specificity, accuracy, auc: ")
        assert caught[0].filename == __file__
        assert (summary["estimate"] == 1).all()
        assert summary[["low", "high"]].isna().all(axis=None)
    # Of an AUC of 1 there is Newcombe's interval, and none of a constant score.
    assert 0.8 < perfect.summary(interval="delong")["low"].min() < 1
    constant = perfect.fold_assignment.with_scores(np.zeros(60))
    with pytest.warns(RuntimeWarning, match="no interval for auc: the DeLong variance is zero"):
        summary = constant.summary(interval="delong")
    assert summary["low"].isna().tolist() == [False, False, False, True]
    with pytest.warns(RuntimeWarning, match="no interval for sensitivity, .*: all resamples"):
        perfect.summary(interval="bootstrap", n_resamples=20)


def test_a_metric_of_a_single_fold_has_no_interval(make_repeats):
    single = make_repeats([0.2, 0.6, 0.4, 0.8], y=[0, 0, 1, 1])
    for interval in ("corrected", "stability"):
        with pytest.warns(RuntimeWarning) as caught:
            summary = single.summary(interval=interval)
        assert "defined in fewer than two folds" in str(caught[-1].message)
        assert summary["estimate"].tolist() == [0.5, 0.5, 0.5, 0.75]
        with pytest.warns(RuntimeWarning) as caught:
            summary = single.summary([0, 0, 0, np.nan], interval=interval)
        assert len(caught) == (2 if interval == "corrected" else 3)
        assert summary["estimate"].isna().tolist() == [True, False, False, True]


def test_interval_ends_stay_within_bounds(make_result):
    y = np.tile([0, 1], 30)
    result = make_result(y, noise=0.35, n_splits=10, n_repeats=1)
    found = result.summary(interval="corrected")
    assert found["high"].max() == 1
    assert (found["low"] < found["estimate"]).all()


def share_interval(share, n_patients, quantile):
    """Return Wilson's interval as the roots of its quadratic equation."""
    square = quantile**2 / n_patients
    return np.sort(np.roots([1 + square, -2 * share - square, share**2]))


def delong_within_folds(result, positive, groups=None):
    """Return DeLong's variance, from shares of pairs within folds averaged over the repeats."""
    influence = np.zeros(len(positive))
    area = []
    for repeat in range(result.n_repeats):
        score, fold_of = result.repeat_scores(repeat), result.fold_assignment.fold_of[repeat]
        rivals = (fold_of[:, np.newaxis] == fold_of) & (positive[:, np.newaxis] != positive)
        higher = np.sign(score[:, np.newaxis] - score) * np.where(positive, -1, 1)[:, np.newaxis]
        wins = np.sum(rivals * (1 - higher) / 2, axis=1)
        area.append((wins, rivals.sum(axis=1), rivals.sum() / 2))
    mean = np.mean([wins[positive].sum() / pairs for wins, _, pairs in area])
    for wins, n_rivals, pairs in area:
        influence += (wins - mean * n_rivals) / pairs / result.n_repeats
    patients = np.arange(len(positive)) if groups is None else groups
    sums = np.array([influence[patients == patient].sum() for patient in np.unique(patients)])
    n_smaller = min(len(np.unique(patients[positive == side])) for side in (True, False))
    return np.sum(sums**2) * n_smaller / (n_smaller - 1)


def stability_error(result, positive, groups=None):
    """Return the standard error by stability on the logit scale, and the mean AUC."""
    y = positive.astype(int)
    areas = result.fold_metrics(y)["auc"].to_numpy().reshape(result.n_repeats, -1)
    q, g = result.stability(y)
    variance = delong_within_folds(result, positive, groups) * g**2 * 10 / 9
    variance *= 1 + q / (result.n_folds - 1)
    variance += areas.mean(axis=1).var(ddof=1) / result.n_repeats
    mean = areas.mean()
    return np.sqrt(variance) / (mean * (1 - mean)), mean


def test_stability_by_its_formula(result, metrics_by_fold):
    q, g = result.stability()
    assert 0 < q <= 1
    assert g == pytest.approx((1 + q) * np.sqrt(1 - q / 2), rel=1e-15)
    summary = result.summary(threshold=0.4, level=0.9)
    quantile = stats.t.ppf(0.95, 32)  # 33 positive and 80 negative scans
    standard_errors = {
        name: values.std(ddof=1) * np.sqrt(1 / 20 + 22.6 / 90.4)
        for name, values in metrics_by_fold.items()
    }
    error, mean = stability_error(result, result.y == 1)
    half = quantile * error
    expected = [mean, expit(logit(mean) - half), expit(logit(mean) + half), q, g]
    columns = ["estimate", "low", "high", "q", "g"]
    np.testing.assert_allclose(summary.loc["auc", columns].astype(float), expected, rtol=1e-12)
    assert summary.loc["auc", "method"] == "DeLong, stability"
    for name, n_patients in {"sensitivity": 33, "specificity": 80, "accuracy": 113}.items():
        row = summary.loc[name]
        share, variance = row["estimate"], (row["g"] * standard_errors[name]) ** 2
        assert share == pytest.approx(metrics_by_fold[name].mean(), rel=1e-12)
        assert row["g"] >= 1
        worth = min(n_patients, share * (1 - share) / variance)
        np.testing.assert_allclose(
            row[["low", "high"]].astype(float), share_interval(share, worth, quantile), rtol=1e-9
        )
        assert np.isnan(row["q"])
        assert row["method"] == "Wilson score, stability"
    assert result.summary(interval="corrected")[["q", "g"]].isna().all(axis=None)


def test_the_interval_by_stability_is_wider_where_training_is_noise(make_result):
    y = np.random.default_rng(0).permutation(np.repeat([0, 1], [140, 60]))
    guessed = make_result(y, noise=50.0)
    rng = np.random.default_rng(3)
    given = guessed.fold_assignment.with_scores(rng.normal(size=y.size) + y)
    assert guessed.stability() == (1, pytest.approx(np.sqrt(2), rel=1e-15))
    assert given.stability() == pytest.approx((0, 1))
    # Without training, DeLong's interval is right, but for the allowance and Student's t.
    rows = [given.summary(interval=kind).loc["auc"] for kind in ("stability", "delong")]
    widths = [logit(row["high"]) - logit(row["low"]) for row in rows]
    ratio = np.sqrt(10 / 9) * stats.t.ppf(0.975, 59) / stats.norm.ppf(0.975)
    assert widths[0] == pytest.approx(ratio * widths[1], rel=0.05)


def test_an_auc_below_chance_has_an_interval_that_reaches_it():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1], [140, 60]))
    folds = Folds.draw(y, n_splits=5, n_repeats=4, random_state=0)
    guessed = folds.with_scores(rng.normal(size=(4, 200)) - 0.4 * y)
    assert guessed.summary().loc["auc", "estimate"] < 0.45
    assert guessed.stability().q == 1
    row = guessed.summary().loc["auc"]
    error, mean = stability_error(guessed, guessed.y == 1)
    error = np.hypot(error, (0.5 - mean) / (mean * (1 - mean)))
    half = stats.t.ppf(0.975, 59) * error
    np.testing.assert_allclose(
        row[["low", "high"]].astype(float), expit(logit(mean) + np.array([-half, half])), rtol=1e-9
    )
    assert row["high"] > 0.5
    # A score without training may be turned around.
    rng = np.random.default_rng(3)
    score = rng.normal(size=y.size) + y
    ends = []
    for sign in (1, -1):
        given = guessed.fold_assignment.with_scores(sign * score)
        ends.append(given.summary().loc["auc", ["low", "high"]].to_numpy(float))
    np.testing.assert_allclose(ends[1][::-1], 1 - ends[0], rtol=1e-9)


def test_the_interval_of_a_model_of_one_useless_column_holds():
    # By DeLong's variance and the agreement of the repeats alone it held in 80 % of 1,000 cohorts.
    holds, y = [], (np.arange(300) < 135).astype(int)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        column = rng.normal(size=300)
        folds = Folds.draw(y, n_splits=10, n_repeats=5, random_state=seed)
        score = np.empty(folds.fold_of.shape)
        for repeat, fold in np.ndindex(5, 10):
            test = folds.fold_of[repeat] == fold
            means = [column[~test & (y == label)].mean() for label in (0, 1)]
            score[repeat, test] = (means[1] - means[0]) * (column[test] - np.mean(means))
        row = folds.with_scores(score).summary().loc["auc"]
        holds.append(row["low"] <= 0.5 <= row["high"])
    assert np.mean(holds) > 0.9


def test_shares_of_all_or_none_have_an_interval(make_result):
    y = np.random.default_rng(0).permutation(np.repeat([0, 1], [70, 30]))
    result = make_result(y)
    # At a threshold above all scores, no scan is positive.
    summary = result.summary(threshold=2)
    quantile = stats.t.ppf(0.975, 29)
    assert summary.loc["sensitivity", ["estimate", "low"]].tolist() == [0, 0]
    assert summary.loc["sensitivity", "high"] == pytest.approx(
        share_interval(0, 30, quantile)[1], rel=1e-12
    )
    assert summary.loc["specificity", ["estimate", "high"]].tolist() == [1, 1]
    assert summary.loc["specificity", "low"] == pytest.approx(
        share_interval(1, 70, quantile)[0], rel=1e-12
    )
    assert 0.5 < summary.loc["accuracy", "low"] < 0.7 < summary.loc["accuracy", "high"] < 0.9


def test_a_perfect_auc_has_an_interval_and_a_constant_one_none(make_result):
    y = np.tile([0, 0, 1], 20)
    perfect = make_result(y, noise=0.0)
    summary = perfect.summary()
    assert summary.loc["auc", ["estimate", "high"]].tolist() == [1, 1]
    assert summary.loc["auc", "low"] == pytest.approx(
        share_interval(1, 20, stats.t.ppf(0.975, 19))[0], rel=1e-12
    )
    constant = perfect.fold_assignment.with_scores(np.full(60, 0.25))
    with pytest.warns(RuntimeWarning, match=r"no interval for auc: the AUC is 0.5 in all folds\."):
        summary = constant.summary(threshold=0.5)
    assert summary["low"].isna().tolist() == [False, False, False, True]
    assert summary.loc["auc", ["q", "g"]].isna().tolist() == [False, True]


def test_one_repeat_has_the_corrected_t_and_warns_of_few_events(make_result):
    rng = np.random.default_rng(0)
    few, enough = (rng.permutation(np.repeat([0, 1], [80, n])) for n in (19, 20))
    single = make_result(enough, n_repeats=1)
    summary = single.summary()
    areas = single.fold_metrics()["auc"]
    se = areas.std() * np.sqrt(1 / 5 + 20 / 80)
    half = stats.t.ppf(0.975, 4) * se / (areas.mean() * (1 - areas.mean()))
    expected = expit(logit(areas.mean()) + np.array([-half, half]))
    found = summary.loc["auc", ["low", "high"]].astype(float)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert summary["method"].tolist() == [
        *["Wilson score, corrected"] * 3,
        "corrected resampled t",
    ]
    assert summary.loc["auc", ["q"]].isna().all()
    with pytest.warns(RuntimeWarning, match="a class has 19 patients, and with one repeat"):
        make_result(few, n_repeats=1).summary()
    make_result(few, n_repeats=2).summary()


def test_degrees_of_freedom_are_those_of_patients(make_result):
    # 24 positive scans of 8 patients, 96 negative ones of 32, one of whom has both.
    y = np.repeat([1, 0], [24, 96])
    groups = np.repeat(np.arange(40), 3)
    order = np.random.default_rng(0).permutation(120)
    result = make_result(y[order], groups=groups[order], n_repeats=3)
    for n_events, positive in ((8, result.y), (9, np.where(groups[order] == 39, 1, result.y))):
        positive = positive.copy()
        positive[np.flatnonzero(groups[order] == 39)[:2]] = result.y[
            np.flatnonzero(groups[order] == 39)[:2]
        ]
        summary = result.summary(positive).loc["auc"]
        error, mean = stability_error(result, positive == 1, groups[order])
        expected = logit(mean) + stats.t.ppf(0.975, n_events - 1) * error
        assert logit(summary["high"]) == pytest.approx(expected, rel=1e-9)


def test_rows_without_a_label_count_nowhere(result):
    scored_y = result.y.astype(float)
    left_out = np.flatnonzero(result.y == 1)[:5]
    scored_y[left_out] = np.nan
    changed = result.scores.copy()
    rng = np.random.default_rng(0)
    where = changed["row"].isin(left_out)
    changed.loc[where, "score"] = rng.random(where.sum())
    other = dataclasses.replace(result, scores=changed)
    pd.testing.assert_frame_equal(result.summary(scored_y), other.summary(scored_y))
    assert not result.summary().equals(other.summary())


def test_stability_with_folds_that_lack_a_class(result):
    scored_y = np.zeros(113)
    scored_y[np.flatnonzero(result.y)[:3]] = 1
    with pytest.warns(RuntimeWarning, match="undefined in some of 20 folds"):
        summary = result.summary(scored_y)
    assert summary["low"].notna().all()
    scored_y[np.flatnonzero(result.y)[1:3]] = np.nan
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        summary = result.summary(scored_y)
    assert "no interval for " in str(caught[-1].message)
    assert "a class has fewer than two patients" in str(caught[-1].message)
    assert summary["low"].isna().all()


@pytest.mark.parametrize("interval", ["stability", "corrected", "t", "delong", "bootstrap"])
@pytest.mark.parametrize("level", [0, 1, 95, -0.5])
def test_levels_are_checked_by_every_interval(interval, level):
    folds = Folds.draw(np.tile([0, 1], 20), n_splits=4, n_repeats=2, random_state=0)
    result = folds.with_scores(np.arange(40.0))
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        result.summary(interval=interval, level=level, threshold=20)
