"""One set of bootstrap resamples for all models of a comparison, kept in the cache where it takes long."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.io import store
from diag.metrics import bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from diag.results.comparison import Comparison
    from diag.results.evaluation import Evaluation

KEPT_FROM = 3 * 10**7
"""Samples x models x resamples from which the resampled figures are kept on disk."""
COLUMNS = ("a", "b", "metric", "value_a", "value_b", "difference", "low", "high", "favours")


def n_resamples(comparison: Comparison) -> int:
    """Return how many resamples are drawn for these models and samples."""
    return bootstrap.resamples_within_bound(len(comparison.runs[0]), len(comparison.runs))


def resampled_figures(runs: Sequence[Evaluation], wanted: int, seed: int) -> NDArray[np.float64]:
    """Return `diag.metrics.bootstrap.resampled_figures` of the runs, from the cache where it is there."""
    y_true = runs[0].samples["y_true"]
    columns = [(run.samples["y_pred"], run.samples["loss"]) for run in runs]
    keep = len(y_true) * len(runs) * wanted >= KEPT_FROM
    key = ""
    if keep:
        digests = [[store.array_digest(column) for column in pair] for pair in columns]
        key = store.content_key(
            bootstrap=digests, y_true=store.array_digest(y_true), k=runs[0].n_classes, wanted=wanted, seed=seed
        )
        kept = store.load("comparisons", key)
        if kept is not None and kept.arrays.get("figures", np.empty(0)).shape[:2] == (wanted, len(runs)):
            return kept.arrays["figures"]
    values = bootstrap.resampled_figures(
        y_true,
        [y_pred for y_pred, _ in columns],
        [loss for _, loss in columns],
        runs[0].n_classes,
        np.random.default_rng(seed),
        wanted,
    )
    if keep:
        store.save(
            "comparisons", key, store.Entry(meta={"resamples": wanted, "seed": seed}, arrays={"figures": values})
        )
    return values


def difference_frame(comparison: Comparison, seed: int = 0) -> pd.DataFrame:
    """Return the frame of `Comparison.differences`."""
    import pandas as pd

    runs, names = comparison.runs, comparison.names
    if len(runs) < 2:
        return pd.DataFrame([], columns=list(COLUMNS))
    k = runs[0].n_classes
    columns = [(run.samples["y_true"], run.samples["y_pred"], run.samples["loss"], k) for run in runs]
    observed = np.stack([bootstrap.figures(*each) for each in columns])
    resampled = resampled_figures(runs, n_resamples(comparison), seed)
    left_out = [bootstrap.jackknife(*each) for each in columns]
    rows: list[dict[str, Any]] = []
    for a, b in combinations(range(len(runs)), 2):
        for place, metric in enumerate(bootstrap.METRICS):
            difference = float(observed[a, place] - observed[b, place])
            low, high = bootstrap.bca_interval(
                difference,
                resampled[:, a, place] - resampled[:, b, place],
                left_out[a][:, place] - left_out[b][:, place],
                1 - comparison.level,
            )
            sign = (low > 0) - (high < 0)
            favours = {0: "", 1: names[a], -1: names[b]}[-sign if metric == "log_loss" else sign]
            values = (float(observed[a, place]), float(observed[b, place]))
            rows.append(
                dict(zip(COLUMNS, (names[a], names[b], metric, *values, difference, low, high, favours), strict=True))
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def resampling_note(comparison: Comparison) -> list[str]:
    """Return the note on fewer resamples than usual, if there are."""
    drawn = n_resamples(comparison)
    if len(comparison.runs) < 2 or drawn >= bootstrap.N_RESAMPLES:
        return []
    return [
        f"Bootstrap intervals of differences come from {drawn:,} resamples instead of {bootstrap.N_RESAMPLES:,}, "
        f"as there are {len(comparison.runs[0]):,} images."
    ]
