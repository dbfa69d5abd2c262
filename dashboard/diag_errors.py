"""What the page of errors draws: images by class, and those on which two models agree for different reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from diag_loaders import load_tile
from diag_loaders_classes import CANDIDATES, load_evidence
from diag_parts import SIDE, cards, frame_table, framed
from diag_state import plain, put, selected

from diag.views.formats import probability
from diag.views.images import attribution_png, full_colour

if TYPE_CHECKING:
    import pandas as pd

    from diag.results import Comparison, DifferentEvidence, Evaluation

EVERY = "All classes"
PER_CLASS, MOST_CLASSES, MOST_PAIRS = 8, 24, 24
SHOWN_CLASSES = 8
ORDERS = {"confidence": "by confidence", "loss": "by loss", "margin": "by margin"}
GROUPS = {"true": "by true class", "predicted": "by predicted class"}
COLUMNS = {
    "index": ("Image", None),
    "true_class": ("True", None),
    "class": ("Both say", None),
    "disagreement": ("evidence_disagreement", "%.2f"),
    "confidence_a": ("Sure, A", "percent"),
    "confidence_b": ("Sure, B", "percent"),
}


def draw_groups(comparison: Comparison, run: Evaluation, kind: str, by: str, group: str) -> None:
    """Draw images class by class; with many classes the one chosen, or those with the most errors."""
    many = run.n_classes > MOST_CLASSES
    find = selected("Class", "find", [EVERY, *run.class_names]) if many else EVERY
    if find == EVERY:
        put("find", None)
    per_class = PER_CLASS if find == EVERY else 6 * PER_CLASS
    frame = _images(run, kind, by, group, per_class)
    if find != EVERY:
        frame = frame[frame["class"] == find]
    elif many:
        frame = _most_errors(run, frame, group)
    if frame.empty:
        st.info("There is none in this data.")
    for label, rows in frame.groupby("class", sort=False):
        st.markdown(f"**{plain(label)}**")
        cards(comparison, rows["index"].tolist(), f"{kind}-{label}")


def _images(run: Evaluation, kind: str, by: str, group: str, per_class: int) -> pd.DataFrame:
    if kind == "errors":
        return run.errors(per_class=per_class, by=by, group=group)  # type: ignore[arg-type]
    return run.correct(per_class=per_class, order="most_confident" if kind == "sure" else "least_confident")


def _most_errors(run: Evaluation, frame: pd.DataFrame, group: str) -> pd.DataFrame:
    """Return the rows of the classes with the most errors, and say so."""
    column = run.samples["y_true" if group == "true" else "y_pred"]
    counts = np.bincount(column[~run.correct_mask], minlength=run.n_classes)
    names = [run.class_names[number] for number in np.argsort(-counts, kind="stable")[:SHOWN_CLASSES]]
    total = frame["class"].nunique()
    if total > len(names):
        st.caption(f"{len(names)} of {total:,} classes, those with the most errors. Choose a class to see another.")
    rank = {name: place for place, name in enumerate(names)}
    frame = frame[frame["class"].isin(names)]
    return frame.sort_values("class", key=lambda classes: classes.map(rank), kind="stable")


def draw_evidence(comparison: Comparison, name: str) -> None:
    """Draw images on which two networks agree, the largest disagreement of their maps first."""
    others = [each for each, run in zip(comparison.names, comparison.runs, strict=True) if run.model.is_keras]
    others = [each for each in others if each != name]
    if not others or not comparison.run(name).model.is_keras:
        st.info("This needs two networks: maps are made of Keras models only.")
        return
    other = selected("Against", "versus", others)
    first, second = comparison.run(name), comparison.run(other)
    if not _asked(first, second):
        return
    found = load_evidence(first, second)
    st.caption(
        f"{plain(found.note)} Beside each image the map of {plain(name)}, then of {plain(other)}, each on its own "
        "scale: red spoke for the answer, blue against it."
    )
    shown = found.frame()
    with st.container(horizontal=True, gap="medium"):
        for place in range(min(len(found), MOST_PAIRS)):
            with st.container(width=3 * SIDE + 40, gap=None):
                _pair(comparison, found, place)
    with st.expander(f"All {len(shown)} as a table"):
        frame_table(shown[list(COLUMNS)], f"evidence-{name}-{other}", COLUMNS)


def _asked(first: Evaluation, second: Evaluation) -> bool:
    """Draw the button that starts the maps, once a pair; return whether they are wanted."""
    name = f"evidence-{first.model.digest}-{second.model.digest}-{first.data.digest}"
    if not st.session_state.get(name):
        st.caption(
            "Where two models give the same answer and mark different pixels for it, at most one of them has a good "
            f"reason. This explains up to {CANDIDATES} images by both: some seconds for a small network, minutes for a "
            "large one."
        )
        st.button(
            f"Explain {CANDIDATES} images", icon=":material/visibility:", type="primary",
            on_click=lambda: st.session_state.update({name: True}),
        )  # fmt: skip
    return bool(st.session_state.get(name))


def _pair(comparison: Comparison, found: DifferentEvidence, place: int) -> None:
    """Draw an image and both maps of its answer, each on its own scale: what is compared is where they mark."""
    index, data = int(found.indices[place]), comparison.runs[0].data
    maps = [each.values[place].sum(axis=2)[..., 0] for each in found.maps]
    factor = max(1, round(SIDE / max(maps[0].shape)))
    with st.container(horizontal=True, gap="small"):
        st.image(load_tile(data.digest, index, SIDE, data), width=SIDE)
        for values in maps:
            png = attribution_png(values.repeat(factor, axis=0).repeat(factor, axis=1), full_colour([values]))
            st.image(framed(png), width=SIDE)
    true, answer = (plain(found.class_names[int(each[place])]) for each in (found.y_true, found.answer))
    right = found.y_true[place] == found.answer[place]
    said = f":blue[both right: {answer}]" if right else f":orange[both say {answer}], true **{true}**"
    sure = ", ".join(
        f"{plain(name)} {probability(float(share), 0)}"
        for name, share in zip(found.names, found.confidence[place], strict=True)
    )
    st.markdown(f":small[**{found.disagreement[place]:.2f}** apart · {said}]")
    st.caption(sure)
    if st.button(f"Explain {index}", key=f"evidence-{index}", type="tertiary", icon=":material/visibility:"):
        put("index", index)
        st.switch_page("app_pages/explain.py", query_params={"index": str(index)})
