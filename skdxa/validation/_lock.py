"""A folder that one run at a time may use."""

import errno
import json
import os
import platform
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None
    import msvcrt

_LOCK = ".lock"
# Errors that operating systems report if another process holds the lock.
_TAKEN = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}


@contextmanager
def holding(folder, error):
    """Lock a folder for the duration of a block, so that no other run uses it.

    Parameters
    ----------
    folder : path-like
        An existing folder.
    error : callable
        Called with the message if another run holds the folder; it returns the exception
        that is raised.

    Yields
    ------
    None

    Raises
    ------
    OSError
        If the folder cannot be written to, its file system has no locks, or its file ``.lock`` is
        a link.

    Notes
    -----
    The operating system locks the file ``.lock`` for the process, and releases the lock when the
    process ends, however it ends: a lock never outlives its run. The file names the process,
    for the message of a second run, and is removed at the end.

    Examples
    --------
    >>> import tempfile
    >>> from skdxa.validation import holding
    >>> folder = tempfile.mkdtemp()
    >>> with holding(folder, ValueError), holding(folder, ValueError):
    ...     pass
    Traceback (most recent call last):
    ...
    ValueError: ... is in use by process ... Wait until it has ended, or use another folder.
    """
    path = Path(folder) / _LOCK
    file = _locked(path)
    if file is None:
        raise error(
            f"the folder {Path(folder).resolve()} is in use by {_holder(path)}. Wait until it has "
            "ended, or use another folder."
        )
    try:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        about = {"process": os.getpid(), "machine": platform.node(), "since": started}
        try:
            file.truncate(0)
            file.write(json.dumps(about))
            file.flush()
        except OSError as error:
            # A write to a full disk names no file.
            error.filename = os.fspath(path)
            raise
        try:
            yield
        finally:
            # While the file is locked, so that no other run can have locked it.
            path.unlink(missing_ok=True)
    finally:
        # On a full disk, it tries once more to write.
        with suppress(OSError):
            file.close()


def _locked(path):
    """Return the lock's file, open and locked; None if another run has locked it."""
    while True:
        file = open(path, "a+", encoding="utf-8", opener=_not_a_link)  # noqa: SIM115
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:  # pragma: no cover - Windows
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            file.close()
            if error.errno in _TAKEN:
                return None
            raise
        try:
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        except FileNotFoundError:
            pass
        # The run that held it has removed the file after it was opened here.
        file.close()


def _not_a_link(path, flags):
    """Open a file, but not one that a link in a folder of others points to, which is truncated."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _holder(path):
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        return f"process {about['process']} on {about['machine']}, since {about['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
