"""A model that was stopped before it had learned, or cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag.checks.base import Check
from diag.checks.curves import curves, evidence
from diag.errors import CheckNotApplicable, DiagError
from diag.metrics.training_curves import FAIR, LOW, is_underfitted, underfitting_signs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.metrics.training_curves import Curves
    from diag.results.diagnosis import Finding

STILL = 0.05
"""Training minus test accuracy below which a model does not overfit."""


def run(case: Case) -> Iterator[Finding]:
    """Look for a loss that still falls at the end, and for a linear model that does as well."""
    reasons = []
    try:
        drawn = curves(case.history)
        finding = _from_curves(drawn)
        if finding is not None:
            yield finding
            return
    except CheckNotApplicable as reason:
        drawn = None
        reasons.append(str(reason))
    try:
        finding = _from_images(case)
    except CheckNotApplicable as reason:
        reasons.append(str(reason))
        finding = None
    if len(reasons) == 2:
        raise CheckNotApplicable(" ".join(reasons))
    if finding is not None:
        yield finding


def _from_curves(drawn: Curves) -> Finding | None:
    """Return a finding when the loss still falls and the accuracy is low."""
    signs = underfitting_signs(drawn)
    if not is_underfitted(signs):
        return None
    epochs, fall, reached = signs["epochs"], signs["fall"], signs["accuracy"]
    return CHECK.finding(
        "warning" if reached < LOW else "note",
        f"Training stopped after {epochs} epochs while the loss still fell by at least {fall:.0%} an epoch; the "
        f"accuracy had reached {reached:.1%}.",
        "Train on: more epochs, or a higher learning rate.",
        measured={"epochs": epochs, "fall": fall, "accuracy": reached},
        evidence=evidence(drawn),
    )


def _from_images(case: Case) -> Finding | None:
    """Return a finding when training accuracy is low, the test accuracy like it, and a linear model not worse."""
    train, test = float(case.training.correct_mask.mean()), float(case.run.correct_mask.mean())
    if train >= FAIR or train - test > STILL:
        return None
    try:
        linear = case.linear
    except DiagError as error:
        raise CheckNotApplicable(f"There is no linear model to compare with. {error}") from error
    other = float((linear.y_pred == case.run.samples["y_true"][linear.rows]).mean())
    same = float(case.run.correct_mask[linear.rows].mean())
    if other < same:
        return None
    return CHECK.finding(
        "warning" if train < LOW else "note",
        f"The model has {train:.1%} of its training images right and {test:.1%} of the test images; a linear model "
        f"reaches {other:.1%} there, so it has learned less than the data shows.",
        "Train longer or with another learning rate; if the loss stands still, use a larger network.",
        measured={"train_accuracy": train, "test_accuracy": test, "linear_accuracy": other},
    )


CHECK = Check("DG402", "Underfitting", run)
