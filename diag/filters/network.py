"""Kernels, activations and features, taken where the network is: what `diag.io.backends.OPERATIONS` names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from diag._lazy import import_keras
from diag.errors import InvalidInputError, UnsupportedModelError
from diag.explain.bounds import said
from diag.explain.graph import function_of
from diag.filters.penultimate import LARGEST, Tap, tap
from diag.io.store import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]
    Options = Mapping[str, Any]
    Progress = Callable[[int, int], None]

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose")
STEP_BYTES = 2.5e8
"""Bytes of a layer's answers, about, that go through a network at a time."""
_TAPS: MutableMapping[Any, _Features] = WeakKeyDictionary()


def kernels(network: Any, arrays: Arrays, options: Options, progress: Progress | None = None) -> Entry:
    """Return the kernels of every 2-D convolution layer.

    Parameters
    ----------
    network : keras.Model
    arrays : mapping
        Nothing is looked at.
    options : mapping
        ``max_memory``, in bytes.
    progress : callable, optional
        Gets (layers done, layers in all).

    Returns
    -------
    Entry
        ``meta["names"]`` and an array for each, numbered.

    Raises
    ------
    InvalidInputError
        If they are larger than `max_memory`.
    """
    layers = [(name, layer) for name, layer in _walk(network) if type(layer).__name__ in CONVOLUTIONS]
    needed = 4 * sum(math.prod(_kernel_variable(layer).shape) for _, layer in layers)
    if needed > options["max_memory"]:
        raise InvalidInputError(
            f"kernels: expected at most {said(options['max_memory'])} (max_memory). Received: {len(layers):,} "
            f"convolution layers with {said(needed)}. Raise max_memory."
        )
    found = {}
    for name, layer in layers:
        found[name] = _kernel(layer)
        if progress is not None:
            progress(len(found), len(layers))
    return _numbered(found)


