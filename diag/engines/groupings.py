"""The ways in which the samples of a data set are divided before anybody looks at errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DiagError, InvalidInputError
from diag.io import store
from diag.metrics.groupings import Grouping, cluster_codes, column_grouping, components

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from diag.io.datasets import Dataset
    from diag.results.embedding import Embedding
    from diag.results.evaluation import Evaluation

GROUPS_OF = ("class", "metadata", "image", "cluster")
CLUSTERS = (5, 10, 20)
"""Clusters of all images."""
IN_CLASS = 4
"""Clusters inside a class, at most; each class gets so many that they hold twice the smallest size on average."""
CLASSES = 100
"""Classes that are clustered inside, at most: the largest."""
PIXEL_BUDGET = 2**28
"""Numbers read for brightness and contrast, at most; of larger data, a random sample of images."""


def groupings_of(
    run: Evaluation,
    embedding: Embedding | NDArray[Any] | None,
    metadata: Mapping[str, Any] | None,
    *,
    by: Sequence[str],
    min_size: int,
    seed: int,
    cache: bool,
) -> tuple[list[Grouping], tuple[str, ...]]:
    """Return the groupings of a run's samples, names all different, and what is to be said about them."""
    found: list[Grouping] = []
    notes: list[str] = []
    if "class" in by:
        found.append(class_grouping(run.samples["y_true"], run.class_names))
    if "metadata" in by:
        found += _metadata_groupings(run, run.data.metadata if metadata is None else metadata)
    if "image" in by:
        columns, note = image_columns(run.data, seed, cache)
        found += [column_grouping(name, values, "image") for name, values in columns.items()]
        notes += note
    if "cluster" in by:
        clusters, note = _cluster_groupings(run, embedding, min_size, seed, cache)
        found += clusters
        notes += note
    return [each for each in found if len(each)], tuple(notes)


def class_grouping(y_true: NDArray[np.int64], class_names: Sequence[str]) -> Grouping:
    """Return the true classes as groups."""
    return Grouping("class", y_true.astype(np.int32), tuple(f"class {name}" for name in class_names), "class")


def _metadata_groupings(run: Evaluation, columns: Mapping[str, Any] | None) -> list[Grouping]:
    found = []
    for name in columns if columns is not None else ():
        values = np.asarray(columns[name])  # type: ignore[index]
        if values.ndim != 1 and columns is run.data.metadata:
            continue  # several numbers an image, such as a box, are no groups
        if len(values) != len(run):
            raise InvalidInputError(
                f"metadata: expected {len(run)} values a column, one a sample. Received: {len(values)} in {name!r}."
            )
        taken = str(name) in ("class", "brightness", "contrast") or str(name).startswith("clusters")
        found.append(column_grouping(f"meta_{name}" if taken else str(name), values))
    return found


