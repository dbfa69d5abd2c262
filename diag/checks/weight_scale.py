"""Weights, and the signal that passes them, that are far too large or too small in one layer or through the depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable, DiagError
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.checks.units import Units
    from diag.results.diagnosis import Finding

LARGE = 20.0
"""Root mean square of a kernel in units of Glorot's initial scale. Networks trained without fault have 0.2 to 8."""
SMALL = 1 / 30
BESIDE = 15.0
"""The same, in parts of the median over the network's layers; without fault it is below 6."""
MILD = 5.0
"""A kernel that stands out beside the others is told of only if it is so far from the initial scale, too."""
LOUD = 5.0
"""A large kernel matters when its answers spread at least so much."""
FAINT = 0.05
"""A small first kernel matters when its answers spread at most so much: large pixels need small weights."""
EXPLODED = 1000.0
"""Spread of a layer's answers in units of the input's. Without fault it is 0.005 to 60."""
VANISHED = 1e-4


def run(case: Case) -> Iterator[Finding]:
    """Compare kernels with their initial scale and each other, and the spread of answers with that of the input.

    A kernel before batch normalisation has no scale of its own and is left out.

    References
    ----------
    Glorot, X. and Bengio, Y. (2010): Understanding the difficulty of training deep feedforward neural networks.
    AISTATS, eq. 12 and 16.
    """
    signal = _signal(case)
    scales = _scales(case)
    if not scales and len(signal) < 2:
        raise CheckNotApplicable("There are no convolution or dense layers with usable weights.")
    spreads = {each.place.name: each.spread for each in signal}
    large, small = _outliers(scales, spreads)
    exploded, vanished = _through_depth(signal)
    parts = [
        *(f"{name} {scales[name]:.3g} times the initial scale" for name in (*large, *small)[:5]),
        *(f"answers of {name} spread {ratio:.3g} times as much as the input" for name, ratio in (*exploded, *vanished)),
    ]
    if not parts:
        return
    up = bool(large or exploded)
    yield CHECK.finding(
        "warning",
        f"{'Exploding' if up else 'Vanishing'} weights or signals: {'; '.join(parts[:5])}.",
        "Check that these weights were loaded into the right layer, and that no scale is applied twice; else train "
        "again with a smaller learning rate, clipped gradients or normalisation.",
        measured={"layers": [*large, *small, *(name for name, _ in (*exploded, *vanished))], "scales": scales},
        evidence=_evidence(scales, signal),
    )


def _scales(case: Case) -> dict[str, float]:
    """Return by layer the root mean square of its weights in units of Glorot's standard deviation."""
    free = _normalised(case)
    found: dict[str, float] = {}
    for kernel in case.kernels:
        if kernel.finite and not kernel.zero and kernel.layer.rsplit("/", 1)[-1] not in free:
            found[kernel.layer] = kernel.rms / kernel.glorot
    return found


def _normalised(case: Case) -> set[str]:
    """Return the layers whose output goes straight into batch normalisation; without a graph of layers, none."""
    found = case.structure.places or ()
    return {found[each.source].carrier for each in found if each.kind.endswith("Normalization") and each.carrier} - {""}


def _signal(case: Case) -> list[Units]:
    """Return the input and the answers of every layer with a kernel, before the activation; empty without images."""
    try:
        units = case.units
    except DiagError:
        return []
    kept = [each for each in units[1:] if each.place.carrier == each.place.name and not each.place.gate]
    first = list({each.place.name: each for each in reversed(kept)}.values())[::-1]
    return [each for each in (units[0], *first) if len(each.var) and np.isfinite(each.spread)]


def _outliers(scales: dict[str, float], spreads: dict[str, float]) -> tuple[list[str], list[str]]:
    """Return the layers with kernels that are too large, and too small."""
    if not scales:
        return [], []
    median = float(np.median(list(scales.values()))) if len(scales) > 2 else 1.0
    first = next(iter(scales))
    large, small = [], []
    for name, scale in scales.items():
        spread = spreads.get(name.rsplit("/", 1)[-1])
        if (scale > LARGE or (scale > BESIDE * median and scale > MILD)) and (spread is None or spread > LOUD):
            large.append(name)
        elif (scale < SMALL or (scale < median / BESIDE and scale < 1 / MILD)) and (
            name != first or (spread is not None and spread < FAINT)
        ):
            small.append(name)
    return large, small


def _through_depth(signal: list[Units]) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Return the first layer whose answers spread beyond `EXPLODED`, and the first below `VANISHED`, if any."""
    if len(signal) < 2 or not signal[0].spread:
        return [], []
    ratios = [(each.place.name, each.spread / signal[0].spread) for each in signal[1:]]
    exploded = [(name, ratio) for name, ratio in ratios if ratio > EXPLODED]
    vanished = [(name, ratio) for name, ratio in ratios if 0 < ratio < VANISHED]
    return exploded[:1], vanished[:1]


def _evidence(scales: dict[str, float], signal: list[Units]) -> list[Evidence]:
    found = []
    if scales:
        rows = tuple({"layer": name, "scale": scale} for name, scale in list(scales.items())[:100])
        found.append(Evidence("Weights, in units of Glorot's initial scale", rows, "bar", x="scale", y="layer"))
    if len(signal) > 1:
        answers = tuple(
            {"depth": depth, "layer": each.place.name, "spread": each.spread} for depth, each in enumerate(signal[:100])
        )
        found.append(
            Evidence(
                "Standard deviation of the input and of each layer's answers", answers, "line", x="depth", y="spread"
            )
        )
    return found


CHECK = Check("DG305", "Exploding or vanishing weights", run)
