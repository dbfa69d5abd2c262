"""The changes themselves: values worked out by hand, then what holds for every family."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.checks.corruptions import (
    FAMILIES,
    Span,
    blurred,
    brightened,
    contrasted,
    jpeg,
    noisy,
    rotated,
    shifted,
    span_of,
)

BYTES = Span(0.0, 255.0)


def image(rows, dtype=np.uint8):
    return np.array(rows, dtype=dtype)[None, :, :, None]


def plane(images):
    return images[0, :, :, 0].tolist()


@pytest.mark.parametrize(
    ("values", "dtype", "low", "high"),
    [
        ([0, 200], np.uint8, 0, 255),
        ([0, 1], np.uint8, 0, 1),
        ([0, 16], np.uint8, 0, 16),  # scikit-learn's digits as they come
        ([0, 60_000], np.uint16, 0, 65_535),
        ([0.0, 0.9], np.float32, 0, 1),
        ([-1.0, 0.9], np.float32, -1, 1),
        ([0.0, 254.0], np.float32, 0, 255),
        ([-0.5, 3.5], np.float32, -0.5, 3.5),  # standardised
        ([-0.5, 0.2], np.float32, -0.5, 0.2),
        ([20, 100], np.uint8, 0, 255),  # bytes are bytes, however dark
        ([0.2, 0.2], np.float32, 0.2, 1.2),
        ([False, True], np.bool_, 0, 1),
    ],
)
def test_the_range_is_the_usual_one_that_holds_the_values(values, dtype, low, high):
    span = span_of(image([values], dtype))
    assert (span.low, span.high) == pytest.approx((low, high))


def test_a_shift_repeats_the_edge():
    source = image([[1, 2], [3, 4]])
    assert plane(shifted(source, 1, 0)) == [[1, 2], [1, 2]]
    assert plane(shifted(source, -1, 0)) == [[3, 4], [3, 4]]
    assert plane(shifted(source, 0, 1)) == [[1, 1], [3, 3]]
    assert plane(shifted(source, 0, -1)) == [[2, 2], [4, 4]]


def test_a_quarter_turn_is_numpys():
    source = np.random.default_rng(0).integers(0, 255, (2, 5, 5, 3)).astype(np.uint8)
    assert (rotated(source, 90, BYTES) == np.rot90(source, axes=(1, 2))).all()
    assert (rotated(source, -90, BYTES) == np.rot90(source, -1, axes=(1, 2))).all()


def test_light_is_added_and_cut_off():
    assert plane(brightened(image([[0, 100, 250]]), 0.1, BYTES)) == [[26, 126, 255]]  # 25.5, and even on a half
    assert plane(brightened(image([[0, 100, 250]]), -0.1, BYTES)) == [[0, 74, 224]]
    assert plane(brightened(image([[-1.0, 0.5]], np.float32), 0.25, Span(-1.0, 1.0))) == [[-0.5, 1.0]]


def test_contrast_shrinks_towards_the_images_own_mean():
    two = np.concatenate([image([[0, 100]]), image([[100, 200]])])
    assert contrasted(two, 0.5, BYTES)[..., 0].tolist() == [[[25, 75]], [[125, 175]]]


def test_noise_has_the_spread_that_was_asked_for_and_comes_from_the_generator():
    grey = np.full((4, 50, 50, 1), 0.5, np.float32)
    out = noisy(grey, 0.05, Span(0.0, 1.0), np.random.default_rng(1))
    assert out.std() == pytest.approx(0.05, rel=0.05)  # 10,000 draws: standard error 0.7 %
    assert (out == noisy(grey, 0.05, Span(0.0, 1.0), np.random.default_rng(1))).all()
    assert (noisy(grey, 0.0, Span(0.0, 1.0), np.random.default_rng(1)) == grey).all()


def test_blur_keeps_what_is_flat_and_spreads_a_point():
    flat = np.full((1, 9, 9, 1), 80, np.uint8)
    assert (blurred(flat, 1.5, BYTES) == 80).all()
    point = np.zeros((1, 9, 9, 1), np.float32)
    point[0, 4, 4] = 1
    out = blurred(point, 1.0, Span(0.0, 1.0))
    # The weights of a Gaussian at -4..4, normalised: the middle one is 0.39894, squared for two axes.
    assert out[0, 4, 4, 0] == pytest.approx(0.39894**2, abs=1e-4)
    assert out.sum() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_jpeg_keeps_flat_images_and_loses_more_at_low_quality(channels):
    flat = np.full((2, 16, 16, channels), 96, np.uint8)
    assert np.abs(jpeg(flat, 50, BYTES).astype(int) - 96).max() <= 2  # colour goes through YCbCr and is rounded
    rough = np.random.default_rng(0).integers(0, 255, (2, 16, 16, channels)).astype(np.uint8)
    errors = [np.abs(jpeg(rough, quality, BYTES).astype(int) - rough).mean() for quality in (95, 50, 10)]
    assert errors == sorted(errors)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_every_change_keeps_shape_dtype_range_and_the_images_themselves(family, data):
    dtype, low, high = data.draw(st.sampled_from([(np.uint8, 0, 255), (np.float32, -1, 1), (np.float64, 0, 1)]))
    seed = data.draw(st.integers(0, 99))
    shape = (2, data.draw(st.integers(3, 12)), data.draw(st.integers(3, 12)), data.draw(st.sampled_from([1, 3])))
    images = np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)
    before = images.copy()
    for level in family.levels:
        for change in family.variants.values():
            out = change(images, level, Span(low, high), np.random.default_rng(0))
            assert out.shape == shape
            assert out.dtype == dtype
            assert low <= out.min()
            assert out.max() <= high
    assert (images == before).all()
