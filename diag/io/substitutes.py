"""Layers that Keras no longer has, put together from those it has; and expressions as layers where one fits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_keras
from diag.errors import ModelLoadError
from diag.io.expressions import Node, evaluate
from diag.io.legacy_config import MERGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Arrays = list[NDArray[Any]]
    Fit = Callable[[Arrays], Arrays]

_ACTIVATIONS = ("relu", "relu6", "sigmoid", "tanh", "softplus", "softsign", "selu", "elu", "gelu", "silu")


def substitute(kind: str, values: dict[str, Any], x: Any) -> tuple[Any, Fit] | None:
    """Return a model of today's layers for a layer that is no more, and how its weights are laid out; None otherwise.

    Parameters
    ----------
    kind : str
        One of `SUBSTITUTED`.
    values : dict
        Its arguments, in the words of Keras 1 or 2.
    x : KerasTensor
        What it is called on.

    Notes
    -----
    Highway: y = t h + (1 - t) x, with t = sigmoid(x W_c + b_c), h = a(x W + b) (Srivastava et al. 2015,
    arXiv:1505.00387). Maxout: the maximum of k linear maps (Goodfellow et al. 2013, arXiv:1302.4389).
    """
    if kind not in SUBSTITUTED:
        return None
    keras = import_keras()
    several = isinstance(x, list)
    start = [keras.Input(batch_shape=one.shape) for one in x] if several else keras.Input(batch_shape=x.shape)
    end, fit = SUBSTITUTED[kind](keras, values, start)
    return keras.Model(start, end, name=values["name"]), fit


def _scaled_sum(keras: Any, values: dict[str, Any], x: Any) -> tuple[Any, Fit]:
    """Return the layer that InceptionResNetV2 joins its branches with: the first, and a share of the second."""
    scaled = keras.layers.Rescaling(float(values.get("scale", 1.0)))(x[1])
    return keras.layers.Add()([x[0], scaled]), lambda arrays: arrays


def _layer_scale(keras: Any, values: dict[str, Any], x: Any) -> tuple[Any, Fit]:
    """Return the layer of ConvNeXt that gives each channel a factor."""
    axes = "abdefgh"[: len(x.shape) - 1]
    scale = keras.layers.EinsumDense(f"{axes}c,c->{axes}c", output_shape=tuple(x.shape[1:]))
    return scale(x), lambda arrays: arrays


def _highway(keras: Any, values: dict[str, Any], x: Any) -> tuple[Any, Fit]:
    bias = bool(values.get("bias", True))
    share = keras.layers.Dense(x.shape[-1], activation="sigmoid", use_bias=bias, name="transform")(x)
    new = keras.layers.Dense(x.shape[-1], activation=values.get("activation", "linear"), use_bias=bias, name="new")(x)
    kept = keras.layers.Multiply()([keras.layers.Rescaling(-1.0, 1.0)(share), x])
    end = keras.layers.Add()([keras.layers.Multiply()([share, new]), kept])
    # W, W_carry, b, b_carry there; a layer after the other here.
    return end, lambda a: [a[1], a[3], a[0], a[2]] if bias else [a[1], a[0]]


def _maxout(keras: Any, values: dict[str, Any], x: Any) -> tuple[Any, Fit]:
    units, count = int(values["output_dim"]), int(values.get("nb_feature", 4))
    bias = bool(values.get("bias", True))
    every = keras.layers.Dense(units * count, use_bias=bias)(x)
    end = keras.ops.max(keras.layers.Reshape((count, units))(every), axis=1)

    def fit(arrays: Arrays) -> Arrays:  # (features, inputs, units), (features, units)
        kernel = np.moveaxis(arrays[0], 0, 1).reshape(arrays[0].shape[1], -1)
        return [kernel, *(array.reshape(-1) for array in arrays[1:])]

    return end, fit


def _locally_connected(keras: Any, values: dict[str, Any], x: Any) -> tuple[Any, Fit]:
    """Return a convolution whose kernel differs from place to place: patches, and a product for each."""
    flat = len(x.shape) == 3
    filters = int(values.get("filters") or values["nb_filter"])
    kernel = values.get("kernel_size") or values.get("filter_length") or [values.get("nb_row"), values.get("nb_col")]
    strides = values.get("strides") or values.get("subsample") or values.get("subsample_length") or 1
    first = values.get("data_format") == "channels_first" or values.get("dim_ordering") == "th"
    if first:
        x = keras.layers.Permute((2, 1) if flat else (2, 3, 1))(x)
    rows, columns = _two(kernel, flat)
    if flat:
        x = keras.layers.Reshape((x.shape[1], 1, x.shape[2]))(x)
    patches = keras.ops.image.extract_patches(x, (rows, columns), strides=_two(strides, flat), padding="valid")
    high, wide, size = patches.shape[1:]
    y = keras.layers.Reshape((high * wide, size))(patches)
    bias = bool(values.get("use_bias", values.get("bias", True)))
    y = keras.layers.EinsumDense("bpk,pkf->bpf", (high * wide, filters), bias_axes="pf" if bias else None)(y)
    y = keras.layers.Reshape((high, filters) if flat else (high, wide, filters))(y)
    if first:
        y = keras.layers.Permute((2, 1) if flat else (3, 1, 2))(y)
    y = keras.layers.Activation(values.get("activation") or "linear")(y)
    channels = size // (rows * columns)

    def fit(arrays: Arrays) -> Arrays:
        kernel = arrays[0].reshape(high * wide, size, filters)
        if first and not flat:  # its patches run over channels first
            kernel = kernel.reshape(-1, channels, rows * columns, filters).swapaxes(1, 2).reshape(kernel.shape)
        return [kernel, *(array.reshape(high * wide, filters) for array in arrays[1:])]

    return y, fit


def _same(keras: Any, values: dict[str, Any], x: Any) -> tuple[Any, Fit]:
    """Return the layer by which AutoKeras makes numbers of its input: they are numbers here."""
    return keras.layers.Activation("linear")(x), lambda arrays: arrays


def _one_more_axis(keras: Any, values: dict[str, Any], x: Any) -> tuple[Any, Fit]:
    """Return the layer by which AutoKeras gives grey images a channel."""
    return keras.layers.Reshape((*(-1 if size is None else size for size in x.shape[1:]), 1))(x), lambda arrays: arrays


def _two(value: Any, flat: bool) -> tuple[int, int]:
    sizes = [value] if isinstance(value, int) else list(value)
    if flat:
        return int(sizes[0]), 1
    return int(sizes[0]), int(sizes[-1])


SUBSTITUTED: dict[str, Any] = {
    "Highway": _highway,
    "MaxoutDense": _maxout,
    "LocallyConnected1D": _locally_connected,
    "LocallyConnected2D": _locally_connected,
    "CustomScaleLayer": _scaled_sum,
    "LayerScale": _layer_scale,
    "CastToFloat32": _same,
    "ExpandLastDim": _one_more_axis,
}
"""Layers that Keras no longer has, or has in its applications only."""


def own_kind(kind: str) -> str:
    """Return a class without the package that it was registered by, where its own is known."""
    plain = kind.split(">")[-1]
    return plain if plain in SUBSTITUTED or kind.startswith("Addons>") else kind


def old_hard_sigmoid_layer(keras: Any, name: str) -> Any:
    """Return clip(0.2 x + 0.5, 0, 1), the hard sigmoid of Keras 1 and 2, as today's of 1.2 x."""
    return keras.Sequential(
        [keras.layers.Rescaling(1.2), keras.layers.Activation("hard_sigmoid", name="hard_sigmoid_of_1_2_x")], name=name
    )


