"""How DeepLIFT multipliers go backward through one operation: the registry, and the rules that most layers share.

A multiplier m of a tensor says how much each of its elements adds to an output, per unit of difference between image
and reference: the output's difference is the sum of m * (x - r). A rule gets the multipliers of an operation's outputs
and returns those of its inputs, such that this sum stays the same.

Register a rule for a layer of your own under its class name::

    from diag.explain.rules import RULES, elementwise
    RULES["MyActivation"] = elementwise

References
----------
Shrikumar, Greenside & Kundaje (2017), Learning important features through propagating activation differences,
arXiv:1704.02685: multipliers and their chain rule (section 3.2), linear and rescale rule (3.5).
Lundberg & Lee (2017), arXiv:1705.07874, section 4.2: operations of two inputs get Shapley values.
"""

from __future__ import annotations

import contextlib
import functools
import math
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from diag._lazy import import_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from diag.explain.graph import Step

SMALL = 1e-6
"""Differences below this get the gradient instead of the quotient, as in shap."""


@dataclass(frozen=True, slots=True, eq=False)
class Multiplier:
    """Multipliers of one tensor: `values` (j, k, *shape) of j references and k outputs, times `scale` (j or 1, *shape).

    The scale is the same for all k. It is kept apart until something needs the product, so that a chain of
    element-wise steps costs one pass over the large tensor.
    """

    values: Any
    scale: Any = None

    def scaled(self, factor: Any) -> Multiplier:
        """Return this times a factor (j or 1, *shape), or what broadcasts to that."""
        return Multiplier(self.values, factor if self.scale is None else self.scale * factor)

    def dense(self) -> Any:
        """Return the product, shape (j, k, *shape)."""
        return self.values if self.scale is None else self.values * self.scale[:, None]

    def rows(self) -> Any:
        """Return the product, shape (j * k, *shape)."""
        tf = import_tensorflow()
        values = self.dense()
        return tf.reshape(values, (-1, *values.shape[2:]))

    def like(self, rows: Any) -> Multiplier:
        """Return `rows` (j * k, *other) as a multiplier (j, k, *other)."""
        tf = import_tensorflow()
        j, k = tf.unstack(tf.shape(self.values)[:2])
        return Multiplier(tf.reshape(rows, tf.concat([[j, k], rows.shape[1:]], 0)))


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """What a rule may look at: the image's and the references' values of each source.

    Parameters
    ----------
    x : list of tensor, shape (1, *shape)
        Of the image. Empty when the rule's `needs_inputs` is false.
    r : list of tensor, shape (j, *shape)
        Of the references.
    shapes : list of tuple
        The sources' shapes without the batch axis.
    """

    x: list[Any]
    r: list[Any]
    shapes: list[tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule: `backward` gets the step, the pairs and its targets' multipliers; it returns one a source."""

    backward: Callable[[Step, Pairs, list[Multiplier]], list[Multiplier]]
    needs_inputs: bool = True


RULES: dict[str, Rule | Callable[[Step], Rule | None]] = {}
"""The rule of each kind of step, or a function that picks it (None: there is none)."""


def rule_of(step: Step) -> Rule | None:
    """Return the rule of a step, or None."""
    found = RULES.get(step.kind)
    return found if found is None or isinstance(found, Rule) else found(step)


WORTH_FUSING = 4096
"""Numbers a sample from which on one pass over memory is worth a compilation."""
_FUSING: ContextVar[bool] = ContextVar("fusing", default=False)


@contextlib.contextmanager
def fusing() -> Iterator[None]:
    """Compile what `fused` is given, in graphs that are built inside."""
    token = _FUSING.set(True)
    try:
        yield
    finally:
        _FUSING.reset(token)


def fused(function: Callable[..., Any], *tensors: Any) -> Any:
    """Return function(*tensors): one pass over memory by XLA where that is on, else one operation after the other."""
    largest = max(math.prod(int(side) for side in tensor.shape if side) for tensor in tensors)
    if not _FUSING.get() or largest < WORTH_FUSING:
        return function(*tensors)
    shared = not getattr(function, "__closure__", None)
    return (_compiled(function) if shared else _compiled.__wrapped__(function))(*tensors)


@functools.cache
def _compiled(function: Callable[..., Any]) -> Any:
    return import_tensorflow().function(function, jit_compile=True, autograph=False)


@functools.cache
def can_fuse() -> bool:
    """Return whether this TensorFlow compiles with XLA."""
    tf = import_tensorflow()
    try:
        return float(_compiled(tf.nn.relu)(tf.constant([2.0]))[0]) == 2
    except Exception:  # noqa: BLE001  the boundary to a compiler that some builds lack; any failure means the same
        return False


def transposed(function: Callable[[list[Any]], list[Any]], shapes: Sequence[tuple[int, ...]],
               multipliers: list[Multiplier]) -> list[Multiplier]:  # fmt: skip
    """Apply the transpose of a linear (or affine) function of one batch or several.

    The function runs on zeros, in a graph where only its gradient is asked for, so nothing of it is computed.
    """
    tf = import_tensorflow()
    rows = [multiplier.rows() for multiplier in multipliers]
    zeros = [tf.zeros((tf.shape(rows[0])[0], *shape)) for shape in shapes]
    for zero, shape in zip(zeros, shapes, strict=True):
        zero.set_shape((None, *shape))
    outputs = function(zeros)
    rows = [tf.cast(row, output.dtype) for row, output in zip(rows, outputs, strict=True)]
    found = tf.gradients(outputs, zeros, rows, unconnected_gradients="zero")
    return [multipliers[0].like(tf.cast(gradient, tf.float32)) for gradient in found]


def _linear(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    return transposed(step.call, pairs.shapes, multipliers)


def _diagonal(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    tf = import_tensorflow()
    zero = tf.zeros((1, *pairs.shapes[0]))
    (factor,) = tf.gradients(step.call([zero]), [zero])
    return [multipliers[0].scaled(factor)]


def _sum(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    shape = tuple(multipliers[0].values.shape[2:])
    if any(other != shape for other in pairs.shapes):
        return _linear(step, pairs, multipliers)
    return [multipliers[0] for _ in pairs.shapes]


def slope(function: Callable[[Any], Any], x: Any, r: Any) -> Any:
    """Return (f(x) - f(r)) / (x - r), and f'(r) where x and r are the same: the rescale rule."""
    tf = import_tensorflow()
    y = function(r)
    (derivative,) = tf.gradients(y, r, unconnected_gradients="zero")
    delta = x - r
    same = tf.abs(delta) < SMALL
    quotient = (function(x) - y) / tf.where(same, tf.ones_like(delta), delta)
    return tf.where(same, derivative, quotient)


def _elementwise(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    tf = import_tensorflow()
    shape, larger = pairs.shapes[0], tuple(multipliers[0].values.shape[2:])
    x, r = pairs.x[0], pairs.r[0]
    if shape != larger:  # the function has a constant that x is broadcast along
        x, r = (tf.broadcast_to(each, (tf.shape(each)[0], *larger)) for each in (x, r))

    def factor(x: Any, r: Any) -> Any:
        return slope(lambda tensor: tf.cast(step.call([tensor])[0], tf.float32), x, r)

    return [_shaped(multipliers[0].scaled(fused(factor, x, r)), shape)]


def _relu(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    tf = import_tensorflow()
    shape = pairs.shapes[0]
    x, r = (tf.reshape(each, (-1, math.prod(shape))) for each in (pairs.x[0], pairs.r[0]))
    return [multipliers[0].scaled(tf.reshape(fused(_relu_slope, x, r), (-1, *shape)))]


def _relu_slope(x: Any, r: Any) -> Any:
    """Return (relu(x) - relu(r)) / (x - r) with no case for equal x and r: which share of the way lies above 0."""
    tf = import_tensorflow()
    return tf.clip_by_value(tf.maximum(x, r) / (tf.abs(x - r) + 1e-30), 0.0, 1.0)


def reduced_to(values: Any, shape: Sequence[int]) -> Any:
    """Sum (j, k, *larger) over what a tensor of `shape` was broadcast along."""
    tf = import_tensorflow()
    larger = values.shape[2:]
    extra = len(larger) - len(shape)
    values = tf.reduce_sum(values, axis=list(range(2, 2 + extra))) if extra else values
    axes = [2 + axis for axis, (have, want) in enumerate(zip(larger[extra:], shape, strict=True)) if have != want]
    return tf.reduce_sum(values, axis=axes, keepdims=True) if axes else values


def aligned(tensor: Any, rank: int) -> Any:
    """Return a batch (j, *shape) with axes of one put in behind the first, so that it broadcasts as Keras does."""
    tf = import_tensorflow()
    missing = rank - len(tensor.shape)
    if missing <= 0:
        return tensor
    return tf.reshape(tensor, tf.concat([tf.shape(tensor)[:1], [1] * missing, tensor.shape[1:]], 0))


class Pairwise(Protocol):
    """The Shapley values of an operation of two inputs."""

    def combine(self, a: Any, b: Any) -> Any:
        """Return the operation's value."""
        ...

    def __call__(self, m: Multiplier, ax: Any, ar: Any, bx: Any, br: Any) -> tuple[Multiplier, Multiplier]:
        """Return the multipliers of a and b."""
        ...


def _folded(pairwise: Pairwise) -> Callable[[Step, Pairs, list[Multiplier]], list[Multiplier]]:
    """Return the rule of an operation of two or more inputs, taken two at a time from the left."""

    def backward(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
        rank = 1 + max(map(len, pairs.shapes))
        x = [aligned(tensor, rank) for tensor in pairs.x]
        r = [aligned(tensor, rank) for tensor in pairs.r]
        left_x, left_r = [x[0]], [r[0]]
        for place in range(1, len(x)):
            left_x.append(pairwise.combine(left_x[-1], x[place]))
            left_r.append(pairwise.combine(left_r[-1], r[place]))
        rest, found = multipliers[0], []
        for place in range(len(x) - 1, 0, -1):
            rest, last = pairwise(rest, left_x[place - 1], left_r[place - 1], x[place], r[place])
            found.append(_shaped(last, pairs.shapes[place]))
            rest = _shaped(rest, tuple(left_x[place - 1].shape[1:]) if place > 1 else pairs.shapes[0])
        return [rest, *reversed(found)]

    return backward


def _shaped(multiplier: Multiplier, shape: tuple[int, ...]) -> Multiplier:
    if tuple(multiplier.values.shape[2:]) == shape:
        return multiplier
    return Multiplier(reduced_to(multiplier.dense(), shape))


class Product:
    """Shapley values of a * b: each factor times the mean of the other one's two values."""

    def combine(self, a: Any, b: Any) -> Any:
        """Return a * b."""
        return a * b

    def __call__(self, m: Multiplier, ax: Any, ar: Any, bx: Any, br: Any) -> tuple[Multiplier, Multiplier]:
        """Return the multipliers of a and b."""
        return m.scaled((bx + br) / 2), m.scaled((ax + ar) / 2)


class Quotient:
    """Shapley values of a / b."""

    def combine(self, a: Any, b: Any) -> Any:
        """Return a / b."""
        return a / b

    def __call__(self, m: Multiplier, ax: Any, ar: Any, bx: Any, br: Any) -> tuple[Multiplier, Multiplier]:
        """Return the multipliers of a and b; (1/bx - 1/br) / (bx - br) is -1 / (bx br)."""
        return m.scaled((1 / bx + 1 / br) / 2), m.scaled(-(ax + ar) / (2 * bx * br))


class Extremum:
    """Shapley values of max(a, b) or min(a, b), by their definition."""

    def __init__(self, name: str) -> None:
        self.name = name

    def combine(self, a: Any, b: Any) -> Any:
        """Return the larger or the smaller of a and b."""
        return getattr(import_tensorflow(), self.name)(a, b)

    def __call__(self, m: Multiplier, ax: Any, ar: Any, bx: Any, br: Any) -> tuple[Multiplier, Multiplier]:
        """Return the multipliers of a and b; 0 where one does not differ."""
        tf = import_tensorflow()
        both, none = self.combine(ax, bx), self.combine(ar, br)
        only_a, only_b = self.combine(ax, br), self.combine(ar, bx)

        def share(total: Any, delta: Any) -> Any:
            same = tf.abs(delta) < SMALL / 10
            return tf.where(same, tf.zeros_like(total), total / (2 * tf.where(same, tf.ones_like(delta), delta)))

        first = share(both - only_b + only_a - none, ax - ar)
        return m.scaled(first), m.scaled(share(both - only_a + only_b - none, bx - br))


def _bilinear(step: Step, pairs: Pairs, multipliers: list[Multiplier]) -> list[Multiplier]:
    """Return the Shapley values of a function that is linear in each of two inputs: the other one at its mean."""
    tf = import_tensorflow()
    k = tf.shape(multipliers[0].values)[1]
    means = [tf.repeat((x + r) / 2, k, axis=0) for x, r in zip(pairs.x, pairs.r, strict=True)]
    first = transposed(lambda one: step.call([one[0], means[1]]), pairs.shapes[:1], multipliers)
    second = transposed(lambda one: step.call([means[0], one[0]]), pairs.shapes[1:], multipliers)
    return [*first, *second]


linear = Rule(_linear, needs_inputs=False)
"""The transpose of the operation: it must be linear in all its inputs together, up to a constant."""
diagonal = Rule(_diagonal, needs_inputs=False)
"""Linear with a factor for each element, the same for every image."""
sum_of = Rule(_sum, needs_inputs=False)
"""Addition."""
elementwise = Rule(_elementwise)
"""Any function of single elements: the rescale rule."""
relu = Rule(_relu)
"""max(0, x), in fewer steps."""
product = Rule(_folded(Product()))
"""Element-wise product of two or more inputs."""
quotient = Rule(_folded(Quotient()))
"""Element-wise quotient."""
maximum = Rule(_folded(Extremum("maximum")))
"""Element-wise maximum of two or more inputs."""
minimum = Rule(_folded(Extremum("minimum")))
"""Element-wise minimum of two or more inputs."""
bilinear = Rule(_bilinear)
"""Matrix product and its like, of two inputs."""
