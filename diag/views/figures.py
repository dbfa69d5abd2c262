"""Attribution maps as one picture: a row an image, a column a class."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError
from diag.printable import name_text
from diag.results.activations import Activations
from diag.results.attribution import Attribution
from diag.views.images import attribution_png, colour_bar_png, full_colour, image_png, thumbnails, tile_sheet
from diag.views.picture import FAINT, INK, PAPER, SHARP, Picture, fitting, font_of, picture_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image


CELL = 224
GAP = 16
HEAD = 44
FOOT = 92
_FRAME = 200
_SCALE = "Each tile has its own grey scale: black its lowest value, white its highest."


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


def attribution_figure(attributions: Attribution | Sequence[Attribution]) -> Picture:
    """Return a row an image and model, first why the predicted class rather than another, then a column a class.

    Red pixels speak for the class, blue ones against it. All maps of an image have one colour scale, also those of
    several models. The foot of each row says the outputs, the scale and the additivity error.

    Parameters
    ----------
    attributions : Attribution or sequence of Attribution
        Of the same images, one a model.

    Raises
    ------
    InvalidInputError
        If there is none.
    """
    from PIL import Image, ImageDraw

    several = listed(attributions)
    if not several:
        raise InvalidInputError("attribution_figure: expected maps. Received: none. Pass diag.explain(model, data).")
    rows = [(row, each, map_tiles(each, row)) for row in range(len(several[0])) for each in several]
    columns = 1 + max((len(tiles) for _, _, tiles in rows), default=0)
    width = max(GAP + columns * (CELL + GAP), 900)
    height = 24 + len(rows) * (HEAD + CELL + FOOT) + 150
    page = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(page)
    font, small = font_of(26), font_of(22)
    for line, (row, each, tiles) in enumerate(rows):
        limit = shared_limit([tile for other, _, found in rows if other == row for tile in found])
        top = 24 + line * (HEAD + CELL + FOOT) + HEAD
        left = GAP
        heading, foot = f"index {int(each.indices[row])}", _answer(each, row)
        if len(several) > 1:
            heading, foot = each.model_name, f"{heading}, {foot}"
        pictures = [(heading, foot, image_png(each.images[row]))]
        pictures += [(tile.label, _said(tile, each.target), attribution_png(tile.values, limit)) for tile in tiles]
        for title, foot, png in pictures:
            draw.text((left, top - 34), fitting(title, font, CELL + GAP), fill=INK, font=font)
            with Image.open(io.BytesIO(png)) as tile_image:
                page.paste(_fitted(tile_image.convert("RGB")), (left, top))
            draw.rectangle((left, top, left + CELL - 1, top + CELL - 1), outline=(214, 218, 222))
            draw.text((left, top + CELL + 6), fitting(foot, small, CELL + GAP), fill=INK, font=small)
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
        draw.text((GAP, bottom + 40 + place * 34), fitting(text, small, width - 2 * GAP), fill=FAINT, font=small)
    names = ", ".join(dict.fromkeys(each.model_name for each in several))
    return picture_of(page, f"Attribution maps of {names}: {len(several[0])} images, a column a class")


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


def _answer(attribution: Attribution, row: int) -> str:
    """Return the true and the predicted class of an image, or its number where it has no label."""
    predicted = attribution.class_names[int(attribution.y_pred[row])]
    true = -1 if attribution.y_true is None else int(attribution.y_true[row])
    if true < 0:
        return f"predicted {predicted}"
    return f"{attribution.class_names[true]}, taken for {predicted}" if true != attribution.y_pred[row] else "right"


def kernel_figure(kernels: NDArray[Any] | Mapping[str, NDArray[Any]], side: int = 48, most: int = 64) -> Picture:
    """Return kernels: the mean over input channels, each filter on its own grey scale.

    Parameters
    ----------
    kernels : ndarray of shape (kh, kw, in, out), or mapping of str to such
        Of `diag.kernels`, the first layer is drawn: the kernels of later ones do not look at the image.
    side : int
        About how many pixels a kernel has.
    most : int
        Filters that are drawn.

    Raises
    ------
    InvalidInputError
        If there is no layer.
    """
    if isinstance(kernels, Mapping):
        if not kernels:
            raise InvalidInputError("kernel_figure: expected a 2-D convolution. Received: a network without one.")
        name, kernel = next(iter(kernels.items()))
        heading = _layer_heading(name, kernel, "kernels", most)
        return _layers_page(
            [(heading, _kernel_sheet(kernel, side, most))], f"Of each kernel: the mean over channels. {_SCALE}"
        )
    return _plain(_kernel_sheet(kernels, side, most), "Kernels of a convolution")


def activation_figure(values: NDArray[Any] | Activations, side: int = 64, most: int = 64) -> Picture:
    """Return what layers answer to an image, below the image: a tile a filter, each on its own grey scale.

    Parameters
    ----------
    values : ndarray of shape (h, w, filters), or Activations
        Of `diag.activations`, every layer is drawn, for its first image. Of an array, only its tiles are.
    side : int
        About how many pixels a tile has.
    most : int
        Filters of a layer that are drawn.

    Raises
    ------
    InvalidInputError
        If there is no layer or no image, or a layer's answers are no maps.
    """
    if not isinstance(values, Activations):
        return _plain(_sheet(values, side, most), "Activations of a layer")
    if not len(values) or not len(values.indices):
        raise InvalidInputError(
            "activation_figure: expected a layer and an image. Received: none. Choose images with indices=[...]."
        )
    layers = [(f"{name_text(values.model_name)}, image {int(values.indices[0])}", _input_sheet(values.images[0], side))]
    for name, maps in values.items():
        if maps.ndim != 4:
            raise InvalidInputError(
                f"activation_figure: expected layers that answer with maps. Received: {name_text(name)}, whose answers "
                f"have the shape {maps.shape[1:]}. Choose convolutions."
            )
        layers.append((_layer_heading(name, maps[0], "filters", most), _sheet(maps[0], side, most)))
    several = f"The first of {len(values.indices)} images. " if len(values.indices) > 1 else ""
    return _layers_page(layers, f"{several}{_SCALE}")


def _layer_heading(name: str, values: NDArray[Any], noun: str, most: int) -> str:
    height, width, count = values.shape[0], values.shape[1], values.shape[-1]
    first = f"the first {most} of " if count > most else ""
    return f"{name_text(name)}: {first}{count} {noun} of {height}x{width}"


def _input_sheet(image: NDArray[Any], side: int) -> bytes:
    """Return an image (h, w, c) as a PNG, about twice as large as the tiles below it, in a grey frame."""
    shown = thumbnails(image[None], 2 * side)
    factor = max(1, 2 * side // max(shown.shape[1:3]))
    shown = shown.repeat(factor, axis=1).repeat(factor, axis=2)
    return tile_sheet(np.pad(shown, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=_FRAME)).data


def _kernel_sheet(kernel: NDArray[Any], side: int, most: int) -> bytes:
    return _sheet(kernel.mean(axis=2) if kernel.shape[3] > 1 else kernel[..., 0], side, most)


def _sheet(values: NDArray[Any], side: int, most: int) -> bytes:
    """Return a layer's maps (h, w, filters) as one PNG, 16 a row, each about `side` pixels large."""
    maps = np.moveaxis(values[..., :most], -1, 0).astype(np.float32)
    low = maps.min(axis=(1, 2), keepdims=True)
    span = maps.max(axis=(1, 2), keepdims=True) - low
    tiles = np.rint((maps - low) / np.where(span > 0, span, 1) * 255).astype(np.uint8)
    factor = max(1, round(side / max(tiles.shape[1:])))
    tiles = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    framed = np.pad(tiles, ((0, 0), (2, 2), (2, 2)), constant_values=255)
    return tile_sheet(framed[..., None], columns=16).data


