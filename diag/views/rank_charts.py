"""The critical-difference diagram: average ranks of many models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.views import theme

if TYPE_CHECKING:
    import altair as alt

    from diag.results.ranking import Ranks


def critical_difference_chart(ranks: Ranks) -> alt.LayerChart | alt.FacetChart:
    """Return the critical-difference diagram: average ranks, and bars over models that cannot be told apart.

    Parameters
    ----------
    ranks : Ranks

    Returns
    -------
    alt.LayerChart
        One line a model, best first, with its average rank over classes; the bars below join the groups of
        `Ranks.cliques`, and the one at the top is as long as the critical difference.

    References
    ----------
    Demsar (2006), JMLR 7, 1-30, figure 1; here with a line a model, so that a dozen names stay readable.
    """
    import altair as alt
    import pandas as pd

    frame = ranks.frame()
    frame["line"] = np.arange(len(frame))
    m = len(frame)
    labels = [
        f"{short_name(name)}  {rank:.2f}" for name, rank in zip(frame["model"], frame["average_rank"], strict=True)
    ]
    place = dict(zip(frame["model"], frame["average_rank"], strict=True))
    bars = pd.DataFrame(
        [
            {
                "from": min(place[name] for name in group) - 0.03,
                "to": max(place[name] for name in group) + 0.03,
                "line": m - 0.2 + 0.5 * number,
                "group": ", ".join(group),
            }
            for number, group in enumerate(ranks.cliques)
        ],
        columns=["from", "to", "line", "group"],
    )
    ruler = pd.DataFrame([{"from": 1.0, "to": 1.0 + min(ranks.critical_difference, m - 1.0), "line": -1.0}])
    bottom = m - 0.2 + 0.5 * max(len(bars), 1)
    said = json.dumps([f"critical difference  {ranks.critical_difference:.2f}", *labels])
    y = alt.Y(
        "line:Q",
        scale=alt.Scale(domain=[bottom, -1.5], nice=False),
        axis=alt.Axis(
            values=list(range(-1, m)), labelExpr=f"{said}[datum.value + 1]", labelLimit=240, labelOverlap=False,
            title=None, ticks=False, domain=False, grid=False,
        ),
    )  # fmt: skip
    x = alt.X(
        "from:Q",
        scale=alt.Scale(domain=[0.9, m + 0.1], nice=False),
        axis=alt.Axis(
            title="average rank by recall over classes (1 is best)", values=list(range(1, m + 1)), format="d"
        ),
    )
    tooltip = [
        alt.Tooltip("model:N"),
        alt.Tooltip("average_rank:Q", format=".2f", title="average rank"),
        alt.Tooltip("bootstrap_rank:Q", format=".2f", title="rank by accuracy over resamples"),
        alt.Tooltip("best_share:Q", format=".0%", title="best of the resamples"),
    ]
    base = alt.Chart(frame).encode(y=y, x=alt.X("average_rank:Q"), tooltip=tooltip)
    joined = alt.Chart(bars).mark_rule(strokeWidth=6, color=theme.WRONG, strokeCap="round")
    measure = alt.Chart(ruler).mark_rule(strokeWidth=3, color=theme.NEUTRAL)
    layers: list[Any] = [
        measure.encode(x=x, x2="to:Q", y=y),
        base.mark_rule(color=theme.NEUTRAL, strokeDash=[2, 3]).encode(y2=alt.datum(bottom)),
        base.mark_point(filled=True, size=80, opacity=1, color=theme.RIGHT),
        joined.encode(x="from:Q", x2="to:Q", y=y, tooltip=[alt.Tooltip("group:N", title="not told apart")]),
    ]
    return alt.layer(*layers).properties(width="container", height=int(24 * (bottom + 1.5)))


def short_name(name: str, length: int = 24) -> str:
    """Return a name, cut with an ellipsis where it is longer."""
    return name if len(name) <= length else name[: length - 1] + "…"
