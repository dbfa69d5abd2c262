"""What a model looks at in a class, or in one kind of error: mean maps, and clusters of maps.

A watermark or a border that a model has learned shows as a cluster of its own, judged by a corner or the border.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.arrays import frozen
from diag.errors import InvalidInputError
from diag.explain.logits import logit_maps
from diag.metrics.maps import block_sums
from diag.results.prototypes import MIN_IMAGES, MeanMaps, Prototypes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from diag.results.attribution import Attribution
    from diag.results.evaluation import Evaluation

MAX_CLUSTERS = 8
GAP_RATIO = 0.2
"""How small the c-th eigenvalue must be beside the next one for c > 1 clusters. Images along one continuous line have
(c - 1)^2 / c^2, 1/4 at least, so a mere continuum stays one cluster as a rule."""


def mean_maps(
    attribution: Attribution, by: Literal["true", "predicted", "cell"] = "true", *, contrast: bool = False
) -> MeanMaps:
    """Return the mean map of each class, or of each cell of the confusion matrix.

    Of each image the map of its predicted class is taken: what made the model say what it said.

    Parameters
    ----------
    attribution : Attribution
        With a map of the predicted class of each image.
    by : {"true", "predicted", "cell"}
        What makes a group. Images whose true class is none of the model's (-1) are left out of "true" and "cell".
    contrast : bool
        For ``by="cell"``: take "predicted rather than true" of errors. Elsewhere a group would mix two kinds of map.

    Returns
    -------
    MeanMaps
        Groups that have images, by class number.

    Raises
    ------
    InvalidInputError
        If `by` is unknown, true classes or a map are missing, or no image is left.
    """
    if by not in ("true", "predicted", "cell"):
        raise InvalidInputError(f"by: expected 'true', 'predicted' or 'cell'. Received: {by!r}.")
    if contrast and by != "cell":
        raise InvalidInputError(f"contrast: expected by='cell', where errors are among themselves. Received: {by!r}.")
    maps = _predicted_maps(attribution)
    y_true = attribution.y_true
    if y_true is None:
        if by != "predicted":
            raise InvalidInputError(f"by={by!r}: expected true classes. Received: none. Use by='predicted'.")
        y_true = np.full(len(attribution), -1, dtype=np.int64)
    if contrast:
        wrong = np.flatnonzero((y_true != attribution.y_pred) & (y_true >= 0))
        maps[wrong] -= _column(attribution, y_true, wrong)
    keys = np.stack([y_true, attribution.y_pred], axis=1)
    rows = np.arange(len(keys)) if by == "predicted" else np.flatnonzero(y_true >= 0)
    if by != "cell":
        keys[:, 1 if by == "true" else 0] = -1
    if not len(rows):
        raise InvalidInputError(f"by={by!r}: expected at least one image. Received: none.")
    pairs, group = np.unique(keys[rows], axis=0, return_inverse=True)
    members = [rows[group.reshape(-1) == number] for number in range(len(pairs))]
    return MeanMaps(
        maps=frozen(np.stack([np.abs(maps[chosen]).mean(axis=0) for chosen in members])),
        signed=frozen(np.stack([maps[chosen].mean(axis=0) for chosen in members])),
        groups=tuple(_said(attribution.class_names, int(a), int(b)) for a, b in pairs),
        pairs=frozen(pairs),
        counts=frozen(np.array([len(chosen) for chosen in members], dtype=np.int64)),
        by=by,
        contrast=contrast,
        **_provenance(attribution),
    )


def prototypes(attribution: Attribution, *, n_clusters: int | None = None, side: int = 16, seed: int = 0) -> Prototypes:
    """Return the ways of looking at some images: clusters of the maps of their predicted classes (SpRAy).

    Parameters
    ----------
    attribution : Attribution
        Of images that belong together: of one class, or of one cell of the confusion matrix.
    n_clusters : int, optional
        Read from the eigenvalues when left out, 1..8.
    side : int
        Maps are summed over blocks until no side is longer.
    seed : int
        Seeds the assignment to clusters.

    Returns
    -------
    Prototypes
        The same for the same seed. One cluster if there are fewer than 8 images.

    Raises
    ------
    InvalidInputError
        If there is no image or no map of a predicted class, or a number is out of range.

    Notes
    -----
    The question is where a model looks, so a map is its absolute values as shares of their sum: for and against
    alike, however sure the model is. Signed sums would cancel where both alternate, and then an image's noise
    outweighs a watermark. Distances are Hellinger's (between square roots of shares), which single hot pixels do
    not dominate.

    Images are linked to their 1 + ln n nearest neighbours. c clusters are accepted where the c-th eigenvalue of the
    normalised Laplacian is at most a fifth of the next one; of several such c the one with the widest gap. Time and
    memory grow with the cube and the square of the number of images.

    References
    ----------
    Lapuschkin et al. (2019), Nature Communications 10:1096, arXiv:1902.10178 (Spectral Relevance Analysis).
    von Luxburg (2007), arXiv:0711.0189, section 8 (neighbours, eigengap). Ng, Jordan & Weiss (2001), NIPS 14.
    """
    n = len(attribution)
    if not n:
        raise InvalidInputError("prototypes: expected at least one image. Received: none.")
    if side < 1:
        raise InvalidInputError(f"side: expected at least 1. Received: {side}.")
    if n_clusters is not None and not 1 <= n_clusters <= n:
        raise InvalidInputError(f"n_clusters: expected 1..{n}. Received: {n_clusters}.")
    maps = np.abs(_predicted_maps(attribution))
    points = np.sqrt(_shares(block_sums(maps, side)[0]).reshape(n, -1))
    squares = _squared_distances(points)
    n_neighbors = min(n - 1, 1 + math.ceil(math.log(n)))
    values, vectors = _spectrum(squares, n_neighbors, max(MAX_CLUSTERS, n_clusters or 0) + 1)
    count = n_clusters or (_eigengap_count(values) if n >= MIN_IMAGES else 1)
    labels = _assigned(vectors[:, :count], seed)
    distances = np.sqrt(squares / 2)
    medoids = np.array([_medoid(distances, np.flatnonzero(labels == c)) for c in range(labels.max() + 1)])
    to_medoid = distances[np.arange(n), medoids[labels]]
    shares = _shares(maps)
    means = np.stack([shares[labels == c].mean(axis=0) for c in range(len(medoids))])
    found = len(medoids)
    return Prototypes(
        labels=frozen(labels),
        indices=frozen(attribution.indices),
        distances=frozen(to_medoid),
        embedding=frozen(_principal(points)),
        sizes=frozen(np.bincount(labels)),
        medoids=frozen(attribution.indices[medoids]),
        maps=frozen(means),
        spread=frozen(np.array([to_medoid[labels == c].mean() for c in range(found)])),
        eigenvalues=frozen(values),
        eigengap=float(values[found] - values[found - 1]) if len(values) > found else float("nan"),
        requested=n_clusters is not None,
        n_neighbors=n_neighbors,
        side=side,
        available=n,
        cluster_seed=seed,
        **_provenance(attribution),
    )


def find_prototypes(
    run: Evaluation,
    *,
    true: int | str | None = None,
    predicted: int | str | None = None,
    n: int = 200,
    background: int | NDArray[Any] = 50,
    seed: int = 0,
    cache: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Prototypes:
    """Return the ways of looking at a class, or at one cell of the confusion matrix, of an evaluation.

    Parameters
    ----------
    run : Evaluation
        Of a Keras network.
    true, predicted : int or str, optional
        A class by number or name. One of them: the images of that class, or those taken for it; both: a cell.
    n : int
        At most so many images are explained, drawn at random.
    background : int or ndarray, shape (m, h, w, c)
        As in `diag.explain`.
    seed : int
        Seeds the draws of images and references, and the assignment to clusters.
    cache : bool
        Look the maps up by content, and keep them.
    progress : callable, optional
        Gets (images done, images in all).

    Raises
    ------
    InvalidInputError
        If no class is named, it does not exist, or it has no images.
    UnsupportedModelError
        If the model cannot be explained.

    Examples
    --------
    >>> find_prototypes(run, true="horse").verdict()  # doctest: +SKIP
    '2 ways of looking: 82% of the images (105 images) are judged by the middle; 18% (23 images) are judged by ...'
    """
    if true is None and predicted is None:
        raise InvalidInputError("find_prototypes: expected a class, true= or predicted=. Received: neither.")
    if n < 1:
        raise InvalidInputError(f"n: expected at least 1 image. Received: {n}.")
    chosen = np.ones(len(run), dtype=np.bool_)
    numbers = [-1, -1]
    for place, (column, wanted) in enumerate((("y_true", true), ("y_pred", predicted))):
        if wanted is not None:
            numbers[place] = _number(run.class_names, wanted)
            chosen &= run.samples[column] == numbers[place]
    group = _said(run.class_names, numbers[0], numbers[1])
    rows = np.flatnonzero(chosen)
    if not len(rows):
        raise InvalidInputError(f"find_prototypes: expected an image of {group!r}. Received: none in {run.data.name}.")
    drawn = np.sort(np.random.default_rng(seed).choice(rows, size=min(n, len(rows)), replace=False))
    attribution = logit_maps(run, drawn, background, seed, cache=cache, progress=progress)
    return replace(
        prototypes(attribution, seed=seed),
        group=group,
        available=len(rows),
        data_name=run.data.name,
        data_digest=run.data.digest,
    )


def _predicted_maps(attribution: Attribution) -> NDArray[np.float64]:
    """Return each image's map of its predicted class, channels summed, shape (n, h, w)."""
    return _column(attribution, attribution.y_pred, np.arange(len(attribution)))


