"""Layers of Keras 1 and 2 in today's words. Pure functions on configurations; nothing is built here.

What inference does not need - initializers, regularizers, constraints, losses - is dropped.
Facts are from Keras's own release notes and its ``legacy`` modules.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from diag.io.layer_shapes import NESTED, entries, entry_name

# Old class -> today's.
_CLASSES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Convolution2DTranspose": "Conv2DTranspose",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "AtrousConv2D": "Conv2D",
    "SeparableConvolution2D": "SeparableConv2D",
    "SeparableConvolution1D": "SeparableConv1D",
    "Deconvolution2D": "Conv2DTranspose",
    "Convolution3DTranspose": "Conv3DTranspose",
    "Model": "Functional",
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
    "TimeDistributedDense": "Dense",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "LSTMV1": "LSTM",
    "LSTMV2": "LSTM",
    "GRUV1": "GRU",
    "GRUV2": "GRU",
    "NormalizationV1": "Normalization",
    "DenseFeaturesV2": "DenseFeatures",
    "FixedDropout": "Dropout",  # of the EfficientNet package: differs in training only
    "DropoutV1": "Dropout",
    "AlphaDropoutV1": "AlphaDropout",
}
# Layers that act in training only, where Keras has no such layer any more.
_IDLE = ("ActivityRegularization", "RandomHeight", "RandomWidth", "DropConnect")
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
    "length": "size",
}
# The mode of Keras 1's Merge layer -> today's layer.
MERGES = {
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "concat": "Concatenate",
    "dot": "Dot",
    "cos": "Dot",
}
_ACTIVATIONS = {"swish": "silu", "hard_swish": "hard_silu", "Swish": "silu", "Mish": "mish", "Relu6": "relu6"}
_UNUSED = ("_initializer", "_regularizer", "_constraint")
_SEQUENCE_1 = ("LSTM", "GRU", "SimpleRNN", "Dense")
_KERAS_1_WORDS = {"nb_filter", "border_mode", "dim_ordering", "inner_activation", "W_regularizer", "nb_row"}


def plain_name(name: str) -> str:
    """Return a layer's name as Keras 3 and TensorFlow's scopes allow it.

    Examples
    --------
    >>> plain_name("block/conv 1"), plain_name("_x"), plain_name("conv2d")
    ('block_conv_1', 'layer_x', 'conv2d')
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return plain if re.match(r"[A-Za-z0-9]", plain) else f"layer{plain}"


def era(config: dict[str, Any], version: str | None) -> int:
    """Return the major version of Keras (1, 2 or 3) that wrote a configuration."""
    found = entries(config)
    if version and version[0].isdigit():
        return max(int(version[0]), 1)  # `early_keras` has brought what was before version 1 to version 1
    if any(isinstance(entry["config"], dict) and _KERAS_1_WORDS & set(entry["config"]) for entry in found):
        return 1
    if any("registered_name" in entry for entry in found):
        return 3
    return 1 if version is None and isinstance(config["config"], list) and not _says_units(found) else 2


def _says_units(found: list[dict[str, Any]]) -> bool:
    return any(isinstance(entry["config"], dict) and "use_bias" in entry["config"] for entry in found)


def translated(kind: str, values: dict[str, Any], major: int) -> tuple[str, dict[str, Any]]:
    """Return a layer's class and arguments as today's Keras takes them.

    Parameters
    ----------
    kind : str
        The class in the file.
    values : dict
        Its configuration; it is not changed.
    major : int
        1 or 2: the version that wrote it.
    """
    cudnn = kind.startswith("CuDNN")
    kind, values = _CLASSES.get(kind, kind), dict(values)
    if kind in _IDLE:
        return "Activation", {"name": values.get("name"), "activation": "linear"}
    if major == 1:
        values = _from_keras_1(kind, values)
    if kind == "ThresholdedReLU":
        kind, values["threshold"] = "ReLU", number(values.pop("theta", 1.0))
    if kind == "LeakyReLU" and "alpha" in values:
        values["negative_slope"] = number(values.pop("alpha"))
    if kind in ("ReLU", "ELU"):
        values = {key: number(value) for key, value in values.items()}
    if kind == "GRU":
        values["reset_after"] = True if cudnn else values.get("reset_after", False)
    if kind in ("BatchNormalization", "Softmax") and isinstance(values.get("axis"), list) and len(values["axis"]) == 1:
        values["axis"] = values["axis"][0]
    if "rate" in values and "Dropout" in kind:
        values["rate"] = _share(values["rate"])
    for key in ("activation", "recurrent_activation"):
        if key in values:
            values[key] = _activation(values[key])
    return kind, _allowed(kind, values)


