"""The embedding map as a Plotly figure, on which points can be lassoed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diag.views import theme
from diag.views.data_charts import MOST_COLOURS, map_rows
from diag.views.shown import shown

if TYPE_CHECKING:
    from diag.results.embedding_map import EmbeddingMap
    from diag.results.evaluation import Evaluation

SHORT = 60
"""Characters of a name in a legend and on hover, at most."""


def embedding_figure(
    found: EmbeddingMap, run: Evaluation, color: str = "answer", chosen: str | None = None, height: int = 560
) -> Any:
    """Return a scatter plot in which each point's ``customdata`` begins with the image's index.

    Parameters
    ----------
    found : EmbeddingMap
    run : Evaluation
        The model whose right and wrong answers are shown.
    color : {"answer", "class"}
        With more than ten classes, only the class `chosen` is coloured.
    chosen : str, optional
        Of many classes, the one to colour.
    height : int
        In pixels.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    from plotly import graph_objects

    rows = map_rows(found, run)
    names = rows["true_class"].map(_shown)
    figure = graph_objects.Figure()
    for label, mask, colour in _groups(rows, run, color, chosen):
        part = rows[mask]
        figure.add_trace(
            graph_objects.Scattergl(
                x=part["x"],
                y=part["y"],
                mode="markers",
                name=_shown(label),
                marker={"color": colour, "size": 6, "opacity": 0.75},
                customdata=list(zip(part["index"], names[mask], part["answer"], part["confidence"], strict=True)),
                hovertemplate="index %{customdata[0]}<br>true %{customdata[1]}<br>%{customdata[2]}, "
                "%{customdata[3]} sure<extra></extra>",
            )
        )
    hidden = {"showticklabels": False, "showgrid": False, "zeroline": False, "title": None}
    figure.update_layout(
        dragmode="lasso",
        height=height,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis=hidden,
        yaxis=hidden,
        legend={"orientation": "h", "yanchor": "top", "y": -0.02, "itemsizing": "constant"},
        uirevision="map",
    )
    return figure


def _groups(rows: Any, run: Evaluation, color: str, chosen: str | None) -> list[tuple[str, Any, str]]:
    """Return label, mask and colour of each group of points, those on top last."""
    if color != "class":
        pairs = (("right", theme.RIGHT), ("wrong", theme.WRONG))
        return [(name, rows["answer"] == name, colour) for name, colour in pairs]
    if run.n_classes <= MOST_COLOURS:
        colours = theme.MODELS[: run.n_classes]
        return [
            (name, rows["true_class"] == name, colour) for name, colour in zip(run.class_names, colours, strict=True)
        ]
    own = rows["true_class"] == chosen
    return [("other classes", ~own, theme.NEUTRAL)] + ([(chosen, own, theme.WRONG)] if chosen is not None else [])


def _shown(text: str) -> str:
    """Return a name such that Plotly, which reads a few tags and entities in labels, shows it as it is, shortened."""
    return shown(text, SHORT).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
