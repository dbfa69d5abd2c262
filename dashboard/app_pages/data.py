"""The data: balance, slices, doubtful labels, duplicates, and the embedding as a map."""

import streamlit as st
from diag_data import chosen_model, chosen_part, draw_balance, draw_duplicates, draw_issues, draw_map, draw_slices
from diag_loaders import open_comparison
from diag_parts import section

comparison = open_comparison()
if comparison is not None:
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        part = chosen_part()
    if part in ("slices", "map"):
        with right:
            name = chosen_model(comparison)
    with section():
        if part == "balance":
            draw_balance(comparison)
        elif part == "slices":
            draw_slices(comparison, name)
        elif part == "labels":
            draw_issues(comparison)
        elif part == "duplicates":
            draw_duplicates(comparison)
        else:
            draw_map(comparison, name)
