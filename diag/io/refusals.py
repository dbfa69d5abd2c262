"""Sizes that a configuration may claim: building a model must not take all memory before anything is found out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from diag.errors import ModelLoadError
from diag.io.foreign import named
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.io.model_file import ModelFile

# Sizes of a layer, and what they may be even if no weight in the file is as long.
_SIZES = {
    **dict.fromkeys(("units", "filters", "output_dim", "input_dim", "nb_filter", "lora_rank", "key_dim", "value_dim",
                     "head_dim", "num_query_heads", "num_key_value_heads", "num_heads"), 2**14),
    **dict.fromkeys(("kernel_size", "nb_row", "nb_col", "filter_length", "depth_multiplier"), 2**8),
    **dict.fromkeys(("pool_size", "pool_length", "dilation_rate", "atrous_rate"), 2**12),
    **dict.fromkeys(("fft_length", "sequence_length", "num_mel_bins", "nb_feature"), 2**16),
}  # fmt: skip
_ROUNDS = ("num_ops", "num_chains", "chain_depth")
"""Of layers that change an image over and over."""
_MOST_ROUNDS = 64
_FILLED = ("Dense", "Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose", "Embedding",
           "LSTM", "GRU", "SimpleRNN", "BatchNormalization", "Convolution2D")  # fmt: skip
MAX_BATCH = 2**12
"""Images that a model may take at once, where it takes a fixed number."""


def refuse_oversized(file: ModelFile) -> None:
    """Raise if a layer claims sizes that no weight in the file has, or very many numbers an image.

    Raises
    ------
    ModelLoadError
        Naming the layer.
    """
    name, limits = file.path.name, Limits.current()
    if file.n_params > limits.parameters:
        raise ModelLoadError(
            f"{name}: expected at most {limits.parameters:,} parameters. Received: {file.n_params:,}. "
            f"{raise_hint('parameters', file.n_params)}"
        )
    stored = max((size for layer in file.layers for shape in layer.weight_shapes for size in shape), default=0)
    for part in _objects(file.config):
        inner = part["config"]
        for key, limit in _SIZES.items():
            size = _largest(inner.get(key))
            if size > max(limit, stored):
                raise ModelLoadError(
                    f"{name}: layer {named(part)!r} claims {key}={size:,}; the largest weight in the file has "
                    f"{stored:,}. The file is damaged or was tampered with."
                )
        for key in _ROUNDS:
            if (rounds := _largest(inner.get(key))) > _MOST_ROUNDS:
                raise ModelLoadError(
                    f"{name}: layer {named(part)!r}: expected {key} of at most {_MOST_ROUNDS}. Received: {rounds:,}. "
                    "The file is damaged or was tampered with."
                )
        for key in ("batch_shape", "batch_input_shape"):
            _refuse_shape(inner.get(key), named(part), name)
    for layer in file.layers:
        refuse_numbers(layer.output_shape or (), layer.name, name, limits)


def refuse_unfilled(file: ModelFile, arrays: int) -> None:
    """Raise if there are more layers that have weights than arrays: most would be built for nothing.

    Raises
    ------
    ModelLoadError
        Saying how many.
    """
    wanting = sum(layer.class_name in _FILLED for layer in file.layers)
    if wanting > arrays:
        raise ModelLoadError(
            f"{file.path.name}: expected weights for {wanting:,} layers that have some. Received: {arrays:,} arrays: "
            "the file was not saved to the end. Save the model again with model.save."
        )


def refuse_numbers(shape: tuple[Any, ...], layer: str, name: str, limits: Limits) -> None:
    """Raise if a layer gives too many numbers for one image.

    Parameters
    ----------
    shape : tuple
        Of its output, without the batch axis; open sizes are None.
    layer, name : str
        The layer's name and the file's.
    limits : Limits

    Raises
    ------
    ModelLoadError
        Naming both.
    """
    numbers = math.prod(size for size in shape if isinstance(size, int))
    if abs(numbers) > limits.image_numbers:
        raise ModelLoadError(
            f"{name}: layer {printable(layer, 80)!r} claims {abs(numbers):,} numbers an image: too many "
            f"({limits.image_numbers:,} are allowed). {raise_hint('image_numbers', abs(numbers))}"
        )


def _refuse_shape(shape: Any, layer: str, name: str) -> None:
    """Raise if a stated input is no shape."""
    sizes = shape.get("items") if isinstance(shape, dict) else shape  # TensorShape
    if sizes is None:
        return
    fits = isinstance(sizes, list | tuple) and len(sizes) <= 8
    if not fits or not all(size is None or (type(size) is int and size > 0) for size in sizes):
        raise ModelLoadError(
            f"{name}: layer {layer!r}: expected the sizes of an input. Received: {printable(str(sizes), 80)}: Keras "
            "cannot build this. The file is damaged or was tampered with."
        )
    if sizes and sizes[0] is not None and sizes[0] > MAX_BATCH:
        raise ModelLoadError(
            f"{name}: layer {layer!r} takes {sizes[0]:,} images at once: too many. "
            "The file is damaged or was tampered with."
        )


def _largest(value: Any) -> int:
    sizes = value if isinstance(value, list) else [value]
    return max((abs(size) for size in sizes if isinstance(size, int)), default=0)


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object with a configuration, wrapped and nested ones too."""
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "class_name" in part and isinstance(part.get("config"), dict):
                yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
