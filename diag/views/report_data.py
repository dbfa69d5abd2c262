"""The report's page about the data: balance, doubtful labels, duplicates, slices, and the embedding as a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.engines.embedding_map import embedding_map
from diag.engines.label_issues import label_issues
from diag.engines.near_duplicates import near_duplicates
from diag.engines.slices import find_slices
from diag.errors import DiagError
from diag.results.duplicates import MAY_DIFFER
from diag.results.label_issues import KIND_TITLES
from diag.views import theme
from diag.views.charts import class_balance_chart
from diag.views.data_charts import MOST_COLOURS, MOST_POINTS, listed_slices, slices_chart
from diag.views.report_pages import PageContext, ReportPage

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from diag.results.comparison import Comparison
    from diag.results.slices import Slices

ITEMS = 60
"""Images of one slice or kind of issue that are in the file."""
ISSUES = 500
"""Issues, and pairs of images, in the page's CSV files."""
SCALE = 1000
"""Coordinates of the map are whole numbers from 0 to this."""
PARTS = ("Slices", "Label issues", "Duplicates", "Embedding map")


def data_page(comparison: Comparison, context: PageContext) -> ReportPage:
    """Return the page. What needs the network or a search is left out where checks are."""
    first = comparison.runs[0]
    charts: dict[str, Any] = {"balance": class_balance_chart(first.data, first.class_names, first.samples["y_true"])}
    content: dict[str, Any] = {"checked": context.checks}
    payload: dict[str, Any] = {"best": comparison.names.index(str(comparison.table().index[0]))}
    samples: list[int] = []
    train_samples: list[int] = []
    masks: list[Any] = []
    if not context.checks:
        return ReportPage("data", "Data", content, payload, charts)

    def slices() -> None:
        found = find_slices(comparison, seed=context.seed, cache=context.cache)
        rows = _slice_rows(comparison, found)
        content["slices"] = {"verdict": found.verdict(), "notes": found.notes, "empty": not rows}
        payload["slices"] = rows
        masks.extend(found.mask(row["row"]) for row in rows)
        if rows:
            charts["slices"] = slices_chart(found)
        samples.extend(_in_turn([row["items"] for row in rows]))

    def issues() -> None:
        part, texts = _issues(comparison, context)
        content["issues"] = texts
        payload["issues"] = part
        samples.extend(_in_turn([kind["items"] for kind in part["kinds"]]))

    def duplicates() -> None:
        part, texts = _duplicates(comparison, context)
        content["duplicates"] = texts
        payload["duplicates"] = part
        samples.extend(index for row in part["rows"] for index in row["images"])
        train_samples.extend(row["train"] for row in part["rows"] if row["train"] is not None)

    def points() -> None:
        part, texts = _points(comparison, context, masks)
        content["map"] = texts
        payload["map"] = part
        samples.extend(part["index"])

    for place, (name, build) in enumerate(zip(PARTS, (slices, issues, duplicates, points), strict=True)):
        context.stage(f"Data: {name.lower()}", place, len(PARTS))
        _tried(build, content, name)
    context.stage("Data", len(PARTS), len(PARTS))
    return ReportPage("data", "Data", content, payload, charts, samples, train_samples)


def _tried(build: Callable[[], None], content: dict[str, Any], name: str) -> None:
    """Build one part of the page; one that cannot be made says why, and the rest goes on."""
    try:
        build()
    except DiagError as error:
        content.setdefault("messages", {})[name] = str(error)


def _in_turn(lists: list[list[int]]) -> list[int]:
    """Return the first of each list, then the second of each, and so on."""
    longest = max((len(each) for each in lists), default=0)
    return [each[place] for place in range(longest) for each in lists if place < len(each)]


