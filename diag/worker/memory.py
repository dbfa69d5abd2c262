"""How much memory processes take."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from diag.worker.limits import Limits

_PAGE = os.sysconf("SC_PAGE_SIZE")
_AT_LEAST = 2**30
_ACCELERATORS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if there is none."""
    statm = Path(f"/proc/{pid}/statm")
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(statm.read_text(encoding="ascii").split()[1]) * _PAGE
    if Path("/proc/self/statm").exists():
        return 0
    with contextlib.suppress(OSError, ValueError):  # macOS
        found = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=False, text=True)
        return int(found.stdout or 0) * 1024
    return 0


def answering(given: int) -> int:
    """Return the bytes that one batch of a network's answers may take: little more than what it is given.

    Where the limit is set, it counts. Where there is an accelerator, its driver takes some: there it is `most`.

    Parameters
    ----------
    given : int
        Bytes of the network's file and of its inputs.
    """
    if Limits.current().model_memory_bytes or any(Path(device).exists() for device in _ACCELERATORS):
        return most()
    return min(most(), _AT_LEAST + given)


def most() -> int:
    """Return the bytes that a network and its answers may take: the limit, or 3/4 of the machine's memory."""
    return Limits.current().model_memory_bytes or max(_AT_LEAST, os.sysconf("SC_PHYS_PAGES") * _PAGE * 3 // 4)
