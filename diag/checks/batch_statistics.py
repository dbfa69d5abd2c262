"""Batch normalisation whose moving statistics are not those of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable, DiagError
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding, Severity

LEAST_IMAGES = 30
TOTAL_NUMBERS = 2**29
"""Numbers that all layers together compute in all: bounds the images of a large network."""
MOST_NUMBERS = 2**35
"""Beyond this the accuracy with batch statistics is not measured."""
BATCH = 200
"""Images that are normalised together, at most."""
ALPHA = 1e-3
"""Of the one-sided sign test that batch statistics are right more often."""
CRITICAL_RISE, WARNING_RISE, RISE = 0.2, 0.1, 0.02
"""Accuracy that batch statistics add. The last is a warning only beside a layer that disagrees, else a note: a residual
network after its first epoch on half of MNIST has 0.06, with every layer in its place."""
SHIFT, FACTOR = 1.0, 4.0
"""A layer disagrees if the median channel's mean is off by so many moving standard deviations, or its variance by
this factor either way."""
FAR_SHIFT, FAR_FACTOR = 5.0, 25.0
"""So much is a warning, whatever the accuracy is: the probabilities are others. Networks that were trained long enough
for their momentum have shifts below 0.3 and factors within 1.5."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of batch normalisation: medians over its channels.

    Parameters
    ----------
    name : str
    shift : float
        Distance of the sample's mean from the moving mean, in moving standard deviations.
    factor : float
        The sample's variance in parts of the moving variance.
    """

    name: str
    shift: float
    factor: float

    @property
    def disagrees(self) -> bool:
        """Whether it is off by `SHIFT` or `FACTOR`."""
        return self.shift >= SHIFT or not 1 / FACTOR < self.factor < FACTOR

    @property
    def far(self) -> bool:
        """Whether it is off by `FAR_SHIFT` or `FAR_FACTOR`."""
        return self.shift >= FAR_SHIFT or not 1 / FAR_FACTOR < self.factor < FAR_FACTOR


def run(case: Case) -> Iterator[Finding]:
    """Compare moving statistics with those of the sample, then the accuracy with either."""
    found = layers(case)
    off = [layer for layer in found if layer.disagrees]
    effect = _effect(case)
    severity = _severity(off, effect)
    if severity is None:
        return
    yield CHECK.finding(
        severity,
        _told(found, off, effect),
        "Check the scale of the input first; else run some training batches through the model in training mode, so "
        "that the moving statistics catch up, or train longer or with a smaller momentum.",
        measured={
            "layers": len(found),
            "disagree": len(off),
            "largest_shift": max(layer.shift for layer in found),
            **({"accuracy": effect[0], "accuracy_batch": effect[1], "p_value": effect[2]} if effect else {}),
        },
        evidence=[
            Evidence(
                "Moving statistics beside those of the data",
                tuple({"layer": each.name, "shift": each.shift, "variance_ratio": each.factor} for each in found[:100]),
                "point",
                x="shift",
                y="variance_ratio",
            )
        ],
    )


def _severity(off: list[Layer], effect: tuple[float, float, float] | None) -> Severity | None:
    rise = effect[1] - effect[0] if effect is not None and effect[2] < ALPHA else 0.0
    if rise >= CRITICAL_RISE:
        return "critical"
    if rise >= (RISE if off else WARNING_RISE) or any(layer.far for layer in off):
        return "warning"
    return "note" if off or rise >= RISE else None


def _told(found: list[Layer], off: list[Layer], effect: tuple[float, float, float] | None) -> str:
    worst = max(found, key=lambda layer: max(layer.shift / SHIFT, abs(np.log(layer.factor)) / np.log(FACTOR)))
    told = (
        f"{len(off) or 'None'} of the {len(found)} layers of batch normalisation {'is' if len(off) < 2 else 'are'} far "
        f"from the data; furthest is {worst.name}: means off by {worst.shift:.2g} moving standard deviations, "
        f"variances {worst.factor:.2g} times the moving ones"
    )
    if effect is None:
        return f"{told}."
    return f"{told}; accuracy is {effect[0]:.1%} with the moving statistics and {effect[1]:.1%} with the batch's own."


def layers(case: Case) -> list[Layer]:
    """Return every layer of batch normalisation beside the sample.

    Raises
    ------
    CheckNotApplicable
        If there is none, or the sample is too small.
    """
    if not case.structure.has("BatchNormalization"):
        raise CheckNotApplicable("The network has no batch normalisation.")
    units = case.units
    if units[0].images < LEAST_IMAGES:
        raise CheckNotApplicable(f"{units[0].images} images are too few: at least {LEAST_IMAGES} are needed.")
    found = []
    for each in units:
        if each.moving is None:
            continue
        before, epsilon = units[each.place.source], each.moving.epsilon
        mean, variance = each.moving.mean, each.moving.variance
        if before.mean.shape != mean.shape or not np.isfinite([*before.mean, *before.var, *mean, *variance]).all():
            continue
        shift = np.abs(before.mean - mean) / np.sqrt(variance + epsilon)
        factor = (before.var + epsilon) / (variance + epsilon)
        found.append(Layer(each.place.name, float(np.median(shift)), float(np.median(factor))))
    if not found:
        raise CheckNotApplicable("No layer of batch normalisation could be compared with its input.")
    return found


def _effect(case: Case) -> tuple[float, float, float] | None:
    """Return accuracy with moving and with batch statistics on the same images, and p; None without labels."""
    from scipy.stats import binomtest

    try:
        y_true, shown = case.y_true, case.proba.argmax(axis=1)
    except DiagError:
        return None
    rows = case.rng("batches").permutation(len(y_true))  # data in the order of classes makes batches of one class
    cost, fixed = case.structure.cost, case.structure.batch
    n = int(min(len(rows), max(LEAST_IMAGES + 2, TOTAL_NUMBERS // cost)))
    if fixed is not None:
        n -= n % fixed  # whole batches: padding would count
    rows = rows[:n]
    if not n or n * cost > MOST_NUMBERS:
        return None
    outputs = case.ask_network("batch_statistics", {"inputs": case.inputs[rows]}, {"batch": BATCH}).arrays["outputs"]
    if not np.isfinite(outputs).all():
        return None
    batch = case.model.read_outputs(outputs).argmax(axis=1) == y_true[rows]
    moving = shown[rows] == y_true[rows]
    better, worse = int((batch & ~moving).sum()), int((~batch & moving).sum())
    p_value = float(binomtest(better, better + worse, alternative="greater").pvalue) if better + worse else 1.0
    return float(moving.mean()), float(batch.mean()), p_value


CHECK = Check("DG306", "Batch normalisation disagrees with the data", run)
