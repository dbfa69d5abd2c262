"""The report's page that compares the models: the verdict on each pair, all of them together, and ensembles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import CheckNotApplicable
from diag.results.agreement import Agreement, agreement
from diag.results.changes import changed_cells
from diag.results.ensembles import ensembles
from diag.results.pairs import shown_differences
from diag.views import agreement_charts, comparison_charts
from diag.views.report_pages import PageContext, ReportPage, records

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from diag.results.comparison import Comparison

MAX_PAIRS = 45
"""Pairs with their classes and cells: with more models those with the best one, then those among the next best."""
MAX_LISTED = 2000
"""Pairs that are listed and can be opened at all, in the same order."""
MATRIX_CLASSES = 24
"""Up to so many classes the difference of two confusion matrices is drawn; beyond, its largest cells are listed."""
MAX_ROWS = 40
ITEMS = 60
RELATIONS = {"better": "A is better", "worse": "B is better", "equivalent": "equivalent", "undecided": "undecided"}


def compare_page(comparison: Comparison, context: PageContext) -> ReportPage | None:
    """Return the page; None for a single model."""
    if len(comparison.runs) < 2:
        return None
    metrics = dict(list(comparison.differences().groupby(["a", "b"], sort=False)))
    rows = _ordered_pairs(comparison)
    pairs = [_pair(comparison, row, metrics[row["a"], row["b"]], place < MAX_PAIRS) for place, row in enumerate(rows)]
    charts: dict[str, Any] = {
        "differences": comparison_charts.difference_chart(comparison),
    }
    matrix = comparison.runs[0].n_classes <= MATRIX_CLASSES
    for pair in pairs[:MAX_PAIRS]:
        names = comparison.names[pair["a"]], comparison.names[pair["b"]]
        charts[f"classes-{pair['key']}"] = comparison_charts.class_difference_chart(comparison, *names)
        if matrix:
            charts[f"matrix-{pair['key']}"] = comparison_charts.confusion_difference_chart(comparison, *names)
    ranks, ranks_said = _ranks(comparison)
    if ranks is not None:
        charts["ranks"] = ranks
    agreed = _agreement(comparison, charts)
    together = _ensembles(comparison, charts)
    best, second = (str(name) for name in comparison.table().index[:2])
    content = {
        "verdict": comparison.verdict(),
        "pairs": pairs,
        "detailed": MAX_PAIRS if len(pairs) > MAX_PAIRS else None,
        "many": len(comparison.names) > agreement_charts.TEXT_LIMIT,
        "matrix": matrix,
        "ranks": ranks_said,
        "overlap": agreed["overlap"],
        "fleiss": agreed["fleiss"],
        "kappas": "agreement" in charts,
        "ensemble_notes": together["notes"],
    }
    payload = {
        "pairs": pairs,
        "first": next(pair["key"] for pair in pairs if {pair["name_a"], pair["name_b"]} == {best, second}),
        "best": best,
        "ranking": [comparison.names.index(name) for name in comparison.ranked()],
        "only_with": comparison.names.index(best) if len(pairs) > MAX_PAIRS else None,
        "sets": agreed["sets"],
        "agreement": agreed["pairs"],
        "ensembles": together["rows"],
        "n": len(comparison.runs[0]),
    }
    return ReportPage("compare", "Compare", content, payload, charts, list(_samples(comparison, payload)))


def _ordered_pairs(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the pairs, of too many those with the best model first, then those among the next two, three, ..."""
    rows = records(comparison.pairs())
    if len(rows) <= MAX_PAIRS:
        return rows
    rank = {name: place for place, name in enumerate(comparison.ranked())}

    def last(row: dict[str, Any]) -> tuple[bool, int, int]:
        places = rank[row["a"]], rank[row["b"]]
        return min(places) > 0, max(places), min(places)

    return sorted(rows, key=last)[:MAX_LISTED]


def _pair(comparison: Comparison, row: dict[str, Any], differences: pd.DataFrame, detailed: bool) -> dict[str, Any]:
    """Return all that the page says of one pair; with `detailed`, also class by class and cell by cell."""
    a, b = row["a"], row["b"]
    place = {name: number for number, name in enumerate(comparison.names)}
    metrics = shown_differences(comparison, differences, a, b)
    largest = max(("only_a", "only_b"), key=lambda key: row[key])
    return {
        **row,
        "a": place[a],
        "b": place[b],
        "key": f"{place[a]}-{place[b]}",
        "name_a": a,
        "name_b": b,
        "quadrant": largest if row[largest] else "both_wrong" if row["both_wrong"] else "both_right",
        "relation_text": RELATIONS[row["relation"]],
        "sentence": comparison.sentence(a, b),
        "metrics": [{**each, "share": each["metric"] != "log_loss"} for each in records(metrics)],
        "detailed": detailed,
        "classes": _classes(comparison, a, b) if detailed else [],
        "cells": changed_cells(comparison.run(a), comparison.run(b)) if detailed else [],
    }


