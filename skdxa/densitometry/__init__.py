"""Densitometry: T-scores, evaluable vertebrae, precision, Cobb angle.

Every number names its reference population or its rule. Nothing here is a medical device.
"""

from skdxa.densitometry._cobb import cobb_angle, is_scoliotic
from skdxa.densitometry._precision import (
    PrecisionError,
    least_significant_change,
    precision_error,
)
from skdxa.densitometry._t_score import (
    FINNISH_WOMEN,
    NHANES_2005_WOMEN,
    NHANES_III_WOMEN,
    ReferencePopulation,
    is_osteoporotic,
    t_score,
)
from skdxa.densitometry._vertebrae import (
    EvaluableVertebrae,
    evaluable_vertebrae,
    minimum_t_score,
    spine_t_score,
)

__all__ = [
    "FINNISH_WOMEN",
    "NHANES_2005_WOMEN",
    "NHANES_III_WOMEN",
    "EvaluableVertebrae",
    "PrecisionError",
    "ReferencePopulation",
    "cobb_angle",
    "evaluable_vertebrae",
    "is_osteoporotic",
    "is_scoliotic",
    "least_significant_change",
    "minimum_t_score",
    "precision_error",
    "spine_t_score",
    "t_score",
]
