"""A folder that one run at a time may use."""

import errno
import subprocess
import sys

import pytest

from skdxa.exceptions import CheckpointError
from skdxa.validation import holding

_HOLD = """
import sys
from skdxa.validation import holding
with holding(sys.argv[1], ValueError):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_second_run_is_refused_until_the_first_has_ended(tmp_path):
    with holding(tmp_path, CheckpointError):
        with (
            pytest.raises(CheckpointError, match=r"in use by process \d+ on .*, since 20"),
            holding(tmp_path, CheckpointError),
        ):
            pass
        # The first still holds it.
        assert (tmp_path / ".lock").exists()
    assert list(tmp_path.iterdir()) == []
    with holding(tmp_path, CheckpointError):
        pass


def test_a_killed_run_holds_nothing(tmp_path):
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(CheckpointError, match=f"in use by process {first.pid} on"),
            holding(tmp_path, CheckpointError),
        ):
            pass
        first.kill()
    assert (tmp_path / ".lock").exists()
    with holding(tmp_path, CheckpointError):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_file_tells_nothing_is_still_a_lock(tmp_path):
    with holding(tmp_path, CheckpointError):
        (tmp_path / ".lock").write_text("")
        with (
            pytest.raises(CheckpointError, match="is in use by another process"),
            holding(tmp_path, CheckpointError),
        ):
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_is_not_followed(tmp_path):
    folder, other = tmp_path / "folder", tmp_path / "other.txt"
    folder.mkdir()
    other.write_text("keep this")
    (folder / ".lock").symlink_to(other)
    with pytest.raises(OSError, match="symbolic link"), holding(folder, CheckpointError):
        pass
    assert other.read_text() == "keep this"


@pytest.mark.skipif(sys.platform == "win32", reason="locks otherwise")
def test_a_file_system_without_locks_is_not_another_run(tmp_path, monkeypatch):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(OSError, match="No locks available"), holding(tmp_path, CheckpointError):
        pass


def test_a_file_removed_between_opening_and_locking_is_opened_again(tmp_path, monkeypatch):
    import fcntl

    flock, calls = fcntl.flock, []

    def removing(file, how):
        calls.append(how)
        if len(calls) == 1:
            # The run that held it has just ended.
            (tmp_path / ".lock").unlink()
        return flock(file, how)

    monkeypatch.setattr("fcntl.flock", removing)
    with holding(tmp_path, CheckpointError):
        assert len(calls) == 2
        assert (tmp_path / ".lock").exists()
