"""What a ``.skops`` file says of the estimator in it: its schema is read as JSON, nothing is constructed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from diag.errors import ModelLoadError

if TYPE_CHECKING:
    import zipfile


def audit_skops(schema: dict[str, Any], archive: zipfile.ZipFile) -> dict[str, Any]:
    """Return the fields of a `ModelFile` that the schema knows."""
    if "__class__" not in schema:
        raise ModelLoadError("schema.json: expected the description of an estimator.")
    fields = _attributes(schema)
    inner = fields
    if "steps" in fields:  # a pipeline: the last step has the classes, the first the number of features
        inner = _last_step(fields["steps"]) or fields
    shapes = {name: _array_shape(node, archive) for name, node in {**fields, **inner}.items()}
    classes, features = shapes.get("classes_"), _integer(fields.get("n_features_in_") or inner.get("n_features_in_"))
    weights = [shapes.get(name) for name in ("coef_", "intercept_")]
    return {
        "class_name": str(schema["__class__"]),
        "layers": (),
        "n_params": sum(math.prod(shape) for shape in weights if shape is not None),
        "input_shape": None if features is None else (features,),
        "n_outputs": None if classes is None else classes[0],
        "activation": None,
    }


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


def _array_shape(node: Any, archive: zipfile.ZipFile) -> tuple[int, ...] | None:
    """Return the shape in the header of a member ``.npy``."""
    name = node.get("file") if isinstance(node, dict) else None
    if not isinstance(name, str) or not name.endswith(".npy") or name not in archive.namelist():
        return None
    from numpy.lib import format as npy

    with archive.open(name) as file:
        try:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape: tuple[int, ...] = read(file)[0]
        except ValueError:
            return None
    return shape