def old_normalization(values: dict[str, Any], file: str) -> tuple[Any, Fit]:
    """Return today's layer for a BatchNormalization that is none today, and how its weights are laid out.

    Parameters
    ----------
    values : dict
        Its arguments: ``mode`` 1 of Keras 1 takes mean and variance of each sample along one axis; with
        ``keeps_deviation`` (Keras before version 1) the file has standard deviations s, and x - m is divided by
        s + epsilon: the variance is (s + epsilon)^2 - epsilon.
    file : str
        For messages.

    Raises
    ------
    ModelLoadError
        For ``mode`` 2, whose outputs depend on the other samples of a batch.
    """
    layers, mode = import_keras().layers, values.get("mode") or 0
    axis, epsilon = values.get("axis", -1), float(values.get("epsilon", 1e-6))
    if mode == 1:
        return layers.LayerNormalization(axis=axis, epsilon=epsilon, name=values["name"]), lambda arrays: arrays[:2]
    if mode != 0:
        raise ModelLoadError(
            f"{file}: layer {values['name']!r}: BatchNormalization in mode {mode} normalizes each batch by itself: "
            "what it gives for an image depends on the other images. Train the model again without it."
        )

    def fit(arrays: Arrays) -> Arrays:
        return [*arrays[:3], (arrays[3] + epsilon) ** 2 - epsilon]

    return layers.BatchNormalization(axis=axis, epsilon=epsilon, name=values["name"]), fit


