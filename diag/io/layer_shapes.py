"""Layers, shapes and parameters out of a Keras configuration, without building the model."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

from diag.io.shape_rules import Shape, joined_shape, output_shape

NESTED = ("Sequential", "Functional", "Model")
_SILENT = ("Dropout", "Flatten", "Reshape", "SpatialDropout2D", "GaussianNoise", "InputLayer", "ActivityRegularization")

_JOINING = ("Concatenate", "Merge", "Add", "Multiply", "Average", "Maximum", "Minimum", "Subtract")


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One layer of a file: its name (``outer/inner`` in nested models), type, and what is known of it."""

    name: str
    class_name: str
    activation: str | None
    weight_shapes: tuple[tuple[int, ...], ...]
    n_params: int
    output_shape: Shape | None


@dataclass(frozen=True, slots=True)
class End:
    """One input or output of a model: its name, its shape without the batch axis, an output's activation."""

    name: str
    shape: Shape | None
    activation: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Both ends of a model: what it takes, and what it gives."""

    inputs: tuple[End, ...]
    outputs: tuple[End, ...]

    @property
    def input_shape(self) -> Shape | None:
        """What the model takes, if it takes one thing and the file says which."""
        return self.inputs[0].shape if len(self.inputs) == 1 else None


def entries(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the layer entries of a model's configuration; Keras 1 keeps a Sequential as a bare list."""
    inner = config["config"]
    found = inner if isinstance(inner, list) else inner.get("layers", [])
    return [entry for entry in found if isinstance(entry, dict) and isinstance(entry.get("config"), dict | list)]


def entry_name(entry: dict[str, Any]) -> str:
    """Return a layer entry's name."""
    inner = entry["config"]
    name = inner.get("name") if isinstance(inner, dict) else None
    return str(name or entry.get("name") or entry["class_name"].lower())


def layer_infos(
    config: dict[str, Any], weights: dict[str, tuple[int, ...]], *, archive: bool, shape: Shape | None = None
) -> tuple[LayerInfo, ...]:
    """Return the layers of a model, those of nested models flattened.

    Parameters
    ----------
    config : dict
        ``{"class_name": ..., "config": ...}``.
    weights : dict
        Shapes of all data sets by path, in the layout of the ``.keras`` archive or of legacy HDF5.
    archive : bool
        Which of the two.
    shape : tuple, optional
        The input of a nested model.
    """
    infos: list[LayerInfo] = []
    outputs: dict[str, Shape | None] = {}
    used: dict[str, int] = {}
    current = shape
    sequential = config["class_name"] == "Sequential"
    index = _Index(weights, archive)
    for entry in entries(config):
        name, kind = entry_name(entry), str(entry["class_name"])
        sources = [] if sequential else inbound_names(entry)
        own = index.of(f"layers/{folder_name(kind, used)}" if archive else name)
        given = stated_input(entry)
        if given is None:
            given = current if sequential else _first(outputs.get(source) for source in sources)
        if kind in NESTED:
            inner = layer_infos(entry, own, archive=archive, shape=given)
            current = inner[-1].output_shape if inner else given
            infos += [_prefixed(info, name) for info in inner]
        else:
            inner_config = entry["config"] if isinstance(entry["config"], dict) else {}
            current = (
                joined_shape(kind, inner_config, [outputs.get(source) for source in sources])
                if len(sources) > 1 and (kind in _JOINING)
                else output_shape(kind, inner_config, given)
            )
            shapes = tuple(own.values())
            infos.append(
                LayerInfo(name, kind, activation_name(kind, inner_config), shapes, sum(map(math.prod, shapes)), current)
            )
        outputs[name] = current
    return tuple(infos)


def head_of(config: dict[str, Any], layers: tuple[LayerInfo, ...]) -> Head:
    """Return what a model takes and gives, as far as the file says."""
    takes = _inputs(config)
    ends = _ends(config, "output_layers")
    if not ends:
        return Head(takes, (_output(layers, None),))
    names = [name for name, _ in ends]
    labels = [name if names.count(name) == 1 else f"{name}:{number}" for number, name in enumerate(names)]
    found = [_output(layers, layer, label) for (_, layer), label in zip(ends, labels, strict=True)]
    return Head(takes, tuple(found))


def _output(layers: tuple[LayerInfo, ...], end: str | None, label: str = "output") -> End:
    """Return an output: its activation is that of the last layer before it that is not silent."""
    chain = list(layers)
    if end is not None:
        inside = [place for place, layer in enumerate(layers) if layer.name == end or layer.name.startswith(f"{end}/")]
        chain = chain[: inside[-1] + 1] if inside else chain
    activation = None
    for layer in reversed(chain):
        activation = layer.activation
        if layer.class_name not in _SILENT:
            break
    activation = activation.removesuffix("_v2") if activation else None  # TF 1 wrote softmax_v2
    return End(label, chain[-1].output_shape if chain else None, activation)


