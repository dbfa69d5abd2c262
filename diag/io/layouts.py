"""The orders of axes in which models take images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Layout = Literal[
    "channels_last", "channels_first", "no_channels", "flat", "flat_channels_first", "rows", "pixels", "row"
]
LAYOUTS: tuple[Layout, ...] = (
    "channels_last",
    "channels_first",
    "no_channels",
    "flat",
    "flat_channels_first",
    "rows",
    "pixels",
    "row",
)
"""Of images (h, w, c): (h, w, c); (c, h, w); (h, w); (h*w*c,); that of (c, h, w); (h, w*c); (h*w, c); (1, h*w*c)."""
_CHANNELS = (1, 3, 4)
_LEAST = 16
"""Pixels below which one axis is not taken for a whole image."""


def guess_layout(native_shape: tuple[int | None, ...]) -> Layout:
    """Return the layout that a model's input shape (without the batch axis) suggests.

    Examples
    --------
    >>> guess_layout((28, 28, 1)), guess_layout((1, 28, 28)), guess_layout((28, 28)), guess_layout((784,))
    ('channels_last', 'channels_first', 'no_channels', 'flat')
    >>> guess_layout((784, 1)), guess_layout((1, 784)), guess_layout((32, 96))
    ('pixels', 'row', 'rows')
    """
    return layouts_for(native_shape)[0]


def layouts_for(native_shape: tuple[int | None, ...]) -> tuple[Layout, ...]:
    """Return every layout that an input shape can mean, the usual one first.

    Raises
    ------
    InvalidInputError
        If the shape has no axis, or more than three.

    Examples
    --------
    >>> layouts_for((3072,)), layouts_for((784,)), layouts_for((3, 3, 3))
    (('flat', 'flat_channels_first'), ('flat',), ('channels_last', 'channels_first'))
    """
    if len(native_shape) == 1:
        length = native_shape[0]
        grey = length is None or _side(length) or not _side(length // 3) or length % 3
        return ("flat",) if grey else ("flat", "flat_channels_first")
    if len(native_shape) == 2:
        return (_two_axes(native_shape[0], native_shape[1]),)
    if len(native_shape) != 3:
        raise InvalidInputError(
            f"expected a model that takes images (1, 2 or 3 axes). Received: {native_shape}. "
            "Only classifiers of images can be judged."
        )
    first, _, last = native_shape
    if first in _CHANNELS and last in _CHANNELS:
        return ("channels_last", "channels_first") if first == last != 1 else ("channels_last",)
    return ("channels_first",) if first in _CHANNELS else ("channels_last",)


def _two_axes(first: int | None, last: int | None) -> Layout:
    if first is not None and first >= _LEAST and last in _CHANNELS:
        return "pixels"
    if first == 1 and last is not None and last >= _LEAST:
        return "row"
    return "rows" if first is not None and last == 3 * first else "no_channels"


def _side(length: int) -> int:
    """Return the side of a square of `length` pixels, 0 if there is none."""
    side = math.isqrt(length)
    return side if side * side == length else 0


def image_shape(
    native_shape: tuple[int | None, ...],
    layout: Layout,
    like: tuple[int, int, int] | None = None,
    resize: tuple[int, int] | None = None,
) -> tuple[int, int, int]:
    """Return (h, w, c) of the images that a model takes.

    Parameters
    ----------
    native_shape : tuple of int or None
        The model's input without the batch axis.
    layout : str
        One of `LAYOUTS`.
    like : (int, int, int), optional
        Images (h, w, c) that fill in what the model leaves open.
    resize : (int, int), optional
        The wished height and width, for the same; it wins over `like`.

    Raises
    ------
    InvalidInputError
        If a flat size is not that of a square image and `like` does not have it either.
    """
    if len(native_shape) != _axes(layout):
        raise InvalidInputError(
            f"layout: expected one for the model's input, which has {len(native_shape)} axis(es) {native_shape}. "
            f"Received: {layout}, which has {_axes(layout)}. Leave it out: it is found."
        )
    if layout in ("flat", "flat_channels_first"):
        return _flat_shape(native_shape, layout, like, resize)
    if layout == "row":
        return _flat_shape(native_shape[1:], layout, like, resize)
    if layout == "pixels":
        length, channels = native_shape
        whole = None if length is None or channels is None else length * channels
        return _flat_shape((whole,), layout, None if like is None else (*like[:2], channels or like[2]), resize)
    fallback: tuple[int | None, ...] = like or (None, None, None)
    if resize is not None:
        fallback = (*resize, fallback[2])
    sizes: tuple[int | None, ...] = native_shape
    if layout == "no_channels":
        sizes = (native_shape[0], native_shape[1], 1)
    elif layout == "rows":
        sizes = (native_shape[0], None if native_shape[1] is None else native_shape[1] // 3, 3)
    elif layout == "channels_first":
        sizes = (native_shape[1], native_shape[2], native_shape[0])
    filled = [size if size is not None else other for size, other in zip(sizes, fallback, strict=True)]
    if any(size is None for size in filled):
        raise InvalidInputError(f"the model leaves its input size open: {native_shape}. Pass data, or --resize HxW.")
    height, width, channels = (int(size) for size in filled if size is not None)
    return height, width, channels


def _flat_shape(
    native_shape: tuple[int | None, ...],
    layout: Layout,
    like: tuple[int, int, int] | None,
    resize: tuple[int, int] | None,
) -> tuple[int, int, int]:
    length = native_shape[0] if len(native_shape) == 1 else None
    if length is None:
        raise InvalidInputError(f"layout {layout!r} needs a model with one input axis. Received: {native_shape}.")
    if resize is not None and length % (resize[0] * resize[1]) == 0:
        return (*resize, length // (resize[0] * resize[1]))
    if like is not None and math.prod(like) == length:
        return like
    channels = (like[2],) if like is not None else ()
    for count in (*channels, 1, 3):
        side = _side(length // count)
        if side * side * count == length:
            return side, side, count
    raise InvalidInputError(
        f"expected a model that takes square images. Received: one that takes {length} numbers, no square image. "
        "Say the size with --resize HxW, or as resize in a model card."
    )


def require_shape(wanted: tuple[int | None, ...] | None, came: tuple[int, ...], name: str) -> None:
    """Refuse inputs that are not of the shape that a model takes; None stands for any size, or for all of it.

    Raises
    ------
    InvalidInputError
    """
    if wanted is None:
        return
    same = len(wanted) == len(came) and all(size in (None, other) for size, other in zip(wanted, came, strict=True))
    if not same:
        takes = "x".join("?" if size is None else str(size) for size in wanted)
        raise InvalidInputError(
            f"{name}: expected inputs of {takes}, which is what it takes. Received: {'x'.join(map(str, came))} after "
            "the preprocessing. Pass images of the right size, or correct resize and layout."
        )


def to_layout(batch: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Return images (n, h, w, c) in the order of axes that a model takes."""
    n, height, width, channels = batch.shape
    if layout == "channels_first":
        return np.moveaxis(batch, -1, 1)
    if layout == "no_channels":
        return batch[..., 0]
    if layout == "flat":
        return batch.reshape(n, -1)
    if layout == "flat_channels_first":
        return np.moveaxis(batch, -1, 1).reshape(n, -1)
    if layout == "rows":
        return batch.reshape(n, height, width * channels)
    if layout == "pixels":
        return batch.reshape(n, height * width, channels)
    if layout == "row":
        return batch.reshape(n, 1, -1)
    return batch


def from_layout(batch: NDArray[Any], layout: Layout, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Undo `to_layout`: return (n, h, w, c, ...), with any axes behind the image's kept."""
    if layout == "channels_first":
        return np.moveaxis(batch, 1, 3)
    if layout == "no_channels":
        return batch[:, :, :, None]
    behind = batch.shape[1 + _axes(layout) :]
    if layout == "flat_channels_first":
        height, width, channels = shape
        return np.moveaxis(batch.reshape(len(batch), channels, height, width, *behind), 1, 3)
    return batch.reshape(len(batch), *shape, *behind)


def _axes(layout: Layout) -> int:
    if layout in ("flat", "flat_channels_first"):
        return 1
    return 3 if layout in ("channels_last", "channels_first") else 2