def _slice_rows(comparison: Comparison, found: Slices) -> list[dict[str, Any]]:
    """Return the listed slices with their images, and the accuracy of every model in each."""
    frame = listed_slices(found)
    accuracies = found.models(range(len(frame)))["accuracy"].to_numpy().reshape(-1, len(comparison.names))
    order = [list(found.right).index(name) for name in comparison.names]
    rows = []
    for place, row in enumerate(frame.to_dict("records")):
        rows.append(
            {
                **{str(key): value for key, value in row.items()},
                "row": place,
                "items": found.indices(place)[:ITEMS].tolist(),
                "models": accuracies[place, order].tolist(),
            }
        )
    return rows


def _issues(comparison: Comparison, context: PageContext) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the label issues by kind for the script, and what the page says of them."""
    found = label_issues(comparison, context.train, seed=context.seed, cache=context.cache)
    frame = found.frame()
    sentences = dict(zip(frame["index"].tolist(), frame["sentence"], strict=True))
    kinds = []
    for kind, title in KIND_TITLES.items():
        indices = found.of_kind(kind).tolist()
        if indices:
            shown = indices[:ITEMS]
            kinds.append({"kind": kind, "title": title, "total": len(indices), "items": shown,
                          "sentences": [sentences[index] for index in shown]})  # fmt: skip
    return {"kinds": kinds, "csv": _csv(frame)}, {"verdict": found.verdict(), "notes": found.notes}


def _duplicates(comparison: Comparison, context: PageContext) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return pairs of images that are equal or nearly for the script, and what the page says of them."""
    found = near_duplicates(comparison, context.train, seed=context.seed, cache=context.cache)
    frame = found.frame()
    rows = []
    turned = found.turned_labels_differ[:ITEMS]
    for row, legitimate in zip(frame.head(ITEMS).to_dict("records"), turned, strict=True):
        trained, differ, may = row["where"] == "train", row["labels_differ"], MAY_DIFFER if legitimate else ""
        rows.append(
            {
                "images": [row["image"]] if trained else [row["image"], row["other"]],
                "train": row["other"] if trained else None,
                "said": "pixel for pixel" if row["way"] == "equal" else f"{row['way']}, r = {row['correlation']:.3f}",
                "labels": f"labels {row['label']} and {row['other_label']}{may}" if differ or may else "",
            }
        )
    return {"rows": rows, "csv": _csv(frame)}, {
        "verdict": found.verdict(),
        "notes": found.notes,
        "more": len(frame) - len(rows),
    }


def _csv(frame: Any) -> dict[str, Any]:
    """Return the columns and first rows of a frame for the page's CSV; what is unknown is None."""
    listed = frame.head(ISSUES).astype(object)
    rows = listed.where(listed.notna(), None).to_numpy().tolist()
    return {"columns": [str(name) for name in frame.columns], "rows": rows}


def _points(comparison: Comparison, context: PageContext, masks: list[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the embedding map for the script: whole coordinates, which models are wrong, which slices hold a point."""
    found = embedding_map(comparison, n=MOST_POINTS, seed=context.seed, cache=context.cache)
    low = found.xy.min(axis=0)
    spread = float(np.ptp(found.xy, axis=0).max()) or 1.0  # one scale for both axes: distances stay as they are
    whole = np.rint((found.xy - low) * (SCALE / spread)).astype(int)
    y_true = comparison.runs[0].samples["y_true"][found.indices]
    part = {
        "index": found.indices.tolist(),
        "x": whole[:, 0].tolist(),
        "y": whole[:, 1].tolist(),
        "true": y_true.tolist(),
        "wrong": [_bits(~run.correct_mask[found.indices]) for run in comparison.runs],
        "slices": [_bits(mask[found.indices]) for mask in masks],
        "width": int(whole[:, 0].max()),
        "height": int(whole[:, 1].max()),
        "palette": list(theme.MODELS) if comparison.runs[0].n_classes <= MOST_COLOURS else [],
    }
    return part, {"note": found.note, "model": found.model_name, "n": len(found)}


def _bits(mask: NDArray[np.bool_]) -> str:
    """Return truth values as a text of 0 and 1."""
    return "".join("01"[int(each)] for each in mask)
