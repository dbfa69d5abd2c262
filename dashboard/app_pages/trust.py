"""How far maps of a model can be trusted, and where it looks."""

import streamlit as st
from diag_loaders import load_faithfulness, load_mean_maps, load_prototypes, open_comparison
from diag_loaders_charts import drawn
from diag_parts import draw_chart, section
from diag_state import get_cell, plain, segmented, selected
from diag_trust import HEIGHT, PARTS, asked, draw_cell, draw_clusters, draw_mean_maps, draw_scale, draw_verdict, note

from diag.views.trust import faithfulness_chart, sanity_chart

comparison = open_comparison()
if comparison is not None:
    left, right = st.columns([1, 3])
    with left:
        run = comparison.run(selected("Model", "model", list(comparison.names)))
    with right:
        part = segmented("Show", "part", list(PARTS), PARTS, labelled=True)

    if part == "checks" and asked(run):
        with section():
            checked = load_faithfulness(run)
            draw_verdict(checked)
            for place, order in zip(st.columns(2), ("deletion", "insertion"), strict=True):
                with place:
                    draw_chart(drawn(faithfulness_chart, checked, order).properties(height=HEIGHT), 0)
            draw_chart(drawn(sanity_chart, checked).properties(height=HEIGHT), 0)

    if part == "where":
        with section():
            st.caption("What spoke for or against the class that an image was taken for, mean over a sample of images")
            draw_mean_maps(load_mean_maps(run))
        cell = get_cell(run.n_classes)
        if cell is not None:
            with section():
                draw_cell(run, cell)

    if part == "ways":
        with left:
            label = selected("Class", "class", list(run.class_names))
        with section():
            found = load_prototypes(run, label)
            st.markdown(f"**{plain(label)}**: {plain(found.verdict())}")
            draw_scale(found.maps, "of the map")
            draw_clusters(run, found)
            st.caption(note(found))
