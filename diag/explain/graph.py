"""A Keras model as a list of steps: nested models unrolled, activations split from the layers that carry them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diag._lazy import import_keras, import_tensorflow
from diag.errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# At inference they return what they get.
IDENTITIES = frozenset(
    {
        "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "GaussianDropout",
        "GaussianNoise", "ActivityRegularization", "Identity", "RandomFlip", "RandomRotation", "RandomZoom",
        "RandomTranslation", "RandomContrast", "RandomBrightness", "RandomErasing", "RandomShear", "RandomHue",
        "RandomSaturation", "RandomSharpness", "RandomGrayscale", "RandomColorJitter", "RandomInvert",
        "RandomPosterization", "RandomPerspective", "RandomElasticTransform", "RandomGaussianBlur", "RandAugment",
        "AugMix", "CutMix", "MixUp", "RandomColorDegeneration", "Solarization", "StopGradient",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One operation on tensors that depend on the input.

    Parameters
    ----------
    name, kind : str
        The layer's name, and the type that its rule is registered under: a class name, or an activation's name.
    operation : object
        The layer, the `keras.ops` operation or the activation function.
    sources, targets : tuple of int
        Numbers of the tensors that go in and come out. A source stands once for each time it is used.
    arguments : callable
        Gets the sources' tensors; returns (args, kwargs) as the model calls the operation.
    call : callable
        Gets the sources' tensors; returns the list of the targets' tensors, in inference mode.
    """

    name: str
    kind: str
    operation: Any
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    arguments: Callable[[list[Any]], tuple[Any, Any]]
    call: Callable[[list[Any]], list[Any]]

    def __str__(self) -> str:
        """Return how messages name the step."""
        return f"layer {self.name!r} ({self.kind})"


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """All steps from a model's input to its output, in the order of execution; tensors are numbered."""

    source: int
    target: int
    steps: tuple[Step, ...]


def trace(model: Any) -> Graph:
    """Return the steps of a Keras model with one input and one output.

    Raises
    ------
    UnsupportedModelError
        If the model, or one inside it, is no graph of layers (a subclassed model), or has several inputs or outputs.
    """
    function = _function(model, model.name)
    if len(function.inputs) != 1 or len(function.outputs) != 1:
        raise UnsupportedModelError(
            f"expected a network with one input and one output. Received: {len(function.inputs)} inputs and "
            f"{len(function.outputs)} outputs."
        )
    tracer = _Tracer()
    tracer.numbers[id(function.inputs[0])] = 0
    steps = tuple(tracer.walk(function, tracer.numbers))
    target = tracer.numbers[id(function.outputs[0])]
    return Graph(0, target, _needed(steps, target))


def run_graph(graph: Graph, batch: Any) -> dict[int, Any]:
    """Return every tensor by number, for a batch of inputs."""
    values = {graph.source: batch}
    for step in graph.steps:
        results = step.call([values[number] for number in step.sources])
        values.update(zip(step.targets, results, strict=True))
    return values


def shapes_of(graph: Graph, shape: tuple[int | None, ...]) -> dict[int, tuple[int | None, ...]]:
    """Return the shape of every tensor for inputs of `shape`, batch axis first; nothing is computed."""
    tf = import_tensorflow()
    shapes: dict[int, tuple[int | None, ...]] = {}

    def run(batch: Any) -> Any:
        shapes.update({number: tuple(value.shape) for number, value in run_graph(graph, batch).items()})
        return batch

    tf.function(run, autograph=False).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    return shapes


def function_of(model: Any) -> Any:
    """Return the graph of layers behind a model.

    Raises
    ------
    UnsupportedModelError
        If it is none (a subclassed model).
    """
    return _function(model, model.name)


def _function(model: Any, name: str) -> Any:
    function = getattr(model, "_functional", None) or model
    if not hasattr(function, "_nodes_by_depth") or not _by_keras(model):
        raise UnsupportedModelError(
            f"layer {name!r} ({type(model).__name__}) is a model with code of its own, not a graph of layers. "
            "Use method='expected_gradients'."
        )
    return function


def _needed(steps: tuple[Step, ...], target: int) -> tuple[Step, ...]:
    wanted, kept = {target}, []
    for step in reversed(steps):
        if wanted.intersection(step.targets):
            wanted.update(step.sources)
            kept.append(step)
    return tuple(reversed(kept))


