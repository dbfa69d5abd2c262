"""The confusion of many classes: blocks that are zoomed into, the top confusions, and finding a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from diag_loaders_charts import drawn
from diag_loaders_classes import load_confusions, load_order
from diag_parts import clicked, frame_table
from diag_state import get, plain, put, selected

from diag.metrics.confusion_order import window_edges
from diag.views.blocks import block_chart, group_name, window_of, zoomed

if TYPE_CHECKING:
    from diag.metrics.confusion_order import ClassOrder
    from diag.results import Comparison, Evaluation

    Window = tuple[tuple[int, int], tuple[int, int]]

EVERY = "All classes"
MOST_ROWS = 500
SIZE, AROUND = 500, 150
COLUMNS = {
    "true_class": ("True", None),
    "predicted_class": ("Taken for", None),
    "count": ("Images", "localized"),
    "share": ("confusion_share", "percent"),
    "share_of_errors": ("confusion_share_of_errors", "percent"),
    "reverse": ("confusion_reverse", "localized"),
}


def draw_blocks(comparison: Comparison, view: str) -> None:
    """Draw one model's matrix as blocks, and beside it its top confusions; clicks choose a window or a cell."""
    left, right = st.columns([5, 4], gap="medium")
    with left:
        first, second = st.columns(2)
        with first:
            run = comparison.run(selected("Model", "model", list(comparison.names)))
        order = load_order(run)
        with second:
            find = _find(run, order)
        rows, columns = window_of(order, get("zoom"))
        _crumbs(run, order, (rows, columns))
        chart = drawn(block_chart, run, order, rows, columns, by="errors" if view == "errors" else "share", size=SIZE)
        key = f"blocks-{view}-{run.model.digest[:12]}-{rows}-{columns}"
        picked = clicked(chart.properties(height=SIZE + AROUND), key, "block")
    if picked:
        _open(order, picked[0])
    with right:
        _list(run, find)


def _find(run: Evaluation, order: ClassOrder) -> str:
    """Draw the choice of a class; one that was just chosen is zoomed to."""
    find = selected("Find a class", "find", [EVERY, *run.class_names])
    if find != st.session_state.get("seen-find", get("find", EVERY)) and find != EVERY:
        place = int(order.position[run.class_names.index(find)])
        edges = window_edges(order, 0, len(order.order))
        group = int(np.searchsorted(edges, place, side="right")) - 1
        window = zoomed(order, int(edges[group]), int(edges[group + 1]))
        put("zoom", "-".join(map(str, window * 2)))
    st.session_state["seen-find"] = find
    if find == EVERY:
        put("find", None)
    return find


def _crumbs(run: Evaluation, order: ClassOrder, window: Window) -> None:
    """Draw where the window is, and the way back."""
    rows, columns = window
    whole = (0, len(order.order))
    if window == (whole, whole):
        st.caption("Classes that are taken for each other stand side by side. Click a block to look inside.")
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if st.button(f"All {len(order.order):,} classes", type="tertiary", icon=":material/arrow_back:"):
            put("zoom", None)
            st.rerun()
        name = group_name(run, order, *rows)
        st.markdown(plain(name if rows == columns else f"{name} taken for {group_name(run, order, *columns)}"))


def _open(order: ClassOrder, picked: dict[str, int]) -> None:
    rows, columns = ((int(picked[f"{side}_start"]), int(picked[f"{side}_stop"])) for side in ("row", "column"))
    if rows[1] - rows[0] == 1 and columns[1] - columns[0] == 1:
        put("cell", f"{order.order[rows[0]]}-{order.order[columns[0]]}")
        return
    put("zoom", "-".join(map(str, zoomed(order, *rows) + zoomed(order, *columns))))
    st.rerun()


def _list(run: Evaluation, find: str) -> None:
    """Draw the top confusions, of all classes or of one; a row chooses its cell."""
    frame = load_confusions(run)
    if find != EVERY:
        frame = frame[(frame["true_class"] == find) | (frame["predicted_class"] == find)]
    st.markdown(f"**Confusions{'' if find == EVERY else f' of {plain(find)}'}**: {len(frame):,}")
    shown = frame.head(MOST_ROWS).reset_index(drop=True)
    place = frame_table(
        shown[list(COLUMNS)], f"confusions-{run.model.digest[:12]}-{find}", COLUMNS, pick=True, height=SIZE
    )
    if len(frame) > MOST_ROWS:
        st.caption(f"The first {MOST_ROWS} are shown.")
    if place is not None:
        put("cell", f"{shown['y_true'][place]}-{shown['y_pred'][place]}")
