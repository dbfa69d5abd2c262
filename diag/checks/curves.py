"""Training curves as checks read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.metrics.training_curves import Curves, training_curves
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.io.histories import History


def curves(history: History) -> Curves:
    """Return the curves of a history."""
    return training_curves(history.columns)


def evidence(drawn: Curves) -> list[Evidence]:
    """Return the curves to draw: loss, and accuracy."""
    pairs = {"Loss": (drawn.loss, drawn.val_loss), "Accuracy": (drawn.accuracy, drawn.val_accuracy)}
    return [
        Evidence(
            f"{name} by epoch",
            tuple(
                {"epoch": int(epoch) + 1, name.lower(): float(values[epoch]), "part": part}
                for part, values in zip(("training", "validation"), pair, strict=True)
                if values is not None
                for epoch in _shown(values)
            ),
            "line",
            x="epoch",
            y=name.lower(),
            colour="part",
        )
        for name, pair in pairs.items()
        if any(values is not None for values in pair)
    ]


def _shown(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return at most 50 epochs that have a value, the first and the last among them."""
    known = np.flatnonzero(np.isfinite(values))
    return known[np.unique(np.linspace(0, len(known) - 1, min(len(known), 50)).round().astype(np.int64))]
