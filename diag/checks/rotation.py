"""Accuracy lost to a small rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag.checks.base import Check
from diag.checks.robustness import judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

REMEDY = "Train with small random rotations (keras.layers.RandomRotation)."


def run(case: Case) -> Iterator[Finding]:
    """Compare with images turned by 5, 10 and 15 degrees to each side: exact McNemar test."""
    return judge(CHECK, case, "rotation", REMEDY)


CHECK = Check("DG602", "Accuracy lost to a small rotation", run)
