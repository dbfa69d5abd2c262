"""What a source is that no reader knows, in one line that says what to do."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any

from diag.errors import DataError
from diag.io.opening import kind_of, open_regular
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

FORMATS = ".npz, .npy, .csv, .h5, .parquet, .tfrecord, idx, .zip or a folder"
_ADDRESS = re.compile(r"(?:^|::)\s*([A-Za-z][A-Za-z0-9+.\-]*)://")
_POINTER = b"version https://git-lfs"
_LARGE = 64 * 2**20
_MODELS = (".keras", ".skops", ".pkl", ".pickle", ".joblib")


def refuse_address(source: str, what: str = "data") -> None:
    """Raise if a source is an address: nothing is fetched, and no library is asked to open one.

    Raises
    ------
    DataError
        If it begins as ``https://``, ``s3://``, ``file://`` or ``simplecache::gs://`` do.
    """
    found = _ADDRESS.search(source)
    if found is not None and not Path(source).exists():
        raise DataError(
            f"{printable(source, 120)}: expected the path of {what} on this machine. Received: an address "
            f"({printable(found[1], 20)}://), and addresses are not opened. Download it, and pass the file."
        )


def refuse_pointer(path: Path) -> None:
    """Raise if a file is what Git LFS leaves in place of one that was not fetched, or a hollow one.

    Raises
    ------
    DataError
        If it is, or cannot be read.
    """
    if not path.is_file():
        return
    with open_regular(path, "data file", DataError) as file:
        _refuse_hollow(os.fstat(file.fileno()), path)
        if is_pointer(file.read(len(_POINTER))):
            raise DataError(
                f"{printable(path.name, 80)}: expected {FORMATS}. Received: a Git LFS pointer, a note in place of the "
                "file. Run 'git lfs pull'."
            )


def _refuse_hollow(status: os.stat_result, path: Path) -> None:
    """Raise if a large file has next to nothing on the disk: reading it would take hours and give zeros."""
    stored, ratio = status.st_blocks * 512, Limits.current().ratio
    if status.st_size > _LARGE and 0 < stored * ratio < status.st_size:
        raise DataError(
            f"{printable(path.name, 80)}: expected at most {ratio:,} times what is stored. Received: "
            f"{status.st_size:,} bytes, of which {stored:,} are on the disk. Copy or download it again. "
            f"{raise_hint('ratio', -(-status.st_size // stored))}"
        )


def is_pointer(start: bytes) -> bool:
    """Return whether a file that begins so is a Git LFS pointer."""
    return start.startswith(_POINTER)


def unknown(source: Any, builtin: tuple[str, ...]) -> str:
    """Return why no reader takes a source, and what to do.

    Parameters
    ----------
    source : Any
    builtin : tuple of str
        Names of built-in sets.
    """
    if not isinstance(source, str):
        return f"expected a name, a path, images or (images, labels). Received: {type(source).__name__}."
    path = Path(source.partition("::")[0])
    name = printable(path.name, 80)
    if path.exists():
        kind = kind_of(path.stat().st_mode)
        if kind is not None:
            return f"{name}: expected {FORMATS}. Received: {kind}. Pass the path of a file or a folder."
        ending = printable(path.suffix, 20) or "no ending"
        if path.suffix.lower() in _MODELS:
            return (
                f"{name}: expected images. Received: a {ending} file, which is a model or a pickle. "
                "Pass it as MODEL, and the images as --data."
            )
        if "::" in source:
            return (
                f"{name}: expected a .h5, .npy or idx file before '::'. Received: {ending}. "
                "Pass the file alone, with arrays named x and y."
            )
        return f"{name}: expected {FORMATS}. Received: {ending}. Save the images as one of these."
    if path.is_symlink():
        return f"{name}: expected {FORMATS}. Received: a link to nothing. Check where it leads."
    close = difflib.get_close_matches(source, builtin, n=1)
    hint = f" Did you mean {close[0]}?" if close else " Check the path."
    return f"{printable(source, 160)}: no such file or folder, and no built-in set ({', '.join(builtin)}).{hint}"
