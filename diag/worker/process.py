"""The caller's side: workers that are started when they are needed, kept warm, watched, and replaced when they die."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag.errors import DiagError, UnsupportedModelError
from diag.worker import memory
from diag.worker.channel import ChannelError, Message, receive, send
from diag.worker.limits import VARIABLE, Limits
from diag.worker.processes import runs
from diag.worker.roots import narrowed
from diag.worker.spawned import Child, error_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Progress = Callable[[int, int], None]

_CANCEL_SECONDS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A request and what it is granted.

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
    cpu_seconds : int
        Of processor time, anew with each report; 0 for what the longest silence allows on all processors.
    memory_bytes : int
        Of resident memory over what the process has; 0 for three quarters of the machine's.
    memory_limit : str
        Which of `Limits` raises it, for messages.
    granted : sequence of str or Path
        Files and folders that the child may read.
    error : class of DiagError
        Raised when the process dies or is stopped.
    """

    request: str
    body: Any = None
    arrays: Mapping[str, NDArray[Any]] | None = None
    what: str = "the request"
    seconds: int | None = None
    cpu_seconds: int = 0
    memory_bytes: int = 0
    memory_limit: str = "memory_bytes"
    granted: Sequence[str | Path] = ()
    error: type[DiagError] = UnsupportedModelError

    def message(self, bound: int) -> Message:
        """Return what is sent."""
        body = {
            "body": self.body,
            "memory": bound,
            "cpu_seconds": self.cpu_seconds or (self.seconds or 0) * (os.cpu_count() or 1),
            "granted": [str(path) for path in narrowed(self.granted) if "\0" not in str(path)],
            "limits": Limits.current().text(),
        }
        return Message(self.request, body, self.arrays or {})

    def memory(self) -> dict[str, str]:
        """Return how much memory is granted, and the limit that grants more, for messages."""
        bound = self.memory_bytes or memory.most()
        limit = self.memory_limit if self.memory_bytes else "model_memory_bytes"
        return {"memory": f"{bound / 2**30:.1f} GiB", "memory_limit": f"{limit}={2 * bound}"}


class _Carrier(Exception):  # noqa: N818 - no error of ours
    """Carries what is to be raised to where that is decided."""

    def __init__(self, raised: BaseException) -> None:
        super().__init__()
        self.raised = raised


class _Ended(_Carrier):
    """A request was ended by what its caller's progress function raised."""


class _Died(_Carrier):
    """The process died of a request: an error, if no other request can be the reason."""


