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
"""Samples x models x resamples from which the intervals are kept on disk."""
_RELATIONS = {"better": 1, "worse": -1, "equivalent": 0, "undecided": 0}
COLUMNS = ("a", "b", "metric", "value_a", "value_b", "difference", "low", "high", "favours")


def n_resamples(comparison: Comparison) -> int:
    """Return how many resamples are drawn for these models and samples."""
    return bootstrap.resamples_within_bound(len(comparison.runs[0]), len(comparison.runs))


def difference_frame(comparison: Comparison, seed: int = 0) -> pd.DataFrame:
    """Return the frame of `Comparison.differences`."""
    import pandas as pd

    runs, names = comparison.runs, comparison.names
    k = runs[0].n_classes
    columns = [(run.samples["y_true"], run.samples["y_pred"], run.samples["loss"], k) for run in runs]
    observed = np.stack([bootstrap.figures(*each) for each in columns])
    pairs = list(combinations(range(len(runs)), 2))
    ends = difference_ends(comparison, seed) if pairs else np.empty((0, len(bootstrap.METRICS), 2))
    rows: list[dict[str, Any]] = []
    for (a, b), of_pair in zip(pairs, ends, strict=True):
        for place, metric in enumerate(bootstrap.METRICS):
            low, high = (float(end) for end in of_pair[place])
            sign = (low > 0) - (high < 0)
            sign = -sign if metric == "log_loss" else sign
            if metric == "accuracy":  # its verdict has one home
                sign = _RELATIONS[comparison.pair(names[a], names[b])["relation"]]
            favours = {0: "", 1: names[a], -1: names[b]}[sign]
            values = (float(observed[a, place]), float(observed[b, place]))
            row = (names[a], names[b], metric, *values, values[0] - values[1], low, high, favours)
            rows.append(dict(zip(COLUMNS, row, strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def difference_ends(comparison: Comparison, seed: int) -> NDArray[np.float64]:
    """Return the BCa intervals of all pairs and metrics, shape (pairs, 4, 2); from the cache where they are there."""
    runs, level = comparison.runs, comparison.level
    drawn = n_resamples(comparison)
    keep = len(runs[0]) * len(runs) * drawn >= KEPT_FROM
    key = ""
    if keep:
        digests = [[store.array_digest(run.samples[name]) for name in ("y_true", "y_pred", "loss")] for run in runs]
        key = store.content_key(bootstrap=digests, k=runs[0].n_classes, resamples=drawn, seed=seed, level=level)
        kept = store.load("comparisons", key)
        shape = (len(runs) * (len(runs) - 1) // 2, len(bootstrap.METRICS), 2)
        if kept is not None and "ends" in kept.arrays and kept.arrays["ends"].shape == shape:
            return kept.arrays["ends"]
    ends = _intervals(runs, level, drawn, seed)
    if keep:
        store.save("comparisons", key, store.Entry(meta={"resamples": drawn, "seed": seed}, arrays={"ends": ends}))
    return ends


def _intervals(runs: Sequence[Evaluation], level: float, drawn: int, seed: int) -> NDArray[np.float64]:
    k, y_true = runs[0].n_classes, runs[0].samples["y_true"]
    y_pred, loss = ([run.samples[name] for run in runs] for name in ("y_pred", "loss"))
    resampled = bootstrap.resampled_figures(y_true, y_pred, loss, k, np.random.default_rng(seed), drawn)
    columns = list(zip(y_pred, loss, strict=True))
    observed = [bootstrap.figures(y_true, *each, k) for each in columns]
    left_out = [bootstrap.jackknife(y_true, *each, k) for each in columns]
    return np.array(
        [
            [
                bootstrap.bca_interval(
                    float(observed[a][place] - observed[b][place]),
                    resampled[:, a, place] - resampled[:, b, place],
                    left_out[a][:, place] - left_out[b][:, place],
                    1 - level,
                )
                for place in range(len(bootstrap.METRICS))
            ]
            for a, b in combinations(range(len(runs)), 2)
        ]
    )


def resampling_note(comparison: Comparison) -> list[str]:
    """Return the note on fewer resamples than usual, if there are."""
    drawn = n_resamples(comparison)
    if len(comparison.runs) < 2 or drawn >= bootstrap.N_RESAMPLES:
        return []
    return [
        f"Bootstrap intervals of differences come from {drawn:,} resamples instead of {bootstrap.N_RESAMPLES:,}, "
        f"as there are {len(comparison.runs[0]):,} images."
    ]
