"""Weights of an HDF5 file in the layout of Keras 1 and 2 (and of Keras 3's ``.h5``), given to a model's layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diag.errors import ModelLoadError
from diag.io.legacy_config import plain_name

Stored = list[tuple[str, NDArray[Any]]]
"""The weights of one group: (path in the group, array), in the order of the file."""

_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "SeparableConv2D", "DepthwiseConv2D")
_FLIPPED = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose")  # whose kernels Theano turns round, as Keras 2 knew
_NAMES = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "recurrent_kernel", "embeddings")
# Where Keras 1 kept the gates: input, forget, cell, output of LSTM; update, reset, new of GRU.
_GATES = {("LSTM", 12): (0, 6, 3, 9), ("GRU", 9): (0, 3, 6)}


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One layer of a file and what was built for it.

    Parameters
    ----------
    name, kind : str
        As the file has them.
    layer : keras.Layer
    parts : tuple of Piece
        Of a model or wrapper: what is inside.
    fit : callable, optional
        Brings the file's arrays into the order and shapes of the layer's variables.
    """

    name: str
    kind: str
    layer: Any
    parts: tuple[Piece, ...] = ()
    fit: Callable[[list[NDArray[Any]]], list[NDArray[Any]]] | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who wrote the weights: the file's name, and whether Theano or Keras 1 did."""

    name: str
    flipped: bool = False
    keras_1: bool = False


def stored_weights(group: Any) -> list[tuple[str, Stored]]:
    """Return the groups of a weight file that hold something, in the order of the file."""
    found = []
    for raw in names_of(group, "layer_names") or _by_place(group, "nb_layers", "layer") or list(group):
        if raw not in group or not hasattr(group[raw], "attrs") or not hasattr(group[raw], "keys"):
            continue
        layer = group[raw]
        names = names_of(layer, "weight_names") or _by_place(layer, "nb_params", "param")
        weights = [(name, np.asarray(layer[name])) for name in names if name in layer]
        weights = [(name, array) for name, array in weights if not _is_state(array)]
        if weights:
            found.append((raw, weights))
    return found


def _by_place(node: Any, key: str, name: str) -> list[str]:
    """Return ``layer_0``, ``layer_1``, ...: Keras before version 1 counted layers and their weights."""
    return [f"{name}_{place}" for place in range(min(int(node.attrs[key]), 2**16))] if key in node.attrs else []


def names_of(node: Any, key: str) -> list[str]:
    """Return a list of names, which HDF5's limit on attributes may have cut into ``key0``, ``key1``, ..."""
    chunks = [node.attrs[key]] if key in node.attrs else []
    number = 0
    while f"{key}{number}" in node.attrs:
        chunks.append(node.attrs[f"{key}{number}"])
        number += 1
    names = [name for chunk in chunks for name in np.atleast_1d(chunk)]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _is_state(array: NDArray[Any]) -> bool:
    """Return whether it is the state of a random generator, which TensorFlow kept among the weights."""
    return array.dtype in (np.int64, np.uint64, np.uint32) and array.ndim == 1 and array.size <= 3


def pieces_of(model: Any) -> tuple[Piece, ...]:
    """Return the pieces of a model that Keras built itself."""
    return tuple(
        Piece(layer.name, type(layer).__name__, layer, pieces_of(layer) if hasattr(layer, "layers") else ())
        for layer in model.layers
    )


def assign(pieces: tuple[Piece, ...], stored: list[tuple[str, Stored]], origin: Origin) -> None:
    """Give every layer its weights: by name, and by order where names say nothing.

    Raises
    ------
    ModelLoadError
        If they do not fit; the message names the layer.
    """
    wanting = [piece for piece in pieces if any(True for _ in leaves(piece))]
    by_name = dict(stored)
    if not all(piece.name in by_name for piece in wanting):
        by_name = {plain_name(name): weights for name, weights in stored}
        wanting = [replace(piece, name=plain_name(piece.name)) for piece in wanting]
    if all(piece.name in by_name for piece in wanting):
        pairs = [(piece, by_name[piece.name]) for piece in wanting]
    elif len(wanting) == len(stored):
        pairs = list(zip(wanting, (weights for _, weights in stored), strict=True))
    else:
        every = Piece("model", "Functional", None, tuple(wanting))
        flat = [(f"{name}/{path}", array) for name, weights in stored for path, array in weights]
        if _shared_by_order(list(leaves(every)), flat, origin) is None:
            raise ModelLoadError(
                f"{origin.name}: the architecture has {len(wanting)} layers with weights, "
                f"the file has weights for {len(stored)}."
            )
        pairs = [(every, flat)]
    for piece, weights in pairs:
        for leaf, arrays in _shared(piece, weights, origin):
            give(leaf, arrays, origin)


