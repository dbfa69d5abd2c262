"""How a network is built, as plain data: the operation `structure`, run where the network lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diag.checks.steps import cost, places
from diag.errors import UnsupportedModelError
from diag.explain.graph import trace
from diag.io.store import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    Progress = Callable[[int, int], None]

PASSIVE = ("Dropout", "Flatten", "Reshape", "ActivityRegularization", "InputLayer", "Identity")
"""Layers that leave the numbers as they are."""


def structure(
    network: Any, arrays: Mapping[str, NDArray[Any]], options: Mapping[str, Any], progress: Progress | None
) -> Entry:
    """Return how a network is built; neither weights nor images are looked at.

    Parameters
    ----------
    network : keras.Model
    arrays, options : mapping
        Nothing is needed.
    progress : callable, optional
        Gets (done, in all).

    Returns
    -------
    Entry
        ``meta`` as `diag.checks.facts.Structure` reads it.
    """
    try:
        stands = [
            [each.name, each.kind, each.carrier, each.source, each.hidden, each.gate] for each in places(trace(network))
        ]
    except UnsupportedModelError:
        stands = None
    meta = {
        "inputs": [[_size(size) for size in tensor.shape] for tensor in network.inputs],
        "layers": [_layer(name, layer) for name, layer in leaves(network)],
        "cost": cost(network),
        "places": stands,
        "last": [{"name": layer.name, "softmax": _is_softmax(layer)} for layer in last_layers(network)],
        "switched_on": [list(each) for each in dict.fromkeys(switched_on(network))],
    }
    if progress is not None:
        progress(1, 1)
    return Entry(meta=meta)


def leaves(model: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Return all layers of a network by name (``outer/inner``), nested models opened."""
    found: list[tuple[str, Any]] = []
    for layer in model.layers:
        if hasattr(layer, "layers"):
            found += leaves(layer, f"{prefix}{layer.name}/")
        else:
            found.append((f"{prefix}{layer.name}", layer))
    return found


def _layer(name: str, layer: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": type(layer).__name__,
        "dtype": str(getattr(layer, "compute_dtype", "float32")),
        "weights": len(layer.weights),
    }


def _size(size: Any) -> int | None:
    return None if size is None else int(size)


def last_layers(network: Any) -> list[Any]:
    """Return the last layer that does something and the one before it, the last first; nested models are opened."""
    found: list[Any] = []
    tensor = network.outputs[0] if len(network.outputs) == 1 else None
    while tensor is not None and len(found) < 2:
        history = tensor._keras_history
        layer = history.operation
        if hasattr(layer, "layers"):
            found += last_layers(layer)
        elif not _passive(layer):
            found.append(layer)
        before = layer._inbound_nodes[history.node_index].input_tensors
        tensor = before[0] if len(before) == 1 else None
    return found[:2]


def _passive(layer: Any) -> bool:
    linear = getattr(getattr(layer, "activation", None), "__name__", None) == "linear"
    kind = type(layer).__name__
    return kind in PASSIVE or (kind == "Activation" and linear)


def _is_softmax(layer: Any) -> bool:
    activation = getattr(getattr(layer, "activation", None), "__name__", None)
    return type(layer).__name__ == "Softmax" or (activation == "softmax" and not hasattr(layer, "layers"))


def switched_on(model: Any, prefix: str = "", active: bool | None = None) -> Iterator[tuple[str, str]]:
    """Yield (name, class) of the layers that act otherwise in training and that the file calls in training mode.

    ``layer(tensor, training=True)`` is kept in a functional model's configuration and, in Keras 2, stronger than the
    mode in which the model is called. What is said of a nested model holds for the layers in it.
    """
    function = getattr(model, "_functional", None) or model
    for depth in sorted(getattr(function, "_nodes_by_depth", {}), reverse=True):
        for node in function._nodes_by_depth[depth]:
            layer = node.operation
            saved = node.arguments.kwargs.get("training") if not node.is_input else None
            on = saved if active is None else active
            name = f"{prefix}{layer.name}"
            if hasattr(layer, "layers"):
                yield from switched_on(layer, f"{name}/", on)
            elif on and _acts(layer):
                yield name, type(layer).__name__


def _acts(layer: Any) -> bool:
    """Return whether a layer draws random numbers, or uses its batch, in training mode."""
    cell = getattr(layer, "cell", layer)
    random = any(
        getattr(each, key, None) is not None for each in (layer, cell) for key in ("seed_generator", "generator")
    )
    return random or type(layer).__name__ == "BatchNormalization"
