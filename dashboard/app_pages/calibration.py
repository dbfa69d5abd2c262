"""How far probabilities can be believed, how well they rank, and what decisions cost."""

import streamlit as st
from diag_calibration import (
    PARTS,
    draw_costs,
    draw_coverage,
    draw_curves,
    draw_headline,
    draw_reliability,
    draw_temperature,
)
from diag_loaders import open_comparison
from diag_parts import section
from diag_state import segmented, selected

comparison = open_comparison()
if comparison is not None:
    left, right = st.columns([1, 3])
    with left:
        name = selected("Model", "model", list(comparison.names))
    with right:
        part = segmented("Show", "part", list(PARTS), PARTS, labelled=True)
    if part in ("reliability", "temperature"):
        with section():
            draw_headline(comparison, name)
    with section():
        if part == "reliability":
            draw_reliability(comparison, name)
        if part == "temperature":
            draw_temperature(comparison, name)
        if part == "curves":
            draw_curves(comparison, name)
        if part == "coverage":
            draw_coverage(comparison)
        if part == "costs":
            draw_costs(comparison, name)
