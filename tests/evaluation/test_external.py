"""Tests of trained models on other patients."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

from skdxa.evaluation import (
    external_test,
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
