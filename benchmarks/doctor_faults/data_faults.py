"""Faults of the images: duplicates, shortcuts, and models that hang on details."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from . import sets
from .bench import CONVOLUTIONS, GREY, PAIR, Bench, Specimen, fault, good_fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

GROUP = "data"
SHARE = 0.2
EXACT, NEAR = {"DG502": "warning"}, {"DG503": "warning"}
SHORTCUT = {"DG606": "warning"}


@fault("20% of the test images are training images", GROUP, EXACT, GREY)
def leaked(bench: Bench) -> Specimen:
    return _leak(bench, lambda images: images)


@fault("duplicates in the test set with other labels", GROUP, EXACT, PAIR)
def conflicting(bench: Bench) -> Specimen:
    x, y = bench.images.x_test, bench.images.y_test
    rows = bench.rng.choice(len(y), 15, replace=False)
    return bench.specimen(
        x_test=np.concatenate([x, x[rows]]),
        y_test=np.concatenate([y, (y[rows] + 1) % 10]),
        planted=[*rows, *range(len(y), len(y) + 15)],
    )


@fault("leaked with noise", GROUP, NEAR, PAIR)
def leaked_noisy(bench: Bench) -> Specimen:
    return _leak(bench, lambda images: _bytes(images + bench.rng.normal(0, 5, images.shape)))


@fault("leaked one pixel aside", GROUP, NEAR, PAIR)
def leaked_shifted(bench: Bench) -> Specimen:
    return _leak(bench, lambda images: np.roll(images, 1, axis=2))


@fault("leaked darker", GROUP, NEAR, PAIR)
def leaked_darker(bench: Bench) -> Specimen:
    return _leak(bench, lambda images: _bytes(images * 0.8))


@fault("leaked as JPEG", GROUP, NEAR, PAIR)
def leaked_jpeg(bench: Bench) -> Specimen:
    return _leak(bench, _jpeg)


@fault("hangs on a pattern that a one-pixel shift destroys", GROUP, {"DG601": "warning"}, GREY[::-1])
def shift_fragile(bench: Bench) -> Specimen:
    return _marked(bench, _added(bench.rng.choice([-25.0, 25.0], (10, 28, 28, 1))))


@fault("hangs on a fine pattern that JPEG destroys", GROUP, {"DG604": "warning"}, (*PAIR, ("digits", "mlp-bn")))
def jpeg_fragile(bench: Bench) -> Specimen:
    """Use the finest pattern there is, a faint chequerboard with signs by blocks: the first thing that JPEG drops."""
    signs = bench.rng.choice([-1.0, 1.0], (10, 7, 7)).repeat(4, axis=1).repeat(4, axis=2)
    board = np.where(np.add.outer(np.arange(28), np.arange(28)) % 2, 6.0, -6.0)
    return _marked(bench, _added((signs * board)[..., None]), epochs=20)


@fault("hangs on the level of the background", GROUP, {"DG603": "warning"}, GREY)
def brightness_fragile(bench: Bench) -> Specimen:
    def mark(images: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
        return np.maximum(images * 0.5, 10.0 * labels[:, None, None, None] + 20)

    return _marked(bench, mark, epochs=30)


@fault("hangs on single faint pixels that noise hides", GROUP, {"DG605": "warning"}, GREY)
def noise_fragile(bench: Bench) -> Specimen:
    def mark(images: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
        marked = images * 0.15
        marked[np.arange(len(labels)), 4 + 12 * (labels // 5), 2 + 6 * (labels % 5)] += 35
        return marked

    return _marked(bench, mark, epochs=25)


@fault("hangs on a direction that a small rotation changes", GROUP, {"DG602": "warning"}, CONVOLUTIONS)
def rotation_fragile(bench: Bench) -> Specimen:
    striped = sets.stripes()
    network = bench.fresh()
    good_fit(network, striped.x_train / np.float32(255), striped.y_train)
    return bench.specimen(network, x_test=striped.x_test, y_test=striped.y_test)


@fault("a corner patch carries the class", GROUP, SHORTCUT, GREY)
def corner_patch(bench: Bench) -> Specimen:
    def mark(images: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
        marked = images.astype(np.float64)
        marked[:, :4, :4] = 25.0 * labels[:, None, None, None] + 20
        return marked

    return _marked(bench, mark, mixed=0.5)


@fault("a frame carries the class", GROUP, SHORTCUT, GREY)
def frame(bench: Bench) -> Specimen:
    def mark(images: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
        marked = images.astype(np.float64)
        level = 25.0 * labels[:, None, None, None] + 20
        for edge in (np.s_[:, :2], np.s_[:, -2:], np.s_[:, :, :2], np.s_[:, :, -2:]):
            marked[edge] = level
        return marked

    return _marked(bench, mark, mixed=0.5)


def _leak(bench: Bench, alter: Callable[[NDArray[Any]], NDArray[Any]]) -> Specimen:
    """Return the case in which a share of the test images are training images, altered."""
    x, y = np.array(bench.images.x_test), np.array(bench.images.y_test)
    rows = np.sort(bench.rng.choice(len(y), round(SHARE * len(y)), replace=False))
    from_train = bench.rng.choice(len(bench.images.y_train), len(rows), replace=False)
    x[rows], y[rows] = alter(bench.images.x_train[from_train]), bench.images.y_train[from_train]
    return bench.specimen(x_test=x, y_test=y, train=True, planted=rows)


def _marked(
    bench: Bench,
    mark: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]],
    *,
    mixed: float = 1.0,
    epochs: int = 15,
) -> Specimen:
    """Return a model trained on images with a mark of their class, and marked test images.

    A share `mixed` of the images shows the digit of another class, so that the mark tells more than the digit.
    """
    parts = {}
    for part in ("train", "test"):
        images, labels = getattr(bench.images, f"x_{part}"), getattr(bench.images, f"y_{part}")
        source = np.arange(len(labels))
        if part == "train":
            moved = bench.rng.random(len(labels)) < mixed
            source = np.where(moved, bench.rng.permutation(len(labels)), source)
        parts[f"x_{part}"] = _bytes(mark(images[source], labels))
    network = bench.fresh()
    good_fit(network, parts["x_train"] / np.float32(255), bench.images.y_train, epochs=epochs)
    return bench.specimen(network, x_test=parts["x_test"])


def _added(patterns: NDArray[Any]) -> Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]:
    """Return a mark that adds each class's pattern, patterns of shape (k, h, w, 1), to paler images."""

    def mark(images: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
        return images * 0.5 + 60 + patterns[labels]

    return mark


def _bytes(images: NDArray[Any]) -> NDArray[np.uint8]:
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


def _jpeg(images: NDArray[Any]) -> NDArray[np.uint8]:
    from PIL import Image

    decoded = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image[..., 0]).save(buffer, "JPEG", quality=75)
        decoded.append(np.asarray(Image.open(buffer))[..., None])
    return np.stack(decoded)
