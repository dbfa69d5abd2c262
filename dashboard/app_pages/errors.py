"""The images a model gets wrong, most confident first, and those it gets right."""

import streamlit as st
from diag_loaders import open_comparison
from diag_parts import cards, section
from diag_state import plain, segmented, selected

LISTS = {
    "errors": "Most confident errors",
    "unsure": "Least confident right answers",
    "sure": "Most confident right answers",
}
GROUPS = {"true": "by true class", "predicted": "by predicted class"}
PER_CLASS = 8

comparison = open_comparison()
if comparison is not None:
    names = list(comparison.names)
    left, right = st.columns([2, 1])
    with left:
        kind = segmented("Show", "list", list(LISTS), LISTS)
        group = segmented("Group", "group", list(GROUPS), GROUPS) if kind == "errors" else "true"
    with right:
        name = selected("Of", "model", names)
    with section():
        run = comparison.run(name)
        order = {"sure": "most_confident", "unsure": "least_confident"}
        if kind == "errors":
            frame = run.errors(per_class=PER_CLASS, group=group)
        else:
            frame = run.correct(per_class=PER_CLASS, order=order[kind])
        if frame.empty:
            st.info("There is none in this data.")
        for label, rows in frame.groupby("class", sort=False):
            st.markdown(f"**{plain(label)}**")
            cards(comparison, rows["index"].tolist(), f"{kind}-{label}")
