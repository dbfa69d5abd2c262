"""Attribution maps as one picture: a row an image, a column a class."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError
from diag.results.attribution import Attribution
from diag.views.images import attribution_png, colour_bar_png, full_colour, image_png, tile_sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image


# Twice the size that is meant, for sharp screens.
CELL = 224
GAP = 16
HEAD = 44
FOOT = 92
INK, PAPER, FAINT = (28, 32, 38), (255, 255, 255), (110, 116, 124)


@dataclass(frozen=True, slots=True, eq=False)
class MapTile:
    """One map for showing: what it speaks of, the output (a difference in a contrast), and the map (h, w)."""

    label: str
    output: float
    values: NDArray[np.float32]
    is_contrast: bool


def map_tiles(attribution: Attribution, row: int) -> list[MapTile]:
    """Return an image's maps, channels summed, in the order they are shown: why this class rather than that one first.

    That contrast is left out where the attribution holds no map of one of its two classes.
    """
    tiles = []
    try:
        contrast = attribution.take(np.array([row])).contrast()
        tiles.append(_tile(contrast, 0, 0, True))
    except InvalidInputError:
        pass
    return tiles + [_tile(attribution, row, place, False) for place in range(attribution.outputs.shape[1])]


def _tile(attribution: Attribution, row: int, place: int, is_contrast: bool) -> MapTile:
    values = attribution.values[row, ..., place].sum(axis=-1)
    return MapTile(attribution.labels(row)[place], float(attribution.predictions[row, place]), values, is_contrast)


def shared_limit(tiles: Sequence[MapTile]) -> float:
    """Return from which value on maps that are shown together have full colour."""
    return full_colour([tile.values for tile in tiles])


def attribution_figure(attributions: Attribution | Sequence[Attribution]) -> bytes:
    """Return a PNG: a row an image and model, first why the predicted class rather than another, then a column a class.

    Red pixels speak for the class, blue ones against it. All maps of an image have one colour scale, also those of
    several models. The foot of each row says the outputs, the scale and the additivity error.

    Parameters
    ----------
    attributions : Attribution or sequence of Attribution
        Of the same images, one a model.
    """
    from PIL import Image, ImageDraw, ImageFont

    several = listed(attributions)
    rows = [(row, each, map_tiles(each, row)) for row in range(len(several[0])) for each in several]
    columns = 1 + max((len(tiles) for _, _, tiles in rows), default=0)
    width = max(GAP + columns * (CELL + GAP), 900)
    height = 24 + len(rows) * (HEAD + CELL + FOOT) + 150
    page = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(page)
    font, small = ImageFont.load_default(size=26), ImageFont.load_default(size=22)
    for line, (row, each, tiles) in enumerate(rows):
        limit = shared_limit([tile for other, _, found in rows if other == row for tile in found])
        top = 24 + line * (HEAD + CELL + FOOT) + HEAD
        left = GAP
        heading = each.model_name if len(several) > 1 else f"index {int(each.indices[row])}"
        pictures = [(heading, f"index {int(each.indices[row])}", image_png(each.images[row]))]
        pictures += [(tile.label, _said(tile, each.target), attribution_png(tile.values, limit)) for tile in tiles]
        for title, foot, png in pictures:
            draw.text((left, top - 34), _fitting(title, font, CELL + GAP), fill=INK, font=font)
            with Image.open(io.BytesIO(png)) as tile_image:
                page.paste(_fitted(tile_image.convert("RGB")), (left, top))
            draw.rectangle((left, top, left + CELL - 1, top + CELL - 1), outline=(214, 218, 222))
            draw.text((left, top + CELL + 6), foot, fill=INK, font=small)
            left += CELL + GAP
        error = float(each.additivity_error[row])
        note = f"full colour from {limit:.3g} {_unit(each.target)}; additivity error {error:.1e}{_reached(each, row)}"
        draw.text((GAP, top + CELL + 38), note, fill=FAINT, font=small)
    bottom = height - 130
    with Image.open(io.BytesIO(colour_bar_png(320, 18))) as bar:
        page.paste(bar.convert("RGB"), (GAP + 110, bottom + 4))
    draw.text((GAP, bottom), "against", fill=INK, font=small)
    draw.text((GAP + 442, bottom), "for; white: no part in it", fill=INK, font=small)
    lines = [f"{each.model_name}: {each.method}. {each.background_note}" for each in several[:2]]
    for place, text in enumerate(lines):
        draw.text((GAP, bottom + 40 + place * 34), _fitting(text, small, width - 2 * GAP), fill=FAINT, font=small)
    buffer = io.BytesIO()
    page.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def listed(attributions: Attribution | Sequence[Attribution]) -> list[Attribution]:
    """Return attributions as a list, also a single one."""
    return [attributions] if isinstance(attributions, Attribution) else list(attributions)


def _said(tile: MapTile, target: str) -> str:
    sign = "+" if tile.is_contrast and tile.output >= 0 else ""
    word = "difference " if tile.is_contrast else "p = " if target == "probability" else "logit "
    return f"{word}{sign}{tile.output:.3f}"


def _unit(target: str) -> str:
    return "of probability a pixel" if target == "probability" else "of the logit a pixel"


def _reached(attribution: Attribution, row: int) -> str:
    """Return how many references were enough, where that was left to a tolerance."""
    if attribution.n_used is None or attribution.relative_error is None or not attribution.relative_error[row]:
        return ""
    return f"; {int(attribution.n_used[row])} references, standard error {attribution.relative_error[row]:.1%}"


def _fitting(text: str, font: Any, width: float) -> str:
    """Return a text, cut so that it is no wider than so many pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


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
