"""Classes that the data has and the model never names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

ALPHA = 0.001
"""Chance that a model whose answers are as frequent as the labels never names a class, over all classes together."""
SEVERAL = 0.15
"""From this share of all images on the model is of no use for what it was asked."""


def run(case: Case) -> Iterator[Finding]:
    """Look for classes with images that are never predicted, when chance does not explain it."""
    samples, names = case.run.samples, case.run.class_names
    k, n = len(names), len(case.run)
    true, predicted = (np.bincount(samples[which], minlength=k) for which in ("y_true", "y_pred"))
    present = int((true > 0).sum())
    if present < 2:
        raise CheckNotApplicable("The data has one class only.")
    if predicted.max() == n:
        raise CheckNotApplicable("One class is all that is predicted: see DG202.")
    chance = (1 - true / n) ** n * present
    missed = np.flatnonzero((true > 0) & (predicted == 0) & (chance < ALPHA))
    if len(missed) == 0:
        return
    missed = missed[np.argsort(-true[missed], kind="stable")]
    rows = np.flatnonzero(np.isin(samples["y_true"], missed))
    share = len(rows) / n
    listed = ", ".join(f"{names[number]} ({true[number]:,} images)" for number in missed[:5])
    yield CHECK.finding(
        "critical" if len(missed) > 1 and share >= SEVERAL else "warning",
        f"{len(missed)} of {present} classes are never predicted: {listed}{', ...' if len(missed) > 5 else ''}; "
        f"{share:.1%} of all images are wrong for that alone.",
        "Look whether these classes were in the training data, under this number, and often enough.",
        measured={"classes": len(missed), "images": len(rows), "share": share},
        samples=[int(row) for row in rows[np.argsort(-samples["confidence"][rows], kind="stable")]],
        evidence=[
            Evidence(
                "What images of these classes are called instead",
                tuple(
                    {"class": names[number], "called": names[other], "images": int(count)}
                    for number in missed[:20]
                    for other, count in _called(samples["y_pred"][samples["y_true"] == number])
                ),
            )
        ],
    )


def _called(predicted: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[tuple[int, int]]:
    """Return the five most frequent answers and how often they came."""
    counts = np.bincount(predicted)
    return [(int(number), int(counts[number])) for number in np.argsort(-counts, kind="stable")[:5] if counts[number]]


CHECK = Check("DG201", "Class never predicted", run)
