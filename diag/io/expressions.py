"""What harmless Lambda layers and bare TensorFlow operations compute: a tree of known operations on tensors.

A tree is a number, a text, a list of trees, or `Node`. It is evaluated with `keras.ops`, on arrays as well as in a
Keras graph, where each operation becomes a plain Keras operation: the model needs nothing of ours afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diag._lazy import import_keras
from diag.errors import DiagError
from diag.worker.limits import Limits

_ARITHMETIC = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "bias_add")


class UnknownExpressionError(DiagError):
    """An operation is not one of the known ones."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: its name in `OPERATIONS`, or ``input`` with the number of a tensor."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


def evaluate(tree: Any, tensors: list[Any]) -> Any:
    """Return what a tree computes.

    Parameters
    ----------
    tree : Node or constant
    tensors : list
        What ``Node("input", (number,))`` stands for: arrays or Keras tensors.
    """
    if isinstance(tree, Node):
        if tree.name == "input":
            return tensors[tree.args[0]]
        args = [evaluate(part, tensors) for part in tree.args]
        if tree.name in _ARITHMETIC:
            args = [np.asarray(part, "float32") if isinstance(part, list | tuple) else part for part in args]
        kwargs = {key: evaluate(part, tensors) for key, part in tree.kwargs.items()}
        if tree.name in _GROWING:
            _refuse_growth(tree, args, kwargs)
        found = OPERATIONS[tree.name](import_keras().ops, *args, **kwargs)
        _refuse_size(found)
        return found
    if isinstance(tree, list | tuple):
        return type(tree)(evaluate(part, tensors) for part in tree)
    if isinstance(tree, slice):
        return slice(*(evaluate(part, tensors) for part in (tree.start, tree.stop, tree.step)))
    return tree


# What makes more numbers of few, as its arguments say: of an input, which Keras only counts, and not too many.
_GROWING = ("tile", "repeat_axis", "enlarge", "pad", "resize", "resize_v1", "resize_v1_nearest", "split", "stack")
_LARGEST_FACTOR = 2**14


def _refuse_growth(tree: Node, args: list[Any], kwargs: dict[str, Any]) -> None:
    values = [part for value in (*args[1:], *kwargs.values()) for part in _flat(value)]
    if any(isinstance(value, int | float) and abs(value) > _LARGEST_FACTOR for value in values):
        raise UnknownExpressionError("an operation with a very large size")
    if not _takes_input(tree):
        raise UnknownExpressionError("an operation on constants")


def _refuse_size(found: Any) -> None:
    """Refuse more numbers an image than a layer may give, before anything is computed with them."""
    most = Limits.current().image_numbers
    for tensor in found if isinstance(found, list | tuple) else [found]:
        shape = getattr(tensor, "shape", ())
        if math.prod(abs(size) for size in shape[1:] if isinstance(size, int)) > most:
            raise UnknownExpressionError("an operation that gives very many numbers")


def _takes_input(tree: Any) -> bool:
    if isinstance(tree, Node):
        return tree.name == "input" or any(map(_takes_input, (*tree.args, *tree.kwargs.values())))
    return isinstance(tree, list | tuple) and any(map(_takes_input, tree))


def _flat(value: Any) -> list[Any]:
    return [leaf for part in value for leaf in _flat(part)] if isinstance(value, list | tuple) else [value]


def call(path: str, args: list[Any], kwargs: dict[str, Any]) -> Node:
    """Return the node of a call such as ``tf.image.resize`` or ``K.mean``.

    Raises
    ------
    UnknownExpressionError
        If the function is not a known one, or its arguments are named in an unknown way.
    """
    name = operation_name(path)
    kwargs = {_ARGUMENTS.get(key, key): value for key, value in kwargs.items() if value is not None and key != "name"}
    if "x" in kwargs:
        args = [kwargs.pop("x"), *args]
    if name in ("mean", "sum", "max", "min", "squeeze", "normalize") and "y" in kwargs:
        kwargs["axis"] = kwargs.pop("y")
    if "y" in kwargs:
        args = [*args, kwargs.pop("y")]
    return Node(name, tuple(args), kwargs)


def operation_name(path: str) -> str:
    """Return the known operation that a function's dotted name stands for.

    Raises
    ------
    UnknownExpressionError
        If it is not a known one.
    """
    parts = path.split(".")
    last = parts[-1]
    for ending in ("_v1", "_v2", "_v4"):
        last = last.removesuffix(ending)
    if last in ("resize_images", "resize_bilinear", "resize_nearest_neighbor") or (last == "resize" and "v1" in parts):
        own = parts[0] in ("K", "backend") or "backend" in parts
        return "enlarge" if own else {"resize_nearest_neighbor": "resize_v1_nearest"}.get(last, "resize_v1")
    if last == "preprocess_input":
        mode = next((_PREPROCESSING[part] for part in parts if part in _PREPROCESSING), None)
        if mode is None and parts[-2:-1] != ["imagenet_utils"]:
            raise UnknownExpressionError(f"{path} (of which network?)")
        return f"preprocess_{mode}" if mode else "preprocess"
    name = _NAMES.get(last, last)
    if name not in OPERATIONS:
        raise UnknownExpressionError(path)
    return name


