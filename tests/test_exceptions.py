"""Errors that say more than their message."""

import copy
import pickle

import pytest

from skdxa.exceptions import ScanError, ScanReadError
from skdxa.scans import read_scan


def test_the_reason_is_kept_in_pickles_and_copies():
    error = ScanReadError("a.npy: the file is empty.", reason="empty file")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert isinstance(other, ScanError)
        assert str(other) == "a.npy: the file is empty."
        assert other.reason == "empty file"
    assert ScanReadError("b.dcm: no.").reason == "file not readable"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "missing file"),
        (b"", "empty file"),
        (b"no scan", "unknown format"),
        (b"\x93NUMPY cut short", "damaged file"),
    ],
)
def test_files_that_fail_have_a_reason_without_their_name(tmp_path, content, reason):
    path = tmp_path / "doe.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScanReadError, match=r"doe\.npy") as caught:
        read_scan(path)
    assert caught.value.reason == reason
