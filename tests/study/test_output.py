"""How reports are written."""

import errno
import os
import re
import stat
import sys
from pathlib import Path

import pandas as pd
import pytest

from skdxa.study._output import (
    base_names,
    check_out,
    excluded_records,
    file_names,
    naming,
    new_folder,
    remove_abandoned,
    write_csv,
)
from skdxa.study._resume import remove_former


def test_no_cell_runs_as_a_formula(tmp_path):
    table = pd.DataFrame(
        {
            "=name": ["=1+1", "+a", "-b", "@c", "\td", "e=1", None],
            "score": [-1.5, 2, 3, 4, 5, 6, 7],
        },
        index=["-x", "b", "c", "d", "e", "f", "g"],
    )
    write_csv(table, tmp_path / "a.csv")
    read = pd.read_csv(tmp_path / "a.csv", index_col=0)
    assert list(read) == ["'=name", "score"]
    assert read.index[0] == "'-x"
    assert read.iloc[:, 0].tolist()[:6] == ["'=1+1", "'+a", "'-b", "'@c", "'\td", "e=1"]
    assert read["score"].tolist() == [-1.5, 2, 3, 4, 5, 6, 7]
    write_csv(table, tmp_path / "b.csv", index=False)
    assert (tmp_path / "b.csv").read_text().splitlines()[0] == "'=name,score"


def test_targets_that_make_the_same_file_name_are_numbered():
    assert file_names(["a b", "a_b", "A_b", "c", "c/"]) == {
        "a b": "a_b",
        "a_b": "a_b-2",
        "A_b": "A_b-3",
        "c": "c",
        "c/": "c_",
    }


def test_a_manifest_holds_no_folders():
    assert base_names(["/home/doe/skdxa", "--out=x", "C:\\scans\\a.dcm", "study", "/"]) == [
        "skdxa",
        "--out=x",
        "a.dcm",
        "study",
        "/",
    ]
    excluded = pd.DataFrame(
        {
            "row": [2, 3],
            "scan": ["doe/a.npy", "b.npy"],
            "reason": ["/data/doe/a.npy: the file is empty.", "of another kind"],
            "kind": ["empty file", "other"],
            "group": ["doe", "roe"],
        }
    )
    assert excluded_records(excluded) == [
        {"row": 2, "scan": "a.npy", "reason": "a.npy: the file is empty.", "kind": "empty file"},
        {"row": 3, "scan": "b.npy", "reason": "of another kind", "kind": "other"},
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_folder_gets_the_users_permissions(tmp_path, mask):
    before = os.umask(mask)
    try:
        with new_folder(tmp_path / "out", overwrite=False, check=lambda: None) as folder:
            (folder.path / "a").touch()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o777 & ~mask


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    def write():
        with new_folder(tmp_path / "out", overwrite=False, check=lambda: None) as folder:
            (folder.path / "a").touch()
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("renamed", [False, True])
def test_a_run_killed_while_it_replaced_a_folder(tmp_path, renamed):
    out, former = tmp_path / "out", tmp_path / ".out-abcdefgh-former"
    former.mkdir()
    (former / "old").touch()
    if renamed:
        out.mkdir()
        (out / "new").touch()
    else:
        (tmp_path / ".out-abcdefgh").mkdir()
    remove_abandoned(out, tmp_path / ".out-12345678", name="abcdefgh")
    remove_abandoned(out, tmp_path / ".out-12345678", name=".out-abcdefgh")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in out.iterdir()] == ["new" if renamed else "old"]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ([".A-abcdefgh"], {"A": "old", "B": None}),
        ([".A-abcdefgh", "B"], {"A": "old", "B": "new"}),
        (["A", "B"], {"A": "new", "B": "new"}),
        # Another program has made A after the kill: the former report is the only copy.
        ([".A-abcdefgh", "A"], {"A": "new", "A-2": "old", "B": None}),
    ],
)
def test_a_run_killed_while_it_replaced_another_folder(tmp_path, made, expected):
    """A study is begun again with its checkpoint, but is to make the folder B in place of A."""
    work = tmp_path / "checkpoint"
    work.mkdir()
    (work / "report_folder").write_text(".A-abcdefgh")
    former = tmp_path / ".A-abcdefgh-former"
    former.mkdir()
    (former / "old").touch()
    for name in made:
        (tmp_path / name).mkdir()
        (tmp_path / name / "new").touch()
    own = tmp_path / ".B-12345678"
    own.mkdir()
    remove_former(work, tmp_path / "B", own)
    names = {name for name, content in expected.items() if content}
    assert {path.name for path in tmp_path.iterdir()} == {*names, "checkpoint", own.name}
    assert {name: next((tmp_path / name).iterdir()).name for name in names} == {
        name: expected[name] for name in names
    }
    assert (work / "report_folder").read_text() == own.name


@pytest.mark.parametrize("noted", [b"", b"\xff\xfe", b"../A-abcdefgh", b".A-abcdefgh-former"])
def test_a_damaged_note_of_the_folder_removes_nothing(tmp_path, noted):
    work, own = tmp_path / "checkpoint", tmp_path / ".B-12345678"
    for folder in (work, own, tmp_path / ".A-abcdefgh-former", tmp_path / "A-abcdefgh"):
        folder.mkdir()
    (work / "report_folder").write_bytes(noted)
    before = {path.name for path in tmp_path.iterdir()}
    remove_former(work, tmp_path / "B", own)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_report_that_finds_its_folder_taken_does_not_delete_the_former(tmp_path, monkeypatch):
    out, rename = tmp_path / "out", Path.rename
    out.mkdir()
    (out / "old").touch()

    def another_program_is_first(path, target):
        rename(path, target)
        if target.name.endswith("-former"):
            out.mkdir()
            (out / "theirs").touch()

    monkeypatch.setattr(Path, "rename", another_program_is_first)
    with (
        pytest.raises(OSError, match="out"),
        new_folder(out, overwrite=True, check=lambda: None),
    ):
        pass
    found = {path.name: [file.name for file in path.iterdir()] for path in tmp_path.iterdir()}
    assert found == {"out": ["theirs"], "out-2": ["old"]}


def test_abandoned_folders_of_a_report_whose_name_is_a_pattern_are_removed(tmp_path):
    for name in (".out[1]-abcdefgh", ".out1-abcdefgh", ".out[1]-12345678"):
        (tmp_path / name).mkdir()
    remove_abandoned(tmp_path / "out[1]", tmp_path / ".out[1]-12345678")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".out1-abcdefgh",
        ".out[1]-12345678",
    ]


def test_an_error_names_the_file():
    with pytest.raises(OSError, match="'b'") as raised, naming("a"):
        raise OSError(errno.ENOSPC, "No space left on device", "b")
    with pytest.raises(OSError, match="No space left on device: 'a'") as raised, naming("a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.filename == "a"
    with pytest.raises(OSError, match=r"^cannot identify image file$"), naming("a"):
        raise OSError("cannot identify image file")


def test_what_must_not_be_replaced(tmp_path):
    files = re.compile("a")
    out = tmp_path / "out"
    check_out(out, overwrite=False, files=files, what="review")
    out.touch()
    with pytest.raises(FileExistsError, match="is a file"):
        check_out(out, overwrite=True, files=files, what="review")
    out.unlink()
    out.mkdir()
    (out / "a").touch()
    check_out(out, overwrite=True, files=files, what="review")
    with pytest.raises(FileExistsError, match="exists"):
        check_out(out, overwrite=False, files=files, what="review")
    (out / "b").touch()
    with pytest.raises(FileExistsError, match="holds b, no file of a review"):
        check_out(out, overwrite=True, files=files, what="review")
