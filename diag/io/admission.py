"""The part of a model's configuration that Keras gets to see: what `diag.io.allowed` names, written anew.

A configuration of a file is walked once, from the model down. What is allowed is copied, with the place that diag
knows for it; what only training needs is left out; everything else is a problem, and a model with a problem is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diag.errors import ModelLoadError, UnsafeModelError
from diag.io import allowed
from diag.io.expressions import KERAS_OPERATIONS
from diag.io.foreign import described, named, refused, refused_lambda
from diag.io.lambdas import UnrecognisedError, expression_of
from diag.io.substitutes import SUBSTITUTED
from diag.io.weighing import operations_in
from diag.worker.limits import Limits, raise_hint

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_INTEGER = 2**53
_QUANTIZED = re.compile(r"(int8|float8)_from_(mixed_)?b?float(16|32)")
# Beside class and configuration, what of a layer's entry is of use.
_KEPT = ("name", "inbound_nodes", "build_config", "keras_version", "backend")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a model is refused.

    Parameters
    ----------
    error : ModelLoadError
    code : str, optional
        What would be run, imported or read if the model was loaded all the same.
    crowd : bool
        Whether there is so much of it that it is not looked into any further.
    """

    error: ModelLoadError
    code: str | None = None
    crowd: bool = False


def admitted(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the configuration that may be built.

    Parameters
    ----------
    config : dict
        ``{"class_name": ..., "config": ...}`` as the file has it; it is not changed.
    name : str
        The file's, for messages.

    Raises
    ------
    UnsafeModelError
        If it names anything whose loading runs code that is not Keras's, or opens another file.
    ModelLoadError
        If it is no model, or has more layers than the limit.
    """
    walk = _Walk(name, Limits.current())
    fresh: dict[str, Any] = walk.model(config)
    if walk.problems:
        raise walk.problems[0].error
    return fresh


def problems(config: dict[str, Any], name: str) -> tuple[Problem, ...]:
    """Return all that `admitted` has against a configuration, in the order of its layers."""
    walk = _Walk(name, Limits.current())
    walk.model(config)
    return tuple(walk.problems)


class _Walk:
    """One walk over one configuration."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.name, self.limits = name, limits
        self.label = "model"
        self.layers, self.times = 0, 1
        self.problems: list[Problem] = []

    # ------------------------------------------------------------ models and their layers

    def model(self, node: dict[str, Any]) -> Any:
        """Return a model with its layers."""
        kind, inner = node.get("class_name"), node.get("config")
        if kind not in allowed.MODELS or not self._is_home(node) or not isinstance(inner, dict | list):
            return self._foreign(node)
        self.label = named(node)
        if isinstance(inner, list):
            config: Any = [self.entry(entry) for entry in inner]
        else:
            layers = inner.get("layers")
            config = {key: self.value(value, key) for key, value in inner.items() if key != "layers"}
            if layers is not None or kind != "Sequential":
                config["layers"] = self._all(layers, self.entry)
        return self._node(node, kind, config, "keras")

    def entry(self, node: Any) -> Any:
        """Return one of a model's layers, which may be a model itself, or one that diag builds in its own way."""
        if not isinstance(node, dict) or not isinstance(node.get("class_name"), str):
            return self._damaged("a layer without a class")
        if not isinstance(node.get("config"), dict | list if node["class_name"] in allowed.MODELS else dict):
            return self._damaged(f"layer {described(node['class_name'])!r} without a configuration")
        self.label = named(node)
        nodes = node.get("inbound_nodes")
        calls = max(1, len(nodes)) if isinstance(nodes, list) else 1
        self._count(calls)
        kind = node["class_name"]
        if kind in allowed.MODELS:
            return self._inner(node, calls)
        if kind == "Lambda":
            return self._lambda(node)
        own = kind in allowed.TF_OPERATIONS or (kind in KERAS_OPERATIONS and "module" not in node)
        if own or self._is_substituted(node):
            return self._node(node, kind, self.value(node["config"], "config"), node.get("module"))
        return self.object(node, of_model=True)

    def _inner(self, node: dict[str, Any], calls: int) -> Any:
        """Return a model within; each call of it calls all that is in it."""
        before, self.times = self.times, self.times * calls
        fresh = self.model(node)
        self.times = before
        return fresh

    def _lambda(self, node: dict[str, Any]) -> Any:
        """Return a Lambda layer as it stands: Keras never sees it, `diag.io.lambdas` reads it."""
        try:
            self._count(operations_in(expression_of(node["config"])))
        except UnrecognisedError as error:
            return self._refuse(refused_lambda(self.name, self.label, str(error)), node)
        return self._node(node, "Lambda", node["config"], "keras.layers")

    # ------------------------------------------------------------ objects in configurations

    def object(self, node: dict[str, Any], *, of_model: bool = False) -> Any:
        """Return an object with class and configuration, at any place in a configuration."""
        kind = node["class_name"]
        if kind in allowed.VALUES:
            return self._plain(node)
        if kind in allowed.DTYPE_POLICIES:
            return self._policy(node)
        if not self._is_home(node):
            return self._foreign(node)
        if kind == "function":
            return self._function(node)
        operations = _operations(node)
        if operations is not None:
            return self._operation(node, operations)
        if kind in allowed.OLD_ACTIVATIONS:
            return {"class_name": kind, "config": self.value(node.get("config"), "config")}
        kind = allowed.RENAMED.get(kind, kind)
        plain = kind.removeprefix("Addons>")
        if plain not in allowed.LAYERS and plain not in allowed.OLD_LAYERS:
            return self._foreign(node)
        if not of_model:
            self._count()
        return self._layer(node, kind, of_model)

    def _layer(self, node: dict[str, Any], kind: str, of_model: bool) -> Any:
        inner = node.get("config")
        if not isinstance(inner, dict):
            return self._damaged(f"layer {described(kind)!r} without a configuration")
        before = self.label
        if "name" in inner:
            self.label = named(node)
        config = {}
        for key, value in inner.items():
            if str(key).endswith(allowed.NOT_NEEDED):
                continue
            if kind == "TimeDistributed" and key == "layer" and of_model:  # else Keras builds what is in it
                config[key] = self.entry(value)
            elif kind == "Merge" and key == "layers" and of_model:
                config[key] = self._all(value, self.entry)
            else:
                config[key] = False if key == "unroll" else self.value(value, key)
        self.label = before
        if of_model:
            return self._node(node, kind, config, "keras.layers")
        return {"class_name": kind, "module": "keras.layers", "registered_name": None, "config": config}

    def _operation(self, node: dict[str, Any], operations: str) -> Any:
        if node["class_name"] not in allowed.OPERATIONS[operations]:
            return self._foreign(node)
        fresh = self._node(node, node["class_name"], self.value(node.get("config"), "config"), "")
        return {**fresh, "module": f"keras.src.ops.{operations}", "registered_name": None}

    def _function(self, node: dict[str, Any]) -> Any:
        plain = self._activation(node.get("config"), node)
        return {"class_name": "function", "module": "builtins", "registered_name": "function", "config": plain}

    def _activation(self, name: Any, node: dict[str, Any] | None = None) -> Any:
        plain = re.sub(r"_v[12]$", "", name).removeprefix("Addons>") if isinstance(name, str) else None
        if plain in allowed.FUNCTIONS:
            return plain
        shown = described(name)
        error = UnsafeModelError(
            f"{self.name}: layer {self.label!r}: its activation {shown!r} is not one of Keras's own. "
            "diag loads no foreign code: rebuild the model with Keras's activations and save it again."
        )
        return self._refuse(error, node, f"the function {shown}")

    def _policy(self, node: dict[str, Any]) -> Any:
        """Return the type of a layer's numbers by its name, which Keras takes as well."""
        inner = node.get("config")
        name = inner.get("name") if isinstance(inner, dict) else inner
        source = inner.get("source_name") if isinstance(inner, dict) else None
        if node["class_name"] == "QuantizedDTypePolicy" and isinstance(inner, dict):
            name = f"{inner.get('mode')}_from_{source}"
        return None if name is None else self._dtype(name)

    def _dtype(self, name: Any) -> Any:
        if name in allowed.DTYPES or _QUANTIZED.fullmatch(str(name)):
            return name
        error = ModelLoadError(
            f"{self.name}: layer {self.label!r}: expected a type of numbers such as float32. "
            f"Received: {described(name)!r}. The file is damaged or was tampered with."
        )
        return self._refuse(error)

    # ------------------------------------------------------------ values

    def value(self, node: Any, key: str) -> Any:
        """Return any value in a configuration; `key` is the name that it stands under."""
        if isinstance(node, dict):
            if "class_name" in node:
                return self.object(node) if isinstance(node["class_name"], str) else self._damaged("a nameless class")
            return self._plain(node)
        if isinstance(node, list):
            return [self.value(part, key) for part in node]
        if isinstance(node, str):
            return self._text(node, key)
        if isinstance(node, int) and abs(node) > _MAX_INTEGER:
            return self._damaged(f"{key} with a number of {len(str(node)[:30])} digits or more")
        return node

    def _plain(self, node: dict[str, Any]) -> dict[str, Any]:
        kept = {key: part for key, part in node.items() if not str(key).endswith(allowed.NOT_NEEDED)}
        return {key: part if key == "class_name" else self.value(part, key) for key, part in kept.items()}

    def _text(self, text: str, key: str) -> Any:
        if key == "activation" or key.endswith("_activation"):
            return self._activation(text)
        if key == "dtype" or key.endswith("_dtype"):
            return self._dtype(text)
        if key in allowed.FILES:
            error = UnsafeModelError(
                f"{self.name}: layer {self.label!r} would open a file ({key} {described(text)!r}), which diag never "
                "does. Rebuild the model with the values themselves in the layer and save it again."
            )
            return self._refuse(error, None, f"reads the file {described(text)}")
        return text

    # ------------------------------------------------------------ the rest

    def _node(self, node: dict[str, Any], kind: str, config: Any, module: Any) -> dict[str, Any]:
        """Return an entry of a model with what is known of it; the file's own say on modules is left out."""
        fresh: dict[str, Any] = {"class_name": kind, "config": config}
        fresh |= {key: self.value(node[key], key) for key in _KEPT if key in node}
        if "module" in node:
            fresh["module"] = module
        if "registered_name" in node:
            fresh["registered_name"] = None
        return fresh

    def _all(self, nodes: Any, admit: Callable[[Any], Any]) -> Any:
        if not isinstance(nodes, list):
            return self._damaged("a model without a list of layers")
        return [admit(node) for node in nodes]

    def _count(self, calls: int = 1) -> None:
        """Count layers, a layer that is called several times as several: each call costs as much."""
        before, limit = self.layers, self.limits.layers
        self.layers = min(self.layers + calls * self.times, 2**61)  # a number that the limit can be set to
        if before <= limit < self.layers:
            error = ModelLoadError(
                f"{self.name}: expected at most {limit:,} layers and calls of layers. Received: more. "
                f"{raise_hint('layers', max(2 * limit, self.layers))}"
            )
            self.problems.insert(0, Problem(error, crowd=True))

    def _is_home(self, node: dict[str, Any]) -> bool:
        module, registered = node.get("module"), node.get("registered_name")
        if module is not None:
            text = str(module)
            if not any(text == home or text.startswith(f"{home}.") for home in allowed.HOMES):
                return False
            if allowed.NO_HOMES & set(text.split(".")):
                return False
        return not (isinstance(registered, str) and ">" in registered and not registered.startswith("keras"))

    def _is_substituted(self, node: dict[str, Any]) -> bool:
        home = str(node.get("module") or "keras").split(".")[0]
        return node["class_name"].split(">")[-1] in SUBSTITUTED and home in allowed.SUBSTITUTED_HOMES

    def _foreign(self, node: dict[str, Any]) -> None:
        return self._refuse(refused(self.name, self.label, node), node)

    def _damaged(self, what: str) -> None:
        return self._refuse(
            ModelLoadError(
                f"{self.name}: its configuration has {what}, near layer {self.label!r}. "
                "The file is damaged or was tampered with."
            )
        )

    def _refuse(self, error: ModelLoadError, node: dict[str, Any] | None = None, code: str | None = None) -> None:
        """Note a problem; the walk goes on, so that all of them are known."""
        if len(self.problems) < 100:
            told = code or (described(node) if node is not None else None)
            self.problems.append(Problem(error, f"layer {self.label!r}: {told}" if told else None))


def _operations(node: dict[str, Any]) -> str | None:
    """Return which of Keras's modules of operations an object is said to come from."""
    parts = str(node.get("module")).split(".")
    if "ops" not in parts:
        return None
    if parts[-1] in allowed.OPERATIONS:
        return parts[-1]
    return next((name for name, known in allowed.OPERATIONS.items() if node["class_name"] in known), "core")
