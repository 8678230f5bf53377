"""How reports are written."""

import errno
import os
import re
import stat
import sys

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
