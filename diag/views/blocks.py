"""The block view of a confusion matrix of many classes: an overview that is zoomed into, and the top confusions."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.metrics.confusion_order import MOST_GROUPS, ClassOrder, block_counts, class_order, window_edges
from diag.views import theme
from diag.views.charts import TEXT_LIMIT

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from diag.results.evaluation import Evaluation

MANY_CLASSES = TEXT_LIMIT
"""With more classes the block view takes the place of the matrix."""
LONG_TABLE = 100
"""With more classes a table of classes shows those with the lowest recall first, and the rest when asked."""
N_TOP = 100
NAMED = 3
LEAST = 16


def block_payload(run: Evaluation) -> dict[str, Any]:
    """Return what the report's block view needs beside the cells with their counts, as plain values.

    Returns
    -------
    dict
        ``order``: class numbers, similar ones side by side; ``starts``: where blocks begin; ``edges``: for each window
        of more than 60 classes that can be zoomed to, ``"start-stop"`` to the edges of its groups; ``top``: the
        largest confusions; ``errors``, ``share``: colours.
    """
    counts = run.counts().confusion
    order = class_order(counts)
    return {
        "order": order.order.tolist(),
        "starts": order.starts.tolist(),
        "edges": window_tree(order),
        "most": MOST_GROUPS,
        "top": run.top_confusions(N_TOP)[_TOP].to_dict("records"),
        "n_top": int((counts > 0).sum() - (np.diagonal(counts) > 0).sum()),
        "errors": list(theme.ERRORS),
        "share": list(theme.SHARE),
    }


_TOP = ["y_true", "y_pred", "count", "share", "share_low", "share_high", "share_of_errors", "reverse"]


def window_tree(order: ClassOrder) -> dict[str, list[int]]:
    """Return the edges of the groups of every window that has more classes than fit, from the whole inward."""
    found: dict[str, list[int]] = {}
    waiting = [(0, len(order.order))]
    while waiting:
        start, stop = waiting.pop()
        if stop - start <= MOST_GROUPS:
            continue
        edges = window_edges(order, start, stop).tolist()
        found[f"{start}-{stop}"] = edges
        waiting += pairwise(edges)
    return found


def zoomed(order: ClassOrder, start: int, stop: int) -> tuple[int, int]:
    """Return the window that a click on a group opens: the group, or at least 16 classes around it."""
    more = LEAST - (stop - start)
    if more <= 0:
        return start, stop
    low = max(0, min(start - (more + 1) // 2, len(order.order) - LEAST))
    return low, min(len(order.order), low + LEAST)


def window_of(order: ClassOrder, text: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the rows and columns that ``"start-stop-start-stop"`` names; everything where it names no window."""
    k = len(order.order)
    found = re.fullmatch(r"(\d{1,6})-(\d{1,6})-(\d{1,6})-(\d{1,6})", text)
    rows, columns = ((int(found[1]), int(found[2])), (int(found[3]), int(found[4]))) if found else ((0, k), (0, k))
    fits = all(start < stop <= k for start, stop in (rows, columns))
    return (rows, columns) if fits else ((0, k), (0, k))


def group_name(run: Evaluation, order: ClassOrder, start: int, stop: int) -> str:
    """Return the name of a group of classes: the class, or the first few and how many more."""
    names = [run.class_names[number] for number in order.order[start:stop]]
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def block_rows(
    run: Evaluation, order: ClassOrder, rows: tuple[int, int], columns: tuple[int, int]
) -> tuple[pd.DataFrame, int, int]:
    """Return a window of the matrix as at most 60 x 60 blocks: those with images, and the number of groups.

    Returns
    -------
    frame : DataFrame
        ``row``, ``column``: place in the window; ``row_start``, ``row_stop``, ``column_start``, ``column_stop``: places
        in the order; ``true``, ``predicted``: names; ``images``, ``errors``: counts; ``share``: errors as a share of
        the images of the row's classes.
    n_rows, n_columns : int
    """
    import pandas as pd

    confusion = run.counts().confusion
    down, across = window_edges(order, *rows), window_edges(order, *columns)
    images, errors = block_counts(confusion, order, down, across)
    support = np.add.reduceat(confusion.sum(axis=1)[order.order[down[0] : down[-1]]], down[:-1] - down[0])
    row, column = np.nonzero(images)
    true = [group_name(run, order, *each) for each in pairwise(down)]
    predicted = [group_name(run, order, *each) for each in pairwise(across)]
    frame = pd.DataFrame(
        {
            "row": row,
            "column": column,
            "row_start": down[row],
            "row_stop": down[row + 1],
            "column_start": across[column],
            "column_stop": across[column + 1],
            "true": np.asarray(true, dtype=object)[row],
            "predicted": np.asarray(predicted, dtype=object)[column],
            "images": images[row, column],
            "errors": errors[row, column],
            "share": errors[row, column] / np.maximum(support[row], 1),
        }
    )
    return frame, len(down) - 1, len(across) - 1


