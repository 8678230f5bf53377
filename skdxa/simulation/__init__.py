"""Simulated patients and scans of the lumbar spine with known truth."""

from ._cohort import make_spine_cohort
from ._scan import make_spine_scan

__all__ = ["make_spine_cohort", "make_spine_scan"]
