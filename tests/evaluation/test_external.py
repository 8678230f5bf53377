"""Tests of trained models on other patients."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from skdxa.evaluation import ExternalTest, external_table, external_test
from skdxa.significance import (
    bootstrap_interval,
    calibration,
    delong_interval,
    non_inferiority_test,
    proportion_interval,
)

METRICS = ["sensitivity", "specificity", "accuracy", "auc"]


def expected_test(scores, y, threshold):
    called = [score >= threshold for score in scores]
    return {
        "sensitivity": [recall_score(y, c) for c in called],
        "specificity": [recall_score(1 - y, ~c) for c in called],
        "accuracy": [accuracy_score(y, c) for c in called],
        "auc": [roc_auc_score(y, score) for score in scores],
    }


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_external_test_of_the_median_repeats_models(fitted_result, hospitals, threshold):
    X, y = hospitals[1]
    found = external_test(fitted_result.models, X, y, threshold=threshold)
    assert found.index.tolist() == METRICS
    assert found.columns.tolist() == ["mean", "minimum", "maximum", "ensemble"]
    scores = [model.predict_proba(X)[:, 1] for model in fitted_result.models.values()]
    each = expected_test(scores, y, threshold or 0.5)
    together = expected_test([np.mean(scores, axis=0)], y, threshold or 0.5)
    for name in METRICS:
        expected = [np.mean(each[name]), min(each[name]), max(each[name]), together[name][0]]
        np.testing.assert_allclose(found.loc[name], expected, rtol=1e-12)


def test_external_labels_may_be_unknown_or_of_another_kind(fitted_result, hospitals):
    X, y = hospitals[1]
    models = list(fitted_result.models.values())
    partly = y.astype(float)
    partly[:40] = np.nan
    assert external_test(models, X, partly).equals(external_test(models, X[40:], y[40:]))
    names = np.array(["healthy", "scoliosis"])
    named = [LogisticRegression().fit(hospitals[0][0], names[hospitals[0][1]])]
    assert external_test(named, X, y).equals(external_test(named, X, names[y]))


def test_external_test_by_a_decision_function(hospitals):
    (X, y), (X_external, y_external) = hospitals
    model = RidgeClassifier().fit(X, y)
    found = external_test([model], X_external, y_external)
    assert found.loc["accuracy", "mean"] == model.score(X_external, y_external)


def test_external_test_refuses(fitted_result, hospitals):
    (X, y), (X_external, y_external) = hospitals
    model = LogisticRegression().fit(X, y)
    with pytest.raises(ValueError, match=r"no model to test: .*return_models='median'"):
        external_test({}, X_external, y_external)
    with pytest.raises(ValueError, match="model 1 is scored by another method than model 0"):
        external_test([model, RidgeClassifier().fit(X, y)], X_external, y_external)
    with pytest.raises(ValueError, match=r"model 1 has the classes \[0, 2\], model 0 \[0, 1\]"):
        external_test([model, LogisticRegression().fit(X, 2 * y)], X_external, y_external)
    with pytest.raises(ValueError, match="both positive and negative"):
        external_test([model], X_external, np.zeros(150))
    with pytest.raises(ValueError, match="a label for each of 150 scans, got 149"):
        external_test([model], X_external, y_external[1:])


@pytest.mark.parametrize("groups", [None, np.arange(150) // 3])
def test_intervals_of_the_ensemble(fitted_result, hospitals, groups):
    X, y = hospitals[1]
    partly = y.astype(float)
    partly[:31] = np.nan
    found = external_test(
        fitted_result.models,
        X,
        partly,
        interval="delong",
        groups=groups,
        threshold=0.4,
        level=0.9,
        reference=0.7,
        margin=0.05,
    )
    assert isinstance(found, ExternalTest)
    pd.testing.assert_frame_equal(
        found.table.iloc[:, :4],
        external_test(fitted_result.models, X, partly, threshold=0.4),
    )
    y, score = y[31:], found.scores["ensemble"]
    patients = None if groups is None else groups[31:]
    area = delong_interval(y, score, groups=patients, level=0.9)
    ends = found.table.loc["auc", ["ensemble", "low", "high"]].astype(float)
    np.testing.assert_allclose(ends, [area.estimate, area.low, area.high])
    for name, among in (("sensitivity", y == 1), ("specificity", y == 0), ("accuracy", y >= 0)):
        hits = ((score >= 0.4) == y)[among].astype(int)
        if groups is None:
            share = proportion_interval(hits.sum(), hits.size, level=0.9)
        else:
            share = proportion_interval(hits, 1, groups=patients[among], level=0.9)
        ends = found.table.loc[name, ["ensemble", "low", "high"]].astype(float)
        np.testing.assert_allclose(ends, [share.estimate, share.low, share.high])
    assert found.calibration == calibration(y, score, groups=patients, level=0.9)
    assert found.non_inferiority == non_inferiority_test(
        y, score, 0.7, margin=0.05, groups=patients, level=0.9
    )
    assert found.scores["row"].tolist() == list(range(31, 150))
    assert found.scores["y"].tolist() == y.tolist()
    each = found.scores[[f"model_{number}" for number in range(5)]]
    np.testing.assert_allclose(each.mean(axis=1), score)
    np.testing.assert_allclose(
        each["model_1"],
        fitted_result.models[sorted(fitted_result.models)[1]].predict_proba(X[31:])[:, 1],
    )
    assert ("patient" in found.scores) == (groups is not None)
    table = external_table({"a": found.table})
    assert table.loc["a", "auc_maximum"] == found.table.loc["auc", "maximum"]


def test_external_bootstrap_and_paired_reference(fitted_result, hospitals):
    X, y = hospitals[1]
    found = external_test(
        fitted_result.models,
        X,
        y,
        interval="bootstrap",
        n_resamples=200,
        random_state=0,
        reference=X[:, 1],
        margin=0.1,
    )
    score = found.scores["ensemble"]
    again = bootstrap_interval(
        roc_auc_score, (y, score), n_resamples=200, stratify=y, random_state=0
    )
    ends = found.table.loc["auc", ["low", "high"]].astype(float)
    np.testing.assert_allclose(ends, [again.low, again.high], atol=0.02)
    assert found.non_inferiority == non_inferiority_test(y, score, X[:, 1], margin=0.1)


def test_external_calibration_needs_probabilities(hospitals):
    (X, y), (X_external, y_external) = hospitals
    found = external_test([RidgeClassifier().fit(X, y)], X_external, y_external, interval="delong")
    assert found.calibration is None
    assert found.non_inferiority is None
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    with pytest.warns(RuntimeWarning, match="no calibration: 150 probabilities"):
        found = external_test([tree], X_external, y_external, interval="delong")
    assert found.calibration is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        external_test([tree], X_external, y_external)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": "t"}, "interval must be one of"),
        ({"interval": "delong", "margin": 0.1}, "reference and margin must be given together"),
        ({"groups": np.arange(150)}, "groups needs interval="),
        ({"reference": 0.7, "margin": 0.1}, "reference needs interval="),
        ({"interval": "delong", "groups": np.arange(149)}, "X and groups must have the same rows"),
        (
            {"interval": "delong", "reference": np.arange(149), "margin": 0.1},
            "X and reference must have the same rows",
        ),
    ],
)
def test_external_intervals_refuse(fitted_result, hospitals, options, message):
    with pytest.raises(ValueError, match=message):
        external_test(fitted_result.models, *hospitals[1], **options)
