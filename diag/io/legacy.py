"""Files of Keras 1 and 2: the configuration is put into today's words, and weights are assigned here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_keras
from diag.errors import ModelLoadError, UnsafeModelError
from diag.io.layer_shapes import NESTED, entries, entry_name
from diag.io.legacy_config import modernize, plain_name

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from diag.io.audit import ModelFile

_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "SeparableConv2D", "DepthwiseConv2D")
_FLIPPED = (
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "Conv2DTranspose",
)  # whose kernels Theano turns round, as Keras 2 knew
_REMOVED = (
    "Merge",
    "MaxoutDense",
    "Highway",
    "LocallyConnected1D",
    "LocallyConnected2D",
    "TFOpLambda",
    "SlicingOpLambda",
)
# Where Keras 1 kept the gates: input, forget, cell, output of LSTM; update, reset, new of GRU.
_GATES = {("LSTM", 12): (0, 6, 3, 9), ("GRU", 9): (0, 3, 6)}


def load_legacy(path: Path, file: ModelFile) -> Any:
    """Return the `keras.Model` of an HDF5 file that Keras 1 or 2 wrote.

    Raises
    ------
    ModelLoadError
        If the weights do not fit the layers; the message names the layer.
    """
    import h5py

    keras = import_keras()
    major = int((file.keras_version or "1")[0]) if (file.keras_version or "1")[0].isdigit() else 2
    config = modernize(file.config or {}, major)
    if config["class_name"] not in ("Sequential", "Functional"):
        raise ModelLoadError(
            f"{path.name}: expected a Sequential or functional model. Received: {config['class_name']}."
        )
    _refuse_unknown(keras, config, path.name)
    model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    if not model.built:
        raise ModelLoadError(
            f"{path.name}: the file does not say what the model takes: its first layer has no input shape."
        )
    with h5py.File(path, "r") as source:
        group = source.get("model_weights", source)
        stored = _stored(group)
    _assign(model, stored, path.name, flipped=file.backend == "theano", keras_1=major == 1)
    _old_hard_sigmoid(model)
    return model


def _refuse_unknown(keras: Any, config: dict[str, Any], name: str) -> None:
    """Raise if a layer is not one of Keras's: then its code is not in the file."""
    for entry in entries(config):
        kind, label = entry["class_name"], entry_name(entry)
        if kind in NESTED:
            _refuse_unknown(keras, entry, name)
        elif kind in _REMOVED:
            raise ModelLoadError(
                f"{name}: layer {label!r} is a {kind}, which Keras 3 no longer has. "
                "Rebuild the model with today's layers and save it again."
            )
        elif not hasattr(keras.layers, kind):
            raise UnsafeModelError(
                f"{name}: layer {label!r} ({kind}) is not one of Keras's own. "
                "diag loads no foreign code: rebuild the model with Keras's layers and save it again."
            )


def _stored(group: Any) -> dict[str, list[tuple[str, NDArray[Any]]]]:
    """Return the weights of each layer that has some, in the order of the file: (name, array)."""
    found: dict[str, list[tuple[str, NDArray[Any]]]] = {}
    for raw in _names(group, "layer_names"):
        layer = group[raw]
        weights = [(name, np.asarray(layer[name])) for name in _names(layer, "weight_names")]
        if weights:
            found[plain_name(raw)] = weights
    return found


def _names(node: Any, key: str) -> list[str]:
    """Return a list of names, which HDF5's limit on attributes may have cut into ``key0``, ``key1``, ..."""
    chunks = [node.attrs[key]] if key in node.attrs else []
    number = 0
    while f"{key}{number}" in node.attrs:
        chunks.append(node.attrs[f"{key}{number}"])
        number += 1
    return [name.decode() if isinstance(name, bytes) else str(name) for chunk in chunks for name in chunk]


def _assign(
    model: Any, stored: dict[str, list[tuple[str, NDArray[Any]]]], name: str, *, flipped: bool, keras_1: bool
) -> None:
    layers = [layer for layer in model.layers if _variables(layer)]
    by_name = [(layer, stored.get(layer.name)) for layer in layers]
    if any(weights is None for _, weights in by_name):
        if len(layers) != len(stored):
            raise ModelLoadError(
                f"{name}: the architecture has {len(layers)} layers with weights, "
                f"the file has weights for {len(stored)}."
            )
        by_name = list(zip(layers, stored.values(), strict=True))
    for layer, weights in by_name:
        for inner, arrays in _by_inner_layer(layer, weights or [], name):
            fitted = [_converted(inner, array, flipped, keras_1) for array in arrays]
            fitted = _merged_gates(inner, fitted)
            _set(inner, fitted, name)