_PREPROCESSING = {
    **dict.fromkeys(("mobilenet", "mobilenet_v2", "xception", "inception_v3", "inception_resnet_v2", "resnet_v2",
                     "resnet50_v2", "nasnet"), "tf"),
    **dict.fromkeys(("vgg16", "vgg19", "resnet", "resnet50"), "caffe"),
    "densenet": "torch",
    **dict.fromkeys(("efficientnet", "efficientnet_v2", "mobilenet_v3", "convnext"), "none"),
}  # fmt: skip
# Names of arguments, as TensorFlow and Keras's backend have them.
_ARGUMENTS = {
    **dict.fromkeys(("input", "tensor", "a", "images", "image", "features", "logits", "inputs", "values", "tensors",
                     "input_tensor", "value", "arrays", "arr"), "x"),
    **dict.fromkeys(("target_shape", "newshape", "dims_shape"), "shape"),
    **dict.fromkeys(("perm", "pattern"), "axes"),
    **dict.fromkeys(("dim", "reduction_indices"), "axis"),
    "keep_dims": "keepdims", "min_value": "low", "max_value": "high", "clip_value_min": "low", "clip_value_max": "high",
    "num_or_size_splits": "parts",
    "b": "y", "paddings": "pad_width", "multiples": "repeats", "n": "repeats", "rep": "repeats", "bias": "y",
}  # fmt: skip
# Functions of TensorFlow, NumPy and Keras's backend under the names used here.
_NAMES = {
    **dict.fromkeys(("truediv", "div", "realdiv", "true_divide", "div_no_nan", "divide_no_nan"), "divide"),
    **dict.fromkeys(("__add__", "addv2"), "add"),
    **dict.fromkeys(("sub", "__sub__"), "subtract"), **dict.fromkeys(("mul", "__mul__"), "multiply"),
    **dict.fromkeys(("neg", "__neg__"), "negative"), **dict.fromkeys(("pow", "__pow__"), "power"),
    **dict.fromkeys(("floordiv", "floor_div"), "floor_divide"),
    "permute_dimensions": "transpose", "to_float": "cast_float32", "cast_to_floatx": "cast_float32",
    **dict.fromkeys(("float32", "convert_image_dtype_float"), "cast_float32"),
    **dict.fromkeys(("reduce_mean", "average"), "mean"), "reduce_sum": "sum", "reduce_max": "max", "amax": "max",
    "reduce_min": "min", "amin": "min", "clip_by_value": "clip", "l2_normalize": "normalize",
    **dict.fromkeys(("batch_flatten", "flatten"), "flatten"),
    **dict.fromkeys(("stop_gradient", "constant", "convert_to_tensor", "array", "asarray", "variable", "copy"),
                    "identity"),
    "swish": "silu", "hard_swish": "hard_silu", "concat": "concatenate", "repeat_elements": "repeat_axis",
    **dict.fromkeys(("__getitem__", "strided_slice_list"), "getitem"), "int_shape": "shape", "reverse": "flip",
    "abs": "absolute", "standardize_image": "per_image_standardization", "linear": "identity",
}  # fmt: skip


def _resize(ops: Any, x: Any, size: Any, method: Any = "bilinear", **more: Any) -> Any:
    kind = {0: "bilinear", 1: "nearest", 2: "bicubic"}.get(method, method)
    if any(value for value in more.values()):
        raise UnknownExpressionError("resize with options")
    return ops.image.resize(x, tuple(int(part) for part in size), interpolation=kind)


def _resize_v1(ops: Any, x: Any, size: Any, method: Any = 0, align_corners: bool = False, **more: Any) -> Any:
    """TensorFlow 1 samples at the corners of pixels, not at their centres."""
    if any(value for value in more.values()):
        raise UnknownExpressionError("resize with options")
    height, width = (int(part) for part in size)
    rows, columns = int(x.shape[1]), int(x.shape[2])
    if method not in (0, 1, "bilinear", "nearest"):
        raise UnknownExpressionError("resize of TensorFlow 1 that is neither bilinear nor nearest")
    nearest = method in (1, "nearest")
    for axis, (old, new) in enumerate(((rows, height), (columns, width)), start=1):
        step = (old - 1) / (new - 1) if align_corners and new > 1 else old / new
        places = [min(step * place, old - 1) for place in range(new)]
        low = [round(place) if nearest and align_corners else int(place) for place in places]
        part = ops.take(x, low, axis=axis)
        if not nearest:
            high = [min(place + 1, old - 1) for place in low]
            share = [[place - int(place)] for place in places] if axis == 2 else [[[p - int(p)]] for p in places]
            part = ops.add(part, ops.multiply(ops.subtract(ops.take(x, high, axis=axis), part), share))
        x = part
    return x


