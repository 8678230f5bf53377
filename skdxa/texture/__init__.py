"""Texture of bone: the variogram of a scan and its slope near the origin.

The slope is the open quantity beneath the trabecular bone score (TBS). It is not TBS.
"""

from skdxa.texture._variogram import Variogram, variogram
from skdxa.texture._variogram_slope import VariogramSlope

__all__ = ["Variogram", "VariogramSlope", "variogram"]
