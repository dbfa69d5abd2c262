"""The report's data: which images go in, where they stand, and the charts, as plain values for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.io.store import plain
from diag.printable import name_text
from diag.views import charts
from diag.views.blocks import LONG_TABLE, MANY_CLASSES, block_payload
from diag.views.images import data_uri, display_range, thumbnails, tile_sheet, to_uint8
from diag.views.shown import vega_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from diag.results.comparison import Comparison
    from diag.results.evaluation import Evaluation

GREY_BYTES = 9_000_000
COLOUR_BYTES = 30_000_000
MAX_TILES = 12_000
GRID = 10
PART = 256
MAX_GROUPS = 100
MAX_EXAMPLE_CLASSES = 20


def build_payload(
    comparison: Comparison,
    evidence: Sequence[dict[str, Any]],
    more_charts: Mapping[str, Any] | None = None,
    wanted: Sequence[int] = (),
) -> dict[str, Any]:
    """Return the data of a report.

    Parameters
    ----------
    comparison : Comparison
    evidence : sequence of dict
        One a run: what `diag.views.report_evidence` found.
    more_charts : mapping of str to Altair chart, optional
        Charts that do not belong to a model's own part, by the name that the template gives them.
    wanted : sequence of int
        Images that pages show, the most important first.
    """
    runs = comparison.runs
    grids = [_grids(run) for run in runs]
    chosen = chosen_tiles(runs, grids, evidence, wanted)
    tiles = pictures(runs[0].data.images, chosen)
    sheet = tile_sheet(tiles, columns=100, lossy=tiles.shape[-1] == 3)
    y_true = runs[0].samples["y_true"]
    names = runs[0].data.sample_names
    return {
        "sheet_css": f"\n.tile{{background-image:url({data_uri(sheet.data, sheet.mime)})}}\n",
        "sheet": {"columns": sheet.columns, "width": sheet.width, "height": sheet.height, "count": sheet.count},
        "classes": list(runs[0].class_names),
        "index": chosen.tolist(),
        "true": y_true[chosen].tolist(),
        "names": None if names is None else [name_text(names[row]) for row in chosen],
        "samples": _samples(runs[0]),
        "charts": _shared_charts(comparison) | {key: _spec(chart) for key, chart in (more_charts or {}).items()},
        "models": [
            {
                "name": name,
                "pred": run.samples["y_pred"][chosen].tolist(),
                "conf": _confidences(run, chosen),
                "cells": _cell_counts(run),
                "per_class": class_rows(run) if run.n_classes > LONG_TABLE else None,
                "blocks": block_payload(run) if run.n_classes > MANY_CLASSES else None,
                "charts": _charts(run) | {key: _spec(chart) for key, chart in found.pop("more_charts", {}).items()},
                **grid,
                **found,
            }
            for name, run, grid, found in zip(comparison.names, runs, grids, evidence, strict=True)
        ],
    }  # fmt: skip


def _confidences(run: Evaluation, chosen: NDArray[np.int64]) -> list[float]:
    """Return confidences to four digits; 1 only where it is exactly that."""
    values = run.samples["confidence"][chosen].tolist()
    return [value if value == 1 else min(round(value, 4), 0.9999) for value in values]


def _shared_charts(comparison: Comparison) -> dict[str, Any]:
    return {"accuracy": _spec(charts.accuracy_chart(comparison))} if len(comparison.runs) > 1 else {}


def pictures(images: Any, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the chosen images as small pictures, read part by part; one range of values for all of them."""
    parts = [chosen[start : start + PART] for start in range(0, len(chosen), PART)]
    if images.dtype == np.uint8:
        return np.concatenate([thumbnails(np.asarray(images[part])) for part in parts])
    ranges = [display_range(np.asarray(images[part])) for part in parts]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    return np.concatenate([thumbnails(to_uint8(np.asarray(images[part]), low=low, high=high)) for part in parts])


