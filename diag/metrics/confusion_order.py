"""Confusion matrices of many classes: an order by similarity, blocks, sums over windows, and the top confusions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.arrays import frozen
from diag.errors import InvalidInputError
from diag.metrics.intervals import wilson_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_OPTIMAL = 300
"""Up to so many connected classes leaves are ordered optimally; beyond, each merge is turned the better way round."""
MOST_LINKED = 6000
"""More connected classes than this stay in the order of their numbers, as one block: linkage takes memory k * k."""
MOST_GROUPS = 60
STRAY = 0.1
"""Blocks must be more similar than this share of what a class and its nearest one are, in the median, to be one."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassOrder:
    """Classes in an order in which those that are taken for each other are neighbours.

    Parameters
    ----------
    order : ndarray of int64, shape (k,)
        Class numbers, first to last.
    starts : ndarray of int64, shape (b,)
        Where each block begins in `order`; the first is 0. A block holds classes that are confused with each other
        more than with others; a class that is confused with none is a block of its own.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def blocks(self) -> tuple[NDArray[np.int64], ...]:
        """The class numbers of each block."""
        return tuple(np.split(self.order, self.starts[1:])) if len(self.order) else ()

    @property
    def position(self) -> NDArray[np.int64]:
        """Where each class stands, shape (k,): the inverse of `order`."""
        return np.argsort(self.order, kind="stable").astype(np.int64)


def class_order(confusion: NDArray[Any]) -> ClassOrder:
    """Return an order of classes by the similarity of their confusions, with blocks.

    The similarity of two classes is the share of their images that are taken for each other,
    (c_ij + c_ji) / (n_i + n_j). Classes that are connected by any confusion are put in a tree by average linkage; its
    leaves are ordered such that neighbours are similar. Blocks are the parts of the trees with the largest modularity,
    less a price for each pair of classes: without it, many classes make blocks that one stray confusion holds together.

    Parameters
    ----------
    confusion : ndarray of int, shape (k, k)
        Counts; rows are true classes.

    Returns
    -------
    ClassOrder
        Connected classes with the most errors first; classes without any error last, by number. Deterministic.

    Raises
    ------
    InvalidInputError
        If the matrix is not square.

    References
    ----------
    Bar-Joseph, Gifford & Jaakkola (2001), Fast optimal leaf ordering for hierarchical clustering. Bioinformatics 17,
    S22-S29. Newman & Girvan (2004), Finding and evaluating community structure in networks. Phys. Rev. E 69, 026113,
    eq. 5 (modularity). Fortunato & Barthelemy (2007), Resolution limit in community detection. PNAS 104, 36-41.

    Examples
    --------
    >>> counts = np.array([[9, 0, 3, 0], [0, 9, 0, 1], [4, 0, 9, 0], [0, 2, 0, 9]])
    >>> [sorted(block.tolist()) for block in class_order(counts).blocks]
    [[0, 2], [1, 3]]
    """
    from scipy.sparse.csgraph import connected_components

    counts = _square(confusion)
    k = len(counts)
    if not k:
        return ClassOrder(_frozen([]), _frozen([]))
    similarity = _similarity(counts)
    errors = (counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diagonal(counts)).astype(np.int64)
    n_parts, part = connected_components(similarity, directed=False)
    totals = np.bincount(part, weights=errors, minlength=n_parts)
    first = np.full(n_parts, k)
    np.minimum.at(first, part, np.arange(k))
    members = np.split(np.argsort(part, kind="stable"), np.cumsum(np.bincount(part, minlength=n_parts))[:-1])
    price = _price(similarity)
    ordered: list[NDArray[np.int64]] = []
    for number in np.lexsort((first, -totals)):
        classes = members[number]
        ordered += _blocks_of(classes, similarity[classes][:, classes], price) if len(classes) > 1 else [classes]
    lengths = [len(block) for block in ordered]
    return ClassOrder(_frozen(np.concatenate(ordered)), _frozen(np.cumsum([0, *lengths[:-1]])))


def _similarity(counts: NDArray[Any]) -> Any:
    """Return the sparse symmetric matrix of (c_ij + c_ji) / (n_i + n_j), with an empty diagonal."""
    from scipy.sparse import coo_array, csr_array

    true, predicted = np.nonzero(counts)
    apart = true != predicted
    true, predicted = true[apart], predicted[apart]
    support = counts.sum(axis=1).astype(np.float64)
    values = counts[true, predicted] / (support[true] + support[predicted])
    one_way = csr_array(coo_array((values, (true, predicted)), shape=counts.shape))
    return csr_array(one_way + one_way.T)


def _price(similarity: Any) -> tuple[float, float]:
    """Return the sum of all similarities, and the similarity under which two blocks are not one."""
    nearest = similarity.max(axis=1).toarray().ravel()
    nearest = nearest[nearest > 0]
    return float(similarity.sum()), STRAY * float(np.median(nearest)) if len(nearest) else 0.0


def _blocks_of(classes: NDArray[np.int64], similarity: Any, price: tuple[float, float]) -> list[NDArray[np.int64]]:
    """Return the ordered blocks of classes that are connected."""
    k = len(classes)
    if k > MOST_LINKED:
        return [classes]
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    dense = similarity.toarray()
    distance = squareform(1.0 - dense - np.eye(k), checks=False)
    tree = linkage(distance, method="average")
    leaves = leaves_list(optimal_leaf_ordering(tree, distance)) if k <= MOST_OPTIMAL else _chained(tree, dense)
    block = _modular(tree, dense, price)[leaves]
    ends = np.flatnonzero(np.diff(block)) + 1
    return list(np.split(classes[leaves], ends))


def _chained(tree: NDArray[np.float64], similarity: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the leaves of a tree, each merge turned such that the two ends that meet are the most similar."""
    k = len(tree) + 1
    chains: dict[int, list[int]] = {leaf: [leaf] for leaf in range(k)}
    for step, (left, right) in enumerate(tree[:, :2].astype(int)):
        a, b = chains.pop(left), chains.pop(right)
        meeting = [similarity[a[-1], b[0]], similarity[a[-1], b[-1]], similarity[a[0], b[0]], similarity[a[0], b[-1]]]
        best = int(np.argmax(meeting))
        a = a if best < 2 else a[::-1]
        chains[k + step] = a + (b if best in (0, 2) else b[::-1])
    return np.asarray(chains[2 * k - 2])


