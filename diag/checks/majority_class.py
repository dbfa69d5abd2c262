"""A model that is no better than always naming the most frequent class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding, Severity

ALPHA = 0.01
LEAST = 7
"""With fewer images of other classes nothing can be told: a model that names them as often as they occur would miss
all with p = 0.001."""


def run(case: Case) -> Iterator[Finding]:
    """Compare with the constant classifier on the same images: one-sided sign test (exact McNemar)."""
    from scipy.stats import binomtest

    y_true, correct = case.run.samples["y_true"], case.run.correct_mask
    counts = np.bincount(y_true, minlength=case.run.n_classes)
    if (counts > 0).sum() < 2:
        raise CheckNotApplicable("The data has one class only.")
    constant = y_true == counts.argmax()
    better, worse = int((correct & ~constant).sum()), int((~correct & constant).sum())
    p_value = float(binomtest(better, better + worse, alternative="greater").pvalue) if better + worse else 1.0
    if p_value < ALPHA:
        return
    accuracy, share = float(correct.mean()), float(constant.mean())
    severity, told, remedy = _judged(case, accuracy > share, int((~constant).sum()))
    yield CHECK.finding(
        severity,
        f"Accuracy is {accuracy:.1%}; always answering {case.run.class_names[int(counts.argmax())]} gives {share:.1%}"
        f"{told} (sign test, p = {p_value:.2g}).",
        remedy,
        measured={
            "accuracy": accuracy,
            "majority_share": share,
            "p_value": p_value,
            "balanced_accuracy": case.balance.value,
            "balanced_chance": case.balance.chance,
        },
    )


def _judged(case: Case, ahead: bool, others: int) -> tuple[Severity, str, str]:
    """Return how bad it is, a part of the sentence, and what to do."""
    balance = case.balance
    if balance.clear:
        told = (
            f", but the classes are told apart: balanced accuracy is {balance.value:.1%}, by chance "
            f"{balance.chance:.1%} (p = {balance.p_value:.2g}), and accuracy hardly shows what is rare"
        )
        return "note", told, "Judge by recall a class, balanced accuracy or average precision, not by accuracy."
    if ahead or others < LEAST:
        return "warning", ", and so few images do not tell the two apart", "Test on more images."
    return "critical", "", "Check that data, labels and preprocessing are those of this model."


CHECK = Check("DG203", "Not better than the majority class", run)
