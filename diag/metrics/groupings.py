"""Samples are grouped without a look at right and wrong: by the values of a column, or by clusters of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

N_BINS = 4
"""Numbers are cut at their quartiles."""
FEW_VALUES = 10
"""Numbers with no more different values than this are taken as names of groups."""
MOST_VALUES = 50
"""Groups of one column, at most: the largest ones."""
COMPONENTS = 50
FIT = 20_000
"""Components and clusters are fitted on at most so many samples, drawn at random; the rest join the nearest cluster."""


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """One way to divide samples.

    Parameters
    ----------
    name : str
        The column, or what was clustered.
    codes : ndarray of int32, shape (n,)
        The group of each sample, -1 where it is in none. Read-only.
    labels : tuple of str
        What each group is called.
    kind : str
        "class", "metadata", "image" or "cluster".
    """

    name: str
    codes: NDArray[np.int32]
    labels: tuple[str, ...]
    kind: str = "metadata"

    def __post_init__(self) -> None:
        """Freeze the codes."""
        self.codes.flags.writeable = False

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.labels)


def column_grouping(name: str, values: ArrayLike, kind: str = "metadata", bins: int = N_BINS) -> Grouping:
    """Return the groups of a column: one a value, or `bins` quantile bins of numbers and dates with many values.

    Parameters
    ----------
    name : str
    values : array_like, shape (n,)
        Numbers, dates, truth values or texts. None, NaN, NaT and empty texts are missing.
    kind : str
        Handed on.
    bins : int
        How many bins numbers are cut into; bins with equal edges are joined.

    Examples
    --------
    >>> column_grouping("camera", ["a", "b", "a", ""]).labels
    ('camera = a', 'camera = b')
    >>> column_grouping("age", range(100), bins=2).labels
    ('age 0 to 49', 'age 50 to 99')
    """
    column = np.asarray(values)
    if column.ndim != 1:
        raise InvalidInputError(f"column {name}: expected one value a sample, shape (n,). Received: {column.shape}.")
    if column.dtype.kind in "iufM":
        missing = _missing(column)
        known = column[~missing]
        if len(np.unique(known)) > FEW_VALUES:
            return _binned(name, column, missing, kind, bins)
    return _named(name, column, kind)


def _missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    if column.dtype.kind == "M":
        return np.asarray(np.isnat(column))
    return np.asarray(np.isnan(column)) if column.dtype.kind == "f" else np.zeros(len(column), dtype=bool)


def _binned(name: str, column: NDArray[Any], missing: NDArray[np.bool_], kind: str, bins: int) -> Grouping:
    numbers = column.astype(np.int64) if column.dtype.kind == "M" else column.astype(np.float64)
    known = np.sort(numbers[~missing])
    below = known[known < known[-1]].max()  # so that a value that most samples have can be the last bin
    edges = np.unique(np.minimum(known[[max(len(known) * part // bins - 1, 0) for part in range(1, bins)]], below))
    codes = np.searchsorted(edges, numbers, side="left").astype(np.int32)
    codes[missing] = -1
    used, codes = _compact(codes)
    labels = []
    for code in range(len(used)):
        inside = column[codes == code]
        labels.append(f"{name} {_shown(inside.min())} to {_shown(inside.max())}")
    return Grouping(name, codes, tuple(labels), kind)


def _compact(codes: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the codes in use, and the codes numbered without gaps; -1 stays."""
    used = np.unique(codes[codes >= 0])
    renumbered = np.where(codes < 0, -1, np.searchsorted(used, codes)).astype(np.int32)
    return used, renumbered


def _shown(value: Any) -> str:
    if isinstance(value, np.datetime64):
        return str(value)[:10]
    return f"{float(value):.4g}"


