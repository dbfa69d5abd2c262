"""Accuracy lost to blur."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag.checks.base import Check
from diag.checks.robustness import judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

REMEDY = "Train with random blur (keras.layers.RandomGaussianBlur), or on images of the sharpness that is met in use."


def run(case: Case) -> Iterator[Finding]:
    """Compare with images under a Gaussian filter of 0.5, 1 and 1.5 pixels: exact McNemar test."""
    return judge(CHECK, case, "blur", REMEDY)


CHECK = Check("DG608", "Accuracy lost to blur", run)
