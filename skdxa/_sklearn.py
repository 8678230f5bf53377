"""The private names of scikit-learn that skdxa uses, imported in this module alone.

scikit-learn offers no public way to check parameters with its own messages, or to read the
output container that a user has asked for. If a release moves one of these names, only this
module changes. What skdxa has to write differently for the sake of one release is here as
well, and what it has to know of the parts of scikit-learn's meta-estimators.
"""

from contextlib import contextmanager
from importlib.util import find_spec

from sklearn.base import _fit_context as fit_context
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
    validate_params,
)
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names as check_feature_names
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _num_samples as num_samples

if find_spec("sklearn.callback"):
    from sklearn.callback import CallbackSupportMixin, with_callbacks
else:  # pragma: no cover
    # Older than scikit-learn 1.9: there are no callbacks to support.
    class CallbackSupportMixin:
        """Replaces scikit-learn's mixin."""

    def with_callbacks(method):
        """Return the method as it is."""
        return method


# `C` of a logistic regression without penalty. For infinity, which says so, scikit-learn 1.8.0
# warns in each fit that it ignores `C`. The weight of the penalty, 1 / (C n), is far below the
# rounding errors of any gradient, and the product C n of any number of scans n is still finite.
NO_PENALTY = 1e300

__all__ = [
    "NO_PENALTY",
    "BaseSearchCV",
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_feature_names",
    "check_method_params",
    "check_sample_weight",
    "final_step",
    "fit_context",
    "known_splitter",
    "num_samples",
    "output_container",
    "safe_indexing",
    "validate_parameter_constraints",
    "validate_params",
    "with_callbacks",
]


def output_container(transformer):
    """Return what ``set_output`` asks of a transformer: "default", "pandas" or "polars"."""
    return _get_output_config("transform", transformer)["dense"]


def final_step(estimator):
    """Return the classifier within pipelines and searches."""
    while True:
        if isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator


@contextmanager
def known_splitter(search, X, y, groups):
    """Set the splitter and the number of splits of a search while it searches.

    `BaseSearchCV.fit` sets the attributes `_checked_cv_orig` and `n_splits_` before it searches
    from scikit-learn 1.9 on; before, it kept the splitter to itself.

    Parameters
    ----------
    search : BaseSearchCV
    X, y, groups : array-like or None
        As in its `fit`.
    """
    given = search.cv
    search._checked_cv_orig = check_cv(given, y, classifier=is_classifier(search.estimator))
    search.n_splits_ = search._checked_cv_orig.get_n_splits(X, y, groups)
    # Splits that are given as an iterator can be read only once.
    search.cv = search._checked_cv_orig
    try:
        yield
    finally:
        search.cv = given
