"""The images that the recipes see: which are fitted, which decide, which are kept back, which are looked at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diag import load_dataset
from diag.errors import DataError
from diag.io.readers.builtin import NAMES
from diag.io.readers.builtin import test_rows as last_of_each_class

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labelled = tuple[NDArray[np.uint8], NDArray[np.int64]]

N_VALIDATION = {"mnist": 5_000, "digits": 200}
N_POOL = {"mnist": 5_000, "digits": 200}
N_HARDER = 12_000
MNIST_LABELS = "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5"
"""SHA-256 of the labels of MNIST's 10,000 test images, a byte each: a file that holds them is MNIST."""


@dataclass(frozen=True, eq=False)
class Parts:
    """A data set, cut up. Images are uint8 (n, 28, 28, 1), or float32 of 0..255 where they were made harder.

    Parameters
    ----------
    source : str
        As a card names it: "mnist", "digits", or the name of another file.
    fit, validation, pool, test : tuple of (images, labels)
        For fitting; for choosing the epoch; for pseudo-labels, whose true labels nothing is fitted to; for the end.
    """

    source: str
    fit: Labelled
    validation: Labelled
    pool: Labelled
    test: Labelled

    @property
    def is_small(self) -> bool:
        """Whether an epoch is so short that there have to be many."""
        return len(self.fit[1]) < 5_000

    def while_fitting(self) -> dict[str, Labelled]:
        """Return what is looked at while a model is fitted."""
        return {"train": self.fit, "validation": self.validation}

    def named(self) -> dict[str, Labelled]:
        """Return what is scored."""
        return {**self.while_fitting(), "test": self.test}


def load_parts(source: str) -> Parts:
    """Return MNIST or scikit-learn's digits; of either the last images of each class are held back.

    Parameters
    ----------
    source : str
        "mnist", "digits", or a file in the layout of Keras's ``mnist.npz``.

    Raises
    ------
    DataError
        If it cannot be read, is another set of Keras, or holds other images than those of ten digits.
    """
    if source in NAMES and source not in N_VALIDATION:
        raise DataError(
            f"{source}: expected digits, mnist, or a file in the layout of Keras's mnist.npz. Received: another set "
            "that Keras fetches. Save it in this layout and pass the file."
        )
    train, test = load_dataset(source, split="train"), load_dataset(source, split="test")
    for part in (train, test):
        shape, classes = tuple(part.images.shape[1:]), np.unique(part.labels)
        if shape != (28, 28, 1) or not np.array_equal(classes, np.arange(10)):
            raise DataError(
                f"{part.name}: expected images of 28x28x1 with the labels 0 to 9, each of them there. Received: "
                f"{'x'.join(map(str, shape))}, {len(classes)} classes. Pass MNIST, or digits laid out like it."
            )
    images, labels = np.asarray(train.images[:]), np.asarray(train.labels)
    size = source if source in N_VALIDATION else "mnist"
    fifth = len(labels) // 5  # of a smaller file
    held = last_of_each_class(labels, min(N_VALIDATION[size], fifth))
    rest = np.flatnonzero(~held)
    pool = np.zeros(len(labels), dtype=bool)
    pool[rest[last_of_each_class(labels[rest], min(N_POOL[size], fifth))]] = True
    fit = ~held & ~pool
    return Parts(
        source=_said(source, np.asarray(test.labels)),
        fit=(images[fit], labels[fit]),
        validation=(images[held], labels[held]),
        pool=(images[pool], labels[pool]),
        test=(np.asarray(test.images[:]), np.asarray(test.labels)),
    )


def _said(source: str, labels: NDArray[np.int64]) -> str:
    """Return how a card names what was used: of a file its name alone, and of a copy of MNIST "mnist"."""
    if source in N_VALIDATION:
        return source
    return "mnist" if sha256(labels.astype(np.uint8).tobytes()).hexdigest() == MNIST_LABELS else Path(source).name


def with_pool(parts: Parts) -> Parts:
    """Return the parts with the pool among the fitted images, as the shipped models of digits were trained."""
    train = load_dataset(parts.source, split="train")
    held = last_of_each_class(train.labels, N_VALIDATION[parts.source])
    return replace(parts, fit=(np.asarray(train.images[:])[~held], np.asarray(train.labels)[~held]))


