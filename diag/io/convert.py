"""Old model files become today's: the repaired network in a ``.keras`` archive that plain Keras opens."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_keras
from diag.errors import DiagError, InvalidInputError, UnsupportedModelError
from diag.io.keras_files import load_keras, quiet
from diag.io.legacy import every_layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.io.model_file import ModelFile

_SAMPLES = 4
_TOLERANCE = 1e-4  # of the largest output


class ConversionError(DiagError):
    """The new file does not predict what the old one does, or cannot be written."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written.

    Parameters
    ----------
    path : Path
        The new file.
    difference : float
        The largest difference between the outputs of the old and the new network, on random input.
    n_samples : int
        How many random inputs that was on.
    notes : tuple of str
        What was found or assumed when the old file was read.
    """

    path: Path
    difference: float
    n_samples: int
    notes: tuple[str, ...] = ()


def convert(file: ModelFile, out: Path | str, *, force: bool = False) -> Conversion:
    """Write a model file again, as today's Keras saves it.

    The network is loaded as diag loads it, so that names, layouts and layers of old versions are repaired, and Lambda
    layers that are understood are ordinary layers. The new file is written aside, opened by plain Keras, asked about
    random inputs, and renamed only if it answers as the old one does.

    Parameters
    ----------
    file : ModelFile
        What `audit` said of the old file.
    out : Path or str
        The new file; ``.keras``.
    force : bool
        Replace a file that is there.

    Raises
    ------
    InvalidInputError
        If `out` does not end in ``.keras``, or exists and `force` is not given.
    UnsupportedModelError
        If the file is not a Keras model.
    ConversionError
        If the new file's predictions differ.
    """
    out = Path(out)
    if out.suffix != ".keras":
        raise InvalidInputError(f"{out.name}: expected a name that ends in .keras, which is what Keras saves today.")
    if out.exists() and not force:
        raise InvalidInputError(f"{out}: there is a file already. Choose another name, or pass --force.")
    if not out.resolve().parent.is_dir():
        raise InvalidInputError(f"{out}: its folder does not exist. Create it first.")
    if file.config is None:
        raise UnsupportedModelError(f"{file.path.name}: expected a Keras model. Received: {file.format}.")
    model = load_keras(file.path, file)
    inputs = random_inputs(model)
    expected = _answers(model, inputs)
    _with_todays_hard_sigmoid(model)
    handle, aside = tempfile.mkstemp(suffix=".keras", prefix=f".{out.stem}-", dir=out.resolve().parent)
    os.close(handle)
    try:
        difference = _written(model, Path(aside), inputs, expected, out.name)
        Path(aside).chmod(0o644)
        Path(aside).replace(out)
    finally:
        with suppress(FileNotFoundError):
            Path(aside).unlink()
    return Conversion(out, difference, _SAMPLES, file.notes)


def _written(model: Any, aside: Path, inputs: list[NDArray[Any]], expected: NDArray[Any], name: str) -> float:
    """Save a model, open it with plain Keras, and return how far its answers are from those expected."""
    with quiet():
        model.save(aside)
        again = import_keras().saving.load_model(aside, compile=False, safe_mode=True)
    difference = float(np.abs(_answers(again, inputs) - expected).max(initial=0.0))
    if not difference <= _TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0.0))):
        raise ConversionError(
            f"{name}: the new file's outputs differ from the old one's by {difference:.2g}: nothing was written."
        )
    return difference


def random_inputs(model: Any) -> list[NDArray[Any]]:
    """Return a few random inputs for every input of a network; open sizes are 32."""
    rng = np.random.default_rng(0)
    count = model.inputs[0].shape[0] or _SAMPLES
    shapes = [(count, *(size or 32 for size in tensor.shape[1:])) for tensor in model.inputs]
    return [rng.uniform(0, 1, shape).astype(np.float32) for shape in shapes]


def _answers(model: Any, inputs: list[NDArray[Any]]) -> NDArray[Any]:
    return np.asarray(model(inputs[0] if len(inputs) == 1 else inputs, training=False))


def _with_todays_hard_sigmoid(model: Any) -> None:
    """Scale weights by 1.2 where Keras 1 and 2 had clip(0.2 x + 0.5, 0, 1): today's is clip(x / 6 + 0.5, 0, 1)."""
    today = import_keras().activations.hard_sigmoid
    for layer in every_layer(model):
        owner = getattr(layer, "cell", layer)
        for attribute in ("activation", "recurrent_activation"):
            function = getattr(owner, attribute, None)
            if getattr(function, "__name__", "") == "hard_sigmoid" and function is not today:
                _scale(owner, attribute)
                setattr(owner, attribute, today)


def _scale(layer: Any, attribute: str) -> None:
    """Multiply the weights before an activation by 1.2."""
    kind = type(layer).__name__
    gates = {"LSTMCell": (0, 1, 3), "GRUCell": (0, 1)}.get(kind)
    if gates is not None and attribute == "recurrent_activation":
        for weight in layer.weights:
            parts = np.split(np.asarray(weight), 4 if kind == "LSTMCell" else 3, axis=-1)
            weight.assign(np.concatenate([1.2 * part if n in gates else part for n, part in enumerate(parts)], axis=-1))
        return
    if gates is not None or kind not in ("Dense", "Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2D", "SimpleRNNCell"):
        raise UnsupportedModelError(
            f"layer {layer.name}: today's Keras has no such {kind} with the hard sigmoid of Keras 1 and 2, so the "
            "model cannot be written again. diag itself can use it."
        )
    for weight in layer.weights:
        weight.assign(1.2 * np.asarray(weight))
