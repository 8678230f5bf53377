"""Simulated patients and scans of the lumbar spine, with the truth beside them."""

from ._cohort import make_spine_cohort, make_spine_scan

__all__ = ["make_spine_cohort", "make_spine_scan"]
