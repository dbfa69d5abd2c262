"""The report's maps: why this class rather than that one, then a column a class; the same images in all models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DiagError, UnsupportedModelError
from diag.explain.api import explain as run_explain
from diag.metrics.maps import block_sums
from diag.results.attribution import disagreement
from diag.views.images import attribution_sheet, data_uri, full_colour

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from diag.results.attribution import Attribution
    from diag.results.comparison import Comparison
    from diag.results.evaluation import Evaluation

    Stage = Callable[[str, int, int], None]

MOST_MODELS = 10
"""Networks with maps in one file: of more the best, as explaining one and checking its maps takes half a minute."""
MAX_COLUMNS = 12
MAX_MAP = 64
"""Maps with a longer side are summed over blocks: in full size they would not fit into the file."""


def chosen_indices(runs: Sequence[Evaluation], n: int) -> list[int]:
    """Return which images are explained, the same in every model.

    One that all models have right a class (at most n // 2 in all; the most confident by the first model), then the
    errors in which any model was most confident.
    """
    first = runs[0]
    right = np.logical_and.reduce([run.correct_mask for run in runs])
    confidence = first.samples["confidence"]
    chosen: list[int] = []
    for number in range(first.n_classes):
        rows = np.flatnonzero(right & (first.samples["y_true"] == number))
        if len(rows) and len(chosen) < n // 2:
            chosen.append(int(rows[np.argmax(confidence[rows])]))
    sureness = np.max([np.where(run.correct_mask, -1.0, run.samples["confidence"]) for run in runs], axis=0)
    errors = [int(row) for row in np.argsort(-sureness, kind="stable")[: n - len(chosen)] if sureness[row] >= 0]
    return errors + chosen


@dataclass(frozen=True, slots=True, eq=False)
class _Maps:
    """A model's maps (n, k + 1, h, w), channels summed: the contrast, then the classes; its note, and its blocks."""

    attribution: Attribution
    contrast: Attribution
    values: NDArray[np.float32]
    block: int
    note: str


def mapped(comparison: Comparison) -> list[Evaluation]:
    """Return the runs that are explained: all, or of more networks than a file holds maps of, the best of them."""
    networks = [run for run in comparison.ranked().values() if is_network(run)]
    if len(networks) <= MOST_MODELS:
        return list(comparison.runs)
    best = networks[:MOST_MODELS]
    return [run for run in comparison.runs if run in best]


def is_network(run: Evaluation) -> bool:
    """Return whether there can be maps of a model: of a network, and of an ensemble of networks."""
    members = run.model.members
    return run.model.is_keras or (bool(members) and all(member.is_keras for member in members))


def left_out(run: Evaluation, networks: int) -> dict[str, Any]:
    """Return what the page of a run says that is not `mapped`."""
    if not is_network(run):
        return {"explain_message": f"{run.name}: maps are made of Keras networks, and this is {run.model.kind}."}
    return {
        "explain_message": f"Of {networks} networks the {MOST_MODELS} best have maps in this file. For this one: "
        f"diag report {run.model.path.name}, or diag explain {run.model.path.name} --index N."
    }


def explanations(
    runs: Sequence[Evaluation], n: int, background: int | str, seed: int, stage: Stage, cache: bool
) -> list[dict[str, Any]]:
    """Return for each model the attribution part of its page, or ``explain_message``."""
    if n == 0:
        return [{"explain_message": "Maps were left out (--no-explain)."} for _ in runs]
    indices = chosen_indices(runs, n)
    outputs: list[int] = list(range(runs[0].n_classes))
    if len(outputs) > MAX_COLUMNS:
        indices, outputs = _few_outputs(runs, indices)
    found: list[_Maps | str] = []
    for run in runs:
        stage(f"Explain {run.name}", 0, 1)
        try:
            found.append(_explained(run, indices, outputs, background, seed, stage, cache))
        except DiagError as error:
            found.append(str(error))
        stage(f"Explain {run.name}", 1, 1)
    explained = [each for each in found if isinstance(each, _Maps)]
    limits = np.array(
        [full_colour([each.values[row] for each in explained]) for row in range(len(indices) if explained else 0)]
    )
    first = explained[0] if explained else None
    return [
        {"explain": _payload(each, run, limits, first)} if isinstance(each, _Maps) else {"explain_message": each}
        for each, run in zip(found, runs, strict=True)
    ]


def _few_outputs(runs: Sequence[Evaluation], indices: list[int]) -> tuple[list[int], list[int]]:
    """Return as many images, in order, as need no more classes than there are columns, and these classes.

    An image that all have right brings the first model's second choice: what its contrast is with.
    """
    outputs: list[int] = []
    kept: list[int] = []
    for index in indices:
        wanted = {int(runs[0].samples["y_true"][index]), *(int(run.samples["y_pred"][index]) for run in runs)}
        if len(wanted | set(outputs)) <= MAX_COLUMNS:
            outputs += sorted(wanted - set(outputs))
            kept.append(index)
    if len(outputs) < 2:
        outputs.append(next(number for number in range(runs[0].n_classes) if number not in outputs))
    return kept, sorted(outputs)


def _explained(
    run: Evaluation,
    indices: list[int],
    outputs: list[int],
    background: int | str,
    seed: int,
    stage: Stage,
    cache: bool,
) -> _Maps:
    options: dict[str, Any] = {"outputs": outputs, "seed": seed, "cache": cache}
    options["progress"] = lambda done, total: stage(f"Explain {run.name}", done, total)
    note = ""
    try:
        attribution = run_explain(run.model, run.data, indices, background, **options)
    except UnsupportedModelError as error:
        if not run.model.is_keras:
            raise
        note = f"{error} So these are expected gradients: an estimate. "
        attribution = run_explain(run.model, run.data, indices, background, method="expected_gradients", **options)
    contrast = attribution.contrast()
    totals = np.concatenate([contrast.values, attribution.values], axis=4).sum(axis=3)
    n, height, width, k = totals.shape
    maps, block = block_sums(np.moveaxis(totals, -1, 1).reshape(n * k, height, width), MAX_MAP)
    return _Maps(attribution, contrast, maps.reshape(n, k, *maps.shape[1:]), block, note)


def _payload(maps: _Maps, run: Evaluation, limits: NDArray[np.float64], first: _Maps | None) -> dict[str, Any]:
    attribution = maps.attribution
    n, k = maps.values.shape[:2]
    shares = maps.values / limits[:, None, None, None]
    sheet = attribution_sheet(shares.reshape(n * k, *shares.shape[2:]), 1.0, columns=k)
    apart = _apart(maps, first)
    rows = [
        {
            "index": int(index),
            "true": int(run.samples["y_true"][index]),
            "pred": int(run.samples["y_pred"][index]),
            "why": maps.contrast.labels(row)[0],
            "difference": round(float(maps.contrast.predictions[row, 0]), 4),
            "proba": [round(float(value), 4) for value in attribution.predictions[row]],
            "error": f"{attribution.additivity_error[row]:.1e}",
            "inexact": bool(attribution.additivity_error[row] > attribution.tolerance),
            "limit": f"{limits[row]:.2g}",
            "apart": apart[row],
        }
        for row, index in enumerate(attribution.indices)
    ]
    return {
        "sheet": data_uri(sheet.data, sheet.mime),
        "width": sheet.width,
        "height": sheet.height,
        "block": maps.block,
        "columns": attribution.outputs[0].tolist() if n else [],
        "rows": rows,
        "note": f"{maps.note}{attribution.method}. {attribution.background_note}",
        "worst": f"{float(attribution.additivity_error.max(initial=0)):.1e}",
        "warning": attribution.warning(),
    }


def _apart(maps: _Maps, first: _Maps | None) -> list[list[float | None] | None]:
    """Return how far a model's maps are from the first model's, where they can be compared: the contrast, the classes.

    Contrasts can be compared if they are of the same two classes.
    """
    if first is None or first is maps or first.attribution.values.shape[:3] != maps.attribution.values.shape[:3]:
        return [None] * len(maps.attribution)
    classes = disagreement(first.attribution, maps.attribution)
    rows: list[list[float | None] | None] = []
    for row in range(len(classes)):
        own, other = (each.contrast.take(np.array([row])) for each in (maps, first))
        same = own.labels(0) == other.labels(0)
        contrast = round(float(disagreement(other, own)[0, 0]), 3) if same else None
        rows.append([contrast, *(round(float(value), 3) for value in classes[row])])
    return rows
