"""From a data set's images to the numbers that a model takes.

The steps and their order are fixed: resize, channels, invert, scale, mean and standard deviation, layout.
A field left at ``None`` is filled in from the model's input shape and the data by `Preprocessing.resolve`,
which says in words what it assumed.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Layout = Literal["channels_last", "channels_first", "no_channels", "flat"]
LAYOUTS: tuple[Layout, ...] = ("channels_last", "channels_first", "no_channels", "flat")
_CHANNELS = (1, 3, 4)
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How images become a model's input.

    Parameters
    ----------
    scale : float, optional
        Every pixel is multiplied by it, as `keras.layers.Rescaling` does.
    mean, std : float or tuple of float, optional
        Applied after `scale` as ``(x - mean) / std``; one number, or one a channel.
    resize : (int, int), optional
        Height and width to bring images to (bilinear).
    channels : int, optional
        1 or 3. Grey images are copied to three channels, colour images become luminance (BT.601).
    layout : {"channels_last", "channels_first", "no_channels", "flat"}, optional
        The order of axes that the model takes.
    invert : bool or float
        ``True``: ``white - x``, where white is 255 for integer images and 1 otherwise. A number is that white.

    Examples
    --------
    >>> Preprocessing.from_dict({"scale": "1/255", "layout": "flat"}).scale == 1 / 255
    True
    """

    scale: float | None = None
    mean: float | tuple[float, ...] | None = None
    std: float | tuple[float, ...] | None = None
    resize: tuple[int, int] | None = None
    channels: int | None = None
    layout: Layout | None = None
    invert: bool | float = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "preprocessing") -> Preprocessing:
        """Read a card's ``[preprocessing]`` table or the command line's options.

        Raises
        ------
        InvalidInputError
            For an unknown key or a value of the wrong kind.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InvalidInputError(f"{where}: unknown key {unknown[0]!r}. Known keys: {', '.join(sorted(known))}.")
        readers = {
            "scale": _number,
            "mean": _numbers,
            "std": _numbers,
            "resize": _size,
            "channels": _channels,
        }
        read: dict[str, Any] = {}
        for key, value in values.items():
            if value is None:
                continue
            if key == "layout":
                read[key] = _layout(value, where)
            elif key == "invert":
                read[key] = value if isinstance(value, bool) else _number(value, f"{where}.invert")
            else:
                read[key] = readers[key](value, f"{where}.{key}")
        if read.get("std") is not None and 0.0 in np.atleast_1d(np.asarray(read["std"], dtype=float)):
            raise InvalidInputError(f"{where}.std: expected non-zero numbers. Received: {values['std']!r}.")
        return cls(**read)

    def override(self, other: Preprocessing) -> Preprocessing:
        """Return a copy in which every field that `other` sets replaces ours."""
        defaults = Preprocessing()
        changed = {
            field.name: getattr(other, field.name)
            for field in dataclasses.fields(other)
            if getattr(other, field.name) != getattr(defaults, field.name)
        }
        return dataclasses.replace(self, **changed)

    def resolve(
        self, native_shape: tuple[int | None, ...], images: Any, *, rescales: bool = False
    ) -> tuple[Preprocessing, tuple[str, ...]]:
        """Fill in what was not said, from the model's input shape and a look at the first images.

        Parameters
        ----------
        native_shape : tuple of int or None
            The model's input without the batch axis, e.g. ``(28, 28, 1)``, ``(1, 28, 28)``, ``(784,)``.
        images : array-like, shape (n, h, w, c)
            The data set's images; only the first 256 are read, and only when `scale` is open.
        rescales : bool
            The model scales its input itself, so that nothing is assumed.

        Returns
        -------
        (Preprocessing, tuple of str)
            All fields set except those that are not wanted, and one sentence for each assumption.
        """
        height, width, channels = (int(size) for size in images.shape[1:])
        notes: list[str] = []
        layout = self.layout or guess_layout(native_shape)
        target = image_shape(native_shape, layout, (height, width, channels), self)
        if (height, width) != target[:2] and self.resize is None:
            raise InvalidInputError(
                f"the model takes images of {target[0]}x{target[1]}, the data has {height}x{width}. "
                f"Pass --resize {target[0]}x{target[1]} (or resize in the model card) to bring them to that size."
            )
        if self.resize is not None and self.resize != target[:2]:
            raise InvalidInputError(
                f"resize asks for {self.resize[0]}x{self.resize[1]}, but the model takes {target[0]}x{target[1]}."
            )
        if channels != target[2]:
            _check_channels(channels, target[2])
            notes.append(f"Images with {channels} channel(s) were brought to the model's {target[2]}.")
        scale = self.scale
        if scale is None and not rescales and self.mean is None and len(images):
            first = np.asarray(images[:256])
            if first.size and float(np.max(first)) > 1.5:
                scale = 1 / 255
                notes.append(
                    "No scaling was given: pixel values were divided by 255 (assumed; pin it with --scale 1/255, "
                    "or --scale 1 for none, or with a model card)."
                )
        resized = None if (height, width) == target[:2] else (target[0], target[1])
        resolved = dataclasses.replace(self, scale=scale, resize=resized, channels=target[2], layout=layout)
        return resolved, tuple(notes)

    def apply(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return the model's input for a batch.

        Parameters
        ----------
        images : ndarray, shape (n, h, w, c)
            In the data's own units.

        Returns
        -------
        ndarray of float32, shape (n, h', w', c') or the layout's
        """
        batch = np.asarray(images)
        white = (255.0 if batch.dtype.kind in "ui" else 1.0) if self.invert is True else float(self.invert)
        batch = batch.astype(np.float32)
        if self.resize is not None and batch.shape[1:3] != self.resize:
            batch = resize_images(batch, self.resize)
        if self.channels is not None and batch.shape[-1] != self.channels:
            batch = _to_channels(batch, self.channels)
        if self.invert is not False:
            batch = white - batch
        if self.scale is not None:
            batch = batch * np.float32(self.scale)
        if self.mean is not None:
            batch = batch - np.asarray(self.mean, dtype=np.float32)
        if self.std is not None:
            batch = batch / np.asarray(self.std, dtype=np.float32)
        return np.ascontiguousarray(to_layout(batch, self.layout or "channels_last"), dtype=np.float32)

    def input_image_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Return (h, w, c) of the images as the model sees them, for images of `shape` (h, w, c)."""
        height, width = self.resize if self.resize is not None else (int(shape[0]), int(shape[1]))
        return height, width, self.channels if self.channels is not None else int(shape[2])

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, as plain values for JSON."""
        values = dataclasses.asdict(self)
        return {key: value for key, value in values.items() if value is not None and value is not False}