def _classes(comparison: Comparison, a: str, b: str) -> list[dict[str, Any]]:
    """Return the classes that one of the two models recognises better, with what is said above their images."""
    frame = comparison.class_differences(a, b)
    frame = frame[frame["only_a"] + frame["only_b"] > 0]
    frame = frame.iloc[np.argsort(-frame["difference"].abs().to_numpy(), kind="stable")[:MAX_ROWS]]
    found = []
    for row in records(frame):
        sure = "significant" if row["significant"] else "not significant"
        said = (
            f"Recall {row['recall_a']:.1%} of {a}, {row['recall_b']:.1%} of {b}; {sure} (p = {row['p_adjusted']:.2g}, "
            f"adjusted for the number of classes)."
        )
        kept = {key: row[key] for key in ("number", "only_a", "only_b", "difference")}
        found.append({**kept, "sentence": said})
    return found


def _ranks(comparison: Comparison) -> tuple[Any, str]:
    """Return the critical-difference chart and what it says; nothing for two models or where it does not apply."""
    if len(comparison.runs) < 3:
        return None, ""
    try:
        ranks = comparison.ranks()
    except CheckNotApplicable:
        return None, ""
    return comparison_charts.critical_difference_chart(ranks), ranks.sentence()


def _agreement(comparison: Comparison, charts: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of agreement and errors in common; where there are too many models, why not."""
    try:
        agreed = agreement(comparison)
    except CheckNotApplicable as error:
        return {"sets": [], "pairs": [], "overlap": str(error), "fleiss": ""}
    charts["overlap"] = agreement_charts.overlap_chart(agreed)
    if len(agreed.names) > 2:
        charts["agreement"] = agreement_charts.agreement_chart(agreed, "kappa")
    return {
        "sets": [{**row, "items": agreed.indices(row["key"])[:ITEMS].tolist()} for row in records(agreed.overlap())],
        "pairs": records(agreed.pairs()),
        "overlap": _overlap_said(agreed),
        "fleiss": _fleiss_said(agreed),
    }


def _ensembles(comparison: Comparison, charts: dict[str, Any]) -> dict[str, Any]:
    """Return the rows and notes about ensembles; where there are none, why."""
    try:
        found = ensembles(comparison)
    except CheckNotApplicable as error:
        return {"rows": None, "notes": [str(error)]}
    charts["ensembles"] = agreement_charts.ensembles_chart(found)
    rows = []
    for row in records(agreement_charts.shown_ensembles(found)):
        if row["kind"] not in ("member", "oracle"):
            key = row["key"]
            row |= {"mended": found.mended(key)[:ITEMS].tolist(), "broken": found.broken(key)[:ITEMS].tolist()}
        rows.append(row)
    n_models, most = len(comparison.names), agreement_charts.MAX_MEMBERS
    some = [f"Of {n_models} models the {most} best stand beside the ensembles."] if n_models > most else []
    return {"rows": rows, "notes": [*found.notes, *some]}


def _overlap_said(agreed: Agreement) -> str:
    rows = records(agreed.overlap())
    every = next((row["count"] for row in rows if row["n_models"] == len(agreed.names)), 0)
    return (
        f"Every model has {agreed.all_right:,} of {agreed.n:,} images right; all are wrong on {every:,}. "
        "Click a bar to see the images on which exactly these models are wrong."
    )


def _fleiss_said(agreed: Agreement) -> str:
    """Return what kappa means here, and its value for all models together."""
    scale = "1: always the same answer; 0: as often as by chance."
    if len(agreed.names) == 2:
        pair = agreed.pairs().iloc[0]
        kappa = "undefined" if pair["kappa"] != pair["kappa"] else f"{pair['kappa']:.2f}"
        return f"The same answer to {pair['same_answer']:.1%} of the images; Cohen's kappa {kappa} ({scale[:-1]})."
    if agreed.fleiss_kappa != agreed.fleiss_kappa:
        return scale
    return f"{scale} All {len(agreed.names)} models together: Fleiss' kappa {agreed.fleiss_kappa:.2f}."


def _samples(comparison: Comparison, payload: dict[str, Any]) -> Iterator[int]:
    """Yield the images behind what can be clicked, those of the pairs with few differences first."""
    for pair in sorted(payload["pairs"], key=lambda each: each["only_a"] + each["only_b"]):
        for which in ("only_a", "only_b", "both_wrong"):
            yield from comparison.quadrant(pair["name_a"], pair["name_b"], which)[:ITEMS].tolist()
    for row in payload["sets"]:
        yield from row["items"]
    for row in payload["ensembles"] or ():
        yield from (*row.get("mended", ()), *row.get("broken", ()))
