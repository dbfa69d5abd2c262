"""The last epoch was saved, and an earlier one was better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.checks.curves import Curves, curves
from diag.errors import CheckNotApplicable, DiagError
from diag.metrics.samples import EPSILON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

SAME_LOSS = 0.002
"""Relative difference of two log losses of one set of images, by rounding."""
LARGEST_LOSS = 50.0
"""What one image may have added to Keras's loss, which takes logits; here probabilities end at float32's epsilon."""
LOST = 0.01
"""Validation accuracy given away that makes a warning."""
ROSE = 1.25
"""Last validation loss over the lowest one that makes a warning."""


def run(case: Case) -> Iterator[Finding]:
    """Find the best epoch in the history, and the epoch whose validation figures this file shows."""
    drawn = curves(case.history)
    best, last = drawn.best, _length(drawn) - 1
    if last < 1:
        raise CheckNotApplicable("The history has one epoch.")
    saved = _saved_epoch(case, drawn)
    epoch = last if saved is None else saved
    lost, rose = _given_away(drawn, epoch, best)
    if epoch == best or (lost < LOST and rose < ROSE):
        return
    known = saved is not None
    what = f"The file shows the figures of epoch {epoch + 1}" if known else f"The history ends at epoch {last + 1}"
    yield CHECK.finding(
        "warning" if known else "note",
        f"{what}; epoch {best + 1} had the best validation {'loss' if drawn.val_loss is not None else 'accuracy'}: "
        f"{rose:.2f} times the loss and {100 * lost:.1f} points of validation accuracy lie between them.",
        "Save the best epoch: ModelCheckpoint(save_best_only=True) or EarlyStopping(restore_best_weights=True)."
        if known
        else "Make sure that the best epoch was saved and not the last one: this data cannot tell which it was.",
        measured={"epoch": epoch + 1, "best_epoch": best + 1, "accuracy_lost": lost, "loss_ratio": rose},
        evidence=drawn.evidence(),
    )


def _length(drawn: Curves) -> int:
    return max(len(values) for values in (drawn.val_loss, drawn.val_accuracy) if values is not None)


def _given_away(drawn: Curves, epoch: int, best: int) -> tuple[float, float]:
    """Return accuracy lost and the ratio of the losses between an epoch and the best one."""
    lost = 0.0 if drawn.val_accuracy is None else float(drawn.val_accuracy[best] - drawn.val_accuracy[epoch])
    rose = 1.0 if drawn.val_loss is None else float(drawn.val_loss[epoch] / max(1e-12, drawn.val_loss[best]))
    return lost, rose


def _saved_epoch(case: Case, drawn: Curves) -> int | None:
    """Return the epoch whose validation loss and accuracy are those measured here; None when it is not one alone."""
    if drawn.val_loss is None or drawn.val_accuracy is None:
        return None
    try:
        figures = case.run.figures()
    except DiagError:
        return None
    clipped = float((case.run.samples["p_true"] <= EPSILON).mean())
    more, tolerance = drawn.val_loss - figures["log_loss"], SAME_LOSS * figures["log_loss"]
    close = (more >= -tolerance) & (more <= tolerance + LARGEST_LOSS * clipped)
    equal = np.abs(drawn.val_accuracy - figures["accuracy"]) < min(1e-4, 0.5 / len(case.run))
    matching = np.flatnonzero(close & equal)
    return int(matching[0]) if len(matching) == 1 else None


CHECK = Check("DG403", "Last epoch instead of the best", run)
