"""Perceptual hashes and altered copies: by hand, against SciPy's DCT, and with planted copies."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.metrics.altered_copies import altered_copies, centred, hashed_candidates
from diag.metrics.neighbours import correlations
from diag.metrics.phash import close_hashes, hamming, perceptual_hashes


def pictures(n, side=24, seed=0):
    """Return n smooth random images."""
    from scipy.ndimage import gaussian_filter

    rough = np.random.default_rng(seed).normal(size=(n, side, side))
    smooth = gaussian_filter(rough, (0, 2, 2))
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.float32)


def test_bits_are_the_low_frequencies_of_scipys_dct_above_their_median():
    from scipy.fft import dctn

    image = pictures(1)[0]
    low = dctn(image.astype(np.float64), type=2)[1:9, 1:9].ravel()
    bits = [bool(int(perceptual_hashes(image[None])[0]) >> place & 1) for place in range(64)]
    assert bits == (low > np.median(low)).tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 500), st.floats(0.1, 3), st.floats(-50, 50))
def test_brightness_and_contrast_change_no_bit_and_a_negative_all(seed, factor, shift):
    image = pictures(1, seed=seed).astype(np.float64)
    one = perceptual_hashes(image.astype(np.float32))
    changed = perceptual_hashes((image * factor + shift).astype(np.float32))
    assert hamming(one, changed)[0] <= 2  # float32's rounding at the median
    assert hamming(one, perceptual_hashes((255 - image).astype(np.float32)))[0] >= 62


def test_distances_by_hand_and_pairs_once():
    hashes = np.array([0b0000, 0b0001, 0b0011, 2**64 - 1], dtype=np.uint64)
    assert hamming(hashes[:1], hashes).tolist() == [0, 1, 2, 64]
    query, number = close_hashes(hashes, hashes, 1, 9, own=np.arange(4))
    assert list(zip(query.tolist(), number.tolist(), strict=True)) == [(0, 1), (1, 2)]
    query, number = close_hashes(hashes[:1], hashes, 64, 2)
    assert number.tolist() == [0, 1]  # the closest two
    assert close_hashes(hashes[:0], hashes, 3, 1)[0].size == 0


def test_hashes_against_all_pairs_in_blocks(monkeypatch):
    from diag.metrics import phash

    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 2**16, n, dtype=np.uint64) for n in (37, 53))
    monkeypatch.setattr(phash, "CELLS", 100)
    query, number = close_hashes(a, b, 5, 99)
    every = np.argwhere(hamming(a[:, None], b[None]) <= 5)
    assert sorted(zip(query.tolist(), number.tolist(), strict=True)) == [tuple(pair) for pair in every.tolist()]


def test_images_are_centred_by_whole_pixels():
    image = np.zeros((2, 9, 9), np.float32)
    image[0, 1:3, 5:8] = 1
    image[1] = 255 - np.roll(image[0] * 255, (3, -2), (0, 1))
    first, second = centred(image)
    np.testing.assert_array_equal(first * 255, 255 - second)
    assert np.argwhere(first).mean(axis=0).tolist() == [3.5, 4]  # two rows: half a pixel is left
    assert (centred(np.ones((1, 4, 4), np.float32)) == 1).all()


def test_correlations_against_numpy_without_a_shift():
    images = pictures(6)
    found = correlations(images, images, np.array([3, 0, 3]), np.array([3, 1, 4]))
    assert found[0] == pytest.approx(1, abs=1e-5)
    plain = np.corrcoef(images[3, 1:-1, 1:-1].ravel(), images[4, 1:-1, 1:-1].ravel())[0, 1]
    assert found[2] >= plain - 1e-5


def jpeg(images, quality=50):
    from PIL import Image

    out = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image.astype(np.uint8)).save(file, "JPEG", quality=quality)
        out.append(np.asarray(Image.open(file)))
    return np.array(out, dtype=np.float32)


CHANGES = {
    "compressed": jpeg,
    "brighter": lambda images: images * 0.7 + 60,
    "moved": lambda images: np.roll(images, (1, 0), (1, 2)),
    "mirrored": lambda images: images[:, :, ::-1],
}


@pytest.mark.parametrize("change", CHANGES)
def test_planted_copies_are_found_and_nothing_else(change):
    among, new = pictures(300), pictures(60, seed=1)
    queries = np.concatenate([new, CHANGES[change](among[:8])])
    found = altered_copies(queries, among, new)
    assert sorted((copy.query, copy.number) for copy in found) == [(60 + place, place) for place in range(8)]
    assert {copy.how for copy in found} == {"mirrored" if change == "mirrored" else "as it is"}
    assert all(copy.expected < 0.01 for copy in found)
    if change != "moved":  # images without a border are not centred by moving them back
        assert set(range(60, 68)) <= set(hashed_candidates(queries, among).tolist())


def test_one_image_has_no_copy_of_itself():
    one = pictures(1)
    assert altered_copies(one, one, one, own=np.array([0])) == []
    assert altered_copies(one, one[:0], one) == []
    assert altered_copies(one, one, one) == []  # one neighbour says nothing of how the data lies
    assert hashed_candidates(one, one, own=np.array([0])).tolist() == []


def test_moved_copies_with_a_plain_border_have_close_hashes():
    among = np.pad(pictures(100), ((0, 0), (4, 4), (4, 4)))
    moved = np.roll(among[:5], (1, -1), (1, 2))
    assert hashed_candidates(moved, among).tolist() == list(range(5))
