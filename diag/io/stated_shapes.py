"""What a model takes, as its configuration states it: each version of Keras wrote it in another place."""

from __future__ import annotations

from typing import Any

from diag.io.layer_shapes import entries, stated_input
from diag.io.legacy_config import is_model
from diag.io.legacy_nodes import ends_of


def batch_shape_of(config: dict[str, Any], steps: list[dict[str, Any]]) -> Any:
    """Return the batch shape that a Sequential states, or None."""
    inner = config["config"]
    shape = _batch_shape(steps[0]) if steps else None
    if shape is None and isinstance(inner, dict):
        shape = inner.get("build_input_shape")
    built = config.get("build_config")
    if shape is None and isinstance(built, dict):
        shape = built.get("input_shape")
    if isinstance(shape, dict) and shape.get("class_name") == "TensorShape":
        shape = shape.get("items")
    if isinstance(shape, list | tuple) and shape and not isinstance(shape[0], list | tuple):
        return shape
    return None


def takes_several(entry: dict[str, Any]) -> bool:
    """Return whether a model inside the model is called more than once, and states its own shape for all calls."""
    if len(entry.get("inbound_nodes") or []) < 2:
        return False
    return entry["class_name"] != "Sequential" or batch_shape_of(entry, entries(entry)) is not None


def _batch_shape(entry: dict[str, Any]) -> Any:
    """Return the batch shape that a layer, or a nested model's own input, states."""
    values = entry["config"]
    if entry["class_name"] == "Sequential":
        return batch_shape_of(entry, entries(entry))
    if is_model(entry):
        first = ends_of(values["input_layers"])[0].layer
        inner = next((one for one in values["layers"] if one.get("name") == first), None)
        return _batch_shape(inner) if inner else None
    shape = values.get("batch_input_shape") or values.get("batch_shape")
    if shape is None:
        stated = stated_input(entry)
        shape = None if stated is None else [None, *stated]
    inner = values.get("layer")
    if shape is None and isinstance(inner, dict) and entry["class_name"] == "Bidirectional":
        shape = _batch_shape(inner)
    if shape is None and isinstance(values.get("input_dim"), int) and values["input_dim"] > 0:
        if entry["class_name"] == "Embedding":
            return [None, values.get("input_length")]
        if entry["class_name"] in ("Dense", "MaxoutDense", "Highway"):
            return [None, values["input_dim"]]
        return [None, values.get("input_length"), values["input_dim"]]
    return shape