def chosen_tiles(
    runs: Sequence[Evaluation],
    grids: Sequence[dict[str, Any]],
    evidence: Sequence[dict[str, Any]],
    more: Sequence[int] = (),
) -> Any:
    """Return, in order, the samples whose images go into the file: all of them while they are small.

    Otherwise those that a section shows, then errors by confidence, then the rest, up to the budget.
    """
    n, height, width, channels = runs[0].data.images.shape
    scale = min(1.0, 64 / max(height, width))
    area = max(1, int(height * scale) * int(width * scale) * (1 if channels < 3 else 3))
    budget = min(MAX_TILES, max(400, (GREY_BYTES if channels < 3 else COLOUR_BYTES) // area))
    if n <= budget:
        return np.arange(n)
    wanted: dict[int, None] = {}
    for found in evidence:
        _add(wanted, (item for each in found.get("findings", ()) for item in each["samples"]))
        _add(wanted, (row["index"] for row in found.get("explain", {}).get("rows", ())))
        _add(wanted, (entry["index"] for entry in found.get("activations", ())))
        _add(wanted, (item for way in found.get("trust", {}).get("ways", ()) for item in way["items"]))
    _add(wanted, more)
    for grid in grids:
        for groups in grid["grids"].values():
            for group in groups:
                _add(wanted, group["items"])
        _add(wanted, (item for row in grid["examples"] or () for item in row if item is not None))
    _add(wanted, (item for group in _samples(runs[0]) for item in group["items"]))
    for run in runs:
        _add(wanted, _errors_by_cell(run).tolist())
    _add(wanted, range(0, n, max(1, n // budget)))
    return np.sort(np.fromiter(list(wanted)[:budget], dtype=np.int64))


def _errors_by_cell(run: Evaluation) -> NDArray[np.int64]:
    """Return all errors: the most confident one of each cell, larger cells first, then the second of each, ..."""
    wrong = np.flatnonzero(~run.correct_mask)
    cell = run.samples["y_true"][wrong] * run.n_classes + run.samples["y_pred"][wrong]
    order = np.lexsort((-run.samples["confidence"][wrong], cell))
    wrong, cell = wrong[order], cell[order]
    _, start, count = np.unique(cell, return_index=True, return_counts=True)
    rank = np.arange(len(cell)) - np.repeat(start, count)
    return wrong[np.lexsort((wrong, -np.repeat(count, count), rank))]


def class_rows(run: Evaluation) -> list[dict[str, Any]]:
    """Return the table of classes as plain values, the lowest recall first, classes without images last."""
    frame = run.per_class().assign(**{"class": np.arange(run.n_classes)}).sort_values("recall", kind="stable")
    return [plain(row) for row in frame.round(4).to_dict("records")]


def _add(wanted: dict[int, None], items: Iterable[int]) -> None:
    wanted.update(dict.fromkeys(int(item) for item in items))


def _grids(run: Evaluation) -> dict[str, Any]:
    grid = _per_class(run)
    frames = {
        "errors": run.errors(per_class=grid),
        "errors_loss": run.errors(per_class=grid, by="loss"),
        "errors_margin": run.errors(per_class=grid, by="margin"),
        "sure": run.correct(per_class=grid, order="most_confident"),
        "unsure": run.correct(per_class=grid, order="least_confident"),
    }
    wrong = np.bincount(run.samples["y_true"][~run.correct_mask], minlength=run.n_classes)
    most = {run.class_names[number] for number in np.argsort(-wrong, kind="stable")[:MAX_GROUPS]}
    return {"grids": {name: _groups(frame, most) for name, frame in frames.items()}, "examples": _examples(run)}


def _per_class(run: Evaluation) -> int:
    """Return how many images of a class a grid shows: with many classes fewer, so that all of them are in the file."""
    return GRID if run.n_classes <= MANY_CLASSES else GRID // 2


def _groups(frame: Any, names: set[str]) -> list[dict[str, Any]]:
    """Return the images of these classes: with many classes those with the most errors."""
    groups = frame.groupby("class", sort=False)["index"]
    return [{"name": str(name), "items": [int(item) for item in items]} for name, items in groups if name in names]


def _examples(run: Evaluation) -> list[list[int | None]] | None:
    """Return the most confident sample of each cell, rows true, columns predicted; None with many classes."""
    if run.n_classes > MAX_EXAMPLE_CLASSES:
        return None
    rows: list[list[int | None]] = [[None] * run.n_classes for _ in range(run.n_classes)]
    frame = run.frame().sort_values("confidence", ascending=False, kind="stable")
    for true, predicted, index in zip(frame["y_true"], frame["y_pred"], frame["index"], strict=True):
        if rows[true][predicted] is None:
            rows[true][predicted] = int(index)
    return rows


def _samples(run: Evaluation) -> list[dict[str, Any]]:
    """Return the first images of each class, as they come in the data."""
    labels = run.samples["y_true"]
    return [
        {"name": run.class_names[number], "items": np.flatnonzero(labels == number)[: _per_class(run)].tolist()}
        for number in range(min(run.n_classes, MAX_GROUPS))
        if (labels == number).any()
    ]


def _cell_counts(run: Evaluation) -> list[list[int]]:
    counts = run.counts().confusion
    true, predicted = np.nonzero(counts)
    return [[int(row), int(column), int(counts[row, column])] for row, column in zip(true, predicted, strict=True)]


def _charts(run: Evaluation) -> dict[str, Any]:
    found = {
        "confidence": _spec(charts.confidence_histogram(run)),
        "recall": _spec(charts.per_class_chart(run)),
    }
    if run.n_classes <= MANY_CLASSES:
        found["share"] = _spec(charts.confusion_chart(run, "true"))
        found["errors"] = _spec(charts.confusion_chart(run, None, blank_diagonal=True))
    return found


def _spec(chart: Any) -> dict[str, Any]:
    """Return a chart's Vega-Lite specification without its address on the web, which nothing needs."""
    spec = vega_spec(chart)
    spec.pop("$schema", None)
    spec.pop("config", None)
    return spec
