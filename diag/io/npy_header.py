"""The header of a ``.npy`` file, read by a grammar of its own: nothing in it is evaluated.

References
----------
NumPy, "NEP 1 - A Simple File Format for NumPy Arrays": eight bytes of magic and version, the header's length in two
bytes (version 1) or four (2 and 3), then a Python dict of ``descr``, ``fortran_order`` and ``shape`` as text.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from diag.errors import DataError

if TYPE_CHECKING:
    from typing import IO

LONGEST = 10_000
"""Bytes of a header; `numpy.load` reads no longer ones either."""
_MAGIC = b"\x93NUMPY"
_DTYPE = re.compile(r"[<>|=]?(?:[biuf]\d{1,2}|c\d{1,2}|\?|[SU]\d{1,9})")
_ITEM = r"""(?:'\w{1,20}'|"\w{1,20}")\s*:\s*(?:'[^']*'|"[^"]*"|True|False|\([\d,L\s]*\))\s*"""
_DICT = re.compile(rf"\s*\{{\s*{_ITEM}(?:,\s*{_ITEM}){{2}},?\s*\}}\s*")
_PART = re.compile(r"""(?:'|")(\w+)(?:'|")\s*:\s*('[^']*'|"[^"]*"|True|False|\([\d,L\s]*\))""")
_MOST_AXES = 32


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """What an array is by its header, and how many bytes that takes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    length: int

    @property
    def nbytes(self) -> int:
        """What the values take, in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def npy_header(file: BinaryIO | IO[bytes], stored: int, where: str) -> Header:
    """Return the header of an array, which must be as large as it claims.

    Parameters
    ----------
    file : binary file
        At the array's beginning; afterwards at its first value.
    stored : int
        Bytes of the header and the values.
    where : str
        What messages begin with.

    Raises
    ------
    DataError
        If it is no such header, the values are neither numbers nor texts, or there are more or fewer than claimed.
    """
    text, length = _text(file, where)
    said = _said(text)
    if said is None or set(said) != {"descr", "fortran_order", "shape"}:
        if re.search(r"'descr'\s*:\s*['\"]?[|]?O|\[\(", text) and "O" in text:
            raise _pickled(where)
        raise DataError(
            f"{where}: expected an array of numbers or texts. Received: records, or a damaged header. "
            "Save plain arrays with np.save or np.savez."
        )
    descr = said["descr"][1:-1]
    if descr.strip("<>|=").startswith("O"):
        raise _pickled(where)
    try:
        sides = [int(side.strip(" L\n\t")) for side in said["shape"][1:-1].split(",") if side.strip()]
        if not _DTYPE.fullmatch(descr) or len(sides) > _MOST_AXES:
            raise ValueError(f"type {descr[:20]!r}, {len(sides)} axes")
        header = Header(tuple(sides), np.dtype(descr), said["fortran_order"] == "True", length)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{where}: expected an array of numbers or texts. Received: {error}. Save plain arrays with np.save."
        ) from error
    if header.nbytes != stored - length:
        raise DataError(
            f"{where} claims shape {header.shape} of {header.dtype}, and holds {stored - length} bytes. "
            "Copy or download the file again, or save it anew."
        )
    return header


def _text(file: BinaryIO | IO[bytes], where: str) -> tuple[str, int]:
    """Return the dict's text, and how many bytes all of the header takes."""
    start = file.read(8)
    form = {1: "<H", 2: "<I", 3: "<I"}.get(start[6] if len(start) == 8 else 0)
    if not start.startswith(_MAGIC) or form is None:
        raise DataError(
            f"{where}: expected a .npy array as np.save writes it. Received: another beginning. Save it anew."
        )
    packed = file.read(struct.calcsize(form))
    size = struct.unpack(form, packed)[0] if len(packed) == struct.calcsize(form) else LONGEST + 1
    text = file.read(size) if size <= LONGEST else b""
    if size > LONGEST or len(text) < size:
        raise DataError(
            f"{where}: expected a header of at most {LONGEST:,} bytes. Received: one that claims {size:,}, or is cut "
            "off. Save plain arrays with np.save."
        )
    return text.decode("latin-1"), 8 + len(packed) + size


def _said(text: str) -> dict[str, str] | None:
    if not _DICT.fullmatch(text):
        return None
    return dict(_PART.findall(text))


def _pickled(where: str) -> DataError:
    return DataError(
        f"{where}: expected numbers or texts. Received: an array that holds pickled Python objects, never loaded here. "
        "Save plain numbers or texts."
    )


def values(file: BinaryIO | IO[bytes], header: Header) -> np.ndarray[Any, Any]:
    """Return the values that follow a header, read into memory.

    Raises
    ------
    ValueError
        If there are fewer than claimed.
    """
    count = math.prod(header.shape)
    if header.nbytes == 0:
        return np.empty(header.shape, dtype=header.dtype)
    flat = np.frombuffer(file.read(header.nbytes), dtype=header.dtype)
    if flat.size != count:
        raise ValueError("fewer values than claimed")
    return flat.reshape(header.shape, order="F" if header.fortran else "C")
