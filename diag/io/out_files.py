"""Files that diag writes: whether they can be written is said before any work, and each is whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_EXAMPLE = "result.html"
_ENDINGS = {
    ".html", ".htm", ".csv", ".xml", ".png", ".npz", ".json", ".toml", ".pdf",
    ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".bmp", ".tif", ".tiff",
    ".h5", ".hdf5", ".keras", ".skops", ".npy", ".parquet", ".zip", ".tfrecord", ".pkl", ".hist",
}  # fmt: skip


def check_output(
    out: Path, option: str = "--out", *, endings: tuple[str, ...] = (), inputs: Iterable[str | Path | None] = ()
) -> None:
    """Refuse a place that cannot be written, before any work is done.

    Parameters
    ----------
    out : Path
        The file to write.
    option : str
        How it was named, for messages.
    endings : tuple of str
        What its name may end in. A name without an ending that diag knows is taken as it is.
    inputs : iterable of str or Path
        What is read: none of it is written over. What is None, or no path, is passed over.

    Raises
    ------
    InvalidInputError
        If it is a folder or a device, its folder is not there or cannot be written, its name ends as another kind of
        file does, or it is one of the inputs.
    """
    shown = f"{option} {str(out)!r}"
    ending = out.suffix.lower()
    if endings and ending in _ENDINGS and ending not in endings:
        raise InvalidInputError(
            f"{shown}: expected a name that ends in {' or '.join(endings)}. Received: {ending}. Change the ending."
        )
    try:
        _check_place(out, shown)
        same = next((each for each in inputs if each is not None and _same(out, each)), None)
    except OSError as error:
        raise _not_written(shown, out, error) from error
    if same is not None:
        raise InvalidInputError(
            f"{shown}: expected a file of its own. Received: {str(same)!r}, which is read. Choose another name."
        )


def write_output(path: Path | str, content: str | bytes) -> Path:
    """Write a file that a user asked for: the whole new one, or the old one stays and one line says why.

    Raises
    ------
    InvalidInputError
        If its folder is not there or cannot be written, or the disk is full.
    """
    from diag.io.store import write_aside

    path = Path(path)
    try:
        write_aside(path, content)
    except OSError as error:
        raise _not_written(repr(str(path)), path, error) from error
    return path


def no_room(error: OSError) -> str | None:
    """Return the line about a disk that takes no more, or None if the error is another.

    Examples
    --------
    >>> no_room(OSError(errno.ENOSPC, "No space left on device"))
    'expected a disk that takes what is written. Received: No space left on device. Free some space and run it again.'
    >>> no_room(OSError(errno.ENOENT, "No such file"))
    """
    if error.errno not in _NO_ROOM:
        return None
    where = f" ({error.filename!r})" if error.filename else ""
    return (
        f"expected a disk that takes what is written. Received: {error.strerror}{where}. Free some space and run it "
        "again."
    )


def _check_place(out: Path, shown: str) -> None:
    if not str(out) or str(out) == "." or "\0" in str(out):
        raise InvalidInputError(f"{shown}: expected a file. Received: no name of one. Name it, such as {_EXAMPLE}.")
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(out)  # says what is wrong with the name itself
    if out.is_dir():
        raise InvalidInputError(f"{shown}: expected a file. Received: a folder. Add a file name.")
    if out.exists() and not out.is_file():
        raise InvalidInputError(f"{shown}: expected a file. Received: a device or pipe. Choose another name.")
    folder = out.parent
    if not folder.exists():
        raise InvalidInputError(
            f"{shown}: expected a folder that exists. Received: {str(folder)!r}, which does not. Create it first."
        )
    if not folder.is_dir():
        raise InvalidInputError(
            f"{shown}: expected a folder. Received: {str(folder)!r}, which is a file. Choose another folder."
        )
    with tempfile.TemporaryFile(dir=folder):
        pass


def _not_written(shown: str, path: Path, error: OSError) -> InvalidInputError:
    if error.errno == errno.ENAMETOOLONG:
        return InvalidInputError(
            f"{shown}: expected a shorter name. Received: {len(path.name)} characters. Shorten it."
        )
    reason = error.strerror or str(error)
    remedy = "Free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Change its permissions"
    return InvalidInputError(
        f"{shown}: expected a folder that can be written. Received: {reason}. {remedy}, or choose another place."
    )


def _same(out: Path, given: str | Path) -> bool:
    path = Path(str(given).partition("::")[0])
    return out.exists() and path.is_file() and out.samefile(path)
