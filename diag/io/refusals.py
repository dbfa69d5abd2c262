"""Which configurations are never given to Keras: those that would run code of their own, or take all memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from diag.errors import ModelLoadError, UnsafeModelError
from diag.io.audit import one_line
from diag.io.lambdas import UnrecognisedError, expression_of
from diag.io.layer_shapes import entries, entry_name
from diag.io.substitutes import SUBSTITUTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.io.model_file import ModelFile

_HOMES = ("keras", "tensorflow.keras", "tensorflow.python.keras", "tf_keras", "builtins")
_SUBSTITUTED_HOMES = ("keras", "tf_keras", "autokeras")  # whose layers are replaced, never imported
_NO_LAYERS = {
    "utils",
    "saving",
    "config",
    "backend",
    "datasets",
    "callbacks",
    "export",
    "preprocessing",
    "trainers",
}
_RUNS_CODE = (
    "TFSMLayer",
    "TorchModuleWrapper",
    "JaxLayer",
    "FlaxLayer",
)  # read another file, or run what is in it
_NOT_NEEDED = ("_initializer", "_regularizer", "_constraint")
# Sizes of a layer, and what they may be even if no weight in the file is as long.
_SIZES = {
    **dict.fromkeys(("units", "filters", "output_dim", "input_dim", "nb_filter"), 2**14),
    **dict.fromkeys(("kernel_size", "nb_row", "nb_col", "filter_length"), 2**8),
}
MAX_NUMBERS = 2**28  # of one layer's output for one image


def refuse_code(config: dict[str, Any], name: str) -> None:
    """Raise if a configuration names anything whose loading runs code that is not Keras's.

    Raises
    ------
    UnsafeModelError
        Naming the layer, and what to do.
    """
    for entry in entries(config):
        for part in _parts(entry):
            inner = part.get("config")
            named = isinstance(inner, dict) and "name" in inner
            _refuse(part, entry_name(part if named else entry), name)


def _refuse(part: dict[str, Any], label: str, name: str) -> None:
    """Raise if an object in the configuration of layer `label` is code, or is not from Keras."""
    kind, module, registered = str(part.get("class_name")), part.get("module"), part.get("registered_name")
    if kind == "Lambda":
        try:
            expression_of(part["config"])
        except UnrecognisedError as error:
            raise refused_lambda(name, label, str(error)) from None
        return
    if kind == "__lambda__":
        raise refused_lambda(name, label, "it stands where Keras's own functions stand")
    if kind in _RUNS_CODE:
        raise UnsafeModelError(
            f"{name}: layer {label!r} ({kind}) runs a program outside of Keras, which diag never does. "
            "Rebuild the model with Keras's layers and save it again."
        )
    if kind.split(">")[-1] in SUBSTITUTED and str(module or "keras").split(".")[0] in _SUBSTITUTED_HOMES:
        return
    own = module is None or any(module == home or str(module).startswith(f"{home}.") for home in _HOMES)
    own = own and not (module is not None and _NO_LAYERS & set(str(module).split(".")))
    if not own or (isinstance(registered, str) and ">" in registered and not registered.startswith("keras")):
        raise UnsafeModelError(
            f"{name}: layer {label!r} ({kind}) is not one of Keras's own ({module or registered}). "
            "diag loads no foreign code: rebuild the model with Keras's layers and save it again."
        )


def _parts(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a configuration, wrapped and nested ones too; not what only training needs."""
    if isinstance(node, dict):
        if "class_name" in node:
            yield node
        if node.get("class_name") == "Lambda":
            return  # what is in it is read by `lambdas`
        for key, value in node.items():
            if not str(key).endswith(_NOT_NEEDED):
                yield from _parts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _parts(value)


def refuse_oversized(file: ModelFile) -> None:
    """Raise if a layer claims sizes that no weight in the file has: building it would take all memory.

    Raises
    ------
    ModelLoadError
        Naming the layer.
    """
    stored = max((size for layer in file.layers for shape in layer.weight_shapes for size in shape), default=0)
    for part in _parts(file.config):
        inner = part.get("config")
        for key, limit in _SIZES.items():
            value = inner.get(key) if isinstance(inner, dict) else None
            sizes = value if isinstance(value, list) else [value]
            size = max((size for size in sizes if isinstance(size, int)), default=0)
            if size > max(limit, stored):
                raise ModelLoadError(
                    f"{file.path.name}: layer {entry_name(part)!r} claims {key}={size:,}; the largest "
                    f"weight in the file has {stored:,}. The file is damaged or was tampered with."
                )
    for layer in file.layers:
        numbers = math.prod(size for size in layer.output_shape or () if isinstance(size, int))
        if numbers > MAX_NUMBERS:
            raise ModelLoadError(
                f"{file.path.name}: layer {layer.name!r} claims {numbers:,} numbers an image: too many. "
                "The file is damaged or was tampered with."
            )


def refused_lambda(name: str, label: str, reason: str) -> UnsafeModelError:
    """Return the error for a Lambda layer that is not understood."""
    return UnsafeModelError(
        f"{name}: layer {label!r} is a Lambda layer: it holds Python code, which diag never runs, and it is not one "
        f"of the harmless kinds that diag replaces ({one_line(reason, 160)}). Replace it by Rescaling or Normalization "
        "(or put the scaling into the model card) and save the model again."
    )
