"""Borders and corners pasted from one image onto another, and whether predictions follow them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.budget import spent
from diag.errors import DiagError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case

CORNER, BORDER = 1 / 7, 1 / 14
"""Side of a corner patch and thickness of the border, as shares of the image's shorter side: 4 and 2 of 28 pixels."""
LARGEST = 0.3
"""A region that covers more of the image than this is no border any more: it is left out."""
FEWEST_DONORS = 10
"""Pasted regions that a class needs for figures of its own."""
BUDGET, FEWEST = 1e10, 32
"""Multiply-adds for one pass over the images; so many images are used in any case."""
HINT = 0.15
"""Single regions are looked at only when all of them together take over this share of the images (or of one class)."""


@dataclass(frozen=True, slots=True, eq=False)
class Swap:
    """What the model says of images whose region was taken from another image.

    Parameters
    ----------
    region : str
    donors : str
        ``"data"`` or ``"training data"``.
    area : float
        Share of the image that the region covers.
    places : ndarray of int64, shape (m,)
        The images, as places in the case's sample.
    own, pasted : ndarray of int64, shape (m,)
        The class of the image, and another one: that of the pasted region.
    other, same : ndarray of int64, shape (m,)
        The predicted class with a region of class `pasted`, and with one of the image's own class.
    """

    region: str
    donors: str
    area: float
    places: NDArray[np.int64]
    own: NDArray[np.int64]
    pasted: NDArray[np.int64]
    other: NDArray[np.int64]
    same: NDArray[np.int64]

    def followed(self, chosen: NDArray[np.bool_] | None = None) -> float:
        """Return the share of images called `pasted` because of it: those called so anyway are taken off."""
        took, anyway = self.other == self.pasted, self.same == self.pasted
        if chosen is None:
            return float(took.mean() - anyway.mean())
        return float(took[chosen].mean() - max(anyway[chosen].mean(), self._unasked(chosen)))

    def lost(self) -> float:
        """Return the accuracy with regions of images' own class, less that with regions of other classes."""
        return float((self.same == self.own).mean() - (self.other == self.own).mean())

    def _unasked(self, chosen: NDArray[np.bool_]) -> float:
        """Return how often the class of `chosen` is given to images of others onto which yet another was pasted."""
        number = self.pasted[chosen][0]
        rest = ~chosen & (self.own != number)
        return float((self.other[rest] == number).mean()) if rest.any() else 0.0

    def p_value(self, chosen: NDArray[np.bool_] | None = None) -> float:
        """Return the p-value of the exact one-sided McNemar test that more images are called `pasted`."""
        from scipy.stats import binomtest

        kept = np.ones(len(self.other), dtype=bool) if chosen is None else chosen
        took, anyway = (self.other == self.pasted)[kept], (self.same == self.pasted)[kept]
        more, less = int((took & ~anyway).sum()), int((~took & anyway).sum())
        return float(binomtest(more, more + less, alternative="greater").pvalue) if more + less else 1.0

    def classes(self) -> dict[int, NDArray[np.bool_]]:
        """Return, for every class that was pasted often enough, which images got it."""
        numbers, counts = np.unique(self.pasted, return_counts=True)
        return {int(number): self.pasted == number for number in numbers[counts >= FEWEST_DONORS]}


def regions(height: int, width: int) -> dict[str, NDArray[np.bool_]]:
    """Return masks (h, w) by name: the four corners, the four sides, and the whole border.

    Examples
    --------
    >>> {name: int(mask.sum()) for name, mask in regions(28, 28).items() if name.endswith(("left corner", "border"))}
    {'upper left corner': 16, 'lower left corner': 16, 'border': 208}
    """
    side = max(2, round(min(height, width) * CORNER))
    thin = max(1, round(min(height, width) * BORDER))
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    up, down, left, right = rows < side, rows >= height - side, columns < side, columns >= width - side
    found = {
        "upper left corner": up & left,
        "upper right corner": up & right,
        "lower left corner": down & left,
        "lower right corner": down & right,
    }
    full = np.ones((height, width), dtype=bool)
    sides = {
        "upper side": full & (rows < thin),
        "lower side": full & (rows >= height - thin),
        "left side": full & (columns < thin),
        "right side": full & (columns >= width - thin),
    }
    found |= sides
    found["border"] = np.logical_or.reduce(list(sides.values()))
    return {name: mask for name, mask in found.items() if mask.mean() <= LARGEST}


def swaps(case: Case) -> Iterator[Swap]:
    """Yield what the model says with regions from the data, and from its training data where that is known.

    Regions that are the same in all images are left out: they can carry nothing. Single regions are tried only when
    the prediction follows all of them together.
    """
    for donors, images, labels in _donors(case):
        masks = {
            name: mask
            for name, mask in regions(*case.images.shape[1:3]).items()
            if (images[:, mask] != images[:1, mask]).any()
        }
        if not masks:
            continue
        plan = _partners(case, labels, donors)
        if not len(plan[0]):
            continue
        union = np.logical_or.reduce(list(masks.values()))
        first = _swap(case, "border and corners", union, images, labels, plan, donors)
        hints = [first.followed(), *(first.followed(chosen) for chosen in first.classes().values())]
        if max(hints) >= HINT:
            for name, mask in masks.items():
                yield _swap(case, name, mask, images, labels, plan, donors)
        yield first


def _donors(case: Case) -> Iterator[tuple[str, NDArray[Any], NDArray[np.int64]]]:
    """Yield a name, images and class numbers of those whose regions are pasted."""
    yield "data", case.images, case.y_true
    with suppress(DiagError):
        train, labels = case.train, case.train_labels
        rows = np.sort(case.rng("donors").permutation(len(train))[: case.most])
        images = np.asarray(train.images[rows])
        if images.shape[1:] == case.images.shape[1:] and images.dtype == case.images.dtype:
            yield "training data", images, labels[rows]


def _partners(
    case: Case, labels: NDArray[np.int64], donors: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return images of the sample, and for each a donor of another class (all equally often) and one of its own."""
    rng = case.rng(f"partners {donors}")
    most = max(FEWEST, int(BUDGET / case.sweep.cost))
    members = {int(number): np.flatnonzero(labels == number) for number in np.unique(labels)}
    places, other, same = [], [], []
    spent("to exchange borders", 2 * min(most, len(case.rows)) * case.sweep.cost)
    for place in np.sort(rng.permutation(len(case.rows))[:most]):
        own = int(case.y_true[place])
        kin = [row for row in members.get(own, ()) if donors != "data" or row != place]
        strangers = [number for number in members if number != own]
        if not kin or not strangers:
            continue
        places.append(int(place))
        same.append(int(rng.choice(kin)))
        other.append(int(rng.choice(members[strangers[rng.integers(len(strangers))]])))
    return np.array(places, np.int64), np.array(other, np.int64), np.array(same, np.int64)


def _swap(
    case: Case,
    name: str,
    mask: NDArray[np.bool_],
    images: NDArray[Any],
    labels: NDArray[np.int64],
    plan: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    donors: str,
) -> Swap:
    places, other, same = plan
    predicted = []
    for rows in (other, same):
        changed = np.where(mask[None, :, :, None], images[rows], case.images[places])
        predicted.append(case.predict(changed).argmax(axis=1).astype(np.int64))
    return Swap(
        name, donors, float(mask.mean()), places, case.y_true[places], labels[other], predicted[0], predicted[1]
    )
