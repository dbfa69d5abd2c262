"""A model that is no better than always naming the most frequent class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

ALPHA = 0.01


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
    few = accuracy > share
    yield CHECK.finding(
        "warning" if few else "critical",
        f"Accuracy is {accuracy:.1%}; always answering {case.run.class_names[int(counts.argmax())]} gives {share:.1%}"
        f"{', and so few images do not tell the two apart' if few else ''} (sign test, p = {p_value:.2g}).",
        "Test on more images." if few else "Check that data, labels and preprocessing are those of this model.",
        measured={"accuracy": accuracy, "majority_share": share, "p_value": p_value},
    )


CHECK = Check("DG203", "Not better than the majority class", run)
