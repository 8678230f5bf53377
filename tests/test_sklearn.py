"""What scikit-learn is asked for in a way that suits every release from the oldest."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdxa._sklearn import NO_PENALTY, final_step


# scikit-learn 1.8.0 warns of infinity itself, which is what the constant is for (2026-12).
@pytest.mark.filterwarnings("ignore:Setting penalty=None will ignore:UserWarning")
@pytest.mark.parametrize("solver", ["lbfgs", "newton-cholesky"])
def test_no_penalty_is_none_at_all(solver):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3)) * [1, 0.1, 10]
    y = (X @ [1, 10, -0.1] + rng.logistic(size=90) > 0).astype(int)
    weights = rng.uniform(1, 9, size=90)
    options = {"solver": solver, "max_iter": 5000}
    infinite = LogisticRegression(C=np.inf, **options).fit(X, y, sample_weight=weights)
    finite = LogisticRegression(C=NO_PENALTY, **options).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(finite.coef_, infinite.coef_)
    np.testing.assert_array_equal(finite.intercept_, infinite.intercept_)


def test_no_penalty_is_silent():
    X, y = [[0], [1], [2], [3]], [0, 1, 0, 1]
    # Warnings are errors.
    assert np.isfinite(LogisticRegression(C=NO_PENALTY).fit(X, y).coef_).all()


def test_final_step_of_pipelines_and_searches():
    X, y = np.arange(20.0)[:, np.newaxis], np.tile([0, 1], 10)
    model = LogisticRegression()
    assert final_step(model) is model
    inner = make_pipeline(StandardScaler(), model)
    assert final_step(make_pipeline(StandardScaler(), inner)) is model
    search = GridSearchCV(inner, {}, cv=2)
    assert final_step(search) is search
    found = final_step(make_pipeline(StandardScaler(), search).fit(X, y))
    assert found is search.best_estimator_.steps[-1][1]
    assert found.coef_.shape == (1, 1)
