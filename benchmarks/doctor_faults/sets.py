"""Image sets that come with the benchmark's requirements, or are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """uint8 images (n, h, w, c) and labels (n,), for training and testing."""

    x_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]

    @property
    def k(self) -> int:
        """Number of classes."""
        return int(self.y_train.max()) + 1


def digits() -> ImageSet:
    """Return scikit-learn's digits at 28x28, as `diag.load_dataset` splits them by writer."""
    from diag import load_dataset

    train, test = load_dataset("digits", split="train"), load_dataset("digits", split="test")
    return ImageSet(np.array(train.images[:]), np.array(train.labels), np.array(test.images[:]), np.array(test.labels))


def mnist(path: Path, n_train: int = 4000, n_test: int = 1000) -> ImageSet:
    """Return some images of the file that Keras keeps for MNIST."""
    with np.load(path) as file:
        arrays = {key: file[key] for key in ("x_train", "y_train", "x_test", "y_test")}
    rng = np.random.default_rng(0)
    train = np.sort(rng.choice(len(arrays["y_train"]), n_train, replace=False))
    test = np.sort(rng.choice(len(arrays["y_test"]), n_test, replace=False))
    return ImageSet(
        arrays["x_train"][train][..., None],
        arrays["y_train"][train].astype(np.int64),
        arrays["x_test"][test][..., None],
        arrays["y_test"][test].astype(np.int64),
    )


def colour() -> ImageSet:
    """Return digits 0 to 5 in two ranges of hue, orange and lime: twelve classes told apart by shape and colour."""
    base = digits()
    rng = np.random.default_rng(1)
    parts: list[Any] = []
    for x, y in ((base.x_train, base.y_train), (base.x_test, base.y_test)):
        kept = y < 6
        family = rng.integers(0, 2, int(kept.sum()))
        parts += [_painted(x[kept], family, rng), y[kept] + 6 * family]
    return ImageSet(*parts)


def _painted(images: NDArray[np.uint8], family: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return grey digits (n, h, w, 1) on dark grounds of any colour, orange (30 degrees) or lime (90 degrees)."""
    hue = np.where(family == 0, 30, 90) + rng.normal(0, 8, len(images))
    ground = rng.uniform(0, 60, (len(images), 1, 1, 3))
    share = images / 255
    painted = ground * (1 - share) + 255 * hue_colour(hue)[:, None, None, :] * share
    return np.clip(np.rint(painted), 0, 255).astype(np.uint8)


def hue_colour(degrees: NDArray[Any]) -> NDArray[np.float64]:
    """Return the fully saturated colours (n, 3) of hues, in 0..1.

    Each channel is a trapezium over the hue circle; red is centred on 0, green on 120, blue on 240 degrees.
    """
    away = np.abs((np.asarray(degrees)[:, None] - np.array([0, 120, 240]) + 180) % 360 - 180)
    return np.clip(2 - away / 60, 0, 1)


def templates(k: int = 100, side: int = 16, n_train: int = 3000, n_test: int = 1000) -> ImageSet:
    """Return noisy images of `k` smooth random pictures: a set with many classes."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(2)
    pictures = gaussian_filter(rng.normal(size=(k, side, side)), (0, 1.5, 1.5))
    pictures = 128 + 50 * pictures / pictures.std(axis=(1, 2), keepdims=True)
    parts: list[Any] = []
    for n in (n_train, n_test):
        y = rng.permutation(np.arange(n) % k)
        noisy = pictures[y] + rng.normal(0, 12, (n, side, side))
        parts += [np.clip(np.rint(noisy), 0, 255).astype(np.uint8)[..., None], y]
    return ImageSet(*parts)


def stripes(n_train: int = 1500, n_test: int = 600, side: int = 28) -> ImageSet:
    """Return stripes in ten directions 18 degrees apart, anywhere: only the direction is the class."""
    rng = np.random.default_rng(3)
    row, column = np.mgrid[:side, :side]
    parts: list[Any] = []
    for n in (n_train, n_test):
        y = rng.permutation(np.arange(n) % 10)
        angle = np.deg2rad(18.0 * y)[:, None, None]
        across = row * np.sin(angle) + column * np.cos(angle)
        wave = 128 + 90 * np.sin(2 * np.pi * across / 7 + rng.uniform(0, 2 * np.pi, (n, 1, 1)))
        parts += [np.clip(wave + rng.normal(0, 5, wave.shape), 0, 255).astype(np.uint8)[..., None], y]
    return ImageSet(*parts)
