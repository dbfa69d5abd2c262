"""Attribution maps as one picture: a row an image, a column a class."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.views.images import attribution_png, image_png, tile_sheet

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from diag.results.attribution import Attribution

# Twice the size that is meant, for sharp screens.
CELL = 224
GAP = 16
HEAD = 52
FOOT = 92
INK, PAPER, FAINT = (28, 32, 38), (255, 255, 255), (110, 116, 124)


def attribution_figure(attribution: Attribution) -> bytes:
    """Return a PNG: each image beside its map for every class, one colour scale a row of maps.

    Red pixels speak for the class, blue ones against it. The foot of each row says the probability of each class and
    the additivity error.
    """
    from PIL import Image, ImageDraw, ImageFont

    n, k = attribution.predictions.shape
    width = GAP + (k + 1) * (CELL + GAP)
    height = HEAD + n * (CELL + FOOT) + HEAD
    page = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=26)
    for column, name in enumerate(("image", *(attribution.columns or ("",) * k))):
        draw.text((GAP + column * (CELL + GAP), 12), _short(name), fill=INK, font=font)
    totals = attribution.values.sum(axis=3)
    for row in range(n):
        top = HEAD + row * (CELL + FOOT)
        limit = float(np.abs(totals[row]).max())
        tiles = [image_png(attribution.images[row])]
        tiles += [attribution_png(totals[row, ..., column], limit) for column in range(k)]
        for column, png in enumerate(tiles):
            left = GAP + column * (CELL + GAP)
            with Image.open(io.BytesIO(png)) as tile:
                page.paste(_fitted(tile.convert("RGB")), (left, top))
            draw.rectangle((left, top, left + CELL - 1, top + CELL - 1), outline=(214, 218, 222))
            if column:
                share = float(attribution.predictions[row, column - 1])
                draw.text((left, top + CELL + 6), f"p = {share:.3f}", fill=INK, font=font)
        draw.text((GAP, top + CELL + 6), f"index {int(attribution.indices[row])}", fill=INK, font=font)
        error = float(attribution.additivity_error[row])
        draw.text(
            (GAP, top + CELL + 42),
            f"full colour = {limit:.3g} of probability; additivity error {error:.1e}",
            fill=FAINT,
            font=font,
        )
    draw.text(
        (GAP, height - 42),
        f"{attribution.model_name}: {attribution.method}. Red for, blue against. {attribution.background_note}",
        fill=FAINT,
        font=font,
    )
    buffer = io.BytesIO()
    page.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def attribution_tiles(attribution: Attribution, row: int, side: int) -> tuple[list[tuple[str, float, bytes]], str]:
    """Return an image's maps as (class name, probability, PNG), on one colour scale, and a sentence that explains it.

    PNGs are enlarged without blur to about twice `side` pixels.
    """
    totals = attribution.values[row].sum(axis=2)
    limit = float(np.abs(totals).max())
    factor = max(1, round(2 * side / max(totals.shape[:2])))
    tiles = [
        (
            name,
            float(attribution.predictions[row, place]),
            attribution_png(_enlarged(totals[..., place], factor), limit),
        )
        for place, name in enumerate(attribution.labels(row))
    ]
    legend = (
        f"{attribution.method}. Full colour is {limit:.2g} of probability a pixel. "
        f"Additivity error {float(attribution.additivity_error[row]):.1e}. {attribution.background_note}"
    )
    return tiles, legend


def _enlarged(values: NDArray[Any], factor: int) -> NDArray[Any]:
    return values.repeat(factor, axis=0).repeat(factor, axis=1)


def kernel_figure(kernel: NDArray[Any], side: int = 48, most: int = 64) -> bytes:
    """Return kernels (kh, kw, in, out) as one PNG: the mean over input channels, each filter on its own grey scale."""
    filters = kernel.mean(axis=2) if kernel.shape[3] > 1 else kernel[..., 0]
    return activation_figure(filters, side, most)


def activation_figure(values: NDArray[Any], side: int = 64, most: int = 64) -> bytes:
    """Return a layer's maps (h, w, filters) as one PNG, each on its own grey scale and about `side` pixels large."""
    maps = np.moveaxis(values[..., :most], -1, 0).astype(np.float32)
    low = maps.min(axis=(1, 2), keepdims=True)
    span = maps.max(axis=(1, 2), keepdims=True) - low
    tiles = np.rint((maps - low) / np.where(span > 0, span, 1) * 255).astype(np.uint8)
    factor = max(1, round(side / max(tiles.shape[1:])))
    tiles = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    framed = np.pad(tiles, ((0, 0), (2, 2), (2, 2)), constant_values=255)
    return tile_sheet(framed[..., None], columns=16).data


def _fitted(tile: Image.Image) -> Image.Image:
    from PIL import Image, ImageOps

    return ImageOps.pad(tile, (CELL, CELL), method=Image.Resampling.NEAREST, color=PAPER)


def _short(name: str, length: int = 14) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"