def made_harder(images: NDArray[np.uint8], seed: int = 0) -> NDArray[np.float32]:
    """Return images that are harder to tell: rotated, a part covered, and noise over all.

    Each image is rotated by up to 25 degrees (bilinear), a square of 4 to 9 pixels' side of one random brightness is
    laid over a random place, and normal noise with a standard deviation of 10 to 70 is added; clipped to 0..255.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28, 1)
    seed : int

    Returns
    -------
    ndarray of float32, shape (n, 28, 28, 1)
        One decimal, as the file holds it.
    """
    from scipy.ndimage import rotate

    rng = np.random.default_rng(seed)
    hard = np.empty(images.shape, dtype=np.float32)
    for row, image in enumerate(images[..., 0]):
        turned = rotate(image.astype(np.float32), rng.uniform(-25, 25), reshape=False, order=1)
        side = int(rng.integers(4, 10))
        top, left = rng.integers(0, 29 - side, size=2)
        turned[top : top + side, left : left + side] = rng.uniform(0, 255)
        noisy = turned + rng.normal(0, rng.uniform(10, 70), turned.shape)
        hard[row, ..., 0] = np.clip(noisy, 0, 255)
    return hard.round(1)


def write_harder(parts: Parts, folder: Path) -> tuple[Path, Path]:
    """Write *harder*'s two tables: 784 floats a row without a header, in the first one the label last.

    Returns
    -------
    tuple of Path
        ``train.csv`` of the first 12,000 fitted images, and ``test.csv`` of the test images, without labels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    train, test = folder / "train.csv", folder / "test.csv"
    images, labels = (array[:N_HARDER] for array in parts.fit)
    for path, pixels, column in ((train, made_harder(images), labels), (test, made_harder(parts.test[0], 1), None)):
        flat = pixels.reshape(len(pixels), -1)
        with path.open("w", encoding="ascii") as file:
            for row, values in enumerate(flat):
                cells = [f"{value:.1f}" for value in values]
                file.write(",".join(cells if column is None else [*cells, str(column[row])]) + "\n")
    return train, test


def harder_parts(parts: Parts, folder: Path) -> Parts:
    """Return the parts that *harder* had: its tables are written, read again with diag, and cut 80 to 20 in order."""
    train, test = write_harder(parts, folder)
    labelled, unlabelled = load_dataset(train), load_dataset(test)
    images, labels = np.asarray(labelled.images[:], dtype=np.float32), np.asarray(labelled.labels)
    n = _harder_fitted(labels)
    return replace(
        parts,
        fit=(images[:n], labels[:n]),
        validation=(images[n:], labels[n:]),
        test=(np.asarray(unlabelled.images[:], dtype=np.float32), parts.test[1]),
    )


@lru_cache(maxsize=1)
def harder_validation(parts: Parts) -> Labelled:
    """Return the images of *harder* that chose the epochs of its models, the last fifth, and their labels."""
    images, labels = (array[:N_HARDER] for array in parts.fit)
    n = _harder_fitted(labels)
    return made_harder(images)[n:], labels[n:]


def _harder_fitted(labels: NDArray[np.int64]) -> int:
    """Return how many of *harder*'s images are fitted: the first 80 %, in order."""
    return len(labels) * 4 // 5


def write_kaggle(labelled: Labelled, unlabelled: Labelled, folder: Path) -> tuple[Path, Path]:
    """Write *haby*'s two tables: a header, then ``label`` (in the first file) and ``pixel0`` to ``pixel783``.

    Returns
    -------
    tuple of Path
        ``labelled.csv``, and ``unlabelled.csv`` without the labels.
    """
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "labelled.csv", folder / "unlabelled.csv"
    for path, (images, labels) in zip(paths, (labelled, unlabelled), strict=True):
        flat = images.reshape(len(images), -1)
        table = pd.DataFrame(flat, columns=[f"pixel{number}" for number in range(flat.shape[1])])
        if path == paths[0]:
            table.insert(0, "label", labels)
        table.to_csv(path, index=False)
    return paths
