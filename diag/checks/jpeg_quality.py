"""Accuracy lost to JPEG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag.checks.base import Check
from diag.checks.robustness import judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

REMEDY = "Train on images that went through JPEG of random quality."


def run(case: Case) -> Iterator[Finding]:
    """Compare with images after JPEG of quality 80, 50 and 25: exact McNemar test."""
    return judge(CHECK, case, "JPEG", REMEDY)


CHECK = Check("DG604", "Accuracy lost to JPEG", run)