def guess_layout(native_shape: tuple[int | None, ...]) -> Layout:
    """Return the layout that a model's input shape (without the batch axis) suggests.

    Examples
    --------
    >>> guess_layout((28, 28, 1)), guess_layout((1, 28, 28)), guess_layout((28, 28)), guess_layout((784,))
    ('channels_last', 'channels_first', 'no_channels', 'flat')
    """
    if len(native_shape) == 1:
        return "flat"
    if len(native_shape) == 2:
        return "no_channels"
    if len(native_shape) != 3:
        raise InvalidInputError(f"expected a model that takes images (1, 2 or 3 axes). Received: {native_shape}.")
    first, _, last = native_shape
    return "channels_first" if first in _CHANNELS and last not in _CHANNELS else "channels_last"


def image_shape(
    native_shape: tuple[int | None, ...],
    layout: Layout,
    like: tuple[int, int, int] | None = None,
    wish: Preprocessing | None = None,
) -> tuple[int, int, int]:
    """Return (h, w, c) of the images that a model takes, with open sizes taken from `like` (h, w, c).

    Raises
    ------
    InvalidInputError
        If a flat size is not that of a square image and `like` does not have it either.
    """
    if layout == "flat":
        return _flat_shape(native_shape, like, wish)
    fallback: tuple[int | None, ...] = like or (None, None, None)
    if wish is not None and wish.resize is not None:
        fallback = (*wish.resize, fallback[2])
    if layout == "no_channels":
        sizes: tuple[int | None, ...] = (native_shape[0], native_shape[1], 1)
    elif layout == "channels_first":
        sizes = (native_shape[1], native_shape[2], native_shape[0])
    else:
        sizes = native_shape
    filled = [size if size is not None else other for size, other in zip(sizes, fallback, strict=True)]
    if any(size is None for size in filled):
        raise InvalidInputError(f"the model leaves its input size open: {native_shape}. Pass data, or --resize HxW.")
    height, width, channels = (int(size) for size in filled if size is not None)
    return height, width, channels


