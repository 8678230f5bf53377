"""Intervals, tests and agreement: numbers that say how far a result can be trusted.

Every function takes plain arrays (or Series, or lists) and returns a small
named result. Input that allows no statement gives NaN and a warning, or an
error; never a confident number.
"""

from skdxa.significance._intervals import (
    HypothesisTest,
    Interval,
    bootstrap_interval,
    corrected_t_interval,
    corrected_t_test,
    proportion_interval,
    t_interval,
)
from skdxa.significance._logistic import likelihood_ratio_test, logistic_table
from skdxa.significance._prediction import (
    Calibration,
    Reclassification,
    adjust_pvalues,
    calibration,
    hosmer_lemeshow,
    mcnemar,
    net_benefit,
    reclassification,
)
from skdxa.significance._raters import (
    AdjustedKappa,
    adjusted_kappa,
    cohen_kappa,
    consensus,
    fleiss_kappa,
    rater_agreement,
)
from skdxa.significance._roc import (
    delong_interval,
    delong_test,
    delong_test_unpaired,
    roc_points,
)

__all__ = [
    "AdjustedKappa",
    "Calibration",
    "HypothesisTest",
    "Interval",
    "Reclassification",
    "adjust_pvalues",
    "adjusted_kappa",
    "bootstrap_interval",
    "calibration",
    "cohen_kappa",
    "consensus",
    "corrected_t_interval",
    "corrected_t_test",
    "delong_interval",
    "delong_test",
    "delong_test_unpaired",
    "fleiss_kappa",
    "hosmer_lemeshow",
    "likelihood_ratio_test",
    "logistic_table",
    "mcnemar",
    "net_benefit",
    "proportion_interval",
    "rater_agreement",
    "reclassification",
    "roc_points",
    "t_interval",
]