def image_columns(data: Dataset, seed: int, cache: bool) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """Return brightness and contrast of the images: mean and standard deviation of their grey values, shape (n,).

    In the data's own units; NaN where an image was not read.
    """
    most = max(1000, PIXEL_BUDGET // max(1, int(np.prod(data.images.shape[1:]))))
    n = len(data.images)
    key = store.content_key(result="image columns", data=data.digest, most=most, seed=seed if n > most else 0)
    kept = store.load("slices", key) if cache else None
    if kept is None:
        kept = store.Entry(meta={}, arrays=_measured(data.images, min(most, n), seed))
        if cache:
            store.save("slices", key, kept)
    note = [f"Brightness and contrast are known of {most:,} of {n:,} images, drawn at random (seed {seed})."]
    return {name: kept.arrays[name] for name in ("brightness", "contrast")}, note if n > most else []


def _measured(images: Any, most: int, seed: int) -> dict[str, NDArray[np.float64]]:
    from diag.metrics.pixels import grey

    n = len(images)
    rows = np.arange(n)
    if n > most:
        rows = np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
    brightness, contrast = np.full(n, np.nan), np.full(n, np.nan)
    for start in range(0, len(rows), 256):
        part = rows[start : start + 256]
        greys = grey(np.asarray(images[part]).astype(np.float32))
        brightness[part], contrast[part] = greys.mean(axis=(1, 2)), greys.std(axis=(1, 2))
    return {"brightness": brightness, "contrast": contrast}


def _cluster_groupings(
    run: Evaluation, embedding: Embedding | NDArray[Any] | None, min_size: int, seed: int, cache: bool
) -> tuple[list[Grouping], list[str]]:
    if embedding is None:
        from diag.filters.embedding import embed

        try:
            embedding = embed(run.model, run.data, cache=cache)
        except DiagError as error:
            return [], [f"No clusters of the embedding: {error}"]
    notes = []
    if isinstance(embedding, np.ndarray):
        features, indices = embedding, np.arange(len(embedding))
        source = {"features": store.array_digest(embedding)} if cache else {}
    else:
        features, indices = embedding.features, embedding.indices
        source = {"model": embedding.model_digest, "layer": embedding.layer, "indices": store.array_digest(indices)}
        notes.append(f"Clusters of layer {embedding.layer!r} of {embedding.model_name}. {embedding.note}".strip())
    if len(features) != len(indices) or (isinstance(embedding, np.ndarray) and len(features) != len(run)):
        raise InvalidInputError(f"embedding: expected features of {len(run)} samples. Received: {len(features)}.")
    y_true = run.samples["y_true"][indices]
    key = store.content_key(
        result="clusters", **source, data=run.data.digest, labels=store.array_digest(y_true), smallest=min_size,
        seed=seed, sizes=CLUSTERS,
    )  # fmt: skip
    kept = store.load("slices", key) if cache else None
    if kept is None:
        kept = store.Entry(meta={}, arrays=_clusters(features, y_true, min_size, seed))
        if cache:
            store.save("slices", key, kept)
    found = []
    for name, codes in kept.arrays.items():
        inside = name == "inside"
        labels = _class_labels(codes, y_true, run.class_names) if inside else _labels(codes, y_true, run.class_names)
        everywhere = np.full(len(run), -1, dtype=np.int32)
        everywhere[indices] = codes
        title = "clusters inside classes" if inside else f"clusters {name.removeprefix('all')}"
        found.append(Grouping(title, everywhere, labels, "cluster"))
    return found, notes


def _clusters(
    features: NDArray[Any], y_true: NDArray[np.int64], min_size: int, seed: int
) -> dict[str, NDArray[np.int32]]:
    """Return cluster codes by name: ``all5`` and so on for clusters of all images, ``inside`` for those in classes."""
    if len(features) < 4 * min_size:
        return {}
    scores, _ = components(features, seed)
    found = {f"all{k:02d}": cluster_codes(scores, k, seed) for k in CLUSTERS if len(scores) >= 2 * k * min_size}
    inside = np.full(len(scores), -1, dtype=np.int32)
    counts = np.bincount(y_true)
    last = 0
    for number in np.argsort(-counts, kind="stable")[:CLASSES]:
        k = min(IN_CLASS, int(counts[number]) // (2 * min_size))
        if k < 2:
            break
        rows = np.flatnonzero(y_true == number)
        codes = cluster_codes(scores[rows], k, seed)
        if codes.max() > 0:
            inside[rows] = codes + last
            last += int(codes.max()) + 1
    if last:
        found["inside"] = inside
    return found


def _labels(codes: NDArray[np.int32], y_true: NDArray[np.int64], names: Sequence[str]) -> tuple[str, ...]:
    """Return what clusters of all images are called: by their number, and the classes that most are of."""
    count = int(codes.max()) + 1
    table = np.zeros((count, len(names)), dtype=np.int64)
    np.add.at(table, (codes, y_true), 1)
    labels = []
    for number, row in enumerate(table):
        first, second = np.argsort(-row, kind="stable")[:2] if len(row) > 1 else (0, 0)
        most = 2 * row[first] > row.sum()
        said = f"mostly {names[first]}" if most else f"{names[first]}, {names[second]} and others"
        labels.append(f"cluster {number + 1} of {count} ({said})")
    return tuple(labels)


def _class_labels(codes: NDArray[np.int32], y_true: NDArray[np.int64], names: Sequence[str]) -> tuple[str, ...]:
    """Return what clusters inside classes are called; their codes follow each other class by class."""
    known, first = np.unique(codes[codes >= 0], return_index=True)
    owners = y_true[np.flatnonzero(codes >= 0)[first]]
    labels: list[str] = []
    for code, owner in zip(known, owners, strict=True):
        same = np.flatnonzero(owners == owner)
        labels.append(f"class {names[owner]}, cluster {int(code) - int(known[same[0]]) + 1} of {len(same)}")
    return tuple(labels)