def stated_input(entry: dict[str, Any]) -> Shape | None:
    """Return the input shape (without batch) that a layer's entry states."""
    inner = entry["config"]
    if isinstance(inner, dict):
        for key in ("batch_shape", "batch_input_shape"):
            if isinstance(inner.get(key), list | tuple):
                return tuple(inner[key][1:])
        if isinstance(inner.get("input_shape"), list):
            return tuple(inner["input_shape"])
    built = entry.get("build_config")
    stated = built.get("input_shape") if isinstance(built, dict) else None
    if isinstance(stated, list) and stated and not isinstance(stated[0], list):
        return tuple(stated[1:])
    return None


def inbound_names(entry: dict[str, Any]) -> list[str]:
    """Return the names of the layers that a layer of a functional model takes its input from."""
    found: list[str] = []

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("class_name") == "__keras_tensor__":
                found.append(str(node["config"]["keras_history"][0]))
                return
            for value in node.values():
                visit(value)
        elif isinstance(node, list | tuple):
            if len(node) >= 3 and isinstance(node[0], str) and isinstance(node[1], int) and isinstance(node[2], int):
                found.append(node[0])
                return
            for value in node:
                visit(value)

    visit(entry.get("inbound_nodes", []))
    return found


def activation_name(kind: str, config: dict[str, Any]) -> str | None:
    """Return the name of a layer's activation."""
    if kind in ("Softmax", "ReLU", "LeakyReLU", "ELU", "PReLU", "ThresholdedReLU"):
        return kind.lower()
    value = config.get("activation")
    if isinstance(value, dict):
        inner = value.get("config")
        value = inner if isinstance(inner, str) else value.get("class_name")
    return value.lower() if isinstance(value, str) else None


def _inputs(config: dict[str, Any]) -> tuple[End, ...]:
    found = entries(config)
    if config["class_name"] == "Sequential":
        if not found:
            return ()
        first = found[0]
        if first["class_name"] == "Merge":  # Keras 1 put whole models side by side
            inner = first["config"] if isinstance(first["config"], dict) else {}
            return tuple(end for branch in inner.get("layers", []) for end in _inputs(branch))
        if first["class_name"] in NESTED and stated_input(first) is None:
            return _inputs(first)
        shape = stated_input(first)
        built = config["config"].get("build_input_shape") if isinstance(config["config"], dict) else None
        if shape is None and isinstance(built, list):
            shape = tuple(built[1:])
        return (End(entry_name(first), shape),)
    named = {str(entry.get("name") or entry_name(entry)): stated_input(entry) for entry in found}
    return tuple(End(name, named.get(layer)) for name, layer in _ends(config, "input_layers"))


def _ends(config: dict[str, Any], key: str) -> list[tuple[str, str]]:
    """Return (name, layer) of ``input_layers`` or ``output_layers``.

    They stand there as one ``[layer, 0, 0]``, a list of them, or a dictionary by name.
    """
    inner = config["config"]
    value = inner.get(key) if isinstance(inner, dict) else None
    if not value:
        return []
    if isinstance(value, dict):
        return [(str(name), str(end[0])) for name, end in value.items()]
    if isinstance(value[0], str):
        return [(value[0], value[0])]
    return [(str(item[0]), str(item[0])) for item in value]


def folder_name(kind: str, used: dict[str, int]) -> str:
    """Return the folder of a layer in a ``.keras`` archive: its class in snake case, numbered from the second on."""
    name = re.sub(r"\W+", "", kind)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    name = re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
    used[name] = used.get(name, -1) + 1
    return name if used[name] == 0 else f"{name}_{used[name]}"


class _Index:
    """Weights by the layer that they belong to, found without a look at all of them for each layer."""

    def __init__(self, weights: dict[str, tuple[int, ...]], archive: bool) -> None:
        self.weights, self.archive = weights, archive
        self.ordered = sorted(path for path in weights if "seed_generator" not in path)
        self.inside: dict[str, list[str]] | None = None

    def of(self, name: str) -> dict[str, tuple[int, ...]]:
        """Return the weights of a layer by their path within it."""
        start, own = bisect_left(self.ordered, f"{name}/"), []
        while start < len(self.ordered) and self.ordered[start].startswith(f"{name}/"):
            own.append(self.ordered[start])
            start += 1
        if own or self.archive:
            return {path[len(name) + 1 :]: self.weights[path] for path in own}
        # Inside a nested model of a legacy file, weights lie in the outer layer's group under names of their own.
        return {path: self.weights[path] for path in self._below().get(name, ())}

    def _below(self) -> dict[str, list[str]]:
        """Return all paths by the groups that they pass through."""
        if self.inside is None:
            self.inside = {}
            for path in self.weights:
                for folder in dict.fromkeys(path.split("/")[:-1]):
                    self.inside.setdefault(folder, []).append(path)
        return self.inside


def _prefixed(info: LayerInfo, outer: str) -> LayerInfo:
    return LayerInfo(
        f"{outer}/{info.name}", info.class_name, info.activation, info.weight_shapes, info.n_params, info.output_shape
    )


def _first(values: Any) -> Any:
    return next((value for value in values if value is not None), None)