class Worker:
    """Child processes that answer requests, each one at a time, from any thread.

    Parameters
    ----------
    name : str
        What it is called in messages: ``"reader"``.
    setup : str
        ``module:function`` that a child calls when it starts; empty for none.
    handlers : str
        The module whose ``HANDLERS`` maps a request's name to the function that answers it.
    most : int
        Children, at most. Another one is started when all are busy.
    """

    def __init__(self, name: str, setup: str = "", handlers: str = "diag.io.served", most: int = 1) -> None:
        self.name = name
        self.generation = 0
        """Counts the processes so far: what one kept is gone in the next."""
        self._setup = {"setup": setup, "handlers": handlers}
        self._most = most
        self._turn = threading.Condition()
        self._starting = 0
        self._children: list[Child] = []

    def call(
        self,
        request: str,
        body: Any = None,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        *,
        progress: Progress | None = None,
        first: Call | None = None,
        **options: Any,
    ) -> Message:
        """Return the answer to a request.

        Parameters
        ----------
        request, body, arrays, **options
            Of a `Call`.
        progress : callable, optional
            Gets (work done, work in all). What it raises ends the request, and is raised here.
        first : Call, optional
            What the child that answers has to have done before, once.

        Raises
        ------
        DiagError
            What the child raised, with its class; or the call's `error`, when it died or was stopped.
        """
        key = "" if first is None else repr((first.request, first.body))
        while True:
            with self._child(key) as child:
                fresh = not child.answered
                try:
                    if first is not None and key not in child.ready:
                        self._ask(child, first, None)
                        child.ready.add(key)
                    return self._ask(child, Call(request, body, arrays, **options), progress)
                except _Died as died:
                    if fresh:
                        raise died.raised from None
                    # What another file left in the process may be why, such as TensorFlow's pool, which after large
                    # networks asks for all that is granted at once. This file is judged by a new process.

    def _ask(self, child: Child, call: Call, progress: Progress | None) -> Message:
        bound = call.memory_bytes or memory.most()
        try:
            child.begin(bound)
            child.socket.settimeout(call.seconds)
            send(child.socket, call.message(bound))
            reply = self._reply(child, progress)
        except (ChannelError, ConnectionError, TimeoutError) as cause:
            reason = child.reason(timed_out=isinstance(cause, TimeoutError))
            child.stop()
            facts = child.facts(self.name, call.seconds, call.cpu_seconds)
            text = _STOPPED[reason].format(**facts, **call.memory())
            error = call.error(f"{call.what}: {text}")
            raise (error if reason == "time" or child.over else _Died(error)) from None
        except _Ended as ended:
            raise ended.raised from None
        except BaseException:
            child.stop()  # half a message may be on the way
            raise
        finally:
            child.end()
        child.answered += 1
        return self._opened(reply, call)

    def _opened(self, reply: Message, call: Call) -> Message:
        """Return an answer; raise what else came."""
        if reply.kind == "error":
            raise error_of(reply)
        if reply.kind == "memory":
            raise call.error(f"{call.what}: {_STOPPED['memory'].format(name=self.name, **call.memory())}")
        if reply.kind != "answer":
            raise RuntimeError(f"The {self.name} failed:\n{reply.body}")
        return reply

    def _reply(self, child: Child, progress: Progress | None) -> Message:
        while True:
            child.wait()
            message = receive(child.socket, memory.most())
            if message.kind != "progress":
                return message
            if not (isinstance(message.body, list) and list(map(type, message.body)) == [int, int]):
                raise ChannelError("progress that is none")
            if progress is not None:
                try:
                    progress(*message.body)
                except BaseException as raised:
                    self._cancel(child)
                    raise _Ended(raised) from raised

    def _cancel(self, child: Child) -> None:
        """End the request that runs; the process stays if it agrees in time."""
        child.socket.settimeout(_CANCEL_SECONDS)
        try:
            send(child.socket, Message("cancel"))
            while receive(child.socket).kind == "progress":
                pass
        except (ChannelError, OSError):
            child.stop()

    @contextlib.contextmanager
    def _child(self, key: str) -> Iterator[Child]:
        """Give a child to this thread alone: a free one, or another one; wait if there are enough and all are busy."""
        child = self._taken(key) or self._another()
        try:
            yield child
        finally:
            with self._turn:
                child.holder = None
                self._turn.notify()

    def _taken(self, key: str) -> Child | None:
        """Return a free child, one that has `key` ready if there is any; None where another one is to be started."""
        with self._turn:
            while True:
                child = self._free(key)
                if child is not None:
                    child.holder = threading.get_ident()
                    return child
                if len(self._children) + self._starting < self._most:
                    self._starting += 1
                    self.generation += 1
                    return None
                if any(each.holder == threading.get_ident() for each in self._children):
                    raise RuntimeError(f"a request to the {self.name} while the same thread waits for its answer")
                self._turn.wait()

    def _free(self, key: str) -> Child | None:
        self._children = [each for each in self._children if each.owner == os.getpid()]
        gone = [each for each in self._children if each.holder is None and not each.usable()]
        for each in gone:
            each.stop()  # it died between two requests
            self._children.remove(each)
        free = [each for each in self._children if each.holder is None]
        ready = [each for each in free if key in each.ready]
        return next(iter(ready or free), None)

    def _another(self) -> Child:
        """Start a child; meanwhile other threads take and give back those that are there."""
        child = None
        try:
            child = Child(self.name, self._setup)
            child.holder = threading.get_ident()
            return child
        finally:
            with self._turn:
                self._starting -= 1
                if child is not None:
                    self._children.append(child)
                self._turn.notify()

    def alive(self) -> bool:
        """Return whether there is a process."""
        return any(each.owner == os.getpid() and each.usable() for each in self._children)

    def close(self) -> None:
        """End all processes."""
        with self._turn:
            children, self._children = self._children, []
        for child in children:
            if child.owner == os.getpid():
                child.stop()


_STOPPED = {
    "time": "expected a file that is done in {seconds} s. Received: one that takes longer, so the {name} was stopped "
    "(timed out after {spent}). " + f"If you trust the file, set {VARIABLE}=seconds=" + "{more_seconds}.",
    "memory": "expected a file that needs less memory than {memory}. Received: one that needs more, so the {name} was "
    f"stopped. If you trust the file, set {VARIABLE}=" + "{memory_limit}.",
    "died": "expected a file that can be read. Received: one that made the {name} die ({signal}). The file is damaged "
    "or was made to do this: get it again from where it came from.",
}


_workers: dict[str, Worker] = {}
_making = threading.Lock()


def _worker(name: str, setup: str, most: int) -> Worker:
    with _making:
        if name not in _workers:
            if not _workers:
                atexit.register(close_all)
                _sweep()
            _workers[name] = Worker(name, setup, most=most)
        return _workers[name]


def reader() -> Worker:
    """Return the worker that reads files; it does not import TensorFlow."""
    return _worker("reader", "", 1)


def models() -> Worker:
    """Return the worker that builds networks and runs them: in a second process while the first is busy."""
    return _worker("model process", "diag._lazy:import_keras", 2)


def close_all() -> None:
    """End all workers; they start again when they are needed."""
    for worker in list(_workers.values()):
        worker.close()


def _sweep() -> None:
    """Remove the folders of workers whose callers were killed."""
    for folder in Path(tempfile.gettempdir()).glob("diag-worker-*-*"):
        owner = folder.name.split("-")[2]
        if owner.isdecimal() and not runs(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
