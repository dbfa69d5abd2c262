"""The report's looks into a network: attribution maps, kernels and activations, or one line on why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DiagError
from diag.explain.api import explain as run_explain
from diag.filters.layers import activations, kernels
from diag.views.images import attribution_sheet, block_sums, data_uri, image_png, map_png, tile_sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from diag.results.attribution import Attribution
    from diag.results.evaluation import Evaluation

    Stage = Callable[[str, int, int], None]

MAX_COLUMNS = 12
MAX_FILTERS = 64
MAX_MAP = 64
"""Maps with a longer side are summed over blocks: in full size they would not fit into the file."""
FILTER_BUDGET = 2_000_000
"""Pixels of activations a model, over layers and images."""
N_ACTIVATION_IMAGES = 3


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


def explanations(
    run: Evaluation, runs: Sequence[Evaluation], n: int, background: int, seed: int, stage: Stage, cache: bool
) -> dict[str, Any]:
    """Return the attribution part of a model's page, or ``explain_message``."""
    if n == 0:
        return {"explain_message": "Maps were left out (--no-explain)."}
    indices = chosen_indices(runs, n)
    if run.n_classes > MAX_COLUMNS:
        indices, outputs = _few_outputs(runs, indices)
    else:
        outputs = list(range(run.n_classes))
    name = f"Explain {run.name}"
    stage(name, 0, len(indices))
    try:
        attribution = run_explain(
            run.model,
            run.data,
            indices,
            background,
            outputs=outputs,
            seed=seed,
            cache=cache,
            progress=lambda done, total: stage(name, done, total),
        )
    except DiagError as error:
        stage(name, len(indices), len(indices))
        return {"explain_message": str(error)}
    stage(name, len(indices), len(indices))
    return {"explain": _maps(attribution, run)}


def _few_outputs(runs: Sequence[Evaluation], indices: list[int]) -> tuple[list[int], list[int]]:
    """Return as many images, in order, as need no more classes than there are columns, and these classes."""
    outputs: list[int] = []
    kept: list[int] = []
    for index in indices:
        wanted = {int(runs[0].samples["y_true"][index]), *(int(run.samples["y_pred"][index]) for run in runs)}
        if len(wanted | set(outputs)) <= MAX_COLUMNS:
            outputs += sorted(wanted - set(outputs))
            kept.append(index)
    return kept, sorted(outputs)


def _maps(attribution: Attribution, run: Evaluation) -> dict[str, Any]:
    totals = attribution.values.sum(axis=3)
    n, _, _, k = totals.shape
    maps, block = block_sums(np.moveaxis(totals, -1, 1).reshape(n * k, *totals.shape[1:3]), MAX_MAP)
    limit = float(np.abs(maps).max()) or 1.0
    sheet = attribution_sheet(maps, limit, columns=k)
    rows = [
        {
            "index": int(index),
            "true": int(run.samples["y_true"][index]),
            "pred": int(run.samples["y_pred"][index]),
            "proba": [round(float(value), 4) for value in attribution.predictions[row]],
            "error": f"{attribution.additivity_error[row]:.1e}",
            "inexact": bool(attribution.additivity_error[row] > attribution.tolerance),
        }
        for row, index in enumerate(attribution.indices)
    ]
    return {
        "sheet": data_uri(sheet.data, sheet.mime),
        "width": sheet.width,
        "height": sheet.height,
        "block": block,
        "columns": attribution.outputs[0].tolist() if len(attribution) else [],
        "rows": rows,
        "limit": f"{limit:.2g}",
        "note": f"{attribution.method}. {attribution.background_note}",
        "worst": f"{float(attribution.additivity_error.max()):.1e}",
        "warning": attribution.warning(),
    }


def filters(run: Evaluation, runs: Sequence[Evaluation], stage: Stage, cache: bool) -> dict[str, Any]:
    """Return kernels of the first convolution and activations of all, or ``filters_message``."""
    try:
        found = kernels(run.model, cache=cache)
        if not found:
            return {"filters_message": "This network has no 2-D convolution layer."}
        name = f"Activations {run.name}"
        indices = chosen_indices(runs, 2 * N_ACTIVATION_IMAGES)[:N_ACTIVATION_IMAGES]
        stage(name, 0, 1)
        answers = activations(run.model, run.data, indices=indices, cache=cache)
        stage(name, 1, 1)
    except DiagError as error:
        return {"filters_message": str(error)}
    first, kernel = next(iter(found.items()))
    side = _activation_side(len(indices) * len(answers))
    return {
        "kernels": {"layer": first, "shape": "×".join(map(str, kernel.shape)), "images": _kernel_images(kernel)},
        "activations": [
            {
                "index": int(index),
                "layers": [
                    {"name": layer, "shape": "×".join(map(str, values.shape[1:])), **_filter_sheet(values[place], side)}
                    for layer, values in answers.items()
                ],
            }
            for place, index in enumerate(answers.indices)
        ],
    }


def _kernel_images(kernel: NDArray[np.float32]) -> list[str]:
    """Return one picture a filter: the mean over input channels, or the colours themselves where there are three."""
    count = min(kernel.shape[3], MAX_FILTERS) if kernel.shape[3] > 1 else min(kernel.shape[2], MAX_FILTERS)
    pictures = []
    for number in range(count):
        plane = kernel[:, :, :, number] if kernel.shape[3] > 1 else kernel[:, :, number : number + 1, 0]
        if plane.shape[2] == 3:
            low, high = float(plane.min()), float(plane.max())
            pictures.append(data_uri(image_png((plane - low) / ((high - low) or 1))))
        else:
            pictures.append(data_uri(map_png(plane.mean(axis=2))))
    return pictures


def _activation_side(pictures: int) -> int:
    """Return the largest side of one filter's picture that keeps all layers and images within the budget."""
    return int(np.clip((FILTER_BUDGET / (max(pictures, 1) * MAX_FILTERS)) ** 0.5, 12, 64))


def _filter_sheet(values: NDArray[np.float32], side: int) -> dict[str, Any]:
    """Return the answers of a layer's filters (h, w, filters) as one picture, each filter on its own grey scale."""
    shown = np.moveaxis(values[..., :MAX_FILTERS], -1, 0)
    step = -(-max(shown.shape[1:]) // side)
    shown = shown[:, ::step, ::step]
    low = shown.min(axis=(1, 2), keepdims=True)
    span = shown.max(axis=(1, 2), keepdims=True) - low
    tiles = np.rint((shown - low) / np.where(span > 0, span, 1) * 255).astype(np.uint8)[..., None]
    gap = np.pad(tiles, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=255)
    columns = min(16, len(gap))
    sheet = tile_sheet(gap, columns=columns)
    return {
        "src": data_uri(sheet.data, sheet.mime),
        "width": columns * sheet.width,
        "shown": len(tiles),
        "of": int(values.shape[-1]),
    }
