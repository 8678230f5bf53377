"""Write reports: complete or not at all, safe to open, and without paths."""

import os
import re
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

from sklearn.utils import Bunch

# A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA = re.compile(r"[=+\-@\t\r]")
# The hidden folder of a report: the report's own name, and how tempfile ends a name.
_HIDDEN = re.compile(r"\.(?P<out>[^/\\]+)-[a-z0-9_]{8}")


def write_csv(table, path, *, index=True):
    """Write a table as CSV in which no text can run as a formula in a spreadsheet.

    Parameters
    ----------
    table : DataFrame
        Texts that begin with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return get an
        apostrophe in front, in cells, index and column names; numbers stay as they are.
    path : path-like
        The file.
    index : bool, default=True
        Whether to write the index.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from skdxa.study import write_csv
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "table.csv"
    ...     write_csv(pd.DataFrame({"patient": ["=1+1"], "score": [-0.5]}), path, index=False)
    ...     print(path.read_text().strip())
    patient,score
    '=1+1,-0.5
    """
    table = table.apply(lambda column: column.map(_harmless)).rename(columns=_harmless)
    if index:
        table = table.rename(index=_harmless)
    with naming(path):
        table.to_csv(path, index=index)


@contextmanager
def naming(path):
    """Name a file in the error where it cannot be written; a write to a full disk names none.

    Parameters
    ----------
    path : path-like
        The file.

    Yields
    ------
    path : path-like
        The same.
    """
    try:
        yield path
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = os.fspath(path)
        raise


def _harmless(value):
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def file_names(names):
    """Return a name that any file system takes for each of some names, all different.

    Parameters
    ----------
    names : sequence of str
        Such as targets.

    Returns
    -------
    files : dict of str to str
        Letters, digits, ``_`` and ``-``; names that become the same, regardless of case, are
        numbered.
    """
    files, taken = {}, set()
    for name in names:
        file = plain = re.sub(r"[^\w-]", "_", name)
        number = 1
        while file.casefold() in taken:
            number += 1
            file = f"{plain}-{number}"
        taken.add(file.casefold())
        files[name] = file
    return files


def base_names(command):
    """Return the words of a command with the folders of all paths left out.

    Parameters
    ----------
    command : list of str
        Such as ``sys.argv``.

    Returns
    -------
    command : list of str
    """
    return [re.split(r"[\\/]", word)[-1] or word for word in command]


def excluded_records(excluded):
    """Return the scans left out as records for a manifest, without the folders of paths.

    Parameters
    ----------
    excluded : DataFrame
        As a cohort has it.

    Returns
    -------
    records : list of dict
    """
    records = excluded.drop(columns="group", errors="ignore").to_dict("records")
    for record in records:
        scan = str(record.get("scan", ""))
        name = base_names([scan])[0]
        reason = str(record.get("reason", ""))
        # The path comes first, with the folder that the table's path is relative to.
        found, rest = f"{scan}: " in reason, reason.rpartition(f"{scan}: ")[2]
        record["scan"] = name
        record["reason"] = f"{name}: {rest}" if found else reason
    return records


@contextmanager
def new_folder(out, *, overwrite, check):
    """Yield a folder next to `out` that becomes `out` on success and is removed otherwise.

    Parameters
    ----------
    out : Path
        The folder to make.
    overwrite : bool
        Whether to replace it if it exists. If it must not be replaced, because another
        program has created it in the meantime, a number is added to the name.
    check : callable
        Called before an existing folder is replaced, to raise an error if it must not be.

    Yields
    ------
    folder : Bunch
        `path` to write to, and `out`, which is final after the block.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    former = path.with_name(f"{path.name}-former")
    folder = Bunch(path=path, out=out)
    try:
        yield folder
        path.chmod(0o777 & ~_umask())
        if out.exists() and overwrite:
            check()
            out.rename(former)
            path.rename(out)
        else:
            folder.out = _free_name(out)
            path.rename(folder.out)
    finally:
        _settle(path, former, out)


def _settle(path, former, out):
    """Remove the folders of a run, and restore the former report if it was not replaced.

    Parameters
    ----------
    path : Path
        The hidden folder of the new report, which is gone if it has been renamed.
    former : Path
        The hidden folder of the report that was to be replaced; it may be missing.
    out : Path
        The original name of `former`. If another program has created a folder of that name in
        the meantime, a number is added.
    """
    is_replaced = not path.exists() and out.exists()
    shutil.rmtree(path, ignore_errors=True)
    if is_replaced:
        shutil.rmtree(former, ignore_errors=True)
    elif former.is_dir():
        former.rename(_free_name(out))


def _free_name(out):
    """Return a path that does not exist: `out`, or with a number added to its name."""
    free, number = out, 1
    while free.exists():
        number += 1
        free = out.with_name(f"{out.name}-{number}")
    return free


def remove_abandoned(out, own, name=None):
    """Remove the hidden folders that killed runs have left next to `out`.

    Parameters
    ----------
    out : Path
        The folder to make.
    own : Path
        The hidden folder of this run, which stays.
    name : str or None, default=None
        Name of a folder that is known to belong to a run that has ended, which is removed with
        its content; the report that this run was about to replace is restored under its own
        name, which differs from that of `out` if the run was to make another folder. None
        removes the empty folders, for which this is not known.
    """
    if name is None:
        for path in out.parent.iterdir():
            hidden = _HIDDEN.fullmatch(path.name)
            if path != own and hidden and hidden["out"] == out.name:
                with suppress(OSError):
                    # Only an empty folder can be removed.
                    path.rmdir()
        return
    hidden = _HIDDEN.fullmatch(name)
    if hidden and (path := out.with_name(name)) != own:
        _settle(path, out.with_name(f"{name}-former"), out.with_name(hidden["out"]))


def _umask():
    """Return which permissions new files of this process lack, as the user has set it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def check_out(out, *, overwrite, files, what):
    """Raise an error if a folder must not be made or replaced.

    Parameters
    ----------
    out : Path
        The folder.
    overwrite : bool
        Whether it may be replaced.
    files : re.Pattern
        What the names of files that may be replaced match.
    what : str
        What such files belong to, for the error message.

    Raises
    ------
    FileExistsError
        If `out` is a file, exists and must not be replaced, or holds other files.
    """
    if not out.exists():
        return
    if not overwrite:
        raise FileExistsError(f"{out} exists. Choose another folder, or allow overwriting it.")
    if not out.is_dir():
        raise FileExistsError(f"{out} is a file. Choose a folder.")
    others = [
        name
        for path in out.rglob("*")
        if not path.is_dir() and not files.fullmatch(name := path.relative_to(out).as_posix())
    ]
    # A folder with another name, even if it is empty, is not a report.
    known = {"tables", "figures", "scores", "models"}
    others += [path.name for path in out.iterdir() if path.is_dir() and path.name not in known]
    if others:
        raise FileExistsError(
            f"{out} holds {sorted(others)[0]}, no file of a {what}. Choose another folder."
        )
