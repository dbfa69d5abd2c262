"""Where a model looks: the mean maps of groups of images, and the ways of looking within one group."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

NOWHERE = "nowhere"
"""The location of a map that is zero everywhere."""

SPREAD = "spread over the image"
"""The location of a map without a place of its own."""

MIN_IMAGES = 8
"""With fewer images no ways of looking are told apart."""


@dataclass(frozen=True, slots=True, eq=False)
class MeanMaps:
    """The mean attribution map of each class, or of each cell of the confusion matrix.

    Parameters
    ----------
    maps : ndarray of float64, shape (g, h, w)
        Mean over a group's images of the absolute map, summed over channels, in units of the output.
    signed : ndarray of float64, shape (g, h, w)
        Mean of the same maps with their sign: what speaks for and against in turn cancels here.
    groups : tuple of str
        What each group is called: "3" (true), "taken for 3" (predicted), "3 (right)" and "3 taken for 5" (cell).
    pairs : ndarray of int64, shape (g, 2)
        True and predicted class of each group, -1 for any.
    counts : ndarray of int64, shape (g,)
        Number of images, at least 1.
    by : str
        "true", "predicted" or "cell".
    contrast : bool
        Whether errors are shown by "predicted rather than true".
    model_name, model_digest, method, target, background_note : str
    n_background, seed : int
        As in the `Attribution` that they come from.
    """

    maps: NDArray[np.float64]
    signed: NDArray[np.float64]
    groups: tuple[str, ...]
    pairs: NDArray[np.int64]
    counts: NDArray[np.int64]
    by: str
    contrast: bool = False
    model_name: str = ""
    model_digest: str = ""
    method: str = ""
    target: str = "probability"
    n_background: int = 0
    seed: int = 0
    background_note: str = ""

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.groups)

    @property
    def locations(self) -> tuple[str, ...]:
        """Where each of `maps` lies, in words, see `location`."""
        return tuple(location(values) for values in self.maps)

    def frame(self) -> pd.DataFrame:
        """Return one row a group.

        Returns
        -------
        DataFrame
            ``group``, ``true`` and ``predicted`` (class numbers, -1 for any), ``count`` (images), ``absolute`` (sum of
            its mean absolute map), ``signed`` (sum of its mean map, both in units of the output) and ``location``.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "group": list(self.groups),
                "true": self.pairs[:, 0],
                "predicted": self.pairs[:, 1],
                "count": self.counts,
                "absolute": self.maps.sum(axis=(1, 2)),
                "signed": self.signed.sum(axis=(1, 2)),
                "location": list(self.locations),
            }
        )


