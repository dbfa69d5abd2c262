"""What the page *Data* draws: balance, slices, doubtful labels, duplicates, and the embedding as a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from diag_loaders import load_tile, load_train
from diag_loaders_charts import drawn
from diag_loaders_data import load_duplicates, load_issues, load_map, load_slices
from diag_parts import AXES, SIDE, clicked, draw_chart, frame_table, gallery
from diag_state import (
    MOST_IN_URL,
    get,
    get_choice,
    get_images,
    get_number,
    plain,
    put,
    put_images,
    segmented,
    selected,
)

from diag.results.duplicates import MAY_DIFFER
from diag.results.label_issues import KIND_TITLES
from diag.views.charts import class_balance_chart
from diag.views.data_charts import listed_slices, slices_chart
from diag.views.embedding_figure import embedding_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diag.results import Comparison, EmbeddingMap, Evaluation

PARTS = {
    "balance": "Balance",
    "slices": "Slices",
    "labels": "Label issues",
    "duplicates": "Duplicates",
    "map": "Embedding map",
}
COLOURS = {"answer": "right and wrong", "class": "true class"}
METHODS = {"pca": "Principal components", "umap": "UMAP"}
ANSWERS = ("all answers", "wrong", "right")
EVERY = "all classes"
FEW, CARD = 24, 260
SLANTED = 70
"""Pixels of the names of classes below a chart."""
SLICES = {
    "slice": ("slice", None),
    "n": ("n", "localized"),
    "errors": ("Errors", "localized"),
    "accuracy": ("accuracy", "share"),
    "accuracy_low": ("from", "share"),
    "accuracy_high": ("to", "share"),
    "rest": ("slice_rest", "share"),
    "difference": ("slice_difference", "points"),
    "shrunken": ("slice_shrunken", "points"),
    "p_adjusted": ("slice_p", "p_value"),
    "significant": ("Markedly worse", None),
    "inside": ("Inside", None),
}


def draw_balance(comparison: Comparison) -> None:
    """Draw how many images each class has."""
    first = comparison.runs[0]
    st.caption(
        f"{plain(first.data.name)}, {plain(first.data.split)}: {len(first):,} images, {first.n_classes:,} classes"
    )
    chart = drawn(class_balance_chart, first.data, first.class_names, first.samples["y_true"])
    draw_chart(chart, AXES + SLANTED)


def draw_slices(comparison: Comparison, name: str) -> None:
    """Draw the slices of a model; a mark or a row opens its images."""
    found = load_slices(comparison, name)
    st.markdown(f"#### {plain(found.verdict())}")
    rows = listed_slices(found)
    if rows.empty:
        return
    picked = clicked(drawn(slices_chart, found), f"slices-{name}", "slice")
    row = frame_table(rows[list(SLICES)], f"slices-table-{name}", SLICES, pick=True)
    if picked and "row" in picked[0]:
        put("slice", int(picked[0]["row"]))
    elif row is not None:
        put("slice", row)
    for note in found.notes:
        st.caption(plain(note))
    if not get("slice"):
        st.caption("Click a mark or choose a row to see the images of a slice.")
        return
    place = get_number("slice", 0, len(rows) - 1)
    accuracies = found.models([place]).set_index("model")["accuracy"]
    gallery(comparison, found.labels[place], found.indices(place), f"slice-{place}")
    st.caption("Right in this slice: " + ", ".join(f"{plain(key)} {value:.1%}" for key, value in accuracies.items()))


def draw_issues(comparison: Comparison) -> None:
    """Draw the doubtful labels of one kind, each with what speaks for it; all of them as a table."""
    found = load_issues(comparison, load_train())
    st.markdown(f"#### {plain(found.verdict())}")
    counts = {kind: len(found.of_kind(kind)) for kind in KIND_TITLES}
    options = [kind for kind, count in counts.items() if count]
    for note in found.notes:
        st.caption(plain(note))
    if not options:
        return
    kind = segmented("Kind", "issue", options, {each: f"{KIND_TITLES[each]} ({counts[each]:,})" for each in options})
    frame = found.frame()
    some = frame[frame["kind"] == kind].head(FEW)
    with st.container(horizontal=True, gap="small"):
        for index, sentence in zip(some["index"], some["sentence"], strict=True):
            with st.container(width=CARD, gap=None):
                run = comparison.runs[0]
                st.image(load_tile(run.data.digest, int(index), SIDE, run.data), width=SIDE)
                st.caption(f"{plain(sentence)} (index {index})")
    with st.expander(f"All {len(frame):,} as a table"):
        frame_table(frame, "issues-table", {"score": ("Score", "%.2f")})


def draw_duplicates(comparison: Comparison) -> None:
    """Draw pairs of images that are equal or nearly, side by side; all of them as a table."""
    train, data = load_train(), comparison.runs[0].data
    found = load_duplicates(comparison, train)
    st.markdown(f"#### {plain(found.verdict())}")
    for note in found.notes:
        st.caption(plain(note))
    frame = found.frame()
    if frame.empty:
        return
    with st.container(horizontal=True, gap="small"):
        for row, turned in zip(frame.head(FEW).to_dict("records"), found.turned_labels_differ, strict=False):
            with st.container(width=2 * SIDE + 24, gap=None):
                other = train if row["where"] == "train" and train is not None else data
                images = [
                    load_tile(each.digest, int(row[name]), SIDE, each)
                    for each, name in ((data, "image"), (other, "other"))
                ]
                st.image(images, width=SIDE)
                labels = f", labels **{plain(row['label'])}** and **{plain(row['other_label'])}**"
                st.caption(
                    f"{row['image']} and {'training ' if other is train else ''}{row['other']}: {row['way']}"
                    f"{labels if row['labels_differ'] or turned else ''}{MAY_DIFFER if turned else ''}"
                )
    with st.expander(f"All {len(frame):,} as a table"):
        frame_table(frame, "duplicates-table", {"correlation": ("Correlation", "%.3f")})


def draw_map(comparison: Comparison, name: str) -> None:
    """Draw the embedding of a model as a map; a lasso, or a class and an answer, opens images."""
    run = comparison.run(name)
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        color = segmented("Colour", "color", list(COLOURS), COLOURS, labelled=True)
        method = segmented("Map", "map", list(METHODS), METHODS, labelled=True)
        wanted = selected("Class", "mapclass", [EVERY, *run.class_names])
        answer = selected("Answers", "mapanswer", list(ANSWERS))
    found = load_map(run, method)
    st.caption(plain(found.note))
    figure = embedding_figure(found, run, color, None if wanted == EVERY else wanted)
    event = st.plotly_chart(
        figure,
        width="stretch",
        on_select="rerun",
        selection_mode=("lasso", "box", "points"),
        key=f"map-{name}-{method}",
    )
    drawn = sorted({int(point["customdata"][0]) for point in event.selection["points"] if point.get("customdata")})
    lassoed = _kept_points(f"{name}-{method}", drawn, found)
    chosen = _chosen(found, run, lassoed, wanted, answer)
    if chosen is None:
        st.caption("Draw around points to see their images, or choose a class or an answer.")
        return
    wrong = [
        (key, int((~each.correct_mask[chosen]).sum()))
        for key, each in zip(comparison.names, comparison.runs, strict=True)
    ]
    if len(lassoed) > MOST_IN_URL:
        st.caption(
            f"A link keeps up to {MOST_IN_URL} points; these {len(lassoed):,} are kept until the page is reloaded."
        )
    if lassoed and not drawn:
        st.button("Forget the points", on_click=put_images, args=("points", []), type="tertiary")
    gallery(comparison, "Chosen in the map", chosen, "map")
    st.caption("Wrong among them: " + ", ".join(f"{plain(key)} {count:,}" for key, count in wrong))


def _kept_points(key: str, drawn: list[int], found: EmbeddingMap) -> list[int]:
    """Return the points chosen on the map: what was drawn or taken back just now, else what the selection says."""
    where, before = st.session_state.get("widget-points", ("", []))
    st.session_state["widget-points"] = (key, drawn)
    if drawn != (before if where == key else []):
        put_images("points", drawn)
    kept = np.asarray(get_images("points", int(found.indices.max(initial=-1)) + 1), dtype=np.int64)
    points: list[int] = kept[np.isin(kept, found.indices)].tolist()
    return points


def _chosen(
    found: EmbeddingMap, run: Evaluation, lassoed: Sequence[int], wanted: str, answer: str
) -> np.ndarray | None:
    """Return the images of the map that are lassoed, of the class, and of the answer, errors first; None for all."""
    if not lassoed and wanted == EVERY and answer == ANSWERS[0]:
        return None
    indices = found.indices if not lassoed else np.unique(np.asarray(lassoed, dtype=np.int64))
    if wanted != EVERY:
        indices = indices[run.samples["y_true"][indices] == run.class_names.index(wanted)]
    right = run.correct_mask
    if answer != ANSWERS[0]:
        indices = indices[right[indices] == (answer == "right")]
    return indices[np.lexsort((-run.samples["confidence"][indices], right[indices]))]


def chosen_part() -> str:
    """Draw the choice of a part of the page."""
    return segmented("Show", "part", list(PARTS), PARTS)


def chosen_model(comparison: Comparison) -> str:
    """Draw the choice of the model that slices and map are about: the best one first."""
    names = [str(name) for name in comparison.table().index]
    return selected("Of", "model", names) if len(names) > 1 else get_choice("model", names)
