"""The report's looks into a network: kernels and activations, or one line on why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DiagError
from diag.filters.layers import activations, kernels
from diag.views.images import data_uri, image_png, map_png, tile_sheet
from diag.views.report_maps import chosen_indices

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from diag.results.evaluation import Evaluation

    Stage = Callable[[str, int, int], None]

MAX_FILTERS = 64
FILTER_BUDGET = 2_000_000
"""Pixels of activations a model, over layers and images."""
N_ACTIVATION_IMAGES = 3


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
    shown = np.moveaxis(np.nan_to_num(values[..., :MAX_FILTERS], posinf=0, neginf=0), -1, 0)
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
