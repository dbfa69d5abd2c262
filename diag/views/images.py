"""Arrays become PNG bytes."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.views.theme import AGAINST, FOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def to_uint8(images: NDArray[Any], *, low: float | None = None, high: float | None = None) -> NDArray[np.uint8]:
    """Return images for showing, black to white.

    Parameters
    ----------
    images : ndarray
        uint8 stays as it is; booleans and numbers within 0..1 are spread over 0..255, within 0..255 rounded, others
        stretched from their smallest to their largest value.
    low, high : float, optional
        What black and white mean; for batches whose images belong together.

    NaN and infinity are shown as 0.
    """
    values = np.asarray(images)
    if values.dtype == np.uint8 and low is None:
        return values
    values = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    if low is None or high is None or not np.isfinite([low, high]).all():
        low, high = display_range(values)
    span = high - low if high > low else 1.0
    return np.clip(np.rint((values - low) * (255 / span)), 0, 255).astype(np.uint8)


def display_range(values: NDArray[Any]) -> tuple[float, float]:
    """Return which values are shown black and white: 0..1 or 0..255 where they fit, else smallest and largest."""
    low, high = float(values.min(initial=0)), float(values.max(initial=1))
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return (0.0, 255.0) if low >= 0 and high <= 255 else (low, high)


def image_png(image: NDArray[Any]) -> bytes:
    """Return one image (h, w, c) as a PNG; other than three channels are shown as the first one."""
    return _png(_picture(to_uint8(image)))


def attribution_png(values: NDArray[Any], limit: float) -> bytes:
    """Return a map (h, w) or (h, w, c) as a PNG: red above zero, white at zero, blue below, full colour at `limit`.

    Channels are summed.
    """
    flat = values.sum(axis=-1) if values.ndim == 3 else values
    return _png(attribution_rgb(flat, limit))


def attribution_sheet(maps: NDArray[Any], limit: float, columns: int) -> Sheet:
    """Return maps (n, h, w) as one sheet in the colours of `attribution_rgb`, a byte a pixel (256 colours)."""
    from PIL import Image

    shades = 127
    steps = np.rint(np.clip(maps / (limit or 1.0), -1, 1) * shades).astype(np.int16) + shades
    n, height, width = maps.shape
    picture = Image.fromarray(_page(steps.astype(np.uint8)[..., None], columns, shades)[..., 0])
    picture.putpalette(attribution_rgb(np.linspace(-1, 1, 2 * shades + 1)[None], 1.0).tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return Sheet(buffer.getvalue(), "image/png", columns, width, height, n)


def attribution_rgb(values: NDArray[Any], limit: float) -> NDArray[np.uint8]:
    """Return a map (h, w) as colours (h, w, 3).

    Examples
    --------
    >>> attribution_rgb(np.array([[0.0, 1.0, -1.0]]), 1.0)[0].tolist()
    [[255, 255, 255], [178, 24, 43], [33, 102, 172]]
    """
    share = np.clip(np.asarray(values, dtype=np.float32) / (limit or 1.0), -1, 1)[..., None]
    hue = np.where(share > 0, np.array(FOR, dtype=np.float32), np.array(AGAINST, dtype=np.float32))
    colours: NDArray[np.uint8] = np.rint(255 + (hue - 255) * np.abs(share)).astype(np.uint8)
    return colours


def full_colour(maps: Sequence[NDArray[Any]]) -> float:
    """Return from which value on maps that share a scale have full colour; 1 if all are zero.

    One pixel in a thousand may lie beyond, as in shap's image plot: else a single one would leave the rest pale.
    """
    if not maps:
        return 1.0
    values = np.abs(np.concatenate([np.asarray(each, dtype=np.float64).ravel() for each in maps]))
    return float(np.percentile(values, 99.9)) or float(values.max(initial=0)) or 1.0


def overlay_png(image: NDArray[Any], values: NDArray[Any], limit: float, strength: float, factor: int = 1) -> bytes:
    """Return a map (h, w) over its image (h, w, c) as a PNG, both enlarged `factor` times without blur.

    The image is faded to light grey, so that colours show on black too; at `strength` 0 there is only the image, at 1
    a pixel of full colour hides it.
    """
    picture = _picture(to_uint8(image))
    picture = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture
    faded = 255 - (255 - picture.astype(np.float32)) * (1 - 0.55 * strength)
    share = np.clip(np.abs(np.asarray(values, dtype=np.float32)) / (limit or 1.0), 0, 1)[..., None] * strength
    hue = np.where(np.asarray(values)[..., None] > 0, np.array(FOR, np.float32), np.array(AGAINST, np.float32))
    mixed = np.rint(faded * (1 - share) + hue * share).astype(np.uint8)
    return _png(mixed.repeat(factor, axis=0).repeat(factor, axis=1))


def colour_bar_png(width: int = 160, height: int = 12) -> bytes:
    """Return the colours of maps from the most against to the most for as a PNG."""
    return _png(attribution_rgb(np.linspace(-1, 1, width)[None].repeat(height, axis=0), 1.0))


def map_png(values: NDArray[Any]) -> bytes:
    """Return a map (h, w), such as an activation, as grey: its smallest value black, its largest white."""
    low, high = float(np.min(values)), float(np.max(values))
    return _png(to_uint8(values, low=low, high=high if high > low else low + 1))


@dataclass(frozen=True, slots=True)
class Sheet:
    """Equally large pictures side by side in one file, `columns` a row, each `width` x `height` pixels."""

    data: bytes
    mime: str
    columns: int
    width: int
    height: int
    count: int


def tile_sheet(tiles: NDArray[np.uint8], columns: int = 40, *, lossy: bool = False) -> Sheet:
    """Return pictures (n, h, w, 1 or 3) as one sheet: PNG, or WebP where `lossy`."""
    n, height, width, _ = tiles.shape
    columns = max(1, min(columns, n))
    page = _page(tiles, columns, 255)
    if lossy:
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(_picture(page)).convert("RGB").save(buffer, format="WEBP", quality=80)
        return Sheet(buffer.getvalue(), "image/webp", columns, width, height, n)
    return Sheet(_png(_picture(page)), "image/png", columns, width, height, n)


def thumbnails(images: NDArray[Any], largest: int = 64) -> NDArray[np.uint8]:
    """Return images (n, h, w, c) as uint8 of at most `largest` pixels a side, with 1 or 3 channels."""
    from PIL import Image

    shown = to_uint8(images)
    shown = shown[..., :3] if shown.shape[-1] >= 3 else shown[..., :1]
    height, width = shown.shape[1:3]
    if max(height, width) <= largest:
        return shown
    scale = largest / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = [np.asarray(Image.fromarray(_picture(image)).resize(size, Image.Resampling.BILINEAR)) for image in shown]
    stacked = np.stack(small)
    return stacked if stacked.ndim == 4 else stacked[..., None]


def data_uri(data: bytes, mime: str = "image/png") -> str:
    """Return bytes as a ``data:`` address."""
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def _page(tiles: NDArray[np.uint8], columns: int, empty: int) -> NDArray[np.uint8]:
    """Return pictures (n, h, w, c) side by side, `columns` a row, as one (rows * h, columns * w, c)."""
    n, height, width, channels = tiles.shape
    rows = max(1, math.ceil(n / columns))
    page = np.full((rows * columns, height, width, channels), empty, dtype=np.uint8)
    page[:n] = tiles
    page = page.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return page.reshape(rows * height, columns * width, channels)


def _picture(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (h, w) or (h, w, 3), as Pillow wants it."""
    if image.ndim == 3:
        return image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    return image


def _png(picture: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, format="PNG", optimize=picture.size < 2_000_000)
    return buffer.getvalue()
