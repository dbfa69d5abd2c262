"""Configurations of Keras before version 1, and what versions 1 and 2 left open, in the form that the rest reads.

Before version 1, a layer was ``{"name": "Dense", "output_dim": 10, ...}``, and a model
``{"name": "Sequential", "layers": [...]}``; weights had no names but places: ``layer_0/param_0``. Keras ran on Theano
then; TensorFlow came with version 0.3.
"""

from __future__ import annotations

from typing import Any

from diag.errors import ModelLoadError

VERSION = "0.3"
_ONLY_KERAS_0 = ("custom_name", "cache_enabled")
# Layers whose axes have an order, which not every version wrote down for each.
_ORDERED = (
    "Convolution2D", "MaxPooling2D", "AveragePooling2D", "ZeroPadding2D", "UpSampling2D", "Cropping2D",
    "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Deconvolution2D", "AtrousConvolution2D", "LocallyConnected2D",
    "SeparableConvolution2D", "SpatialDropout2D",
)  # fmt: skip


def is_keras_0(values: dict[str, Any]) -> bool:
    """Return whether JSON is a model as Keras wrote it before version 1."""
    return "class_name" not in values and values.get("name") in ("Sequential", "Graph") and "config" not in values


def from_keras_0(values: dict[str, Any], source: str) -> dict[str, Any]:
    """Return a model of Keras before version 1 as version 1 would have written it, with layers named by their place.

    Parameters
    ----------
    values : dict
        ``{"name": "Sequential", "layers": [...]}``.
    source : str
        For messages.

    Raises
    ------
    ModelLoadError
        If it is not a Sequential.
    """
    layers = values.get("layers")
    if values.get("name") != "Sequential" or not isinstance(layers, list) or not all(map(_is_named, layers)):
        raise ModelLoadError(
            f"{source}: expected a Sequential of Keras before version 1. Received: {values.get('name')}, which no "
            "later Keras has. Rebuild the model with today's layers (module:function) and pass that."
        )
    entries = [_entry(layer, f"layer_{number}", source) for number, layer in enumerate(layers)]
    return {"class_name": "Sequential", "config": entries, "keras_version": VERSION, "backend": _backend(entries)}


def _is_named(layer: Any) -> bool:
    return isinstance(layer, dict) and isinstance(layer.get("name"), str)


def _entry(layer: dict[str, Any], place: str, source: str) -> dict[str, Any]:
    kind = layer["name"]
    values = {key: value for key, value in layer.items() if key not in _ONLY_KERAS_0} | {"name": place}
    if kind in _ORDERED:
        values.setdefault("dim_ordering", "th")
    if kind == "Reshape" and "dims" in values:
        values["target_shape"] = values.pop("dims")
    if kind == "BatchNormalization":
        values["keeps_deviation"] = True  # as `old_normalization` reads it
    if kind == "Merge":
        values["layers"] = [from_keras_0(branch, source) for branch in values.get("layers", [])]
    return {"class_name": kind, "config": values}


def _backend(entries: list[dict[str, Any]]) -> str:
    """Return ``"theano"``, unless axes are in TensorFlow's order."""
    return "tensorflow" if any(entry["config"].get("dim_ordering") == "tf" for entry in entries) else "theano"


def completed(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with shapes and padding as lists, and the order of axes where Keras 1.0 left it out.

    Some layers of Keras 1.0 (ZeroPadding2D, UpSampling2D) know the order of their axes but do not say it; it is that
    of the other layers.
    """
    said = set(_orders(config))
    return dict(_filled(config, said.pop() if len(said) == 1 else None))


def _orders(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["dim_ordering"]] if node.get("dim_ordering") in ("th", "tf") else []
        return own + [order for value in node.values() for order in _orders(value)]
    return [order for value in node for order in _orders(value)] if isinstance(node, list) else []


def _filled(node: Any, order: str | None) -> Any:
    if isinstance(node, list):
        return [_filled(value, order) for value in node]
    if not isinstance(node, dict):
        return node
    if node.get("class_name") == "TensorShape" and isinstance(node.get("items"), list):
        return node["items"]
    if node.get("class_name") == "Lambda":
        return node
    fresh = {key: _filled(value, order) for key, value in node.items()}
    inner = fresh.get("config")
    if str(fresh.get("class_name")).startswith("ZeroPadding") and isinstance(inner, dict) and "padding" in inner:
        inner = fresh["config"] = {**inner, "padding": _padding(inner["padding"])}
    if order and fresh.get("class_name") in _ORDERED and isinstance(inner, dict) and "data_format" not in inner:
        fresh["config"] = {"dim_ordering": order, **inner}
    return fresh


def _padding(value: Any) -> Any:
    """Return padding as pairs: Keras 1.2 also took four numbers, or ``{"top_pad": 1, ...}``."""
    if isinstance(value, dict):
        pads = [int(value.get(f"{side}_pad", 0)) for side in ("top", "bottom", "left", "right")]
        return [pads[:2], pads[2:]] if {"top_pad", "bottom_pad"} & set(value) else pads[2:]
    if isinstance(value, list) and len(value) == 4 and all(isinstance(pad, int) for pad in value):
        return [value[:2], value[2:]]
    return value
