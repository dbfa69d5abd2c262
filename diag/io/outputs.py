"""From a model's own outputs to class probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD_NOTES = {
    "linear": "The model returns logits: softmax was applied.",
    "linear-binary": "The model returns one logit: sigmoid was applied, and it is shown as two classes.",
    "binary": "The model has one sigmoid output: it is shown as two classes.",
    "sigmoid": "The model has one sigmoid a class: each row was divided by its sum.",
    "unknown": "The file does not say whether outputs are probabilities: rows that do not sum to 1 go through softmax.",
}


def output_head(activation: str | None, n_outputs: int | None) -> str:
    """Return how outputs become probabilities: softmax, binary, sigmoid, linear, linear-binary or unknown."""
    if activation == "softmax" and n_outputs != 1:
        return "softmax"
    if activation == "sigmoid":
        return "binary" if n_outputs == 1 else "sigmoid"
    if activation == "linear":
        return "linear-binary" if n_outputs == 1 else "linear"
    return "unknown"


def to_probabilities(raw: NDArray[Any], head: str) -> NDArray[np.float32]:
    """Return a model's outputs (n, outputs) as probabilities (n, k).

    Examples
    --------
    >>> to_probabilities(np.array([[0.0, 0.0]]), "linear").tolist()
    [[0.5, 0.5]]
    >>> to_probabilities(np.array([[0.25]]), "binary").tolist()
    [[0.75, 0.25]]
    """
    values = raw.astype(np.float64)
    if head == "unknown":
        is_proba = values.min(initial=0) >= 0 and np.allclose(values.sum(axis=1), 1, atol=1e-3)
        head = "softmax" if is_proba else "linear"
        if values.shape[1] == 1:
            head = "binary" if values.min(initial=0) >= 0 and values.max(initial=1) <= 1 else "linear-binary"
    if head == "linear-binary":
        values = 1 / (1 + np.exp(-np.clip(values, -500, 500)))
    if head in ("binary", "linear-binary"):
        values = np.concatenate([1 - values, values], axis=1)
    elif head == "linear":
        values = np.exp(values - values.max(axis=1, keepdims=True))
    total = values.sum(axis=1, keepdims=True)
    # All sigmoids at zero: the model favours no class.
    shares: NDArray[np.float64] = np.divide(
        values, total, out=np.full_like(values, 1 / values.shape[1]), where=total > 0
    )
    return shares.astype(np.float32)
