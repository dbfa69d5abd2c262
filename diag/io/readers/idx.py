"""Files in the idx format of MNIST, plain or gzipped, with labels found beside the images; or a folder of them.

References
----------
Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section "File formats": two zero bytes, the
type, the number of axes, each axis' length as a big-endian 32-bit integer, then the values.
"""

from __future__ import annotations

import io
import math
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from diag.errors import DataError
from diag.io.readers.siblings import Files, data_files, is_folder_of, parts_of_files
from diag.io.sources import Parts, Request
from diag.io.unpacking import DAMAGE, opened_data, read_up_to
from diag.printable import printable

_NAMES = (*(f"{dot}idx{axes}{kind}" for dot in "-." for axes in (1, 2, 3, 4) for kind in ("-ubyte", "")), ".idx")
_ENDINGS = (*_NAMES, *(f"{name}.gz" for name in _NAMES))
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def matches(source: Any) -> bool:
    """Return whether `source` is an idx file by its name, or a folder of them."""
    if not isinstance(source, str):
        return False
    first = source.partition("::")[0]
    if first.lower().endswith(_ENDINGS):
        return Path(first).is_file()
    return "::" not in source and is_folder_of(source, _ENDINGS) and bool(data_files(Path(source), _ENDINGS))


def read(source: Any, request: Request) -> Parts:
    """Map plain files into memory; unpack gzipped ones."""
    return parts_of_files(source, request, Files(_ENDINGS, array_of))


def array_of(path: Path) -> Any:
    """Return the array of an idx file: memory-mapped, or in memory if it is gzipped.

    Raises
    ------
    DataError
        If it is no idx file, or is shorter or longer than it claims.
    """
    name = printable(path.name, 80)
    with opened_data(path) as file:
        try:
            shape, dtype, offset = _header(file)
            size = math.prod(shape) * dtype.itemsize
            if isinstance(file, io.BufferedReader) and isinstance(file.raw, io.FileIO):
                held = os.fstat(file.fileno()).st_size - offset
                if held != size:
                    raise ValueError(f"it claims shape {shape}, and holds {held:,} bytes")
                return np.memmap(file, dtype, "r", offset, shape) if size else np.empty(shape, dtype)
            content = read_up_to(file, size + 1)
            if len(content) != size:
                raise ValueError(f"it claims shape {shape}, and holds {len(content):,} bytes or more")
            return np.frombuffer(content, dtype=dtype).reshape(shape)
        except (*DAMAGE, ValueError, struct.error, OverflowError) as error:
            if isinstance(error, DataError):
                raise
            reason = printable(str(error))[:120]
            raise DataError(
                f"{name}: expected an idx file as MNIST's. Received: {reason}. Copy or download it again."
            ) from error


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    zero, kind, axes = struct.unpack(">HBB", file.read(4))
    if zero or kind not in _TYPES or not 1 <= axes <= 4:
        raise ValueError("another beginning")
    shape = struct.unpack(f">{axes}I", file.read(4 * axes))
    return shape, np.dtype(_TYPES[kind]), 4 + 4 * axes
