"""Results of cross-validations that several modules of tests use."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold

from skdxa.evaluation import CrossValidationResult, repeated_cross_validate

METRICS = {
    "sensitivity": lambda y, score: recall_score(y, score >= 0.4),
    "specificity": lambda y, score: recall_score(1 - y, score < 0.4),
    "accuracy": lambda y, score: accuracy_score(y, score >= 0.4),
    "auc": roc_auc_score,
}


def random_result(y, *, n_splits=5, n_repeats=4, groups=None, noise=1.0):
    """Draw scores at random, on scikit-learn's folds."""
    rng = np.random.default_rng(0)
    kfold = RepeatedStratifiedKFold(n_splits=n_splits, n_repeats=n_repeats, random_state=0)
    scores, folds = [], []
    for number, (train, test) in enumerate(kfold.split(y, y)):
        repeat, fold = divmod(number, n_splits)
        score = stats.norm.cdf(y[test] - 0.5 + noise * rng.normal(size=test.size)).round(2)
        scores.append(pd.DataFrame({"repeat": repeat, "fold": fold, "row": test, "score": score}))
        folds.append({"repeat": repeat, "fold": fold, "n_train": len(train), "n_test": len(test)})
    return CrossValidationResult(pd.concat(scores), pd.DataFrame(folds), y, groups)


def one_fold_per_repeat(*scores, y):
    """Return a result with these scores and one fold per repeat."""
    scores = [
        pd.DataFrame({"repeat": repeat, "fold": 0, "row": range(len(y)), "score": values})
        for repeat, values in enumerate(scores)
    ]
    folds = pd.DataFrame({"repeat": range(len(scores)), "fold": 0, "n_train": 9, "n_test": 1})
    return CrossValidationResult(pd.concat(scores), folds, y)


@pytest.fixture(scope="session")
def result():
    return random_result(np.random.default_rng(1).permutation(np.repeat([0, 1], [80, 33])))


@pytest.fixture(scope="session")
def metrics_by_fold(result):
    """Return the values of each metric in all folds of `result`, by scikit-learn."""
    folds = [fold for _, fold in result.scores.groupby(["repeat", "fold"])]
    return {
        name: np.array([metric(result.y[fold["row"]], fold["score"]) for fold in folds])
        for name, metric in METRICS.items()
    }


@pytest.fixture(scope="session")
def hospitals():
    """Return the scans and labels of two hospitals."""
    X, y = make_classification(300, n_features=5, flip_y=0.3, weights=[0.7], random_state=0)
    return (X[:150], y[:150]), (X[150:], y[150:])


@pytest.fixture(scope="session")
def fitted_result(hospitals):
    """Return the result of the first hospital, with the models of its median repeat."""
    return repeated_cross_validate(
        LogisticRegression(),
        *hospitals[0],
        n_splits=5,
        n_repeats=3,
        random_state=0,
        return_models="median",
        progress=False,
    )


@pytest.fixture(scope="session")
def make_result():
    """Return the function that makes a result of random scores."""
    return random_result


@pytest.fixture(scope="session")
def make_repeats():
    """Return the function that makes a result of given scores, with one fold per repeat."""
    return one_fold_per_repeat


@pytest.fixture(scope="session")
def metrics():
    """Return scikit-learn's function of each metric, at a threshold of 0.4."""
    return METRICS
