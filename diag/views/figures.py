"""Attribution maps as one picture: a row an image, a column a class."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from diag.views.images import attribution_png, image_png

if TYPE_CHECKING:
    from diag.results.attribution import Attribution

CELL = 112
GAP = 8
HEAD = 26
FOOT = 46
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
    font = ImageFont.load_default(size=13)
    for column, name in enumerate(("image", *attribution.class_names)):
        draw.text((GAP + column * (CELL + GAP), 6), _short(name), fill=INK, font=font)
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
                draw.text((left, top + CELL + 3), f"p = {share:.3f}", fill=INK, font=font)
        draw.text((GAP, top + CELL + 3), f"index {int(attribution.indices[row])}", fill=INK, font=font)
        error = float(attribution.additivity_error[row])
        draw.text(
            (GAP, top + CELL + 20),
            f"full colour = {limit:.3g} of probability; additivity error {error:.1e}",
            fill=FAINT,
            font=font,
        )
    draw.text(
        (GAP, height - 20),
        f"{attribution.model_name}: {attribution.method}. Red for, blue against. {attribution.background_note}",
        fill=FAINT,
        font=font,
    )
    buffer = io.BytesIO()
    page.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _fitted(tile: object) -> object:
    from PIL import Image, ImageOps

    if not isinstance(tile, Image.Image):
        return tile
    return ImageOps.pad(tile, (CELL, CELL), method=Image.Resampling.NEAREST, color=PAPER)


def _short(name: str, length: int = 14) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"
