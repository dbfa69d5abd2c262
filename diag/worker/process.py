"""The caller's side: workers that are started when they are needed, kept warm, watched, and replaced when they die."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag import errors
from diag.errors import DiagError, UnsupportedModelError
from diag.worker import memory
from diag.worker.channel import ChannelError, Message, receive, send
from diag.worker.limits import VARIABLE, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Progress = Callable[[int, int], None]

_START_SECONDS = 300
"""Importing TensorFlow on a busy machine with a cold disk takes this long at most."""
_CANCEL_SECONDS = 10
_POLL = 0.05
_BOOT = (
    "import sys, json; given = json.loads(sys.argv[1]); sys.path += given.pop('path'); "
    "from diag.worker.child import main; main(**given)"
)
_ENVIRONMENT = (
    "PATH", "HOME", "USER", "LANG", "LANGUAGE", "TZ", "KERAS_HOME", "LD_LIBRARY_PATH", "DIAG_LIMITS",
    "XDG_CACHE_HOME", "NUMEXPR_MAX_THREADS",
)  # fmt: skip
_ENVIRONMENT_STARTS = ("LC_", "CUDA_", "TF_", "XLA_", "OMP_", "MKL_", "OPENBLAS_", "NVIDIA_", "ROCM_", "HIP_")
_PACKAGES = ("diag", "numpy", "h5py", "tensorflow", "keras", "pandas", "pyarrow", "PIL", "sklearn", "skops")


class _Ended(Exception):  # noqa: N818 - no error of ours
    """A request was ended by what its caller's progress function raised."""

    def __init__(self, raised: BaseException) -> None:
        super().__init__()
        self.raised = raised


class Worker:
    """A child process that answers requests one at a time, from any thread.

    Parameters
    ----------
    name : str
        What it is called in messages: ``"reader"``.
    setup : str
        ``module:function`` that it calls when it starts; empty for none.
    handlers : str
        The module whose ``HANDLERS`` maps a request's name to the function that answers it.
    """

    def __init__(self, name: str, setup: str = "", handlers: str = "diag.io.served") -> None:
        self.name = name
        self.generation = 0
        """Counts the processes so far: what one kept is gone in the next."""
        self._setup = {"setup": setup, "handlers": handlers}
        self._lock = threading.RLock()
        self._running: _Process | None = None

    def call(
        self,
        request: str,
        body: Any = None,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        *,
        what: str,
        seconds: int | None = None,
        memory_bytes: int = 0,
        granted: Sequence[str | Path] = (),
        error: type[DiagError] = UnsupportedModelError,
        progress: Progress | None = None,
    ) -> Message:
        """Return the answer to a request.

        Parameters
        ----------
        request : str
            A name in the child's table of handlers.
        body : JSON value, optional
        arrays : mapping of str to ndarray, optional
        what : str
            What the request is about, for messages: a file's name.
        seconds : int, optional
            The longest silence; each report of progress begins a new one. Without it there is no limit.
        memory_bytes : int
            Of resident memory over what the process has; 0 for three quarters of the machine's.
        granted : sequence of str or Path
            Files and folders that the child may read.
        error : class of DiagError
            Raised when the process dies or is stopped.
        progress : callable, optional
            Gets (work done, work in all). What it raises ends the request, and is raised here.

        Raises
        ------
        DiagError
            What the child raised, with its class; or `error`.
        """
        with self._lock:
            process = self._alive()
            bound = memory_bytes or memory.most()
            body = {
                "body": body,
                "memory": bound,
                "cpu_seconds": 0 if seconds is None else seconds * (os.cpu_count() or 1) + 10,
                "granted": [str(path) for path in granted],
            }
            try:
                process.begin(bound)
                send(process.socket, Message(request, body, arrays or {}))
                reply = self._reply(process, seconds, progress)
            except (ChannelError, ConnectionError, TimeoutError) as cause:
                reason = process.reason(timed_out=isinstance(cause, TimeoutError), seconds=seconds)
                self.close()
                raise error(f"{what}: {_STOPPED[reason].format(**process.facts(self.name, seconds, bound))}") from None
            except _Ended as ended:
                raise ended.raised from None
            except BaseException:
                self.close()  # half a message may be on the way
                raise
            finally:
                process.end()
        return self._opened(reply, what, error)

    def _opened(self, reply: Message, what: str, error: type[DiagError]) -> Message:
        """Return an answer; raise what else came."""
        if reply.kind == "error":
            name, text = reply.body
            found = getattr(errors, str(name), DiagError)
            raise (found if isinstance(found, type) and issubclass(found, DiagError) else DiagError)(str(text))
        if reply.kind == "memory":
            raise error(
                f"{what}: {_STOPPED['memory'].format(name=self.name, memory='what is left', seconds=0, signal='')}"
            )
        if reply.kind != "answer":
            raise RuntimeError(f"The {self.name} failed:\n{reply.body}")
        return reply

    def _reply(self, process: _Process, seconds: int | None, progress: Progress | None) -> Message:
        process.socket.settimeout(seconds)
        while True:
            message = receive(process.socket)
            if message.kind != "progress":
                return message
            if progress is not None:
                try:
                    progress(*message.body)
                except BaseException as raised:
                    self._cancel(process)
                    raise _Ended(raised) from raised

    def _cancel(self, process: _Process) -> None:
        """End the request that runs; the process stays if it agrees in time."""
        process.socket.settimeout(_CANCEL_SECONDS)
        try:
            send(process.socket, Message("cancel"))
            while receive(process.socket).kind == "progress":
                pass
        except (ChannelError, OSError):
            self.close()

    def _alive(self) -> _Process:
        running = self._running
        if running is None or not self.alive():
            self.close()
            self.generation += 1
            running = self._running = _Process(self.name, self._setup)
        return running

    def alive(self) -> bool:
        """Return whether its process runs."""
        running = self._running
        return running is not None and running.owner == os.getpid() and running.usable()

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            running, self._running = self._running, None
            if running is not None and running.owner == os.getpid():
                running.stop()


