"""Models against each other: two of them, all together, and their ensembles."""

import streamlit as st
from diag_compare import PARTS, choose_pair, draw_all, draw_changes, draw_ensembles, draw_overlap, draw_pair
from diag_loaders import open_comparison
from diag_parts import headline, section
from diag_state import segmented

comparison = open_comparison()
if comparison is not None and len(comparison.runs) < 2:
    st.info("Choose at least two models on the left to compare them.")
elif comparison is not None:
    with section():
        headline(comparison.verdict())
    part = segmented("Show", "part", list(PARTS), PARTS)
    if part == "pair":
        with section():
            a, b = choose_pair(comparison)
            draw_pair(comparison, a, b)
            draw_changes(comparison, a, b)
    if part == "all":
        with section():
            draw_all(comparison)
        with section():
            draw_overlap(comparison)
    if part == "ensembles":
        with section():
            draw_ensembles(comparison)
