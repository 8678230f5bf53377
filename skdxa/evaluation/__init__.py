"""Repeated cross-validation, out-of-fold scores, and the metrics computed from them.

`repeated_cross_validate` predicts once; every metric, threshold, interval and
table afterwards is a function of the scores that it keeps.
"""

from skdxa.evaluation._added_value import AddedValueTest, added_value_test
from skdxa.evaluation._compare import compare
from skdxa.evaluation._conformal import conformal_calls, conformal_p_values
from skdxa.evaluation._cross_validate import repeated_cross_validate
from skdxa.evaluation._external import ExternalTest, external_test
from skdxa.evaluation._folds import Folds
from skdxa.evaluation._half_sampling import half_sampling_interval
from skdxa.evaluation._metrics import (
    METRICS,
    sensitivity_score,
    specificity_score,
    threshold_at_sensitivity,
)
from skdxa.evaluation._result import CrossValidationResult
from skdxa.evaluation._scores import default_threshold, positive_scores, response_method_of
from skdxa.evaluation._stability import Stability
from skdxa.evaluation._subgroups import subgroup_table
from skdxa.evaluation._summary import INTERVALS
from skdxa.evaluation._tables import external_table, format_table, performance_table

__all__ = [
    "INTERVALS",
    "METRICS",
    "AddedValueTest",
    "CrossValidationResult",
    "ExternalTest",
    "Folds",
    "Stability",
    "added_value_test",
    "compare",
    "conformal_calls",
    "conformal_p_values",
    "default_threshold",
    "external_table",
    "external_test",
    "format_table",
    "half_sampling_interval",
    "performance_table",
    "positive_scores",
    "repeated_cross_validate",
    "response_method_of",
    "sensitivity_score",
    "specificity_score",
    "subgroup_table",
    "threshold_at_sensitivity",
]