def _plain(sheet: bytes, alt: str) -> Picture:
    from PIL import Image

    with Image.open(io.BytesIO(sheet)) as page:
        return Picture(sheet, page.width, page.height, alt)


def _layers_page(layers: list[tuple[str, bytes]], note: str) -> Picture:
    """Return sheets below each other, each under its heading, and a note below them."""
    from PIL import Image, ImageDraw

    pages = []
    for heading, sheet in layers:
        with Image.open(io.BytesIO(sheet)) as small:
            size = SHARP * small.width, SHARP * small.height
            pages.append((heading, small.convert("RGB").resize(size, Image.Resampling.NEAREST)))
    width = max(900, *(page.width for _, page in pages)) + 2 * GAP
    height = GAP + sum(HEAD + page.height + GAP for _, page in pages) + HEAD
    whole = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(whole)
    font, small = font_of(26), font_of(22)
    top = GAP
    for heading, page in pages:
        draw.text((GAP, top), fitting(heading, font, width - 2 * GAP), fill=INK, font=font)
        whole.paste(page, (GAP, top + HEAD))
        top += HEAD + page.height + GAP
    draw.text((GAP, top), fitting(note, small, width - 2 * GAP), fill=FAINT, font=small)
    return picture_of(whole, "; ".join(heading for heading, _ in layers))


def _fitted(tile: Image.Image) -> Image.Image:
    from PIL import Image, ImageOps

    return ImageOps.pad(tile, (CELL, CELL), method=Image.Resampling.NEAREST, color=PAPER)
