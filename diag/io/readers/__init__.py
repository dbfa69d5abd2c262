"""One file a kind of source. `READERS` is asked in order; another format is one file and one entry more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from diag.errors import DataError
from diag.io.readers import archive, arrays, builtin, csv, folder, hdf5, idx, npy, parquet, python_objects, tfrecord
from diag.io.readers.unknown import refuse_pointer, unknown
from diag.printable import printable

if TYPE_CHECKING:
    from diag.io.sources import Parts, Request


class Reader(Protocol):
    """What a module in this package offers."""

    def matches(self, source: Any) -> bool:
        """Return whether this reader is the one for a source."""
        ...

    def read(self, source: Any, request: Request) -> Parts:
        """Read it."""
        ...


BUILTIN = builtin.NAMES
# Python objects stand before arrays: a list of two samples is no pair of arrays. Folders of other files stand before
# folders of images.
READERS: tuple[Reader, ...] = (
    builtin, python_objects, arrays, csv, hdf5, npy, idx, parquet, tfrecord, archive, folder,
)  # fmt: skip


def read_source(source: Any, request: Request) -> Parts:
    """Read a source in this process, with the reader that is the one for it.

    Raises
    ------
    DataError
        If there is none, or the source cannot be read.
    """
    try:
        reader = next((reader for reader in READERS if reader.matches(source)), None)
        problem = unknown(source, BUILTIN) if reader is None else ""
    except OSError as error:  # such as a name too long for the system
        raise DataError(
            f"{printable(str(source), 80)}: expected the path of data. Received: one that cannot be looked up: "
            f"{error.strerror or error}. Check the path."
        ) from error
    except ValueError as error:  # a zero byte in a name
        raise DataError(f"{printable(str(source), 80)}: expected a path. Received: {error}. Check the path.") from error
    if reader is None:
        raise DataError(problem)
    if isinstance(source, str):
        refuse_pointer(Path(source.partition("::")[0]))
    return reader.read(source, request)
