"""What is taken for what; a click on a cell shows its images."""

import streamlit as st
from diag_blocks import draw_blocks
from diag_loaders import open_comparison
from diag_loaders_charts import drawn
from diag_parts import SHORT, cards, clicked, section, some_models
from diag_state import get_cell, get_choice, plain, put, segmented

from diag.views.blocks import MANY_CLASSES
from diag.views.charts import confusion_chart

WIDTH, HEIGHT = 350, 410
LONG = 80
"""Characters of a name in a heading, at most."""
VIEWS = {"share": "Per cent of the true class", "errors": "Errors only, as counts"}

comparison = open_comparison()
if comparison is not None:
    names = list(comparison.names)
    view = segmented("Cells show", "view", list(VIEWS), VIEWS)
    if comparison.runs[0].n_classes > MANY_CLASSES:
        with section():
            draw_blocks(comparison, view)
    else:
        shown = some_models(comparison)
        st.caption("Click a cell to see its images.")
        with st.container(horizontal=True, gap="medium"):
            for name, run in zip(shown.names, shown.runs, strict=True):
                with st.container(width=WIDTH), section():
                    st.markdown(f"**{plain(name, SHORT)}**")
                    counts = view == "errors"
                    chart = drawn(confusion_chart, run, None if counts else "true", blank_diagonal=counts, size=WIDTH)
                    picked = clicked(
                        chart.properties(height=HEIGHT), f"matrix-{view}-{name}", "cell", width="content", around=0
                    )
                    if picked:
                        put("cell", f"{picked[0]['y_true']}-{picked[0]['y_pred']}")
                        put("model", name)

    cell = get_cell(comparison.runs[0].n_classes)
    if cell is not None:
        name = get_choice("model", names)
        run = comparison.run(name)
        true, predicted = (plain(run.class_names[number], LONG) for number in cell)
        indices = run.cell(*cell)
        kind = "rightly recognised" if cell[0] == cell[1] else f"taken for {predicted}"
        st.subheader(f"{plain(name, LONG)}: {true} {kind}, {len(indices):,} images")
        with section():
            cards(comparison, indices, "cell")
