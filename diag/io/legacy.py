"""Files of Keras 1 and 2: the configuration is put into today's words, the weights are assigned by ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_keras
from diag.errors import ModelLoadError
from diag.io.legacy_config import modernize

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from diag.io.audit import ModelFile

_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "SeparableConv2D", "DepthwiseConv2D")


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
        raise ModelLoadError(f"{path.name}: expected a Sequential or functional model. Received: {config['class_name']}.")
    builder = keras.Sequential if config["class_name"] == "Sequential" else keras.Model
    model = builder.from_config(config["config"])
    if not model.built:
        raise ModelLoadError(f"{path.name}: the file does not say what the model takes: its first layer has no input shape.")
    with h5py.File(path, "r") as source:
        group = source["model_weights"] if "model_weights" in source else source
        stored = _stored(group)
    _assign(model, stored, path.name, flipped=file.backend == "theano", keras_1=major == 1)
    _old_hard_sigmoid(model)
    return model


def _stored(group: Any) -> dict[str, list[tuple[str, NDArray[Any]]]]:
    """Return the weights of each layer that has some, in the order of the file: (name, array)."""
    found: dict[str, list[tuple[str, NDArray[Any]]]] = {}
    for raw in _names(group, "layer_names"):
        layer = group[raw]
        weights = [(name, np.asarray(layer[name])) for name in _names(layer, "weight_names")]
        if weights:
            found[raw] = weights
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
                f"{name}: the architecture has {len(layers)} layers with weights, the file has weights for {len(stored)}."
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
        own = [array for path, array in weights if inner.name in path.split("/")[:-1]]
        if len(own) != len(_variables(inner)):
            raise ModelLoadError(
                f"{name}: layer {layer.name}/{inner.name}: expected {len(_variables(inner))} weights. Received: {len(own)}."
            )
        shared.append((inner, own))
    return shared


def _leaves(model: Any) -> list[Any]:
    leaves = []
    for layer in model.layers:
        leaves += _leaves(layer) if hasattr(layer, "layers") else [layer]
    return [layer for layer in leaves if _variables(layer)]


def _converted(layer: Any, array: NDArray[Any], flipped: bool, keras_1: bool) -> NDArray[Any]:
    """Return one weight in today's layout: Keras 1 with Theano's order kept (out, in, h, w), Theano flips kernels."""
    kind = type(layer).__name__
    if kind not in _CONVOLUTIONS or array.ndim < 3:
        return array
    if keras_1 and array.ndim == 4 and layer.data_format == "channels_first":
        array = np.transpose(array, (2, 3, 1, 0))
    if keras_1 and kind == "Conv1D" and array.ndim == 4:
        array = array[:, 0]
    if flipped:
        spatial = tuple(range(array.ndim - 2))
        array = np.flip(array, spatial)
    return array


def _merged_gates(layer: Any, arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Join Keras 1's twelve LSTM weights (input, cell, forget, output: W, U, b each) into today's three."""
    if type(layer).__name__ == "LSTM" and len(arrays) == 12:
        order = (0, 6, 3, 9)  # Keras 1 keeps i, c, f, o; today's order is i, f, c, o
        return [np.concatenate([arrays[gate + part] for gate in order], axis=-1) for part in range(3)]
    return arrays


def _set(layer: Any, arrays: list[NDArray[Any]], name: str) -> None:
    variables = _variables(layer)
    if len(arrays) != len(variables):
        raise ModelLoadError(f"{name}: layer {layer.name}: expected {len(variables)} weights. Received: {len(arrays)}.")
    for variable, array in zip(variables, arrays, strict=True):
        if tuple(variable.shape) != array.shape:
            raise ModelLoadError(
                f"{name}: layer {layer.name}: expected weights of shape {tuple(variable.shape)}. Received: {array.shape}."
            )
        variable.assign(array)


def _old_hard_sigmoid(model: Any) -> None:
    """Give layers the hard sigmoid they were trained with: Keras 1 and 2 had clip(0.2 x + 0.5), Keras 3 has x / 6 + 0.5."""
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
        layers += _every(layer) if hasattr(layer, "layers") else [layer]
    return layers
