"""What a model takes, where its file does not say it: read off the shapes of its weights."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

from diag.io.layer_shapes import NESTED, Head, LayerInfo, entries, entry_name, layer_infos

if TYPE_CHECKING:
    from diag.io.shape_rules import Shape

# Sizes of images in common use, then any other.
_USUAL = (28, 32, 48, 64, 96, 100, 112, 120, 128, 150, 160, 180, 192, 200, 224, 227, 256, 299, 300, 320, 331, 350,
          384, 400, 448, 480, 500, 512)  # fmt: skip
_SIZES = (*_USUAL, *(size for size in range(8, 513) if size not in _USUAL))
_TRIES = 60_000  # layers looked at, for all sizes together
_DENSE = ("Dense", "MaxoutDense", "Highway")
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU", "Bidirectional")
# Layers that leave the number of channels as it is.
_PASSING = (
    "InputLayer", "Activation", "BatchNormalization", "BatchNormalizationV1", "Dropout", "Rescaling", "Normalization",
    "ZeroPadding2D", "MaxPooling2D", "AveragePooling2D", "GaussianNoise", "Resizing", "RandomFlip", "RandomRotation",
    "RandomZoom", "RandomContrast", "RandomTranslation", "RandomHeight", "RandomWidth", "RandomBrightness",
    "RandomCrop", "CenterCrop", "SpatialDropout2D", "ReLU", "LeakyReLU",
)  # fmt: skip


def missing_input(
    config: dict[str, Any],
    layers: tuple[LayerInfo, ...],
    head: Head,
    weights: dict[str, tuple[int, ...]],
    wanted: Shape | None,
    *,
    archive: bool,
) -> tuple[Shape | None, tuple[str, ...]]:
    """Return what a model takes (without the batch axis), and one sentence if that had to be worked out.

    Parameters
    ----------
    config : dict
    layers : tuple of LayerInfo
    head : Head
        What the file says.
    weights : dict
        Shapes by path.
    wanted : tuple, optional
        What the caller says; it goes before what is found here.
    archive : bool
        As in `layer_infos`.
    """
    shape = head.input_shape
    if len(head.inputs) > 1:
        return None, ()
    if wanted is not None and (shape is None or None in shape):
        return wanted, (f"The input's shape {_shown(wanted)} was given.",)
    if shape is None and config["class_name"] == "Sequential":
        shape = _from_weights(layers)
        if shape is None:
            return None, ()
    elif shape is None or None not in shape:
        return shape, ()
    if shape.count(None) == 2 and len(shape) == 3:
        size = _image_size(config, layers, weights, shape, archive)
        if size is not None:
            shape = tuple(size if length is None else length for length in shape)
    if shape == head.input_shape:
        return shape, ()
    return shape, (f"The file does not say the input's shape: the weights say {_shown(shape)}.",)


def with_input(config: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """Return a configuration whose (only) input has that shape."""
    fresh = copy.deepcopy(config)
    found = entries(fresh)
    first = found[0] if found else None
    if config["class_name"] != "Sequential":
        inner = fresh["config"]["input_layers"]
        inner = list(inner.values()) if isinstance(inner, dict) else inner
        name = inner[0] if isinstance(inner[0], str) else inner[0][0]
        first = next((entry for entry in found if str(entry.get("name") or entry_name(entry)) == name), first)
    if first is not None and first["class_name"] in NESTED:
        inside = with_input(first, shape)
        first["config"] = inside["config"]
    elif first is not None and isinstance(first["config"], dict):
        for key in ("batch_input_shape", "input_shape"):
            first["config"].pop(key, None)
        first["config"]["batch_shape"] = [None, *shape]
    return fresh


def _from_weights(layers: tuple[LayerInfo, ...]) -> Shape | None:
    """Return the input's shape as the first layer with a kernel tells it."""
    for number, layer in enumerate(layers):
        kernels = [shape for shape in layer.weight_shapes if len(shape) >= 2]
        kind = layer.class_name
        if kind == "Flatten":
            following = next((one for one in layers[number + 1 :] if any(len(s) == 2 for s in one.weight_shapes)), None)
            rows = [shape[0] for shape in following.weight_shapes if len(shape) == 2] if following else []
            return (rows[0],) if following and following.class_name in _DENSE and rows else None
        if kind in _PASSING:
            continue
        if not kernels:
            return None
        kernel = max(kernels, key=lambda shape: (len(shape), math.prod(shape[:2])))
        if kind in _DENSE:
            return (kernel[0],)
        if kind == "Embedding":
            return (None,)
        if kind in _RECURRENT:
            units = {shape[1] for shape in kernels}
            inputs = [shape[0] for shape in kernels if shape[1] in units and shape[0] * 3 not in units
                      and shape[0] * 4 not in units and shape[0] not in units]  # fmt: skip
            return (None, inputs[0]) if inputs else None
        if kind in ("Conv1D", "SeparableConv1D") and len(kernel) == 3:
            return (None, kernel[1])
        if kind in ("Conv2D", "SeparableConv2D", "DepthwiseConv2D") and len(kernel) == 4:
            return (None, None, kernel[2])
        return None
    return None


def _image_size(
    config: dict[str, Any],
    layers: tuple[LayerInfo, ...],
    weights: dict[str, tuple[int, ...]],
    shape: Shape,
    archive: bool,
) -> int | None:
    """Return the side of the square image whose maps, laid flat, are as long as the next kernel; None without one."""
    flat = [number for number, layer in enumerate(layers) if layer.class_name == "Flatten"]
    if not flat:
        return None
    following = [one for one in layers[flat[0] + 1 :] if any(len(own) == 2 for own in one.weight_shapes)]
    if not following or following[0].class_name not in _DENSE:
        return None
    rows = next(own[0] for own in following[0].weight_shapes if len(own) == 2)
    for size in _SIZES[: max(len(_USUAL), _TRIES // len(layers))]:
        filled = tuple(size if length is None else length for length in shape)
        found = layer_infos(with_input(config, filled), weights, archive=archive)
        place = next((one for one in found if one.name == layers[flat[0]].name), None)
        if place is not None and place.output_shape == (rows,):
            return size
    return None


def _shown(shape: Shape) -> str:
    return " x ".join("?" if size is None else str(size) for size in shape)
