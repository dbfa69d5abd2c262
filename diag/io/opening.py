"""One door to files that strangers wrote: only regular files come in, and opening one never waits."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from diag.errors import DiagError, ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable

# A pipe waits for a writer, a terminal may become ours: neither with these.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: Path | str, what: str = "file", error: type[DiagError] = ModelLoadError) -> BinaryIO:
    """Open a regular file for reading; anything else is refused, and nothing here can hang.

    Parameters
    ----------
    path : Path or str
    what : str
        What is expected, for messages: ``"model file"``.
    error : type
        What is raised: `ModelLoadError`, `DataError`, ...

    Returns
    -------
    BinaryIO
        At its start. The caller closes it.

    Raises
    ------
    DiagError
        Of the given type, if there is no such file, it may not be read, or it is a folder, pipe, socket or device.
    """
    shown = repr(str(path)[:200])
    try:
        descriptor = os.open(path, _FLAGS)
    except (OSError, ValueError) as reason:  # ValueError: a NUL in the name
        raise _not_opened(path, shown, what, error, reason) from reason
    try:
        kind = kind_of(os.fstat(descriptor).st_mode)
        if kind is not None:
            raise error(f"{shown}: expected a {what}. Received: {kind}. Pass the path of a regular file.")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def kind_of(mode: int) -> str | None:
    """Return what a file's mode says it is, in words; None of a regular file.

    Examples
    --------
    >>> kind_of(stat.S_IFIFO)
    'a pipe'
    >>> kind_of(stat.S_IFREG)
    """
    if stat.S_ISREG(mode):
        return None
    return next((name for test, name in _KINDS if test(mode)), "something that is no regular file")


def _not_opened(
    path: Path | str, shown: str, what: str, error: type[DiagError], reason: OSError | ValueError
) -> DiagError:
    lost = isinstance(reason, FileNotFoundError | NotADirectoryError)
    if isinstance(reason, ValueError) or lost or reason.errno == errno.ELOOP:
        return error(f"{shown}: no such {what}. Check the path. ({getattr(reason, 'strerror', None) or reason})")
    try:
        kind = kind_of(Path(path).stat().st_mode)  # a socket cannot be opened at all
    except OSError:
        kind = None
    if kind is not None:
        return error(f"{shown}: expected a {what}. Received: {kind}. Pass the path of a regular file.")
    return error(f"{shown}: expected a readable {what}. Received: {reason.strerror}. Check its name and permissions.")
