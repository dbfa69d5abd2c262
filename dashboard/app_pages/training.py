"""How the models were trained: curves, best epochs, and what they are a sign of."""

import streamlit as st
from diag_loaders import open_comparison
from diag_loaders_training import load_training
from diag_parts import section
from diag_state import plain
from diag_training import draw_curves, draw_gap, draw_signs, draw_table

comparison = open_comparison()
if comparison is not None:
    trained = load_training(comparison)
    if not trained.told:
        for note in trained.notes():
            st.info(plain(note))
        st.caption('Name a history in the model card, such as history = "cnn.hist".')
    else:
        best = list(comparison.ranked())
        for draw in (draw_curves, draw_table, draw_signs, draw_gap):
            with section():
                draw(trained, best)
