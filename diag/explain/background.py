"""Which reference images an explanation is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DataError, InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.io.datasets import Dataset
    from diag.io.sources import ImageSource


def draw_background(
    background: int | NDArray[Any], data: Dataset | ImageSource | NDArray[Any], seed: int
) -> tuple[NDArray[Any], str]:
    """Return reference images (m, h, w, c) in the data's own units, and a sentence on where they came from.

    Parameters
    ----------
    background : int or ndarray
        How many to draw, or the references themselves.
    data : Dataset or ndarray
        A data set with a training split gives references from there; otherwise they are drawn from the images given.
    seed : int
        Seeds the draw.

    Raises
    ------
    InvalidInputError
        If the number is below 1 or the array is no batch of images.
    """
    if not isinstance(background, int | np.integer):
        images = np.asarray(background)
        if images.ndim != 4 or not len(images):
            raise InvalidInputError(f"background: expected images (m, h, w, c). Received: shape {images.shape}.")
        return images, f"{len(images)} references were given."
    if background < 1:
        raise InvalidInputError(f"background: expected at least 1 reference. Received: {background}.")
    source, where = _source(data)
    count = min(int(background), len(source))
    chosen = np.sort(np.random.default_rng(seed).choice(len(source), size=count, replace=False))
    return np.asarray(source[chosen]), f"{count} references drawn at random (seed {seed}) from {where}."


def _source(data: Dataset | ImageSource | NDArray[Any]) -> tuple[Any, str]:
    from diag.io.datasets import Dataset, load_dataset

    if not isinstance(data, Dataset):
        return data, "the images given"
    if data.split == "test":
        try:
            train = load_dataset(data.source, split="train")
        except DataError:
            train = None
        if train is not None and train.digest != data.digest and train.images.shape[1:] == data.images.shape[1:]:
            return train.images, f"the training split of {data.name}"
    return data.images, f"{data.name} itself (it has no training split)"
