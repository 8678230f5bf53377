"""The test of added value: what is redrawn, what is counted, and how runs resume."""

import re

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from scipy.special import expit, logit
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.tree import ExtraTreeClassifier
from tally import Tally

from skdxa.evaluation import Folds, added_value_test
from skdxa.evaluation._added_value import (
    RedrawnLabels,
    _duration,
    centred_score,
    clinical_columns,
    clinical_risk,
    gain_of,
)
from skdxa.exceptions import CheckpointError
from skdxa.significance import likelihood_ratio_test, logistic_table

N = 90
SHORT = {"n_splits": 3, "n_draws": 4, "progress": False, "random_state": 0}


def simulated(gain=1.0, n=N, seed=0):
    """Columns of scans, of which the first counts, two clinical columns, and labels."""
    rng = np.random.default_rng(seed)
    scan, clinical = rng.normal(size=(n, 3)), rng.normal(size=(n, 2))
    risk = expit(-0.5 + clinical[:, 0] + gain * scan[:, 0])
    y = (rng.random(n) < risk).astype(int)
    return scan, y, pd.DataFrame(clinical, columns=["age", "t_score"])


class Spy(LinearDiscriminantAnalysis):
    """Notes the labels that it is trained on."""

    seen = None

    def fit(self, X, y):
        Spy.seen.append(np.asarray(y))
        return super().fit(X, y)


@pytest.fixture
def seen(monkeypatch):
    monkeypatch.setattr(Spy, "seen", Tally())
    return Spy.seen


def test_a_gain_is_found_and_no_gain_is_not():
    scan, y, clinical = simulated(gain=1.2)
    options = {**SHORT, "n_draws": 19}
    test = added_value_test(LinearDiscriminantAnalysis(), scan, y, clinical, **options)
    assert test.pvalue == 1 / 20
    assert test.statistic > test.null["statistic"].max()
    assert test.estimate > 0.05
    assert (test.interval, test.n_trainings, test.null.shape) == (None, 60, (19, 2))
    without = added_value_test(LinearDiscriminantAnalysis(), scan[:, 1:], y, clinical, **options)
    n_as_large = np.sum(without.null["statistic"] >= without.statistic)
    assert without.pvalue == (1 + n_as_large) / 20 > 0.1


def test_the_observed_gain_by_direct_calls():
    scan, y, clinical = simulated()
    test = added_value_test(LogisticRegression(), scan, y, clinical, **SHORT, n_repeats=2)
    result = test.result
    assert (result.n_folds, result.n_repeats, test.n_trainings) == (3, 2, 30)
    scores = result.scores.sort_values(["repeat", "row"])
    log_odds = logit(scores["score"])
    centred = log_odds - log_odds.groupby([scores["repeat"], scores["fold"]]).transform("mean")
    score = centred.to_numpy().reshape(2, N).mean(axis=0)
    larger = clinical.assign(score=score)
    ratio = likelihood_ratio_test(y, clinical, larger).statistic
    assert test.statistic == pytest.approx(np.sqrt(ratio))
    areas = [logistic_table(y, X).attrs["auc"] for X in (larger, clinical)]
    assert test.estimate == pytest.approx(areas[0] - areas[1])
    # The other way round, the same gain would lower the risk.
    mirrored = gain_of(y == 1, clinical, -score, None)
    assert mirrored[0] == pytest.approx(-np.sqrt(ratio))


def test_models_are_trained_on_labels_of_the_clinical_risk(seen):
    scan, y, clinical = simulated()
    added_value_test(Spy(), scan, y, clinical, **SHORT)
    assert len(seen) == 5 * 3
    assert all(set(labels) == {0, 1} for labels in seen)
    # Each cross-validation trains on every label twice, and all have as many positives.
    totals = [sum(labels.sum() for labels in seen[k : k + 3]) for k in range(0, 15, 3)]
    assert totals == [2 * y.sum()] * 5


def test_redrawn_labels_have_the_clinical_risk():
    _, y, clinical = simulated(n=300)
    risk = clinical_risk(y == 1, clinical)
    assert risk.sum() == pytest.approx(y.sum())
    rng = np.random.default_rng(1)
    redrawn = RedrawnLabels(risk, y == 1, None, 3)
    drawn = np.array([redrawn.draw(rng) for _ in range(800)])
    assert (drawn.sum(axis=1) == y.sum()).all()
    error = (drawn.mean(axis=0) - risk) / np.sqrt(risk * (1 - risk) / 800)
    assert np.abs(error).max() < 4.5
    assert error.std() == pytest.approx(1, abs=0.15)


