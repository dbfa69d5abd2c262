"""Maps to be averaged and grouped: of logits, which keep a measure from image to image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import UnsupportedModelError
from diag.explain.api import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from diag.results.attribution import Attribution
    from diag.results.evaluation import Evaluation


def logit_maps(
    run: Evaluation,
    rows: NDArray[np.int64],
    background: int | NDArray[Any],
    seed: int = 0,
    outputs: str | Sequence[int] = "predicted",
    *,
    cache: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Attribution:
    """Return maps of some images of an evaluation: of logits, or of probabilities where the network has no logits.

    The probability of a sure answer hardly changes with what brought it about, and that of an unsure one may have maps
    a hundred times as strong: in a mean they would stand alone.

    Parameters
    ----------
    run : Evaluation
        Of a Keras network.
    rows : ndarray of int64, shape (n,)
        Which rows of the evaluation.
    background, seed, outputs, cache, progress
        As in `diag.explain`.
    """
    options: dict[str, Any] = {"cache": cache, "progress": progress}
    indices = run.samples["index"][rows]
    try:
        maps = explain(run.model, run.data, indices, background, outputs, seed, target="logit", **options)
    except UnsupportedModelError:
        maps = explain(run.model, run.data, indices, background, outputs, seed, **options)
    y_pred, y_true = (np.ascontiguousarray(run.samples[name][rows]) for name in ("y_pred", "y_true"))
    for array in (y_pred, y_true):
        array.flags.writeable = False
    return replace(maps, y_pred=y_pred, y_true=y_true, class_names=run.class_names)
