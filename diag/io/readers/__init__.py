"""One file a kind of source. `READERS` is asked in order; another format is one file and one entry more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from diag.io.readers import arrays, builtin, csv, folder

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
READERS: tuple[Reader, ...] = (builtin, arrays, csv, folder)
