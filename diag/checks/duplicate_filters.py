"""Filters of one layer that are copies of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.base import Check
from diag.checks.dead_filters import near_zero
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.checks.kernels import Kernel
    from diag.results.diagnosis import Finding

COSINE = 0.999
"""Of two filters with their biases. In networks trained without fault the largest is 0.97 (units of four inputs)."""
LEAST_WEIGHTS = 9
"""Filters of fewer weights, the bias included, are alike by chance."""
MAX_WIDTH = 512
"""Longer rows are first compared through so many random projections."""
ROUGH = 0.98
WARNING_SHARE = 0.25
"""Share of a layer's filters that are copies of another one."""


def run(case: Case) -> Iterator[Finding]:
    """Group the filters of each layer by direction; a depthwise filter has a channel of its own and is left out."""
    kernels = [kernel for kernel in case.kernels if _comparable(kernel)]
    if not kernels:
        raise CheckNotApplicable(f"No layer has two filters or units of at least {LEAST_WEIGHTS} weights.")
    rows: list[dict[str, Any]] = []
    groups: list[tuple[Kernel, list[int]]] = []
    head = case.kernels[-1]
    for kernel in kernels:
        found = duplicates(kernel, case.rng(f"duplicates {kernel.layer}"))
        copies = sum(len(group) - 1 for group in found)
        rows.append({"layer": kernel.layer, "filters": len(kernel.rows), "copies": copies})
        groups += [(kernel, group) for group in found]
    if not groups:
        return
    many = any(row["copies"] >= WARNING_SHARE * row["filters"] for row in rows)
    told = ", ".join(f"{row['copies']} of {row['filters']} in {row['layer']}" for row in rows if row["copies"])
    classes = [f"{group[0]} and {group[1]}" for kernel, group in groups if kernel is head]
    yield CHECK.finding(
        "warning" if many or classes else "note",
        f"Filters or units that are copies of another one of their layer: {told}."
        + (f" Outputs {classes[0]} always rise and fall together." if classes else ""),
        "Initialise the weights at random and train again; else remove the copies, which only cost time.",
        measured={"copies": sum(row["copies"] for row in rows), "groups": len(groups)},
        evidence=[
            Evidence("Filters that are copies of another one", tuple(rows[:100]), "bar", x="copies", y="layer"),
            Evidence(
                "Groups of equal filters",
                tuple(
                    {"layer": kernel.layer, "filters": ", ".join(map(str, group[:20]))} for kernel, group in groups[:50]
                ),
            ),
        ],
    )


def _comparable(kernel: Kernel) -> bool:
    width = kernel.rows.shape[1] + (kernel.bias is not None)
    return len(kernel.rows) > 1 and width >= LEAST_WEIGHTS and not kernel.depthwise and kernel.finite


def duplicates(kernel: Kernel, rng: np.random.Generator) -> list[list[int]]:
    """Return groups of filters with the same direction, with and without their bias; filters near zero are in none."""
    alive = np.flatnonzero(~near_zero(kernel)) if np.any(kernel.rows) else np.zeros(0, dtype=np.int64)
    unit = _unit(kernel.rows[alive])
    whole = unit if kernel.bias is None else _unit(np.column_stack([kernel.rows, kernel.bias])[alive])
    groups: list[list[int]] = []
    taken = np.zeros(len(alive), dtype=bool)
    for first, near in _neighbours(unit, rng):
        if taken[first]:
            continue
        alike = (unit[near] @ unit[first] >= COSINE) & (whole[near] @ whole[first] >= COSINE)
        same = near[alike & ~taken[near]]
        if len(same) > 1:
            taken[same] = True
            groups.append([int(alive[place]) for place in same])
    return groups


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _neighbours(unit: NDArray[np.float32], rng: np.random.Generator) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield (row, rows that may have its direction, itself included) for rows that have any.

    Random projections keep the distance of near rows near (Johnson and Lindenstrauss 1984): a rough comparison of
    short rows leaves few pairs for the exact one.
    """
    short = unit
    if unit.shape[1] > MAX_WIDTH:
        short = unit @ rng.standard_normal((unit.shape[1], MAX_WIDTH), dtype=np.float32)
        short /= np.maximum(np.linalg.norm(short, axis=1, keepdims=True), 1e-12)
    limit = ROUGH if short is not unit else COSINE
    for start in range(0, len(short), 1024):
        alike = short[start : start + 1024] @ short.T >= limit
        for row in np.flatnonzero(alike.sum(axis=1) > 1):
            yield start + int(row), np.flatnonzero(alike[row])


CHECK = Check("DG304", "Duplicate filters", run)
