"""Only regular files are opened, whatever a path leads to."""

import os
import socket
import sys

import numpy as np
import pytest

from skdxa.exceptions import ScanReadError
from skdxa.scans import read_scan

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


def refusal(path):
    with pytest.raises(ScanReadError) as caught:
        read_scan(path)
    # Neither the cause nor the context may quote what a file holds.
    assert caught.value.__suppress_context__
    return str(caught.value)


def test_no_file(tmp_path):
    path = tmp_path / "one"
    assert refusal(path) == f"{path}: there is no such file."
    assert "this is a folder" in refusal(tmp_path)
    path.touch()
    assert "the file is empty" in refusal(path)


@posix
def test_pipes_sockets_and_devices_are_not_opened(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    assert "this is a named pipe" in refusal(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    assert "this is a named pipe" in refusal(tmp_path / "link")
    assert "this is a device" in refusal("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # A socket's path must be short.
        listening.bind("socket")
    assert "this is a socket" in refusal(tmp_path / "socket")


@posix
@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a\0b", "a\\x00b: the file cannot be opened (the path holds a character"),
        ("a\udc80b", "a\\udc80b: there is no such file"),
        ("a\ud800b", "a\\ud800b: the file cannot be opened (the path holds a character"),
        (b"a\xff", "a\\udcff: there is no such file"),
        ("a" * 300, "the file cannot be opened (File name too long)"),
        ("a/" * 3000, "the file cannot be opened (File name too long)"),
        ("a\nb", "a\\nb: there is no such file"),
        ("loop", "the file cannot be opened (Too many levels of symbolic links)"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path, monkeypatch, path, shown):
    monkeypatch.chdir(tmp_path)
    os.symlink("loop", "loop")
    assert shown in refusal(path)


@posix
def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "one"
    path.write_bytes(b"x")

    def locked(path, flags):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("skdxa.validation._file.os.open", locked)
    assert refusal(path) == f"{path}: the file cannot be opened (Permission denied)."


def test_links_to_regular_files_are_followed(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((7, 9)))
    (tmp_path / "b.npy").symlink_to(tmp_path / "a.npy")
    assert read_scan(tmp_path / "b.npy").pixels.shape == (7, 9)