def block_chart(
    run: Evaluation,
    order: ClassOrder,
    rows: tuple[int, int] | None = None,
    columns: tuple[int, int] | None = None,
    *,
    by: str = "share",
    size: int = 560,
) -> alt.LayerChart | alt.FacetChart:
    """Return a window of the matrix as blocks that can be clicked; right answers are grey.

    Parameters
    ----------
    run : Evaluation
    order : ClassOrder
    rows, columns : (int, int), optional
        The window of positions in the order; everything when left out.
    by : "share" or "errors"
        Colour by errors as a share of the row's images, or by their number.
    size : int
        Width and height in pixels.

    Returns
    -------
    alt.LayerChart
        The point selection ``block`` has the fields ``row_start``, ``row_stop``, ``column_start``, ``column_stop``.
    """
    import altair as alt

    whole = (0, len(order.order))
    frame, n_rows, n_columns = block_rows(run, order, rows or whole, columns or whole)
    frame["wrong"] = frame["errors"] > 0
    block = alt.selection_point(
        name="block", fields=["row_start", "row_stop", "column_start", "column_stop"], on="click", empty=False
    )
    title = "errors, share of the true classes' images" if by == "share" else "errors, number of images"
    top_value = float(frame[by].max() or 1) if len(frame) else 1.0
    color = alt.Color(
        f"{by}:Q",
        scale=alt.Scale(range=list(theme.ERRORS[1:]), type="sqrt", domain=[0, top_value]),
        legend=alt.Legend(
            title=None, orient="bottom", format="~%" if by == "share" else "~d", gradientLength=200, tickCount=3
        ),
    )
    top, left = _places(run, order, rows or whole, n_rows), _places(run, order, columns or whole, n_columns)
    base = alt.Chart(frame).encode(
        x=alt.X("column:O", title="predicted class", scale=alt.Scale(domain=list(range(n_columns))), axis=left),
        y=alt.Y("row:O", title="true class", scale=alt.Scale(domain=list(range(n_rows))), axis=_flat(top)),
        tooltip=[
            alt.Tooltip("true:N"),
            alt.Tooltip("predicted:N"),
            alt.Tooltip("images:Q", format=",d"),
            alt.Tooltip("errors:Q", format=",d"),
            alt.Tooltip("share:Q", title="errors, share of the row", format=".2%"),
        ],
    )
    squares = base.mark_rect(cursor="pointer").encode(
        color=alt.condition("datum.wrong", color, alt.value("#D5DAE0")),
        stroke=alt.condition(block, alt.value("#000000"), alt.value(None)),
    )
    layers: list[Any] = [squares.add_params(block)]
    if max(n_rows, n_columns) <= MANY_CLASSES:
        number = "errors" if by == "errors" else "images"
        dark = f"datum.wrong && datum.{by} > {0.3 * top_value}"
        text = base.mark_text(fontSize=10, cursor="pointer").encode(
            text=alt.Text(f"{number}:Q", format=",d"),
            color=alt.condition(dark, alt.value("#FFFFFF"), alt.value("#1C2026")),
        )
        layers.append(text)
    return alt.layer(*layers).properties(
        width=size,
        height=size,
        title=alt.Title(title, fontWeight="normal", fontSize=12),
        view=alt.ViewBackground(fill=theme.ERRORS[0], stroke=None),
    )


def _places(run: Evaluation, order: ClassOrder, window: tuple[int, int], n: int) -> alt.Axis:
    """Return an axis that names groups, as many as fit: classes by their name, groups by that of their first class."""
    import altair as alt

    edges = window_edges(order, *window)
    single = window[1] - window[0] == n
    names = [run.class_names[order.order[start]] + ("" if single else " …") for start in edges[:-1]]
    return alt.Axis(
        labelExpr=f"{_literal(names)}[datum.value]",
        labelLimit=110,
        labelOverlap="greedy",
        labelAngle=-90,
        ticks=False,
        domain=False,
    )


def _literal(names: list[str]) -> str:
    """Return names as a list in Vega's expression language: JSON, which it reads as it is."""
    import json

    return json.dumps(names)


def _flat(axis: alt.Axis) -> alt.Axis:
    turned = axis.copy()
    turned.labelAngle = 0
    return turned
