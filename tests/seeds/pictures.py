"""What is drawn: the images in a picture, its letters, and the rows behind a chart."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from diag.views.grids import SIDE


def page_of(picture):
    """Return a picture's pixels, (height, width) of its red channel."""
    with Image.open(io.BytesIO(picture.png)) as page:
        return np.asarray(page.convert("RGB"))[..., 0]


def tiles(picture, side=28):
    """Return the images in a grid in reading order, and in which row each stands: (n, side, side) and (n,).

    An image begins at a black pixel with paper above and to the left of it, and is enlarged by a whole factor, so that
    all pixels of a square are the same. Letters are not black, and nothing else is a square.
    """
    page, factor = page_of(picture), SIDE // side
    corner = (page[1:, 1:] == 0) & (page[:-1, 1:] == 255) & (page[1:, :-1] == 255)
    found, tops = [], []
    for top, left in np.argwhere(corner) + 1:
        block = page[top : top + side * factor, left : left + side * factor]
        small = block[::factor, ::factor]
        if block.shape == (side * factor,) * 2 and (small.repeat(factor, 0).repeat(factor, 1) == block).all():
            found.append(small)
            tops.append(top)
    return np.array(found).reshape(-1, side, side), np.unique(tops, return_inverse=True)[1]


def sure_text(probability):
    """Return a probability as it stands below an image: 100.0% only where it is exactly that."""
    return ">99.9%" if 0.9995 <= probability < 1 else f"{probability:.1%}"


@contextlib.contextmanager
def letters():
    """Collect the texts that are drawn, in order."""
    said, text = [], ImageDraw.ImageDraw.text

    def kept(self, place, written, *args, **more):
        said.extend([written] if written else [])
        return text(self, place, written, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageDraw.ImageDraw, "text", kept)
        yield said


def rows_of(chart):
    """Return the rows behind each part of a chart side by side, or of a single one."""
    spec = chart.to_dict()

    def data(part):
        own = part.get("data") or next((data(each) for each in part.get("layer", []) if data(each)), None)
        if isinstance(own, list) or own is None:
            return own
        return spec["datasets"][own["name"]] if "name" in own else own["values"]

    return [data(part) for part in spec.get("hconcat", [spec])]
