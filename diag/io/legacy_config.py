"""Configurations of Keras 1 and 2 in today's words. Pure functions; nothing is built here.

What inference does not need - initializers, regularizers, constraints, losses - is dropped.
Facts are from Keras's own release notes and its ``legacy`` modules.
"""

from __future__ import annotations

from typing import Any

from diag.io.layer_shapes import entry_name

# Keras 1 class -> today's.
_CLASSES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution2D": "Conv2D",
    "SeparableConvolution2D": "SeparableConv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "Model": "Functional",
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
    "BatchNormalizationV1": "BatchNormalization",
}
# Keras 1 argument -> today's.
_ARGUMENTS = {
    "nb_filter": "filters",
    "border_mode": "padding",
    "subsample": "strides",
    "subsample_length": "strides",
    "atrous_rate": "dilation_rate",
    "bias": "use_bias",
    "output_dim": "units",
    "inner_activation": "recurrent_activation",
    "p": "rate",
    "pool_length": "pool_size",
    "stride": "strides",
    "sigma": "stddev",
}
_UNUSED = ("_initializer", "_regularizer", "_constraint")
_SEQUENCE_1 = ("LSTM", "GRU", "SimpleRNN", "Dense", "Embedding")


def modernize(config: dict[str, Any], keras_major: int) -> dict[str, Any]:
    """Return a model's configuration as Keras 3 reads it; nested models included.

    Parameters
    ----------
    config : dict
        ``{"class_name": "Sequential" | "Functional" | "Model", "config": ...}``.
    keras_major : int
        1 or 2: the version that wrote it.
    """
    kind = _CLASSES.get(config["class_name"], config["class_name"])
    inner = config["config"]
    if kind == "Sequential":
        found = inner if isinstance(inner, list) else inner.get("layers", [])
        name = None if isinstance(inner, list) else inner.get("name")
        layers = [_layer(entry, keras_major) for entry in found]
        first = layers[0]["config"] if layers else {}
        shape = first.pop("batch_input_shape", None) or first.pop("batch_shape", None)
        if shape is None and not isinstance(inner, list):
            shape = inner.get("build_input_shape")
        if layers and layers[0]["class_name"] != "InputLayer" and shape is not None:
            layers.insert(0, _input_layer(shape, f"{layers[0]['config'].get('name', 'model')}_input"))
        elif layers and layers[0]["class_name"] == "InputLayer":
            layers[0]["config"]["batch_shape"] = shape
        for entry in layers[1:]:
            entry["config"].pop("batch_input_shape", None)
        return {"class_name": "Sequential", "config": {"name": name or "sequential", "layers": layers}}
    if kind == "Functional":
        layers = [_layer(entry, keras_major) for entry in inner["layers"]]
        for entry in layers:
            shape = entry["config"].pop("batch_input_shape", None)
            if entry["class_name"] == "InputLayer":
                entry["config"]["batch_shape"] = shape or entry["config"].get("batch_shape")
        ends = {key: _listed_ends(inner[key]) for key in ("input_layers", "output_layers")}
        return {"class_name": "Functional", "config": {"name": inner.get("name", "model"), "layers": layers, **ends}}
    return config


def _listed_ends(value: Any) -> Any:
    return [value] if value and isinstance(value[0], str) else value


def _input_layer(shape: Any, name: str) -> dict[str, Any]:
    return {"class_name": "InputLayer", "config": {"batch_shape": list(shape), "name": name}}


def _layer(entry: dict[str, Any], keras_major: int) -> dict[str, Any]:
    kind = _CLASSES.get(entry["class_name"], entry["class_name"])
    if kind in ("Sequential", "Functional"):
        nested = modernize({"class_name": kind, "config": entry["config"]}, keras_major)
        nested["config"]["name"] = entry_name(entry)
        fresh = {**nested, "name": entry_name(entry)}
    else:
        values = dict(entry["config"])
        values.setdefault("name", entry_name(entry))
        if keras_major == 1:
            values = _from_keras_1(kind, values)
        wrapped = values.get("layer")
        if isinstance(wrapped, dict):
            values["layer"] = _layer(wrapped, keras_major)
        fresh = {"class_name": kind, "config": _cleaned(kind, values, keras_major), "name": values["name"]}
    if "inbound_nodes" in entry:
        fresh["inbound_nodes"] = entry["inbound_nodes"]
    return fresh


def _from_keras_1(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    if "nb_row" in values:
        values["kernel_size"] = [values.pop("nb_row"), values.pop("nb_col")]
    if "filter_length" in values:
        values["kernel_size"] = values.pop("filter_length")
    if "dim_ordering" in values:
        ordering = values.pop("dim_ordering")
        values["data_format"] = "channels_first" if ordering == "th" else "channels_last"
    for old, new in _ARGUMENTS.items():
        if old in values and not (old == "output_dim" and kind not in _SEQUENCE_1):
            values[new] = values.pop(old)
    if isinstance(values.get("padding"), str) or kind.startswith(("ZeroPadding", "Cropping")):
        return values
    values.pop("padding", None)
    return values


def _cleaned(kind: str, values: dict[str, Any], keras_major: int) -> dict[str, Any]:
    """Return a layer's configuration without what today's layer does not take."""
    if kind == "LeakyReLU" and "alpha" in values:
        values["negative_slope"] = _number(values.pop("alpha"))
    if kind == "GRU" and keras_major < 3:
        values.setdefault("reset_after", False)
    if kind == "BatchNormalization" and isinstance(values.get("axis"), list):
        values["axis"] = values["axis"][0]
    if isinstance(values.get("dtype"), dict):
        values.pop("dtype")
    shape = values.get("batch_input_shape") or values.get("batch_shape")
    allowed = arguments_of(kind)
    kept = {
        key: value
        for key, value in values.items()
        if not key.endswith(_UNUSED) and (allowed is None or key in allowed) and key not in ("dtype", "input_shape")
    }
    if shape is not None:
        kept["batch_input_shape"] = shape
    return kept


def arguments_of(kind: str) -> set[str] | None:
    """Return the arguments that today's layer of that name takes, those of its base classes included."""
    import inspect

    from diag._lazy import import_keras

    layer = getattr(import_keras().layers, kind, None)
    if layer is None:
        return None
    names = {"name", "trainable"}
    for base in layer.__mro__[:-1]:
        if "__init__" in base.__dict__ and base.__module__.startswith("keras.src.layers"):
            names |= set(inspect.signature(base.__init__).parameters)
    return names - {"self", "args", "kwargs"}


def _number(value: Any) -> Any:
    """Return a number that Keras 2 may have written as ``{"class_name": "__ndarray__"| ..., "config": ...}``."""
    if isinstance(value, dict):
        inner = value.get("config", value.get("value"))
        return float(inner.get("value", inner)) if isinstance(inner, dict) else float(inner)
    return value
