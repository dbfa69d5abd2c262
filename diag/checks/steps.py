"""A network run step by step, and where each step stands in it: for the checks that look inside."""

from __future__ import annotations

import functools
import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_keras, import_tensorflow
from diag.errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from diag.explain.graph import Graph, Step

LIMITS = {
    "sigmoid": (0.0, 1.0),
    "Sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "HardSigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "HardTanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "Softsign": (-1.0, 1.0),
}
"""Activations that saturate, and the two values that they approach."""
_SHAPES = ("Reshape", "ExpandDims", "Flatten", "Permute", "Transpose", "RepeatVector", "UpSampling2D", "Rescaling")
_KEEP_BOUNDS = frozenset({*_SHAPES, "Multiply", "Divide", "TrueDivide", "Add", "Subtract"})
"""Steps that leave a bounded tensor bounded, where it is the only one that goes in."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step stands.

    Parameters
    ----------
    name, kind : str
        The layer, and what the step is: an activation's name, or the class of the layer. The input is ``input``.
    carrier : str
        The last layer with a kernel before it, or itself; empty when there is none.
    source : int
        The place whose output it gets first.
    hidden : bool
        Whether a layer with a kernel comes after it.
    gate : bool
        Whether it serves only to weigh another tensor, as in squeeze and excitation: there, being nearly always
        open or shut is no fault.
    """

    name: str
    kind: str
    carrier: str
    source: int
    hidden: bool
    gate: bool

    def __str__(self) -> str:
        """Return the layer's name, with the layer whose units it activates."""
        return self.name if self.carrier in ("", self.name) else f"{self.name} (after {self.carrier})"


def execute(
    network: Any, graph: Graph, inputs: NDArray[np.float32], call: Callable[[Step, list[Any]], list[Any]] | None = None
) -> Iterator[tuple[int, Step | None, Any]]:
    """Yield (place, step, its first output) for one batch: the input as place 0, then every step in order.

    What no later step needs is given up at once. `call` may compute a step in another way.

    Raises
    ------
    UnsupportedModelError
        If a step fails.
    """
    keras, tf = import_keras(), import_tensorflow()
    fixed, m = network.inputs[0].shape[0], len(inputs)
    if fixed is not None and m < fixed:
        inputs = np.pad(inputs, [(0, fixed - m)] + [(0, 0)] * (inputs.ndim - 1))
    source = keras.ops.cast(keras.ops.convert_to_tensor(inputs), network.inputs[0].dtype)
    tensors, left = {graph.source: source}, _uses(graph)
    yield 0, None, source[:m]
    for place, step in enumerate(graph.steps, start=1):
        values = [tensors[number] for number in step.sources]
        try:
            results = call(step, values) if call else step.call(values)
        except (ValueError, TypeError, tf.errors.OpError) as error:
            raise UnsupportedModelError(f"{step} could not be run by itself: {str(error).splitlines()[0]}") from error
        tensors.update(zip(step.targets, results, strict=True))
        del values
        for number in step.sources:
            left[number] -= 1
            if not left[number]:
                del tensors[number]
        yield place, step, results[0][:m]


def cost(network: Any) -> int:
    """Return how many numbers all layers compute for one image, about; an open size counts as 1."""
    total = 1
    for layer in layers(network):
        shapes = [tuple(node.outputs[0].shape) for node in getattr(layer, "_inbound_nodes", []) if node.outputs]
        total += max((math.prod(size or 1 for size in shape[1:]) for shape in shapes), default=0)
    return total


def layers(model: Any) -> list[Any]:
    """Return all layers, nested models opened."""
    found: list[Any] = []
    for layer in model.layers:
        found += layers(layer) if hasattr(layer, "layers") else [layer]
    return found


def weighted(step: Step) -> bool:
    """Return whether a step has a kernel: batch normalisation and the like only scale."""
    return any(getattr(step.operation, key, None) is not None for key in ("kernel", "depthwise_kernel", "cell"))


def places(graph: Graph) -> list[Place]:
    """Return where the input and every step stand."""
    made, carriers = {graph.source: 0}, {graph.source: ""}
    last = max((place for place, step in enumerate(graph.steps) if weighted(step)), default=-1)
    gates = _gates(graph)
    found = [Place("input", "", "", 0, False, False)]
    for place, step in enumerate(graph.steps):
        carrier = step.name if weighted(step) else carriers[step.sources[0]]
        found.append(Place(step.name, step.kind, carrier, made[step.sources[0]], place < last, place in gates))
        for target in step.targets:
            made[target], carriers[target] = place + 1, carrier
    return found


def _gates(graph: Graph) -> set[int]:
    """Return the steps whose every way to the output ends as the gate of a multiplication."""
    readers: dict[int, list[int]] = {}
    for place, step in enumerate(graph.steps):
        for source in step.sources:
            readers.setdefault(source, []).append(place)
    gating = _gating(graph)
    found: set[int] = set()
    for place in reversed(range(len(graph.steps))):
        targets = graph.steps[place].targets
        uses = [(reader, target) for target in targets for reader in readers.get(target, [])]
        serves = all(reader in found or (reader, target) in gating for reader, target in uses)
        if uses and serves and graph.target not in targets:
            found.add(place)
    return found


def _gating(graph: Graph) -> set[tuple[int, int]]:
    """Return (place of a multiplication, tensor that is its gate): bounded, and not what the other side is made of."""
    bounded, made_of = {graph.source: False}, {graph.source: 1 << graph.source}
    found: set[tuple[int, int]] = set()
    for place, step in enumerate(graph.steps):
        sources = set(step.sources)
        if step.kind == "Multiply" and len(sources) > 1:
            others = {source: [made_of[other] for other in sources - {source}] for source in sources}
            found |= {
                (place, source)
                for source in sources
                if bounded[source] and not any(other >> source & 1 for other in others[source])
            }
        keeps = len(sources) == 1 and step.kind in _KEEP_BOUNDS and bounded[step.sources[0]]
        origin = functools.reduce(operator.or_, (made_of[source] for source in sources))
        for target in step.targets:
            bounded[target] = _limited(step) or keeps
            made_of[target] = origin | 1 << target
    return found


def _limited(step: Step) -> bool:
    """Return whether a step's output has an upper limit: a sigmoid, or a clipped rectifier, half of a hard sigmoid."""
    clipped = getattr(step.operation, "max_value", None) is not None
    return step.kind in LIMITS or step.kind in ("relu6", "Relu6", "Clip") or (step.kind == "ReLU" and clipped)


def _uses(graph: Graph) -> dict[int, int]:
    counts: dict[int, int] = {}
    for step in graph.steps:
        for source in step.sources:
            counts[source] = counts.get(source, 0) + 1
    return counts
