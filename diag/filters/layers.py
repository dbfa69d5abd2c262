"""Kernels and activations of convolution layers."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.arrays import frozen
from diag.detection import settle
from diag.io import store
from diag.io.arguments import image_numbers
from diag.io.datasets import Dataset
from diag.results.activations import Activations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from diag.io.models import Model

MAX_MEMORY = 2e9
"""Bytes that kernels, or activations, may take."""


def kernels(model: Model, *, max_memory: float = MAX_MEMORY, cache: bool = True) -> Mapping[str, NDArray[np.float32]]:
    """Return the kernels of every 2-D convolution layer.

    Parameters
    ----------
    model : Model
    max_memory : float
        Bytes that they may take.
    cache : bool
        Look the result up by content, and keep it.

    Returns
    -------
    mapping of str to ndarray of float32, shape (kh, kw, in, out)
        In the order of the model. A depthwise kernel has shape (kh, kw, in, multiplier).

    Raises
    ------
    UnsupportedModelError
        For a scikit-learn model.
    InvalidInputError
        If they are larger than `max_memory`.
    """
    key = store.content_key(model=model.digest, versions=store.versions(("keras",)))
    kept = store.load("kernels", key) if cache else None
    if kept is None:
        kept = _closed(model.run("kernels", options={"max_memory": max_memory}))
        if cache:
            store.save("kernels", key, kept)
    return MappingProxyType(_named(kept))


def activations(
    model: Model,
    images: Dataset | NDArray[Any],
    layers: Sequence[str] | None = None,
    *,
    indices: Sequence[int] | NDArray[Any] | None = None,
    max_memory: float = MAX_MEMORY,
    cache: bool = True,
) -> Activations:
    """Return what layers answer to images, in inference mode.

    Parameters
    ----------
    model : Model
    images : Dataset or ndarray, shape (n, h, w, c)
        In the data's own units; the model's preprocessing is applied, so that the network sees what it saw in training.
    layers : sequence of str, optional
        Names of layers; every 2-D convolution when left out.
    indices : sequence of int, optional
        Which images; all when left out.
    max_memory : float
        Bytes that the answers may take.
    cache : bool
        Look the result up by content, and keep it.

    Returns
    -------
    Activations
        name -> (n, h', w', filters) float32, channels last whatever the layer's order.

    Raises
    ------
    InvalidInputError
        If there is no image or no layer of that name, or the answers are larger than `max_memory`.
    UnsupportedModelError
        For a scikit-learn model.
    """
    model.require_one_input()
    source = images.images if isinstance(images, Dataset) else np.asarray(images)
    chosen = image_numbers(indices, len(source))
    if isinstance(images, Dataset):
        model, _, _ = settle(model, images, cache=cache)
    elif not model.settled:
        model, _ = model.resolve(source)
    shown = np.asarray(source[chosen])
    inputs = model.prepare(shown)
    key = store.content_key(
        model=model.digest,
        inputs=store.array_digest(inputs),
        layers=None if layers is None else list(layers),
        versions=store.versions(("keras", "tensorflow")),
    )
    kept = store.load("activations", key) if cache else None
    if kept is None:
        options = {"layers": None if layers is None else list(layers), "max_memory": max_memory}
        kept = _closed(model.run("activations", {"inputs": inputs}, options))
        if cache:
            store.save("activations", key, kept)
    return Activations(
        layers=MappingProxyType(_named(kept)),
        indices=frozen(chosen),
        images=frozen(shown),
        model_name=model.name,
        model_digest=model.digest,
    )


def _named(entry: store.Entry) -> dict[str, NDArray[np.float32]]:
    return {name: entry.arrays[f"{place:04d}"] for place, name in enumerate(entry.meta["names"])}


def _closed(entry: store.Entry) -> store.Entry:
    """Return an entry whose arrays are read-only."""
    return store.Entry(meta=entry.meta, arrays={name: frozen(array) for name, array in entry.arrays.items()})
