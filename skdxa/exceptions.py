"""Errors and warnings of skdxa.

Every error is a ``ValueError`` too, so that code written for scikit-learn alone
catches it.
"""

__all__ = [
    "CheckpointError",
    "CohortError",
    "ModelFileError",
    "ScanError",
    "ScanReadError",
    "TrainingError",
]


class ScanError(ValueError):
    """A scan's pixels, shape or spacing cannot be used; the message names the scan.

    Examples
    --------
    >>> from skdxa.exceptions import ScanError
    >>> from skdxa.preprocessing import find_spine_line
    >>> try:
    ...     find_spine_line([[float("nan")]])
    ... except ScanError as error:
    ...     print(error)
    ...
    scan holds no scanned pixel: all are NaN. Leave this scan out.
    """


class ScanReadError(ScanError):
    """A file cannot be read as a scan; the message names the file and what to do.

    Attributes
    ----------
    reason : str
        The kind of fault in a few words, the same for all files that fail in the same way, without
        the name of a file: "missing file", "empty file", "file not opened", "unknown format",
        "damaged file", "too large", "unsupported image", "identifying text", "no such variable",
        "no scan", "nothing scanned" or "implausible density".
    """

    def __init__(self, message, *, reason="file not readable"):
        super().__init__(message)
        self.reason = reason


class CohortError(ValueError):
    """A patient table and its scans do not fit together; the message names the row or column.

    Attributes
    ----------
    excluded : DataFrame or None
        Every scan that cannot be used, as in a cohort's `excluded`, where that is the reason;
        the message lists the first ten.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.exceptions import CohortError
    >>> from skdxa.scans import load_cohort
    >>> try:
    ...     load_cohort(pd.DataFrame({"file": ["a.dcm"]}))
    ... except CohortError as error:
    ...     print(error)
    ...
    the table has no scan column 'scan'. Its columns are file.
    """

    def __init__(self, message, *, excluded=None):
        super().__init__(message)
        self.excluded = excluded


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says why and what to do.

    It belongs to another run, with the differences named; it is in use by a run; a file in it is
    damaged; it cannot be made or written to; or the run has parts, such as a function that uses an
    open file, in which a later run could not detect a change.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import repeated_cross_validate
    >>> from skdxa.exceptions import CheckpointError
    >>> X, y = make_classification(random_state=0)
    >>> options = dict(n_repeats=1, progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for seed in (0, 1):
    ...         try:
    ...             result = repeated_cross_validate(
    ...                 LogisticRegression(), X, y, checkpoint=folder, random_state=seed, **options
    ...             )
    ...         except CheckpointError as error:
    ...             print("not the same run")
    ...
    not the same run
    """


class ModelFileError(ValueError):
    """A model cannot be saved, or a file cannot be loaded as a model.

    The message names the file, what is wrong and what to do.
    """


class TrainingError(ValueError):
    """A training has diverged, or its process was killed; the message says what to try."""
