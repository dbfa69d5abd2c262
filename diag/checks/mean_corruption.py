"""Accuracy over all small changes together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.checks.corruptions import FAMILIES
from diag.checks.robustness import curve, flipped, require_skill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

NOTABLE = 0.1
"""Share of all images lost on average over families and levels, from which on it is worth a note."""


def run(case: Case) -> Iterator[Finding]:
    """Average accuracy over levels, then over families (the mean corruption figures of Hendrycks & Dietterich)."""
    require_skill(case)
    accuracy, lost = {}, {}
    for name in FAMILIES:
        points = case.sweep.levels(name)
        accuracy[name] = float(np.mean([point.right.mean() for point in points]))
        lost[name] = float(np.mean([point.loss for point in points]))
    mean_lost, worst = float(np.mean(list(lost.values()))), max(lost, key=lost.__getitem__)
    if mean_lost < NOTABLE:
        return
    clean = float(case.sweep.clean.mean())
    yield CHECK.finding(
        "note",
        f"Over {len(FAMILIES)} kinds of small changes accuracy is {np.mean(list(accuracy.values())):.1%} on average, "
        f"against {clean:.1%} on the images as they are; {worst} costs the most, {lost[worst]:.1%} of the images.",
        "Train with augmentation of the kinds that cost the most and that your images will meet.",
        measured={
            "accuracy": clean,
            "mean_accuracy": float(np.mean(list(accuracy.values()))),
            "mean_lost": mean_lost,
            **{f"mean_accuracy_{name}": value for name, value in accuracy.items()},
        },
        samples=flipped(case, [point for name in FAMILIES for point in case.sweep.points(name)]),
        evidence=[curve(case, tuple(FAMILIES))],
    )


CHECK = Check("DG609", "Accuracy lost over all small changes", run)
