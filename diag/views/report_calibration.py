"""The report's page *Calibration*: how far probabilities can be believed, down to the images of each bin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.results.calibration import Calibration, calibration
from diag.results.decisions import expected_cost
from diag.results.discrimination import AREAS, Discrimination, discrimination
from diag.views import calibration_charts as charts
from diag.views.report_pages import PageContext, ReportPage, records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from diag.results.comparison import Comparison

ALL_CLASSES = 30
"""Up to so many classes each has its curves in the file; beyond, the 20 with the lowest AUC."""
WORST = 20
WRONG, RIGHT = 60, 24
CURVE_NUMBERS = 60_000
"""About so many points of classes' curves go into the file."""


def calibration_page(comparison: Comparison, context: PageContext) -> ReportPage:
    """Return the page."""
    names = comparison.names
    calibrated: dict[str, Calibration] = {}
    ranked: dict[str, Discrimination] = {}
    for place, (name, run) in enumerate(comparison.ranked().items()):
        context.stage("Calibration", place, len(names))
        calibrated[name] = calibration(run, context.seed, context.cache)
        ranked[name] = discrimination(run, context.seed, context.cache)
    context.stage("Calibration", len(names), len(names))
    ranking = list(calibrated)
    first = ranking[0]
    drawn: dict[str, Any] = {
        "reliability": charts.reliability_chart(calibrated, first),
        "bins": charts.bins_chart(calibrated, first),
        "coverage": charts.coverage_chart(ranked),
        "topk": charts.top_k_chart(ranked),
    }
    curves = _curves(ranked, names, drawn)
    costs = _costs(comparison, context.seed, drawn)
    models = [_model(name, calibrated[name], ranked[name]) for name in names]
    payload: dict[str, Any] = {
        "first": names.index(first),
        "ranking": [names.index(name) for name in ranking],
        "most": charts.MOST_MODELS,
        "models": models,
        "reliability": _each(charts.reliability_rows, calibrated, first),
        "temperature": _each(charts.temperature_rows, calibrated, first),
        "curves": curves,
        "costs": costs,
        "sampled": any(0 < len(found.rows) < len(found.run) for found in calibrated.values()),
    }
    if payload["temperature"]:
        drawn["temperature"] = charts.temperature_chart(calibrated, first)
        drawn["change"] = charts.temperature_change_chart(calibrated)
    content = {
        "sentences": [calibrated[name].sentence(name) for name in ranking],
        "notes": _notes(calibrated, ranked),
        "temperature": bool(payload["temperature"]),
        "most": charts.MOST_MODELS if len(names) > charts.MOST_MODELS else None,
        "classes": comparison.runs[0].n_classes,
        "curves": None if curves is None else len(curves["options"]),
        "searchable": comparison.runs[0].n_classes > ALL_CLASSES,
        "two": comparison.runs[0].n_classes == 2 and "cost" in drawn,
    }
    return ReportPage("calibration", "Calibration", content, payload, drawn, list(_samples(models)))


def _each(rows: Callable[..., Any], results: Mapping[str, Calibration], first: str) -> list[dict[str, Any]]:
    """Return the rows of a chart for every model, of which it shows those that are chosen; `first` is in front."""
    found = [row for name, each in results.items() for row in records(rows({name: each}, name))]
    return [{**row, "chosen": row["model"] == first} for row in found]


def _model(name: str, found: Calibration, ranked: Discrimination) -> dict[str, Any]:
    """Return one model's figures, the images of its bins, and the areas of its classes."""
    return {
        "name": name,
        **_rounded(found.figures()),
        **_rounded(ranked.figures()),
        "bins": {str(row["bin"]): _bin(found, row) for row in records(found.bins_frame()) if row["count"]},
        "classes": _class_rows(ranked),
    }


