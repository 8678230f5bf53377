"""Pictures of scans, scores and studies, in scikit-learn's Display contract.

The constructor stores, ``plot`` draws, class methods compute, and ``frame`` gives the
numbers behind the picture. Nothing here calls ``pyplot.show``.
"""

from skdxa.displays._roc import RepeatedRocDisplay
from skdxa.displays._scan import ScanDisplay

__all__ = ["RepeatedRocDisplay", "ScanDisplay"]
