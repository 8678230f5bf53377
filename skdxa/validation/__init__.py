"""Checks of scans, spacings, labels, patients, aligned rows and files.

Every package checks its input here, so that the same fault gives the same error
everywhere. Masked arrays are turned into arrays with NaN here as well, since NumPy drops
their masks without a warning.
"""

from skdxa.validation._file import (
    in_stored_form,
    irregular_kind,
    open_regular,
    printable,
    remedy_for,
    replacing,
)
from skdxa.validation._labels import (
    as_seed,
    check_aligned,
    check_both_labels,
    check_known,
    check_level,
    check_same_rows,
    check_two_classes,
    plain_labels,
    positive_and_known,
)
from skdxa.validation._lock import holding
from skdxa.validation._masked import fill_masked
from skdxa.validation._patients import (
    as_patients,
    has_repeated_patients,
    patient_codes,
    split_patients,
)
from skdxa.validation._scans import (
    as_scans,
    as_series,
    as_stack,
    check_image,
    check_scan,
    check_spacing,
    like_input,
    scan_dtype_of,
    scan_names,
)

__all__ = [
    "as_patients",
    "as_scans",
    "as_seed",
    "as_series",
    "as_stack",
    "check_aligned",
    "check_both_labels",
    "check_image",
    "check_known",
    "check_level",
    "check_same_rows",
    "check_scan",
    "check_spacing",
    "check_two_classes",
    "fill_masked",
    "has_repeated_patients",
    "holding",
    "in_stored_form",
    "irregular_kind",
    "like_input",
    "open_regular",
    "patient_codes",
    "plain_labels",
    "positive_and_known",
    "printable",
    "remedy_for",
    "replacing",
    "scan_dtype_of",
    "scan_names",
    "split_patients",
]
