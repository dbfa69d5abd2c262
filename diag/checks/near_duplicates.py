"""Test images that are training images in other clothes: moved, brighter, compressed, noisy, mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable
from diag.metrics.altered_copies import MIRRORS, altered_copies
from diag.metrics.neighbours import NEIGHBOURS
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

SEVERE = 0.005
"""Share of the images looked at, and `FEW` in number, that make a warning."""
FEW = 5
QUERIES = 2000
PAIRS = 3e7
"""Pairs of images that are compared, at most: 500 test images with the 60,000 of MNIST."""


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
    found = altered_copies(test.greys[new], train.greys[first], test.greys[_unrelated(case, new)])
    if not found:
        return
    rows: list[dict[str, Any]] = [
        {
            "image": int(test.rows[new[copy.query]]),
            "training_image": int(train.rows[first[copy.number]]),
            "correlation": copy.correlation,
            "how": copy.how,
        }
        for copy in found
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


CHECK = Check("DG503", "Near duplicates", run)
