"""Files of Keras 1 and 2 become today's models: built by `legacy_build`, weights given by `legacy_weights`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diag._lazy import import_keras
from diag.errors import ModelLoadError
from diag.io.legacy_build import Builder
from diag.io.legacy_config import era
from diag.io.legacy_weights import Origin, assign, stored_weights

if TYPE_CHECKING:
    from diag.io.audit import ModelFile
    from diag.io.building import Budget
    from diag.io.legacy_weights import Piece


def built(name: str, file: ModelFile, budget: Budget) -> tuple[Any, tuple[Piece, ...]]:
    """Return the model of a file's (admitted) configuration, with random weights, and its pieces."""
    config = file.config or {}
    major = era(config, file.keras_version)
    builder = Builder(import_keras(), name, major, budget, file.input_shape)
    model, pieces = builder.model(config)
    if major < 3:
        old_hard_sigmoid(model)
    return model, pieces


def assign_hdf5(source: Any, file: ModelFile, pieces: tuple[Piece, ...]) -> None:
    """Give a built model the weights of an open HDF5 file in the layout of Keras 1 and 2.

    Raises
    ------
    ModelLoadError
        If they do not fit.
    """
    name = file.path.name
    stored = stored_weights(source.get("model_weights", source))
    old = era(file.config or {}, file.keras_version) == 1
    origin = Origin(name, flipped=file.backend == "theano", keras_1=old)
    if not stored and any(piece.layer.weights for piece in pieces):
        raise ModelLoadError(
            f"{name}: the file has no weights for its layers: it was not saved to the end. Save the model again."
        )
    assign(pieces, stored, origin)


def old_hard_sigmoid(model: Any) -> None:
    """Give layers the hard sigmoid they were trained with.

    Keras 1 and 2 had clip(0.2 x + 0.5, 0, 1); Keras 3 has clip(x / 6 + 0.5, 0, 1).
    """
    ops = import_keras().ops

    def hard_sigmoid(x: Any) -> Any:
        return ops.clip(0.2 * x + 0.5, 0.0, 1.0)

    for layer in every_layer(model):
        owner = getattr(layer, "cell", layer)  # recurrent layers hand their activations on to a cell
        if layer.name == "hard_sigmoid_of_1_2_x":
            continue
        for attribute in ("activation", "recurrent_activation"):
            if getattr(getattr(owner, attribute, None), "__name__", "") == "hard_sigmoid":
                setattr(owner, attribute, hard_sigmoid)


def every_layer(model: Any) -> list[Any]:
    """Return the layers of a model, those inside models and wrappers too."""
    layers = []
    for layer in model.layers:
        wrapped = [getattr(layer, key, None) for key in ("layer", "forward_layer", "backward_layer")]
        layers += (
            every_layer(layer)
            if hasattr(layer, "layers")
            else [layer, *(inner for inner in wrapped if inner is not None)]
        )
    return layers