def _flat_shape(
    native_shape: tuple[int | None, ...], like: tuple[int, int, int] | None, wish: Preprocessing | None
) -> tuple[int, int, int]:
    length = native_shape[0]
    if len(native_shape) != 1 or length is None:
        raise InvalidInputError(f"layout 'flat' needs a model with one input axis. Received: {native_shape}.")
    if wish is not None and wish.resize is not None and length % (wish.resize[0] * wish.resize[1]) == 0:
        return (*wish.resize, length // (wish.resize[0] * wish.resize[1]))
    if like is not None and math.prod(like) == length:
        return like
    channels = (like[2],) if like is not None else ()
    for count in (*channels, 1, 3):
        side = math.isqrt(length // count)
        if side * side * count == length:
            return side, side, count
    raise InvalidInputError(f"the model takes {length} numbers, which is no square image. Set resize in a model card.")


def to_layout(batch: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Return images (n, h, w, c) in the order of axes that a model takes."""
    if layout == "channels_first":
        return np.moveaxis(batch, -1, 1)
    if layout == "no_channels":
        return batch[..., 0]
    if layout == "flat":
        return batch.reshape(len(batch), -1)
    return batch


def from_layout(batch: NDArray[Any], layout: Layout, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Undo `to_layout`: return (n, h, w, c, ...), with any axes behind the image's kept."""
    if layout == "channels_first":
        return np.moveaxis(batch, 1, 3)
    if layout == "no_channels":
        return batch[:, :, :, None]
    if layout == "flat":
        return batch.reshape(len(batch), *shape, *batch.shape[2:])
    return batch


def resize_images(images: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return images (n, h, w, c) brought to `size` (h, w) with Pillow's bilinear filter, as float32."""
    from PIL import Image

    height, width = size
    out = np.empty((len(images), height, width, images.shape[-1]), dtype=np.float32)
    for row, image in enumerate(images):
        for channel in range(images.shape[-1]):
            plane = Image.fromarray(np.ascontiguousarray(image[..., channel], dtype=np.float32))
            out[row, ..., channel] = np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR))
    return out


def _to_channels(batch: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    if channels == 3 and batch.shape[-1] == 1:
        return np.repeat(batch, 3, axis=-1)
    if channels == 1 and batch.shape[-1] == 3:
        grey: NDArray[np.float32] = (batch @ _LUMA)[..., None]
        return grey
    raise InvalidInputError(f"cannot bring {batch.shape[-1]} channels to {channels}: only 1 to 3 and 3 to 1.")


def _check_channels(have: int, want: int) -> None:
    if (have, want) not in ((1, 3), (3, 1)):
        raise InvalidInputError(
            f"the model takes {want} channels, the data has {have}. Only 1 to 3 and 3 to 1 can be converted."
        )


def _number(value: Any, where: str) -> float:
    """Read a finite number, or a fraction such as ``"1/255"``."""
    try:
        number = float(Fraction(value.replace(" ", ""))) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInputError(f"{where}: expected a number such as 0.5 or 1/255. Received: {value!r}.")
    return number


def _numbers(value: Any, where: str) -> float | tuple[float, ...]:
    if isinstance(value, list | tuple):
        return tuple(_number(item, where) for item in value)
    return _number(value, where)


def _size(value: Any, where: str) -> tuple[int, int]:
    pair = value if isinstance(value, list | tuple) else str(value).lower().split("x")
    if len(pair) == 2 and all(str(item).strip().isdigit() and int(item) > 0 for item in pair):
        return int(pair[0]), int(pair[1])
    raise InvalidInputError(f"{where}: expected height and width such as 28x28. Received: {value!r}.")


def _channels(value: Any, where: str) -> int:
    if value in (1, 3):
        return int(value)
    raise InvalidInputError(f"{where}: expected 1 or 3. Received: {value!r}.")


def _layout(value: Any, where: str) -> Layout:
    for layout in LAYOUTS:
        if value == layout:
            return layout
    raise InvalidInputError(f"{where}.layout: expected one of {', '.join(LAYOUTS)}. Received: {value!r}.")
