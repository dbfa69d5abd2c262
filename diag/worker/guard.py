"""What a worker may not do: take more memory or time than a call grants, start programs, open connections, write.

The limits are the system's (`setrlimit`). What code may do is watched by an audit hook (PEP 578): a second wall behind
the audit of files, not a sandbox, as native code can go round it.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import resource
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

_LINUX = Path("/proc/self/status").exists()
_DENIED = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn",
    "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname",
    "urllib.Request", "http.client.connect", "ftplib.connect", "smtplib.connect", "webbrowser.open", "os.kill",
    "os.killpg", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
    "os.chown", "shutil.rmtree", "shutil.move", "shutil.copyfile", "sys.addaudithook", "sqlite3.connect",
)  # fmt: skip
# What libraries read of the system: no other process's `/proc`, no configuration of programs.
_SYSTEM = (
    "/usr", "/lib", "/lib64", "/sys", "/System", "/Library", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat",
    "/proc/sys", "/dev/null", "/dev/random", "/dev/urandom", "/etc/localtime", "/etc/timezone", "/etc/os-release",
    "/etc/mime.types",
)  # fmt: skip
# Of what changes files: which arguments are paths, and which are the folders' descriptors that these begin at.
_FILE_EVENTS: dict[str, tuple[tuple[int, int | None], ...]] = {
    **dict.fromkeys(("os.remove", "os.rmdir"), ((0, 1),)),
    **dict.fromkeys(("os.mkdir", "os.chmod"), ((0, 2),)),
    **dict.fromkeys(("os.rename", "os.link"), ((0, 2), (1, 3))),
    **dict.fromkeys(("shutil.copyfile", "shutil.move"), ((0, None), (1, None))),
    **dict.fromkeys(("os.truncate", "shutil.rmtree"), ((0, None),)),
}
_SLACK = 2**29
"""Bytes of address space over what a call is granted: stacks of threads, arenas of the allocator."""
_own: dict[str, Any] = {"writable": (), "readable": (), "granted": (), "cpu_seconds": 0}


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
    if memory and _LINUX:
        _soft(resource.RLIMIT_DATA, _data_bytes() + memory + _SLACK)
    _own["cpu_seconds"] = cpu_seconds
    renew_time()


def renew_time() -> None:
    """Begin the call's processor time anew: it has reported progress."""
    if _own["cpu_seconds"]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _soft(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + _own["cpu_seconds"] + 1)


def lift_call() -> None:
    """Take the bounds of a call away."""
    for kind in (resource.RLIMIT_DATA, resource.RLIMIT_CPU):
        _soft(kind, resource.getrlimit(kind)[1])


def install() -> None:
    """Watch from now on what Python code does in this process. It cannot be undone."""
    _own["writable"] = (os.path.realpath(tempfile.gettempdir()),)
    package = Path(__file__).resolve().parents[1]
    paths = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values(), *filter(None, sys.path)}
    readable = {os.path.realpath(path) for path in paths | set(_SYSTEM) | {f"/proc/{os.getpid()}"}}
    numpy = importlib.util.find_spec("numpy")
    if numpy is not None and not str(numpy.origin).startswith(f"{package.parent}/numpy/"):
        readable.discard(str(package.parent))  # a checkout, not a folder of libraries: what else is in it is not read
    _own["readable"] = (*_own["writable"], str(package), *sorted(readable))
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        _watch_open(*arguments)
    elif event in _DENIED and not (event in _FILE_EVENTS and _own_files(event, arguments)):
        raise PermissionError(f"a worker may not do this: {event}")


def _own_files(event: str, arguments: tuple[Any, ...]) -> bool:
    """Return whether only files in the worker's own folder are touched."""
    return all(
        _within(arguments[path], "writable", -1 if folder is None else arguments[folder])
        for path, folder in _FILE_EVENTS[event]
    )


def _watch_open(path: Any, mode: Any, flags: Any) -> None:
    if isinstance(path, int) or path is None:
        return
    parts = os.fsdecode(path).split("/")
    if parts[0] and ".." in parts:  # relative, to a folder that the event does not name
        raise PermissionError("a worker may not open a relative path that goes up")
    writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)) if flags else False
    writes = writes or (isinstance(mode, str) and bool(set(mode) & set("wax+")))
    if writes:
        if not (_within(path, "writable") or os.fspath(path) in (os.devnull, os.fsencode(os.devnull))):
            raise PermissionError("a worker may not write files outside of its own folder")
    elif not _lies_in(os.path.realpath(os.fsdecode(path)), "granted", "readable"):  # resolved once: thousands of files
        raise PermissionError("a worker may only read what it was asked to read")


def _within(path: Any, group: str, folder: int = -1) -> bool:
    """Return whether a path, as seen from a folder's descriptor if there is one, lies in one of a group's places."""
    if isinstance(path, int):
        return False
    name = os.fsdecode(path)
    if folder != -1 and not name.startswith("/"):
        name = f"{_folder_of(folder)}/{name}"
    return _lies_in(os.path.realpath(name), group)


def _lies_in(place: str, *groups: str) -> bool:
    return any(place == root or place.startswith(root.rstrip("/") + "/") for group in groups for root in _own[group])


def _folder_of(descriptor: int) -> str:
    """Return the path of an open folder; one that lies nowhere if the system does not tell."""
    with contextlib.suppress(OSError):
        if _LINUX:
            return str(Path(f"/proc/self/fd/{descriptor}").readlink())
        f_getpath = 50
        return os.fsdecode(fcntl.fcntl(descriptor, f_getpath, bytes(1024)).rstrip(b"\0"))
    return "/nowhere"


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
