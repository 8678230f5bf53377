"""Scores out of fold, and what they mean.

`repeated_cross_validate` predicts once; every metric, threshold, interval and
table afterwards is a function of the scores that it keeps.
"""

from skdxa.evaluation._cross_validate import repeated_cross_validate
from skdxa.evaluation._external import external_test
from skdxa.evaluation._fracture import fracture_benchmarks
from skdxa.evaluation._metrics import (
    METRICS,
    sensitivity_score,
    specificity_score,
    threshold_at_sensitivity,
)
from skdxa.evaluation._result import INTERVALS, CrossValidationResult
from skdxa.evaluation._scores import default_threshold, positive_scores, response_method_of
from skdxa.evaluation._tables import external_table, format_table, performance_table

__all__ = [
    "INTERVALS",
    "METRICS",
    "CrossValidationResult",
    "default_threshold",
    "external_table",
    "external_test",
    "format_table",
    "fracture_benchmarks",
    "performance_table",
    "positive_scores",
    "repeated_cross_validate",
    "response_method_of",
    "sensitivity_score",
    "specificity_score",
    "threshold_at_sensitivity",
]
