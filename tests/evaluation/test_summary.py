"""Intervals of the metrics: formulas, warnings and limits."""

import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, roc_auc_score

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
    expected = delong_interval(y, score, scale="identity")
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
    with pytest.warns(RuntimeWarning, match="treats a patient's several scans as independent"):
        grouped.summary(interval="delong")


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
    with pytest.warns(RuntimeWarning, match="no interval for auc: the DeLong variance is zero"):
        summary = perfect.summary(interval="delong")
    assert summary["low"].isna().tolist() == [False, False, False, True]
    with pytest.warns(RuntimeWarning, match="no interval for sensitivity, .*: all resamples"):
        perfect.summary(interval="bootstrap", n_resamples=20)


def test_a_metric_of_a_single_fold_has_no_interval(make_repeats):
    single = make_repeats([0.2, 0.6, 0.4, 0.8], y=[0, 0, 1, 1])
    with pytest.warns(RuntimeWarning, match="defined in fewer than two folds"):
        summary = single.summary()
    assert summary["estimate"].tolist() == [0.5, 0.5, 0.5, 0.75]
    with pytest.warns(RuntimeWarning) as caught:
        summary = single.summary([0, 0, 0, np.nan])
    assert len(caught) == 2
    assert summary["estimate"].isna().tolist() == [True, False, False, True]


def test_interval_ends_stay_within_bounds(make_result):
    y = np.tile([0, 1], 30)
    found = make_result(y, noise=0.35, n_splits=10, n_repeats=1).summary()
    assert found["high"].max() == 1
    assert (found["low"] < found["estimate"]).all()
