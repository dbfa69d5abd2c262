"""All checks. Another one is one file and one entry here."""

from __future__ import annotations

from diag.checks import constant_prediction, majority_class
from diag.checks.base import Check

CHECKS: tuple[Check, ...] = (
    constant_prediction.CHECK,
    majority_class.CHECK,
)
