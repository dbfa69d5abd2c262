"""Embeddings: images as what the last layer before the decision makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.arrays import frozen
from diag.detection import settle
from diag.errors import InvalidInputError, UnsupportedModelError
from diag.explain.background import stratified
from diag.filters.network import hashed
from diag.filters.penultimate import LARGEST
from diag.io import store
from diag.io.datasets import Dataset
from diag.io.ensembles import EnsembleModel
from diag.results.embedding import Embedding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from diag.io.models import Model

MOST = 20_000
"""Images that are embedded when no indices are given."""
BATCH_BYTES = 32 * 2**20
"""A batch's prepared input takes no more than this."""
VERSION = 1
"""Raised when features are made in another way: kept ones are then not found."""


def embed(
    model: Model,
    data: Dataset | NDArray[Any],
    indices: Sequence[int] | NDArray[Any] | None = None,
    cache: bool = True,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Embedding:
    """Return the input of a network's classifying layer for images, in inference mode.

    Nested models are opened; what stands behind the classifying layer (softmax, dropout, pooling, normalisation) is
    skipped. A feature map of more than 4,096 numbers, and what a 1x1 convolution gets, is averaged over space; other
    features that are wider are hashed to 4,096 numbers, which keeps distances (Weinberger et al. 2009). For a network
    of one dense layer, and for a scikit-learn estimator, which has no layers, it is the image itself, prepared for the
    model. Of an ensemble it is the members' features side by side.

    Parameters
    ----------
    model : Model
    data : Dataset, or ndarray of shape (n, h, w, c)
        In the data's own units; the model's preprocessing is applied. Read batch by batch.
    indices : sequence of int, optional
        Which images. When left out: all, or a sample of 20,000, each class with its share.
    cache : bool
        Look the result up by content, and keep it.
    seed : int
        For that sample.
    progress : callable, optional
        Gets (images done, images in all).

    Returns
    -------
    Embedding

    Raises
    ------
    InvalidInputError
        If an index does not exist, or the network returns NaN.
    UnsupportedModelError
        If the network has several inputs or is not a graph of layers.

    References
    ----------
    Weinberger et al. (2009), Feature hashing for large scale multitask learning, ICML, eq. 1.

    Examples
    --------
    >>> embed(load_model("cnn.h5"), load_dataset("digits")).features.shape  # doctest: +SKIP
    (797, 128)
    """
    source = data.images if isinstance(data, Dataset) else np.asarray(data)
    labels = data.labels if isinstance(data, Dataset) else None
    chosen, sampled = _chosen(indices, len(source), labels, seed)
    if not isinstance(model, EnsembleModel):
        _require_one_input(model)
    if isinstance(data, Dataset):
        model, _, _ = settle(model, data, cache=cache)
    elif not model.settled:
        model, _ = model.resolve(source)
    digest = data.digest if isinstance(data, Dataset) else ""
    if isinstance(model, EnsembleModel):
        parts = [embed(member, data, chosen, cache, progress=progress) for member in model.members]
        return _side_by_side(model, parts, sampled)
    key = store.content_key(
        result="embedding",
        method=VERSION,
        model=model.digest,
        inputs=digest or store.array_digest(np.asarray(source)),
        indices=store.array_digest(chosen),
        preprocessing=model.preprocessing.to_dict(),
        head=model.output_notes(),
        versions=store.versions(("keras", "tensorflow") if model.is_keras else ("scikit-learn",)),
    )
    kept = store.load("embeddings", key) if cache else None
    if kept is None or kept.arrays.get("features", np.zeros(0)).shape[:1] != chosen.shape:
        kept = _embedded(model, source, chosen, progress)
        if cache:
            store.save("embeddings", key, kept)
    return Embedding(
        features=kept.arrays["features"],
        indices=frozen(chosen),
        total=len(source),
        layer=str(kept.meta["layer"]),
        note=f"{kept.meta['note']}{sampled}",
        model_name=model.name,
        model_digest=model.digest,
        data_digest=digest,
    )


def _side_by_side(model: EnsembleModel, parts: list[Embedding], sampled: str) -> Embedding:
    """Return the members' features as one row an image, every member with the same mean length."""
    scaled = [part.features / max(float(np.linalg.norm(part.features, axis=1).mean()), 1e-30) for part in parts]
    rows = np.concatenate(scaled, axis=1) if len(parts[0]) else parts[0].features
    told = " ".join(f"{part.model_name}: {part.note}" for part in parts)
    return Embedding(
        features=frozen(hashed(rows.astype(np.float32))),
        indices=parts[0].indices,
        total=parts[0].total,
        layer=", ".join(dict.fromkeys(part.layer for part in parts)),
        note=f"Features of {len(parts)} members side by side, each with a mean length of 1. {told}{sampled}",
        model_name=model.name,
        model_digest=model.digest,
        data_digest=parts[0].data_digest,
    )


def _chosen(indices: Any, n: int, labels: NDArray[np.int64] | None, seed: int) -> tuple[NDArray[np.int64], str]:
    """Return the images to embed, and what is to be said about them."""
    if indices is None:
        if n <= MOST:
            return np.arange(n), ""
        how = "at random" if labels is None else "at random by class"
        return stratified(labels, MOST, seed, n), f" {MOST:,} of {n:,} images, drawn {how} (seed {seed})."
    chosen = np.array(indices, dtype=np.int64).reshape(-1)
    if len(chosen) and (chosen.min() < 0 or chosen.max() >= n):
        raise InvalidInputError(f"indices: expected 0..{n - 1}. Received: {chosen.min()}..{chosen.max()}.")
    return chosen, ""


def _require_one_input(model: Model) -> None:
    if len(model.file.inputs) > 1:
        names = ", ".join(end.name for end in model.file.inputs)
        raise UnsupportedModelError(
            f"{model.name}: expected a network with one input. Received: one that takes {names}. It has no embedding "
            "of the images alone."
        )


def _embedded(
    model: Model, images: Any, chosen: NDArray[np.int64], progress: Callable[[int, int], None] | None
) -> store.Entry:
    run = _network if model.is_keras else _flat
    features: NDArray[np.float32] | None = None
    found: store.Entry | None = None
    for start, batch in _batches(model, images, chosen):
        found = run(model, batch)
        rows = found.arrays["features"]
        if features is None:
            features = np.empty((len(chosen), rows.shape[1]), dtype=np.float32)
        if not np.isfinite(rows).all():
            bad = chosen[start + int(np.argmin(np.isfinite(rows).all(axis=1)))]
            raise InvalidInputError(
                f"{model.name}: layer {found.meta['layer']!r} returned NaN or infinity for image {bad}. Look for NaN "
                "in its weights, or a wrong scale of the input."
            )
        features[start : start + len(rows)] = rows
        if progress is not None:
            progress(start + len(rows), len(chosen))
    said = (found or run(model, None)).meta
    wide = f" Hashed to {LARGEST:,} numbers, which keeps distances." if said["size"] > LARGEST else ""
    kept = features if features is not None else np.zeros((0, 0), dtype=np.float32)
    return store.Entry(meta={"layer": said["layer"], "note": said["note"] + wide}, arrays={"features": frozen(kept)})


def _batches(model: Model, images: Any, chosen: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (place of the first image, prepared inputs)."""
    if not len(chosen):
        return
    one = model.prepare(np.asarray(images[chosen[:1]])).nbytes
    size = int(min(256, max(1, BATCH_BYTES // max(1, one))))
    for start in range(0, len(chosen), size):
        yield start, model.prepare(np.asarray(images[chosen[start : start + size]]))


def _network(model: Model, batch: NDArray[np.float32] | None) -> store.Entry:
    """Return features (n, d) of prepared inputs, and where they come from; the latter also without inputs."""
    return model.run("features", {} if batch is None else {"inputs": batch}, {"name": model.name})


def _flat(model: Model, batch: NDArray[np.float32] | None) -> store.Entry:
    """Return the same for an estimator: the inputs themselves."""
    rows = np.zeros((0, 0), np.float32) if batch is None else np.asarray(batch, np.float32).reshape(len(batch), -1)
    size = rows.shape[1]
    note = f"The input itself, prepared for the model ({size:,} numbers): an estimator has no layers."
    return store.Entry(meta={"layer": "input", "note": note, "size": size}, arrays={"features": hashed(rows)})
