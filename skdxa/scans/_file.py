"""Open a file safely: a regular file, and nothing else, whatever its path."""

import hashlib
import os
import stat
from contextlib import contextmanager

from skdxa.exceptions import ScanReadError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def printable(path):
    """Return a path as text that any terminal and any text file can hold."""
    text = os.fspath(path)
    text = os.fsdecode(text) if isinstance(text, bytes) else text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def file_hash(path):
    """Return the SHA-256 of a regular file's content as hexadecimal digits."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def open_regular(path):
    """Open a regular file for reading; a `ScanReadError` says why it cannot be opened.

    The kind of the file is looked up before it is opened, since opening a named pipe or a
    device can wait for ever, and once more on the open file.

    Parameters
    ----------
    path : str or path-like
        The file.

    Yields
    ------
    file : binary file object
        At the start of the file, which is not empty.
    """
    try:
        _check_regular(os.stat(path).st_mode)
        # Without this flag, a pipe put in the file's place meanwhile would block.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _O_BINARY)
    except ScanReadError:
        raise
    except FileNotFoundError:
        raise ScanReadError("there is no such file.", reason="missing file") from None
    except (OSError, ValueError) as error:
        # A ValueError is of a path that no system call takes, such as one with a NUL.
        why = getattr(error, "strerror", None) or "the path holds a character that no path can"
        raise ScanReadError(
            f"the file cannot be opened ({why}).", reason="file not opened"
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _check_regular(status.st_mode)
        if status.st_size == 0:
            raise ScanReadError("the file is empty. Export or copy it again.", reason="empty file")
        yield file


_O_BINARY = getattr(os, "O_BINARY", 0)


def _check_regular(mode):
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
        raise ScanReadError(f"this is {kind}. Name one scan's file.", reason="file not opened")
