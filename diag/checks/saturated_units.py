"""Units of squashing activations that stand at their limits for nearly all inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.checks.steps import LIMITS
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

LEAST_IMAGES = 30
AT_LIMITS = 0.9
"""A unit is saturated when this share of its values lies within 1% of the activation's range from a limit."""
NOTE_SHARE = 0.25
"""Share of a layer's units. Of networks trained without fault (sigmoid and tanh) it is 0.00."""
WARNING_SHARE = 0.5


def run(case: Case) -> Iterator[Finding]:
    """Measure, layer by layer, the share of hidden units that are nearly always at a limit."""
    bounded = [
        each
        for each in case.units
        if each.place.kind in LIMITS and each.place.hidden and not each.place.gate and len(each.at_low)
    ]
    if not bounded:
        raise CheckNotApplicable("No hidden layer has a sigmoid, tanh or softsign.")
    if bounded[0].images < LEAST_IMAGES:
        raise CheckNotApplicable(f"{bounded[0].images} images are too few: at least {LEAST_IMAGES} are needed.")
    shares = np.array([np.mean(each.at_low + each.at_high >= AT_LIMITS) for each in bounded])
    stuck = np.array([np.mean(np.maximum(each.at_low, each.at_high) >= AT_LIMITS) for each in bounded])
    worst = int(shares.argmax())
    if shares[worst] < NOTE_SHARE:
        return
    layer = bounded[worst]
    yield CHECK.finding(
        "warning" if shares[worst] >= WARNING_SHARE else "note",
        f"{shares[worst]:.0%} of the {len(layer.at_low)} units of {layer.place} ({layer.place.kind}) are at a limit "
        f"for at least {AT_LIMITS:.0%} of their inputs, {stuck[worst]:.0%} always at the same one.",
        "Check the scale of the input; else train again with a smaller learning rate or smaller initial weights.",
        measured={"layer": layer.place.name, "share": float(shares[worst]), "stuck": float(stuck[worst])},
        evidence=[
            Evidence(
                "Share of units at their limits",
                tuple(
                    {"layer": str(each.place), "activation": each.place.kind, "share": float(share)}
                    for each, share in zip(bounded[:100], shares, strict=False)
                ),
                "bar",
                x="share",
                y="layer",
            )
        ],
    )


CHECK = Check("DG302", "Saturated units", run)
