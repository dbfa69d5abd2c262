"""Folders that this process may open strangers' files in, where it shows files to strangers: the dashboard's server."""

from __future__ import annotations

import contextlib
import os
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

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


def narrowed(granted: Iterable[str | Path]) -> list[Path]:
    """Return what is left of `granted` folders and files inside the folders of `confine` and `confined`.

    Of a granted folder that holds such a folder, that is left; without `confine` and `confined`, all.
    """
    left = [Path(path) for path in granted]
    for folders in (_process, _thread.get()):
        if folders is not None:
            left = [part for path in left for part in _common(path, folders)]
    return left


def _common(path: Path, folders: Iterable[Path]) -> list[Path]:
    return [path] if inside(path, folders) else [folder for folder in folders if inside(folder, [path])]


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))
