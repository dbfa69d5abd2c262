"""Sets that come with scikit-learn, or that Keras fetches and keeps."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_keras
from diag.errors import DataError
from diag.io.readers.arrays import member
from diag.io.sources import Parts, file_digest
from diag.printable import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.io.sources import Request

_CLASSES: dict[str, tuple[str, ...] | None] = {
    "digits": tuple("0123456789"),
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "cifar100": (
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
        "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
        "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
        "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
        "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
        "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
        "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
        "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
        "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
        "willow_tree", "wolf", "woman", "worm",
    ),
}  # fmt: skip
NAMES = tuple(_CLASSES)


@dataclass(frozen=True)
class _Files:
    """What Keras keeps of a set: in words, its place, how its names begin, and where it comes from."""

    said: str
    patterns: tuple[str, ...]
    origin: str
    folder: str = ""
    rename: str = ""


_STORE, _TORONTO = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/", "https://www.cs.toronto.edu/~kriz/"
_IDX = tuple(f"{part}-ubyte.gz" for part in (
    "train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1",
))  # fmt: skip
_FILES = {
    "mnist": _Files("mnist.npz", ("mnist.npz",), f"{_STORE}mnist.npz"),
    "fashion_mnist": _Files(
        f"the four files {', '.join(_IDX)}",
        tuple(f"fashion-mnist/{file}" for file in _IDX),
        f"{_STORE}",
        folder="fashion-mnist",
    ),
    "cifar10": _Files(
        "cifar-10-batches-py-target_archive",
        ("cifar-10-*",),
        f"{_TORONTO}cifar-10-python.tar.gz",
        rename=", rename it",
    ),
    "cifar100": _Files(
        "cifar-100-python-target_archive",
        ("cifar-100-*",),
        f"{_TORONTO}cifar-100-python.tar.gz",
        rename=", rename it",
    ),
}
"""The sets that Keras fetches; a test holds names and addresses to Keras's own."""
_SECONDS = 10
"""How long a server may be silent until it counts as not there."""
N_TEST = 797


def matches(source: Any) -> bool:
    """Return whether `source` is the name of a built-in set."""
    return isinstance(source, str) and source in _CLASSES


def read(source: Any, request: Request) -> Parts:
    """Read a part of a built-in set."""
    if request.split not in ("train", "test", "all"):
        raise DataError(f"{source}: expected split train, test or all. Received: {request.split!r}. Choose one.")
    arrays, content = _digits() if source == "digits" else _keras(source)
    (x_train, y_train), (x_test, y_test) = arrays
    if request.split == "all":
        x, y = np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])
    else:
        x, y = (x_train, y_train) if request.split == "train" else (x_test, y_test)
    return Parts(name=source, images=x, labels=y, content=f"{source}|{content}", class_names=_CLASSES[source])


def _digits() -> tuple[Any, str]:
    """Return the 1,797 digits of scikit-learn at 28x28, split into 1,000 for training and 797 for testing.

    Within each class the first images in file order are for training and the last for testing. The file holds one
    writer after the other, so this keeps most writers on one side; a shuffled split would test on writers that the
    model knows, and look better than it is. No random generator is involved.
    """
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = _enlarged(raw.images)
    test = test_rows(raw.target, N_TEST)
    content = _short_digest(raw.data)
    return ((images[~test], raw.target[~test]), (images[test], raw.target[test])), content


def _short_digest(array: NDArray[Any]) -> str:
    from diag.io.store import array_digest

    return array_digest(array)


def test_rows(labels: NDArray[Any], n_test: int) -> NDArray[np.bool_]:
    """Return which rows are for testing: the last of each class, in all exactly `n_test`, by largest remainder."""
    classes, counts = np.unique(labels, return_counts=True)
    exact = counts * n_test / counts.sum()
    share = np.floor(exact).astype(int)
    for place in np.argsort(-(exact - share), kind="stable")[: n_test - share.sum()]:
        share[place] += 1
    chosen = np.zeros(len(labels), dtype=bool)
    for label, count in zip(classes, share, strict=True):
        chosen[np.flatnonzero(labels == label)[-count:]] = count > 0
    return chosen


def _enlarged(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Return 8x8 images of 0..16 as (n, 28, 28, 1) uint8: values times 255/16, Pillow's bicubic filter."""
    from PIL import Image

    small = np.rint(images * (255 / 16)).astype(np.uint8)
    large = [np.asarray(Image.fromarray(image).resize((28, 28), Image.Resampling.BICUBIC)) for image in small]
    return np.stack(large)[..., None]


def _keras(name: str) -> tuple[Any, str]:
    """Return a set of Keras. MNIST that lies in Keras's cache already is read without importing TensorFlow.

    Without its files, the server is asked whether it is there before TensorFlow is imported: on a machine without a
    network the refusal comes at once.
    """
    home = keras_folder()
    kept = home / "mnist.npz"
    if name == "mnist" and kept.is_file():
        return _kept_mnist(kept), file_digest(kept)
    files = _FILES[name]
    if not all(any(home.glob(pattern)) for pattern in files.patterns):
        reason = _unreachable(files.origin)
        if reason:
            raise DataError(_missing(name, reason))
    source = getattr(import_keras().datasets, name)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Keras's progress bar is no part of what a command prints
            arrays = source.load_data()
    except Exception as error:  # Keras raises a plain Exception when a download fails
        raise DataError(_missing(name, str(error).rpartition(" -- ")[2])) from error
    if name == "mnist" and kept.is_file():  # as it will be read from now on: kept results are found again
        return _kept_mnist(kept), file_digest(kept)
    return arrays, "|".join(_short_digest(np.asarray(array)) for part in arrays for array in part)


def keras_folder() -> Path:
    """Return the folder in which Keras keeps the sets that it fetched."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"


def _unreachable(origin: str) -> str:
    """Return why nothing can be fetched from an address; empty when its server answers, whatever it says."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request as Asked
    from urllib.request import urlopen

    try:
        asked = Asked(origin, method="HEAD")  # noqa: S310 - an address of ours
        with urlopen(asked, timeout=_SECONDS):  # noqa: S310
            return ""
    except HTTPError:  # an answer, if only to the way of asking
        return ""
    except (OSError, HTTPException) as error:
        found = error.reason if isinstance(error, URLError) else error
        return str(getattr(found, "strerror", None) or found or type(error).__name__)


def _missing(name: str, reason: str) -> str:
    """Return the one line that says which files are missing, and what to do without a network."""
    files = _FILES[name]
    instead = ", or judge on other digits: --data digits" if name == "mnist" else ""
    return (
        f"{name}: expected {files.said} in {keras_folder() / files.folder}. Received: nothing there, and it could not "
        f"be fetched ({printable(reason, 80)}). Take it from {files.origin}{files.rename} and put it there, or pass "
        f"--data with a .npz of your own{instead}."
    )


def _kept_mnist(path: Path) -> Any:
    try:
        return tuple(tuple(member(path, f"{letter}_{part}") for letter in "xy") for part in ("train", "test"))
    except DataError as error:
        raise DataError(f"{path}: expected MNIST as Keras keeps it. Delete the file and try again.") from error