_STOPPED = {
    "time": "expected a file that is done in {seconds} s. Received: one that takes longer, so the {name} was stopped "
    "(timed out after {seconds} s). " + f"If you trust the file, set {VARIABLE}=seconds=" + "{more_seconds}.",
    "memory": "expected a file that needs less memory than {memory}. Received: one that needs more, so the {name} was "
    f"stopped. If you trust the file, raise memory_bytes or model_memory_bytes with {VARIABLE}.",
    "died": "expected a file that can be read. Received: one that made the {name} die ({signal}). The file is damaged "
    "or was made to do this: get it again from where it came from.",
}


class _Process:
    """One child, its socket, and the thread that started it and watches it."""

    def __init__(self, name: str, setup: Mapping[str, str]) -> None:
        self.owner = os.getpid()
        self.folder = Path(tempfile.mkdtemp(prefix=f"diag-worker-{self.owner}-"))
        self.socket, self._far = socket.socketpair()
        for each in (self.socket, self._far):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                with contextlib.suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, option, 2**20)
        self._child: subprocess.Popen[bytes] | None = None
        self._failure: BaseException | None = None
        self._started, self._stop, self._busy = threading.Event(), threading.Event(), threading.Event()
        self._over: int = 0
        self._most = 0
        self._usable = True
        # The system ends the child with the thread that started it (PR_SET_PDEATHSIG): this one lives as long.
        threading.Thread(target=self._watch, args=(setup,), name=f"diag {name}", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            self.stop()
            raise UnsupportedModelError(
                f"The {name} cannot be started: {self._failure}. Set DIAG_ISOLATION=off to do without."
            )
        self.socket.settimeout(_START_SECONDS)
        try:
            receive(self.socket)
        except (ChannelError, OSError) as error:
            self.stop()
            raise RuntimeError(f"The {name} process ended while it started. Set DIAG_DEBUG=1 to see why.") from error

    def begin(self, most: int) -> None:
        """Bound the memory of the request that comes."""
        child = self._child
        self._most = most + memory.resident(child.pid if child else 0)
        self._busy.set()

    def end(self) -> None:
        """Say that no request runs."""
        self._busy.clear()

    def usable(self) -> bool:
        """Return whether it still runs."""
        return self._usable and self._child is not None and self._child.poll() is None

    def reason(self, *, timed_out: bool, seconds: int | None) -> str:
        """Return why it does not answer: ``"time"``, ``"memory"`` or ``"died"``."""
        if timed_out:
            return "time"
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(5)
            if self._child.returncode == -signal.SIGXCPU and seconds is not None:
                return "time"
        return "memory" if self._over else "died"

    def facts(self, name: str, seconds: int | None, bound: int) -> dict[str, Any]:
        """Return what the sentences of `_STOPPED` say."""
        code = None if self._child is None else self._child.returncode
        try:
            signal_name = signal.strsignal(-code) or f"signal {-code}" if code is not None and code < 0 else None
        except ValueError:
            signal_name = None
        return {
            "name": name,
            "seconds": seconds,
            "more_seconds": 4 * (seconds or 1),
            "memory": f"{bound / 2**30:.1f} GiB",
            "signal": (signal_name or f"exit status {code}").lower(),
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
                self._over = self._most
                self._child.kill()
                return
            self._stop.wait(_POLL)
            if self._child.poll() is not None:
                return

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
            stderr=None if os.environ.get("DIAG_DEBUG") else subprocess.DEVNULL,
            env=clean_environment(self.folder),
            pass_fds=(self._far.fileno(),),
            start_new_session=True,
            cwd=self.folder,
        )


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
    """Return the folders that hold diag and what it needs, for a Python that looks only where it is installed."""
    found: list[str] = []
    for name in _PACKAGES:
        with contextlib.suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.origin is not None:
                found.append(str(Path(spec.origin).resolve().parents[1]))
    return list(dict.fromkeys(found))


_workers: dict[str, Worker] = {}
_making = threading.Lock()


def _worker(name: str, setup: str) -> Worker:
    with _making:
        if name not in _workers:
            if not _workers:
                atexit.register(close_all)
                _sweep()
            _workers[name] = Worker(name, setup)
        return _workers[name]


def reader() -> Worker:
    """Return the worker that reads files; it does not import TensorFlow."""
    return _worker("reader", "")


def models() -> Worker:
    """Return the worker that builds networks and runs them."""
    return _worker("model process", "diag._lazy:import_keras")


def close_all() -> None:
    """End all workers; they start again when they are needed."""
    for worker in list(_workers.values()):
        worker.close()


def _sweep() -> None:
    """Remove the folders of workers whose callers were killed."""
    for folder in Path(tempfile.gettempdir()).glob("diag-worker-*-*"):
        owner = folder.name.split("-")[2]
        if owner.isdecimal() and not _runs(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
