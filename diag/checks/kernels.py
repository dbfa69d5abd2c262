"""The kernels of a network as rows, one a unit. Their weights stay where the network lives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.network import leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_PARTS = (
    ("kernel", "kernel_initializer"),
    ("depthwise_kernel", "depthwise_initializer"),
    ("pointwise_kernel", "pointwise_initializer"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """One kernel.

    Parameters
    ----------
    layer : str
        Name of its layer, ``outer/inner`` in a nested model.
    part : str
        ``kernel``, ``depthwise_kernel`` or ``pointwise_kernel``.
    kind : str
        The layer's class.
    rows : ndarray of float32, shape (units, fan)
        The weights that make each unit or filter.
    bias : ndarray of float32, shape (units,), or None
    fan_in, fan_out : int
        As initialisers count them.
    depthwise : bool
        Whether each filter sees a channel of its own.
    trainable : bool
        Whether training moves the layer.
    initializer : object
        The layer's own, for its class and its numbers.
    """

    layer: str
    part: str
    kind: str
    rows: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    fan_in: int
    fan_out: int
    depthwise: bool
    trainable: bool
    initializer: Any

    @property
    def finite(self) -> bool:
        """Whether no weight is NaN or infinite."""
        return bool(np.isfinite(self.rows).all() and (self.bias is None or np.isfinite(self.bias).all()))


def kernels(network: Any) -> Iterator[Kernel]:
    """Yield the kernels of dense and convolution layers by name, in the order of the network; one is held at a time.

    Recurrent layers, attention and embeddings are left out: their matrices are no rows of one unit each.
    """
    for name, layer in leaves(network):
        yield from _kernels(name, layer)


def biases(network: Any) -> Iterator[NDArray[np.float32]]:
    """Yield the biases of the layers whose kernels `kernels` yields."""
    for _, layer in leaves(network):
        bias = getattr(layer, "bias", None) if _has_kernels(layer) else None
        if bias is not None:
            yield np.asarray(bias).astype(np.float32)


def _has_kernels(layer: Any) -> bool:
    kind = type(layer).__name__
    return (kind == "Dense" or "Conv" in kind) and not hasattr(layer, "cell")


def _kernels(name: str, layer: Any) -> Iterator[Kernel]:
    kind = type(layer).__name__
    if not _has_kernels(layer):
        return
    for part, initializer in _PARTS:
        variable = getattr(layer, part, None)
        if variable is None or "float" not in str(variable.dtype):
            continue
        depthwise = part == "depthwise_kernel" or kind.startswith("Depthwise")
        rows, fan_in, fan_out = _rows(np.asarray(variable).astype(np.float32), depthwise, "Transpose" in kind)
        bias = None if part == "depthwise_kernel" else getattr(layer, "bias", None)
        yield Kernel(
            layer=name,
            part=part,
            kind=kind,
            rows=rows,
            bias=None if bias is None else np.asarray(bias).astype(np.float32),
            fan_in=fan_in,
            fan_out=fan_out,
            depthwise=depthwise,
            trainable=bool(layer.trainable),
            initializer=getattr(layer, initializer, None) or getattr(layer, "depthwise_initializer", None),
        )


def _rows(weights: NDArray[np.float32], depthwise: bool, transposed: bool) -> tuple[NDArray[np.float32], int, int]:
    """Return the weights a unit, and the fans that Keras's initialisers see in the stored shape."""
    field = math.prod(weights.shape[:-2])
    fan_in, fan_out = field * weights.shape[-2], field * weights.shape[-1]
    if depthwise:  # (..., in, multiplier): a filter for each pair
        rows = weights.reshape(field, -1).T
    elif transposed:  # (..., out, in)
        rows = np.moveaxis(weights, -2, 0).reshape(weights.shape[-2], -1)
    else:
        rows = np.moveaxis(weights, -1, 0).reshape(weights.shape[-1], -1)
    return np.ascontiguousarray(rows), fan_in, fan_out
