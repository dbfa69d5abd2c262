"""How far maps of a model can be trusted, and where it looks."""

import streamlit as st
from diag_loaders import load_faithfulness, load_mean_maps, load_prototypes, open_comparison
from diag_parts import section
from diag_state import get_cell, plain, segmented, selected
from diag_trust import PARTS, asked, draw_clusters, draw_scale, draw_tiles, draw_verdict, note

from diag.views.trust import faithfulness_chart, mean_map_tiles, sanity_chart

comparison = open_comparison()
if comparison is not None:
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    with left:
        run = comparison.run(selected("Model", "model", list(comparison.names)))
    with right:
        part = segmented("Show", "part", list(PARTS), PARTS)

    if part == "checks" and asked(run):
        with section():
            checked = load_faithfulness(run)
            draw_verdict(checked)
            for place, order in zip(st.columns(2), ("deletion", "insertion"), strict=True):
                place.altair_chart(faithfulness_chart(checked, order), width="stretch")
            st.altair_chart(sanity_chart(checked), width="stretch")

    if part == "where":
        with section():
            maps = load_mean_maps(run)
            draw_scale("How much a pixel counts on the mean, for and against alike: white is nothing. One scale.")
            draw_tiles(mean_map_tiles(maps, 84))
            st.caption(note(maps))
        cell = get_cell(run.n_classes)
        if cell is not None:
            true, predicted = (plain(run.class_names[number]) for number in cell)
            with section():
                st.markdown(f"**The chosen cell of the confusion matrix: {true}, taken for {predicted}**")
                draw_tiles(mean_map_tiles(load_mean_maps(run, cell), 112), 112)

    if part == "ways":
        label = selected("Class", "class", list(run.class_names))
        with section():
            found = load_prototypes(run, label)
            st.markdown(f"#### {plain(found.verdict())}")
            draw_scale("Share of the map on each pixel, mean over the images of a cluster. One scale.")
            draw_clusters(run, found)
            st.caption(note(found))
