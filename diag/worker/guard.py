"""What a worker may not do: take more memory or time than a call grants, start programs, open connections, write.

The limits are the system's (`setrlimit`). What code may do is watched by an audit hook (PEP 578): a second wall behind
the audit of files, not a sandbox, as native code can go round it.
"""

from __future__ import annotations

import os
import resource
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

_DENIED = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn",
    "socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request",
    "http.client.connect", "ftplib.connect", "smtplib.connect", "webbrowser.open", "os.kill", "os.killpg",
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "shutil.rmtree", "shutil.move", "shutil.copyfile", "sys.addaudithook",
)  # fmt: skip
_FILE_EVENTS = (
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "shutil.rmtree", "shutil.copyfile",
    "os.link", "os.symlink", "shutil.move",
)  # fmt: skip
_TWO_PATHS = ("os.rename", "os.link", "shutil.copyfile", "shutil.move")
_SLACK = 2**29
"""Bytes of address space over what a call is granted: stacks of threads, arenas of the allocator."""
_own: dict[str, Any] = {"writable": (), "readable": (), "granted": (), "on": False}


def limit_files(file_bytes: int) -> None:
    """Bound what is written, and leave no core dumps."""
    _soft(resource.RLIMIT_FSIZE, file_bytes)
    _soft(resource.RLIMIT_CORE, 0)


def limit_call(memory: int, cpu_seconds: int, granted: list[str]) -> None:
    """Bound what the next call takes, and say what it may read.

    Parameters
    ----------
    memory : int
        Bytes over what the process has now; 0 for no bound.
    cpu_seconds : int
        Of processor time over what was used; 0 for no bound.
    granted : list of str
        Files, and folders with all that is in them.
    """
    _own["granted"] = tuple(os.path.realpath(path) for path in granted)
    if memory and sys.platform == "linux":
        _soft(resource.RLIMIT_DATA, _data_bytes() + memory + _SLACK)
    if cpu_seconds:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _soft(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + cpu_seconds + 1)


def lift_call() -> None:
    """Take the bounds of a call away."""
    for kind in (resource.RLIMIT_DATA, resource.RLIMIT_CPU):
        _soft(kind, resource.getrlimit(kind)[1])


def install() -> None:
    """Watch from now on what Python code does in this process. It cannot be undone."""
    _own["writable"] = (os.path.realpath(tempfile.gettempdir()),)
    paths = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values(), *filter(None, sys.path)}
    paths |= {"/proc", "/sys", "/dev", "/usr", "/etc", "/lib", "/lib64", "/opt", "/System", "/Library"}
    package = Path(__file__).resolve().parents[1]
    _own["readable"] = (*_own["writable"], str(package), *sorted(os.path.realpath(path) for path in paths))
    _own["on"] = True
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        _watch_open(*arguments)
    elif event in _DENIED and not (event in _FILE_EVENTS and _own_files(event, arguments)):
        raise PermissionError(f"a worker may not do this: {event}")


def _own_files(event: str, arguments: tuple[Any, ...]) -> bool:
    """Return whether only files in the worker's own folder are touched."""
    count = 2 if event in _TWO_PATHS else 1
    return all(_within(path, "writable") for path in arguments[:count])


def _watch_open(path: Any, mode: Any, flags: Any) -> None:
    if isinstance(path, int) or path is None:
        return
    writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)) if flags else False
    writes = writes or (isinstance(mode, str) and bool(set(mode) & set("wax+")))
    if writes:
        if not (_within(path, "writable") or os.fspath(path) in (os.devnull, os.fsencode(os.devnull))):
            raise PermissionError("a worker may not write files outside of its own folder")
    elif not (_within(path, "readable") or _within(path, "granted")):
        raise PermissionError("a worker may only read what it was asked to read")


def _within(path: Any, group: str) -> bool:
    if isinstance(path, int):
        return False
    place = os.path.realpath(os.fsdecode(path))
    return any(place == root or place.startswith(root.rstrip("/") + "/") for root in _own[group])


def _data_bytes() -> int:
    """Return the size of this process's private memory, which `RLIMIT_DATA` bounds."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - no imports here
        for line in file:
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0


def _soft(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard) if value != resource.RLIM_INFINITY else hard
    resource.setrlimit(kind, (value, hard))
