"""What the page *Training* draws: the curves of all models, their table, and what they are a sign of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
from diag_loaders_charts import drawn
from diag_parts import draw_chart, frame_table, say
from diag_state import plain, segmented

from diag.views.training_charts import curve_chart, gap_chart, metric_label

if TYPE_CHECKING:
    from diag.results.training import Training

LEGEND = 30
"""Pixels of a legend's line."""
MAX_METRICS = 8
COLUMNS = {
    "model": ("model", None),
    "epochs": ("epochs", "localized"),
    "best_epoch": ("best_epoch", "%d"),
    "best_val_loss": ("best_val_loss", "%.3f"),
    "last_val_loss": ("last_val_loss", "%.3f"),
    "best_val_accuracy": ("best_val_accuracy", "percent"),
    "last_val_accuracy": ("last_val_accuracy", "percent"),
    "gap_best": ("gap_best", "percent"),
    "gap_last": ("gap_last", "percent"),
    "loss_rise": ("loss_rise", "%.2f"),
    "saved": ("saved", None),
    "saved_epoch": ("epoch", "%d"),
    "saved_reason": ("saved_reason", None),
    "signs": ("signs", None),
}
COLOURS = {"warning": "orange", "note": "blue"}


def draw_curves(trained: Training, best: list[str]) -> None:
    """Draw the curves of one metric, which can be chosen."""
    metrics = trained.metrics()[:MAX_METRICS]
    chosen = segmented("Metric", "curve", metrics, {each: plain(metric_label(each)) for each in metrics})
    draw_chart(drawn(curve_chart, trained, chosen, best), 100 + LEGEND * ((len(trained.told) + 1) // 2))
    st.caption(
        "A colour a model, training dashed; the dot marks the best epoch. Click a model in the legend, with Shift "
        "another one too; of many models the five best are in colour at first."
    )


def draw_table(trained: Training, best: list[str]) -> None:
    """Draw the table of all models."""
    frame = trained.frame()
    ranks = frame["model"].map(best.index)
    frame_table(frame.loc[ranks.sort_values().index], "training", COLUMNS)


def draw_signs(trained: Training, best: list[str]) -> None:
    """Write what each model's curves are a sign of."""
    say("signs", "What the curves are a sign of")
    for run in sorted(trained.told, key=lambda run: best.index(run.name)):
        said = [f":{COLOURS[sign.severity]}-badge[{sign.severity}] {plain(sign.text)}" for sign in run.signs]
        st.markdown(f"**{plain(run.name)}**  \n" + ("  \n".join(said) or "Nothing to note."))
    for note in trained.notes():
        st.caption(plain(note))


def draw_gap(trained: Training, best: list[str]) -> None:
    """Draw training minus validation accuracy by epoch, where there are both."""
    if not len(trained.gaps()):
        return
    say("gap_by_epoch", "Gap between training and validation")
    draw_chart(drawn(gap_chart, trained, best), 100 + LEGEND * ((len(trained.told) + 1) // 2))
