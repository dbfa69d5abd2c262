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
# The mode of Keras 1's Merge layer -> today's layer.
_MERGES = {
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "concat": "Concatenate",
}
_MODULES = {"Sequential": "keras", "Functional": "keras.src.models.functional"}
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
        return _object(kind, _sequential(inner, keras_major))
    if kind == "Functional":
        layers = [_layer(entry, keras_major) for entry in inner["layers"]]
        for entry in layers:
            shape = entry["config"].pop("batch_input_shape", None)
            if entry["class_name"] == "InputLayer":
                entry["config"]["batch_shape"] = shape or entry["config"].get("batch_shape")
        ends = {key: _ends(inner[key]) for key in ("input_layers", "output_layers")}
        return _object(kind, {"name": plain_name(inner.get("name", "model")), "layers": layers, **ends})
    return config


def plain_name(name: str) -> str:
    """Return a layer's name as Keras 3 allows it: without the slashes that Keras 2 let pass."""
    return name.replace("/", "_")


def _sequential(inner: Any, keras_major: int) -> dict[str, Any]:
    values: dict[str, Any] = {"layers": inner} if isinstance(inner, list) else inner
    layers = [_layer(entry, keras_major) for entry in values.get("layers", [])]
    shape = _taken(layers[0]) if layers else None
    shape = shape or values.get("build_input_shape")
    if layers and layers[0]["class_name"] == "InputLayer":
        layers[0]["config"]["batch_shape"] = shape
    elif layers and shape is not None:
        layers.insert(0, _input_layer(shape, f"{layers[0]['config'].get('name', 'model')}_input"))
    for entry in layers:
        entry["config"].pop("batch_input_shape", None)
    return {"name": plain_name(values.get("name") or "sequential"), "layers": layers}


def _taken(entry: dict[str, Any]) -> Any:
    """Return the batch shape that a layer, or a nested model's own input, states."""
    values = entry["config"]
    if entry["class_name"] == "Sequential":
        return _taken(values["layers"][0]) if values["layers"] else None
    if entry["class_name"] == "Functional":
        ends = values["input_layers"]
        first = ends[0] if isinstance(ends[0], str) else ends[0][0]
        return next((_taken(inner) for inner in values["layers"] if inner["name"] == first), None)
    return values.get("batch_input_shape") or values.get("batch_shape")


def _ends(value: Any) -> Any:
    """Return ``input_layers`` or ``output_layers``; a single one bare, else the model would return a list."""
    ends = [value] if value and isinstance(value[0], str) else value
    named = [[plain_name(end[0]), *end[1:]] for end in ends]
    return named[0] if len(named) == 1 else named


def _input_layer(shape: Any, name: str) -> dict[str, Any]:
    return _object("InputLayer", {"batch_shape": list(shape), "name": name})


def _object(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return an entry in the words of Keras 3, which look classes up in Keras alone."""
    module = _MODULES.get(kind, "keras.layers")
    return {"class_name": kind, "module": module, "registered_name": None, "config": values}


def _layer(entry: dict[str, Any], keras_major: int) -> dict[str, Any]:
    kind, label = _CLASSES.get(entry["class_name"], entry["class_name"]), plain_name(entry_name(entry))
    if kind in ("Sequential", "Functional"):
        fresh = modernize({"class_name": kind, "config": entry["config"]}, keras_major)
        fresh["config"]["name"] = label
    else:
        values = {**entry["config"], "name": label}
        if keras_major == 1:
            kind, values = _from_keras_1(kind, values)
        if kind == "ThresholdedReLU":
            kind, values["threshold"] = "ReLU", _number(values.pop("theta", 1.0))
        for key in ("layer", "backward_layer"):
            if isinstance(values.get(key), dict):
                values[key] = _layer(values[key], keras_major)
        fresh = _object(kind, _cleaned(kind, values, keras_major))
    fresh["name"] = label
    if "inbound_nodes" in entry:
        fresh["inbound_nodes"] = _renamed(entry["inbound_nodes"])
    return fresh


def _renamed(node: Any) -> Any:
    """Return inbound nodes with the layers' plain names: ``[[["conv/1", 0, 0, {}]]]``."""
    if isinstance(node, list):
        is_source = len(node) >= 3 and isinstance(node[0], str) and isinstance(node[1], int)
        return [plain_name(node[0]), *node[1:]] if is_source else [_renamed(part) for part in node]
    return node


def _from_keras_1(kind: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if kind == "Merge" and values.get("mode") in _MERGES:
        kind, values["axis"] = _MERGES[values["mode"]], values.get("concat_axis", -1)
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
        return kind, values
    values.pop("padding", None)
    return kind, values


def _cleaned(kind: str, values: dict[str, Any], keras_major: int) -> dict[str, Any]:
    """Return a layer's configuration without what today's layer does not take."""
    if kind == "LeakyReLU" and "alpha" in values:
        values["negative_slope"] = _number(values.pop("alpha"))
    if kind == "GRU" and keras_major < 3:
        values.setdefault("reset_after", False)
    if kind == "BatchNormalization" and isinstance(values.get("axis"), list):
        values["axis"] = values["axis"][0]
    for key in ("activation", "recurrent_activation"):
        if key in values:
            values[key] = _activation(values[key])
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


def _activation(value: Any) -> Any:
    """Return an activation as Keras 3 names it: TF wrote some with ``_v2``, some as dictionaries."""
    if isinstance(value, dict):
        inner = value.get("config")
        if not isinstance(inner, str):
            return _object(str(value.get("class_name")), dict(inner or {}))
        value = inner
    return value.removesuffix("_v2") if isinstance(value, str) else value


def _number(value: Any) -> Any:
    """Return a number that Keras 2 may have written as ``{"class_name": ..., "config": ...}``."""
    if isinstance(value, dict):
        inner = value.get("config", value.get("value"))
        return inner.get("value") if isinstance(inner, dict) else inner
    return value