def _enlarge(ops: Any, x: Any, rows: int, columns: int, data_format: str = "channels_last", **more: Any) -> Any:
    """Repeat pixels: `resize_images` of Keras's backend takes factors."""
    if more.get("interpolation", "nearest") != "nearest":
        raise UnknownExpressionError("resize_images with interpolation")
    first = 2 if data_format in ("channels_first", "th") else 1
    return ops.repeat(ops.repeat(x, int(rows), axis=first), int(columns), axis=first + 1)


def _reshape(ops: Any, x: Any, shape: Any) -> Any:
    return ops.reshape(x, tuple(-1 if size is None else int(size) for size in shape))


def _squeeze(ops: Any, x: Any, axis: Any = None) -> Any:
    axes = sorted(axis if isinstance(axis, list | tuple) else [axis], reverse=True) if axis is not None else [None]
    for one in axes:
        x = ops.squeeze(x, axis=one)
    return x


def _normalize(ops: Any, x: Any, axis: Any = -1, epsilon: float = 1e-12) -> Any:
    total = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return ops.divide(x, ops.sqrt(ops.maximum(total, epsilon)))


def _standardized(ops: Any, x: Any) -> Any:
    axes = (-3, -2, -1)
    count = 1
    for axis in axes:
        count *= int(x.shape[axis])
    spread = ops.maximum(ops.std(x, axis=axes, keepdims=True), count**-0.5)
    return ops.divide(ops.subtract(x, ops.mean(x, axis=axes, keepdims=True)), spread)


def _preprocess(ops: Any, x: Any, data_format: Any = None, mode: str = "caffe") -> Any:
    """Do what `keras.applications` does to pixels of 0 to 255."""
    first = data_format == "channels_first"
    if mode == "none":
        return x
    if mode == "tf":
        return ops.subtract(ops.divide(x, 127.5), 1.0)
    if mode == "caffe":
        x = ops.flip(x, axis=1 if first else -1)
        mean, spread = [103.939, 116.779, 123.68], None
    elif mode == "torch":
        x = ops.divide(x, 255.0)
        mean, spread = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    else:
        raise UnknownExpressionError(f"preprocess_input in mode {mode!r}")
    shape = (3, 1, 1) if first else (3,)
    x = ops.subtract(x, ops.reshape(mean, shape))
    return x if spread is None else ops.divide(x, ops.reshape(spread, shape))


def _grey(ops: Any, x: Any) -> Any:
    return ops.sum(ops.multiply(x, [0.2989, 0.587, 0.114]), axis=-1, keepdims=True)  # TensorFlow's weights


def _getitem(ops: Any, x: Any, key: Any, *rest: Any, **more: Any) -> Any:
    if rest or more:
        raise UnknownExpressionError("an index with a variable")
    return x[tuple(key) if isinstance(key, list) else key]