class _Tracer:
    """Numbers tensors while it walks through a function and those nested in it."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.count = 1

    def walk(self, function: Any, numbers: dict[int, int]) -> Iterator[Step]:
        """Yield the steps of a function; `numbers` maps its symbolic tensors (by identity) to numbers."""
        for depth in sorted(function._nodes_by_depth, reverse=True):
            for node in function._nodes_by_depth[depth]:
                if not node.is_input:
                    yield from self._node(node, numbers)

    def _node(self, node: Any, numbers: dict[int, int]) -> Iterator[Step]:
        operation, tensors = node.operation, list(node.arguments.keras_tensors)
        sources = tuple(numbers[id(tensor)] for tensor in tensors)
        if _is_model(operation):
            inner = _function(operation, operation.name)
            mapping = {id(tensor): source for tensor, source in zip(inner.inputs, sources, strict=True)}
            yield from self.walk(inner, mapping)
            for outer, tensor in zip(node.outputs, inner.outputs, strict=True):
                numbers[id(outer)] = mapping[id(tensor)]
            return
        if _is_identity(operation):
            numbers[id(node.outputs[0])] = sources[0]
            return
        if not _keeps_samples(type(operation).__name__, [*tensors, *node.outputs]):
            raise UnsupportedModelError(
                f"layer {operation.name!r} ({type(operation).__name__}) does not keep the samples of a batch apart. "
                "Use a network whose first axis is the batch throughout."
            )
        targets = tuple(self._number() for _ in node.outputs)
        numbers.update({id(tensor): number for tensor, number in zip(node.outputs, targets, strict=True)})
        yield from self._steps(node, sources, targets)

    def _number(self) -> int:
        self.count += 1
        return self.count

    def _steps(self, node: Any, sources: tuple[int, ...], targets: tuple[int, ...]) -> Iterator[Step]:
        layer, kind = node.operation, type(node.operation).__name__
        activation = getattr(layer, "activation", None)
        if kind == "Activation":
            yield _activation(layer.name, activation, sources, targets)
            return
        # A recurrent layer's activation is inside its loop, not behind it.
        inside = not callable(activation) or hasattr(layer, "cell")
        if inside or _name(activation) == "linear" or not _by_keras(layer):
            yield _step(node, _shared(layer), sources, targets)
            return
        between = (self._number(),)
        yield _step(node, _shared(layer, activation=import_keras().activations.linear), sources, between)
        yield _activation(layer.name, activation, between, targets)


def _is_model(operation: Any) -> bool:
    return isinstance(operation, import_keras().Model)


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _by_keras(layer: Any) -> bool:
    """Return whether Keras itself says what the layer computes, not a subclass by somebody else."""
    return str(type(layer).call.__module__).startswith("keras.")


def _keeps_samples(kind: str, tensors: list[Any]) -> bool:
    """Return whether all tensors have the batch as first axis."""
    first, *others = [tuple(tensor.shape) for tensor in tensors]
    if any(other[:1] != first[:1] for other in others):
        return False
    sizes = {math.prod(shape[1:]) for shape in (first, *others) if None not in shape[1:]}
    return kind != "Reshape" or len(sizes) < 2


def _is_identity(operation: Any) -> bool:
    kind = type(operation).__name__
    return kind in IDENTITIES or (kind == "Activation" and _name(operation.activation) == "linear")


def _shared(operation: Any, **changes: Any) -> Any:
    """Return an operation that shares all state with a layer, except for `changes`; the layer is untouched.

    A layer that regularises its activity would keep a loss for each of our calls.
    """
    if getattr(operation, "activity_regularizer", None) is not None:
        changes["activity_regularizer"] = None
    if not changes:
        return operation
    copy = object.__new__(type(operation))
    copy.__dict__.update(operation.__dict__ | changes)
    return copy


def _activation(name: str, function: Any, sources: tuple[int, ...], targets: tuple[int, ...]) -> Step:
    return Step(
        name=name,
        kind=_name(function),
        operation=function,
        sources=sources,
        targets=targets,
        arguments=lambda tensors: (tuple(tensors), {}),
        call=lambda tensors: [function(tensors[0])],
    )


def _step(node: Any, operation: Any, sources: tuple[int, ...], targets: tuple[int, ...]) -> Step:
    keras, tf = import_keras(), import_tensorflow()
    training = bool(getattr(operation, "_call_has_training_arg", False))

    def arguments(values: list[Any]) -> tuple[Any, Any]:
        # In the order in which Keras lists the tensors: one that stands twice may get two values.
        left = iter(values)
        structure = (node.arguments.args, node.arguments.kwargs)
        return keras.tree.map_structure(  # type: ignore[no-any-return]
            lambda each: next(left) if isinstance(each, keras.KerasTensor) else each, structure
        )

    def call(values: list[Any]) -> list[Any]:
        args, kwargs = arguments(values)
        kwargs = {key: value for key, value in kwargs.items() if key not in ("training", "mask")}
        if training:
            kwargs["training"] = False
        with tf.name_scope("step"):  # at the root of a graph a layer's name may not begin with an underscore
            return list(keras.tree.flatten(operation(*args, **kwargs)))

    return Step(operation.name, type(operation).__name__, operation, sources, targets, arguments, call)
