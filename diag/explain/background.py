"""Which reference images an explanation is measured against."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DataError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from diag.io.datasets import Dataset
    from diag.io.sources import ImageSource

    Background = int | str | Sequence[int] | NDArray[Any]

MOST_FOR_KMEANS = 5000
"""Images that clusters are made of, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """Reference images.

    Parameters
    ----------
    images : ndarray, shape (m, h, w, c)
        In the data's own units.
    note : str
        A sentence on where they came from.
    weights : ndarray of float64, shape (m,), optional
        Share of each in the mean; equal when None.
    """

    images: NDArray[Any]
    note: str
    weights: NDArray[np.float64] | None = None


def draw_background(
    background: Background, data: Dataset | ImageSource | NDArray[Any], seed: int, trained_on: str | None = None
) -> References:
    """Return reference images, and where they came from.

    Parameters
    ----------
    background : int, str, sequence of int or ndarray, shape (m, h, w, c)
        How many to draw (as many of each class as its share, where there are labels); ``"kmeans:N"`` for the images
        nearest to the centres of N clusters, each weighted by its cluster; numbers of images; or the references.
    data : Dataset or ndarray
        References come from its training split where there is one, else from the training split of `trained_on`, else
        from the images given.
    seed : int
        Seeds the draw and the clusters.
    trained_on : str, optional
        The data that the model's card names.

    Raises
    ------
    InvalidInputError
        If a number is below 1 or does not exist, a text is not ``kmeans:N``, or an array is no batch of images.
    """
    if isinstance(background, np.ndarray) and background.ndim != 1:
        if background.ndim != 4 or not len(background):
            raise InvalidInputError(f"background: expected images (m, h, w, c). Received: shape {background.shape}.")
        return References(background, f"{len(background)} references were given.")
    images, labels, where = _source(data, trained_on)
    if isinstance(background, str):
        return _clustered(_number_of_clusters(background), images, where, seed)
    if isinstance(background, int | np.integer):
        if background < 1:
            raise InvalidInputError(f"background: expected at least 1 reference. Received: {background}.")
        chosen = stratified(labels, min(int(background), len(images)), seed, len(images))
        kind = "at random" if labels is None else "at random by class"
        return References(
            np.asarray(images[chosen]), f"{len(chosen)} references drawn {kind} (seed {seed}) from {where}."
        )
    chosen = np.asarray(background)
    if not len(chosen) or chosen.dtype.kind not in "iu" or chosen.min() < 0 or chosen.max() >= len(images):
        raise InvalidInputError(
            f"background: expected numbers of images in 0..{len(images) - 1}, of {where}. Received: {background!r}."
        )
    return References(np.asarray(images[chosen]), f"{len(chosen)} references chosen by number from {where}.")


def stratified(labels: NDArray[np.int64] | None, count: int, seed: int, n: int) -> NDArray[np.int64]:
    """Return `count` of `n` row numbers, sorted: from each class its share, rounded by largest remainder."""
    rng = np.random.default_rng(seed)
    if labels is None:
        return np.sort(rng.choice(n, size=count, replace=False))
    classes, sizes = np.unique(labels, return_counts=True)
    shares = sizes * count / n
    quotas = np.floor(shares).astype(int)
    order = np.argsort(-(shares - quotas) + rng.random(len(shares)) * 1e-9, kind="stable")
    quotas[order[: count - quotas.sum()]] += 1
    drawn = [
        rng.choice(np.flatnonzero(labels == label), size=quota, replace=False)
        for label, quota in zip(classes, quotas, strict=True)
    ]
    return np.sort(np.concatenate(drawn))


def _number_of_clusters(text: str) -> int:
    found = re.fullmatch(r"kmeans:(\d{1,6})", text)
    if found is None or int(found[1]) < 1:
        raise InvalidInputError(f"background: expected a number, kmeans:N or images. Received: {text!r}.")
    return int(found[1])


def _clustered(k: int, images: Any, where: str, seed: int) -> References:
    """Return the image nearest to each centre: a mean of images would be no image that the network has seen."""
    from sklearn.cluster import MiniBatchKMeans

    rows = stratified(None, min(len(images), MOST_FOR_KMEANS), seed, len(images))
    pool = np.asarray(images[rows])
    flat = pool.reshape(len(pool), -1).astype(np.float32)
    k = min(k, len(np.unique(flat, axis=0)))
    clusters = MiniBatchKMeans(k, n_init=1, random_state=seed, batch_size=max(256, k)).fit(flat)
    distance = clusters.transform(flat)
    own = distance.argmin(axis=1)
    used = np.unique(own)
    nearest = np.array([distance[:, cluster].argmin() for cluster in used])
    weights = np.bincount(own, minlength=k)[used] / len(own)
    note = f"{len(used)} references: the images nearest to the centres of as many clusters, weighted, from {where}."
    return References(pool[nearest], note, weights)


def _source(data: Any, trained_on: str | None) -> tuple[Any, NDArray[np.int64] | None, str]:
    from diag.io.datasets import Dataset

    if not isinstance(data, Dataset):
        return data, None, "the images given"
    if data.split == "test":
        for source in dict.fromkeys((data.source, trained_on)):
            train = _training_split(source, data) if source else None
            if train is not None:
                return train.images, train.labels, f"the training split of {train.name}"
    return data.images, data.labels, f"{data.name} itself (it has no training split)"


def _training_split(source: str, data: Dataset) -> Dataset | None:
    from diag.io.datasets import load_dataset

    try:
        train = load_dataset(source, split="train", stretch=(data.images.shape[1], data.images.shape[2]))
    except DataError:
        return None
    fits = train.digest != data.digest and train.images.shape[1:] == data.images.shape[1:]
    return train if fits else None
