"""The output shape of common layers, from their configuration and input shape. None where it is not known."""

from __future__ import annotations

import math
from typing import Any

Shape = tuple[int | None, ...]

_SAME = (
    "Activation", "ActivityRegularization", "BatchNormalization", "Dropout", "ELU", "GaussianDropout", "GaussianNoise",
    "AlphaDropout", "GroupNormalization", "LayerNormalization", "LeakyReLU", "Normalization", "PReLU", "ReLU",
    "Rescaling", "Softmax", "SpatialDropout1D", "SpatialDropout2D", "ThresholdedReLU", "Add", "Multiply", "Maximum",
    "Average", "Minimum", "Subtract", "Masking", "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation",
    "RandomContrast", "UnitNormalization",
)  # fmt: skip


def output_shape(kind: str, config: dict[str, Any], given: Shape | None) -> Shape | None:
    """Return the shape (without batch) that a layer gives for an input of shape `given`."""
    if kind == "InputLayer":
        return given
    if kind in ("Dense",):
        units = config.get("units", config.get("output_dim"))
        return (*given[:-1], units) if given else (units,) if isinstance(units, int) else None
    if given is None:
        return None
    if kind in _SAME:
        return given
    if kind == "Flatten":
        return None if None in given else (math.prod(size for size in given if size is not None),)
    if kind == "Reshape":
        return _reshaped(tuple(config.get("target_shape", ())), given)
    if kind == "Permute":
        return tuple(given[axis - 1] for axis in config.get("dims", ()))
    if kind == "RepeatVector":
        return (config.get("n"), *given)
    if kind in ("LSTM", "GRU", "SimpleRNN"):
        units = config.get("units", config.get("output_dim"))
        return (given[0], units) if config.get("return_sequences") else (units,)
    if len(given) == 3:
        return _image_layer(kind, config, given)
    return None


def _image_layer(kind: str, config: dict[str, Any], given: Shape) -> Shape | None:
    first = config.get("data_format") == "channels_first" or config.get("dim_ordering") == "th"
    channels = given[0] if first else given[2]
    size = given[1:] if first else given[:2]
    if kind in ("Conv2D", "Convolution2D", "SeparableConv2D", "Conv2DTranspose", "DepthwiseConv2D"):
        channels = config.get("filters", config.get("nb_filter"))
        if kind == "DepthwiseConv2D":
            channels = None if given[-1] is None else given[0 if first else 2]
            channels = None if channels is None else channels * config.get("depth_multiplier", 1)
        kernel = config.get("kernel_size") or [config.get("nb_row"), config.get("nb_col")]
        strides = config.get("strides") or config.get("subsample") or [1, 1]
        if kind == "Conv2DTranspose":
            return None
        size = _slid(size, kernel, strides, config, config.get("dilation_rate") or [1, 1])
    elif kind in ("MaxPooling2D", "AveragePooling2D"):
        pool = config.get("pool_size", [2, 2])
        size = _slid(size, pool, config.get("strides") or pool, config, [1, 1])
    elif kind in ("GlobalAveragePooling2D", "GlobalMaxPooling2D"):
        return (1, 1, channels) if config.get("keepdims") else (channels,)
    elif kind == "ZeroPadding2D":
        (top, bottom), (left, right) = _pairs(config.get("padding", [1, 1]))
        size = (_plus(size[0], top + bottom), _plus(size[1], left + right))
    elif kind == "Cropping2D":
        (top, bottom), (left, right) = _pairs(config.get("cropping", [0, 0]))
        size = (_plus(size[0], -top - bottom), _plus(size[1], -left - right))
    elif kind == "UpSampling2D":
        rows, columns = _pair(config.get("size", [2, 2]))
        size = (None if size[0] is None else size[0] * rows, None if size[1] is None else size[1] * columns)
    else:
        return None
    return (channels, *size) if first else (*size, channels)


def _slid(size: Shape, kernel: Any, strides: Any, config: dict[str, Any], dilation: Any) -> Shape:
    """Return the size of what a window of `kernel` gives that moves by `strides`."""
    same = config.get("padding", config.get("border_mode", "valid")) == "same"
    slid: list[int | None] = []
    for length, window, step, rate in zip(size, _pair(kernel), _pair(strides), _pair(dilation), strict=True):
        if length is None:
            slid.append(None)
        else:
            reach = (window - 1) * rate + 1
            slid.append(math.ceil(length / step) if same else (length - reach) // step + 1)
    return tuple(slid)


def _reshaped(target: Shape, given: Shape) -> Shape | None:
    if -1 not in target:
        return target
    if None in given:
        return None
    total = math.prod(size for size in given if size is not None)
    rest = math.prod(size for size in target if size not in (-1, None) and size is not None)
    return tuple(total // rest if size == -1 else size for size in target)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _pairs(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    rows, columns = (value, value) if isinstance(value, int) else value
    return _pair(rows), _pair(columns)


def _plus(size: int | None, more: int) -> int | None:
    return None if size is None else size + more
