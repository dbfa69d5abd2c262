"""Images that are there more than once, pixel for pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable
from diag.metrics.pixels import same_labels
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.metrics.pixels import Prints
    from diag.results.diagnosis import Finding

LEAKED = 0.005
"""Share of the test images that are training images, from which on two or more are a warning; so are `FEW` of them."""
FEW = 10
VOID = 0.1
"""The same for critical: the accuracy is no longer one on new images."""
REPEATED = 0.02
"""Share of the test set that repeats another test image, for a warning."""
CONFLICTS = 5
"""Images with an equal one of another class, for a warning."""


def run(case: Case) -> Iterator[Finding]:
    """Look for equal images (at 8 bits) in training and test data, within the test data, and with other labels."""
    if case.data is None:
        raise CheckNotApplicable("There is no data: pass --data.")
    test = case.prints
    inside = _within(test)
    labels = case.data.labels
    yield from _repeated(inside, test)
    train = _training(case)
    pairs = _across(test, train) if train is not None else []
    if train is not None and pairs:
        yield _leaked(pairs, test, train)
    if labels is not None:
        yield from _conflicting(case, inside, pairs)


def _training(case: Case) -> Prints | None:
    try:
        return case.train_prints
    except CheckNotApplicable:
        return None


def _within(test: Prints) -> list[NDArray[np.int64]]:
    """Return the groups of equal test images, as numbers in the data set."""
    _, codes, counts = np.unique(test.digests, return_inverse=True, return_counts=True)
    order = np.argsort(codes, kind="stable")
    groups = np.split(test.rows[order], np.cumsum(counts)[:-1])
    return sorted((group for group in groups if len(group) > 1), key=lambda group: int(group[0]))


def _across(test: Prints, train: Prints) -> list[tuple[int, int]]:
    """Return (test image, training image) for each test image that is among the training images."""
    unique, first = np.unique(train.digests, return_index=True)
    at = np.minimum(np.searchsorted(unique, test.digests), len(unique) - 1)
    equal = unique[at] == test.digests
    return [(int(row), int(train.rows[first[place]])) for row, place in zip(test.rows[equal], at[equal], strict=True)]


def _leaked(pairs: list[tuple[int, int]], test: Prints, train: Prints) -> Finding:
    share = len(pairs) / len(test.rows)
    enough = len(pairs) >= FEW or (share >= LEAKED and len(pairs) > 1)
    some = f" (of {len(train.rows):,} looked at)" if len(train.rows) < train.total else ""
    return CHECK.finding(
        "critical" if enough and share >= VOID else "warning" if enough else "note",
        f"{len(pairs):,} of {len(test.rows):,} test images ({share:.1%}) are training images, pixel for pixel{some}.",
        "Take them out of the test set and evaluate again.",
        measured={"images": len(pairs), "share": share},
        samples=[row for row, _ in pairs],
        train_samples=[row for _, row in pairs],
    )


def _repeated(groups: list[NDArray[np.int64]], test: Prints) -> Iterator[Finding]:
    if not groups:
        return
    extra = sum(len(group) - 1 for group in groups)
    share = extra / len(test.rows)
    groups = sorted(groups, key=len, reverse=True)
    yield CHECK.finding(
        "warning" if share >= REPEATED and extra >= FEW else "note",
        f"{extra:,} of {len(test.rows):,} test images ({share:.1%}) repeat another test image, pixel for pixel.",
        "Keep one of each: repeated images count double in every figure, and intervals become too narrow.",
        measured={"repeats": extra, "groups": len(groups), "share": share},
        samples=[int(row) for group in groups for row in group],
        evidence=[_listing(groups)],
    )


def _listing(groups: list[NDArray[np.int64]]) -> Evidence:
    rows = tuple({"images": ", ".join(map(str, group[:10])), "copies": len(group)} for group in groups[:50])
    return Evidence("Equal test images", rows)


def _conflicting(case: Case, groups: list[NDArray[np.int64]], pairs: list[tuple[int, int]]) -> Iterator[Finding]:
    """Single out the equal images whose labels differ."""
    data = case.labelled
    names = np.asarray(data.class_names, dtype=object)[np.asarray(data.labels)]
    rows: list[dict[str, Any]] = [
        {
            "image": int(row),
            "label": str(names[row]),
            "equal_to": f"test image {group[0]}",
            "its_label": names[group[0]],
        }
        for group in groups
        for row in group[1:]
        if names[row] != names[group[0]]
    ]
    involved = {row["image"] for row in rows} | {int(group[0]) for group in groups if len(set(names[group])) > 1}
    if pairs:
        both = same_labels(data, case.train)
        for row, other in pairs if both is not None else []:
            if both is not None and both[0][row] != both[1][other]:
                told = {"equal_to": f"training image {other}", "its_label": str(both[1][other])}
                rows.append({"image": row, "label": str(both[0][row]), **told})
                involved.add(row)
    if not rows:
        return
    yield CHECK.finding(
        "warning" if len(rows) >= CONFLICTS else "note",
        f"{len(rows):,} test images are equal, pixel for pixel, to an image with another label.",
        "Look at them: at least one label of each pair is wrong.",
        measured={"images": len(rows)},
        samples=sorted(involved),
        evidence=[Evidence("Equal images with different labels", tuple(rows[:100]))],
    )


CHECK = Check("DG502", "Exact duplicates", run)
