"""Files and tables in: single scans and whole cohorts."""

from skdxa.scans._cohort import load_cohort
from skdxa.scans._read import Scan, read_scan

__all__ = ["Scan", "load_cohort", "read_scan"]