def activations(network: Any, arrays: Arrays, options: Options, progress: Progress | None = None) -> Entry:
    """Return what layers answer to images, in inference mode.

    Parameters
    ----------
    network : keras.Model
        With one input.
    arrays : mapping
        ``inputs`` (n, ...), as the network takes them.
    options : mapping
        ``layers``: names, or None for every 2-D convolution; ``max_memory``, in bytes.
    progress : callable, optional
        Gets (images done, images in all).

    Returns
    -------
    Entry
        ``meta["names"]`` and an array (n, ...) for each, numbered; channels last.

    Raises
    ------
    InvalidInputError
        If there is no layer of a name, or the answers are larger than `max_memory`.
    """
    inputs = arrays["inputs"]
    wanted = _wanted(network, options["layers"])
    stage = _stage(network, set(wanted))
    if not wanted or stage is None:
        return _numbered({})
    each = _bytes_of_one(stage, inputs.shape[1:])
    if each * len(inputs) > options["max_memory"]:
        raise InvalidInputError(
            f"activations: expected at most {said(options['max_memory'])} (max_memory). Received: {len(wanted):,} "
            f"layers, whose answers to {len(inputs):,} images are {said(each * len(inputs))}. Ask for fewer images "
            "(indices) or layers, or raise max_memory."
        )
    step = max(1, int(STEP_BYTES // max(1, each)))
    parts: dict[str, list[NDArray[np.float32]]] = {}
    for start in range(0, max(1, len(inputs)), step):
        for name, values in _answers(stage, inputs[start : start + step]).items():
            parts.setdefault(name, []).append(values)
        if progress is not None:
            progress(min(start + step, len(inputs)), len(inputs))
    return _numbered({name: np.concatenate(parts[name]) for name in wanted if name in parts})


def features(network: Any, arrays: Arrays, options: Options, progress: Progress | None = None) -> Entry:
    """Return what a network's classifying layers get.

    Parameters
    ----------
    network : keras.Model
        With one input.
    arrays : mapping
        ``inputs`` (n, ...), as the network takes them; none for what is known without an image.
    options : mapping
        ``name``, for messages.
    progress : callable, optional
        Is not called.

    Returns
    -------
    Entry
        ``meta``: ``layer``, ``note`` and ``size``, the numbers of an image; ``features`` (n, d), wider ones hashed.

    Raises
    ------
    UnsupportedModelError
        If the network is not a graph of layers.
    """
    kept = _TAPS.get(network)
    if kept is None:
        kept = _TAPS[network] = _Features(network, tap(network, options["name"]))
    inputs = arrays.get("inputs")
    rows = np.zeros((0, 0), np.float32) if inputs is None or not len(inputs) else kept.rows(inputs)
    size = rows.shape[1]
    meta = {"layer": kept.point.layer, "note": kept.point.note(size), "size": size}
    return Entry(meta=meta, arrays={"features": hashed(rows)})


class _Features:
    """A network's function from prepared inputs to features, built once."""

    def __init__(self, network: Any, point: Tap) -> None:
        self.point = point
        self._function = point.function()
        self._fixed: int | None = network.inputs[0].shape[0]
        self._bytes = 2 * 4 * point.largest  # a step needs what goes in and what comes out

    def rows(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features (n, d); a fixed batch size is met by padding."""
        parts = []
        step = self._fixed or max(1, int(STEP_BYTES // self._bytes))
        for start in range(0, len(inputs), step):
            cut = inputs[start : start + step]
            short = (self._fixed or len(cut)) - len(cut)
            fed = np.pad(cut, [(0, short)] + [(0, 0)] * (cut.ndim - 1)) if short else cut
            found = [np.asarray(each, dtype=np.float32)[: len(cut)] for each in self._function(fed)]
            parts.append(np.concatenate(found, axis=1))
        return np.concatenate(parts)


def hashed(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of at most `LARGEST` numbers: each column is added, with a random sign, to one of so many."""
    d = rows.shape[1]
    if d <= LARGEST:
        return rows
    from scipy.sparse import csr_array

    rng = np.random.default_rng(d)
    signs = rng.choice(np.array([-1, 1], dtype=np.float32), d)
    shape = (d, LARGEST)
    matrix = csr_array((signs, rng.integers(0, LARGEST, d), np.arange(d + 1)), shape=shape)
    return np.asarray(rows @ matrix, dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """A model, or one that is a layer of another, with what is wanted of it."""

    layers: tuple[tuple[str, Any], ...]
    probe: Any
    nested: tuple[tuple[Any, _Stage], ...]  # each with the model from this one's input to its own


def _stage(network: Any, wanted: set[str], prefix: str = "") -> _Stage | None:
    """Return the stages that a model and, recursively, the models used as its layers have to go through."""
    keras = import_keras()
    calls = _calls(network)
    layers = tuple((name, layer) for name, layer in _direct(network, prefix) if name in wanted and id(layer) in calls)
    ends = [calls[id(layer)][0].outputs[0] for _, layer in layers]
    probe = keras.Model(network.inputs[0], ends) if layers else None
    nested = []
    for layer in network.layers:
        inside = f"{prefix}{layer.name}/"
        if not hasattr(layer, "layers") or not any(name.startswith(inside) for name in wanted):
            continue
        found = calls.get(id(layer), [])
        tensors = [tensor for node in found for tensor in node.arguments.keras_tensors]
        if len(tensors) != 1:
            raise UnsupportedModelError(
                f"layer {prefix}{layer.name!r}: expected a nested model that is used once, on one tensor. Received: "
                f"one that is used on {len(tensors)}."
            )
        stage = _stage(layer, wanted, inside)
        if stage is not None:
            nested.append((keras.Model(network.inputs[0], tensors[0]), stage))
    return _Stage(layers, probe, tuple(nested)) if layers or nested else None


def _calls(network: Any) -> dict[int, list[Any]]:
    """Return a network's own uses of each layer, by the layer's identity, first to last."""
    try:
        function = function_of(network)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(str(error).split(" Use ", maxsplit=1)[0]) from error
    found: dict[int, list[Any]] = {}
    for _, nodes in sorted(function._nodes_by_depth.items(), reverse=True):
        for node in nodes:
            found.setdefault(id(node.operation), []).append(node)
    return found


def _answers(stage: _Stage, inputs: Any) -> dict[str, NDArray[np.float32]]:
    """Return the wanted layers' outputs, those of nested models too."""
    found = {}
    for (name, layer), output in zip(stage.layers, _outputs(stage, inputs), strict=True):
        found[name] = _channels_last(np.asarray(output, dtype=np.float32), layer)
    for feed, inner in stage.nested:
        found.update(_answers(inner, feed(inputs, training=False)))
    return found


def _bytes_of_one(stage: _Stage, shape: tuple[int, ...]) -> int:
    """Return the bytes of all wanted outputs for one input; nothing is computed."""
    return _bytes(stage, import_keras().KerasTensor((1, *shape)))


def _bytes(stage: _Stage, tensor: Any) -> int:
    own = sum(4 * math.prod(int(size or 1) for size in output.shape) for output in _outputs(stage, tensor))
    return own + sum(_bytes(inner, feed(tensor, training=False)) for feed, inner in stage.nested)


def _outputs(stage: _Stage, inputs: Any) -> Sequence[Any]:
    if stage.probe is None:
        return ()
    outputs = stage.probe(inputs, training=False)
    return outputs if isinstance(outputs, list | tuple) else [outputs]


def _wanted(network: Any, names: Sequence[str] | None) -> list[str]:
    every = dict(_walk(network))
    if names is None:
        return [name for name, layer in every.items() if type(layer).__name__ in CONVOLUTIONS]
    missing = [name for name in names if name not in every]
    if missing:
        raise InvalidInputError(f"layers: expected some of {', '.join(every)}. Received: {missing[0]!r}.")
    return list(names)


def _walk(network: Any, prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for layer in network.layers:
        if hasattr(layer, "layers"):
            found.extend(_walk(layer, f"{prefix}{layer.name}/"))
        else:
            found.append((f"{prefix}{layer.name}", layer))
    return found


def _direct(network: Any, prefix: str) -> list[tuple[str, Any]]:
    return [(f"{prefix}{layer.name}", layer) for layer in network.layers if not hasattr(layer, "layers")]


def _kernel_variable(layer: Any) -> Any:
    return next(weight for weight in layer.weights if len(weight.shape) == 4)


def _kernel(layer: Any) -> NDArray[np.float32]:
    kernel = np.asarray(_kernel_variable(layer))
    if type(layer).__name__ == "Conv2DTranspose":  # Keras keeps (kh, kw, out, in) there
        kernel = np.swapaxes(kernel, 2, 3)
    return np.ascontiguousarray(kernel, dtype=np.float32)


def _channels_last(output: NDArray[np.float32], layer: Any) -> NDArray[np.float32]:
    if output.ndim == 4 and getattr(layer, "data_format", "channels_last") == "channels_first":
        output = np.moveaxis(output, 1, -1)
    return np.ascontiguousarray(output)


def _numbered(found: Mapping[str, NDArray[np.float32]]) -> Entry:
    """Return an entry whose files are numbered: a layer's name may hold characters that no file name may."""
    arrays = {f"{place:04d}": array for place, array in enumerate(found.values())}
    for array in arrays.values():
        array.flags.writeable = False
    return Entry(meta={"names": list(found)}, arrays=arrays)
