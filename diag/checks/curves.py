"""Training curves as checks read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.io.histories import History


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Loss and accuracy by epoch, NaN replaced by the epoch before; None for what the history does not hold."""

    loss: NDArray[np.float64] | None
    val_loss: NDArray[np.float64] | None
    accuracy: NDArray[np.float64] | None
    val_accuracy: NDArray[np.float64] | None

    @property
    def best(self) -> int:
        """The epoch, from 0, with the lowest validation loss; without one, the highest validation accuracy."""
        if self.val_loss is not None:
            return int(np.argmin(self.val_loss))
        if self.val_accuracy is not None:
            return int(np.argmax(self.val_accuracy))
        raise CheckNotApplicable("The history holds no validation figures.")

    def evidence(self) -> list[Evidence]:
        """Return the curves to draw: loss, and accuracy."""
        pairs = {"Loss": (self.loss, self.val_loss), "Accuracy": (self.accuracy, self.val_accuracy)}
        return [
            Evidence(
                f"{name} by epoch",
                tuple(
                    {"epoch": int(epoch) + 1, name.lower(): float(values[epoch]), "part": part}
                    for part, values in zip(("training", "validation"), pair, strict=True)
                    if values is not None
                    for epoch in _shown(len(values))
                ),
                "line",
                x="epoch",
                y=name.lower(),
                colour="part",
            )
            for name, pair in pairs.items()
            if any(values is not None for values in pair)
        ]


def curves(history: History) -> Curves:
    """Return the curves of a history; the accuracy is the first column whose name speaks of it."""
    names = list(history.columns)
    accuracy = next((name for name in names if "acc" in name and not name.startswith("val_")), None)
    val_accuracy = next((name for name in names if "acc" in name and name.startswith("val_")), None)
    return Curves(
        loss=_column(history, "loss"),
        val_loss=_column(history, "val_loss"),
        accuracy=_column(history, accuracy),
        val_accuracy=_column(history, val_accuracy),
    )


def _column(history: History, name: str | None) -> NDArray[np.float64] | None:
    if name is None or name not in history.columns:
        return None
    values = np.array(history.columns[name], dtype=np.float64)
    known = np.isfinite(values)
    if not known[:1].any():
        return None
    return values[np.maximum.accumulate(np.where(known, np.arange(len(values)), 0))]


def _shown(n: int) -> NDArray[np.int64]:
    """Return at most 50 epochs, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, 50)).round().astype(np.int64))
