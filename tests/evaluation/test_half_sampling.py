"""Intervals from cross-validations of halves: formula, checkpoint, coverage."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, logit
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from tally import Tally

from skdxa.evaluation import Folds, half_sampling_interval, repeated_cross_validate
from skdxa.evaluation._half_sampling import interval_from_halves
from skdxa.exceptions import CheckpointError

SHORT = {"n_splits": 3, "n_draws": 4, "progress": False}
METRICS = ["sensitivity", "specificity", "accuracy", "auc"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1], [61, 32]))
    return rng.normal(size=(93, 4)) + 0.5 * y[:, np.newaxis], y


class CountingClassifier(LogisticRegression):
    """Counts its fits and keeps the rows that it has seen."""

    seen = None

    def fit(self, X, y, sample_weight=None):
        if CountingClassifier.seen is not None:
            CountingClassifier.seen.append(np.asarray(X)[:, 0])
        return super().fit(X, y, sample_weight)


@pytest.fixture
def seen():
    CountingClassifier.seen = Tally()
    yield CountingClassifier.seen
    CountingClassifier.seen = None


def test_interval_from_halves_by_its_formula():
    values = np.array([0.8, 0.9, 0.85])
    differences = np.array([0.1, -0.06, np.nan, 0.04, 0.12])
    variance = (0.1**2 + 0.06**2 + 0.04**2 + 0.12**2) / 16
    quantile = stats.t.ppf(0.95, 3)
    found, n_folds, reasons = interval_from_halves(values, differences, 12, 0.9, "auc")
    half = quantile * np.sqrt(variance) / (0.85 * 0.15)
    expected = expit(logit(0.85) + np.array([-half, half]))
    np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-12)
    assert (found.estimate, found.method) == (pytest.approx(0.85), "half-sampling")
    assert found.variance == pytest.approx(variance, rel=1e-12)
    assert (n_folds, reasons) == (3, [])
    found, _, _ = interval_from_halves(values, differences, 12, 0.9, "sensitivity")
    square = quantile**2 / 12  # the variance is worth 0.1275 / 0.00185 = 69 patients
    expected = np.sort(np.roots([1 + square, -2 * 0.85 - square, 0.85**2]))
    np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-9)


def test_shares_of_all_have_an_interval_and_undefined_ones_none():
    found, _, reasons = interval_from_halves(np.ones(3), np.zeros(4), 20, 0.95, "specificity")
    assert (found.estimate, found.high, reasons) == (1, 1, [])
    assert 0.6 < found.low < 0.8
    for values, differences in ((np.ones(0), np.zeros(4)), (np.ones(3), np.array([0, np.nan]))):
        found, _, reasons = interval_from_halves(values, differences, 20, 0.95, "specificity")
        assert np.isnan([found.low, found.high]).all()
        assert "fewer than two draws" in reasons[0]
    found, _, reasons = interval_from_halves(np.full(3, 0.5), np.zeros(4), 20, 0.95, "auc")
    assert np.isnan(found.low)
    assert reasons == ["the AUC is 0.5 in all halves"]


def test_halves_are_of_all_patients_and_independent(data, seen):
    X, y = data
    X = X.copy()
    X[:, 0] = np.arange(93)
    groups = np.arange(93) // 2
    half_sampling_interval(
        CountingClassifier(), X, y, groups=groups, random_state=0, n_splits=3, n_draws=2,
        progress=False,
    )  # fmt: skip
    fits = [set(rows.astype(int)) for rows in seen]
    assert len(fits) == 3 + 2 * 2 * 3
    assert set.union(*fits[:3]) == set(range(93))
    for draw in (0, 1):
        start = 3 + 6 * draw
        halves = [set.union(*fits[first : first + 3]) for first in (start, start + 3)]
        assert not {groups[row] for row in halves[0]} & {groups[row] for row in halves[1]}
        assert halves[0] | halves[1] == set(range(93))
        positives = [y[list(half)].sum() for half in halves]
        assert abs(positives[0] - positives[1]) <= 4
    assert fits[3:6] != fits[9:12]


def test_estimates_are_those_of_all_scans(data):
    X, y = data
    table = half_sampling_interval(LogisticRegression(), X, y, random_state=0, **SHORT)
    assert table.index.tolist() == METRICS
    assert (table["method"] == "half-sampling").all()
    assert ((table["low"] < table["estimate"]) & (table["estimate"] < table["high"])).all()
    assert (table["n_folds"] == 3).all()
    result = repeated_cross_validate(
        LogisticRegression(), X, y, n_splits=5, n_repeats=2, random_state=1, progress=False
    )
    given = half_sampling_interval(
        LogisticRegression(), X, y, result=result, random_state=0, threshold=0.4, **SHORT
    )
    expected = result.summary(threshold=0.4)["estimate"]
    np.testing.assert_allclose(given["estimate"], expected, rtol=1e-12)
    same = half_sampling_interval(
        LogisticRegression(), X, y, result=result, random_state=0, threshold=0.4, **SHORT
    )
    pd.testing.assert_frame_equal(given, same)


def test_other_labels_to_score_against(data):
    X, y = data
    scored_y = y.astype(float)
    scored_y[::5] = np.nan
    plain, scored = (
        half_sampling_interval(
            LogisticRegression(), X, y, scored_y=labels, random_state=0, **SHORT
        )
        for labels in (None, scored_y)
    )
    assert (plain["estimate"] != scored["estimate"]).all()
    assert plain["low"].notna().all()


def test_a_killed_run_resumes_and_can_be_prolonged(data, tmp_path, seen):
    X, y = data

    def run(folder, **options):
        return half_sampling_interval(
            CountingClassifier(), X, y, **SHORT | {"checkpoint": folder} | options
        )

    first = run(tmp_path / "a")
    assert len(seen) == 3 * 9
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names[:3] == ["all", "draw-0000-half-0", "draw-0000-half-1"]
    assert names[-1] == "manifest.json"
    (tmp_path / "a" / "draw-0001-half-0" / "repeat-0000-fold-001.npz").unlink()
    pd.testing.assert_frame_equal(run(tmp_path / "a"), first)
    assert len(seen) == 3 * 9 + 1
    run(tmp_path / "a", n_draws=5)
    assert len(seen) == 3 * 9 + 1 + 2 * 3


def test_the_folder_of_another_run_is_refused(data, tmp_path):
    X, y = data
    options = SHORT | {"checkpoint": tmp_path, "random_state": 0}
    half_sampling_interval(LogisticRegression(), X, y, **options)
    with pytest.raises(CheckpointError, match=r"parameter C was 1\.0, is 0\.5"):
        half_sampling_interval(LogisticRegression(C=0.5), X, y, **options)
    with pytest.raises(CheckpointError, match=r"setting n_splits was 3, is 4"):
        half_sampling_interval(LogisticRegression(), X, y, **options | {"n_splits": 4})
    with pytest.raises(CheckpointError, match="setting interval was"):
        repeated_cross_validate(
            LogisticRegression(), X, y, n_splits=3, random_state=0, checkpoint=tmp_path
        )


def test_parameters_of_fit_are_split(data):
    X, y = data
    options = SHORT | {"random_state": 0}
    weights = np.where(y == 1, 50.0, 1.0)
    plain, weighted = (
        half_sampling_interval(LogisticRegression(), X, y, params=params, **options)
        for params in (None, {"sample_weight": weights})
    )
    assert weighted.loc["sensitivity", "estimate"] > plain.loc["sensitivity", "estimate"] + 0.2


def test_scans_in_a_table(data):
    X, y = data
    table = pd.DataFrame(X, columns=list("abcd"), index=np.arange(100, 193))
    expected, found = (
        half_sampling_interval(LogisticRegression(), given, y, random_state=0, **SHORT)
        for given in (X, table)
    )
    pd.testing.assert_frame_equal(found, expected)


def test_errors(data):
    X, y = data
    few = np.zeros(93, dtype=int)
    few[:5] = 1
    with pytest.raises(
        ValueError, match=r"draw 0, half [01]: fewer scans \([23]\) have the label"
    ):
        half_sampling_interval(LogisticRegression(), X, few, random_state=0, **SHORT)
    result = repeated_cross_validate(
        LogisticRegression(), X, y, n_splits=3, n_repeats=1, random_state=0, progress=False
    )
    other = dataclasses.replace(result, groups=np.arange(93))
    with pytest.raises(ValueError, match="result has patients that differ"):
        half_sampling_interval(LogisticRegression(), X, y, result=other, **SHORT)
    with pytest.raises(ValueError, match="result has labels that differ"):
        half_sampling_interval(LogisticRegression(), X, 1 - y, result=result, **SHORT)
    with pytest.raises(ValueError, match="'n_draws' parameter"):
        half_sampling_interval(LogisticRegression(), X, y, n_draws=1)
    with pytest.raises(ValueError, match="scored_y"):
        half_sampling_interval(LogisticRegression(), X, y, scored_y=y[:9], **SHORT)


@pytest.mark.slow
def test_the_variance_is_that_among_cohorts():
    # 120 cohorts of 200 scans and 5 columns of noise but one; 5 folds.
    y = np.repeat([0, 1], [140, 60])
    means, variances = [], []
    for seed in range(120):
        X = np.random.default_rng(seed).normal(size=(200, 5))
        X[y == 1, 0] += 0.6
        folds = Folds.draw(y, n_splits=5, n_repeats=1, random_state=seed)
        score = np.empty(200)
        for fold in range(5):
            test = folds.fold_of[0] == fold
            model = LinearDiscriminantAnalysis().fit(X[~test], y[~test])
            score[test] = model.decision_function(X[test])
        result = folds.with_scores(score)
        means.append(result.fold_metrics()["auc"].mean())
        if seed < 12:
            table = half_sampling_interval(
                LinearDiscriminantAnalysis(), X, y, result=result, n_splits=5, n_draws=10,
                random_state=seed, progress=False,
            )  # fmt: skip
            row = table.loc["auc"]
            spread = row["estimate"] * (1 - row["estimate"])
            half = (logit(row["high"]) - logit(row["low"])) / 2
            variances.append((half * spread / stats.t.ppf(0.975, 9)) ** 2)
    # Halves are noisier than half as many scans of a learner that has stopped to gain.
    assert 0.7 < np.mean(variances) / np.var(means) < 1.8
