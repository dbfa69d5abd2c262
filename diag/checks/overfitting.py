"""A model that knows its training images much better than others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diag.checks.base import Check
from diag.checks.curves import curves, evidence
from diag.errors import CheckNotApplicable
from diag.metrics.training_curves import NOTED_GAP as NOTED
from diag.metrics.training_curves import RISE, is_overfitted, overfitting_signs
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.metrics.training_curves import Curves
    from diag.results.diagnosis import Finding

GAP = 0.08
"""Lower end of training minus test accuracy that makes a warning; the shipped models have at most 0.048."""
Z99 = 2.326


def run(case: Case) -> Iterator[Finding]:
    """Compare accuracy on training and test images; in a history, the last epoch of both curves."""
    measured, reasons = None, []
    try:
        measured = _measured(case)
    except CheckNotApplicable as reason:
        reasons.append(str(reason))
    try:
        drawn: Curves | None = curves(case.history)
        told = overfitting_signs(drawn) if drawn is not None else None
    except CheckNotApplicable as reason:
        drawn, told = None, None
        reasons.append(str(reason))
    if measured is None and told is None:
        raise CheckNotApplicable(" ".join(reasons))
    by_images = measured is not None and measured["gap"] > NOTED and measured["gap_low"] > 0
    by_curves = told is not None and (told["gap"] > NOTED or told["rise"] > RISE)
    if not by_images and not by_curves:
        return
    severe = measured["gap_low"] > GAP if measured is not None else told is not None and is_overfitted(told)
    parts = [_say_measured(measured) if by_images and measured else "", _say_told(told) if by_curves and told else ""]
    message = "; ".join(part for part in parts if part)
    yield CHECK.finding(
        "warning" if severe else "note",
        f"{message[0].upper()}{message[1:]}.",
        "More or augmented training data, dropout or weight decay, a smaller network, or an earlier epoch."
        if severe
        else "Nothing, unless the gap grows; quote the test accuracy.",
        measured={**(measured or {}), **{f"curve_{key}": value for key, value in (told or {}).items()}},
        evidence=[*([_bars(measured)] if measured else []), *(evidence(drawn) if drawn else [])],
    )


def _measured(case: Case) -> dict[str, float]:
    """Return both accuracies and the lower end of their difference (one-sided, 99 %)."""
    train, test = case.training.correct_mask, case.run.correct_mask
    accuracy, other = float(train.mean()), float(test.mean())
    spread = (_variance(accuracy, len(train)) + _variance(other, len(test))) ** 0.5
    gap = accuracy - other
    return {
        "train_accuracy": accuracy,
        "test_accuracy": other,
        "gap": gap,
        "gap_low": gap - Z99 * spread,
        "n_train": len(train),
        "n_test": len(test),
    }


def _variance(share: float, n: int) -> float:
    """Return the variance of a proportion after adding one success and one failure (Agresti & Caffo 2000)."""
    adjusted = (share * n + 1) / (n + 2)
    return adjusted * (1 - adjusted) / (n + 2)


def _say_measured(found: dict[str, float]) -> str:
    return (
        f"{found['train_accuracy']:.1%} of {found['n_train']:,.0f} training images are right, "
        f"{found['test_accuracy']:.1%} of {found['n_test']:,.0f} test images: a gap of {100 * found['gap']:.1f} points "
        f"(at least {100 * max(0.0, found['gap_low']):.1f}, one-sided 99%)"
    )


def _say_told(told: dict[str, Any]) -> str:
    rise = f", and the validation loss ends at {told['rise']:.1f} times its lowest" if told["rise"] > 1.2 else ""
    return (
        f"the history has {told['accuracy']:.1%} in training and {told['val_accuracy']:.1%} in validation at epoch "
        f"{told['epoch']}{rise}"
    )


def _bars(found: dict[str, float]) -> Evidence:
    rows = tuple({"images": part, "accuracy": found[f"{part}_accuracy"]} for part in ("train", "test"))
    return Evidence("Accuracy on training and test images", rows, "bar", x="accuracy", y="images")


CHECK = Check("DG401", "Overfitting", run)
