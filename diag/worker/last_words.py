"""What a process wrote to its standard error before it died, as far as one line of it says why."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, BinaryIO

from diag.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

_KEPT = 2**20
"""Bytes that may be written before what was written is forgotten."""
_END = 2**13
"""Bytes at the end that are looked through."""
_WORDS = 120
# The C++ runtime's, TensorFlow's, the C library's, Python's: the later in a text, the nearer to the end of the process.
_TELLING = (
    re.compile(r"what\(\):\s*(\S.*)"),
    re.compile(r"terminate called after throwing an instance of '(.+)'"),
    re.compile(r"^F.*\] (.*\S)"),
    re.compile(r"((?:double free|free\(\)|malloc|realloc\(\)|corrupted |munmap_chunk|\*\*\* ).*)"),
    re.compile(r"(Assertion .* failed.*)"),
    re.compile(r"^(\w*(?:Error|Exception): .*)"),
)
_OF_MEMORY = ("bad_alloc", "cannot allocate memory", "out of memory")


class LastWords:
    """A file without a name that a child writes its standard error to; it never holds more than a little."""

    def __init__(self, folder: Path) -> None:
        self._before = ""
        path = folder / "stderr"
        self.file: BinaryIO = path.open("ab+", buffering=0)
        path.unlink()

    def bound(self) -> None:
        """Forget all but the end of what was written if it is much."""
        with contextlib.suppress(OSError, ValueError):
            if os.fstat(self.file.fileno()).st_size > _KEPT:
                self._before = self.text()[-_END:]
                self.file.truncate(0)

    def close(self) -> None:
        """Give the file back; nothing is left of what was written."""
        self.file.close()

    def text(self) -> str:
        """Return the end of what was written; nothing once it is closed."""
        with contextlib.suppress(OSError, ValueError):
            size = os.fstat(self.file.fileno()).st_size
            return self._before + os.pread(self.file.fileno(), _END, max(0, size - _END)).decode("utf-8", "replace")
        return ""


def cause(text: str) -> str:
    r"""Return why a process ended, from what it wrote last; empty if it does not say.

    Examples
    --------
    >>> cause("terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n")
    'std::bad_alloc'
    >>> cause("F0000 00:00:17 4 env.cc:9] Check failed: ret == 0 (11 vs. 0)\n*** Check failure stack trace: ***\n")
    'Check failed: ret == 0 (11 vs. 0)'
    >>> cause("WARNING: slow\n")
    ''
    """
    for line in reversed(text.splitlines()):
        found = next(filter(None, (pattern.search(line) for pattern in _TELLING)), None)
        if found is not None and "stack trace" not in line:
            return printable(found[1], _WORDS)
    return ""


def of_memory(text: str) -> bool:
    """Return whether a cause is that there was no more memory.

    Examples
    --------
    >>> of_memory("std::bad_alloc"), of_memory("Check failed: x > 0")
    (True, False)
    """
    return any(word in text.lower() for word in _OF_MEMORY)
