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
    "RandomContrast", "UnitNormalization", "CastToFloat32",
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
    if kind in ("LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU"):
        units = config.get("units", config.get("output_dim"))
        return (given[0], units) if config.get("return_sequences") else (units,)
    if kind in ("Bidirectional", "TimeDistributed"):
        return _wrapped(kind, config, given)
    if kind == "Embedding":
        return (*given, config.get("output_dim"))
    if kind in ("Resizing", "CenterCrop", "RandomCrop") and len(given) == 3:
        return (config.get("height"), config.get("width"), given[2])
    if len(given) == 2:
        return _sequence_layer(kind, config, given)
    if len(given) == 3:
        return _image_layer(kind, config, given)
    return None


def joined_shape(kind: str, config: dict[str, Any], given: list[Shape | None]) -> Shape | None:
    """Return the shape that a layer of several inputs gives: theirs, end to end along one axis for Concatenate."""
    if not given or any(shape is None for shape in given):
        return None
    shapes = [shape for shape in given if shape is not None]
    if kind != "Concatenate" and not (kind == "Merge" and config.get("mode") == "concat"):
        return shapes[0]
    axis = config.get("axis", config.get("concat_axis", -1))
    place = axis - 1 if axis > 0 else axis + len(shapes[0])  # without the batch axis
    if any(len(shape) != len(shapes[0]) for shape in shapes) or not 0 <= place < len(shapes[0]):
        return None
    sizes = [shape[place] for shape in shapes]
    total = None if None in sizes else sum(size for size in sizes if size is not None)
    return (*shapes[0][:place], total, *shapes[0][place + 1 :])


def _wrapped(kind: str, config: dict[str, Any], given: Shape) -> Shape | None:
    inner = config.get("layer")
    if not isinstance(inner, dict) or not isinstance(inner.get("config"), dict):
        return None
    if kind == "TimeDistributed":
        shape = output_shape(str(inner.get("class_name")), inner["config"], given[1:])
        return None if shape is None else (given[0], *shape)
    one = output_shape(str(inner.get("class_name")), inner["config"], given)
    if one is None or config.get("merge_mode", "concat") is None:
        return None
    return (*one[:-1], None if one[-1] is None else one[-1] * (2 if config.get("merge_mode") == "concat" else 1))


def _sequence_layer(kind: str, config: dict[str, Any], given: Shape) -> Shape | None:
    """Return the shape of layers that slide along one axis: (length, channels)."""
    first = config.get("data_format") == "channels_first"
    length, channels = given[::-1] if first else given
    if kind in ("Conv1D", "Convolution1D", "SeparableConv1D"):
        channels = config.get("filters", config.get("nb_filter"))
        kernel = config.get("kernel_size") or config.get("filter_length")
        strides = config.get("strides") or config.get("subsample_length") or 1
        length = _slid_one(length, kernel, strides, config, config.get("dilation_rate") or 1)
    elif kind in ("MaxPooling1D", "AveragePooling1D"):
        pool = config.get("pool_size") or config.get("pool_length") or 2
        length = _slid_one(length, pool, config.get("strides") or config.get("stride") or pool, config, 1)
    elif kind in ("GlobalMaxPooling1D", "GlobalAveragePooling1D"):
        return (1, channels) if config.get("keepdims") else (channels,)
    elif kind == "UpSampling1D":
        length = _times(length, config.get("size", config.get("length", 2)))
    elif kind == "ZeroPadding1D":
        length = _plus(length, sum(_pair(config.get("padding", 1))))
    elif kind == "Cropping1D":
        length = _plus(length, -sum(_pair(config.get("cropping", (1, 1)))))
    else:
        return None
    return (channels, length) if first else (length, channels)


def _slid_one(length: int | None, window: Any, step: Any, config: dict[str, Any], rate: Any) -> int | None:
    values = [value[0] if isinstance(value, list | tuple) else value for value in (window, step, rate)]
    padding = config.get("padding", config.get("border_mode", "valid"))
    same = {"padding": "same" if padding in ("same", "causal") else "valid"}
    kernel, stride, dilation = values
    return _slid((length, length), kernel, stride, same, dilation)[0]


def _times(length: int | None, factor: int) -> int | None:
    return None if length is None else length * factor


def _transposed(size: Shape, kernel: Any, strides: Any, config: dict[str, Any], dilation: Any) -> Shape:
    """Return the size of what a transposed convolution gives."""
    same = config.get("padding", config.get("border_mode", "valid")) == "same"
    extra = config.get("output_padding")
    more = (None, None) if extra is None else _pair(extra)
    found: list[int | None] = []
    rows = zip(size, _pair(kernel), _pair(strides), _pair(dilation), more, strict=True)
    for length, window, step, rate, added in rows:
        reach = (window - 1) * rate + 1
        if length is None:
            found.append(None)
        elif added is None:
            found.append(length * step if same else length * step + max(reach - step, 0))
        else:
            found.append((length - 1) * step + reach - (2 * (reach // 2) if same else 0) + added)
    return tuple(found)


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
            dilation = config.get("dilation_rate") or [1, 1]
            size = _transposed(size, kernel, strides, config, dilation)
            return (channels, *size) if first else (*size, channels)
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
