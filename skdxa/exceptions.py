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
    """A scan's pixels, shape or spacing cannot be used; the message names the scan."""


class ScanReadError(ScanError):
    """A file cannot be read as a scan; the message names the file and what to do.

    Attributes
    ----------
    reason : str
        The kind of fault in a few words, the same for all files that fail alike and without
        the name of any: "missing file", "empty file", "file not opened", "unknown format",
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
    """

    def __init__(self, message, *, excluded=None):
        super().__init__(message)
        self.excluded = excluded


class CheckpointError(ValueError):
    """A checkpoint folder belongs to another run; the message names the difference."""


class ModelFileError(ValueError):
    """A model cannot be saved, or a file not be loaded as one.

    The message names the file, what is wrong and what to do.
    """


class TrainingError(ValueError):
    """A training has diverged, or its process was killed; the message says what to try."""
