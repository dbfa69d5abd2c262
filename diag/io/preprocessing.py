"""From a data set's images to the numbers that a model takes.

The steps and their order are fixed: transpose, resize, channels, channel order, invert, scale, standardisation of each
image, mean and standard deviation, layout. A field left at ``None`` was not said: `diag.detection` finds it where the
data has labels, and `Preprocessing.resolve` assumes it elsewhere, and says in words what.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.errors import InvalidInputError
from diag.io.layouts import LAYOUTS, Layout, guess_layout, image_shape, to_layout
from diag.io.transforms import FITS, Fit, fit_images, standardized, to_channels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray


ChannelOrder = Literal["rgb", "bgr"]
ORDERS: tuple[ChannelOrder, ...] = ("rgb", "bgr")
_SIDE = 16_384  # pixels of a side that is asked for, at most
CONVERTIBLE = ((1, 3), (3, 1), (4, 1), (4, 3))
"""Numbers of channels (of the data, of the model) that images can be brought from and to."""
_CHANNELS = (1, 3)
"""What a card or an option can ask for."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How images become a model's input. ``None``: not said.

    Parameters
    ----------
    scale : float, optional
        Every pixel is multiplied by it, as `keras.layers.Rescaling` does.
    mean, std : float or tuple of float, optional
        Applied after `scale` as ``(x - mean) / std``; one number, or one a channel in the model's channel order.
    resize : (int, int), optional
        Height and width to bring images to.
    channels : int, optional
        1 or 3. Grey images are copied to three channels, colour images become luminance (BT.601).
    layout : str, optional
        The order of axes that the model takes, one of `diag.io.layouts.LAYOUTS`.
    invert : bool or float, optional
        ``True``: ``white - x``, where white is 255 for integer images and 1 otherwise. A number is that white.
    standardize : {"image"}, optional
        Each image less its own mean, divided by its own standard deviation, after `scale`.
    channel_order : {"rgb", "bgr"}, optional
        The order in which the model takes colours; data has red first.
    transpose : bool, optional
        Rows and columns change places, as in the EMNIST files.
    fit : {"stretch", "crop", "pad", "center"}, optional
        How images reach the model's size: see `diag.io.transforms.fit_images`. Stretched when not said.

    Examples
    --------
    >>> Preprocessing.from_dict({"scale": "1/255", "layout": "flat"}).scale == 1 / 255
    True
    >>> Preprocessing(scale=1 / 255, invert=False).flags()
    '--scale 1/255 --no-invert'
    """

    scale: float | None = None
    mean: float | tuple[float, ...] | None = None
    std: float | tuple[float, ...] | None = None
    resize: tuple[int, int] | None = None
    channels: int | None = None
    layout: Layout | None = None
    invert: bool | float | None = None
    standardize: Literal["image"] | None = None
    channel_order: ChannelOrder | None = None
    transpose: bool | None = None
    fit: Fit | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "preprocessing") -> Preprocessing:
        """Read a card's ``[preprocessing]`` table or the command line's options.

        Raises
        ------
        InvalidInputError
            For an unknown key or a value of the wrong kind.
        """
        unknown = sorted(set(values) - set(_READERS))
        if unknown:
            raise InvalidInputError(
                f"{where}: expected keys of {', '.join(sorted(_READERS))}. Received: the unknown key {unknown[0]!r}. "
                "Correct or remove it."
            )
        read = {key: _READERS[key](value, _place(where, key)) for key, value in values.items() if value is not None}
        if read.get("std") is not None and 0.0 in np.atleast_1d(np.asarray(read["std"], dtype=float)):
            raise InvalidInputError(
                f"{_place(where, 'std')}: expected non-zero numbers, to divide by. Received: {values['std']!r}. "
                "Leave it out, or write 1."
            )
        return cls(**read)

    def override(self, other: Preprocessing) -> Preprocessing:
        """Return a copy in which every field that `other` sets replaces ours."""
        changed = {
            field.name: getattr(other, field.name)
            for field in dataclasses.fields(other)
            if getattr(other, field.name) is not None
        }
        return dataclasses.replace(self, **changed)

    @property
    def says_values(self) -> bool:
        """Whether anything is said of the pixels' values: scale, mean, std or standardize."""
        return not (self.scale is None and self.mean is None and self.std is None and self.standardize is None)

    def closed(self) -> Preprocessing:
        """Return this with what was not said taken as not wanted: nothing is left to find out."""
        nothing = Preprocessing(invert=False, transpose=False, channel_order="rgb", fit="stretch")
        if not self.says_values:
            nothing = dataclasses.replace(nothing, scale=1.0)
        return nothing.override(self)

    def resolve(
        self, native_shape: tuple[int | None, ...], images: Any, *, rescales: bool = False
    ) -> tuple[Preprocessing, tuple[str, ...]]:
        """Fill in what was not said, from the model's input shape and a look at the first images.

        Parameters
        ----------
        native_shape : tuple of int or None
            The model's input without the batch axis, e.g. ``(28, 28, 1)``, ``(1, 28, 28)``, ``(784,)``.
        images : array-like, shape (n, h, w, c)
            The data set's images; only the first 256 are read, and only when nothing is said of their values.
        rescales : bool
            The model scales its input itself, so that nothing is assumed.

        Returns
        -------
        (Preprocessing, tuple of str)
            With size, channels and layout set, and one sentence for each assumption.
        """
        shaped, notes = self.shaped(native_shape, tuple(images.shape[1:]))
        if not self.says_values and not rescales and len(images):
            first = np.asarray(images[:256])
            if first.size and float(np.max(first)) > 1.5:
                shaped = dataclasses.replace(shaped, scale=1 / 255)
                notes = (
                    *notes,
                    "No scaling was given: pixel values were divided by 255 (assumed; pin it with --scale 1/255, "
                    "or --scale 1 for none, or with a model card).",
                )
        return shaped, notes

    def shaped(
        self, native_shape: tuple[int | None, ...], image: tuple[int, ...]
    ) -> tuple[Preprocessing, tuple[str, ...]]:
        """Return this with size, channels and layout set for images (h, w, c), and one sentence for each change.

        Raises
        ------
        InvalidInputError
            If the model takes another size than `resize` asks for, or channels that the images cannot be brought to.
        """
        if len(image) != 3:
            shown = "x".join(map(str, image)) or "one number"
            raise InvalidInputError(
                f"expected images (n, height, width, channels). Received: {shown} each. Bring the array to that shape."
            )
        height, width, channels = (int(size) for size in image)
        if self.transpose:
            height, width = width, height
        layout = self.layout or guess_layout(native_shape)
        target = image_shape(native_shape, layout, (height, width, channels), self.resize)
        if self.resize is not None and self.resize != target[:2]:
            raise InvalidInputError(
                f"resize asks for {self.resize[0]}x{self.resize[1]}: expected {target[0]}x{target[1]}, which is what "
                f"the model takes. Received: {self.resize[0]}x{self.resize[1]}. Leave it out, or write that."
            )
        notes: list[str] = []
        if (height, width) != target[:2] and self.resize is None and self.fit is None:
            notes.append(
                f"Images of {height}x{width} were stretched to the model's {target[0]}x{target[1]} "
                f"(pin it with --resize {target[0]}x{target[1]}, or choose another --fit)."
            )
        if channels != target[2]:
            if (channels, target[2]) not in CONVERTIBLE:
                raise InvalidInputError(
                    f"expected images of {target[2]} channels, which the model takes. Received: {channels}. Only 1 to "
                    "3, 3 to 1 and 4 to either can be converted: pass other data."
                )
            notes.append(f"Images with {channels} channel(s) were brought to the model's {target[2]}.")
        self._check_lengths(target[2])
        resized = None if (height, width) == target[:2] else (target[0], target[1])
        return dataclasses.replace(self, resize=resized, channels=target[2], layout=layout), tuple(notes)

    def _check_lengths(self, channels: int) -> None:
        """Refuse several numbers for mean or std that are not one a channel."""
        for name, values in (("mean", self.mean), ("std", self.std)):
            if isinstance(values, tuple) and len(values) not in (1, channels):
                raise InvalidInputError(
                    f"{name}: expected one number, or one for each of {channels} channel(s). Received: {len(values)}. "
                    "Write as many as the model has channels."
                )

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
        return self.valued(self.geometry(batch), self.white(batch.dtype))

    def white(self, dtype: Any) -> float | None:
        """Return what pixels of `dtype` are subtracted from, None when nothing is inverted."""
        if self.invert is None or self.invert is False:
            return None
        return (255.0 if np.dtype(dtype).kind in "ui" else 1.0) if self.invert is True else float(self.invert)

    def geometry(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return images (n, h, w, c) with the model's height, width and channels, their values untouched."""
        batch = np.asarray(images)
        white = self.white(batch.dtype)
        if self.transpose:
            batch = np.swapaxes(batch, 1, 2)
        batch = batch.astype(np.float32)
        if self.resize is not None and batch.shape[1:3] != self.resize:
            # What is added is black once the image has been inverted.
            batch = fit_images(batch, self.resize, self.fit or "stretch", white or 0.0)
        return batch if self.channels is None else to_channels(batch, self.channels)

    def valued(self, batch: NDArray[np.float32], white: float | None) -> NDArray[np.float32]:
        """Return the model's input for images that `geometry` made, and the `white` that inverts them."""
        if self.channel_order == "bgr" and batch.shape[-1] == 3:
            batch = batch[..., ::-1]
        if white is not None:
            batch = white - batch
        if self.scale is not None:
            batch = batch * np.float32(self.scale)
        if self.standardize is not None:
            batch = standardized(batch)
        if self.mean is not None:
            batch = batch - np.asarray(self.mean, dtype=np.float32)
        if self.std is not None:
            batch = np.divide(batch, np.asarray(self.std, dtype=np.float32))
        return np.ascontiguousarray(to_layout(batch, self.layout or "channels_last"), dtype=np.float32)

    def input_image_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Return (h, w, c) of the images as the model sees them, for images of `shape` (h, w, c)."""
        height, width = (int(shape[1]), int(shape[0])) if self.transpose else (int(shape[0]), int(shape[1]))
        if self.resize is not None:
            height, width = self.resize
        return height, width, self.channels if self.channels is not None else int(shape[2])

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, as plain values for JSON; `from_dict` reads them back.

        Without a number of channels that no image is brought to: there it is only what the model has.
        """
        values = dataclasses.asdict(self)
        if self.channels not in _CHANNELS:
            values["channels"] = None
        return {key: value for key, value in values.items() if value is not None}

    def written(self) -> dict[str, str]:
        """Return the fields that are set as texts, as the command line takes them: ``{"scale": "1/255"}``."""
        return {key: _written(value) for key, value in self.to_dict().items()}

    def flags(self) -> str:
        """Return the command line's options that say the same. A number for `invert` can only be said in a card."""
        parts = []
        for key, value in self.written().items():
            name = key.replace("_", "-")
            if value in ("true", "false"):
                parts.append(f"--{'' if value == 'true' else 'no-'}{name}")
            else:
                parts.append(f"--{name}={value}" if value.startswith("-") else f"--{name} {value}")
        return " ".join(parts)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        fraction = Fraction(value).limit_denominator(100_000)
        if float(f"{value:g}") == value:
            return f"{value:g}"
        return str(fraction) if float(fraction) == value else repr(value)
    if isinstance(value, tuple | list):
        numbers = all(isinstance(item, int) for item in value)
        return ("x" if numbers and len(value) == 2 else ",").join(_written(item) for item in value)
    return str(value)


def _place(where: str, key: str) -> str:
    """Return how a field is called in messages: ``--scale`` on the command line, ``card.toml: scale`` elsewhere."""
    return f"--{key.replace('_', '-')}" if where == "--" else f"{where}.{key}"


def _number(value: Any, where: str) -> float:
    """Read a finite number, or a fraction such as ``"1/255"``."""
    try:
        number = float(Fraction(value.replace(" ", ""))) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInputError(
            f"{where}: expected a number such as 0.5 or 1/255. Received: {value!r}. Write a number or a fraction."
        )
    return number


def _numbers(value: Any, where: str) -> float | tuple[float, ...]:
    if isinstance(value, list | tuple):
        return tuple(_number(item, where) for item in value)
    return _number(value, where)


def _size(value: Any, where: str) -> tuple[int, int]:
    pair = value if isinstance(value, list | tuple) else str(value).lower().split("x")
    texts = [str(item).strip() for item in pair]
    if len(texts) == 2 and all(text.isascii() and text.isdecimal() and len(text) < 9 for text in texts):
        height, width = int(texts[0]), int(texts[1])
        if 0 < height <= _SIDE and 0 < width <= _SIDE:
            return height, width
    raise InvalidInputError(
        f"{where}: expected height and width such as 28x28. Received: {value!r}. Write HxW, each from 1 to {_SIDE}."
    )


def _channels(value: Any, where: str) -> int:
    if value in _CHANNELS:
        return int(value)
    raise InvalidInputError(f"{where}: expected 1 or 3. Received: {value!r}. Write 1 for grey, 3 for colour.")


def _invert(value: Any, where: str) -> bool | float:
    return value if isinstance(value, bool) else _number(value, where)


def _yes_or_no(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    raise InvalidInputError(f"{where}: expected true or false. Received: {value!r}. Write it without quotes.")


def _one_of(words: Sequence[Any]) -> Callable[[Any, str], Any]:
    def read(value: Any, where: str) -> Any:
        for word in words:
            if value == word:
                return word
        raise InvalidInputError(
            f"{where}: expected one of {', '.join(words)}. Received: {value!r}. Choose one of them."
        )

    return read


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "scale": _number,
    "mean": _numbers,
    "std": _numbers,
    "resize": _size,
    "channels": _channels,
    "layout": _one_of(LAYOUTS),
    "invert": _invert,
    "standardize": _one_of(("image",)),
    "channel_order": _one_of(ORDERS),
    "transpose": _yes_or_no,
    "fit": _one_of(FITS),
}
