"""A Keras file becomes a `keras.Model`: for inference only, and only if nothing in it runs its own code."""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag._lazy import import_keras
from diag.errors import DiagError, ModelLoadError
from diag.io.architectures import called, is_code
from diag.io.archive_weights import assign_archive
from diag.io.audit import audit, one_line
from diag.io.ends import several_outputs
from diag.io.legacy import assign_hdf5, built
from diag.io.legacy_config import arguments_of, era
from diag.io.legacy_weights import Origin, pieces_of
from diag.io.refusals import refuse_code, refuse_oversized

if TYPE_CHECKING:
    from diag.io.legacy_weights import Piece
    from diag.io.model_file import ModelFile

_NOT_NEEDED = ("_initializer", "_regularizer", "_constraint")
# Of a saved model, what only further training needs; all of it may name things that are not Keras's.
_FOR_TRAINING = ("compile_config", "optimizer_config", "loss", "metrics")


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
        If it holds a Lambda layer that is not understood, or layers that are not Keras's own: loading those runs
        their code.
    ModelLoadError
        If Keras cannot build it, or weights do not fit.
    """
    file = file or audit(path)
    path = file.path
    if file.config is None:
        raise ModelLoadError(f"{path.name}: expected a Keras model. Received: {file.format}.")
    own_code = file.architecture is not None and is_code(file.architecture)
    if not own_code:
        refuse_code(file.config, path.name)
    refuse_oversized(file)
    with quiet():
        found, error = _attempt(lambda: _with_weights(_user_built(file) if own_code else _built(file), file))
        if error is not None:
            raise _not_built(file, error) from error
        return with_chosen_output(found, file)


def _attempt(build: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """Return what Keras builds, or what it raises; our own errors come through. The boundary to Keras."""
    try:
        return build(), None
    except DiagError:
        raise
    except Exception as error:  # noqa: BLE001 - Keras raises many kinds
        return None, error


def _with_weights(made: tuple[Any, tuple[Piece, ...]], file: ModelFile) -> Any:
    model, pieces = made
    _give_weights(model, pieces, file)
    return model


def _not_built(file: ModelFile, error: Exception) -> ModelLoadError:
    return ModelLoadError(
        f"{file.path.name}: Keras cannot build this model (written by Keras {file.keras_version or 'unknown'}). "
        f"{type(error).__name__}: {one_line(str(error).split('Exception encountered:')[-1], 200)}"
    )


def with_chosen_output(model: Any, file: ModelFile) -> Any:
    """Return a model with the one output that is in use.

    Raises
    ------
    ModelLoadError
        If it has several, and none is chosen.
    """
    if not getattr(model, "inputs", None):
        raise ModelLoadError(
            f"{file.path.name}: expected a Sequential or Functional model. Received: one without known inputs."
        )
    if len(model.outputs) == 1:
        return model
    names = [end.name for end in file.outputs]
    if file.output is None or len(names) != len(model.outputs):
        raise ModelLoadError(several_outputs(file))
    chosen = model.outputs[names.index(file.output)]
    inputs = model.inputs[0] if len(model.inputs) == 1 else model.inputs
    return import_keras().Model(inputs, chosen, name=model.name)


def _user_built(file: ModelFile) -> tuple[Any, tuple[Piece, ...]]:
    model = called(str(file.architecture))
    return model, pieces_of(model)


def _built(file: ModelFile) -> tuple[Any, tuple[Piece, ...]]:
    """Return a model with random weights, and its pieces: by our own builder, or by Keras where it wrote the file."""
    config = file.config or {}
    if era(config, file.keras_version) < 3 or "module" not in config or _has_lambda(config):
        return built(file.path.name, file)
    scrubbed = _scrubbed(config)
    first: Exception | None = None
    for wanted in (scrubbed, _pruned(scrubbed)):  # the second without arguments that today's layers do not know
        model, error = _attempt(lambda wanted=wanted: _by_keras(wanted))  # type: ignore[misc]
        if model is not None and getattr(model, "built", False) and getattr(model, "inputs", None):
            return model, pieces_of(model)
        first = first or error
    made, error = _attempt(lambda: built(file.path.name, file))
    if error is not None:
        raise first or error  # what Keras says first, says most
    own: tuple[Any, tuple[Piece, ...]] = made
    return own


def _by_keras(config: dict[str, Any]) -> Any:
    return import_keras().saving.deserialize_keras_object(config, safe_mode=True)


def _has_lambda(node: Any) -> bool:
    """Return whether there are layers that Keras must not build: Lambdas, and those of AutoKeras."""
    if isinstance(node, dict):
        foreign = node.get("class_name") == "Lambda" or str(node.get("module")).startswith("autokeras")
        return foreign or any(_has_lambda(value) for value in node.values())
    return isinstance(node, list) and any(_has_lambda(value) for value in node)


def _scrubbed(node: Any) -> Any:
    """Return a configuration of Keras 3 without what inference does not need."""
    if isinstance(node, dict):
        return {
            key: _scrubbed(value)
            for key, value in node.items()
            if not str(key).endswith(_NOT_NEEDED) and not (key in _FOR_TRAINING and "class_name" in node)
        }
    return [_scrubbed(value) for value in node] if isinstance(node, list) else node


def _pruned(node: Any) -> Any:
    """Return a configuration without arguments that today's layers do not know."""
    if isinstance(node, dict):
        fresh = {key: _pruned(value) for key, value in node.items()}
        known = arguments_of(str(node.get("class_name"))) if isinstance(node.get("config"), dict) else None
        if known is not None:
            kept = known | {"name", "dtype", "trainable", "batch_shape"}
            fresh["config"] = {key: value for key, value in fresh["config"].items() if key in kept}
        return fresh
    return [_pruned(value) for value in node] if isinstance(node, list) else node


def _give_weights(model: Any, pieces: tuple[Piece, ...], file: ModelFile) -> None:
    if file.format == "hdf5" and not _is_keras_3_layout(file.path):
        assign_hdf5(file.path, file, pieces)
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "model.weights.h5"  # Keras goes by the name's ending
        if file.format == "keras":
            with zipfile.ZipFile(file.path) as archive:
                if "model.weights.h5" not in archive.namelist():
                    return
                with archive.open("model.weights.h5") as source, place.open("wb") as target:
                    shutil.copyfileobj(source, target)
        else:
            place.symlink_to(file.path.resolve())
        if era(file.config or {}, file.keras_version) < 3 or _has_lambda(file.config):
            _own_way(pieces, place, file)
        else:
            model.load_weights(place)


def _own_way(pieces: tuple[Piece, ...], place: Path, file: ModelFile) -> None:
    import h5py

    with h5py.File(place, "r") as source:
        assign_archive(pieces, source, Origin(file.path.name))


def _is_keras_3_layout(path: Path) -> bool:
    import h5py

    with h5py.File(path, "r") as file:
        if "model_weights" in file or "layer_names" in file.attrs or "layer_names0" in file.attrs:
            return False
        return "layers" in file or "_layer_checkpoint_dependencies" in file


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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
