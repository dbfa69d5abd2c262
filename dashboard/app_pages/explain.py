"""What in an image spoke for each class, in every model."""

import streamlit as st
from diag_loaders import open_comparison
from diag_maps import METHODS, TARGETS, draw_blocks, load_blocks
from diag_parts import choose_image, some_models
from diag_state import segmented, slid

comparison = open_comparison()
if comparison is not None:
    index = choose_image(comparison)
    with st.container(horizontal=True, gap="medium", vertical_alignment="top"):
        target = segmented("What is explained", "target", list(TARGETS), TARGETS, labelled=True)
        method = segmented("Method", "method", list(METHODS), METHODS, labelled=True)
        strength = slid("Map over image", "over", width=260)
    draw_blocks(load_blocks(some_models(comparison), index, target, method), target, strength)
