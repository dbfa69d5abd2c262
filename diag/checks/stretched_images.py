"""Images whose proportions are changed to fit the model's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

DISTORTION = 1.1
"""Proportions changed by a tenth: the stretching that augmentation commonly covers (zoom_range=0.1)."""


def run(case: Case) -> Iterator[Finding]:
    """Compare the sizes of the images as they were stored with the size that the model takes."""
    if case.data is None:
        raise CheckNotApplicable("There is no data: pass --data.")
    fit = getattr(case.model.preprocessing, "fit", None)
    if fit not in (None, "stretch"):
        raise CheckNotApplicable(f"Images are brought to the model's size without stretching ({fit}).")
    height, width = (int(size) for size in case.data.images.shape[1:3])
    target = case.model.preprocessing.resize or (height, width)
    sizes = _sizes(getattr(case.data, "sizes", None)) or {(height, width): len(case.data)}
    if set(sizes) == {target}:
        return
    total = sum(sizes.values())
    factors = {size: distortion(size, target) for size in sizes}
    bent = sum(count for size, count in sizes.items() if factors[size] > DISTORTION)
    if bent == 0:
        return
    worst = max(factors, key=lambda size: factors[size])
    kinds = f"{len(sizes)} sizes" if len(sizes) > 1 else f"{worst[0]}x{worst[1]}"
    yield CHECK.finding(
        "note",
        f"{bent:,} of {total:,} images ({kinds}) change their proportions by more than 10% when they are brought to "
        f"{target[0]}x{target[1]}; {worst[0]}x{worst[1]} is stretched by a factor of {factors[worst]:.2f}.",
        "If the model was not trained on stretched images, crop or pad them (fit in the model card).",
        measured={"stretched": bent, "images": total, "sizes": len(sizes), "largest_factor": factors[worst]},
        evidence=[
            Evidence(
                "Images a size (height x width)",
                tuple(
                    {"size": f"{size[0]}x{size[1]}", "images": count, "factor": factors[size]}
                    for size, count in sorted(sizes.items(), key=lambda item: -item[1])[:50]
                ),
                "bar",
                x="images",
                y="size",
            )
        ],
    )


def distortion(size: tuple[int, int], target: tuple[int, int]) -> float:
    """Return by what factor one side is stretched more than the other, at least 1.

    Examples
    --------
    >>> distortion((28, 56), (28, 28)), distortion((56, 28), (28, 28)), distortion((56, 56), (28, 28))
    (2.0, 2.0, 1.0)
    """
    factor = (target[0] / size[0]) / (target[1] / size[1])
    return float(np.maximum(factor, 1 / factor))


def _sizes(counted: Mapping[str, int] | None) -> dict[tuple[int, int], int]:
    """Return counts by (height, width) from counts by ``"28x30"``."""
    found: dict[tuple[int, int], int] = {}
    for text, count in (counted or {}).items():
        height, _, width = text.partition("x")
        if height.isdigit() and width.isdigit() and int(height) and int(width):
            found[int(height), int(width)] = int(count)
    return found


CHECK = Check("DG108", "Images stretched", run)
