"""The images a model gets wrong, worst first, those it gets right, and same answers with different evidence."""

import streamlit as st
from diag_errors import GROUPS, ORDERS, draw_evidence, draw_groups
from diag_loaders import open_comparison
from diag_parts import section
from diag_state import segmented, selected

LISTS = {
    "errors": "Errors",
    "unsure": "Least confident right answers",
    "sure": "Most confident right answers",
    "evidence": "Same answer, different evidence",
}

comparison = open_comparison()
if comparison is not None:
    lists = list(LISTS) if sum(run.model.is_keras for run in comparison.runs) > 1 else list(LISTS)[:-1]
    left, right = st.columns([3, 1])
    with left:
        kind = segmented("Show", "list", lists, LISTS)
        by, group = "confidence", "true"
        if kind == "errors":
            with st.container(horizontal=True, gap="medium"):
                by = segmented("Sort", "sort", list(ORDERS), ORDERS)
                group = segmented("Group", "group", list(GROUPS), GROUPS)
    with right:
        name = selected("Of", "model", list(comparison.names))
    with section():
        if kind == "evidence":
            draw_evidence(comparison, name)
        else:
            draw_groups(comparison, comparison.run(name), kind, by, group)
