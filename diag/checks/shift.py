"""Accuracy lost to a shift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag.checks.base import Check
from diag.checks.robustness import judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

REMEDY = "Train with random shifts (keras.layers.RandomTranslation), or pool before the dense layers."


def run(case: Case) -> Iterator[Finding]:
    """Compare with images moved by one to three pixels in each of four directions: exact McNemar test."""
    return judge(CHECK, case, "shift", REMEDY)


CHECK = Check("DG601", "Accuracy lost to a shift", run)
