"""What is wrong with a model, its data, and the two together: findings with their proof."""

import streamlit as st
from diag_doctor import LEVELS, draw_findings, draw_outcomes
from diag_loaders import load_diagnosis, load_train, open_comparison
from diag_parts import section
from diag_state import plain, segmented, selected

comparison = open_comparison()
if comparison is not None:
    left, right = st.columns([1, 3])
    with left:
        name = selected("Model", "model", list(comparison.names))
    with right:
        severity = segmented("Show", "severity", list(LEVELS), LEVELS, labelled=True)
    with section():
        train = load_train()
        found = load_diagnosis(comparison, name, train)
        st.markdown(f"#### {plain(found.verdict())}")
        draw_findings(comparison.run(name), found, severity, train)
        draw_outcomes(found)
