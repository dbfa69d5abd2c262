"""Old model files become today's: the repaired network in a ``.keras`` archive that plain Keras opens."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_keras
from diag.errors import ConversionError, InvalidInputError, UnsupportedModelError
from diag.io import store
from diag.io.keras_files import quiet
from diag.io.legacy import every_layer
from diag.io.out_files import check_output, write_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from diag.io.models import Model

_SAMPLES = 4
_TOLERANCE = 1e-4  # of the largest output


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


def convert(model: Model, out: Path | str, *, force: bool = False) -> Conversion:
    """Write a model file again, as today's Keras saves it.

    The network is loaded as diag loads it, so that names, layouts and layers of old versions are repaired, and Lambda
    layers that are understood are ordinary layers. The new file is made and opened by plain Keras in another process,
    asked about random inputs, and kept only if it answers as the old one does.

    Parameters
    ----------
    model : Model
        Of the old file.
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
        raise InvalidInputError(
            f"{out.name}: expected a name that ends in .keras, which is what Keras saves today. "
            f"Received: {out.suffix or 'no ending'}. Change the ending."
        )
    check_output(out, "OUT", inputs=(model.path,))
    if out.exists() and not force:
        raise InvalidInputError(
            f"{out}: expected a new file. Received: one that is there. Choose another name, or pass --force."
        )
    if not model.is_keras:
        raise UnsupportedModelError(
            f"{model.name}: expected a Keras model. Received: {model.file.format}. Only Keras's are written again."
        )
    found = model.run("converted", options={"name": out.name})
    write_output(out, found.arrays["file"].tobytes())
    return Conversion(out, found.meta["difference"], found.meta["n_samples"], model.file.notes)


def converted(
    network: Any, arrays: Mapping[str, NDArray[Any]], options: Mapping[str, Any], progress: object
) -> store.Entry:
    """Return a network as the bytes of a ``.keras`` file (``file``, uint8) that predicts the same.

    ``meta``: ``difference``, the largest between the outputs of both, and ``n_samples``, on how many random inputs.
    The network is given back as it was.
    """
    inputs = random_inputs(network)
    expected = _answers(network, inputs)
    kept = network.get_weights()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "new.keras"
        changed: list[tuple[Any, str, Any]] = []
        try:
            _with_todays_hard_sigmoid(network, changed)
            difference = _written(network, place, inputs, expected, options["name"])
        finally:
            for owner, attribute, function in changed:
                setattr(owner, attribute, function)
            network.set_weights(kept)
        data = np.frombuffer(place.read_bytes(), dtype=np.uint8)
    return store.Entry(meta={"difference": difference, "n_samples": len(inputs[0])}, arrays={"file": data})


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


def _with_todays_hard_sigmoid(model: Any, changed: list[tuple[Any, str, Any]]) -> None:
    """Scale weights by 1.2 where Keras 1 and 2 had clip(0.2 x + 0.5, 0, 1): today's is clip(x / 6 + 0.5, 0, 1).

    Adds to `changed` (owner, attribute, the function it had).
    """
    today = import_keras().activations.hard_sigmoid
    for layer in every_layer(model):
        owner = getattr(layer, "cell", layer)
        for attribute in ("activation", "recurrent_activation"):
            function = getattr(owner, attribute, None)
            if getattr(function, "__name__", "") == "hard_sigmoid" and function is not today:
                _scale(owner, attribute)
                changed.append((owner, attribute, function))
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
