"""Arrays to PNGs, pixel by pixel."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from diag.views import images as views
from diag.views.theme import AGAINST, FOR


def pixels(png):
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_map_is_red_for_and_blue_against():
    # Full colour at the limit and beyond, white at zero, half way between at half the limit.
    shown = pixels(views.attribution_png(np.array([[2.0, 0.0, -1.0, 0.5]]), limit=1.0))[0]
    assert tuple(shown[0]) == FOR
    assert tuple(shown[1]) == (255, 255, 255)
    assert tuple(shown[2]) == AGAINST
    np.testing.assert_allclose(shown[3], (np.array(FOR) + 255) / 2, atol=1)


def test_channels_of_a_map_are_summed():
    one = views.attribution_png(np.array([[[0.5, -0.25]]]), 1.0)
    assert one == views.attribution_png(np.array([[0.25]]), 1.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 7, 255], np.uint8), [0, 7, 255]),
        (np.array([0.0, 0.5, 1.0]), [0, 128, 255]),
        (np.array([0.0, 100.0, 255.0]), [0, 100, 255]),
        (np.array([-1.0, 0.0, 1.0]), [0, 128, 255]),
        (np.array([0, 0, 0.0]), [0, 0, 0]),
    ],
)
def test_display_range(values, expected):
    assert views.to_uint8(values).tolist() == expected


def test_an_activation_spans_black_to_white_and_a_constant_one_is_black():
    assert pixels(views.map_png(np.array([[3.0, 5.0]])))[0, :, 0].tolist() == [0, 255]
    assert pixels(views.map_png(np.full((2, 2), 9.0))).max() == 0


@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.sampled_from([1, 3]))
def test_every_tile_stands_where_the_page_looks_for_it(n, height, width, columns, channels):
    tiles = np.random.default_rng(0).integers(0, 256, (n, height, width, channels), dtype=np.uint8)
    sheet = views.tile_sheet(tiles, columns)
    page = pixels(sheet.data)
    for place in range(n):
        top, left = place // sheet.columns * height, place % sheet.columns * width
        tile = np.broadcast_to(tiles[place], (height, width, 3)) if channels == 1 else tiles[place]
        np.testing.assert_array_equal(page[top : top + height, left : left + width], tile)


def test_thumbnails_keep_their_proportions():
    assert views.thumbnails(np.zeros((2, 200, 100, 3), np.uint8)).shape == (2, 64, 32, 3)
    assert views.thumbnails(np.zeros((2, 28, 20, 1), np.uint8)).shape == (2, 28, 20, 1)
    assert views.thumbnails(np.zeros((1, 500, 2, 1), np.uint8)).shape == (1, 64, 1, 1)