def _column(attribution: Attribution, numbers: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the map of class `numbers` of each image in `rows`, wherever among its outputs it stands."""
    found = attribution.outputs[rows] == numbers[rows, None]
    missing = np.flatnonzero(~found.any(axis=1))
    if len(missing):
        row = rows[missing[0]]
        raise InvalidInputError(
            f"expected a map of class {attribution.class_names[numbers[row]]!r} for image "
            f"{int(attribution.indices[row])}. Received: maps of {', '.join(attribution.labels(row))}. "
            "Explain with outputs='all'."
        )
    maps = attribution.values[rows, ..., found.argmax(axis=1)].sum(axis=-1, dtype=np.float64)
    if not np.isfinite(maps).all():
        raise InvalidInputError("expected maps of finite numbers. Received: NaN or infinity.")
    return np.asarray(maps)


def _shares(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return maps (n, h, w) that sum to 1; zero maps stay zero."""
    totals = maps.sum(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(maps, totals, out=np.zeros_like(maps), where=totals > 0))


def _squared_distances(points: NDArray[np.float64]) -> NDArray[np.float64]:
    products = points @ points.T
    norms = products.diagonal()
    squares = np.maximum(norms[:, None] + norms - 2 * products, 0)
    np.fill_diagonal(squares, 0)
    return squares


def _spectrum(
    squares: NDArray[np.float64], n_neighbors: int, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest eigenvalues and eigenvectors of the normalised Laplacian of the neighbours' graph."""
    from scipy.linalg import eigh

    n = len(squares)
    if n == 1:
        return np.zeros(1), np.ones((1, 1))
    # No point is its own neighbour, though others may lie on it.
    order = np.argsort(squares - np.eye(n), axis=1, kind="stable")[:, 1 : n_neighbors + 1]
    linked = np.zeros((n, n))
    linked[np.arange(n)[:, None], order] = 1
    linked = np.maximum(linked, linked.T)
    scale = 1 / np.sqrt(linked.sum(axis=1))
    laplacian = np.eye(n) - scale[:, None] * linked * scale
    values, vectors = eigh(laplacian, subset_by_index=(0, min(n, count) - 1))
    return np.maximum(values, 0), vectors


def _eigengap_count(values: NDArray[np.float64]) -> int:
    """Return the number of clusters that ascending eigenvalues speak for; 1 if no gap is clear.

    Examples
    --------
    >>> _eigengap_count(np.array([0, 0.01, 0.3, 0.4])), _eigengap_count(np.array([0, 0.1, 0.2, 0.3]))
    (2, 1)
    """
    best, widest = 1, 1e-9
    for count in range(2, min(MAX_CLUSTERS, len(values) - 1) + 1):
        gap = float(values[count] - values[count - 1])
        if values[count - 1] <= GAP_RATIO * values[count] and gap > widest:
            best, widest = count, gap
    return best


def _assigned(vectors: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Return the cluster of each row of eigenvectors (n, c), the largest cluster first; fewer where rows are equal."""
    from sklearn.cluster import KMeans

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    points = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0).round(9)
    count = min(vectors.shape[1], len(np.unique(points, axis=0)))
    if count == 1:
        return np.zeros(len(points), dtype=np.int64)
    raw = KMeans(count, n_init=10, random_state=seed).fit(points).labels_
    _, first, inverse, sizes = np.unique(raw, return_index=True, return_inverse=True, return_counts=True)
    rank = np.argsort(np.lexsort((first, -sizes)))
    return np.asarray(rank[inverse], dtype=np.int64)


def _medoid(distances: NDArray[np.float64], rows: NDArray[np.int64]) -> int:
    return int(rows[distances[np.ix_(rows, rows)].sum(axis=1).argmin()])


def _principal(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first two principal components of points (n, d), the largest coordinate of each positive."""
    left, scale, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    scores = np.zeros((len(points), 2))
    scores[:, : min(2, len(scale))] = (left * scale)[:, :2]
    ends = scores[np.abs(scores).argmax(axis=0), [0, 1]]
    return scores * np.where(ends < 0, -1, 1)


def _number(class_names: tuple[str, ...], wanted: int | str) -> int:
    number = class_names.index(wanted) if isinstance(wanted, str) and wanted in class_names else wanted
    if isinstance(number, str) or not 0 <= number < len(class_names):
        raise InvalidInputError(
            f"expected a class name or a number in 0..{len(class_names) - 1}. Received: {wanted!r}."
        )
    return int(number)


def _said(class_names: tuple[str, ...], true: int, predicted: int) -> str:
    """Return what a group is called; -1 stands for any class."""
    if predicted < 0:
        return class_names[true]
    if true < 0:
        return f"taken for {class_names[predicted]}"
    return (
        f"{class_names[true]} (right)"
        if true == predicted
        else f"{class_names[true]} taken for {class_names[predicted]}"
    )


def _provenance(attribution: Attribution) -> dict[str, Any]:
    names = ("model_name", "model_digest", "method", "target", "n_background", "seed", "background_note")
    return {name: getattr(attribution, name) for name in names}