def _pad(ops: Any, x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    mode = mode.lower()
    return ops.pad(x, pad_width, mode, constant_values if mode == "constant" else None)


def _bias_add(ops: Any, x: Any, y: Any, data_format: Any = None) -> Any:
    if data_format in ("channels_first", "NCHW"):
        y = ops.reshape(y, (-1, *[1] * (len(x.shape) - 2)))
    return ops.add(x, y)


def _shape(ops: Any, x: Any, **_: Any) -> Any:
    return tuple(x.shape)


def _stack(ops: Any, x: Any, axis: int = 0) -> Any:
    return ops.stack(list(x), axis=axis)


def _split(ops: Any, x: Any, parts: Any, axis: int = 0) -> Any:
    """Cut into equal parts, or parts of given lengths."""
    places = [sum(parts[: place + 1]) for place in range(len(parts) - 1)] if isinstance(parts, list) else int(parts)
    return ops.split(x, places, axis=axis)


def _pool(name: str) -> Any:
    """Return TensorFlow's pooling of images, whose windows may be one, two or four numbers."""

    def sizes(value: Any) -> tuple[int, int]:
        parts = [value] if isinstance(value, int) else list(value)
        parts = parts[1:3] if len(parts) == 4 else parts
        return int(parts[0]), int(parts[-1])

    def pool(ops: Any, x: Any, ksize: Any, strides: Any, padding: Any = "VALID", data_format: Any = "NHWC") -> Any:
        if data_format not in (None, "NHWC") or not isinstance(padding, str) or len(x.shape) != 4:
            raise UnknownExpressionError("pooling with options")
        return getattr(ops, name)(x, sizes(ksize), sizes(strides), padding.lower(), "channels_last")

    return pool


def _transpose(ops: Any, x: Any, axes: Any = None) -> Any:
    return ops.transpose(x, axes=None if axes is None else [int(axis) for axis in axes])


def _reduced(name: str) -> Any:
    return lambda ops, x, axis=None, keepdims=False: getattr(ops, name)(
        x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=bool(keepdims)
    )


def _plain(name: str) -> Any:
    return lambda ops, *args, **kwargs: getattr(ops, name)(*args, **kwargs)


_PLAIN = (
    "add", "subtract", "multiply", "divide", "floor_divide", "mod", "power", "negative", "absolute", "square",
    "sqrt", "rsqrt", "exp", "log", "maximum", "minimum", "relu", "relu6", "sigmoid", "hard_sigmoid",
    "hard_silu", "tanh", "softplus", "softsign", "selu", "elu", "gelu", "silu", "leaky_relu", "log_softmax",
    "sin", "cos", "round", "floor", "ceil", "sign", "matmul", "tile", "zeros_like", "ones_like", "argmax",
    "dot", "log_sigmoid", "var", "std",
)  # fmt: skip
OPERATIONS: dict[str, Any] = {
    **{name: _plain(name) for name in _PLAIN},
    **{name: _reduced(name) for name in ("mean", "sum", "max", "min", "prod", "any", "all")},
    "bias_add": _bias_add,
    "clip": lambda ops, x, low, high: ops.clip(x, low, high),
    "softmax": lambda ops, x, axis=-1: ops.softmax(x, axis=axis),
    "cast": lambda ops, x, dtype: ops.cast(x, dtype),
    "cast_float32": lambda ops, x: ops.cast(x, "float32"),
    "identity": lambda ops, x, *_, **__: x,
    "expand_dims": lambda ops, x, axis=-1: ops.expand_dims(x, axis),
    "squeeze": _squeeze,
    "reshape": _reshape,
    "transpose": _transpose,
    "flatten": lambda ops, x: _reshape(ops, x, (-1, _product(x.shape[1:]))),
    "resize": _resize,
    "resize_v1": _resize_v1,
    "resize_v1_nearest": lambda ops, x, size, **more: _resize_v1(ops, x, size, 1, **more),
    "enlarge": _enlarge,
    "concatenate": lambda ops, x, axis=-1: ops.concatenate(list(x), axis=axis),
    "stack": _stack,
    "flip": lambda ops, x, axis: ops.flip(x, axis=tuple(axis) if isinstance(axis, list) else axis),
    "normalize": _normalize,
    "per_image_standardization": _standardized,
    "preprocess": _preprocess,
    **{
        f"preprocess_{mode}": lambda ops, x, data_format=None, mode=mode: _preprocess(ops, x, data_format, mode)
        for mode in ("tf", "caffe", "torch", "none")
    },
    "rgb_to_grayscale": _grey,
    "grayscale_to_rgb": lambda ops, x: ops.repeat(x, 3, axis=-1),
    "repeat_axis": lambda ops, x, repeats, axis: ops.repeat(x, int(repeats), axis=axis),
    "getitem": _getitem,
    "pad": _pad,
    "split": _split,
    **dict.fromkeys(("max_pool2d", "max_pool"), _pool("max_pool")),
    **dict.fromkeys(("avg_pool2d", "avg_pool"), _pool("average_pool")),
    "space_to_depth": lambda ops, x, block_size: ops.space_to_depth(x, int(block_size)),
    "depth_to_space": lambda ops, x, block_size: ops.depth_to_space(x, int(block_size)),
    "shape": _shape,
}


def _product(sizes: Any) -> int:
    total = 1
    for size in sizes:
        total *= int(size)
    return total


# What Keras 3 writes for masks into `.h5`, by class alone; there is no layer of that name.
KERAS_OPERATIONS = {"NotEqual": "not_equal", "Equal": "equal", "Any": "any", "LogicalAnd": "logical_and",
                    "LogicalOr": "logical_or", "LogicalNot": "logical_not"}  # fmt: skip


def keras_operation(entry: dict[str, Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Return what an operation of Keras 3 gives, one of `KERAS_OPERATIONS`."""
    options = {key: value for key, value in entry["config"].items() if key in ("axis", "keepdims")}
    return getattr(import_keras().ops, KERAS_OPERATIONS[entry["class_name"]])(*args, **options, **kwargs)