@dataclass(frozen=True, slots=True, eq=False)
class Prototypes:
    """The ways of looking at one group of images: clusters of their attribution maps, largest first.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        The cluster of each image, 0..c-1.
    indices : ndarray of int64, shape (n,)
        Which samples of the data set they are.
    distances : ndarray of float64, shape (n,)
        Hellinger distance of each image's map to that of its cluster's medoid, 0..1.
    embedding : ndarray of float64, shape (n, 2)
        The first two principal components of the normalised maps, for plotting.
    sizes : ndarray of int64, shape (c,)
        Number of images in each cluster.
    medoids : ndarray of int64, shape (c,)
        The sample whose map is nearest to the others of its cluster.
    maps : ndarray of float64, shape (c, h, w)
        Share of the absolute map on each pixel, mean over the cluster's images. Each sums to 1 less the share of
        images whose map is zero.
    spread : ndarray of float64, shape (c,)
        Mean of `distances` in each cluster.
    eigenvalues : ndarray of float64
        The smallest of the normalised Laplacian, ascending, 0..2.
    eigengap : float
        Distance from the c-th to the next eigenvalue; NaN if there is none.
    requested : bool
        Whether the number of clusters was asked for, instead of read from the eigenvalues.
    n_neighbors, side : int
        Neighbours of each image in the graph, and the largest side of the maps that were compared.
    group : str
        Which images they are.
    available : int
        Number of images in the group, of which n were drawn.
    cluster_seed : int
        Seeds the assignment to clusters, and the draw of the images.
    data_name, data_digest, model_name, model_digest, method, target, background_note : str
    n_background, seed : int
        As in the `Attribution` that they come from.
    """

    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    distances: NDArray[np.float64]
    embedding: NDArray[np.float64]
    sizes: NDArray[np.int64]
    medoids: NDArray[np.int64]
    maps: NDArray[np.float64]
    spread: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    eigengap: float
    requested: bool = False
    n_neighbors: int = 0
    side: int = 0
    group: str = ""
    available: int = 0
    cluster_seed: int = 0
    data_name: str = ""
    data_digest: str = ""
    model_name: str = ""
    model_digest: str = ""
    method: str = ""
    target: str = "probability"
    n_background: int = 0
    seed: int = 0
    background_note: str = ""

    def __len__(self) -> int:
        """Return the number of clusters."""
        return len(self.sizes)

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of the images in each cluster, shape (c,); sums to 1."""
        return self.sizes / len(self.labels)

    @property
    def locations(self) -> tuple[str, ...]:
        """Where each of `maps` lies, in words, see `location`."""
        return tuple(location(values) for values in self.maps)

    @property
    def outside(self) -> tuple[str, ...]:
        """The place that each cluster is judged by and the other images are not, or "".

        On the hottest pixels of what it has more than the others, a cluster must have a twentieth of its map at least,
        and four times what the others have there. The largest cluster that is not drawn to a border is where images are
        judged as a rule: it has no such place.
        """
        return _outside(self.maps, self.sizes)

    def members(self, cluster: int) -> NDArray[np.int64]:
        """Return the samples in a cluster, the most typical (its medoid) first.

        Raises
        ------
        InvalidInputError
            If there is no such cluster.
        """
        if not 0 <= cluster < len(self):
            raise InvalidInputError(f"cluster: expected 0..{len(self) - 1}. Received: {cluster}.")
        rows = np.flatnonzero(self.labels == cluster)
        rows = rows[rows != np.flatnonzero(self.indices == self.medoids[cluster])[0]]
        order = np.lexsort((self.indices[rows], self.distances[rows]))
        return np.concatenate([self.medoids[cluster : cluster + 1], self.indices[rows[order]]])

    def frame(self) -> pd.DataFrame:
        """Return one row a cluster, largest first.

        Returns
        -------
        DataFrame
            ``cluster``, ``size`` (images), ``share`` (0..1), ``medoid`` (sample), ``spread`` (0..1), ``location`` and
            ``outside`` (the place where the other images are not judged, or "").
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "cluster": np.arange(len(self)),
                "size": self.sizes,
                "share": self.shares,
                "medoid": self.medoids,
                "spread": self.spread,
                "location": list(self.locations),
                "outside": list(self.outside),
            }
        )

    def verdict(self) -> str:
        """Return one line: how many ways of looking there are, where they look, and which images to look at."""
        if len(self) == 1:
            few = len(self.labels) < MIN_IMAGES
            reason = f"expected {MIN_IMAGES} images to tell more, got {len(self.labels)}" if few else "no eigengap"
            who = "the image is" if len(self.labels) == 1 else "the images are"
            reason = "as asked for" if self.requested else reason
            return f"one way of looking ({reason}): {who} judged by {_source(self.locations[0])}"
        parts = []
        for cluster, (share, size) in enumerate(zip(self.shares, self.sizes, strict=True)):
            images = "1 image" if size == 1 else f"{size} images"
            start = f"{share:.0%} of the images" if not cluster else f"{share:.0%}"
            parts.append(f"{start} ({images}) {self._described(cluster)}")
        asked = " (as asked for)" if self.requested else ""
        return f"{len(self)} ways of looking{asked}: {'; '.join(parts)}"

    def _described(self, cluster: int) -> str:
        place, alone = self.locations[cluster], self.outside[cluster]
        verb = "is" if self.sizes[cluster] == 1 else "are"
        surplus, others = _surplus(self.maps, self.sizes, cluster)
        if alone:
            shared = location(np.minimum(self.maps[cluster], others))
            where = alone if alone == place or shared == NOWHERE else f"{_source(shared)} and also by {alone}"
            images = ", ".join(str(number) for number in self.members(cluster)[:3])
            noun = "image" if self.sizes[cluster] == 1 else "images"
            reason = "which is outside of where the other images are judged"
            return f"{verb} judged by {where}, {reason}: look at {noun} {images}"
        own = location(surplus)
        more = f", more than the others by {_source(own)}" if self.locations.count(place) > 1 and own != place else ""
        return f"{verb} judged by {_source(place)}{more if own != NOWHERE else ''}"