def test_labels_of_a_patients_scans_are_drawn_together():
    patient = np.repeat(np.arange(60), 3)
    rng = np.random.default_rng(0)
    positive = np.repeat(rng.random(60) < 0.4, 3)
    risk = np.clip(0.4 + 0.1 * rng.normal(size=180), 0.05, 0.95)
    redrawn = RedrawnLabels(risk, positive, patient, 3)
    drawn = np.array([redrawn.draw(rng) for _ in range(400)])
    assert (drawn.reshape(400, 60, 3).sum(axis=2) % 3 == 0).all()
    means = risk.reshape(60, 3).mean(axis=1)
    assert drawn.mean(axis=0)[::3] == pytest.approx(means, abs=0.12)


def test_labels_that_differ_within_patients_keep_their_correlation():
    patient, rng = np.repeat(np.arange(200), 3), np.random.default_rng(0)
    common = np.repeat(rng.random(200), 3)
    chance = np.where(rng.random(600) < 0.8, common, rng.random(600))
    risk = expit(-0.4 + 0.5 * rng.normal(size=600))
    positive = chance < risk

    def pairs(labels):
        first, second, third = labels.reshape(200, 3).T
        return np.sum(first & second) + np.sum(first & third) + np.sum(second & third)

    redrawn = RedrawnLabels(risk, positive, patient, 3)
    drawn = [redrawn.draw(rng) for _ in range(200)]
    assert np.mean([pairs(labels) for labels in drawn]) == pytest.approx(pairs(positive), rel=0.06)
    redrawn = RedrawnLabels(risk, positive, None, 3)
    apart = [redrawn.draw(rng) for _ in range(50)]
    assert np.mean([pairs(labels) for labels in apart]) < 0.75 * pairs(positive)
    assert np.mean(drawn, axis=0) == pytest.approx(risk, abs=0.16)


def test_draws_with_too_few_patients_of_a_class_are_discarded():
    patient = np.repeat(np.arange(12), 2)
    positive = np.repeat(np.arange(12) < 3, 2)
    redrawn, rng = RedrawnLabels(np.full(24, 0.25), positive, patient, 3), np.random.default_rng(0)
    n_patients = np.array([redrawn.draw(rng)[::2].sum() for _ in range(60)])
    assert n_patients.min() == 3
    assert n_patients.max() > 3


def test_patients_are_passed_on():
    scan, y, clinical = simulated(n=60)
    thrice = np.repeat(np.arange(60), 3)
    copies = scan[thrice], y[thrice], clinical.iloc[thrice].reset_index(drop=True)
    model = LinearDiscriminantAnalysis()
    test = added_value_test(model, *copies, groups=thrice, **SHORT)
    assert (test.result.groups == thrice).all()
    score = centred_score(test.result)
    plain, clustered = (
        likelihood_ratio_test(copies[1], copies[2], copies[2].assign(s=score), groups=groups)
        for groups in (None, thrice)
    )
    assert test.statistic == pytest.approx(np.sqrt(clustered.statistic))
    # Three copies of each scan: without the patients it would be larger by about 3 ** 0.5.
    assert np.sqrt(plain.statistic) / test.statistic == pytest.approx(np.sqrt(3), rel=0.2)


def test_a_killed_run_resumes_with_the_same_numbers(tmp_path, seen):
    scan, y, clinical = simulated()
    whole = added_value_test(Spy(), scan, y, clinical, **SHORT)
    assert len(seen) == 15
    options = {**SHORT, "checkpoint": tmp_path}
    added_value_test(Spy(), scan, y, clinical, **{**options, "n_draws": 2})
    assert len(seen) == 24
    resumed = added_value_test(Spy(), scan, y, clinical, **options)
    assert len(seen) == 30
    assert resumed.pvalue == whole.pvalue
    pd.testing.assert_frame_equal(resumed.null, whole.null)
    seedless = added_value_test(Spy(), scan, y, clinical, **{**options, "random_state": None})
    assert len(seen) == 30
    assert seedless.statistic == whole.statistic
    other = clinical.assign(age=clinical["age"] + 1)
    with pytest.raises(CheckpointError, match="another run: data clinical changed"):
        added_value_test(Spy(), scan, y, other, **options)


def test_the_number_of_jobs_does_not_matter():
    scan, y, clinical = simulated()
    model = ExtraTreeClassifier(max_depth=2)
    one = added_value_test(model, scan, y, clinical, **SHORT)
    with parallel_config(backend="threading"):
        two = added_value_test(model, scan, y, clinical, n_jobs=2, **SHORT)
    pd.testing.assert_frame_equal(one.null, two.null)
    assert (one.statistic, one.pvalue) == (two.statistic, two.pvalue)
    other = added_value_test(model, scan, y, clinical, **{**SHORT, "random_state": 1})
    assert other.statistic != one.statistic


