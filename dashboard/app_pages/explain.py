"""What in an image spoke for each class, in every model."""

import streamlit as st
from diag_loaders import load_attribution, open_comparison
from diag_parts import choose_image, said, section
from diag_state import plain

from diag.views.figures import attribution_tiles

SIDE = 84

comparison = open_comparison()
if comparison is not None:
    index = choose_image(comparison)
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
