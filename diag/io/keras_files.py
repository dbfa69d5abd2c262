"""A Keras file becomes a `keras.Model`: for inference only, and only if nothing in it runs its own code."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag._lazy import import_keras
from diag.errors import DiagError, ModelLoadError
from diag.io.admission import admitted
from diag.io.architectures import called, is_code
from diag.io.archive_weights import assign_archive
from diag.io.audit import audit
from diag.io.building import counted
from diag.io.ends import several_outputs
from diag.io.legacy import assign_hdf5, built
from diag.io.legacy_weights import Origin, pieces_of
from diag.io.refusals import refuse_oversized
from diag.io.weight_files import opened_weights
from diag.printable import printable

if TYPE_CHECKING:
    from diag.io.building import Budget
    from diag.io.legacy_weights import Piece
    from diag.io.model_file import ModelFile

    _Build = Callable[[ModelFile, Budget], tuple[Any, tuple[Piece, ...] | None]]


def load_keras(path: Path | str, file: ModelFile | None = None) -> Any:
    """Return the `keras.Model` of a file, without compiling it.

    Parameters
    ----------
    path : Path or str
        ``.keras``, ``.h5`` or ``.hdf5``, written by Keras 1, 2 or 3.
    file : ModelFile, optional
        What `audit` said of it. If its ``trusted`` is set, what is refused otherwise is loaded by Keras, and runs.

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
    build: _Build
    if file.trusted and file.code:
        build = _by_keras
    elif own_code:
        build = _user_built
    else:
        build, file = _built, replace(file, config=admitted(file.config, path.name))
    refuse_oversized(file)
    with quiet():
        found, error = _attempt(lambda: _with_weights(build, file))
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


def _with_weights(build: _Build, file: ModelFile) -> Any:
    """Return a model with its weights; the file is opened once, and is the one that was audited."""
    with opened_weights(file) as source:
        stored = sum(math.prod(shape) for layer in file.layers for shape in layer.weight_shapes)
        with counted(file.path.name, max(stored, file.stored)) as budget:
            model, pieces = build(file, budget)
        if pieces is not None:
            _give_weights(pieces, source, file)
    return model


def _not_built(file: ModelFile, error: Exception) -> ModelLoadError:
    return ModelLoadError(
        f"{file.path.name}: Keras cannot build this model (written by Keras {file.keras_version or 'unknown'}). "
        f"{type(error).__name__}: {printable(str(error).split('Exception encountered:')[-1], 200)}"
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


def _user_built(file: ModelFile, budget: Budget) -> tuple[Any, tuple[Piece, ...] | None]:
    """Return what the user's own function builds; of that, nothing is limited."""
    budget.left = None
    model = called(str(file.architecture))
    return model, pieces_of(model)


def _by_keras(file: ModelFile, budget: Budget) -> tuple[Any, tuple[Piece, ...] | None]:
    """Return a model that the user trusts, by Keras itself, with its weights; its code runs."""
    budget.left = None
    return import_keras().saving.load_model(file.path, compile=False, safe_mode=False), None


def _built(file: ModelFile, budget: Budget) -> tuple[Any, tuple[Piece, ...] | None]:
    """Return a model with random weights, and its pieces."""
    return built(file.path.name, file, budget)


def _give_weights(pieces: tuple[Piece, ...], source: Any, file: ModelFile) -> None:
    if file.format == "hdf5" and not _is_keras_3_layout(source):
        assign_hdf5(source, file, pieces)
    else:
        assign_archive(pieces, source, Origin(file.path.name))


def _is_keras_3_layout(source: Any) -> bool:
    if "model_weights" in source or "layer_names" in source.attrs or "layer_names0" in source.attrs:
        return False
    return "layers" in source or "_layer_checkpoint_dependencies" in source


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
