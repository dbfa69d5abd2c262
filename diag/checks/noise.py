"""Accuracy lost to noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag.checks.base import Check
from diag.checks.robustness import judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

REMEDY = "Train with noise on the input (keras.layers.GaussianNoise)."


def run(case: Case) -> Iterator[Finding]:
    """Compare with images with Gaussian noise of 2, 5 and 10 % of the range: exact McNemar test."""
    return judge(CHECK, case, "noise", REMEDY)


CHECK = Check("DG605", "Accuracy lost to noise", run)
