"""Operations on batches of images (n, h, w, c): size, channels, standardisation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Fit = Literal["stretch", "crop", "pad", "center"]
FITS: tuple[Fit, ...] = ("stretch", "crop", "pad", "center")
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


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


def fit_images(images: NDArray[Any], size: tuple[int, int], fit: Fit, fill: float = 0.0) -> NDArray[np.float32]:
    """Return images (n, h, w, c) brought to `size` (h, w), as float32.

    Parameters
    ----------
    images : ndarray, shape (n, h, w, c)
    size : (int, int)
    fit : {"stretch", "crop", "pad", "center"}
        ``"stretch"``: each axis is resized by itself. ``"crop"``: the largest centre of the wished aspect ratio is cut
        out, then resized. ``"pad"``: borders are added up to the wished aspect ratio, then resized. ``"center"``: no
        resizing; each axis is cut, or gets borders, on both sides.
    fill : float
        The value of added pixels.

    References
    ----------
    As `keras.layers.Resizing` with ``crop_to_aspect_ratio`` and ``pad_to_aspect_ratio``, and
    `tf.image.resize_with_crop_or_pad`.
    """
    height, width = images.shape[1:3]
    if fit == "center":
        return centered(images, size, fill)
    if fit != "stretch":
        grow = math.ceil if fit == "pad" else math.floor
        keep_height = (width * size[0] > height * size[1]) == (fit == "crop")
        if keep_height:
            images = centered(images, (height, max(1, grow(height * size[1] / size[0]))), fill)
        else:
            images = centered(images, (max(1, grow(width * size[0] / size[1])), width), fill)
    return resize_images(images, size)


def centered(images: NDArray[Any], size: tuple[int, int], fill: float = 0.0) -> NDArray[np.float32]:
    """Return images (n, h, w, c) cut around their centre, or with borders of `fill`, to `size` (h, w), as float32.

    Examples
    --------
    >>> centered(np.array([[[[1], [2], [3]]]]), (3, 1))[0, :, 0, 0].tolist()
    [0.0, 2.0, 0.0]
    """
    n, height, width, channels = images.shape
    out = np.full((n, *size, channels), fill, dtype=np.float32)
    source, place = [], []
    for have, want in ((height, size[0]), (width, size[1])):
        cut, border = max(0, have - want) // 2, max(0, want - have) // 2
        length = min(have, want)
        source.append(slice(cut, cut + length))
        place.append(slice(border, border + length))
    out[:, place[0], place[1]] = images[:, source[0], source[1]]
    return out


def to_channels(batch: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Return images with `channels` channels: grey is copied to three, colour becomes luminance (BT.601).

    A fourth channel (alpha) is dropped.
    """
    have = batch.shape[-1]
    if have == channels:
        return batch
    if have == 4:
        return to_channels(batch[..., :3], channels)
    if (have, channels) == (1, 3):
        return np.repeat(batch, 3, axis=-1)
    if (have, channels) == (3, 1):
        grey: NDArray[np.float32] = (batch @ _LUMA)[..., None]
        return grey
    raise InvalidInputError(
        f"expected images of {channels} channels, which the model takes. Received: {have}. No {have} channels to "
        f"{channels}: only 1 to 3, 3 to 1 and 4 to either can be converted. Pass other data."
    )


def standardized(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each image (n, h, w, c) less its own mean, divided by its own standard deviation.

    The deviation is kept at ``1 / sqrt(h * w * c)`` at least, so that an image of one value becomes zeros.

    References
    ----------
    `tf.image.per_image_standardization`.

    Examples
    --------
    >>> standardized(np.array([[[[0.0], [2.0]]]], dtype=np.float32)).ravel().tolist()
    [-1.0, 1.0]
    """
    axes = (1, 2, 3)
    mean = batch.mean(axis=axes, keepdims=True, dtype=np.float64)
    deviation = batch.std(axis=axes, keepdims=True, dtype=np.float64)
    least = 1 / math.sqrt(max(1, math.prod(batch.shape[1:])))
    return np.asarray((batch - mean) / np.maximum(deviation, least), dtype=np.float32)
