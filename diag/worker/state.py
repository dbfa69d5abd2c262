"""Whether this process is a worker, and whether there are any."""

from __future__ import annotations

import os

VARIABLE = "DIAG_ISOLATION"
_here = {"inside": False}


def enter() -> None:
    """Say that this process is a worker."""
    _here["inside"] = True


def inside() -> bool:
    """Return whether this process is a worker."""
    return _here["inside"]


def isolated() -> bool:
    """Return whether files are to be read, and networks to be run, in another process.

    Not inside a worker; nor with ``DIAG_ISOLATION=off``, for debuggers and for places that can start no process.
    """
    return not inside() and os.environ.get(VARIABLE, "").lower() not in ("off", "0", "no")
