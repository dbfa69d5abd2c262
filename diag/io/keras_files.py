"""A Keras file becomes a `keras.Model`: for inference only, and only if nothing in it runs its own code."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from diag._lazy import import_keras
from diag.errors import DiagError, ModelLoadError, UnsafeModelError
from diag.io.audit import ModelFile, audit, one_line
from diag.io.layer_shapes import entries, entry_name

if TYPE_CHECKING:
    from pathlib import Path

_HOMES = ("keras", "tensorflow.keras", "tensorflow.python.keras", "tf_keras", "builtins")
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


def load_keras(path: Path | str, file: ModelFile | None = None) -> Any:
    """Return the `keras.Model` of a file, without compiling it.

    Parameters
    ----------
    path : Path or str
        ``.keras``, ``.h5`` or ``.hdf5``, written by Keras 1, 2 or 3.
    file : ModelFile, optional
        What `audit` said of it.

    Raises
    ------
    UnsafeModelError
        If it holds a Lambda layer, or layers that are not Keras's own: loading those runs their code.
    ModelLoadError
        If Keras cannot build it, or weights do not fit.
    """
    file = file or audit(path)
    path = file.path
    if file.config is None:
        raise ModelLoadError(f"{path.name}: expected a Keras model. Received: {file.format}.")
    refuse_code(file.config, path.name)
    refuse_oversized(file)
    keras = import_keras()
    with _quiet():
        try:
            model = _load(keras, path, file)
        except DiagError:
            raise
        except Exception as error:  # the boundary to Keras, which raises many kinds
            raise ModelLoadError(
                f"{path.name}: Keras cannot build this model "
                f"(written by Keras {file.keras_version or 'unknown'}). "
                f"{type(error).__name__}: {one_line(str(error).split('Exception encountered:')[-1], 200)}"
            ) from error
    if not getattr(model, "inputs", None):
        raise ModelLoadError(
            f"{path.name}: expected a Sequential or Functional model. Received: one without known inputs."
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelLoadError(
            f"{path.name}: expected one input and one output. Received: {len(model.inputs)} and {len(model.outputs)}."
        )
    return model


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
    if kind in ("Lambda", "__lambda__"):
        raise UnsafeModelError(
            f"{name}: layer {label!r} is a Lambda layer: it holds Python code, which diag never runs. "
            "Replace it by Rescaling or Normalization (or put the scaling into the model card) "
            "and save the model again."
        )
    if kind in _RUNS_CODE:
        raise UnsafeModelError(
            f"{name}: layer {label!r} ({kind}) runs a program outside of Keras, which diag never does. "
            "Rebuild the model with Keras's layers and save it again."
        )
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


def _load(keras: Any, path: Path, file: ModelFile) -> Any:
    if file.format == "keras" or (file.keras_version or "").startswith("3"):
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    from diag.io.legacy import load_legacy

    return load_legacy(path, file)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Keras's warnings and prints to itself: what matters of them is raised."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
