"""``x_test.npy`` with ``y_test.npy`` beside it, ``x.npy::y.npy``, or a folder of such files; memory-mapped."""

from __future__ import annotations

import tokenize
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from diag.errors import DataError
from diag.io.readers.siblings import Files, data_files, is_folder_of, parts_of_files
from diag.io.sources import Parts, Request, printable

_DAMAGE = (
    OSError, EOFError, KeyError, ValueError, SyntaxError, TypeError, OverflowError, tokenize.TokenError,
    zipfile.BadZipFile,
)  # fmt: skip


def matches(source: Any) -> bool:
    """Return whether `source` is a ``.npy`` file, two of them with ``::`` between, or a folder of them."""
    if not isinstance(source, str):
        return False
    first = source.partition("::")[0]
    if first.lower().endswith(".npy"):
        return Path(first).is_file()
    return "::" not in source and is_folder_of(source, (".npy",)) and bool(data_files(Path(source), (".npy",)))


def read(source: Any, request: Request) -> Parts:
    """Map the arrays into memory; nothing is read but labels."""
    return parts_of_files(source, request, Files((".npy",), array_of))


def array_of(path: Path) -> Any:
    """Return the array of a ``.npy`` file, memory-mapped.

    Raises
    ------
    DataError
        If it is damaged, claims more values than it holds, or holds pickled Python objects.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on headers that Python 2 wrote
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGE as error:
        reason = printable(str(error))[:160]
        raise DataError(f"{printable(path.name)}: expected a .npy file as np.save writes it. {reason}") from error
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        raise DataError(f"{printable(path.name)}: expected an array of images or labels. Received: no such array.")
    return array
