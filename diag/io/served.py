"""What a worker answers about models. Runs in the process that may die; `diag.io.isolated` is the other side."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag.errors import ModelLoadError
from diag.io import served_data
from diag.io.architectures import Architecture
from diag.io.audit import audit
from diag.io.backends import Backend, KerasBackend, SklearnBackend
from diag.io.ends import with_output
from diag.io.file_codec import to_json
from diag.worker.child import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from diag.io.model_file import ModelFile

KEPT = 4
"""Networks that stay loaded."""


def described(body: Mapping[str, Any]) -> ModelFile:
    """Return what the file of a request holds: ``path``, ``architecture``, ``input_shape``."""
    given = body["architecture"]
    architecture = None if given is None else Architecture(**{**given, "notes": tuple(given["notes"])})
    shape = body["input_shape"]
    return audit(Path(body["path"]), architecture=architecture, input_shape=None if shape is None else tuple(shape))


def _audit(request: Request) -> Answer:
    return Answer(to_json(described(request.body)))


@functools.lru_cache(maxsize=KEPT)
def _backend(spec: str) -> Backend:
    """Return what answers for a model; `spec` is JSON."""
    body = json.loads(spec)
    file = described(body)
    if body["output"] is not None:
        file = with_output(file, body["output"])
    if file.bytes_digest != body["digest"]:
        raise ModelLoadError(
            f"{file.path.name}: expected the file as it was when it was opened. Received: another one, written since. "
            "Load it again."
        )
    backend: Backend = SklearnBackend(file) if file.format == "skops" else KerasBackend(file)
    backend.prepare()
    return backend


def _load(request: Request) -> Answer:
    _backend(json.dumps(request.body, sort_keys=True))
    return Answer()


def _predict(request: Request) -> Answer:
    backend = _backend(json.dumps(request.body, sort_keys=True))
    extra = {name.removeprefix("extra "): rows for name, rows in request.arrays.items() if name != "inputs"}
    return Answer(arrays={"outputs": backend.predict(request.arrays["inputs"], extra or None)})


def _run(request: Request) -> Answer:
    backend = _backend(json.dumps(request.body["model"], sort_keys=True))
    entry = backend.run(request.body["name"], request.arrays, request.body["options"], request.progress)
    return Answer(dict(entry.meta), entry.arrays)


HANDLERS: dict[str, Callable[[Request], Answer]] = {
    "audit": _audit,
    "load": _load,
    "predict": _predict,
    "run": _run,
    **served_data.HANDLERS,
}
