"""A model built from a configuration of Keras 1 or 2, layer by layer; also of Keras 3 where layers must be replaced.

Each layer is made when it is first called, with its input at hand: so missing shapes, Lambda layers and operations
can be put right on the way. The result is a plain Keras model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from diag.errors import ModelLoadError, UnsafeModelError
from diag.io.expressions import KERAS_OPERATIONS, Node, UnknownExpressionError, call, evaluate, keras_operation
from diag.io.foreign import refused_lambda
from diag.io.lambdas import UnrecognisedError, expression_of
from diag.io.layer_shapes import entries, entry_name
from diag.io.layers_of_3 import layer_of_3
from diag.io.legacy_config import cells_of, is_model, plain_name, translated, way_named
from diag.io.legacy_nodes import (
    Call,
    Reference,
    ends_of,
    first_calls,
    flat,
    is_kept,
    node_arguments,
    operation_tree,
)
from diag.io.legacy_weights import Piece
from diag.io.stated_shapes import batch_shape_of, takes_several
from diag.io.substitutes import (
    applied,
    merge_layer,
    old_hard_sigmoid_layer,
    old_normalization,
    own_kind,
    substitute,
)

if TYPE_CHECKING:
    from diag.io.building import Budget
    from diag.io.shape_rules import Shape

_OPERATIONS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM2D")


@dataclass(slots=True)
class _Made:
    """What one entry of a configuration became: something to call, and its piece where it may have weights."""

    call: Any
    piece: Piece | None = None
    outputs: list[list[Any]] = field(default_factory=list)


class Builder:
    """Builds one file's model.

    Parameters
    ----------
    keras : module
    name : str
        The file's, for messages.
    major : int
        1, 2 or 3: the version of Keras that wrote the configuration.
    budget : Budget
        What the model may cost.
    input_shape : tuple, optional
        Of one sample, where the file does not say it.
    """

    def __init__(self, keras: Any, name: str, major: int, budget: Budget, input_shape: Shape | None = None) -> None:
        self.keras, self.name, self.major, self.input_shape = keras, name, major, input_shape
        self.budget = budget

    def model(self, config: dict[str, Any], x: Any = None, label: str | None = None) -> tuple[Any, tuple[Piece, ...]]:
        """Return the `keras.Model` of a configuration and its pieces.

        Parameters
        ----------
        config : dict
            ``{"class_name": "Sequential" | "Functional" | "Model", "config": ...}``.
        x : KerasTensor, optional
            What a nested model is called on.
        label : str, optional
            Its name.
        """
        graph = _Graph(self)
        kind, inner = config["class_name"], config["config"]
        if kind == "Sequential":
            starts, stops = graph.sequential(config, x)
        elif isinstance(inner, dict) and "layers" in inner and "input_layers" in inner:
            starts, stops = graph.functional(config, x)
        else:
            raise ModelLoadError(f"{self.name}: expected a Sequential or functional model. Received: {kind}.")
        own = inner.get("name") if isinstance(inner, dict) else None
        name = plain_name(label or own or "model")
        model = self.keras.Model(
            starts[0] if len(starts) == 1 else starts, stops[0] if len(stops) == 1 else stops, name=name
        )
        order = {str(entry.get("name") or entry_name(entry)): number for number, entry in enumerate(entries(config))}
        pieces = [made.piece for made in graph.made.values() if made.piece is not None]
        return model, tuple(sorted(pieces, key=lambda piece: order.get(piece.name, -1)))


class _Graph:
    """The layers of one model, and what they have given so far."""

    def __init__(self, builder: Builder) -> None:
        self.builder, self.keras, self.file = builder, builder.keras, builder.name
        self.made: dict[str, _Made] = {}
        self.first: dict[str, int] = {}
        self.labels: set[str] = set()

    # ------------------------------------------------------------ the two kinds of models

    def sequential(self, config: dict[str, Any], given: Any) -> tuple[list[Any], list[Any]]:
        """Return inputs and outputs of a chain of layers."""
        steps = entries(config)
        if steps and steps[0]["class_name"] == "Merge":
            starts, x = self._merged_branches(steps[0])
            steps = steps[1:]
        else:
            shape = given.shape if given is not None else self._first_shape(config, steps)
            label = entry_name(steps[0]) if steps and steps[0]["class_name"] == "InputLayer" else None
            starts = [self._input(shape, label)]
            x = starts[0]
        for number, entry in enumerate(steps):
            if entry["class_name"] == "InputLayer":
                continue
            made = self._made(f"{entry_name(entry)}" if entry_name(entry) not in self.made else f"{number}")
            x = self._called(made, entry, [x], {})
        return starts, [x] if not isinstance(x, list | tuple) else list(x)

    def functional(self, config: dict[str, Any], given: Any) -> tuple[list[Any], list[Any]]:
        """Return inputs and outputs of a graph of layers."""
        inner = config["config"]
        found = entries(config)
        waiting: list[Call] = []
        first, last = ends_of(inner["input_layers"]), ends_of(inner["output_layers"])
        known = {str(entry.get("name") or entry_name(entry)) for entry in found}
        for entry in found:
            name = str(entry.get("name") or entry_name(entry))
            if entry["class_name"] == "InputLayer":
                shape = self._stated(entry)
                if given is not None and len(first) == 1 and first[0].layer == name:
                    shape = tuple(given.shape)
                self.made[name] = _Made(None, None, [[self._input(shape, name)]])
            nodes = entry.get("inbound_nodes") or []
            waiting += [Call(entry, name, *node_arguments(node, known), isinstance(node, dict)) for node in nodes]
        self.first = first_calls([(call.name, call.sources) for call in waiting], last)
        while waiting:
            left = [call for call in waiting if not self._node(call)]
            if len(left) == len(waiting):
                raise ModelLoadError(
                    f"{self.file}: layer {left[0].name!r}: its inputs are not in the file. Save the model again."
                )
            waiting = left
        starts = [self._tensor(end) for end in first]
        return starts, [self._tensor(end) for end in last]

    def _node(self, call: Call) -> bool:
        """Call a layer on one of its inputs, if those are there already."""
        if any(not self._is_there(ref) for ref in call.sources):
            return False
        made = self._made(call.name)
        args = [self._resolved(ref) for ref in call.refs]
        values = {key: self._resolved(value) for key, value in call.kwargs.items()}
        out = self._called(made, call.entry, args, values, spread=call.spread)
        made.outputs.append(flat(out))
        return True

    def _is_there(self, ref: Reference) -> bool:
        made = self.made.get(ref.layer)
        return made is not None and 0 <= self._index(ref) < len(made.outputs)

    def _index(self, ref: Reference) -> int:
        return ref.node - self.first.get(ref.layer, 0)

    def _tensor(self, ref: Reference) -> Any:
        made = self.made.get(ref.layer)
        if made is None or not self._is_there(ref):
            raise ModelLoadError(f"{self.file}: its end {ref.layer!r} is not one of its layers. Save the model again.")
        return made.outputs[self._index(ref)][ref.tensor]

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, Reference):
            return self._tensor(value)
        return [self._resolved(part) for part in value] if isinstance(value, list) else value

    # ------------------------------------------------------------ inputs

    def _input(self, batch_shape: Any, name: str | None = None) -> Any:
        return self.keras.Input(batch_shape=tuple(batch_shape), name=self._label(name) if name else None)

    def _label(self, name: str) -> str:
        """Return a name for a layer that no other layer of the model has."""
        label = plain_name(name)
        while label in self.labels:
            label = f"{label}_1"
        self.labels.add(label)
        return label

    def _stated(self, entry: dict[str, Any]) -> tuple[Any, ...]:
        inner = entry["config"]
        shape = inner.get("batch_shape") or inner.get("batch_input_shape")
        if shape is None and isinstance(inner.get("shape"), list | tuple):
            shape = [None, *inner["shape"]]
        if shape is None:
            raise self._no_shape()
        open_places = self.builder.input_shape
        if None in shape[1:] and open_places is not None and len(open_places) == len(shape) - 1:
            return (shape[0], *open_places)
        return tuple(shape)

    def _first_shape(self, config: dict[str, Any], steps: list[dict[str, Any]]) -> tuple[Any, ...]:
        shape = batch_shape_of(config, steps)
        found = self.builder.input_shape
        if found is not None and (shape is None or (None in shape[1:] and len(found) == len(shape) - 1)):
            return (None if shape is None else shape[0], *found)
        if shape is None:
            raise self._no_shape()
        return tuple(shape)

    def _no_shape(self) -> ModelLoadError:
        return ModelLoadError(
            f"{self.file}: the file does not say what the model takes: its first layer has no input shape. "
            "Pass it: --input-shape HxWxC, such as 28x28x1."
        )

    def _merged_branches(self, entry: dict[str, Any]) -> tuple[list[Any], Any]:
        """Build what Keras 1 merged at the start of a Sequential: whole models side by side."""
        values, starts, ends, pieces = entry["config"], [], [], []
        for number, branch in enumerate(values.get("layers", [])):
            model, parts = self.builder.model(branch, label=f"branch_{number}")
            starts += [self._input(tensor.shape) for tensor in model.inputs]
            ends.append(model(starts[-len(model.inputs)] if len(model.inputs) == 1 else starts[-len(model.inputs) :]))
            pieces.append(Piece(f"branch_{number}", branch["class_name"], model, parts))
        layer = merge_layer(values, plain_name(entry_name(entry)))
        if layer is None or not ends:
            raise self._foreign(entry, "Merge")
        self.made["merge"] = _Made(layer, Piece(entry_name(entry), "Merge", layer, tuple(pieces)))
        return starts, layer(ends)

    # ------------------------------------------------------------ layers

    def _made(self, key: str) -> _Made:
        if key not in self.made:
            self.made[key] = _Made(None)
        return self.made[key]

    def _called(
        self, made: _Made, entry: dict[str, Any], args: list[Any], kwargs: dict[str, Any], *, spread: bool = False
    ) -> Any:
        """Return what a layer gives, which is not too much; it is made on its first call."""
        name = entry_name(entry)
        given = [part for part in _leaves([*args, *kwargs.values()]) if self.keras.utils.is_keras_tensor(part)]
        if not given:
            raise ModelLoadError(
                f"{self.file}: layer {name!r} takes nothing that comes from the model's input. "
                "The file is damaged or was tampered with."
            )
        out = self._applied(made, entry, args, kwargs, spread)
        self.builder.budget.check(name, entry, given, flat(out))
        return out

    def _applied(
        self, made: _Made, entry: dict[str, Any], args: list[Any], kwargs: dict[str, Any], spread: bool
    ) -> Any:
        kind, name = str(entry["class_name"]), entry_name(entry)
        if kind == "Lambda":
            return self._lambda(entry, args[0] if spread and isinstance(args[0], list) else args, name)
        if kind in _OPERATIONS:
            return self._operation(entry, args, kwargs, name)
        if self.builder.major >= 3 and kind in KERAS_OPERATIONS and "module" not in entry:
            return keras_operation(entry, args, kwargs)
        x = args[0] if len(args) == 1 else args
        if made.call is None:
            made.call, piece = self._layer(entry, x)
            made.piece = piece if hasattr(made.call, "weights") else None  # an operation has none
        if spread:
            return made.call(*args, **{key: value for key, value in kwargs.items() if value is not None})
        kept = {key: value for key, value in kwargs.items() if is_kept(value)}
        if kind in _RECURRENT and isinstance(x, list):
            return made.call(x[0], initial_state=x[1:], **kept)
        return made.call(x, **kept)

    def _lambda(self, entry: dict[str, Any], args: list[Any], name: str) -> Any:
        """Put an expression in the place of a Lambda layer; its code is read, never run."""
        try:
            tree = expression_of(entry["config"])
            inputs = [args if len(args) > 1 else args[0]]
            return applied(tree, inputs, self._label(name))
        except (UnrecognisedError, UnknownExpressionError) as error:
            raise refused_lambda(self.file, name, str(error)) from None
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            raise refused_lambda(self.file, name, "it does not fit its input") from error

    def _operation(self, entry: dict[str, Any], args: list[Any], kwargs: dict[str, Any], name: str) -> Any:
        try:
            tree, tensors = operation_tree(entry, args, kwargs, call)
            return applied(tree, tensors, self._label(name)) if isinstance(tree, Node) else evaluate(tree, tensors)
        except UnknownExpressionError as error:
            raise ModelLoadError(
                f"{self.file}: layer {name!r} is the TensorFlow operation {error}, which diag does not know. "
                "Rebuild the model with today's layers and save it again."
            ) from None

    def _layer(self, entry: dict[str, Any], x: Any, label: str | None = None) -> tuple[Any, Piece]:
        """Return a layer and its piece, for the input that it is called on first."""
        kind, name = own_kind(str(entry["class_name"])), entry_name(entry)
        label = label or self._label(name)
        if is_model(entry):
            several, own = takes_several(entry), self.builder
            builder = Builder(own.keras, own.name, own.major, own.budget) if several else own
            model, parts = builder.model(entry, None if several or isinstance(x, list) else x, label)
            return model, Piece(name, kind, model, parts)
        values = {**entry["config"], "name": label}
        if kind == "Merge":
            layer = merge_layer(values, label)
            if layer is None:
                raise self._foreign(entry, kind)
            return layer, Piece(name, kind, layer)
        replaced = substitute(kind, values, x)
        if replaced is not None:
            return replaced[0], Piece(name, kind, replaced[0], (), replaced[1])
        if kind == "BatchNormalization" and (values.get("mode") or values.get("keeps_deviation")):
            layer, fit = old_normalization(values, self.file)
            return layer, Piece(name, kind, layer, (), fit)
        if kind in ("TimeDistributed", "Bidirectional"):
            return self._wrapper(kind, values, x, name)
        if self.builder.major >= 3 and "module" in entry:
            layer = layer_of_3({**entry, "config": values})
            return layer, Piece(name, kind, layer)
        kind, values = translated(kind, values, self.builder.major)
        layer = self._from_config(entry, kind, values)
        return layer, Piece(name, str(entry["class_name"]), layer)

    def _from_config(self, entry: dict[str, Any], kind: str, values: dict[str, Any]) -> Any:
        cls = getattr(self.keras.layers, kind, None)
        if cls is None:
            raise self._foreign(entry, kind)
        for key in ("activation", "recurrent_activation"):
            value = values.get(key)
            if isinstance(value, str) and not hasattr(self.keras.activations, value):
                raise UnsafeModelError(
                    f"{self.file}: layer {values['name']!r}: its activation {value!r} is not one of Keras's own. "
                    "diag loads no foreign code: rebuild the model with Keras's activations and save it again."
                )
        if kind == "Activation" and values.get("activation") == "hard_sigmoid" and self.builder.major < 3:
            return old_hard_sigmoid_layer(self.keras, values["name"])
        if isinstance(values.get("cell"), dict) or isinstance(values.get("cells"), list):
            values = {**values, **cells_of(values, self.builder.major)}
        return cls.from_config(values)

    def _wrapper(self, kind: str, values: dict[str, Any], x: Any, name: str) -> tuple[Any, Piece]:
        """Build a wrapper around a layer or model that is built first."""
        inner = values.get("layer")
        if not isinstance(inner, dict):
            raise ModelLoadError(f"{self.file}: layer {name!r}: expected a layer inside {kind}.")
        if kind == "TimeDistributed":
            within = self.keras.Input(batch_shape=(x.shape[0], *x.shape[2:]))
            if str(inner["class_name"]) in ("Lambda", *_OPERATIONS):
                end = self._called(_Made(None), inner, [within], {})
                layer, piece = self.keras.Model(within, end), None
            else:
                layer, piece = self._layer(inner, within, plain_name(entry_name(inner)))
            wrapper = self.keras.layers.TimeDistributed(layer, name=values["name"])
            return wrapper, Piece(name, kind, wrapper, (piece,) if piece else ())
        inner = way_named(inner, "forward_")
        forward, one = self._layer(inner, x, plain_name(entry_name(inner)))
        backward, two = None, None
        if isinstance(values.get("backward_layer"), dict):
            inner = way_named(values["backward_layer"], "")
            backward, two = self._layer(inner, x, plain_name(entry_name(inner)))
        wrapper = self.keras.layers.Bidirectional(
            forward, merge_mode=values.get("merge_mode", "concat"), backward_layer=backward, name=values["name"]
        )
        ways = (("forward_layer", one), ("backward_layer", two or one))
        parts = tuple(
            Piece(getattr(wrapper, way).name, piece.kind, getattr(wrapper, way), (), piece.fit) for way, piece in ways
        )
        return wrapper, Piece(name, kind, wrapper, parts)

    def _foreign(self, entry: dict[str, Any], kind: str) -> Exception:
        name = entry_name(entry)
        if kind == "Merge":
            return ModelLoadError(
                f"{self.file}: layer {name!r} is a Merge in a mode that Keras 3 no longer has. "
                "Rebuild the model with today's layers and save it again."
            )
        return UnsafeModelError(
            f"{self.file}: layer {name!r} ({kind}) is not one of Keras's own. "
            "diag loads no foreign code: rebuild the model with Keras's layers and save it again."
        )


def _leaves(values: list[Any]) -> list[Any]:
    return [leaf for value in values for leaf in (_leaves(value) if isinstance(value, list) else [value])]
