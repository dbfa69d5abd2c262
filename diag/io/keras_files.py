"""A Keras file becomes a `keras.Model`: for inference only, and only if nothing in it runs code of its own."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from diag._lazy import import_keras
from diag.errors import DiagError, ModelLoadError, UnsafeModelError
from diag.io.audit import ModelFile, audit
from diag.io.layer_shapes import entries, entry_name

if TYPE_CHECKING:
    from pathlib import Path

_HOMES = ("keras", "keras.layers", "keras.models", "keras.src", "tensorflow.keras", "tf_keras", "builtins")


def load_keras(path: Path, file: ModelFile | None = None) -> Any:
    """Return the `keras.Model` of a file, without compiling it.

    Parameters
    ----------
    path : Path
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
    if file.config is None:
        raise ModelLoadError(f"{path.name}: expected a Keras model. Received: {file.format}.")
    refuse_code(file.config, path.name)
    keras = import_keras()
    with _quiet():
        try:
            model = _load(keras, path, file)
        except DiagError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary to Keras, which raises many kinds
            raise ModelLoadError(
                f"{path.name}: Keras cannot build this model (written by Keras {file.keras_version or 'unknown'}). "
                f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            ) from error
    if not getattr(model, "inputs", None):
        raise ModelLoadError(f"{path.name}: expected a Sequential or Functional model. Received: one without known inputs.")
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
        kind, label = str(entry.get("class_name")), entry_name(entry)
        if kind == "Lambda":
            raise UnsafeModelError(
                f"{name}: layer {label!r} is a Lambda layer: it holds Python code, which diag never runs. Replace it by "
                "Rescaling or Normalization (or put the scaling into the model card) and save the model again."
            )
        module = entry.get("module")
        own = module is None or any(module == home or str(module).startswith(f"{home}.") for home in _HOMES)
        registered = entry.get("registered_name")
        if not own or (isinstance(registered, str) and ">" in registered and not registered.startswith("keras")):
            raise UnsafeModelError(
                f"{name}: layer {label!r} ({kind}) is not one of Keras's own ({module or registered}). "
                "diag loads no foreign code: rebuild the model with Keras's layers and save it again."
            )
        if isinstance(entry["config"], dict) and "layers" in entry["config"]:
            refuse_code(entry, name)


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
