"""The last epoch was saved, and an earlier one was better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag.checks.base import Check
from diag.checks.curves import curves, evidence
from diag.errors import CheckNotApplicable, DiagError
from diag.metrics.training_curves import LOST, ROSE, given_away, matching_epoch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.metrics.training_curves import Curves
    from diag.results.diagnosis import Finding


def run(case: Case) -> Iterator[Finding]:
    """Find the best epoch in the history, and the epoch whose validation figures this file shows."""
    drawn = curves(case.history)
    best, last = drawn.best, _length(drawn) - 1
    if last < 1:
        raise CheckNotApplicable("The history has one epoch.")
    saved = _saved_epoch(case, drawn)
    epoch = last if saved is None else saved
    lost, rose = given_away(drawn, epoch, best)
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
        evidence=evidence(drawn),
    )


def _length(drawn: Curves) -> int:
    return max(len(values) for values in (drawn.val_loss, drawn.val_accuracy) if values is not None)


def _saved_epoch(case: Case, drawn: Curves) -> int | None:
    """Return the epoch whose validation loss and accuracy are those measured here; None when it is not one alone."""
    try:
        figures = case.run.figures()
    except DiagError:
        return None
    return matching_epoch(drawn, figures["log_loss"], figures["accuracy"], case.run.samples["p_true"])


CHECK = Check("DG403", "Last epoch instead of the best", run)
