"""The report's answer to "how far can I trust these maps": faithfulness, where classes look, ways of looking."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DiagError
from diag.explain.background import stratified
from diag.explain.faithfulness import faithfulness
from diag.explain.logits import logit_maps
from diag.explain.prototypes import mean_maps, prototypes
from diag.views.images import data_uri
from diag.views.trust import faithfulness_chart, mean_map_tiles, sanity_chart

if TYPE_CHECKING:
    from collections.abc import Callable

    from diag.results.attribution import Attribution
    from diag.results.evaluation import Evaluation

    Stage = Callable[[str, int, int], None]

N_FAITHFUL = 10
N_WHERE = 150
BACKGROUND = 20
MAX_CLASSES = 12
FEWEST = 8
"""Images of a class from which on ways of looking are sought."""
MAX_SIZE = 96 * 96 * 3
"""Numbers in an image up to which a report checks maps: beyond, checking takes minutes."""
_OF = {"probability": "", "logit": "'s logit"}


def checks(run: Evaluation, explain: int, seed: int, stage: Stage, cache: bool) -> dict[str, Any]:
    """Return the trust part of a model's page, or ``trust_message``; nothing where maps were left out."""
    if explain == 0 or not run.model.is_keras:
        return {}
    if math.prod(run.model.input_shape) > MAX_SIZE:
        return {"trust_message": "Images of this size are checked on demand only: diag trust MODEL --data SRC."}
    name = f"Check the maps of {run.name}"
    stage(name, 0, 2)
    try:
        checked = faithfulness(
            run.model, run.data, n=N_FAITHFUL, background=BACKGROUND, seed=seed, steps=14, n_random=2, cache=cache
        )
        stage(name, 1, 2)
        maps = _sample(run, seed, cache)
    except DiagError as error:
        return {"trust_message": f"Maps were not checked: {error}"}
    finally:
        stage(name, 2, 2)
    return {
        "trust": {
            "verdict": checked.verdict(),
            "passed": checked.passed,
            "note": f"{len(checked)} images, {BACKGROUND} references; bands are 95% intervals.",
            "where": _where(maps),
            "where_note": f"Mean strength of the map of the predicted class{_OF[maps.target]}"
            f", from {len(maps)} images drawn by predicted class, against {BACKGROUND} references.",
            "ways": _ways(maps, seed),
        },
        "more_charts": {
            "deletion": faithfulness_chart(checked, "deletion"),
            "insertion": faithfulness_chart(checked, "insertion"),
            "sanity": sanity_chart(checked),
        },
    }


def _sample(run: Evaluation, seed: int, cache: bool) -> Attribution:
    """Return maps of the predicted class of some images of each class, with many classes of those predicted most."""
    predicted = run.samples["y_pred"]
    numbers, counts = np.unique(predicted, return_counts=True)
    most = numbers[np.argsort(-counts, kind="stable")[:MAX_CLASSES]]
    rows = np.flatnonzero(np.isin(predicted, most))
    chosen = rows[stratified(predicted[rows], min(N_WHERE, len(rows)), seed, len(rows))]
    return logit_maps(run, chosen, BACKGROUND, seed, cache=cache)


def _where(maps: Attribution) -> list[dict[str, Any]]:
    tiles = mean_map_tiles(mean_maps(maps, by="predicted"), 84)
    return [
        {"name": name, "count": count, "location": location, "src": data_uri(png)}
        for name, count, location, png in tiles
    ]


def _ways(maps: Attribution, seed: int) -> list[dict[str, Any]]:
    """Return a sentence for each class whose images are judged in more than one way, with the images to look at."""
    found = []
    for number in np.unique(maps.y_pred):
        rows = np.flatnonzero(maps.y_pred == number)
        if len(rows) < FEWEST:
            continue
        clusters = prototypes(maps.take(rows), seed=seed)
        if len(clusters.sizes) > 1:
            items = [int(clusters.members(cluster)[0]) for cluster in range(len(clusters.sizes))]
            found.append({"name": maps.class_names[number], "text": clusters.verdict(), "items": items})
    return found
