"""One file a kind of source. `READERS` is asked in order; another format is one file and one entry more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from diag.io.readers import archive, arrays, builtin, csv, folder, hdf5, idx, npy, parquet, python_objects, tfrecord

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
