"""Folders that this process may open strangers' files in, where it shows files to strangers: the dashboard's server."""

from __future__ import annotations

import contextlib
import os
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from diag.errors import DataError, DiagError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_process: tuple[Path, ...] | None = None
_thread: ContextVar[tuple[Path, ...] | None] = ContextVar("roots", default=None)


def confine(folders: Iterable[str | Path]) -> None:
    """Let this process open files only in these folders and below, from now on."""
    global _process
    _process = tuple(_real(folder) for folder in folders)


@contextlib.contextmanager
def confined(folders: Iterable[str | Path]) -> Iterator[None]:
    """Let this thread open files only in these folders and below, as long as the block runs."""
    token = _thread.set(tuple(_real(folder) for folder in folders))
    try:
        yield
    finally:
        _thread.reset(token)


def inside(path: str | Path, folders: Iterable[Path]) -> bool:
    """Return whether a path is one of `folders` or below, after all links in it and in them are followed.

    Examples
    --------
    >>> inside("/data/a/../../etc/passwd", [Path("/data")])
    False
    """
    try:
        place = _real(path)
        return any(place.is_relative_to(_real(folder)) for folder in folders)
    except (OSError, ValueError):  # a loop of links, a NUL
        return False


def refuse_outside(paths: Iterable[str | Path], error: type[DiagError] = DataError) -> None:
    """Refuse paths outside the folders of `confine` and `confined`; without these nothing is refused.

    Raises
    ------
    DiagError
        Of the given type. The message is the same whether or not there is such a file.
    """
    for folders in (_process, _thread.get()):
        if folders is None:
            continue
        for path in paths:
            if not inside(path, folders):
                raise error(
                    f"{Path(path).name}: expected a file in the folders that this server shows. Received: a path that "
                    "leads outside. Whoever runs the server can add its folder with -- --root FOLDER."
                )


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))
