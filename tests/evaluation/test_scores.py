"""The score of the positive class."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from skdxa.evaluation import default_threshold, positive_scores, response_method_of
from skdxa.evaluation._scores import mean_score

X = np.random.default_rng(0).normal(size=(30, 2))
Y = np.tile(["healthy", "scoliosis", "scoliosis"], 10)


@pytest.mark.parametrize(
    ("estimator", "method", "threshold"),
    [
        (LogisticRegression(), "predict_proba", 0.5),
        (RidgeClassifier(), "decision_function", 0.0),
    ],
)
def test_a_classifier_is_positive_from_its_default_threshold_on(estimator, method, threshold):
    model = estimator.fit(X, Y)
    assert response_method_of(model) == method
    assert default_threshold(method) == threshold
    score = positive_scores(model, X, method)
    assert score.shape == (30,)
    np.testing.assert_array_equal(score >= threshold, model.predict(X) == "scoliosis")


def test_scores_of_three_classes_are_refused():
    model = LogisticRegression().fit(X, np.tile([0, 1, 2], 10))
    with pytest.raises(ValueError, match=r"LogisticRegression gave shape \(30, 3\) for 30 scans"):
        positive_scores(model, X, "predict_proba")
    with pytest.raises(ValueError, match=r"not \(30,\): only two classes can be scored\."):
        positive_scores(model, X, "decision_function")


def test_scores_must_be_finite():
    model = LogisticRegression().fit(X, Y)
    model.coef_[0, 0] = np.nan
    with pytest.raises(ValueError, match="gave nan for 30 of 30 scans, the first in position 0"):
        positive_scores(model, X, "decision_function")


def test_an_estimator_without_scores_has_no_method():
    with pytest.raises(ValueError, match=r"object has neither .* a label alone is not a score\.$"):
        response_method_of(object())


def test_mean_scores_and_their_ties_do_not_depend_on_the_order_of_models():
    votes = np.random.default_rng(0).integers(0, 6, (10, 500))
    score = votes / 5
    orders = [np.random.default_rng(seed).permutation(10) for seed in range(5)]
    means = [mean_score(score[order]) for order in orders]
    assert all(np.array_equal(mean, means[0]) for mean in means)
    assert len(np.unique(means[0])) == len(np.unique(votes.sum(axis=0)))
    assert not all(
        np.array_equal(score[order].mean(axis=0), score.mean(axis=0)) for order in orders
    )


@pytest.mark.parametrize("size", [1e-9, 3.7, 4e8])
def test_mean_scores_keep_twelve_digits(size):
    score = size * np.random.default_rng(0).normal(size=(3, 40))
    np.testing.assert_allclose(mean_score(score), score.mean(axis=0), rtol=0, atol=1e-11 * size)
    assert mean_score(np.zeros((2, 3))).tolist() == [0, 0, 0]
