import os
import sys

import pytest

from skdxa.exceptions import ScanReadError
from skdxa.validation import irregular_kind, open_regular, printable, replacing


def test_a_pipe_put_in_the_files_place_is_found_when_it_is_open(tmp_path, monkeypatch):
    if sys.platform == "win32":
        pytest.skip("Windows has no such files")
    path, pipe = tmp_path / "one", tmp_path / "pipe"
    path.write_bytes(b"x")
    os.mkfifo(pipe)
    opened = os.open
    monkeypatch.setattr("skdxa.validation._file.os.open", lambda _, flags: opened(pipe, flags))
    with (
        pytest.raises(ScanReadError, match="this is a named pipe"),
        open_regular(path, ScanReadError),
    ):
        pytest.fail("the pipe was opened")


def test_an_error_of_the_reader_stays_as_it_is(tmp_path):
    path = tmp_path / "one"
    path.write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match="other"), open_regular(path, ScanReadError):
        raise FileNotFoundError("other")


def test_kinds_and_texts(tmp_path):
    (tmp_path / "one").touch()
    assert irregular_kind(os.stat(tmp_path / "one").st_mode) is None
    assert irregular_kind(0o170000) == "no regular file"
    assert printable(b"a\xff\n") == "a\\udcff\\n"


def write_half(path):
    with replacing(path) as file:
        file.write(b"ne")
        raise KeyboardInterrupt


def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "one"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["one"]
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["one"]
