"""Read single scans and whole cohorts from files and tables."""

from skdxa.scans._cohort import load_cohort
from skdxa.scans._columns import given_spacing
from skdxa.scans._read import UNITS, Scan, read_scan
from skdxa.scans._reader import ScanReader
from skdxa.scans._table import read_table

__all__ = [
    "UNITS",
    "Scan",
    "ScanReader",
    "given_spacing",
    "load_cohort",
    "read_scan",
    "read_table",
]
