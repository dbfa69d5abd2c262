"""Models in another process: their files are read, and their networks built and asked, where a crash does no harm."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import ModelLoadError, UnsupportedModelError
from diag.io import audit as in_process
from diag.io.architectures import Architecture, candidates, is_code
from diag.io.backends import KerasBackend, SklearnBackend
from diag.io.file_codec import from_json
from diag.io.sources import stays_inside
from diag.io.store import Entry
from diag.worker import isolated, memory
from diag.worker.limits import Limits
from diag.worker.process import Call, Worker, models, reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from diag.io.backends import Backend
    from diag.io.model_file import ModelFile
    from diag.io.shape_rules import Shape

_BYTES_A_SECOND = 20 * 2**20
"""How large a file may be for one more second of processor time."""
SILENCE = 600
"""Seconds in which an operation on a network has to report progress."""
_MEMORY_A_BYTE = 8
"""Bytes of memory that building a network may take for each byte of its file, over the limit for small ones."""


def audit(
    path: Path | str, *, architecture: Architecture | None = None, input_shape: tuple[int | None, ...] | None = None
) -> ModelFile:
    """Read what a model file contains, without running anything in it, in a process that may die.

    Parameters
    ----------
    path : Path or str
    architecture : Architecture, optional
        Of a file that holds weights only; without it, a JSON file beside the weights is looked for.
    input_shape : tuple of int or None, optional
        Of one sample, where the file does not say it.

    Raises
    ------
    ModelLoadError
        If there is no such file, or it is not a saved classifier; the message says what it looks like. Also if
        reading it takes too long or too much memory, or makes the reader die.
    UnsafeModelError
        If its weights point outside the file.
    """
    path = Path(path)
    if not isolated():
        return in_process.audit(path, architecture=architecture, input_shape=input_shape)
    limits = Limits.current()
    reply = reader().call(
        "audit",
        _source(path, architecture, input_shape),
        what=path.name,
        seconds=limits.seconds,
        cpu_seconds=_cpu_seconds(_size(path)),
        memory_bytes=limits.memory_bytes,
        granted=_granted(path),
        error=ModelLoadError,
    )
    return from_json(reply.body)


def _cpu_seconds(file_size: int, thirds: int = 1) -> int:
    """Return the processor time for reading a file, or building its network: thirds of the limit, more if large.

    Processor time, so that a busy machine refuses nothing that a quiet one takes.
    """
    return max(1, thirds * Limits.current().seconds // 3) + file_size // _BYTES_A_SECOND


def _size(path: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        return path.stat().st_size
    return 0


def _granted(path: Path) -> list[Path]:
    """Return what the process may read for a model: its file, and an architecture that lies beside it."""
    path = path.absolute()
    try:
        return [path, *(found for found in candidates(path) if stays_inside(found, path.parent))]
    except ValueError:  # a folder has no name that could be changed
        return [path]


def _source(path: Path, architecture: Architecture | None, input_shape: Shape | None) -> dict[str, Any]:
    given = None
    if architecture is not None:
        names = ("source", "config", "digest", "keras_version", "backend", "notes")
        given = {name: getattr(architecture, name) for name in names}
    return {"path": str(path.absolute()), "architecture": given, "input_shape": input_shape}


def backend_of(file: ModelFile, architecture: Architecture | None, input_shape: Shape | None) -> Backend:
    """Return what answers for a model: in another process, unless the user's own code builds it, or it is trusted."""
    if isolated() and not file.trusted and not (file.architecture is not None and is_code(file.architecture)):
        return WorkerBackend(file, _source(file.path, architecture, input_shape))
    return SklearnBackend(file) if file.format == "skops" else KerasBackend(file)


class WorkerBackend:
    """A model that another process holds. It is loaded there on first use, and again when that process died."""

    def __init__(self, file: ModelFile, source: dict[str, Any]) -> None:
        self._file = file
        self._spec = {**source, "output": file.output if len(file.outputs) > 1 else None, "digest": file.bytes_digest}
        self._granted = _granted(file.path)
        self._here: KerasBackend | None = None
        self._lock = threading.Lock()

    @property
    def model(self) -> Any:
        """The `keras.Model`, loaded into the caller's own process."""
        if self._file.format == "skops":
            raise UnsupportedModelError(f"{self._file.path.name}: expected a Keras network. Received: an estimator.")
        with self._lock:
            if self._here is None:
                self.prepare()  # what does harm, does it there
                self._here = KerasBackend(self._file)
            return self._here.model

    def prepare(self) -> None:
        """Load the model, if no process holds it."""
        self._worker().call("load", self._spec, first=self._load(), **self._options(Limits.current().seconds))

    def predict(
        self, inputs: NDArray[np.float32], extra: Mapping[str, NDArray[Any]] | None = None
    ) -> NDArray[np.float32]:
        """Return the output for one batch; `extra` holds further inputs by name."""
        arrays = {"inputs": inputs, **{f"extra {name}": np.asarray(rows) for name, rows in (extra or {}).items()}}
        given = _MEMORY_A_BYTE * self._file.file_size + 4 * sum(array.nbytes for array in arrays.values())
        options = self._options(Limits.current().seconds * max(1, len(inputs)))
        options |= {"memory_bytes": memory.answering(given), "memory_limit": "model_memory_bytes"}
        reply = self._worker().call("predict", self._spec, arrays, first=self._load(), **options)
        return reply.arrays["outputs"]

    def run(
        self,
        name: str,
        arrays: Mapping[str, NDArray[Any]],
        options: Mapping[str, Any],
        progress: Callable[[int, int], None] | None = None,
    ) -> Entry:
        """Return what an operation of `OPERATIONS` finds out about the network."""
        body = {"model": self._spec, "name": name, "options": dict(options)}
        granted = self._options(max(SILENCE, Limits.current().seconds))
        reply = self._worker().call("run", body, arrays, first=self._load(), progress=progress, **granted)
        return Entry(meta=reply.body, arrays=dict(reply.arrays))

    def _worker(self) -> Worker:
        """Return where it lives: an estimator needs no TensorFlow."""
        return reader() if self._file.format == "skops" else models()

    def _load(self) -> Call:
        bound = Limits.current().memory_bytes + _MEMORY_A_BYTE * self._file.file_size
        options = {**self._options(Limits.current().seconds), "memory_bytes": bound, "error": ModelLoadError}
        options["cpu_seconds"] = _cpu_seconds(self._file.file_size, 2)
        return Call("load", self._spec, **options)

    def _options(self, seconds: int) -> dict[str, Any]:
        return {
            "what": self._file.path.name,
            "seconds": seconds,
            "granted": self._granted,
            "error": UnsupportedModelError,
        }
