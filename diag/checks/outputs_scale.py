"""Outputs that are not probabilities, or probabilities that were put through softmax again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

SUM_TOLERANCE = 0.01
"""Probabilities of one image may miss 1 by so much: 1,000 classes in half precision miss it by up to 0.005."""


def run(case: Case) -> Iterator[Finding]:
    """Look at the model's own outputs, and at the layers that make them."""
    layers = case.structure.last
    outputs = case.outputs.astype(np.float64)
    if not np.isfinite(outputs).all():
        raise CheckNotApplicable("The model returns NaN or infinity.")
    if outputs.shape[1] > 1 and ([layer.softmax for layer in layers] == [True, True] or squeezed(outputs)):
        yield _twice(outputs, [layer.name for layer in layers])
        return
    finding = _not_probabilities(case.model.file.activation, outputs)
    if finding is not None:
        yield finding


def squeezed(outputs: NDArray[np.float64]) -> bool:
    """Return whether probabilities (n, k) look like softmax of probabilities.

    Softmax of numbers from 0 to 1 gives rows whose logarithms differ by 1 at most. Undone, they must be
    probabilities again, and some of them nearly one-hot: those of an untrained network are not.

    Examples
    --------
    >>> twice = np.exp(np.eye(3)) / (np.e + 2)
    >>> squeezed(twice), squeezed(np.full((4, 3), 1 / 3))
    (True, False)
    """
    if outputs.min() <= 0 or np.abs(outputs.sum(axis=1) - 1).max() > SUM_TOLERANCE:
        return False
    logs = np.log(outputs)
    inner = logs - logs.mean(axis=1, keepdims=True) + 1 / outputs.shape[1]
    return bool(inner.min() > -1e-3 and inner.max() < 1 + 1e-3 and (inner.max(axis=1) > 0.9).mean() >= 0.05)


def _twice(outputs: NDArray[np.float64], names: list[str]) -> Finding:
    k, largest = outputs.shape[1], float(outputs.max())
    bound = float(np.e / (np.e + k - 1))
    return CHECK.finding(
        "warning",
        f"Softmax is applied twice (the last layers are {' and '.join(reversed(names))}): the largest probability of "
        f"{len(outputs):,} images is {largest:.3f}; {k} classes cannot give more than {bound:.3f} so.",
        "Take the second softmax away; the order of the classes stays, confidence and log loss become usable.",
        measured={"largest_probability": largest, "bound": bound, "classes": k},
        evidence=[_histogram(outputs.max(axis=1), "Images by their largest output")],
    )


def _not_probabilities(activation: str | None, outputs: NDArray[np.float64]) -> Finding | None:
    """Return what is wrong with outputs of which a file says (or does not say) how they were activated."""
    sums = outputs.sum(axis=1)
    inside = outputs.min() >= -1e-6 and outputs.max() <= 1 + 1e-6
    one = bool(inside and np.abs(sums - 1).max() <= SUM_TOLERANCE)
    single = outputs.shape[1] == 1
    measured = {"smallest_output": float(outputs.min()), "largest_output": float(outputs.max())}
    measured |= {} if single else {"smallest_sum": float(sums.min()), "largest_sum": float(sums.max())}
    told = ", ".join(f"{key.replace('_', ' ')} {value:.3g}" for key, value in measured.items())
    if activation == "linear" and one and not single:
        message = f"The head is said to be linear, but gives probabilities ({told}): softmax was put on top of them."
        remedy = "Save the model with its softmax as the last layer: the confidence shown here is too low."
    elif activation in ("softmax", "sigmoid") and not (one if activation == "softmax" and not single else inside):
        message = f"The head is said to be {activation}, but its outputs are no probabilities ({told})."
        remedy = "Look at what follows the activation, and over which axis it runs."
    elif (single and inside) or one:
        return None
    else:
        return _note(activation, told, outputs, measured)
    sums_shown = outputs[:, 0] if single else sums
    return CHECK.finding(
        "warning", message, remedy, measured=measured, evidence=[_histogram(sums_shown, "Images by the sum of outputs")]
    )


def _note(activation: str | None, told: str, outputs: NDArray[np.float64], measured: dict[str, float]) -> Finding:
    if activation == "sigmoid":
        done = "one sigmoid a class does not make probabilities that sum to 1; each row was divided by its sum"
        remedy = "Use softmax when an image has one class; keep sigmoids when it may have several."
    else:
        which = "sigmoid" if outputs.shape[1] == 1 else "softmax"
        done = f"the outputs are logits; {which} was applied to them here"
        remedy = f"Nothing, as long as whoever uses the model applies {which} too."
    return CHECK.finding("note", f"{done[0].upper()}{done[1:]} ({told}).", remedy, measured=measured)


def _histogram(values: NDArray[np.float64], title: str) -> Evidence:
    counts, edges = np.histogram(values, bins=20)
    rows = tuple(
        {"from": float(low), "to": float(high), "images": int(count)}
        for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True)
    )
    return Evidence(title, rows, "bar", x="from", y="images")


CHECK = Check("DG104", "Outputs are not probabilities", run)
