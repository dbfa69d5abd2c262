"""One child process: how it is started clean, watched, and ended."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag import errors
from diag.errors import DiagError, UnsupportedModelError
from diag.worker import memory
from diag.worker.channel import ChannelError, Message, receive
from diag.worker.last_words import LastWords, cause, of_memory
from diag.worker.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

_START_SECONDS = 300
"""Importing TensorFlow on a busy machine with a cold disk takes this long at most."""
_POLL = 0.05
_ABORTED = ", perhaps for want of memory: see DIAG_LIMITS"
_BOOT = (
    "import sys, json; given = json.loads(sys.argv[1]); path = given.pop('path'); "
    "sys.path[:0] = path[:1]; sys.path += path[1:]; "
    "from diag.worker.child import main; main(**given)"
)
_ENVIRONMENT = (
    "PATH", "HOME", "USER", "LANG", "LANGUAGE", "TZ", "KERAS_HOME", "LD_LIBRARY_PATH", "DIAG_LIMITS",
    "XDG_CACHE_HOME", "NUMEXPR_MAX_THREADS",
)  # fmt: skip
_ENVIRONMENT_STARTS = ("LC_", "CUDA_", "TF_", "XLA_", "OMP_", "MKL_", "OPENBLAS_", "NVIDIA_", "ROCM_", "HIP_")
_PACKAGES = ("diag", "numpy", "h5py", "tensorflow", "keras", "pandas", "pyarrow", "PIL", "sklearn", "skops")


class Child:
    """One child, its socket, and the thread that started it and watches it."""

    def __init__(self, name: str, setup: Mapping[str, str]) -> None:
        self.owner = os.getpid()
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=f"diag-worker-{self.owner}-"))
            self.socket, self._far = socket.socketpair()
            self._words = LastWords(self.folder)
        except OSError as error:  # a full disk, too many open files
            raise _not_started(name, error) from error
        for each in (self.socket, self._far):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                with contextlib.suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, option, 2**20)
        self._child: subprocess.Popen[bytes] | None = None
        self._failure: BaseException | None = None
        self._started, self._stop, self._busy = threading.Event(), threading.Event(), threading.Event()
        self.over = False
        """Whether it was ended because it grew over what its request was granted."""
        self._most = 0
        self._usable = True
        self._said = ""
        self.holder: int | None = None
        """The thread whose request runs."""
        self.answered = 0
        """Requests that it has answered."""
        self.ready: set[str] = set()
        """What it has prepared."""
        # The system ends the child with the thread that started it (PR_SET_PDEATHSIG): this one lives as long.
        threading.Thread(target=self._watch, args=(setup,), name=f"diag {name}", daemon=True).start()
        try:
            self._await_start(name)
        except BaseException:
            self.stop()
            raise

    def _await_start(self, name: str) -> None:
        self._started.wait()
        if self._child is None:
            raise _not_started(name, self._failure)
        self.socket.settimeout(_START_SECONDS)
        try:
            said = receive(self.socket)
        except (ChannelError, OSError) as error:
            why = cause(self._words.text())
            raise UnsupportedModelError(
                f"The {name} ended while it started{f' ({why})' if why else ''}. Set DIAG_DEBUG=1 to see more, or "
                "DIAG_ISOLATION=off to do without."
            ) from error
        if said.kind == "error":
            raise error_of(said)

    def begin(self, most: int) -> None:
        """Bound the memory of the request that comes."""
        child = self._child
        self._most = most + memory.resident(child.pid if child else 0)
        self._busy.set()

    def end(self) -> None:
        """Say that no request runs."""
        self._busy.clear()

    def wait(self) -> None:
        """Wait until it sends something. Time in which it stood in line for a processor does not count.

        Raises
        ------
        TimeoutError
            When the socket's timeout passes.
        """
        seconds = self.socket.gettimeout()
        begun, stood = time.monotonic(), self._stood()
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            left = seconds
            while not selector.select(left):
                if seconds is not None:
                    left = seconds - (time.monotonic() - begun) + self._stood() - stood
                    if left <= 0:
                        raise TimeoutError

    def _stood(self) -> float:
        """Return how many seconds its main thread was ready and found no processor; 0 where nobody counts them."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = self._child.pid if self._child else 0
            return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
        return 0.0

    def usable(self) -> bool:
        """Return whether it still runs."""
        return self._usable and self._child is not None and self._child.poll() is None

    def reason(self, *, timed_out: bool) -> str:
        """Return why it does not answer: ``"time"``, ``"memory"`` or ``"died"``."""
        if timed_out:
            return "time"
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(5)
            if self._child.returncode == -signal.SIGXCPU:
                return "time"
        return "memory" if self.over or of_memory(cause(self._words.text())) else "died"

    def facts(self, name: str, seconds: int | None, cpu_seconds: int) -> dict[str, Any]:
        """Return what the sentences of `_STOPPED` say."""
        code = None if self._child is None else self._child.returncode
        aborted = _ABORTED if code == -signal.SIGABRT else ""
        try:
            signal_name = signal.strsignal(-code) or f"signal {-code}" if code is not None and code < 0 else None
        except ValueError:
            signal_name = None
        return {
            "name": name,
            "seconds": seconds,
            "spent": f"{cpu_seconds} s of processor time" if code == -signal.SIGXCPU else f"{seconds} s",
            "more_seconds": 4 * Limits.current().seconds,
            "signal": (signal_name or f"exit status {code}").lower() + (f": {self._said}" if self._said else aborted),
        }

    def stop(self) -> None:
        """End the child now, and remove what it left."""
        self._usable = False
        self._stop.set()
        child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            child.wait()
        self._said = cause(self._words.text()) or self._said
        self._words.close()
        self.socket.close()
        self._far.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _watch(self, setup: Mapping[str, str]) -> None:
        try:
            self._child = self._start(setup)
        except (OSError, ValueError) as error:
            self._failure = error
            return
        finally:
            self._started.set()
        self._far.close()
        while not self._stop.is_set():
            self._busy.wait(1)
            if self._busy.is_set() and memory.resident(self._child.pid) > self._most:
                self.over = True
                self._child.kill()
                return
            self._words.bound()
            self._stop.wait(_POLL)
            if self._child.poll() is not None:
                return
        self._child.kill()  # for one that was stopped before it had started
        self._child.wait()

    def _start(self, setup: Mapping[str, str]) -> subprocess.Popen[bytes]:
        arguments = {
            "path": package_folders(),
            "descriptor": self._far.fileno(),
            "parent": self.owner,
            **setup,
            "file_bytes": Limits.current().file_bytes,
        }
        return subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOT, json.dumps(arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("DIAG_DEBUG") else self._words.file,
            env=clean_environment(self.folder),
            pass_fds=(self._far.fileno(),),
            start_new_session=True,
            cwd=self.folder,
        )


def _not_started(name: str, reason: BaseException | None) -> DiagError:
    return UnsupportedModelError(f"The {name} cannot be started: {reason}. Set DIAG_ISOLATION=off to do without.")


def error_of(message: Message) -> DiagError:
    """Return what a child raised, from its class's name and its text."""
    body = message.body
    name, text = body if isinstance(body, list) and len(body) == 2 else ("", body)
    found = getattr(errors, str(name), DiagError)
    return (found if isinstance(found, type) and issubclass(found, DiagError) else DiagError)(str(text))


def clean_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a worker: what libraries need, and no variable that makes one load other code."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_STARTS)
    }
    return {
        **kept,
        "TMPDIR": str(folder),
        "MPLCONFIGDIR": str(folder),
        "HDF5_PLUGIN_PRELOAD": "::",
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def package_folders() -> list[str]:
    """Return the folders that hold diag, first, and what it needs, for a Python that looks only where it is."""
    found: list[str] = []
    for name in _PACKAGES:
        with contextlib.suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.origin is not None:
                found.append(str(Path(spec.origin).resolve().parents[1]))
    return list(dict.fromkeys(found))
