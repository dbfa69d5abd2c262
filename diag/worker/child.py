"""The process that may die: it answers one request after the other until the caller is gone."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag.errors import DiagError
from diag.worker import guard, state
from diag.worker.channel import ChannelError, Message, receive, send
from diag.worker.limits import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_OFTEN = 0.05
"""Seconds between two reports of progress."""


class Cancelled(BaseException):
    """The caller does not want the answer any more. Not an `Exception`: nothing on the way may swallow it."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What is asked: a JSON value, arrays by name, and a function (done, total) that reports progress."""

    body: Any
    arrays: Mapping[str, NDArray[Any]]
    progress: Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What is answered: a JSON value and arrays by name."""

    body: Any = None
    arrays: Mapping[str, NDArray[Any]] | None = None


def main(descriptor: int, parent: int, setup: str, handlers: str, file_bytes: int) -> None:
    """Answer requests on a socket until it is closed.

    Parameters
    ----------
    descriptor : int
        Of the socket.
    parent : int
        The caller's process number: this process ends with it.
    setup : str
        ``module:function`` to call before the first request; empty for none.
    handlers : str
        The module whose ``HANDLERS`` maps a request's name to the function that answers it.
    file_bytes : int
        How large a file may grow that is written here.
    """
    state.enter()
    _end_with(parent)
    guard.limit_files(file_bytes)
    sock = socket.socket(fileno=descriptor)
    try:
        if setup:
            _function(setup)()
    except DiagError as error:
        send(sock, _told(error))
        return
    table: Mapping[str, Callable[[Request], Answer]] = importlib.import_module(handlers).HANDLERS
    guard.install()
    gc.freeze()  # the libraries stay: what is collected after a failed call need not be looked for among them
    send(sock, Message("ready"))
    with contextlib.suppress(ChannelError, ConnectionError):
        while True:
            _serve(sock, table, receive(sock))


def _serve(sock: socket.socket, handlers: Mapping[str, Callable[[Request], Answer]], message: Message) -> None:
    if message.kind == "cancel":
        return  # it crossed the answer on its way
    settings = message.body
    os.environ[VARIABLE] = settings["limits"]  # the caller's, which may have changed since this process started
    guard.limit_call(settings["memory"], settings["cpu_seconds"], settings["granted"])
    try:
        answer = handlers[message.kind](Request(settings["body"], message.arrays, _reporter(sock)))
        reply = Message("answer", answer.body, answer.arrays or {})
    except Cancelled:
        reply = Message("cancelled")
    except DiagError as error:
        reply = _told(error)
    except MemoryError:
        reply = Message("memory")
    except Exception:  # noqa: BLE001 - the boundary of this process: a bug is raised where the caller stands
        reply = Message("bug", traceback.format_exc())
    guard.lift_call()
    _reply(sock, reply)
    if reply.kind != "answer":
        _give_back()


def _told(error: DiagError) -> Message:
    return Message("error", [type(error).__name__, str(error)])


def _give_back() -> None:
    """Return to the system what a refused file took: the next one is judged by its own memory."""
    import ctypes

    gc.collect()
    arrow = sys.modules.get("pyarrow")  # keeps a pool of its own
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    with contextlib.suppress(AttributeError, OSError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _reply(sock: socket.socket, reply: Message) -> None:
    try:
        send(sock, reply)
    except TypeError:
        send(sock, Message("bug", traceback.format_exc()))


def _reporter(sock: socket.socket) -> Callable[[int, int], None]:
    """Return a function (done, total) that tells the caller, and stops when the caller wants no more."""
    last = [0.0]

    def report(done: int, total: int) -> None:
        if select.select([sock], [], [], 0)[0] and receive(sock).kind == "cancel":
            raise Cancelled
        now = time.monotonic()
        if done >= total or now - last[0] >= _OFTEN:
            last[0] = now
            guard.renew_time()
            send(sock, Message("progress", [int(done), int(total)]))

    return report


def _function(name: str) -> Callable[[], None]:
    module, _, function = name.partition(":")
    found: Callable[[], None] = getattr(importlib.import_module(module), function)
    return found


def _end_with(parent: int) -> None:
    """Have the system end this process with its parent; where it cannot, look every second."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's
    if Path("/proc/self/status").exists():  # Linux
        import ctypes

        pdeathsig = 1
        ctypes.CDLL(None).prctl(pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
