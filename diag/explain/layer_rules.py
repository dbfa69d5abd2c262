"""The rules of single kinds of layers: convolution, maxima, softmax, normalisation.

References
----------
Lundberg & Lee (2017), arXiv:1705.07874, section 4.2 (max pooling, softmax as shap decomposes it).
Chen, Lundberg & Lee (2021), Explaining a series of models by propagating Shapley values, arXiv:2105.00108.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from diag._lazy import import_tensorflow
from diag.explain import rules
from diag.explain.rules import SMALL, Multiplier, Pairs, fused, transposed

if TYPE_CHECKING:
    from diag.explain.graph import Step


FEW = 4
"""Fewer input channels than this: a convolution of grey or colour images."""
TINY = 1e-24
"""A squared length below this counts as none, as in Keras."""

# --- convolution ------------------------------------------------------------------------------------------------------


def convolution(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    """Transpose a convolution in channels-last order, which every processor can do, group by group."""
    tf = import_tensorflow()
    layer, shape = step.operation, pairs.shapes[0]
    first = layer.data_format == "channels_first"
    rows = multipliers[0].rows()
    rows = _last(rows) if first else rows
    shape = (*shape[1:], shape[0]) if first else shape
    plain = layer.rank == 2 and layer.padding != "causal" and max(layer.dilation_rate) == 1
    groups = [tf.cast(layer.kernel, tf.float32)], [rows]
    if layer.groups > 1:
        groups = tuple(tf.split(tensor, layer.groups, axis=-1) for (tensor,) in groups)
    parts = []
    for kernel, part in zip(*groups, strict=True):
        inner = (*shape[:-1], kernel.shape[-2])
        if plain and kernel.shape[-2] < FEW and max(layer.strides) == 1 and min(layer.kernel_size) > 1:
            parts.append(_to_few_channels(part, kernel, inner, layer.padding == "same"))
        elif plain:
            size = tf.concat([tf.shape(part)[:1], inner], 0)
            parts.append(tf.nn.conv2d_transpose(part, kernel, size, layer.strides, layer.padding.upper()))
        else:
            parts.append(_general_convolution(layer, kernel, inner, Multiplier(part[:, None])))
    result = tf.concat(parts, axis=-1) if len(parts) > 1 else parts[0]
    result.set_shape((None, *shape))
    return [multipliers[0].like(_first(result) if first else result)]


def _to_few_channels(rows: Any, kernel: Any, shape: tuple[int, ...], same: bool) -> Any:
    """Transpose a convolution of few input channels, which libraries are slow at: one matrix product, then shifts."""
    tf = import_tensorflow()
    down, across, few, many = (int(size) for size in kernel.shape)
    height, width, _ = shape
    before = [(size - 1) // 2 if same else 0 for size in (down, across)]
    flat = tf.reshape(tf.transpose(kernel, (2, 0, 1, 3)), (few * down * across, many))
    each = tf.matmul(flat, tf.reshape(rows, (-1, many)), transpose_b=True)
    each = tf.reshape(each, (few, down, across, -1, *rows.shape[1:3]))

    def shifted(each: Any) -> Any:
        high, wide = (int(size) for size in each.shape[-2:])
        border = [[0, 0]] * 4 + [[down, height + down - high], [across, width + across - wide]]
        padded = tf.pad(each, border)
        total = 0
        for i in range(down):
            for j in range(across):
                top, left = down + before[0] - i, across + before[1] - j
                total += padded[:, i, j, :, top : top + height, left : left + width]
        return total

    return tf.transpose(fused(shifted, each), (1, 2, 3, 0))


def _general_convolution(layer: Any, kernel: Any, shape: tuple[int, ...], multiplier: Multiplier) -> Any:
    tf = import_tensorflow()

    def forward(tensors: list[Any]) -> list[Any]:
        (tensor,) = tensors
        padding = layer.padding.upper()
        if padding == "CAUSAL":
            before = layer.dilation_rate[0] * (layer.kernel_size[0] - 1)
            tensor, padding = tf.pad(tensor, [[0, 0], [before, 0], [0, 0]]), "VALID"
        return [tf.nn.convolution(tensor, kernel, layer.strides, padding, dilations=layer.dilation_rate)]

    return transposed(forward, [shape], [multiplier])[0].rows()


def _last(tensor: Any) -> Any:
    tf = import_tensorflow()
    rank = len(tensor.shape)
    return tf.transpose(tensor, [0, *range(2, rank), 1])


def _first(tensor: Any) -> Any:
    tf = import_tensorflow()
    rank = len(tensor.shape)
    return tf.transpose(tensor, [0, rank - 1, *range(1, rank - 1)])


# --- quick ways through what networks have many of --------------------------------------------------------------------


def batch_normalised(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    """Return the rule of batch normalisation: gamma / sqrt(variance + epsilon) of each channel."""
    tf = import_tensorflow()
    layer, rank = step.operation, len(pairs.shapes[0])
    factor = tf.math.rsqrt(tf.cast(layer.moving_variance, tf.float32) + layer.epsilon)
    if layer.scale:
        factor *= tf.cast(layer.gamma, tf.float32)
    shape = [1] * (rank + 1)
    shape[1 + _per_sample(layer.axis, rank)[0]] = -1
    return [multipliers[0].scaled(tf.reshape(factor, shape))]


def joined(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    """Return the rule of concatenation: each source gets its part."""
    (axis,) = _per_sample(step.operation.axis, len(pairs.shapes[0]))
    sizes = [shape[axis] for shape in pairs.shapes]
    return [Multiplier(part) for part in import_tensorflow().split(multipliers[0].dense(), sizes, axis=2 + axis)]


# --- maxima -----------------------------------------------------------------------------------------------------------
# The larger of the two maxima decides: the whole difference goes to the element where it is. As shap has it.


def _share(hit: Any, difference: Any, delta: Any) -> Any:
    tf = import_tensorflow()
    real = hit & (tf.abs(delta) >= SMALL / 10)
    return tf.where(real, difference, tf.zeros_like(difference)) / tf.where(real, delta, tf.ones_like(delta))


def _first_hits(candidates: list[Any]) -> tuple[Any, list[Any]]:
    """Return the maximum of tensors of one shape, and for each whether it is the first to have it."""
    tf = import_tensorflow()
    largest = candidates[0]
    for candidate in candidates[1:]:
        largest = tf.maximum(largest, candidate)
    hits, free = [], None
    for candidate in candidates:
        hit = candidate == largest
        hits.append(hit if free is None else hit & free)
        free = ~hit if free is None else free & ~hit
    return largest, hits


def pooling(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    """Return the rule of max pooling: windows are laid out, and the larger of the two maxima decides."""
    layer, shape = step.operation, pairs.shapes[0]
    rank = len(shape) - 1
    size, strides = (_tuple(value, rank) for value in (layer.pool_size, layer.strides or layer.pool_size))
    first = layer.data_format == "channels_first"
    x, r, multiplier = pairs.x[0], pairs.r[0], multipliers[0]
    if first:
        x, r, multiplier = _last(x), _last(r), multiplier.like(_last(multiplier.rows()))
        shape = (*shape[1:], shape[0])

    def windows(tensors: list[Any]) -> list[Any]:
        return _windows(tensors[0], size, strides, layer.padding == "same")

    def weights(x: Any, r: Any) -> list[Any]:
        """Return for each place in the window what it passes on, (j, *output shape)."""
        tf = import_tensorflow()
        x_max, x_hits = _first_hits(windows([x]))
        r_max, r_hits = _first_hits(windows([r]))
        x_wins, difference = x_max > r_max, x_max - r_max
        places = zip(x_hits, r_hits, windows([x]), windows([r]), strict=True)
        return [_share(tf.where(x_wins, x_hit, r_hit), difference, a - b) for x_hit, r_hit, a, b in places]

    if rank == 2 and size == strides and not any(side % span for side, span in zip(shape, size, strict=False)):
        found = _blocks(multiplier, x, r, size)
    else:
        parts = [multiplier.scaled(weight) for weight in fused(weights, x, r)]
        found = transposed(windows, [shape], parts)[0]
    return [found.like(_first(found.rows())) if first else found]


def _blocks(multiplier: Multiplier, x: Any, r: Any, size: tuple[int, ...]) -> Multiplier:
    """Return the rule of windows that neither overlap nor leave gaps: they stay where they are."""
    tf = import_tensorflow()
    (height, width, channels), (down, across) = (int(side) for side in x.shape[1:]), size
    split = (-1, height // down, down, width // across, across, channels)
    number = tf.reshape(tf.range(down * across, dtype=x.dtype), (1, 1, down, 1, across, 1))

    def first_hits(values: Any) -> tuple[Any, Any]:
        peak = tf.reduce_max(values, (2, 4), keepdims=True)
        numbered = tf.where(values == peak, number, tf.constant(down * across, x.dtype))
        return peak, numbered == tf.reduce_min(numbered, (2, 4), keepdims=True)

    def weights(x: Any, r: Any) -> Any:
        x, r = tf.reshape(x, split), tf.reshape(r, split)
        (x_max, x_hits), (r_max, r_hits) = first_hits(x), first_hits(r)
        share = _share(tf.where(x_max > r_max, x_hits, r_hits), x_max - r_max, x - r)
        return tf.reshape(share, (-1, height, width, channels))

    larger = tf.raw_ops.ResizeNearestNeighbor(images=multiplier.rows(), size=(height, width))
    return multiplier.like(larger).scaled(fused(weights, x, r))


def _windows(tensor: Any, size: tuple[int, ...], strides: tuple[int, ...], same: bool) -> list[Any]:
    """Return one tensor a place in the window, row by row: the elements there of all windows."""
    tf = import_tensorflow()
    counts, padding = [], []
    for side, span, step in zip(tensor.shape[1:-1], size, strides, strict=True):
        count = -(-side // step) if same else (side - span) // step + 1
        missing = max((count - 1) * step + span - side, 0) if same else 0
        counts.append(count)
        padding.append([missing // 2, missing - missing // 2])
    if any(map(any, padding)):
        tensor = tf.pad(tensor, [[0, 0], *padding, [0, 0]], constant_values=tensor.dtype.min)
    found = [tensor]
    for axis, (span, step, count) in enumerate(zip(size, strides, counts, strict=True), start=1):
        found = [
            each[(slice(None),) * axis + (slice(start, start + (count - 1) * step + 1, step),)]
            for each in found
            for start in range(span)
        ]
    return found


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    return (int(value),) * rank if isinstance(value, int) else tuple(int(each) for each in value)


def largest(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    """Return the rule of a maximum or minimum over whole axes."""
    tf = import_tensorflow()
    layer, shape = step.operation, pairs.shapes[0]
    if step.kind.startswith("GlobalMax"):
        inner = list(range(1, len(shape))) if layer.data_format == "channels_first" else list(range(len(shape) - 1))
    else:
        inner = _per_sample(layer.axis, len(shape))
    sign = -1.0 if step.kind in ("Min", "Amin") else 1.0
    outer = [axis for axis in range(len(shape)) if axis not in inner]
    order = [0, *(1 + axis for axis in inner), *(1 + axis for axis in outer)]
    kept, count = [shape[axis] for axis in outer], math.prod(shape[axis] for axis in inner)
    x, r = (tf.reshape(tf.transpose(each, order), [-1, count, *kept]) for each in (pairs.x[0], pairs.r[0]))

    def peak(tensor: Any) -> tuple[Any, Any]:
        place = tf.argmax(sign * tensor, axis=1)
        return tf.reduce_max(sign * tensor, axis=1), tf.one_hot(place, count, True, False, axis=1)

    (x_max, x_hit), (r_max, r_hit) = peak(x), peak(r)
    hit = tf.where((x_max > r_max)[:, None], x_hit, r_hit)
    weight = _share(hit, sign * (x_max - r_max)[:, None], x - r)
    back = [order.index(axis) for axis in range(len(order))]
    split = [tf.shape(weight)[0], *(shape[axis] for axis in inner), *kept]
    weight = tf.transpose(tf.reshape(weight, split), back)
    dense = multipliers[0].dense()
    lone = [1 if axis in inner else size for axis, size in enumerate(shape)]
    dense = tf.reshape(dense, tf.concat([tf.shape(dense)[:2], lone], 0))
    return [Multiplier(dense * tf.ones([1, 1, *shape])).scaled(weight)]


# --- softmax ----------------------------------------------------------------------------------------------------------


def softmax(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    """Return exp(z - max), its sum and their quotient one after the other, as shap decomposes softmax.

    A value that is the same in both, while the largest is not, cannot get what its exponential changes: the others
    share it, by their squared differences.
    """
    tf = import_tensorflow()
    rank = len(pairs.shapes[0])
    axes = _per_sample(getattr(step.operation, "axis", -1), rank)
    outer, inner = [1 + axis for axis in axes], [2 + axis for axis in axes]
    zx, zr, dense = pairs.x[0], pairs.r[0], multipliers[0].dense()
    if step.kind in ("log_softmax", "LogSoftmax"):
        total = tf.reduce_sum(dense, axis=inner, keepdims=True)
        return [Multiplier(dense - total * _logsumexp_slope(zx, zr, outer)[:, None])]
    ex, er = (tf.exp(tensor - tf.reduce_max(tensor, axis=outer, keepdims=True)) for tensor in (zx, zr))
    sx, sr = (tf.reduce_sum(tensor, axis=outer, keepdims=True) for tensor in (ex, er))
    shared = tf.reduce_sum(dense * ((ex + er) / (2 * sx * sr))[:, None], axis=inner, keepdims=True)
    powers = dense * ((1 / sx + 1 / sr) / 2)[:, None] - shared
    same, rise = _rise(ex, er, zx - zr)
    lost = tf.reduce_sum(powers * tf.where(same, ex - er, tf.zeros_like(rise))[:, None], axis=inner, keepdims=True)
    delta = tf.where(same, tf.zeros_like(rise), zx - zr)
    squares = tf.reduce_sum(tf.square(delta), axis=outer, keepdims=True)
    return [Multiplier(powers * rise[:, None] + lost * tf.math.divide_no_nan(delta, squares)[:, None])]


def _rise(ex: Any, er: Any, delta: Any) -> tuple[Any, Any]:
    """Return where z hardly differs, and the slope of its exponential."""
    tf = import_tensorflow()
    same = tf.abs(delta) < SMALL
    return same, tf.where(same, er, (ex - er) / tf.where(same, tf.ones_like(delta), delta))


def _logsumexp_slope(zx: Any, zr: Any, axes: list[int]) -> Any:
    """Return the multipliers of ln(sum(exp(z))): the logarithm's slope times the exponential's, both shifted alike."""
    tf = import_tensorflow()
    shift = tf.maximum(*(tf.reduce_max(tensor, axis=axes, keepdims=True) for tensor in (zx, zr)))
    ex, er = tf.exp(zx - shift), tf.exp(zr - shift)
    delta = tf.reduce_sum(ex - er, axis=axes, keepdims=True)
    total = tf.reduce_sum(er, axis=axes, keepdims=True)
    higher, lower = (tf.reduce_logsumexp(tensor, axis=axes, keepdims=True) for tensor in (zx, zr))
    same = tf.abs(delta) < SMALL
    bend = tf.where(same, 1 / total, (higher - lower) / tf.where(same, tf.ones_like(delta), delta))
    return bend * _rise(ex, er, zx - zr)[1]


def _per_sample(axis: Any, rank: int) -> list[int]:
    """Return a Keras axis, or several, as axes of one sample of so many: sorted, not negative."""
    axes = axis if isinstance(axis, list | tuple) else [axis]
    return sorted(each - 1 if each > 0 else each % rank for each in axes)


def gated(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    """Return the rule of GLU: one half times the sigmoid of the other."""
    tf = import_tensorflow()
    axis = getattr(step.operation, "axis", -1)
    (ax, bx), (ar, br) = tf.split(pairs.x[0], 2, axis), tf.split(pairs.r[0], 2, axis)
    dense = multipliers[0].dense()
    first = dense * ((tf.sigmoid(bx) + tf.sigmoid(br)) / 2)[:, None]
    second = dense * (rules.slope(tf.sigmoid, bx, br) * (ax + ar) / 2)[:, None]
    return [Multiplier(tf.concat([first, second], axis if axis < 0 else axis + 1))]


# --- normalisation by the sample itself ------------------------------------------------------------------------------


def normalised(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    """Return the rule of y = c * s with c = x - mean(x), s = 1 / sqrt(mean(c^2) + epsilon).

    The mean is linear, the square and the root follow the rescale rule, the product gets Shapley values. Root mean
    square and unit normalisation have x for c, `rms_scaling` of Keras has x * s with the s of the centred values.
    """
    tf = import_tensorflow()
    layer, shape, kind = step.operation, pairs.shapes[0], step.kind
    grouped, unit = kind == "GroupNormalization", kind == "UnitNormalization"
    split, axes = _groups(layer, shape) if grouped else (shape, _per_sample(layer.axis, len(shape)))
    outer, inner = [axis + 1 for axis in axes], [axis + 2 for axis in axes]
    spread = grouped or kind == "LayerNormalization"
    centred = spread and not getattr(layer, "rms_scaling", False)
    count = 1 if unit else math.prod(split[axis] for axis in axes)

    def parts(tensor: Any) -> tuple[Any, Any, Any]:
        tensor = tf.reshape(tensor, [-1, *split])
        centre = tensor - tf.reduce_mean(tensor, axis=outer, keepdims=True) if spread else tensor
        mean_square = tf.reduce_sum(tf.square(centre), axis=outer, keepdims=True) / count
        return centre if centred else tensor, centre, mean_square if unit else mean_square + layer.epsilon

    (tx, cx, vx), (tr, cr, vr) = parts(pairs.x[0]), parts(pairs.r[0])
    if unit:  # zeros stay zeros: they may as well be divided by the other one's length
        nothing = tf.minimum(vx, vr) <= TINY
        vx, vr = (tf.where(nothing, tf.maximum(tf.maximum(vx, vr), TINY), each) for each in (vx, vr))
        cx, cr = (tf.where(nothing, tf.zeros_like(each), each) for each in (cx, cr))
    sx, sr = tf.math.rsqrt(vx), tf.math.rsqrt(vr)
    dense = multipliers[0].dense() * _gamma(layer, shape)
    dense = tf.reshape(dense, tf.concat([tf.shape(dense)[:2], split], 0))
    share = tf.reduce_sum(dense * ((tx + tr) / 2)[:, None], axis=inner, keepdims=True)
    found = dense * ((sx + sr) / 2)[:, None]
    if centred:
        found -= tf.reduce_mean(found, axis=inner, keepdims=True)
    bend = -sx * sr * (sx * sr / (sx + sr)) * (cx + cr) / count  # (sx - sr) / (vx - vr), times that of the square
    return [multipliers[0].like(tf.reshape(found + share * bend[:, None], [-1, *shape]))]


def _groups(layer: Any, shape: tuple[int, ...]) -> tuple[tuple[int, ...], list[int]]:
    (place,) = _per_sample(layer.axis, len(shape))
    groups = shape[place] if layer.groups == -1 else layer.groups
    split = (*shape[:place], groups, shape[place] // groups, *shape[place + 1 :])
    return split, [axis for axis in range(len(split)) if axis != place]


def _gamma(layer: Any, shape: tuple[int, ...]) -> Any:
    tf = import_tensorflow()
    gamma = getattr(layer, "gamma", None)
    gamma = getattr(layer, "scale", None) if gamma is None and type(layer).__name__ == "RMSNormalization" else gamma
    if gamma is None or isinstance(gamma, bool):
        return 1.0
    axes = _per_sample(layer.axis, len(shape))
    return tf.reshape(tf.cast(gamma, tf.float32), [size if axis in axes else 1 for axis, size in enumerate(shape)])