def _bin(found: Calibration, row: dict[str, Any]) -> dict[str, Any]:
    """Return the images of one bin, the surest first: numbers, and those that are shown."""
    return {
        "wrong": found.bin_samples(row["bin"])[:WRONG].tolist(),
        "n_wrong": row["wrong"],
        "right": found.bin_samples(row["bin"], wrong=False)[:RIGHT].tolist(),
        "n_right": row["count"] - row["wrong"],
    }


def _class_rows(ranked: Discrimination) -> list[dict[str, Any]] | None:
    """Return one row a class, the lowest AUC first; None without probabilities."""
    if not ranked.n_used:
        return None
    frame = ranked.class_frame().reset_index(drop=True)
    return records(frame[["class_number", "count", *AREAS]])


def _curves(ranked: Mapping[str, Discrimination], names: Sequence[str], drawn: dict[str, Any]) -> dict[str, Any] | None:
    """Return the curves of averages and classes as lists of numbers, and draw the first; None where there are none."""
    known = {name: found for name, found in ranked.items() if found.n_used}
    if not known:
        return None
    some = next(iter(known.values()))
    classes = _chosen_classes(known)
    points = int(np.clip(CURVE_NUMBERS // (4 * max(len(classes), 1) * len(known)), 42, 200))
    places = {name: place for place, name in enumerate(names)}
    roc, pr = charts.curve_rows(known, "macro")
    drawn["roc"] = charts.roc_chart(roc, list(ranked))
    drawn["pr"] = charts.precision_recall_chart(pr, list(ranked))
    lists = {str(which): _lists(known, which, points, places) for which in ("macro", "micro", *classes)}
    options = [("macro", "Macro average"), ("micro", "Micro average")]
    options += [(str(number), some.run.class_names[number]) for number in classes]
    return {"options": options, "lists": lists}


def _chosen_classes(ranked: Mapping[str, Discrimination]) -> list[int]:
    some = next(iter(ranked.values()))
    k = some.run.n_classes
    if k <= ALL_CLASSES:
        return list(range(k))
    auc = np.stack([found.areas[:-2, 0] for found in ranked.values()])
    mean = np.where(np.isnan(auc).any(axis=0), np.inf, np.nan_to_num(auc).mean(axis=0))
    return [int(number) for number in np.argsort(mean, kind="stable")[:WORST]]


def _lists(
    ranked: Mapping[str, Discrimination], which: Any, points: int, places: Mapping[str, int]
) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for kind, frame in zip(("roc", "pr"), charts.curve_rows(ranked, which, points), strict=True):
        parts = frame.groupby("model", sort=False)
        found[kind] = [[places[str(name)], part["x"].tolist(), part["y"].tolist()] for name, part in parts]
        shares = frame["share"].dropna()
        found["share"] = [float(shares.iloc[0])] if len(shares) else []
    return found


def _costs(comparison: Comparison, seed: int, drawn: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what decisions cost when every mistake costs 1; for two classes, draw the cost by threshold."""
    found = {name: expected_cost(run, seed=seed) for name, run in comparison.ranked().items()}
    if comparison.runs[0].n_classes == 2:
        known = {name: each for name, each in found.items() if each.run.proba is not None and len(each.run)}
        if known:
            drawn["cost"] = charts.cost_chart(known)
    return [
        {"name": name, **_rounded(each.figures()), "never": bool(np.isinf(each.values.get("threshold", 0.0)))}
        for name, each in found.items()
    ]


def _notes(calibrated: Mapping[str, Calibration], ranked: Mapping[str, Discrimination]) -> list[str]:
    """Return what was assumed, each sentence once."""
    found = [note for each in calibrated.values() for note in each.notes]
    return list(dict.fromkeys([*found, *(note for each in ranked.values() for note in each.notes)]))


def _samples(models: list[dict[str, Any]]) -> Iterator[int]:
    """Yield the images behind the bins: the surest errors first."""
    for kind in ("wrong", "right"):
        for place in range(19, -1, -1):
            for model in models:
                yield from model["bins"].get(str(place), {}).get(kind, ())


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in figures.items()}
