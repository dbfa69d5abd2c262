"""What a training run's curves show: the best epoch, gaps, and signs of over- and underfitting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import CheckNotApplicable
from diag.metrics.samples import EPSILON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

GAP = 0.1
"""Gap of the accuracies that is a plain sign of overfitting; the shipped models have at most 0.06."""
NOTED_GAP = 0.05
"""Gap from which on one speaks of overfitting at all."""
RISE = 2.0
"""Last validation loss over the lowest, with a gap of at least `NOTED_GAP`, that is a plain sign of overfitting."""
LOW = 0.8
"""Training accuracy below which a model that could still learn is underfitted."""
FAIR = 0.95
"""The same, for a mere note."""
FALLING = 0.03
"""Share of the training loss that each of the last two epochs took away."""
SAME_LOSS = 0.002
"""Relative difference of two log losses of one set of images, by rounding."""
LARGEST_LOSS = 50.0
"""What one image may have added to a loss that takes logits; here probabilities end at float32's epsilon."""
LOST = 0.01
"""Validation accuracy given away by saving another epoch than the best that is worth a warning."""
ROSE = 1.25
"""Validation loss of an epoch over the lowest one that is worth a warning."""
SPIKE = 1.5
"""Training loss over that of the epoch before, and over the median so far, that is a spike."""
DROP = 0.95
"""Learning rate over that of the epoch before that is a drop."""


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Loss and accuracy by epoch; None for what a history does not hold.

    Parameters
    ----------
    loss, accuracy : ndarray of float64, shape (n,), or None
        Of training; the accuracy is a share 0..1. NaN is replaced by the epoch before.
    val_loss, val_accuracy : ndarray of float64, shape (n,), or None
        Of validation; NaN at epochs without, as Keras leaves them with ``validation_freq``.
    rate : ndarray of float64, shape (n,), or None
        Learning rate.
    broken : int or None
        The first epoch, from 0, from which on the training loss is NaN or infinite, though it was a number before; or
        the validation loss, where it is infinite or had been there at every epoch before.
    """

    loss: NDArray[np.float64] | None
    val_loss: NDArray[np.float64] | None
    accuracy: NDArray[np.float64] | None
    val_accuracy: NDArray[np.float64] | None
    rate: NDArray[np.float64] | None = None
    broken: int | None = None

    @property
    def best(self) -> int:
        """The epoch, from 0, with the lowest validation loss; without one, the highest validation accuracy.

        Raises
        ------
        CheckNotApplicable
            If there are no validation figures.
        """
        if self.val_loss is not None:
            return int(np.nanargmin(self.val_loss))
        if self.val_accuracy is not None:
            return int(np.nanargmax(self.val_accuracy))
        raise CheckNotApplicable("The history holds no validation figures.")

    @property
    def n_epochs(self) -> int:
        """Number of epochs."""
        return max((len(values) for values in self.parts if values is not None), default=0)

    @property
    def parts(self) -> tuple[NDArray[np.float64] | None, ...]:
        """The four curves."""
        return self.loss, self.val_loss, self.accuracy, self.val_accuracy


def training_curves(columns: Mapping[str, NDArray[np.float64]]) -> Curves:
    """Return the curves of a history's columns; the accuracy is the first column whose name speaks of it.

    Examples
    --------
    >>> drawn = training_curves({"loss": np.array([2.0, 1.0, np.nan]), "val_acc": np.array([0.1, 0.9, 0.8])})
    >>> drawn.loss.tolist(), drawn.best, drawn.broken
    ([2.0, 1.0, 1.0], 1, 2)
    """
    names = list(columns)
    accuracy = next((name for name in names if "acc" in name and not name.startswith("val_")), None)
    val_accuracy = next((name for name in names if "acc" in name and name.startswith("val_")), None)
    rate = next((name for name in ("learning_rate", "lr") if name in columns), None)
    broken = [look(columns[name]) for name, look in (("loss", _broken), ("val_loss", _val_broken)) if name in columns]
    return Curves(
        loss=_filled(columns, "loss"),
        val_loss=_known(columns, "val_loss"),
        accuracy=_filled(columns, accuracy),
        val_accuracy=_known(columns, val_accuracy),
        rate=_filled(columns, rate),
        broken=min((epoch for epoch in broken if epoch is not None), default=None),
    )


def _filled(columns: Mapping[str, NDArray[np.float64]], name: str | None) -> NDArray[np.float64] | None:
    if name is None or name not in columns:
        return None
    values = np.array(columns[name], dtype=np.float64)
    known = np.isfinite(values)
    if not known[:1].any():
        return None
    return values[np.maximum.accumulate(np.where(known, np.arange(len(values)), 0))]


def _known(columns: Mapping[str, NDArray[np.float64]], name: str | None) -> NDArray[np.float64] | None:
    """Return a column with NaN for what is no number; None where nothing is one."""
    if name is None or name not in columns:
        return None
    values = np.array(columns[name], dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    return None if np.isnan(values).all() else values


def _broken(values: NDArray[np.float64]) -> int | None:
    """Return the first epoch that is no number and has none after it, though there was one before."""
    known = np.flatnonzero(np.isfinite(values))
    return int(known[-1]) + 1 if len(known) and known[-1] + 1 < len(values) else None


def _val_broken(values: NDArray[np.float64]) -> int | None:
    """Return the same of a validation loss, which is not there at every epoch: a gap alone is no sign."""
    first = _broken(values)
    if first is None or np.isfinite(values[:first]).all():
        return first
    infinite = np.flatnonzero(np.isinf(values[first:]))
    return first + int(infinite[0]) if len(infinite) else None


def latest(values: NDArray[np.float64], epoch: int = -1) -> float:
    """Return the value at an epoch (from 0; -1 is the last), or the nearest one before that is a number, else NaN.

    Examples
    --------
    >>> latest(np.array([np.nan, 0.5, np.nan])), latest(np.array([np.nan, 0.5]), 0)
    (0.5, nan)
    """
    so_far = values[: epoch + 1] if epoch >= 0 else values
    known = np.flatnonzero(np.isfinite(so_far))
    return float(so_far[known[-1]]) if len(known) else float("nan")


def overfitting_signs(drawn: Curves) -> dict[str, Any]:
    """Return the gap at the last epoch with validation or the best one, whichever is smaller, and how the loss rose.

    Returns
    -------
    dict
        ``epoch`` (from 1), ``accuracy``, ``val_accuracy``, ``gap`` (their difference), ``rise`` (last validation loss
        over the lowest; 1 without one).

    Raises
    ------
    CheckNotApplicable
        If there is no accuracy of both training and validation.
    """
    if drawn.accuracy is None or drawn.val_accuracy is None:
        raise CheckNotApplicable("The history holds no accuracy of both training and validation.")
    gaps = drawn.accuracy - drawn.val_accuracy
    known = np.flatnonzero(np.isfinite(gaps))
    best = drawn.best if drawn.best in known else known[-1]
    at = int(min((known[-1], best), key=lambda epoch: gaps[epoch]))
    return {
        "epoch": at + 1,
        "accuracy": float(drawn.accuracy[at]),
        "val_accuracy": float(drawn.val_accuracy[at]),
        "gap": float(gaps[at]),
        "rise": loss_rise(drawn),
    }


def loss_rise(drawn: Curves) -> float:
    """Return the last validation loss over the lowest; 1 without one."""
    return 1.0 if drawn.val_loss is None else latest(drawn.val_loss) / max(1e-12, float(np.nanmin(drawn.val_loss)))


def is_overfitted(signs: Mapping[str, Any]) -> bool:
    """Return whether signs of `overfitting_signs` are plain."""
    return bool(signs["gap"] > GAP or (signs["gap"] > NOTED_GAP and signs["rise"] > RISE))


def is_underfitted(signs: Mapping[str, Any]) -> bool:
    """Return whether signs of `underfitting_signs` show a model that had not learned yet."""
    return bool(signs["fall"] >= FALLING and signs["improving"] and signs["accuracy"] < FAIR)


def underfitting_signs(drawn: Curves) -> dict[str, Any]:
    """Return how fast the training loss still fell, and how far the accuracy had come.

    Returns
    -------
    dict
        ``epochs``, ``fall`` (the smaller of the shares of the loss that the last two epochs took away), ``accuracy``
        (the higher of the last two, training and validation), ``improving`` (the best epoch is one of the last two with
        a validation loss).

    Raises
    ------
    CheckNotApplicable
        If there are no loss and accuracy of two epochs.
    """
    if drawn.loss is None or drawn.accuracy is None or len(drawn.loss) < 2:
        raise CheckNotApplicable("The history holds no loss and accuracy of two epochs.")
    last = 0.0 if drawn.val_accuracy is None else latest(drawn.val_accuracy)
    return {
        "epochs": len(drawn.loss),
        "fall": last_fall(drawn),
        "accuracy": max(float(drawn.accuracy[-1]), last),
        "improving": drawn.val_loss is None or drawn.best in np.flatnonzero(np.isfinite(drawn.val_loss))[-2:],
    }


def last_fall(drawn: Curves) -> float:
    """Return the smaller of the shares of the training loss that the last two epochs took away; NaN without them."""
    if drawn.loss is None or len(drawn.loss) < 2:
        return float("nan")
    falls = 1 - drawn.loss[1:] / np.maximum(1e-12, drawn.loss[:-1])
    return float(falls[-2:].min())


def given_away(drawn: Curves, epoch: int, best: int) -> tuple[float, float]:
    """Return validation accuracy lost, and the ratio of the losses, between an epoch and the best one (from 0).

    Of an epoch without validation figures the latest ones before it count.
    """
    at, accuracies, losses = (best, epoch), drawn.val_accuracy, drawn.val_loss
    before, after = (0.0, 0.0) if accuracies is None else (latest(accuracies, each) for each in at)
    lowest, loss = (1.0, 1.0) if losses is None else (latest(losses, each) for each in at)
    lost, rose = before - after, loss / max(1e-12, lowest)
    return lost if np.isfinite(lost) else 0.0, rose if np.isfinite(rose) else 1.0


def matching_epoch(drawn: Curves, log_loss: float, accuracy: float, p_true: NDArray[np.float64]) -> int | None:
    """Return the epoch, from 0, whose validation loss and accuracy are those measured; None when it is not one alone.

    Parameters
    ----------
    drawn : Curves
    log_loss, accuracy : float
        As measured with the saved file.
    p_true : ndarray of float64, shape (n,)
        Probabilities of the true classes: where they were cut off, a loss of logits may have been larger.

    Notes
    -----
    Only where the data are the validation data do both figures agree, and then with one epoch alone.
    """
    if drawn.val_loss is None or drawn.val_accuracy is None or not len(p_true):
        return None
    clipped = float((p_true <= EPSILON).mean())
    more, tolerance = drawn.val_loss - log_loss, SAME_LOSS * log_loss
    close = (more >= -tolerance) & (more <= tolerance + LARGEST_LOSS * clipped)
    equal = np.abs(drawn.val_accuracy - accuracy) < min(1e-4, 0.5 / len(p_true))
    matching = np.flatnonzero(close & equal)
    return int(matching[0]) if len(matching) == 1 else None


def spikes(drawn: Curves) -> list[int]:
    """Return the epochs, from 0, at which the training loss jumped up: by half, and above the median so far.

    Examples
    --------
    >>> spikes(training_curves({"loss": np.array([2.0, 1.0, 0.5, 1.6, 0.4, 0.5])}))
    [3]
    """
    if drawn.loss is None:
        return []
    loss = drawn.loss
    jumps = np.flatnonzero(loss[1:] > SPIKE * np.maximum(1e-12, loss[:-1])) + 1
    return [int(epoch) for epoch in jumps if loss[epoch] > np.median(loss[:epoch])]


def rate_drops(drawn: Curves) -> list[int]:
    """Return the epochs, from 0, that began with a learning rate lower by 5 % or more than the one before.

    Examples
    --------
    >>> rate_drops(training_curves({"loss": np.ones(4), "lr": np.array([0.1, 0.1, 0.01, 0.01])}))
    [2]
    """
    if drawn.rate is None:
        return []
    return [int(epoch) + 1 for epoch in np.flatnonzero(drawn.rate[1:] <= DROP * drawn.rate[:-1])]


def accuracy_gap(drawn: Curves, epoch: int) -> float:
    """Return training minus validation accuracy at an epoch (from 0), -1: the last that has both; NaN without."""
    if drawn.accuracy is None or drawn.val_accuracy is None:
        return float("nan")
    gaps = drawn.accuracy - drawn.val_accuracy
    return latest(gaps) if epoch < 0 else float(gaps[epoch])