def _named(name: str, column: NDArray[Any], kind: str) -> Grouping:
    import pandas as pd

    try:
        first, values = pd.factorize(column)  # missing ones are -1
    except TypeError:  # lists and the like, which have no hash
        first, values = pd.factorize(
            np.array([None if value is None else str(value) for value in column], dtype=object)
        )
    texts = [str(value) for value in values]
    numeric = column.dtype.kind in "biuf"
    order = {text: value if numeric else text for value, text in zip(values, texts, strict=True) if text.strip()}
    names = sorted(order, key=lambda text: order[text])
    number = {text: row for row, text in enumerate(names)}
    merged = np.array([*(number.get(text, -1) for text in texts), -1], dtype=np.int32)  # the last: where -1 leads
    codes = merged[first]
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_VALUES])
    place = np.full(len(names) + 1, -1, dtype=np.int32)
    place[kept] = np.arange(len(kept))
    return Grouping(name, place[codes], tuple(f"{name} = {names[row]}" for row in kept), kind)


def crossed(one: Grouping, other: Grouping) -> Grouping:
    """Return the groups of samples that share a group in both.

    Examples
    --------
    >>> both = crossed(column_grouping("a", ["x", "x", "y"]), column_grouping("b", ["1", "2", "1"]))
    >>> both.labels[0], both.codes.tolist()
    ('a = x, b = 1', [0, 1, 2])
    """
    codes = np.where((one.codes < 0) | (other.codes < 0), -1, one.codes * len(other) + other.codes).astype(np.int32)
    labels = tuple(f"{first}, {second}" for first in one.labels for second in other.labels)
    return Grouping(f"{one.name} and {other.name}", codes, labels, "pair")


def components(features: NDArray[Any], seed: int = 0, most: int = COMPONENTS) -> tuple[NDArray[np.float32], Any]:
    """Return the principal components of features that are first brought to length 1, and the fitted PCA.

    Parameters
    ----------
    features : ndarray of float, shape (n, d)
    seed : int
        Seeds the sample of `FIT` rows that the components are fitted on, where there are more.
    most : int
        Components, at most.

    Returns
    -------
    scores : ndarray of float32, shape (n, c)
        With c the smallest of `most`, d and n.
    pca : sklearn.decomposition.PCA
        ``explained_variance_ratio_`` are shares of the variance.
    """
    from sklearn.decomposition import PCA

    flat = np.asarray(features, dtype=np.float32).reshape(len(features), -1)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    unit = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(unit), FIT, replace=False)) if len(unit) > FIT else slice(None)
    fitted = unit[rows]
    pca = PCA(min(most, *fitted.shape), svd_solver="randomized" if min(fitted.shape) > most else "full",
              random_state=seed)  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):  # features that are all equal have no variance to share
        pca.fit(fitted)
    return np.asarray(pca.transform(unit), dtype=np.float32), pca


def cluster_codes(scores: NDArray[np.float32], k: int, seed: int = 0) -> NDArray[np.int32]:
    """Return the k-means cluster of each sample, numbered from the largest to the smallest.

    Fitted on at most `FIT` samples, in mini batches where there are more than 5,000.

    Parameters
    ----------
    scores : ndarray of float32, shape (n, c)
    k : int
        Clusters; fewer where there are not so many different samples.

    References
    ----------
    Sculley (2010), Web-scale k-means clustering. WWW 2010, 1177-1178.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans

    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(scores), FIT, replace=False)) if len(scores) > FIT else np.arange(len(scores))
    fitted = scores[rows]
    k = min(k, len(np.unique(fitted[:, :2], axis=0)))
    if k < 2:
        return np.zeros(len(scores), dtype=np.int32)
    if len(fitted) > 5000:
        means = MiniBatchKMeans(k, random_state=seed, n_init=3, batch_size=4096)
    else:
        means = KMeans(k, random_state=seed, n_init=3)
    codes = np.asarray(means.fit(fitted).predict(scores))
    order = np.argsort(-np.bincount(codes, minlength=k), kind="stable")
    place = np.empty(k, dtype=np.int32)
    place[order] = np.arange(k)
    found: NDArray[np.int32] = place[codes]
    return found
