"""NaN and infinity: in the weights, in the images, on the way through the network, in the predictions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.base import MAX_SAMPLES, Check
from diag.checks.budget import FEWEST, MULTIPLY_ADDS, image_count, piece
from diag.checks.sweep import multiply_adds
from diag.errors import DataError, DiagError
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.io.datasets import Dataset
    from diag.results.diagnosis import Finding

BATCH = 256
MAX_IMAGES = 5000
"""Images whose outputs are looked at one by one, once some are known to be NaN or infinite."""


def run(case: Case) -> Iterator[Finding]:
    """Look at weights, images and outputs in this order; what comes of bad weights or images is not told twice."""
    weights = list(_weights(case))
    yield from weights
    images = list(_images(case)) if case.data is not None else []
    yield from images
    if case.data is not None and not images and not weights:
        yield from _outputs(case)


def _weights(case: Case) -> Iterator[Finding]:
    try:
        bad = case.weights.not_finite
    except DiagError:
        return
    if not bad:
        return
    rows = [{"layer": each.layer, "weight": each.weight, "not_finite": each.not_finite, "of": each.of} for each in bad]
    layers = list(dict.fromkeys(each.layer for each in bad))
    total = sum(each.not_finite for each in bad)
    yield CHECK.finding(
        "critical",
        f"{total:,} weights are NaN or infinite, in {_listed(layers)}.",
        "Go back to a checkpoint before the loss became NaN; train with a smaller learning rate or clipped gradients.",
        measured={"not_finite": total, "layers": layers},
        evidence=[Evidence("Weights that are NaN or infinite", tuple(rows[:100]))],
    )


def _images(case: Case) -> Iterator[Finding]:
    """Look for images that are refused, or that become NaN or infinite by the preprocessing."""
    data = case.data
    if data is None:
        return
    bad = _refused(data)
    what = "hold NaN or infinity"
    if not bad:
        try:
            finite = np.isfinite(case.inputs).reshape(len(case.inputs), -1).all(axis=1)
        except DiagError:
            return
        bad, what = case.rows[~finite].tolist(), "become NaN or infinite by the preprocessing"
    if bad:
        many = f"{len(bad):,}" if len(bad) < MAX_SAMPLES else f"{MAX_SAMPLES} or more"
        yield CHECK.finding(
            "critical",
            f"{many} of {len(data):,} images {what}, the first is image {bad[0]}.",
            "Repair these images or leave them out; mind a standardisation that divides by zero.",
            measured={"images": len(bad)},
            samples=bad,
        )


def _refused(data: Dataset) -> list[int]:
    """Return the images, at most `MAX_SAMPLES`, that hold NaN or infinity; images of whole numbers have none."""
    if np.dtype(data.images.dtype).kind != "f":
        return []
    found: list[int] = []
    size = piece(BATCH, math.prod(data.images.shape[1:]))
    for start in range(0, len(data), size):
        numbers = np.arange(start, min(start + size, len(data)))
        if _readable(data, numbers):
            continue
        found += [int(number) for number in numbers if not _readable(data, np.array([number]))]
        if len(found) >= MAX_SAMPLES:
            return found[:MAX_SAMPLES]
    return found


def _readable(data: Dataset, numbers: NDArray[Any]) -> bool:
    """Return whether images are finite: readers of arrays refuse others."""
    try:
        return bool(np.isfinite(np.asarray(data.images[numbers])).all())
    except DataError:
        return False


def _outputs(case: Case) -> Iterator[Finding]:
    """Look for images whose outputs are not finite; an evaluation that went through has none."""
    data = case.data
    if data is None or _evaluated(case):
        return
    cost = multiply_adds(case.model, data.images.shape[1:3])
    n = min(len(data), MAX_IMAGES, max(FEWEST, int(MULTIPLY_ADDS / cost)))
    n = min(n, image_count(n, math.prod(data.images.shape[1:])))
    outputs = case.model.raw_outputs(data.images[np.arange(n)])
    bad = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
    if not len(bad):
        return
    where, rows = _where(case)
    yield CHECK.finding(
        "critical",
        f"The model answers NaN or infinity for {len(bad):,} of {n:,} images{where}.",
        "Its weights are finite: check the scale of the input first, then use a wider number format for the layers "
        "that overflow.",
        measured={"images": len(bad), "of": n},
        samples=bad.tolist(),
        evidence=[Evidence("Images that are NaN or infinite behind each layer", rows)] if rows else (),
    )


def _evaluated(case: Case) -> bool:
    try:
        return case.run is not None
    except DiagError:
        return False


def _where(case: Case) -> tuple[str, tuple[dict[str, Any], ...]]:
    """Return where in the network the numbers stop being finite, as words and by layer."""
    try:
        units = case.units
    except DiagError:
        return "", ()
    rows: tuple[dict[str, Any], ...] = tuple(
        {"layer": each.place.name, "step": each.place.kind, "not_finite": int((~each.finite).sum()), "of": each.images}
        for each in units
    )
    first = next((row for row in rows if row["not_finite"]), None)
    if first is None:
        return "", ()
    dtypes = {layer.own_name: layer.dtype for layer in case.structure.layers}
    layer = dtypes.get(first["layer"], "float32")
    return f"; they overflow first in {first['layer']} ({first['step']}, {layer})", rows[:100]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more layers" if len(names) > 5 else "")


CHECK = Check("DG107", "NaN or infinity", run)
