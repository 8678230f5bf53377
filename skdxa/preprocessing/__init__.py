"""Prepare scans for a network: from images of any size to a stack of images of the spine.

Resampling, spine line, crop, mirror image and intensity, as functions of one scan and as
scikit-learn transformers of many. Pixel values are rescaled only on request.
"""

from skdxa.preprocessing._base import SameKindTransformer, ScanTransformer
from skdxa.preprocessing._crop import SpineCropper, tissue_level
from skdxa.preprocessing._flip import HorizontalFlip
from skdxa.preprocessing._intensity import IntensityScaler
from skdxa.preprocessing._remarks import scan_features, scan_remarks
from skdxa.preprocessing._resample import axis_weights, resample
from skdxa.preprocessing._spine_check import looks_like_spine
from skdxa.preprocessing._spine_line import LOW_QUALITY, find_spine_line
from skdxa.preprocessing._spine_region import find_spine_region

__all__ = [
    "LOW_QUALITY",
    "HorizontalFlip",
    "IntensityScaler",
    "SameKindTransformer",
    "ScanTransformer",
    "SpineCropper",
    "axis_weights",
    "find_spine_line",
    "find_spine_region",
    "looks_like_spine",
    "resample",
    "scan_features",
    "scan_remarks",
    "tissue_level",
]
