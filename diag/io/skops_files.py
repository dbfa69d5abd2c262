"""What a ``.skops`` file says of the estimator in it: its schema is read as JSON, nothing is constructed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from diag.errors import DataError, ModelLoadError
from diag.io.npy_header import npy_header
from diag.printable import printable

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

# Packages whose classes skops may know as harmless; it has a list of its own, which decides when the file is loaded.
_HOMES = ("builtins", "collections", "numpy", "scipy", "sklearn")


def audit_skops(schema: dict[str, Any], archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    """Return the fields of a `ModelFile` that the schema knows.

    Raises
    ------
    ModelLoadError
        If it describes no estimator, or an array is not as large as it claims.
    """
    if "__class__" not in schema:
        raise ModelLoadError(f"{name}: schema.json: expected the description of an estimator. Received: other JSON.")
    arrays = {info.filename: _array_shape(info, archive, name) for info in archive.infolist()}
    fields = _attributes(schema)
    inner = fields
    if "steps" in fields:  # a pipeline: the last step has the classes, the first the number of features
        inner = _last_step(fields["steps"]) or fields
    shapes = {key: _shape_of(node, arrays) for key, node in {**fields, **inner}.items()}
    classes, features = shapes.get("classes_"), _integer(fields.get("n_features_in_") or inner.get("n_features_in_"))
    weights = [shapes.get(key) for key in ("coef_", "intercept_")]
    code = tuple(dict.fromkeys(_foreign(schema)))[:100]
    return {
        "class_name": printable(str(schema["__class__"]), 80),
        "layers": (),
        "n_params": sum(math.prod(shape) for shape in weights if shape is not None),
        "input_shape": None if features is None else (features,),
        "n_outputs": classes[0] if classes else None,
        "activation": None,
        "code": code,
        "refusal": _refusal(name, code) if code else None,
    }


def _foreign(schema: Any) -> Iterator[str]:
    """Yield the classes and functions that loading would use from packages that skops does not trust."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += reversed(node)
        elif isinstance(node, dict):
            waiting += reversed(list(node.values()))
            home = node.get("__module__")
            if home is not None and str(home).split(".")[0] not in _HOMES:
                yield printable(f"class {home}.{node.get('__class__')}", 120)


def _refusal(name: str, code: tuple[str, ...]) -> str:
    more = f" and {len(code) - 3} more" if len(code) > 3 else ""
    return (
        f"{name}: holds types that are not known to be harmless ({', '.join(code[:3])}{more}), so it was not loaded. "
        "Save an estimator made of scikit-learn's own parts; or, if you trust the file, pass trust=True (--trust)."
    )


def _attributes(node: Any) -> dict[str, Any]:
    content = node.get("content") if isinstance(node, dict) else None
    while isinstance(content, dict) and isinstance(content.get("content"), dict) and "__class__" in content:
        content = content["content"]
    return content if isinstance(content, dict) else {}


def _last_step(node: Any) -> dict[str, Any] | None:
    steps = node.get("content") if isinstance(node, dict) else None
    if not isinstance(steps, list) or not steps:
        return None
    pair = steps[-1].get("content") if isinstance(steps[-1], dict) else None
    return _attributes(pair[-1]) if isinstance(pair, list) and pair else None


def _integer(node: Any) -> int | None:
    content = node.get("content") if isinstance(node, dict) else None
    return int(content) if isinstance(content, str | int) and str(content).isdigit() else None


def _shape_of(node: Any, arrays: dict[str, tuple[int, ...] | None]) -> tuple[int, ...] | None:
    return arrays.get(str(node.get("file"))) if isinstance(node, dict) else None


def _array_shape(info: zipfile.ZipInfo, archive: zipfile.ZipFile, name: str) -> tuple[int, ...] | None:
    """Return the shape in the header of a member ``.npy``, which is as large as it claims; None of other members."""
    if not info.filename.endswith(".npy"):
        return None
    with archive.open(info) as file:
        try:
            return npy_header(file, info.file_size, printable(f"{name}: {info.filename}", 120)).shape
        except DataError as error:
            raise ModelLoadError(str(error)) from error
