"""A scan's file: opened only if it is a regular one."""

import hashlib
from functools import partial

from skdxa.exceptions import ScanReadError
from skdxa.validation import open_regular as _open_regular

# A `ScanReadError` says why a file cannot be opened.
open_regular = partial(_open_regular, error=ScanReadError)


def file_hash(path):
    """Return the SHA-256 of a regular file's content as hexadecimal digits."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
