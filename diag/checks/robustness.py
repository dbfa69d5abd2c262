"""What the robustness checks share: when a loss under small changes is worth a finding, and how it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.corruptions import FAMILIES
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from diag.checks.base import Check
    from diag.checks.case import Case
    from diag.checks.sweep import Point
    from diag.results.diagnosis import Finding

ALPHA = 0.01
"""Of the exact one-sided McNemar test, adjusted by Holm for all levels and directions of a family."""
DRASTIC = {
    "shift": (0.2,),
    "rotation": (0.2, 0.4),
    "brightness": (0.2,),
    "contrast": (0.2,),
    "JPEG": (0.2, 0.3),
    "noise": (0.2, 0.4),
    "blur": (0.2, 0.4),
}
"""Share of all images lost at the mildest and, where one is given, at the second level, from which on it is a warning.
The seven shipped models and small networks trained on MNIST lose at most 0.10 at the mildest level; at the second they
lose up to 0.37 by shifts, 0.26 by light, 0.10 by rotations, and 0.02 by JPEG, noise and blur."""
NOTABLE = (0.05, 0.10)
"""Share of all images lost at the mildest and at the second level, from which on it is a note."""


def judge(check: Check, case: Case, name: str, remedy: str) -> Iterator[Finding]:
    """Say how much accuracy a family of changes costs, if it is worth saying."""
    from diag.metrics.comparison import holm_adjust

    require_skill(case)
    points = case.sweep.tested(name)
    adjusted = holm_adjust([point.p_value for point in points])
    proved = [point for point, p in zip(points, adjusted, strict=True) if p < ALPHA]
    drastic = _reaching(proved, DRASTIC[name])
    notable = drastic or _reaching(proved, NOTABLE)
    if not notable:
        return
    mildest = [point for point in notable if point.severity == notable[0].severity]
    worst = max(mildest, key=lambda each: each.loss)
    merged = case.sweep.levels(name)
    yield check.finding(
        "warning" if drastic else "note",
        f"{described(name, worst)} takes accuracy from {worst.clean.mean():.1%} to {worst.right.mean():.1%} "
        f"on {len(worst.places)} images (exact McNemar test, p = {worst.p_value:.2g}).",
        remedy,
        measured={
            "level": worst.level,
            "direction": worst.variant,
            "accuracy": float(worst.clean.mean()),
            "accuracy_changed": float(worst.right.mean()),
            "lost": worst.loss,
            "p_value": worst.p_value,
            "n": len(worst.places),
            "mean_accuracy_all_levels": float(np.mean([point.right.mean() for point in merged])),
        },
        samples=flipped(case, points),
        evidence=[curve(case, (name,))],
    )


def _reaching(points: Sequence[Point], least: Sequence[float]) -> list[Point]:
    """Return the points that lose at least as much as is given for their level, the mildest first."""
    return [
        point
        for severity, loss in enumerate(least, start=1)
        for point in points
        if point.severity == severity and point.loss >= loss
    ]


def require_skill(case: Case) -> None:
    """Refuse where accuracy is so low that there is nothing to lose.

    Raises
    ------
    CheckNotApplicable
        If the model is not significantly better on the sample than always naming its most frequent class.
    """
    from scipy.stats import binomtest

    clean, counts = case.sweep.clean, np.unique(case.y_true, return_counts=True)[1]
    share = max(float(counts.max() / counts.sum()) if len(counts) > 1 else 0.0, 1 / case.run.n_classes)
    right = int(clean.sum())
    if binomtest(right, len(clean), min(share, 1.0), alternative="greater").pvalue >= ALPHA:
        raise CheckNotApplicable(
            f"The model is right on {right} of {len(clean)} images, which guessing could reach: nothing to lose."
        )


def described(name: str, point: Point) -> str:
    """Return a change in words, at the beginning of a sentence."""
    level = point.level
    plural = "" if level == 1 else "s"
    return {
        "shift": f"A shift {point.variant} by {level:g} pixel{plural}",
        "rotation": f"A rotation {point.variant} by {level:g} degrees",
        "brightness": f"A change of brightness ({point.variant}) by {level:.0%} of the range",
        "contrast": f"{level:.0%} less contrast",
        "JPEG": f"JPEG of quality {100 - level:g}",
        "noise": f"Gaussian noise of {level:.0%} of the range",
        "blur": f"A Gaussian blur of {level:g} pixel{plural}",
    }[name]


def flipped(case: Case, points: Sequence[Point]) -> list[int]:
    """Return images of the data that are wrong only when changed, those that the mildest change flips first."""
    confidence = case.proba.max(axis=1)
    found: dict[int, tuple[int, float]] = {}
    for point in points:
        for place in point.places[point.clean & ~point.right]:
            key = (point.severity, -float(confidence[place]))
            found[int(place)] = min(found.get(int(place), key), key)
    return [int(case.rows[place]) for place in sorted(found, key=lambda place: found[place])]


def curve(case: Case, names: Sequence[str]) -> Evidence:
    """Return accuracy against severity, one line a direction; severity 0 is the images as they are."""
    rows: list[dict[str, Any]] = []
    for name in names:
        points = case.sweep.points(name) if len(names) == 1 else case.sweep.levels(name)
        for variant in dict.fromkeys(point.variant for point in points):
            series = [point for point in points if point.variant == variant]
            label = variant if len(names) == 1 else name
            start = {"series": label, "severity": 0, "level": 0.0, "accuracy": float(series[0].clean.mean())}
            rows += [{**start, "images": len(series[0].places)}]
            rows += [
                {
                    "series": label,
                    "severity": point.severity,
                    "level": float(point.level),
                    "accuracy": float(point.right.mean()),
                    "images": len(point.places),
                }
                for point in series
            ]
    unit = f"{names[0]}: {FAMILIES[names[0]].unit}" if len(names) == 1 else "severity"
    axis = "level" if len(names) == 1 else "severity"
    return Evidence(f"Accuracy by {unit}", tuple(rows), "line", x=axis, y="accuracy", colour="series")
