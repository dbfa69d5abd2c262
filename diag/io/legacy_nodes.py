"""How layers of a functional model are joined: the nodes of Keras 1, 2 and 3 in one form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.io.expressions import Node, UnknownExpressionError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Reference:
    """One output of one call of a layer."""

    layer: str
    node: int = 0
    tensor: int = 0


class Call:
    """One call of a layer that is still to be made, and the tensors that it waits for."""

    __slots__ = ("entry", "kwargs", "name", "refs", "sources", "spread")

    def __init__(self, entry: dict[str, Any], name: str, refs: list[Any], kwargs: dict[str, Any], spread: bool) -> None:
        self.entry, self.name, self.refs, self.kwargs, self.spread = entry, name, refs, kwargs, spread
        self.sources = references([*refs, *kwargs.values()])


def ends_of(value: Any) -> list[Reference]:
    """Return ``input_layers`` or ``output_layers``: one ``[name, 0, 0]``, a list of them, or a dictionary."""
    if isinstance(value, dict):
        value = list(value.values())
    if not value:
        return []
    if isinstance(value[0], str):
        return [Reference(*value[:3])]
    found: list[Reference] = []
    for end in value:
        found += ends_of(end)
    return found


def node_arguments(node: Any, known: set[str]) -> tuple[list[Any], dict[str, Any]]:
    """Return what a layer is called with: positional arguments and named ones, tensors as `Reference`.

    Parameters
    ----------
    node : list or dict
        Keras 1 and 2: ``[["conv", 0, 0, {}], ...]``, or ``["conv", 0, 0, {"y": 2.0}]`` for an operation;
        Keras 3: ``{"args": [...], "kwargs": {...}}``.
    known : set of str
        Names of the model's layers: other lists that begin with a text are no tensors.
    """
    if isinstance(node, dict):
        args = [_of_keras_3(part) for part in node.get("args", [])]
        return args, {key: _of_keras_3(value) for key, value in (node.get("kwargs") or {}).items()}
    parts = [node] if node and isinstance(node[0], str) else list(node)
    found: list[Any] = []
    kwargs: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, dict):  # a structure of tensors
            found += [_named(value, known) for value in part.values()]
            continue
        found.append(part[2] if part[0] == "_CONSTANT_VALUE" else _named(part[:3], known))
        if len(part) > 3 and isinstance(part[3], dict):
            kwargs |= {key: _named(value, known) for key, value in part[3].items()}
    return found, kwargs


def references(value: Any) -> list[Reference]:
    """Return the tensors among a layer's arguments, as `node_arguments` gives them."""
    if isinstance(value, Reference):
        return [value]
    return [ref for part in value for ref in references(part)] if isinstance(value, list | tuple) else []


def first_calls(calls: list[tuple[str, list[Reference]]], ends: list[Reference]) -> dict[str, int]:
    """Return the number of each layer's first call, for layers where it is not 0.

    Keras 1 and 2 count from 1 for a model inside the model that was built before it was called: call 0 was its own
    making. All calls in a file are used by some layer or end, so the largest number says which it is.

    Parameters
    ----------
    calls : list of (str, list of Reference)
        Each call's layer, and the tensors that it takes.
    ends : list of Reference
        The model's outputs.
    """
    count: dict[str, int] = {}
    largest = {end.layer: end.node for end in ends}
    for layer, sources in calls:
        count[layer] = count.get(layer, 0) + 1
        for ref in sources:
            largest[ref.layer] = max(largest.get(ref.layer, 0), ref.node)
    for end in ends:
        largest[end.layer] = max(largest[end.layer], end.node)
    return {layer: largest[layer] - number + 1 for layer, number in count.items() if largest.get(layer, 0) >= number}


def _named(value: Any, known: set[str]) -> Any:
    if isinstance(value, list):
        is_tensor = len(value) == 3 and isinstance(value[0], str) and value[0] in known and isinstance(value[1], int)
        if is_tensor:
            return Reference(*value)
        if len(value) == 3 and value[:2] == ["_CONSTANT_VALUE", -1]:
            return value[2]
        return [_named(part, known) for part in value]
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        return [_named(part, known) for part in value.get("items", [])]
    return value


def _of_keras_3(value: Any) -> Any:
    if isinstance(value, list):
        return [_of_keras_3(part) for part in value]
    if not isinstance(value, dict) or "class_name" not in value:
        return value
    kind = value["class_name"]
    inner: Any = value.get("config")
    if kind == "__keras_tensor__":
        return Reference(*inner["keras_history"])
    if kind in ("__ellipsis__", "Ellipsis"):
        return Ellipsis
    if kind in ("__slice__", "slice"):
        return slice(*(inner[key] for key in ("start", "stop", "step")))
    if kind in ("__numpy__", "__tensor__"):
        return np.asarray(inner["value"], dtype=inner["dtype"])
    return inner