def _modular(
    tree: NDArray[np.float64], similarity: NDArray[np.float64], price: tuple[float, float]
) -> NDArray[np.int64]:
    """Return each leaf's block: the parts of the tree that together are worth the most of all cuts.

    What cuts are worth is a sum over blocks, so the best one is found from the leaves up: a part stays whole where
    that is worth more than the best cuts of its two halves.
    """
    k = len(tree) + 1
    total, stray = price
    size, within, degree = np.ones(2 * k - 1), np.zeros(2 * k - 1), np.zeros(2 * k - 1)
    degree[:k] = similarity.sum(axis=1)
    best = -np.square(degree) / total - stray
    whole = np.ones(2 * k - 1, dtype=bool)
    halves = tree[:, :2].astype(int)
    for step, (left, right) in enumerate(halves):
        node = k + step
        size[node], degree[node] = size[left] + size[right], degree[left] + degree[right]
        between = (1.0 - tree[step, 2]) * size[left] * size[right]
        within[node] = within[left] + within[right] + 2 * between
        own = within[node] - degree[node] ** 2 / total - stray * size[node] ** 2
        cut = best[left] + best[right]
        whole[node], best[node] = own > cut, max(own, cut)
    block = np.arange(2 * k - 1)
    for node in range(2 * k - 2, k - 1, -1):
        if whole[node] or block[node] != node:
            block[halves[node - k]] = block[node]
    return block[:k]