def leaves(piece: Piece) -> Iterator[Piece]:
    """Yield the layers with weights, inside a model in the order of the file."""
    if piece.parts:
        for part in piece.parts:
            yield from leaves(part)
    elif piece.layer.weights:
        yield piece


def _shared(piece: Piece, weights: Stored, origin: Origin) -> list[tuple[Piece, list[NDArray[Any]]]]:
    """Share a model's weights among its layers: by the layer's name in each weight's path, else by order."""
    inside = list(leaves(piece))
    if len(inside) == 1:
        return [(inside[0], [array for _, array in weights])]
    by_name = [(leaf, [array for path, array in weights if _is_of(path, leaf.name)]) for leaf in inside]
    if sum(len(arrays) for _, arrays in by_name) == len(weights) and all(
        _fits(leaf, arrays, origin) for leaf, arrays in by_name
    ):
        return by_name
    by_order = _shared_by_order(inside, weights, origin)
    if by_order is not None:
        return by_order
    for leaf, arrays in by_name:  # says what does not fit
        _converted(_within(leaf, piece), arrays, origin)
    raise ModelLoadError(f"{origin.name}: layer {piece.name}: its weights cannot be told apart. Save the model again.")


def _within(leaf: Piece, outer: Piece) -> Piece:
    return Piece(f"{outer.name}/{leaf.name}", leaf.kind, leaf.layer, (), leaf.fit)


def _shared_by_order(
    inside: list[Piece], weights: Stored, origin: Origin
) -> list[tuple[Piece, list[NDArray[Any]]]] | None:
    """Share weights in order: layer by layer, or all trainable ones before all others, as Keras 2 wrote models."""
    counts = [(_stored_count(leaf, origin), len(leaf.layer.non_trainable_weights)) for leaf in inside]
    if sum(count for count, _ in counts) != len(weights):
        return None
    plain = iter(weights)
    one = [(leaf, [next(plain) for _ in range(count)]) for leaf, (count, _) in zip(inside, counts, strict=True)]
    border = sum(count - rest for count, rest in counts)
    first, last = iter(weights[:border]), iter(weights[border:])
    two = [
        (leaf, [*(next(first) for _ in range(count - rest)), *(next(last) for _ in range(rest))])
        for leaf, (count, rest) in zip(inside, counts, strict=True)
    ]
    for way in (two, one):  # Keras's own order comes first
        shared = [(leaf, [array for _, array in own]) for leaf, own in way]
        if all(_named_alike(*pair) for pair in way) and all(_fits(*pair, origin) for pair in shared):
            return shared
    return None


def _variables(layer: Any) -> list[Any]:
    """Return a layer's variables in the order of files: a wrapper may hold one of its own between its layer's."""
    if hasattr(layer, "trainable_weights"):
        return [*layer.trainable_weights, *layer.non_trainable_weights]
    return list(layer.weights)


def _named_alike(leaf: Piece, weights: Stored) -> bool:
    """Return whether no weight is called what another variable of Keras's is called."""
    names = [variable.name for variable in _variables(leaf.layer)]
    if len(names) != len(weights):
        return True
    called = [path.split("/")[-1].split(":")[0] for path, _ in weights]
    return all(mine == his or his not in _NAMES or mine not in _NAMES for mine, his in zip(names, called, strict=True))


def _stored_count(leaf: Piece, origin: Origin) -> int:
    count = len(leaf.layer.weights)
    kind = type(leaf.layer).__name__
    gates = {"LSTM": 12, "GRU": 9}.get(kind)
    return gates if origin.keras_1 and gates else count


def _is_of(path: str, name: str) -> bool:
    """Return whether the weight ``outer/inner/kernel:0`` belongs to the layer of that name."""
    folders = path.split("/")[:-1]
    return any("/".join(folders[start:stop]) == name for stop in range(len(folders) + 1) for start in range(stop))


def _fits(leaf: Piece, arrays: list[NDArray[Any]], origin: Origin) -> bool:
    try:
        _converted(leaf, arrays, origin)
    except ModelLoadError:
        return False
    return True


