"""A model that was stopped before it had learned, or cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.checks.curves import Curves, curves
from diag.errors import CheckNotApplicable, DiagError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

LOW = 0.8
"""Training accuracy below which a model that could still learn is a warning."""
FAIR = 0.95
"""The same for a note."""
FALLING = 0.03
"""Share of the training loss that each of the last two epochs took away."""
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
    if drawn.loss is None or drawn.accuracy is None or len(drawn.loss) < 2:
        raise CheckNotApplicable("The history holds no loss and accuracy of two epochs.")
    falls = 1 - drawn.loss[1:] / np.maximum(1e-12, drawn.loss[:-1])
    fall = float(falls[-2:].min())
    reached = max(float(drawn.accuracy[-1]), 0.0 if drawn.val_accuracy is None else float(drawn.val_accuracy[-1]))
    improving = drawn.val_loss is None or drawn.best >= len(drawn.val_loss) - 2
    if fall < FALLING or not improving or reached >= FAIR:
        return None
    epochs = len(drawn.loss)
    return CHECK.finding(
        "warning" if reached < LOW else "note",
        f"Training stopped after {epochs} epochs while the loss still fell by at least {fall:.0%} an epoch; the "
        f"accuracy had reached {reached:.1%}.",
        "Train on: more epochs, or a higher learning rate.",
        measured={"epochs": epochs, "fall": fall, "accuracy": reached},
        evidence=drawn.evidence(),
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
