"""Requests that a worker should survive, or die of: only for the tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from diag.errors import DataError
from diag.worker.child import Answer


def echo(request):
    return Answer(request.body, request.arrays)


def crash(request):
    os.abort()


def crash_with(request):
    """Die as a C++ program does of what nobody catches; `body` says what it writes first."""
    os.write(2, request.body.encode())
    os.abort()


def segfault(request):
    signal.raise_signal(signal.SIGSEGV)


_harm = []


def harm(request):
    """Leave in the process what the next `harmed` dies of."""
    _harm.append(request.body)
    return Answer()


def harmed(request):
    if _harm:
        os.abort()
    return Answer(os.getpid())


def leave(request):
    os._exit(3)


def leave_at_once():
    os._exit(3)


def cannot_start():
    raise DataError("x.csv: expected numbers. Received: words. Write numbers.")


def hang(request):
    while True:
        time.sleep(60)


def spin(request):
    return Answer(sum(1 for _ in range(request.body)))


def count_slowly(request):
    """Take 0.7 s of processor time for each step, 2.8 s for four."""
    for done in range(1, request.body + 1):
        until = time.process_time() + 0.7
        while time.process_time() < until:
            pass
        request.progress(done, request.body)
    return Answer()


def refuse(request):
    raise DataError("x.csv: expected numbers. Received: words. Write numbers.")


def bug(request):
    raise ZeroDivisionError("by hand")


def grow(request):
    return Answer(int(np.ones(request.body, dtype=np.uint8)[-1]))


def grow_slowly(request):
    return Answer(len([b"x" * (2**20 + number) for number in range(request.body // 2**20)]))


def count(request):
    for done in range(1, request.body + 1):
        request.progress(done, request.body)
    return Answer("counted")


def forever(request):
    done = 0
    while True:
        request.progress(done, 10**9)
        done += 1


def read(request):
    return Answer(Path(request.body).read_text())


def read_from(request):
    """Read a path as seen from an open folder, with this process somewhere below its own."""
    deep = Path(tempfile.mkdtemp()) / "a" / "b"
    deep.mkdir(parents=True)
    os.chdir(deep)
    folder = os.open(Path(os.__file__).parent, os.O_RDONLY)
    try:
        return Answer(os.read(os.open(request.body, os.O_RDONLY, dir_fd=folder), 100).decode())
    finally:
        os.close(folder)


def link_own(request):
    (Path(tempfile.mkdtemp()) / "link").symlink_to(request.body)
    return Answer()


def write(request):
    Path(request.body).write_text("written")
    return Answer()


def write_own(request):
    folder = Path(tempfile.mkdtemp())
    (folder / "a").write_text("own")
    (folder / "a").rename(folder / "b")
    text = (folder / "b").read_text()
    shutil.rmtree(folder)
    return Answer([text, folder.exists()])


def remove_from(request):
    folder, name = os.path.split(request.body)
    os.remove(name, dir_fd=os.open(folder, os.O_RDONLY))


def start_program(request):
    subprocess.run(["touch", request.body], check=False)


def system(request):
    os.system(f"touch {request.body}")  # noqa: S605 - which is refused


def fork(request):
    os.fork()


def connect(request):
    import socket

    socket.create_connection(("127.0.0.1", request.body), timeout=1)


def environment(request):
    import sys

    return Answer(
        {"environment": dict(os.environ), "path": sys.path, "pid": os.getpid(), "isolated": sys.flags.isolated}
    )


PUSHED = []


def push(request):
    PUSHED.append(request.body)
    return Answer()


def pushed(request):
    return Answer(PUSHED)


def unsendable(request):
    return Answer(arrays={"objects": np.array([object()])})


HANDLERS = {
    function.__name__: function
    for function in (
        echo, crash, segfault, leave, hang, refuse, bug, grow, grow_slowly, count, forever, read, write, write_own,
        read_from, link_own, remove_from, start_program, system, fork, connect, environment, unsendable, push, pushed,
        spin, count_slowly, crash_with, harm, harmed,
    )
}  # fmt: skip
