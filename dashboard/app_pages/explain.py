"""What in an image spoke for each class, in every model."""

import streamlit as st
from diag_loaders import load_attribution, load_tile, open_comparison
from diag_parts import said, section
from diag_state import get_number, plain, put

from diag.views.figures import attribution_tiles

SIDE = 84

comparison = open_comparison()
if comparison is not None:
    first = comparison.runs[0]
    left, right = st.columns([1, 4])
    with left:
        last = len(first) - 1
        index = int(st.number_input("Image", 0, last, get_number("index", 0, last)))
        put("index", index)
    with right:
        st.image(load_tile(first.data.digest, index, 112, first.data), width=112)
        true = plain(first.class_names[first.samples["y_true"][index]])
        st.caption(f"index {index}, true class **{true}**")
    st.caption("Red pixels speak for the class below the map, blue ones against it; the number is its probability.")
    for name, run in zip(comparison.names, comparison.runs, strict=True):
        st.markdown(f"**{plain(name)}** says {said(run, index)}")
        with section():
            attribution = load_attribution(run.model.digest, run.data.digest, index, run)
            tiles, legend = attribution_tiles(attribution, 0, SIDE)
            with st.container(horizontal=True, gap="small"):
                for label, probability, png in tiles:
                    with st.container(width=SIDE, gap=None):
                        st.image(png, width=SIDE)
                        st.caption(f"**{plain(label)}** {probability:.3f}")
            st.caption(plain(legend))
            if attribution.warning():
                st.warning(plain(attribution.warning()))
