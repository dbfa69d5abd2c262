"""Filters of one layer that are copies of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diag.checks.base import Check
from diag.checks.budget import MULTIPLY_ADDS
from diag.checks.network_weights import LEAST_WEIGHTS
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

WARNING_SHARE = 0.25
"""Share of a layer's filters that are copies of another one."""


def run(case: Case) -> Iterator[Finding]:
    """Group the filters of each layer by direction; a depthwise filter has a channel of its own and is left out."""
    kernels = case.ask_network("duplicate_filters", options={"seed": case.seed, "work": MULTIPLY_ADDS}).meta["kernels"]
    if not kernels:
        raise CheckNotApplicable(f"No layer has two filters or units of at least {LEAST_WEIGHTS} weights.")
    compared = [each for each in kernels if each["groups"] is not None]
    rows: list[dict[str, Any]] = [
        {
            "layer": each["layer"],
            "filters": each["filters"],
            "copies": sum(len(group) - 1 for group in each["groups"]),
        }
        for each in compared
    ]
    groups: list[tuple[dict[str, Any], list[int]]] = [(each, group) for each in compared for group in each["groups"]]
    if not groups and len(compared) < len(kernels):
        left = next(each for each in kernels if each["groups"] is None)
        raise CheckNotApplicable(
            f"Not finished: comparing the {left['filters']:,} filters of {left['layer']} would take more than "
            f"{MULTIPLY_ADDS:.0e} multiply-adds. Among the other layers there is no copy."
        )
    if not groups:
        return
    many = any(row["copies"] >= WARNING_SHARE * row["filters"] for row in rows)
    told = ", ".join(f"{row['copies']} of {row['filters']} in {row['layer']}" for row in rows if row["copies"])
    classes = [f"{group[0]} and {group[1]}" for each, group in groups if each["head"]]
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
                    {"layer": each["layer"], "filters": ", ".join(map(str, group[:20]))} for each, group in groups[:50]
                ),
            ),
        ],
    )


CHECK = Check("DG304", "Duplicate filters", run)