def test_it_stops_when_enough_draws_exceed():
    scan, y, clinical = simulated()
    options = {**SHORT, "n_draws": 30}
    model = LinearDiscriminantAnalysis()
    whole = added_value_test(model, scan[:, 1:], y, clinical, **options)
    exceed = np.flatnonzero(whole.null["statistic"] >= whole.statistic)
    stopped = added_value_test(model, scan[:, 1:], y, clinical, n_exceeding=3, **options)
    assert len(stopped.null) == exceed[2] + 1 < 30
    assert stopped.pvalue == 3 / len(stopped.null)
    assert stopped.n_trainings == 3 * (1 + len(stopped.null))
    never = added_value_test(model, scan, y, clinical, n_exceeding=9, **SHORT)
    assert never.pvalue == 1 / 5


def test_it_says_how_many_trainings_and_how_long(capsys):
    scan, y, clinical = simulated()
    added_value_test(
        LinearDiscriminantAnalysis(), scan, y, clinical, **{**SHORT, "progress": True}
    )
    said = capsys.readouterr().err
    assert "4 draws of labels and the true ones, 3 folds x 1: 15 trainings." in said
    assert re.search(r"The 12 trainings of the draws take about \d+ seconds\.", said)
    assert [_duration(s) for s in (8, 600, 7201, 864000)] == [
        *("8 seconds", "10.0 minutes", "2.0 hours", "10.0 days")
    ]


def test_labels_of_any_type_and_clinical_columns_of_any_shape():
    scan, y, clinical = simulated()
    words = np.where(y == 1, "sick", "healthy")
    model = RidgeClassifier()
    expected = added_value_test(model, scan, y, clinical, **SHORT)
    for given in (clinical.to_numpy(), clinical.rename(columns={"age": 7, "t_score": "score"})):
        found = added_value_test(model, scan, words, given, **SHORT)
        assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)
        assert found.pvalue == expected.pvalue
    single = added_value_test(model, scan, y, clinical["age"], **SHORT)
    array = added_value_test(model, scan, y, clinical["age"].to_numpy(), **SHORT)
    assert single.statistic == array.statistic
    assert clinical_columns([1.0, 2.0]).columns.tolist() == ["column 0"]


def test_scores_without_gain_and_scores_that_separate():
    _, y, clinical = simulated()
    positive = y == 1
    assert gain_of(positive, clinical, np.zeros(N), None) == (0, 0)
    assert gain_of(positive, clinical, 2 * clinical["age"].to_numpy() - 1, None) == (0, 0)
    statistic, gain = gain_of(positive, clinical, y + 0.1, None)
    assert statistic == np.inf
    assert gain == 1 - logistic_table(y, clinical).attrs["auc"]
    folds = Folds.draw(y, n_splits=3, n_repeats=1, random_state=0)
    certain = folds.with_scores(y.astype(float), response_method="predict_proba")
    assert np.isfinite(centred_score(certain)).all()


def test_a_model_that_predicts_one_risk_adds_nothing():
    # The level differs from fold to fold, with the share of positive labels that was trained on.
    scan, y, clinical = simulated(n=121)
    test = added_value_test(DummyClassifier(), scan, y, clinical, **SHORT)
    assert len(np.unique(test.result.repeat_scores(0))) > 1
    assert (test.statistic, test.estimate, test.pvalue) == (0, 0, 1)


def test_errors():
    scan, y, clinical = simulated()
    model = LogisticRegression()
    gaps = clinical.assign(age=np.where(np.arange(N) == 4, np.nan, clinical["age"]))
    with pytest.raises(ValueError, match="column 'age' has 1 missing or infinite value"):
        added_value_test(model, scan, y, gaps, **SHORT)
    masked = np.ma.array(clinical, mask=gaps.isna())
    with pytest.raises(ValueError, match="column 'column 0' has 1 missing or infinite value"):
        added_value_test(model, scan, y, masked, **SHORT)
    with pytest.raises(ValueError, match="X and clinical must have the same rows"):
        added_value_test(model, scan, y, clinical[1:], **SHORT)
    with pytest.raises(ValueError, match="'separates' separates the classes of y"):
        added_value_test(model, scan, y, clinical.assign(separates=y), **SHORT)
    with pytest.raises(ValueError, match=r"fewer scans .* than n_splits=80"):
        added_value_test(model, scan, y, clinical, **{**SHORT, "n_splits": 80})


def test_an_error_in_a_draw_names_the_draw():
    scan, y, clinical = simulated()
    truth = dict(zip(scan[:, 0], y, strict=True))

    class Failing(LogisticRegression):
        def fit(self, X, labels):
            if any(truth[key] != label for key, label in zip(X[:, 0], labels, strict=True)):
                raise ValueError("no luck")
            return super().fit(X, labels)

    with pytest.raises(ValueError, match=r"^draw 1 of labels: repeat 0, fold 0: .*no luck"):
        added_value_test(Failing(), scan, y, clinical, **SHORT)
