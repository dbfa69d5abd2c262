"""Gzipped files from strangers: what they unpack to is bounded while it is read."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from diag.errors import DataError
from diag.io.opening import open_regular
from diag.io.sources import tick
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

if TYPE_CHECKING:
    from pathlib import Path

_PIECE = 2**20
_SMALL = 2**20  # bytes that may be packed as tightly as they like
DAMAGE = (OSError, EOFError, zlib.error)
"""What reading a damaged gzip file raises."""


class _Bounded(io.RawIOBase):
    """A stream that ends in an error after so many bytes."""

    def __init__(self, stream: Any, under: BinaryIO, name: str) -> None:
        self.stream, self.under, self.name, self.count = stream, under, name, 0
        limits = Limits.current()
        self.most, self.ratio = limits.memory_bytes // 2, limits.ratio  # the rest is for what is made of it

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.stream.read(len(buffer))
        self.count += len(piece)
        packed = self.under.tell()
        if self.count > _SMALL and self.count > self.ratio * packed:
            raise DataError(
                f"{self.name}: expected a file that unpacks to at most {self.ratio:,} times its size. Received: "
                f"{self.count:,} bytes out of {packed:,}. {raise_hint('ratio', 2 * self.ratio)}"
            )
        if self.count > self.most:
            raise DataError(
                f"{self.name}: expected a file that unpacks to at most {self.most:,} bytes. Received: more. "
                f"{raise_hint('memory_bytes', 4 * self.most)}"
            )
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self.stream.close()
        self.under.close()
        super().close()


def opened_data(path: Path, what: str = "data file") -> BinaryIO:
    """Open a regular file of data; one that is gzipped is unpacked, up to half of ``Limits.memory_bytes``.

    Parameters
    ----------
    path : Path
    what : str
        What is expected, for messages.

    Returns
    -------
    BinaryIO
        At its start. The caller closes it. Only of a file that is not gzipped the place can be changed.

    Raises
    ------
    DataError
        If it is no regular file that can be read; while reading, if it unpacks to more than is allowed.
    """
    file = open_regular(path, what, DataError)
    try:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
    except OSError as error:
        file.close()
        raise DataError(f"{printable(path.name, 80)}: expected a readable {what}. {error.strerror}.") from error
    if not packed:
        return file
    bounded = _Bounded(gzip.GzipFile(fileobj=file), file, printable(path.name, 80))
    return cast("BinaryIO", io.BufferedReader(bounded, 2**20))


def read_up_to(file: BinaryIO, most: int) -> bytes:
    """Return what is left of a stream, at most so many bytes; no more memory is taken than there are bytes.

    Parameters
    ----------
    file : BinaryIO
    most : int
    """
    content = io.BytesIO()  # which gives its bytes away without a copy
    while (left := most - content.tell()) > 0 and (piece := file.read(min(left, _PIECE))):
        content.write(piece)
        tick()
    return content.getvalue()
