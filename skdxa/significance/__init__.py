"""Confidence intervals, statistical tests and agreement between raters.

Every function takes arrays, Series or lists and returns a small named result. Where the
data do not allow an estimate or a test, the result is NaN with a warning, or an error is
raised.
"""

from skdxa.significance._bootstrap import bootstrap_interval
from skdxa.significance._calibration import Calibration, calibration, hosmer_lemeshow
from skdxa.significance._calibration_curve import CalibrationCurve, calibration_curve
from skdxa.significance._consensus import consensus
from skdxa.significance._logistic import likelihood_ratio_test, logistic_table
from skdxa.significance._mcnemar import mcnemar
from skdxa.significance._multiple_tests import adjust_pvalues
from skdxa.significance._net_benefit import net_benefit
from skdxa.significance._non_inferiority import non_inferiority_test
from skdxa.significance._proportion import proportion_interval
from skdxa.significance._raters import (
    AdjustedKappa,
    adjusted_kappa,
    cohen_kappa,
    fleiss_kappa,
    rater_agreement,
)
from skdxa.significance._reclassification import Reclassification, reclassification
from skdxa.significance._results import HypothesisTest, Interval
from skdxa.significance._roc import (
    delong_interval,
    delong_test,
    delong_test_unpaired,
    roc_points,
)
from skdxa.significance._sample_size import (
    SampleSize,
    sample_size_development,
    sample_size_validation,
)
from skdxa.significance._student_t import corrected_t_interval, corrected_t_test, t_interval

__all__ = [
    "AdjustedKappa",
    "Calibration",
    "CalibrationCurve",
    "HypothesisTest",
    "Interval",
    "Reclassification",
    "SampleSize",
    "adjust_pvalues",
    "adjusted_kappa",
    "bootstrap_interval",
    "calibration",
    "calibration_curve",
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
    "non_inferiority_test",
    "proportion_interval",
    "rater_agreement",
    "reclassification",
    "roc_points",
    "sample_size_development",
    "sample_size_validation",
    "t_interval",
]
