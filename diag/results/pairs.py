"""The pairs of a comparison: 2x2 tables, tests, and how much they could have shown."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from diag.metrics.comparison import pair_figures, paired_counts
from diag.metrics.equivalence import equivalence_intervals
from diag.metrics.power import samples_needed, smallest_detectable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from diag.results.comparison import Comparison

COLUMNS = (
    "a", "b", "both_right", "only_a", "only_b", "both_wrong", "difference", "difference_low", "difference_high",
    "p_value", "p_adjusted", "p_equivalent", "equivalent_low", "equivalent_high", "smallest_detectable", "n_needed",
    "relation",
)  # fmt: skip
_TURNED = {"better": "worse", "worse": "better"}


def pair_frame(comparison: Comparison) -> pd.DataFrame:
    """Return the frame of `Comparison.pairs`."""
    import pandas as pd

    names, n, level = comparison.names, len(comparison.runs[0]), comparison.level
    places = list(combinations(range(len(names)), 2))
    right = [run.correct_mask for run in comparison.runs]
    counts = [paired_counts(right[a], right[b]) for a, b in places]
    only_a, only_b = [each[1] for each in counts], [each[2] for each in counts]
    figures = pair_figures(n, only_a, only_b, level, comparison.margin)
    low, high = equivalence_intervals(n, only_a, only_b, level)
    share = level / max(len(places), 1)  # Holm's first step: what is seen at this level is seen whatever the others are
    shares = [(b + c) / n if n else float("nan") for b, c in zip(only_a, only_b, strict=True)]
    frame = pd.DataFrame(
        {
            "a": [names[a] for a, _ in places],
            "b": [names[b] for _, b in places],
            **{name: [each[cell] for each in counts] for cell, name in enumerate(COLUMNS[2:6])},
            **figures,
            "equivalent_low": low,
            "equivalent_high": high,
            "smallest_detectable": [smallest_detectable(n, each, share) for each in shares],
            "n_needed": [
                samples_needed(each, float(difference), share)
                for each, difference in zip(shares, figures["difference"], strict=True)
            ],
        }
    )
    return frame[list(COLUMNS)]


def turned(pair: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of `Comparison.pairs` with its two models exchanged."""
    swapped = dict(pair)
    for one, other in (("a", "b"), ("only_a", "only_b")):
        swapped[one], swapped[other] = pair[other], pair[one]
    for low, high in (("difference_low", "difference_high"), ("equivalent_low", "equivalent_high")):
        swapped[low], swapped[high] = -pair[high], -pair[low]
    swapped["difference"] = -pair["difference"]
    swapped["relation"] = _TURNED.get(pair["relation"], pair["relation"])
    return swapped


def shown_differences(comparison: Comparison, differences: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """Return the differences of two models as they stand beside their 2x2 table.

    Accuracy has the interval of `Comparison.pairs`: one figure, one interval. BCa is too narrow for it where few
    samples are discordant.

    Parameters
    ----------
    comparison : Comparison
    differences : DataFrame
        `Comparison.differences`.
    a, b : str
        Names of models; the differences are a minus b.

    Returns
    -------
    DataFrame
        ``metric``, ``value_a``, ``value_b``, ``difference``, ``low``, ``high``, ``favours``.
    """
    pair = comparison.pair(a, b)
    own = (differences["a"] == a) & (differences["b"] == b)
    frame = differences[own | ((differences["a"] == b) & (differences["b"] == a))].copy()
    if not own.any():
        frame[["value_a", "value_b"]] = frame[["value_b", "value_a"]].to_numpy()
        frame[["low", "high"]] = -frame[["high", "low"]].to_numpy()
        frame["difference"] = -frame["difference"]
    accuracy = frame["metric"] == "accuracy"
    frame.loc[accuracy, ["low", "high"]] = pair["difference_low"], pair["difference_high"]
    return frame.drop(columns=["a", "b"]).reset_index(drop=True)
