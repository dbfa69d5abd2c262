"""Test images that are training images in other clothes: moved, brighter, compressed, noisy, mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable
from diag.metrics.neighbours import NEIGHBOURS, Neighbours, dimension, nearest, surprise
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

ALPHA = 0.01
"""Chance of one false pair among all images, if none were near duplicates."""
CORRELATION = 0.97
"""A near duplicate has at least this correlation at the best shift; JPEG at quality 50 leaves 0.99."""
SEVERE = 0.005
"""Share of the images looked at, and `FEW` in number, that make a warning."""
FEW = 5
QUERIES = 2000
PAIRS = 3e7
"""Pairs of images that are compared, at most: 500 test images with the 60,000 of MNIST."""
MIRRORS = {"as it is": (1, 1), "mirrored": (1, -1), "upside down": (-1, 1)}


def run(case: Case) -> Iterator[Finding]:
    """Measure each test image's nearest training image against its sixth nearest."""
    if case.data is None:
        raise CheckNotApplicable("There is no data: pass --data.")
    train, test = case.train_prints, case.prints
    _, first = np.unique(train.digests, return_index=True)
    new = np.flatnonzero(~np.isin(test.digests, train.digests))
    if train.greys.shape[1:] != test.greys.shape[1:]:
        raise CheckNotApplicable("Training and test images have different sizes.")
    if min(train.greys.shape[1:]) < 8 or len(first) < 5 * NEIGHBOURS or len(new) == 0:
        raise CheckNotApplicable("There are too few training images, no new test images, or they are tiny.")
    most = int(min(QUERIES, max(100, PAIRS // len(first))))
    if len(new) > most:
        new = np.sort(case.rng("near duplicates").choice(new, most, replace=False))
    found = _pairs(test.greys[new], train.greys[first], test.greys[_unrelated(case, new)])
    if not found:
        return
    rows: list[dict[str, Any]] = [
        {
            "image": int(test.rows[new[query]]),
            "training_image": int(train.rows[first[number]]),
            "correlation": correlation,
            "how": how,
        }
        for query, number, correlation, how in found
    ]
    share = len(rows) / len(new)
    ways = [f"{sum(row['how'] == how for row in rows):,} {how}" for how in MIRRORS]
    yield CHECK.finding(
        "warning" if share >= SEVERE and len(rows) >= FEW else "note",
        f"{len(rows):,} of {len(new):,} test images ({share:.1%}) are almost certainly altered training images: closer "
        f"to one than images of this data come by chance ({', '.join(way for way in ways if way[:2] != '0 ')}).",
        "Split by source image before augmenting, and take these out of the test set.",
        measured={"images": len(rows), "looked_at": len(new), "share": share},
        samples=[row["image"] for row in rows],
        train_samples=[row["training_image"] for row in rows],
        evidence=[Evidence("Test images and the training images they come from", tuple(rows[:100]))],
    )


def _unrelated(case: Case, new: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return test images, each pixel for pixel once, whose distances to each other show how the data lies."""
    _, first = np.unique(case.prints.digests, return_index=True)
    kept = np.intersect1d(first, new)
    return kept if len(kept) <= 1000 else case.rng("dimension").choice(kept, 1000, replace=False)


def _pairs(
    queries: NDArray[np.float32], among: NDArray[np.float32], others: NDArray[np.float32]
) -> list[tuple[int, int, float, str]]:
    """Return (query, row of `among`, correlation, how), the least likely first, each query once."""
    own = dimension(nearest(others, others, np.arange(len(others)))) if len(others) > 5 * NEIGHBOURS else 0.0
    best: dict[int, tuple[float, int, float, str]] = {}
    together = nearest(np.concatenate([queries[:, ::up, ::left] for up, left in MIRRORS.values()]), among)
    for part, how in enumerate(MIRRORS):
        rows = slice(part * len(queries), (part + 1) * len(queries))
        found = Neighbours(together.numbers[rows], together.distances[rows])
        for query, chance in _unlikely(found, max(own, dimension(found)), len(MIRRORS)):
            correlation = float(1 - found.distances[query, 0] ** 2 / 2)
            told = (chance, int(found.numbers[query, 0]), correlation, how)
            best[query] = min(best.get(query, told), told)
    ranked = sorted((chance, query, number, r, how) for query, (chance, number, r, how) in best.items())
    return [(query, number, r, how) for _, query, number, r, how in ranked]


def _unlikely(found: Neighbours, dimensions: float, variants: int) -> list[tuple[int, float]]:
    if dimensions == 0:
        return []
    chance = surprise(found, dimensions)
    close = 1 - found.distances[:, 0] ** 2 / 2 >= CORRELATION
    rows = np.flatnonzero((chance * len(chance) * variants < ALPHA) & close)
    return [(int(row), float(chance[row])) for row in rows]


CHECK = Check("DG503", "Near duplicates", run)
