"""Pictures of scans, scores and studies, in scikit-learn's Display contract.

The constructor stores, ``plot`` draws, class methods compute, and ``frame`` returns the
numbers behind the picture. Nothing here calls ``pyplot.show``.
"""

from skdxa.displays._calibration import CalibrationDisplay
from skdxa.displays._contact_sheet import ContactSheetDisplay
from skdxa.displays._decision import DecisionCurveDisplay
from skdxa.displays._explanation import ExplanationDisplay
from skdxa.displays._flow import CohortFlowDisplay
from skdxa.displays._forest import ForestDisplay
from skdxa.displays._raters import RaterAgreementDisplay
from skdxa.displays._roc import RepeatedRocDisplay
from skdxa.displays._scan import ScanDisplay
from skdxa.displays._style import PALETTE, SCAN_COLORMAP, paper_figure, save_display
from skdxa.displays._training import TrainingCurveDisplay

__all__ = [
    "PALETTE",
    "SCAN_COLORMAP",
    "CalibrationDisplay",
    "CohortFlowDisplay",
    "ContactSheetDisplay",
    "DecisionCurveDisplay",
    "ExplanationDisplay",
    "ForestDisplay",
    "RaterAgreementDisplay",
    "RepeatedRocDisplay",
    "ScanDisplay",
    "TrainingCurveDisplay",
    "paper_figure",
    "save_display",
]