def merge_layer(values: dict[str, Any], name: str) -> Any:
    """Return today's layer for a Merge layer of Keras 1, or None for a mode that is code."""
    mode = values.get("mode")
    if mode not in MERGES:
        return None
    layers = import_keras().layers
    if mode == "concat":
        return layers.Concatenate(axis=values.get("concat_axis", -1), name=name)
    if mode in ("dot", "cos"):
        axes = values.get("dot_axes", -1)
        axes = -1 if axes in (None, -1) else axes
        flat = [axis[0] if isinstance(axis, list) else axis for axis in axes] if isinstance(axes, list) else axes
        return layers.Dot(axes=flat, normalize=mode == "cos", name=name)
    return getattr(layers, MERGES[mode])(name=name)


def applied(tree: Any, tensors: list[Any], name: str) -> Any:
    """Return a tree's result on Keras tensors: by built-in layers where there is one, else by operations.

    Parameters
    ----------
    tree : Node
    tensors : list of KerasTensor
    name : str
        For the layer that takes the tree's place.
    """
    chain = _chain(tree)
    if chain is None:
        return evaluate(tree, tensors)
    x, number = tensors[0], 0
    steps = _folded(chain)
    for step in steps or [("scale", 1.0, 0.0)]:
        label = name if number == 0 else f"{name}_{number}"
        layer = _layer(step, x, label)
        x = layer(x) if layer is not None else evaluate(step, [x])
        number += layer is not None
    return x


def _chain(tree: Any) -> list[Node] | None:
    """Return the operations from the input outward, if each has the result of one other and constants."""
    steps: list[Node] = []
    while isinstance(tree, Node) and tree.name != "input":
        inner = [number for number, part in enumerate(tree.args) if _holds_input(part)]
        if len(inner) != 1 or not isinstance(tree.args[inner[0]], Node) or any(map(_holds_input, tree.kwargs.values())):
            return None
        args = [Node("input", (0,)) if number == inner[0] else part for number, part in enumerate(tree.args)]
        steps.append(Node(tree.name, tuple(args), tree.kwargs))
        tree = tree.args[inner[0]]
    return steps[::-1] if isinstance(tree, Node) and tree.args == (0,) else None


def _holds_input(part: Any) -> bool:
    if isinstance(part, Node):
        return True
    return isinstance(part, list | tuple) and any(map(_holds_input, part))


