"""Filters and units whose weights are (almost) zero, or that answer the same to every image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.base import Check
from diag.checks.network_weights import near_zero
from diag.errors import CheckNotApplicable, DiagError
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

CONSTANT = 1e-6
"""Range of an answer over all images, in parts of the layer's median range."""
WARNING_SHARE = 0.25
"""Share of a layer's filters from which on it is a warning; depthwise filters die by weight decay and stay a note."""


def run(case: Case) -> Iterator[Finding]:
    """Compare the norm of every filter, and the spread of its answers, with its layer's median."""
    kernels = [each for each in case.kernels if each.finite and not each.zero and each.units > 1]
    if not kernels:
        raise CheckNotApplicable("There are no convolution or dense layers with usable weights.")
    constant = _constant(case)
    rows: list[dict[str, Any]] = []
    severe = False
    for kernel in kernels:
        zero = near_zero(kernel.norms)
        still = constant.get(kernel.layer, np.zeros(0, dtype=bool))
        flat = int((still & ~zero).sum()) if len(still) == len(zero) and kernel.part != "depthwise_kernel" else 0
        share = (int(zero.sum()) + flat) / len(zero)
        severe |= share >= WARNING_SHARE and not kernel.depthwise
        rows.append(
            {"layer": kernel.layer, "filters": len(zero), "zero": int(zero.sum()), "constant": flat, "share": share}
        )
    found = [row for row in rows if row["share"]]
    if not found:
        return
    more = f" and {len(found) - 5} more layers" if len(found) > 5 else ""
    zeros, flats = (sum(row[key] for row in found) for key in ("zero", "constant"))
    told = ", ".join(f"{row['zero'] + row['constant']} of {row['filters']} in {row['layer']}" for row in found[:5])
    yield CHECK.finding(
        "warning" if severe else "note",
        f"Filters that do nothing: {told}{more} ({zeros} with weights near zero, {flats} with the same answer to every "
        "image).",
        "If they were pruned on purpose all is well; else train again with less weight decay or a smaller learning "
        "rate, or with fewer filters.",
        measured={"filters": zeros + flats, "layers": [row["layer"] for row in found]},
        evidence=[Evidence("Share of filters that do nothing", tuple(rows[:100]), "bar", x="share", y="layer")],
    )


def _constant(case: Case) -> dict[str, NDArray[np.bool_]]:
    """Return by layer which filters answer the same everywhere, before the activation; empty without images."""
    try:
        units = [each for each in case.units if each.place.carrier == each.place.name]
    except DiagError:
        return {}
    found: dict[str, NDArray[np.bool_]] = {}
    names = {layer.own_name: layer.name for layer in case.structure.layers if layer.weights}
    for each in units:
        name = names.get(each.place.name)
        with np.errstate(invalid="ignore"):  # infinite answers have no spread
            spread = each.high - each.low  # exact where nothing varies; a variance in float32 is not
        if name is not None and name not in found and "Conv" in each.place.kind and each.images > 1:
            found[name] = spread <= CONSTANT * float(np.median(spread))
    return found


CHECK = Check("DG303", "Dead filters", run)
