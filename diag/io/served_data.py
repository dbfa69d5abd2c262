"""What the reader answers about data. Runs in the process that may die; `diag.io.remote_sources` is the other side."""

from __future__ import annotations

import contextlib
import json
import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from diag.errors import DataError
from diag.worker.child import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEPT = 8
"""Sources whose images stay open."""
_open: OrderedDict[str, tuple[str, Any]] = OrderedDict()


def _data(request: Request) -> Answer:
    """Read a source anew."""
    _as_caller(request.body)
    body, arrays = _read(request.body["spec"], request)
    return Answer(body, arrays)


def _read(spec: Mapping[str, Any], request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    from diag.io.readers import read_source
    from diag.io.remote_sources import packed
    from diag.io.sources import Request as Wanted
    from diag.io.sources import reporting

    pairs: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in spec["request"].items()
    }
    with reporting(request.progress):
        body, arrays, images = packed(read_source(spec["source"], Wanted(**pairs)))
    if images is not None:
        key = json.dumps(spec, sort_keys=True)
        _open[key] = body["content"], images
        _open.move_to_end(key)
        while len(_open) > KEPT:
            _open.popitem(last=False)
    return body, arrays


def _rows(request: Request) -> Answer:
    """Return some images of a source, which is read again where it is not open any more."""
    import numpy as np

    from diag.io.sources import reporting

    spec = request.body["spec"]
    key = json.dumps(spec, sort_keys=True)
    _as_caller(request.body)
    if key not in _open:
        _read(spec, request)
    content, images = _open.get(key, ("", None))
    if content != request.body["content"] or images is None:
        raise DataError(
            f"{spec['source']}: expected the data as they were when they were loaded. Received: others, written since. "
            "Load them again."
        )
    _open.move_to_end(key)
    with reporting(request.progress):
        return Answer(arrays={"rows": np.asarray(images[request.arrays["rows"]])})


def _as_caller(body: Mapping[str, Any]) -> None:
    """Have relative paths begin where they do for the caller."""
    spec = body["spec"]
    with contextlib.suppress(OSError):
        os.chdir(spec["folder"])


HANDLERS: dict[str, Callable[[Request], Answer]] = {"data": _data, "data rows": _rows}
