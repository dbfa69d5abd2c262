"""Which model is best, and is that real."""

import streamlit as st
from diag_doctor import draw_summary
from diag_loaders import load_train, open_comparison
from diag_loaders_charts import drawn
from diag_parts import draw_chart, frame_table, headline, section
from diag_state import plain

from diag.views.charts import accuracy_chart

COLUMNS = {
    "n": ("n", "localized"),
    "accuracy": ("accuracy", "percent"),
    "accuracy_low": ("from", "percent"),
    "accuracy_high": ("to", "percent"),
    "tied": ("tied", None),
    "balanced_accuracy": ("balanced_accuracy", "percent"),
    "macro_f1": ("macro_f1", "percent"),
    "top3_accuracy": ("top3_accuracy", "percent"),
    "log_loss": ("log_loss", "%.3f"),
    "brier": ("brier", "%.3f"),
    "ece": ("ece", "%.3f"),
    "n_params": ("n_params", "localized"),
    "file_size": ("file_size", "bytes"),
    "images_per_second": ("images_per_second", "%.0f"),
}

comparison = open_comparison()
if comparison is not None:
    first = comparison.runs[0]
    headline(comparison.verdict())
    for note in comparison.notes():
        st.caption(plain(note))
    findings = st.container()  # filled last: the rest of the page does not wait for the checks
    with section():
        frame_table(comparison.table()[list(COLUMNS)], "results", COLUMNS, index=True)
    if len(comparison.runs) > 1:
        with section():
            draw_chart(drawn(accuracy_chart, comparison))
    st.caption(f"{plain(first.data.name)}, {plain(first.data.split)}: {len(first):,} images")
    with findings, section():
        draw_summary(comparison, load_train())
