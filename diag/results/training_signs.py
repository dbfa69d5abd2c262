"""What training curves are a sign of, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from diag.errors import CheckNotApplicable
from diag.metrics.training_curves import (
    FALLING,
    LOST,
    ROSE,
    Curves,
    is_overfitted,
    is_underfitted,
    last_fall,
    loss_rise,
    overfitting_signs,
    rate_drops,
    spikes,
    underfitting_signs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHOWN = 4


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that curves show.

    Parameters
    ----------
    key : str
        ``overfitting``, ``rising_loss``, ``underfitting``, ``still_improving``, ``unstable``, ``not_finite``,
        ``saved_later`` or ``learning_rate``.
    severity : {"warning", "note"}
    text : str
        One sentence.
    """

    key: str
    severity: Literal["warning", "note"]
    text: str


def training_signs(
    drawn: Curves, best: int | None, saved: int | None, given: tuple[float, float] | None
) -> tuple[Sign, ...]:
    """Return the signs, warnings first.

    Parameters
    ----------
    drawn : Curves
    best, saved : int or None
        The best epoch, and the one that the file is known to hold, from 1.
    given : tuple of float, or None
        Validation accuracy lost and ratio of the losses between the two.
    """
    looks: list[Callable[[], Sign | None]] = [
        lambda: _not_finite(drawn),
        lambda: _overfitting(drawn, best),
        lambda: _saved_later(best, saved, given),
        lambda: _underfitting(drawn),
        lambda: _unstable(drawn),
        lambda: _rate(drawn),
    ]
    found = [sign for look in looks if (sign := look()) is not None]
    if any(sign.key == "overfitting" for sign in found):  # what is learned by heart is not learned too little
        found = [sign for sign in found if sign.key != "underfitting"]
    return tuple(sorted(found, key=lambda sign: sign.severity != "warning"))


def _not_finite(drawn: Curves) -> Sign | None:
    if drawn.broken is None:
        return None
    return Sign("not_finite", "warning", f"The loss is no number from epoch {drawn.broken + 1} on.")


def _overfitting(drawn: Curves, best: int | None) -> Sign | None:
    rise = loss_rise(drawn)
    rose = f"the validation loss ended at {rise:.2f} times its lowest, of epoch {best}"
    try:
        signs = overfitting_signs(drawn)
    except CheckNotApplicable:
        signs = None
    if signs is not None and is_overfitted(signs):
        more = f", and {rose}" if rise >= ROSE else ""
        return Sign(
            "overfitting",
            "warning",
            f"Overfitting: {signs['accuracy']:.1%} in training and {signs['val_accuracy']:.1%} in validation at epoch "
            f"{signs['epoch']}{more}.",
        )
    if rise >= ROSE:
        return Sign("rising_loss", "note", f"{rose[0].upper()}{rose[1:]}.")
    return None


def _saved_later(best: int | None, saved: int | None, given: tuple[float, float] | None) -> Sign | None:
    if given is None or saved == best or (given[0] < LOST and given[1] < ROSE):
        return None
    return Sign(
        "saved_later",
        "warning",
        f"The file holds epoch {saved} and not the best one, {best}: {100 * given[0]:.1f} points of validation "
        f"accuracy and {given[1]:.2f} times the loss lie between them.",
    )


def _underfitting(drawn: Curves) -> Sign | None:
    try:
        signs = underfitting_signs(drawn)
    except CheckNotApplicable:
        signs = None
    if signs is not None and is_underfitted(signs):
        return Sign(
            "underfitting",
            "warning",
            f"Underfitting: the training loss still fell by {signs['fall']:.0%} an epoch at the end, with an accuracy "
            f"of {signs['accuracy']:.1%}.",
        )
    improving = drawn.val_loss is not None and drawn.best == np.flatnonzero(np.isfinite(drawn.val_loss))[-1]
    if improving and last_fall(drawn) >= FALLING:
        return Sign("still_improving", "note", "Still improving at the end: the last epoch is the best one.")
    return None


def _unstable(drawn: Curves) -> Sign | None:
    jumps = spikes(drawn)
    if not jumps:
        return None
    many = len(jumps) > 1
    return Sign(
        "unstable", "warning" if many else "note", f"The training loss jumped up by half or more at {_epochs(jumps)}."
    )


def _rate(drawn: Curves) -> Sign | None:
    drops = rate_drops(drawn)
    if not drops or drawn.rate is None:
        return None
    steady = len(drops) > max(SHOWN, len(drawn.rate) // 2)
    when = "epoch by epoch" if steady else f"at {_epochs(drops)}"
    return Sign(
        "learning_rate",
        "note",
        f"The learning rate was lowered {when}, from {drawn.rate[0]:.2g} to {drawn.rate[-1]:.2g}.",
    )


def _epochs(epochs: Sequence[int]) -> str:
    """Return epochs, counted from 0, as text that counts from 1."""
    shown = [str(epoch + 1) for epoch in epochs[:SHOWN]]
    more = f" and {len(epochs) - SHOWN} more" if len(epochs) > SHOWN else ""
    return f"epoch{'s' if len(epochs) > 1 else ''} {', '.join(shown)}{more}"