def location(values: NDArray[Any]) -> str:
    """Return where a map (h, w) lies, in words: "the middle", "the lower right corner", "spread over the image".

    The phrase names the centre of mass of the fewest pixels that hold half of the absolute map: in the outer quarter of
    a side that is a border, or a corner; from 40 % to 60 % of both sides, the middle; else a part.

    Examples
    --------
    >>> corner = np.zeros((8, 8))
    >>> corner[6:, 6:] = -1
    >>> location(corner), location(np.ones((8, 8))), location(np.zeros((8, 8)))
    ('the lower right corner', 'spread over the image', 'nowhere')
    """
    weights = _hot(np.abs(np.asarray(values, dtype=np.float64)))
    total = weights.sum()
    if not total > 0:
        return NOWHERE
    height, width = weights.shape
    rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    y, x = float(weights.sum(axis=1) @ rows / total), float(weights.sum(axis=0) @ columns / total)
    squares = (rows[:, None] - y) ** 2 + (columns - x) ** 2
    radius = math.sqrt(float((weights * squares).sum() / total))
    # Evenly over the whole image gives 0.41, along all of its edges 0.58, over half of its height and width 0.20.
    if radius >= 0.32:
        return "the border all around" if radius >= 0.5 else SPREAD
    return _named(y, x)


def _named(y: float, x: float) -> str:
    for limit, nouns in ((0.25, ("border", "corner")), (0.4, ("part", "part"))):
        sides = ((y, "upper", "lower"), (x, "left", "right"))
        words = [low if at <= limit else high for at, low, high in sides if at <= limit or at >= 1 - limit]
        if words:
            return f"the {' '.join(words)} {nouns[len(words) - 1]}"
    return "the middle"


def _hot(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the fewest weights that hold half of their sum, and zero elsewhere; equal ones stay together."""
    falling = np.sort(weights, axis=None)[::-1]
    sums = np.cumsum(falling)
    threshold = falling[np.searchsorted(sums, sums[-1] / 2)] if sums[-1] > 0 else 0.0
    return np.where(weights >= threshold * (1 - 1e-9), weights, 0.0)


def _surplus(
    means: NDArray[np.float64], sizes: NDArray[np.int64], cluster: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the hottest half of what a cluster's map has more than the others' mean, and the others' mean."""
    weights = np.where(np.arange(len(means)) == cluster, 0, sizes)
    others = np.tensordot(weights, means, axes=1) / max(1, int(weights.sum()))
    return _hot(np.maximum(means[cluster] - others, 0)), others


def _outside(means: NDArray[np.float64], sizes: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the place that each cluster is judged by and the others are not, or ""."""
    places, alone = [], []
    for cluster, mean in enumerate(means):
        surplus, others = _surplus(means, sizes, cluster)
        own, theirs = float(mean[surplus > 0].sum()), float(others[surplus > 0].sum())
        places.append(location(surplus))
        alone.append(own >= 0.05 and own >= 4 * theirs)
    inner = [c for c, place in enumerate(places) if not place.endswith(("border", "corner", "around", NOWHERE))]
    home = inner[0] if inner else 0
    return tuple(place if alone[c] and c != home else "" for c, place in enumerate(places))


def _source(place: str) -> str:
    return {NOWHERE: "no pixel at all (zero maps)", SPREAD: f"pixels {SPREAD}"}.get(place, place)
