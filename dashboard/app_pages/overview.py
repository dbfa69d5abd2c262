"""Which model is best, and is that real."""

import streamlit as st
from diag_loaders import open_comparison
from diag_parts import section
from diag_state import plain

from diag.views.charts import accuracy_chart, class_balance_chart

PERCENT = st.column_config.NumberColumn(format="percent")
DECIMAL = st.column_config.NumberColumn(format="%.3f")

comparison = open_comparison()
if comparison is not None:
    first = comparison.runs[0]
    st.subheader(plain(comparison.verdict()))
    for note in comparison.notes():
        st.caption(plain(note))
    with section():
        st.dataframe(
            comparison.table(),
            column_config={
                **dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high", "top3_accuracy"), PERCENT),
                **dict.fromkeys(("log_loss", "brier", "ece"), DECIMAL),
                "file_size": st.column_config.NumberColumn(format="bytes"),
                "images_per_second": st.column_config.NumberColumn(format="%.0f"),
            },
        )
    if len(comparison.runs) > 1:
        with section():
            st.altair_chart(accuracy_chart(comparison), width="stretch")
        with section(), st.expander("Pair by pair: who is right where the other is wrong"):
            st.dataframe(
                comparison.pairs(),
                hide_index=True,
                column_config=dict.fromkeys(
                    ("difference", "difference_low", "difference_high", "p_value", "p_adjusted"),
                    st.column_config.NumberColumn(format="%.4f"),
                ),
            )
    st.subheader("Data")
    with section():
        st.caption(f"{plain(first.data.name)}, {plain(first.data.split)}: {len(first):,} images")
        chart = class_balance_chart(first.data, first.class_names, first.samples["y_true"])
        st.altair_chart(chart, width="stretch")
