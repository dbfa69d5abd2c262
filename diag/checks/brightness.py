"""Accuracy lost to brightness or contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag.checks.base import Check
from diag.checks.robustness import judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

REMEDY = (
    "Train with random brightness and contrast (keras.layers.RandomBrightness, RandomContrast), "
    "or standardise each image."
)


def run(case: Case) -> Iterator[Finding]:
    """Compare with images that are brighter, darker, or of less contrast: exact McNemar test."""
    for name in ("brightness", "contrast"):
        yield from judge(CHECK, case, name, REMEDY)


CHECK = Check("DG603", "Accuracy lost to brightness or contrast", run)
