"""Replace patients and paths by salted hashes."""

import hashlib
import hmac
import os
import secrets

from skdxa.exceptions import CohortError

_SHORTEST_SALT = 8
_DIGITS = 16


class Pseudonyms:
    """Replace identifiers, or leave them as they are.

    Parameters
    ----------
    anonymize : bool or str
        The salt; True draws one, False leaves identifiers as they are. Without a salt, hashes
        of identifiers are found again by hashing all possible ones.

    Raises
    ------
    CohortError
        If `anonymize` is something else, or too short a salt.
    """

    def __init__(self, anonymize):
        if isinstance(anonymize, str):
            if len(anonymize) < _SHORTEST_SALT:
                raise CohortError(
                    f"the salt of anonymize= has {len(anonymize)} characters; it needs "
                    f"{_SHORTEST_SALT} or more."
                )
            self._salt = anonymize.encode("utf-8", "surrogatepass")
        elif isinstance(anonymize, bool):
            self._salt = secrets.token_bytes(32) if anonymize else None
        else:
            raise CohortError(
                f"anonymize must be True, False or a salt; got a {type(anonymize).__name__}."
            )

    def of_patients(self, patients):
        """Return the patients of a Series, or their hashes."""
        if self._salt is None:
            return patients
        return patients.map(lambda patient: self._hash("patient", patient)).astype(object)

    def of_path(self, path):
        """Return a path as text, or its hash with the file's suffix."""
        text = str(path)
        if self._salt is None:
            return text
        suffix = os.path.splitext(text)[1]
        # Only a plain suffix certainly does not name a patient.
        return self._hash("scan", text) + (suffix if suffix[1:].isalpha() else "")

    def _hash(self, kind, text):
        content = f"{kind}:{text}".encode("utf-8", "surrogatepass")
        return hmac.new(self._salt, content, hashlib.sha256).hexdigest()[:_DIGITS]