def _variables(layer: Any) -> list[Any]:
    return [variable for variable in layer.weights if "seed" not in variable.name]


def _by_inner_layer(
    layer: Any, weights: list[tuple[str, NDArray[Any]]], name: str
) -> list[tuple[Any, list[NDArray[Any]]]]:
    """Share a nested model's weights among its layers, by the layer's name in each weight's path."""
    if not hasattr(layer, "layers"):
        return [(layer, [array for _, array in weights])]
    shared = []
    for inner in _leaves(layer):
        own = [array for path, array in weights if _is_of(path, inner.name)]
        if len(own) != len(_variables(inner)):
            raise ModelLoadError(
                f"{name}: layer {layer.name}/{inner.name}: expected {len(_variables(inner))} weights. "
                f"Received: {len(own)}."
            )
        shared.append((inner, own))
    return shared


def _is_of(path: str, name: str) -> bool:
    """Return whether the weight ``outer/inner/kernel:0`` belongs to the layer of that name."""
    folders = path.split("/")[:-1]
    return any(
        plain_name("/".join(folders[start:stop])) == name for stop in range(len(folders) + 1) for start in range(stop)
    )


def _leaves(model: Any) -> list[Any]:
    leaves = []
    for layer in model.layers:
        leaves += _leaves(layer) if hasattr(layer, "layers") else [layer]
    return [layer for layer in leaves if _variables(layer)]


def _converted(layer: Any, array: NDArray[Any], flipped: bool, keras_1: bool) -> NDArray[Any]:
    """Return one weight in today's layout, turned back round if Theano wrote it."""
    kind = type(layer).__name__
    if kind not in _CONVOLUTIONS or array.ndim < 3:
        return array
    if keras_1 and array.ndim == 4:
        array = _from_keras_1(kind, array, first=layer.data_format == "channels_first")
    if flipped and kind in _FLIPPED:
        spatial = tuple(range(array.ndim - 2))
        array = np.flip(array, spatial)
    return array


def _from_keras_1(kind: str, kernel: NDArray[Any], *, first: bool) -> NDArray[Any]:
    """Return a kernel of Keras 1 as (h, w, in, out), for a transposed convolution as (h, w, out, in)."""
    if kind == "Conv1D":  # (length, 1, in, out), and before that (out, in, length, 1)
        return kernel[:, 0] if kernel.shape[1] == 1 else np.transpose(kernel, (2, 3, 1, 0))[:, 0]
    if kind == "Conv2DTranspose":
        return np.transpose(kernel, (2, 3, 0, 1) if first else (0, 1, 3, 2))
    return np.transpose(kernel, (2, 3, 1, 0)) if first else kernel


def _merged_gates(layer: Any, arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Join Keras 1's recurrent weights, which are W, U, b for each gate, into today's three."""
    order = _GATES.get((type(layer).__name__, len(arrays)))
    if order is not None:
        return [np.concatenate([arrays[gate + part] for gate in order], axis=-1) for part in range(3)]
    return arrays


def _set(layer: Any, arrays: list[NDArray[Any]], name: str) -> None:
    variables = _variables(layer)
    if len(arrays) != len(variables):
        raise ModelLoadError(f"{name}: layer {layer.name}: expected {len(variables)} weights. Received: {len(arrays)}.")
    for variable, array in zip(variables, arrays, strict=True):
        if tuple(variable.shape) != array.shape:
            raise ModelLoadError(
                f"{name}: layer {layer.name}: expected weights of shape {tuple(variable.shape)}. "
                f"Received: {array.shape}."
            )
        variable.assign(array)


def _old_hard_sigmoid(model: Any) -> None:
    """Give layers the hard sigmoid they were trained with.

    Keras 1 and 2 had clip(0.2 x + 0.5, 0, 1); Keras 3 has clip(x / 6 + 0.5, 0, 1).
    """
    ops = import_keras().ops

    def hard_sigmoid(x: Any) -> Any:
        return ops.clip(0.2 * x + 0.5, 0.0, 1.0)

    for layer in _every(model):
        owner = getattr(layer, "cell", layer)  # recurrent layers hand their activations on to a cell
        for attribute in ("activation", "recurrent_activation"):
            if getattr(getattr(owner, attribute, None), "__name__", "") == "hard_sigmoid":
                setattr(owner, attribute, hard_sigmoid)


def _every(model: Any) -> list[Any]:
    layers = []
    for layer in model.layers:
        wrapped = [getattr(layer, key, None) for key in ("layer", "forward_layer", "backward_layer")]
        layers += (
            _every(layer) if hasattr(layer, "layers") else [layer, *(inner for inner in wrapped if inner is not None)]
        )
    return layers
