"""Charts of the data: slices with their intervals, and the embedding as a map of points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diag.printable import distinct
from diag.views import theme
from diag.views.charts import named_axis
from diag.views.formats import probability
from diag.views.rank_charts import short_name

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from diag.results.embedding_map import EmbeddingMap
    from diag.results.evaluation import Evaluation
    from diag.results.slices import Slices

MOST_SLICES = 25
"""Slices that a table or chart lists."""
FEWEST_SLICES = 8
"""With fewer significant slices, the next ones are listed too."""
MOST_POINTS = 5000
MOST_COLOURS = len(theme.MODELS)
"""Classes that get a colour each; with more, only the one that is chosen is coloured."""


def listed_slices(slices: Slices) -> pd.DataFrame:
    """Return the rows of ``slices.frame(tried=True)`` that are shown: the significant ones, and next ones if few."""
    frame = slices.frame(tried=True)
    significant = int(slices.significant.sum())
    return frame.head(min(MOST_SLICES, max(significant, FEWEST_SLICES)))


def slices_chart(slices: Slices) -> alt.LayerChart | alt.FacetChart:
    """Return the accuracy of each listed slice with its interval, beside that of all other images.

    Returns
    -------
    alt.LayerChart
        The point selection ``slice`` has the fields ``slice`` and ``row``, the number in ``frame(tried=True)``.
    """
    import altair as alt

    rows = listed_slices(slices).drop(columns="inside").reset_index(names="row")
    rows["slice"] = distinct(rows["slice"])
    rows["found"] = rows["significant"].map({True: "worse", False: "may be chance"})
    chosen = alt.selection_point(name="slice", fields=["slice", "row"], on="click", empty=True)
    color = alt.Color(
        "found:N",
        scale=alt.Scale(domain=["worse", "may be chance"], range=[theme.WRONG, theme.NEUTRAL]),
        legend=alt.Legend(title=None, orient="top"),
    )
    y = named_axis("slice", rows["slice"], alt.Axis(labelLimit=240, labelOverlap=False))
    percent = alt.Axis(format="%")
    scale = alt.Scale(zero=False, nice=True)
    tooltip = [
        alt.Tooltip("slice:N"),
        alt.Tooltip("n:Q", title="images", format=",d"),
        alt.Tooltip("errors:Q", format=",d"),
        *(alt.Tooltip(f"{name}:Q", format=".1%") for name in ("accuracy", "accuracy_low", "accuracy_high")),
        alt.Tooltip("rest:Q", title="all other images", format=".1%"),
        alt.Tooltip("p_adjusted:Q", title="p, adjusted", format=".2g"),
    ]
    base = alt.Chart(rows).encode(y=y, tooltip=tooltip, opacity=alt.condition(chosen, alt.value(1), alt.value(0.5)))
    bars = base.mark_rule(strokeWidth=2, cursor="pointer").encode(
        x=alt.X("accuracy_low:Q", title="accuracy (95 %); tick: elsewhere", axis=percent, scale=scale),
        x2="accuracy_high:Q",
        color=color,
    )  # fmt: skip
    points = base.mark_point(filled=True, size=80, cursor="pointer", opacity=1).encode(x="accuracy:Q", color=color)
    rest = base.mark_tick(color=theme.RIGHT, thickness=2, height=14).encode(x="rest:Q")
    chart = alt.layer(bars, rest, points.add_params(chosen))
    return chart.properties(width="container", height=24 * max(len(rows), 2))


def map_rows(found: EmbeddingMap, run: Evaluation) -> pd.DataFrame:
    """Return a map's frame with ``answer`` ("right" or "wrong") and ``confidence``, in words, of a run."""
    frame = found.frame(run).head(MOST_POINTS)
    frame["answer"] = frame.pop("right").map({True: "right", False: "wrong"})
    frame["confidence"] = [probability(float(each)) for each in run.samples["confidence"][frame["index"]]]
    return frame


def embedding_map_chart(found: EmbeddingMap, run: Evaluation, color: str = "answer") -> Any:
    """Return the map with a point an image.

    Parameters
    ----------
    found : EmbeddingMap
    run : Evaluation
        The model whose right and wrong answers are shown: that of the map, or any other on the same data.
    color : {"answer", "class"}
        By class only with at most ten classes; else by answer.

    Returns
    -------
    alt.Chart
        The interval selection ``brush`` has the ranges of ``x`` and ``y``.
    """
    import altair as alt

    rows = map_rows(found, run)
    brush = alt.selection_interval(name="brush")
    by_class = color == "class" and run.n_classes <= MOST_COLOURS
    shade: Any
    if by_class:
        names = list(run.class_names)
        shade = alt.Color("true_class:N", title="true class", scale=alt.Scale(domain=names, range=list(theme.MODELS)))
    else:
        rows = rows.sort_values("answer", kind="stable")  # wrong ones on top
        shade = alt.Color(
            "answer:N",
            title=short_name(run.name),
            scale=alt.Scale(domain=["right", "wrong"], range=[theme.RIGHT, theme.WRONG]),
        )
    axis = alt.Axis(labels=False, ticks=False, grid=False)
    return (
        alt.Chart(rows)
        .mark_circle(size=26)
        .encode(
            x=alt.X("x:Q", title=None, axis=axis, scale=alt.Scale(zero=False)),
            y=alt.Y("y:Q", title=None, axis=axis, scale=alt.Scale(zero=False)),
            color=shade,
            opacity=alt.condition(brush, alt.value(0.8), alt.value(0.15)),
            tooltip=["index:Q", "true_class:N", "answer:N", "confidence:N"],
        )
        .add_params(brush)
        .properties(width="container", height=460)
    )
