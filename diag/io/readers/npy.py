"""``x_test.npy`` with ``y_test.npy`` beside it, ``x.npy::y.npy``, or a folder of such files; memory-mapped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from diag.errors import DataError
from diag.io.npy_header import npy_header
from diag.io.opening import open_regular
from diag.io.readers.siblings import Files, data_files, is_folder_of, parts_of_files
from diag.io.sources import Parts, Request
from diag.printable import printable


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
    name = printable(path.name, 80)
    with open_regular(path, "data file", DataError) as file:
        try:
            header = npy_header(file, os.fstat(file.fileno()).st_size, name)
            if not header.shape:
                raise DataError(
                    f"{name}: expected an array of images or labels. Received: a single value. Save an array."
                )
            if header.nbytes == 0:
                return np.empty(header.shape, dtype=header.dtype)
            order = "F" if header.fortran else "C"
            return np.memmap(file, header.dtype, "r", header.length, header.shape, order)  # type: ignore[call-overload]
        except (OSError, ValueError, TypeError, OverflowError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"{name}: expected a .npy file as np.save writes it. Received: {printable(str(error), 99)}. "
                "Save it again."
            ) from error
