"""Units behind a rectifier that are zero for every image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.checks.units import Units
    from diag.results.diagnosis import Finding

RELU = frozenset({"relu", "relu6", "ReLU", "Relu", "Relu6"})
LEAST_IMAGES = 30
"""With fewer images a unit that is merely selective looks dead."""
NOTE_SHARE = 0.4
"""Share of a layer's units. Small dense networks for digits that were trained without fault have up to 0.36."""
WARNING_SHARE = 0.7
"""Small dense networks for coloured images (2,352 inputs) that were trained without fault have up to 0.63."""
LEAST_DEAD = 4
"""Fewer dead units are told of in a note at most: in a layer of four, three dead ones may be what training left."""
CONSTANT = 1e-6


def run(case: Case) -> Iterator[Finding]:
    """Count, layer by layer, the rectified units that no image wakes, less those that more images would."""
    rectified = [each for each in case.units if _rectified(each)]
    if not rectified:
        raise CheckNotApplicable("No hidden layer has a rectifier.")
    if rectified[0].images < LEAST_IMAGES:
        raise CheckNotApplicable(f"{rectified[0].images} images are too few: at least {LEAST_IMAGES} are needed.")
    shares = [dead(each) / len(each.fired) for each in rectified]
    worst = int(np.argmax(shares))
    if shares[worst] < NOTE_SHARE:
        return
    layers = [(each, share) for each, share in zip(rectified, shares, strict=True) if share >= NOTE_SHARE]
    outputs = case.units[-1]
    constant = bool((outputs.high - outputs.low).max(initial=0) <= CONSTANT)
    many = any(share >= WARNING_SHARE and (each.fired == 0).sum() >= LEAST_DEAD for each, share in layers)
    told = ", ".join(f"{(each.fired == 0).sum()} of {len(each.fired)} units of {each.place}" for each, _ in layers[:5])
    gone = shares[worst] == 1 and constant
    yield CHECK.finding(
        "critical" if gone else "warning" if many else "note",
        f"{told} are zero for all {rectified[0].images} images"
        + (", and the output does not depend on the image." if gone else "."),
        "Check the scale of the input; else train again with a smaller learning rate, batch normalisation or leaky "
        "rectifiers.",
        measured={"largest_share": shares[worst], "layer": rectified[worst].place.name, "images": rectified[0].images},
        evidence=[
            Evidence(
                "Share of units that are zero for every image",
                tuple(
                    {"layer": str(each.place), "share": round(share, 4), "units": len(each.fired)}
                    for each, share in zip(rectified[:100], shares, strict=False)
                ),
                "bar",
                x="share",
                y="layer",
            )
        ],
    )


def _rectified(each: Units) -> bool:
    """Return whether units are hidden and zero below their threshold: a leaky rectifier goes below zero."""
    place = each.place
    return place.kind in RELU and place.hidden and not place.gate and len(each.fired) > 0 and each.low.min() >= 0


def dead(each: Units) -> float:
    """Return how many units of a layer never fire: those that did not, less the estimate of those that would.

    A unit that fires for one image in a thousand is not dead. As with species that a sample missed, units seen
    firing in one image (Q1) and in two (Q2) tell how many fire too rarely to be seen:
    ``(m - 1) / m * Q1 * (Q1 - 1) / (2 * (Q2 + 1))``.

    References
    ----------
    Chao, A. (1987): Estimating the population size for capture-recapture data with unequal catchability. Biometrics
    43, 783-791 (the bias-corrected form of the estimator known as Chao2).
    """
    never, once, twice = (int((each.fired == count).sum()) for count in (0, 1, 2))
    unseen = (each.images - 1) / each.images * once * (once - 1) / (2 * (twice + 1))
    return max(0.0, never - unseen)


CHECK = Check("DG301", "Dead units", run)
