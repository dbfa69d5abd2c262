"""Which model is best, and is that real."""

import streamlit as st
from diag_doctor import draw_summary
from diag_loaders import load_train, open_comparison
from diag_parts import draw_chart, section
from diag_state import plain

from diag.views.charts import accuracy_chart, class_balance_chart

COLUMNS = {
    "n": ("images", "localized", "Number of images"),
    "accuracy": ("accuracy", "percent", "Share of right answers"),
    "accuracy_low": ("from", "percent", "Lower end of the 95% interval (Wilson)"),
    "accuracy_high": ("to", "percent", "Upper end of the 95% interval (Wilson)"),
    "top3_accuracy": ("top 3", "percent", "The true class is among the three most probable"),
    "log_loss": ("log loss", "%.3f", "Mean of -ln of the true class's probability; lower is better"),
    "brier": ("Brier", "%.3f", "Squared error of the probabilities, 0 to 2; lower is better"),
    "ece": ("ECE", "%.3f", "Expected calibration error: mean gap between confidence and accuracy"),
    "n_params": ("parameters", "localized", "Number of weights"),
    "file_size": ("file", "bytes", "Size of the file"),
    "images_per_second": ("images/s", "%.0f", "Measured when the predictions were made"),
}

comparison = open_comparison()
if comparison is not None:
    first = comparison.runs[0]
    st.markdown(f"#### {plain(comparison.verdict())}")
    for note in comparison.notes():
        st.caption(plain(note))
    findings = st.container()  # filled last: the rest of the page does not wait for the checks
    with section():
        st.dataframe(
            comparison.table(),
            column_config={
                name: st.column_config.NumberColumn(label, format=style, help=meaning)
                for name, (label, style, meaning) in COLUMNS.items()
            },
        )
    if len(comparison.runs) > 1:
        with section():
            draw_chart(accuracy_chart(comparison))
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
        draw_chart(chart)
    with findings, section():
        draw_summary(comparison, load_train())
