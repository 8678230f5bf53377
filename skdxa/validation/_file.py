"""Files: only regular ones are opened, and a new one takes the old one's place when complete."""

import errno
import os
import stat
import unicodedata
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_O_BINARY = getattr(os, "O_BINARY", 0)
_PERMISSION = "Change its permissions or those of its folder"
_REMEDIES = {
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space",
    errno.EROFS: "Make it writable",
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
}


def remedy_for(error):
    """Return what to do about a file that cannot be written.

    Parameters
    ----------
    error : OSError
        As opening or writing the file has raised it.

    Returns
    -------
    remedy : str or None
        The beginning of a sentence; None where the error may have many causes.

    Examples
    --------
    >>> import errno
    >>> from skdxa.validation import remedy_for
    >>> remedy_for(OSError(errno.ENOSPC, "No space left on device"))
    'Free some space'
    """
    return _REMEDIES.get(error.errno)


def printable(path):
    r"""Return a path as text that any terminal and any text file can hold.

    Parameters
    ----------
    path : str, bytes or path-like
        A path.

    Returns
    -------
    text : str
        The path, with characters that cannot be printed written as escapes.

    Examples
    --------
    >>> from skdxa.validation import printable
    >>> print(printable("scan\n1.npy"))
    scan\n1.npy
    """
    text = os.fspath(path)
    text = os.fsdecode(text) if isinstance(text, bytes) else text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def in_stored_form(path):
    """Return a path as the disk writes it, where that differs in the form of Unicode alone.

    An accented character is one code point or a letter with a combining accent. A table made with
    one program may hold the first form, and a folder copied from macOS the second.

    Parameters
    ----------
    path : str, bytes or path-like
        A path.

    Returns
    -------
    path : str, bytes or path-like
        The given path, unless a file or folder of an equivalent name exists in its place.

    Examples
    --------
    >>> from skdxa.validation import in_stored_form
    >>> in_stored_form("scan.npy")
    'scan.npy'
    """
    text = os.fsdecode(path)
    if text.isascii() or os.path.lexists(path):
        return path
    place = Path(Path(text).anchor)
    for part in Path(text).relative_to(place).parts:
        forms = (part, *(unicodedata.normalize(form, part) for form in ("NFC", "NFD")))
        place /= next((form for form in forms if os.path.lexists(place / form)), part)
    return str(place)


@contextmanager
def open_regular(path, error):
    """Open a file for reading; refuse anything but a regular file.

    The kind of the file is looked up before it is opened, since opening a named pipe or a
    device can wait forever, and once more on the open file. Links are followed, and accented
    characters may be written in either form of Unicode.

    Parameters
    ----------
    path : str, bytes or path-like
        The file.
    error : callable
        Called as ``error(message, reason=...)`` where the file cannot be opened; it returns
        the exception that is raised. The message does not name the file; the reason is
        "missing file", "empty file" or "file not opened".

    Yields
    ------
    file : binary file object
        At the start of the file, which is not empty.

    Examples
    --------
    >>> from skdxa.exceptions import ScanReadError
    >>> from skdxa.validation import open_regular
    >>> with open_regular("no such file.npy", ScanReadError) as file:
    ...     pass
    Traceback (most recent call last):
    ...
    skdxa.exceptions.ScanReadError: there is no such file.
    """
    kind = None
    try:
        path = in_stored_form(path)
        kind = irregular_kind(os.stat(path).st_mode)
        # Without this flag, a pipe that has replaced the file in the meantime would block.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _O_BINARY
        descriptor = None if kind else os.open(path, flags)
    except FileNotFoundError:
        raise error("there is no such file.", reason="missing file") from None
    except (OSError, ValueError) as fault:
        # A ValueError is raised for a path that no system call accepts, such as one with a NUL.
        why = getattr(fault, "strerror", None) or "the path holds a character that no path can"
        raise error(f"the file cannot be opened ({why}).", reason="file not opened") from None
    if descriptor is not None:
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            kind = irregular_kind(status.st_mode)
            if kind is None:
                if status.st_size == 0:
                    raise error("the file is empty. Export or copy it again.", reason="empty file")
                yield file
                return
    raise error(f"this is {kind}. Name a single file.", reason="file not opened")


@contextmanager
def replacing(path):
    """Open a temporary file that takes the place of the file at `path` when it is complete.

    Parameters
    ----------
    path : str or path-like
        The file to write.

    Yields
    ------
    file : binary file object
        A new file next to `path`. Without an error it is written to the disk and renamed; with
        one it is removed, and what was at `path` remains.

    Raises
    ------
    OSError
        If the file cannot be written; it names `path`, also where a disk is full.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdxa.validation import replacing
    >>> path = Path(tempfile.mkdtemp()) / "numbers.bin"
    >>> with replacing(path) as file:
    ...     _ = file.write(b"123")
    >>> path.read_bytes()
    b'123'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        # A write to a full disk names no file, and other errors the temporary one.
        if error.errno is not None and error.filename in (
            None,
            temporary,
            os.fspath(temporary),
        ):
            error.filename, error.filename2 = os.fspath(path), None
        raise
    finally:
        temporary.unlink(missing_ok=True)


def irregular_kind(mode):
    """Return what a file is if it is not a regular one, and None if it is.

    Parameters
    ----------
    mode : int
        Its mode, as `os.stat` returns it.

    Returns
    -------
    kind : str or None
        Such as "a named pipe".

    Examples
    --------
    >>> import os
    >>> from skdxa.validation import irregular_kind
    >>> irregular_kind(os.stat(".").st_mode)
    'a folder'
    """
    if stat.S_ISREG(mode):
        return None
    return _KINDS.get(stat.S_IFMT(mode), "no regular file")