def _folded(chain: list[Node]) -> list[Any]:
    """Return the chain with neighbouring sums and products joined to ``("scale", factor, offset)``."""
    steps: list[Any] = []
    for node in chain:
        if node.name in ("identity", "cast_float32", "preprocess_none") or (
            node.name == "cast" and str([*node.args[1:], *node.kwargs.values()][0]).startswith("float")
        ):
            continue
        line = _line(node)
        if line is None:
            steps.append(node)
        elif steps and isinstance(steps[-1], tuple):
            _, factor, offset = steps[-1]
            try:
                steps[-1] = ("scale", factor * line[0], offset * line[0] + line[1])
            except ValueError:  # constants of different lengths
                steps.append(("scale", *line))
        else:
            steps.append(("scale", *line))
    return steps


def _line(node: Node) -> tuple[Any, Any] | None:
    """Return (factor, offset) of an operation that multiplies or adds constants, one or one a channel."""
    if node.name == "negative":
        return -1.0, 0.0
    if node.name == "bias_add" and node.kwargs.get("data_format") in (None, "channels_last", "NHWC"):
        node = Node("add", node.args)
    if node.name == "preprocess_tf" and not node.kwargs:
        return 1 / 127.5, -1.0
    if node.name not in ("add", "subtract", "multiply", "divide") or len(node.args) != 2 or node.kwargs:
        if not (len(node.args) == 1 and set(node.kwargs) == {"y"}):
            return None
        node = Node(node.name, (node.args[0], node.kwargs["y"]))
        if node.name not in ("add", "subtract", "multiply", "divide"):
            return None
    left, right = node.args
    turned = isinstance(right, Node)
    value = _constant(left if turned else right)
    if value is None or (node.name == "divide" and (turned or not np.all(value))):
        return None
    if node.name == "add":
        return 1.0, value
    if node.name == "subtract":
        return (-1.0, value) if turned else (1.0, -value)
    return (value if node.name == "multiply" else 1 / value), 0.0


def _constant(value: Any) -> Any:
    """Return a number, or one number a channel, as NumPy has it; None for anything else."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if array.size == 1:
        return float(array.reshape(()))
    return array.reshape(-1) if array.shape[-1] == array.size and array.size <= 4096 else None


def _layer(step: Any, x: Any, name: str) -> Any:
    """Return the built-in layer that does one step, or None."""
    layers = import_keras().layers
    if isinstance(step, tuple):
        _, factor, offset = step
        return layers.Rescaling(_listed(factor), _listed(offset), name=name)
    kwargs = dict(step.kwargs)
    if step.name in ("expand_dims", "squeeze", "reshape", "flatten"):
        shape = evaluate(step, [x]).shape
        if len(shape) < 2 or shape[0] != x.shape[0] or tuple(shape[1:]).count(None) > 1:
            return None
        known = math.prod(size for size in x.shape[1:] if size is not None)
        if None not in x.shape[1:] and math.prod(shape[1:]) != known:
            return None  # the batch axis was drawn in
        return layers.Reshape(tuple(-1 if size is None else size for size in shape[1:]), name=name)
    axes = kwargs.get("axes", step.args[1] if len(step.args) > 1 else None)
    if step.name == "transpose" and isinstance(axes, list | tuple) and axes and axes[0] == 0:
        return layers.Permute(tuple(axes[1:]), name=name)
    if step.name == "resize" and len(x.shape) == 4:
        size = kwargs.pop("size", step.args[1] if len(step.args) > 1 else None)
        if kwargs or len(step.args) > 2 or not isinstance(size, list | tuple) or len(size) != 2:
            return None
        return layers.Resizing(int(size[0]), int(size[1]), name=name)
    if step.name == "softmax" and len(step.args) == 1:
        return layers.Softmax(axis=kwargs.get("axis", -1), name=name)
    if step.name in _ACTIVATIONS and len(step.args) == 1 and not kwargs:
        return layers.Activation(step.name, name=name)
    if step.name == "normalize" and len(step.args) == 1 and set(kwargs) <= {"axis"} and kwargs.get("axis") != 0:
        return layers.UnitNormalization(axis=kwargs.get("axis", -1), name=name)
    return None


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