def _from_keras_1(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of Keras 1 under today's names."""
    if kind == "Conv2DTranspose":
        values.pop("output_shape", None)
    if "nb_row" in values:
        values["kernel_size"] = [values.pop("nb_row"), values.pop("nb_col")]
    if "kernel_dim1" in values:
        values["kernel_size"] = [values.pop(f"kernel_dim{axis}") for axis in (1, 2, 3)]
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


def _allowed(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return arguments without what today's layer does not take, or what only training needs."""
    allowed = arguments_of(kind)
    return {
        key: value
        for key, value in values.items()
        if not key.endswith(_UNUSED)
        and (allowed is None or key in allowed)
        and key not in ("dtype", "input_shape", "batch_size", "sparse", "ragged", "trainable")
    }


@lru_cache(maxsize=256)
def arguments_of(kind: str) -> frozenset[str] | None:
    """Return the arguments that today's layer of that name takes, with those that it hands on to its base classes."""
    import inspect

    from diag._lazy import import_keras

    layer = getattr(import_keras().layers, kind, None)
    if layer is None:
        return None
    names = {"name", "trainable"}
    for base in layer.__mro__[:-1]:
        if "__init__" in base.__dict__ and base.__module__.startswith("keras.src.layers"):
            parameters = inspect.signature(base.__init__).parameters
            names |= set(parameters)
            if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
                break
    return frozenset(names - {"self", "args", "kwargs"})


def _activation(value: Any) -> Any:
    """Return an activation as Keras 3 names it: TF wrote some with ``_v2``, some as dictionaries."""
    if isinstance(value, dict):
        inner = value.get("config")
        kind = str(value.get("class_name"))
        if not isinstance(inner, str):
            known = _ACTIVATIONS.get(kind)
            if known:
                return known
            kind, inner = translated(kind, dict(inner or {}), 2)
            return {"class_name": kind, "module": "keras.layers", "registered_name": None, "config": inner}
        value = inner
    if not isinstance(value, str):
        return value
    plain = value.removesuffix("_v2").removesuffix("_v1").split(">")[-1]
    return _ACTIVATIONS.get(plain, plain)


def number(value: Any) -> Any:
    """Return a number that Keras 2 may have written as ``{"class_name": ..., "config": ...}``."""
    if isinstance(value, dict):
        inner = value.get("config", value.get("value"))
        return inner.get("value") if isinstance(inner, dict) else inner
    return value


def _share(value: Any) -> float:
    """Return a dropout rate that today's Keras takes: some wrote ``"0.5"``. It matters in training only."""
    try:
        return min(max(float(value), 0.0), 1.0)
    except (TypeError, ValueError):
        return 0.0


def is_model(entry: dict[str, Any]) -> bool:
    """Return whether an entry is a model inside the model."""
    return str(entry["class_name"]) in NESTED


def way_named(entry: dict[str, Any], before: str) -> dict[str, Any]:
    """Return an entry whose name says which way round a layer runs, as Keras 2 names weights."""
    name = entry_name(entry)
    name = name if name.startswith(("forward_", "backward_")) else f"{before}{name}"
    return {**entry, "config": {**entry["config"], "name": name}}


def cells_of(values: dict[str, Any], major: int) -> dict[str, Any]:
    """Return the cell or cells of a recurrent layer in today's words, those inside cells too."""

    def cell(entry: dict[str, Any]) -> dict[str, Any]:
        kind, inner = translated(str(entry["class_name"]), entry["config"], major)
        inner = {**inner, **cells_of(inner, major)}
        return {"class_name": kind, "module": "keras.layers", "registered_name": None, "config": inner}

    found: dict[str, Any] = {}
    if isinstance(values.get("cell"), dict):
        found["cell"] = cell(values["cell"])
    if isinstance(values.get("cells"), list):
        found["cells"] = [cell(entry) for entry in values["cells"]]
    return found
