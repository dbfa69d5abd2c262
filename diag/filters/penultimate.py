"""Where a network decides: its classifying layers, and what they get."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from diag._lazy import import_tensorflow
from diag.errors import UnsupportedModelError
from diag.explain.graph import Graph, Step, shapes_of, trace

LARGEST = 4096
"""A feature map of more numbers than this is averaged over space; other features are hashed to as many."""
RESHAPES = ("Flatten", "Reshape")


@dataclass(frozen=True, slots=True, eq=False)
class Tap:
    """The tensors that a network's classifying layers get.

    Parameters
    ----------
    graph : Graph
    shape : tuple of int or None
        Of the network's input, with the batch axis.
    tensors : tuple of int
        Their numbers in the graph.
    averaged : tuple of bool
        Whether the tensor, a feature map, is averaged over space.
    channels_first : tuple of bool
        Whether its channels stand before its height and width.
    layer : str
        The layers that they come from; ``"input"`` for the network's own input.
    classifier : str
        The classifying layers; empty when there is none.
    largest : int
        Numbers of the largest tensor of one input; sizes that are open count as 1.
    """

    graph: Graph
    shape: tuple[int | None, ...]
    tensors: tuple[int, ...]
    averaged: tuple[bool, ...]
    channels_first: tuple[bool, ...]
    layer: str
    classifier: str
    largest: int

    def note(self, size: int) -> str:
        """Return a sentence on where `size` features come from."""
        source = "The input itself, prepared for the model" if self.layer == "input" else f"Output of {self.layer!r}"
        averaged = ", averaged over space" if any(self.averaged) else ""
        which = f"what the classifying layer {self.classifier!r} gets" if self.classifier else "no layer has weights"
        return f"{source}{averaged} ({size:,} numbers): {which}."

    def function(self) -> Any:
        """Return a compiled function from prepared inputs (n, ...) to a list of features, each of shape (n, ...)."""
        tf = import_tensorflow()

        def run(inputs: Any) -> list[Any]:
            values = {self.graph.source: inputs}
            for step in self.graph.steps:
                if all(tensor in values for tensor in self.tensors):
                    break
                results = step.call([values[number] for number in step.sources])
                values.update(zip(step.targets, results, strict=True))
            return [self._pooled(values[tensor], place) for place, tensor in enumerate(self.tensors)]

        spec = tf.TensorSpec(self.shape, tf.float32)
        return tf.function(run, autograph=False, input_signature=[spec]).get_concrete_function()

    def _pooled(self, value: Any, place: int) -> Any:
        tf = import_tensorflow()
        value = tf.cast(value, tf.float32)
        if self.averaged[place]:
            axes = list(range(2, len(value.shape)) if self.channels_first[place] else range(1, len(value.shape) - 1))
            value = tf.reduce_mean(value, axis=axes)
        return tf.reshape(value, (tf.shape(value)[0], -1))


def tap(network: Any, name: str) -> Tap:
    """Return where to take the features of a `keras.Model` with one input; `name` stands in messages.

    A classifying layer is one with a matrix of weights after which none with another comes on the way to the output:
    behind it stand pooling, normalisation and activations only.

    Raises
    ------
    UnsupportedModelError
        If the network is not a graph of layers.
    """
    try:
        graph = trace(network)
    except UnsupportedModelError as error:
        reason = str(error).split(" Use ")[0]
        raise UnsupportedModelError(
            f"{name}: expected a network whose layers can be followed from its input to its output. {reason}"
        ) from error
    made = {target: step for step in graph.steps for target in step.targets}
    shapes = shapes_of(graph, tuple(network.inputs[0].shape))
    last = _classifiers(graph, made)
    taken: dict[int, tuple[bool, bool, str]] = {}
    for step in last:
        tensor, averaged = _taken(step, made, shapes)
        origin = made[tensor].name if tensor in made else "input"
        taken[tensor] = (averaged, getattr(step.operation, "data_format", "") == "channels_first", origin)
    if not taken:
        taken[graph.source] = (False, False, "input")
    averaged_, first, names = zip(*taken.values(), strict=True)
    return Tap(
        graph=graph,
        shape=shapes[graph.source],
        tensors=tuple(taken),
        averaged=averaged_,
        channels_first=first,
        layer=", ".join(dict.fromkeys(names)),
        classifier=", ".join(dict.fromkeys(step.name for step in last)),
        largest=max(math.prod(size or 1 for size in shape[1:]) for shape in shapes.values()),
    )


def _classifiers(graph: Graph, made: dict[int, Step]) -> list[Step]:
    """Return the last steps with a matrix of weights on each way to the output, in the order of execution."""
    found: list[Step] = []
    waiting, seen = [graph.target], set()
    while waiting:
        tensor = waiting.pop()
        if tensor in seen or tensor not in made:
            continue
        seen.add(tensor)
        step = made[tensor]
        if _decides(step.operation):
            found.append(step)
        else:
            waiting.extend(step.sources)
    return [step for step in graph.steps if step in found]


def _decides(operation: Any) -> bool:
    kind = type(operation).__name__
    if "Normalization" in kind or kind == "PReLU":
        return False
    return any(len(weight.shape) >= 2 for weight in getattr(operation, "weights", ()))


def _taken(step: Step, made: dict[int, Step], shapes: dict[int, tuple[int | None, ...]]) -> tuple[int, bool]:
    """Return the tensor that stands for a classifying layer's input, and whether it is averaged over space."""
    tensor = step.sources[0]
    if _pointwise(step.operation) and len(shapes[tensor]) >= 4:
        return tensor, True
    origin = tensor
    while origin in made and made[origin].kind in RESHAPES:
        origin = made[origin].sources[0]
    shape = shapes[origin]
    large = None in shape[1:] or math.prod(size or 1 for size in shape[1:]) > LARGEST
    is_map = len(shape) >= 4 and origin in made
    return (origin, True) if is_map and large else (tensor, False)


def _pointwise(operation: Any) -> bool:
    """Return whether a layer is a 1x1 convolution: pooled afterwards, it works on its input's mean over space."""
    size = getattr(operation, "kernel_size", None)
    return size is not None and all(side == 1 for side in size)