def window_edges(order: ClassOrder, start: int, stop: int, most: int = MOST_GROUPS) -> NDArray[np.int64]:
    """Return where the groups of a window begin and end: at most `most` groups of about the same size.

    Parameters
    ----------
    order : ClassOrder
    start, stop : int
        The window of positions in the order, 0 <= start < stop <= k.
    most : int
        Up to so many classes every class is a group. Beyond, an edge moves to the nearest begin of a block where one
        is within half a group, so that blocks stay whole.

    Returns
    -------
    ndarray of int64, shape (groups + 1,)
        Increasing, from `start` to `stop`.

    Raises
    ------
    InvalidInputError
        If the window is empty or outside of the order, or `most` is below 1.
    """
    if not 0 <= start < stop <= len(order.order) or most < 1:
        raise InvalidInputError(
            f"window_edges: expected 0 <= start < stop <= {len(order.order)} and most >= 1. "
            f"Received: {start}, {stop}, {most}."
        )
    if stop - start <= most:
        return _frozen(np.arange(start, stop + 1))
    size = -(-(stop - start) // most)
    groups = -(-(stop - start) // size)
    even = np.linspace(start, stop, groups + 1)
    step = (stop - start) / groups
    begins = order.starts[(order.starts > start) & (order.starts < stop)]
    edges = [start, stop]
    for edge in even[1:-1]:
        nearest = begins[np.argmin(np.abs(begins - edge))] if len(begins) else None
        close = nearest is not None and abs(nearest - edge) <= step / 2
        edges.append(int(nearest) if close and nearest is not None else round(edge))
    return _frozen(np.unique(edges))


def block_counts(
    confusion: NDArray[Any], order: ClassOrder, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sums of a confusion matrix over blocks of classes.

    Parameters
    ----------
    confusion : ndarray of int, shape (k, k)
    order : ClassOrder
    rows, columns : ndarray of int64
        Edges of groups in the order, as `window_edges` returns them.

    Returns
    -------
    images, errors : ndarray of int64, shape (row groups, column groups)
        Samples in each block, and those of them that are no right answers.
    """
    counts = _square(confusion)
    part = counts[np.ix_(order.order[rows[0] : rows[-1]], order.order[columns[0] : columns[-1]])]

    def sums(values: NDArray[Any]) -> NDArray[np.int64]:
        by_row = np.add.reduceat(values, rows[:-1] - rows[0], axis=0)
        return np.asarray(np.add.reduceat(by_row, columns[:-1] - columns[0], axis=1), dtype=np.int64)

    own = order.order[rows[0] : rows[-1], None] == order.order[None, columns[0] : columns[-1]]
    return sums(part), sums(np.where(own, 0, part))


def top_confusions(confusion: NDArray[Any], n: int | None = 20) -> dict[str, NDArray[Any]]:
    """Return the confusions with the most samples.

    Parameters
    ----------
    confusion : ndarray of int, shape (k, k)
        Counts; rows are true classes.
    n : int or None
        At most so many; None for all.

    Returns
    -------
    dict of str to ndarray, shape (m,)
        ``y_true``, ``y_pred``, ``count``; ``share`` of the true class's samples with its 95 % interval ``share_low``,
        ``share_high`` (Wilson); ``share_of_errors``; ``reverse``, the count of the other way round. Largest count
        first, then largest share, then by number.

    Raises
    ------
    InvalidInputError
        If the matrix is not square, or `n` is below 1.

    Examples
    --------
    >>> found = top_confusions(np.array([[8, 2], [1, 9]]))
    >>> found["count"].tolist(), found["share"].tolist(), found["reverse"].tolist()
    ([2, 1], [0.2, 0.1], [1, 2])
    """
    if n is not None and n < 1:
        raise InvalidInputError(f"top_confusions: expected n of at least 1, or None for all. Received: {n}.")
    counts = _square(confusion)
    true, predicted = np.nonzero(counts)
    apart = true != predicted
    true, predicted = true[apart], predicted[apart]
    count = counts[true, predicted].astype(np.int64)
    support = counts.sum(axis=1)[true]
    errors = int(count.sum())
    best = np.lexsort((predicted, true, -count / support, -count))[:n]
    true, predicted, count, support = true[best], predicted[best], count[best], support[best]
    low, high = wilson_interval(count, support)
    return {
        "y_true": true,
        "y_pred": predicted,
        "count": count,
        "share": count / support,
        "share_low": low,
        "share_high": high,
        "share_of_errors": count / max(errors, 1),
        "reverse": counts[predicted, true].astype(np.int64),
    }


def _square(confusion: NDArray[Any]) -> NDArray[Any]:
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise InvalidInputError(f"expected a square matrix of counts (k, k). Received: shape {counts.shape}.")
    return counts


def _frozen(values: Any) -> NDArray[np.int64]:
    return frozen(np.asarray(values, dtype=np.int64))