def is_kept(value: Any) -> bool:
    """Return whether an argument of a call matters for inference: other tensors, and switches that are set."""
    return value is not None and (isinstance(value, bool) or hasattr(value, "shape") or isinstance(value, list))


def flat(out: Any) -> list[Any]:
    """Return what a layer gives as a list of tensors."""
    if isinstance(out, dict):
        return list(out.values())
    return list(out) if isinstance(out, list | tuple) else [out]


def operation_tree(
    entry: dict[str, Any], args: list[Any], kwargs: dict[str, Any], call: Callable[..., Node]
) -> tuple[Node, list[Any]]:
    """Return the expression of a bare TensorFlow operation, and the tensors that it is computed of.

    Parameters
    ----------
    entry : dict
        Of class ``TFOpLambda``, ``SlicingOpLambda`` (TF 2.4 on) or ``TensorFlowOpLayer`` (before).
    args, kwargs
        What it is called with: Keras tensors and constants.

    Raises
    ------
    UnknownExpressionError
        If it is not a known operation.
    """
    tensors: list[Any] = []

    def placed(value: Any) -> Any:
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            tensors.append(value)
            return Node("input", (len(tensors) - 1,))
        return [placed(part) for part in value] if isinstance(value, list) else value

    values = entry["config"]
    if entry["class_name"] == "TensorFlowOpLayer":
        return _graph_operation(values, [placed(value) for value in args]), tensors
    function = str(values.get("function") or values.get("symbol"))
    named = {key: placed(value) for key, value in kwargs.items()}
    if function.endswith("__getitem__") or "getitem" in function:
        key = named.pop("slice_spec", None)
        return Node("getitem", (placed(args[0]), _key(key))), tensors
    placed_args = [placed(value) for value in args]
    if function.split(".")[-1] in ("concat", "concat_v1", "stack", "add_n") and len(placed_args) > 1:
        placed_args = [placed_args]
    return call(f"tf.{function}", placed_args, named), tensors


def _key(spec: Any) -> tuple[Any, ...]:
    """Return what stands in the brackets of ``x[..., ::-1]``, as TF 2 writes it down."""
    parts = spec if isinstance(spec, list) else [spec]
    return tuple(_key_part(part) for part in parts)


def _key_part(part: Any) -> Any:
    if isinstance(part, dict) and set(part) == {"start", "stop", "step"}:
        return slice(part["start"], part["stop"], part["step"])
    if (
        part is None
        or part == {"class_name": "__ellipsis__"}
        or (isinstance(part, dict) and part.get("class_name") in ("__ellipsis__", "Ellipsis"))
    ):
        return None if part is None else Ellipsis
    if isinstance(part, int):
        return part
    raise UnknownExpressionError("an index with a variable")


_GRAPH = {
    "RealDiv": "divide", "Mul": "multiply", "Sub": "subtract", "Add": "add", "AddV2": "add", "BiasAdd": "add",
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softmax": "softmax", "Neg": "negative",
    "Square": "square", "Sqrt": "sqrt", "Exp": "exp", "Maximum": "maximum", "Minimum": "minimum",
    "Identity": "identity",
    "Cast": "cast_float32", "ExpandDims": "expand_dims", "Reshape": "reshape", "Transpose": "transpose",
    "Mean": "mean", "Sum": "sum", "Max": "max", "Pow": "power", "Abs": "absolute", "ReverseV2": "flip",
    "ConcatV2": "concatenate", "Squeeze": "squeeze",
}  # fmt: skip


def _graph_operation(values: dict[str, Any], args: list[Any]) -> Node:
    """Return a node of a TensorFlow graph, which TF 2.0 to 2.3 kept as text; constants stand beside it by place."""
    definition = values.get("node_def")
    if isinstance(definition, str):
        definition = json.loads(definition)
    kind = str((definition or {}).get("op"))
    if kind not in _GRAPH:
        raise UnknownExpressionError(kind)
    for place, constant in sorted((int(key), value) for key, value in (values.get("constants") or {}).items()):
        args.insert(place, constant)
    name = _GRAPH[kind]
    kwargs: dict[str, Any] = {}
    attributes = (definition or {}).get("attr", {})
    if kind in ("Mean", "Sum", "Max"):
        kwargs["keepdims"] = bool(attributes.get("keep_dims", {}).get("b", False))
    if kind == "Squeeze":
        dims = attributes.get("squeeze_dims", {}).get("list", {}).get("i", [])
        kwargs["axis"] = [int(axis) for axis in dims] or None
    if kind == "ConcatV2":
        return Node(name, (args[:-1],), {"axis": int(args[-1])})
    return Node(name, tuple(args), kwargs)
