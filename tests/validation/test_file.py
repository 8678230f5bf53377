import errno
import os
import sys
import unicodedata

import pytest

from skdxa.exceptions import ScanReadError
from skdxa.validation import (
    in_stored_form,
    irregular_kind,
    open_regular,
    printable,
    replacing,
)


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


def full(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


def failing(*arguments):
    raise OSError(errno.EIO, "Input/output error", *arguments[:1], None, *arguments[1:])


@pytest.mark.parametrize(("function", "replacement"), [("fsync", full), ("replace", failing)])
def test_a_write_that_fails_names_the_file(tmp_path, monkeypatch, function, replacement):
    path = tmp_path / "one"
    monkeypatch.setattr(os, function, replacement)
    with pytest.raises(OSError, match=r"device|error") as raised, replacing(path) as file:
        file.write(b"new")
    assert raised.value.filename == str(path)
    assert raised.value.filename2 is None
    assert os.listdir(tmp_path) == []
    # What fails beside it keeps its own name.
    with pytest.raises(FileNotFoundError, match="another") as raised, replacing(path):
        os.stat(tmp_path / "another")
    assert raised.value.filename == str(tmp_path / "another")


def test_a_folder_that_is_missing_is_named_by_the_file(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="missing") as raised,
        replacing(tmp_path / "missing" / "one"),
    ):
        pass
    assert raised.value.filename == str(tmp_path / "missing" / "one")


@pytest.mark.parametrize("forms", [("NFD", "NFD"), ("NFD", "NFC"), ("NFC", "NFD"), ("NFC", "NFC")])
def test_an_accented_name_is_found_in_either_form_of_unicode(tmp_path, forms):
    folder, name = map(unicodedata.normalize, forms, ("Mäkelä", "Äijö é.npy"))
    path = tmp_path / folder / name
    path.parent.mkdir()
    path.write_bytes(b"a scan")
    for form in ("NFC", "NFD"):
        named = unicodedata.normalize(form, str(path))
        with open_regular(named, ScanReadError) as file:
            assert file.read() == b"a scan"
        assert os.path.samefile(in_stored_form(os.fsencode(named)), path)
    # A file that is there in both forms is the one that is named.
    other = path.with_name(unicodedata.normalize("NFD" if forms[1] == "NFC" else "NFC", name))
    other.write_bytes(b"another")
    for one in (path, other):
        assert in_stored_form(one) == one
    with pytest.raises(ScanReadError, match="no such file"), open_regular("é.npy", ScanReadError):
        pass