def give(leaf: Piece, arrays: list[NDArray[Any]], origin: Origin) -> None:
    """Give one layer its weights, brought to today's layout.

    Raises
    ------
    ModelLoadError
        If number or shapes differ.
    """
    for variable, array in zip(_variables(leaf.layer), _converted(leaf, arrays, origin), strict=True):
        variable.assign(array)
    if hasattr(leaf.layer, "finalize_state"):  # Normalization
        leaf.layer.finalize_state()


def _converted(leaf: Piece, arrays: list[NDArray[Any]], origin: Origin) -> list[NDArray[Any]]:
    """Return a layer's arrays in today's layout, fit for its variables.

    Raises
    ------
    ModelLoadError
        If number or shapes differ.
    """
    layer, kind = leaf.layer, type(leaf.layer).__name__
    try:
        if leaf.fit is not None:
            arrays = leaf.fit(arrays)
        elif leaf.kind.startswith("CuDNN"):
            arrays = _from_cudnn(kind, arrays)
        else:
            arrays = [_kernel(layer, array, origin) for array in arrays]
            arrays = _merged_gates(kind, arrays)
    except (IndexError, ValueError) as error:
        raise ModelLoadError(f"{origin.name}: layer {leaf.name}: its weights have an unknown layout.") from error
    variables = _variables(layer)
    if len(arrays) != len(variables):
        raise ModelLoadError(
            f"{origin.name}: layer {leaf.name}: expected {len(variables)} weights. Received: {len(arrays)}."
        )
    fitted = []
    for variable, array in zip(variables, arrays, strict=True):
        shape = tuple(variable.shape)
        if array.shape != shape and [n for n in array.shape if n != 1] == [n for n in shape if n != 1]:
            array = array.reshape(shape)
        if array.shape != shape:
            raise ModelLoadError(
                f"{origin.name}: layer {leaf.name}: expected weights of shape {shape}. Received: {array.shape}."
            )
        fitted.append(array)
    return fitted


def _kernel(layer: Any, array: NDArray[Any], origin: Origin) -> NDArray[Any]:
    """Return one weight in today's layout, turned back round if Theano wrote it."""
    kind = type(layer).__name__
    if kind not in _CONVOLUTIONS or array.ndim < 3:
        return array
    if origin.keras_1 and array.ndim == 4:
        array = _from_keras_1(kind, array, first=layer.data_format == "channels_first")
    elif origin.keras_1 and array.ndim == 5 and layer.data_format == "channels_first":
        array = np.transpose(array, (2, 3, 4, 1, 0))
    if origin.flipped and kind in _FLIPPED:
        array = np.flip(array, tuple(range(array.ndim - 2)))
    return array


def _from_keras_1(kind: str, kernel: NDArray[Any], *, first: bool) -> NDArray[Any]:
    """Return a kernel of Keras 1 as (h, w, in, out), for a transposed convolution as (h, w, out, in)."""
    if kind == "Conv1D":  # (length, 1, in, out), and before that (out, in, length, 1)
        return kernel[:, 0] if kernel.shape[1] == 1 else np.transpose(kernel, (2, 3, 1, 0))[:, 0]
    if kind == "Conv2DTranspose":
        return np.transpose(kernel, (2, 3, 0, 1) if first else (0, 1, 3, 2))
    return np.transpose(kernel, (2, 3, 1, 0)) if first else kernel


def _merged_gates(kind: str, arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Join Keras 1's recurrent weights, which are W, U, b for each gate, into today's three."""
    order = _GATES.get((kind, len(arrays)))
    if order is not None:
        return [np.concatenate([arrays[gate + part] for gate in order], axis=-1) for part in range(3)]
    return arrays


def _from_cudnn(kind: str, arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return kernel, recurrent kernel and bias that were kept as cuDNN wants them: each gate by itself, turned."""
    kernel, recurrent, bias = arrays
    gates = {"LSTM": 4, "GRU": 3}[kind]
    turned = [part.T.reshape(part.shape, order="F") for part in np.split(kernel, gates, axis=1)]
    again = [part.T for part in np.split(recurrent, gates, axis=1)]
    both = bias.reshape(2, -1)
    return [np.hstack(turned), np.hstack(again), both.sum(axis=0) if kind == "LSTM" else both]
