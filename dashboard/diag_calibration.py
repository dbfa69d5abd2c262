"""What the page *Calibration* draws: reliability, temperature, curves, coverage, costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st
from diag_loaders import load_comparison
from diag_loaders_calibration import load_calibrations, load_costs, load_discriminations
from diag_loaders_charts import drawn
from diag_parts import AXES, LEGEND, clicked, draw_chart, frame_table, gallery, headline, say
from diag_state import get, get_choice, plain, put, segmented

from diag.views import calibration_charts as charts
from diag.views.glossary import TERMS

if TYPE_CHECKING:
    import pandas as pd

    from diag.results import Calibration, Comparison

PARTS = {
    "reliability": "Reliability",
    "temperature": "Temperature",
    "curves": "ROC and precision-recall",
    "coverage": "Coverage and top-k",
    "costs": "Costs",
}
KINDS = {"width": "Bins of 5 points", "mass": "Bins of equally many images"}
AVERAGES = {"macro": "Macro average", "micro": "Micro average"}
EDITED = 10
"""Up to so many classes costs can be typed in."""
FIGURES = {
    "overconfidence": ("overconfidence", "points"),
    "overconfidence_low": ("from", "points"),
    "overconfidence_high": ("to", "points"),
    "ece": ("ece", "%.4f"),
    "ece_low": ("from", "%.4f"),
    "ece_high": ("to", "%.4f"),
    "ece_by_chance": ("ece_by_chance", "%.4f"),
    "ece_p_value": ("ece_p_value", "p_value"),
    "ece_equal_mass": ("ece_equal_mass", "%.4f"),
    "debiased_error": ("debiased_error", "%.4f"),
    "classwise_ece": ("classwise_ece", "%.4f"),
    "log_loss": ("log_loss", "%.3f"),
    "brier": ("brier", "%.3f"),
    "brier_of_parts": ("brier_of_parts", "%.3f"),
    "reliability": ("brier_reliability", "%.4f"),
    "resolution": ("brier_resolution", "%.3f"),
    "uncertainty": ("brier_uncertainty", "%.3f"),
    "within": ("brier_within", "%.4f"),
}
SCALED = {
    "temperature": ("temperature", "%.3f"),
    "temperature_low": ("from", "%.3f"),
    "temperature_high": ("to", "%.3f"),
    "ece_before": ("ece", "%.4f"),
    "ece_after": ("after_scaling", "%.4f"),
    "log_loss_before": ("log_loss", "%.4f"),
    "log_loss_after": ("after_scaling", "%.4f"),
    "brier_before": ("brier", "%.4f"),
    "brier_after": ("after_scaling", "%.4f"),
}
CLASSES = {
    "count": ("n", "localized"),
    "auc": ("auc", "%.4f"),
    "auc_low": ("from", "%.4f"),
    "auc_high": ("to", "%.4f"),
    "average_precision": ("average_precision", "%.4f"),
    "average_precision_low": ("from", "%.4f"),
    "average_precision_high": ("to", "%.4f"),
}
MEANS = {
    f"{average}_{area}{end}": (word or f"{average} {label}", "%.4f")
    for average in ("macro", "micro")
    for area, label in (("auc", "AUC"), ("average_precision", "average precision"))
    for end, word in (("", ""), ("_low", "from"), ("_high", "to"))
}
SELECTIVE = {
    f"{name}{end}": (name if not end else word, style)
    for name, style in (
        ("accuracy_at_coverage", "share"),
        ("coverage_at_accuracy", "share"),
        ("aurc", "%.4f"),
        ("excess_aurc", "%.4f"),
    )
    for end, word in (("", ""), ("_low", "from"), ("_high", "to"))
}
COSTS = {
    "cost": ("expected_cost", "%.4f"),
    "cost_low": ("from", "%.4f"),
    "cost_high": ("to", "%.4f"),
    "minimal_cost": ("minimal_cost", "%.4f"),
    "minimal_cost_low": ("from", "%.4f"),
    "minimal_cost_high": ("to", "%.4f"),
    "difference": ("cost_difference", "%.4f"),
    "difference_low": ("from", "%.4f"),
    "difference_high": ("to", "%.4f"),
    "changed": ("answers changed", "localized"),
    "indifferent_threshold": ("indifferent_threshold", "%.3f"),
    "threshold": ("best_threshold", None),
    "threshold_cost": ("cost there", "%.4f"),
    "cross_validated_cost": ("cross_validated_cost", "%.4f"),
}


def draw_headline(comparison: Comparison, name: str) -> None:
    """Say what the figures of a model say, and what was assumed."""
    found = load_calibrations(comparison)[name]
    headline(found.sentence(name))
    for note in found.notes:
        st.caption(plain(note))


def draw_reliability(comparison: Comparison, name: str) -> None:
    """Draw the reliability diagram, the figures of all models, and the images of the bin that was clicked."""
    results = load_calibrations(comparison)
    kind = segmented("Bins", "bins", list(KINDS), KINDS)
    left, right = st.columns(2)
    with left:
        say("reliability_diagram")
        chart = drawn(charts.reliability_chart, results, name, kind)
        picked = clicked(tall(chart, AXES + LEGEND), f"reliability-{name}-{kind}", "bin")
    with right:
        st.markdown("**Images by confidence**")
        chart = tall(drawn(charts.bins_chart, results, name, kind), AXES)
        picked = clicked(chart, f"bins-{name}-{kind}", "bin") or picked
        st.caption("Click a point or a bar to see its images. Grey bands: where a point would lie if its confidences "
                   "were true.", help=TERMS["consistency_band"].explanation)  # fmt: skip
    if picked:
        put("bin", picked[0]["bin"])
    draw_bin(comparison, name, results[name], kind)
    frame_table(stacked(results).reindex(columns=list(FIGURES)), "calibration", FIGURES, index=True)


def draw_bin(comparison: Comparison, name: str, found: Calibration, kind: str) -> None:
    """Draw the images of the chosen bin: the wrong ones, then the right ones."""
    frame = found.bins_frame(kind)
    chosen = get("bin")
    place = int(chosen) if chosen.isdigit() and len(chosen) < 4 else -1
    if not 0 <= place < len(frame) or not frame.loc[place, "count"]:
        return
    row = frame.loc[place]
    words = f"{100 * row['low']:.4g} to {100 * row['high']:.4g} % sure"
    alone = load_comparison([comparison.run(name)])
    wrong = found.bin_samples(place, True, kind)
    gallery(alone, f"{name}: {words} and wrong", wrong.tolist(), f"bin-wrong-{kind}-{place}")
    right = found.bin_samples(place, False, kind)
    gallery(alone, f"{words} and right", right.tolist(), f"bin-right-{kind}-{place}", limit=12)


def draw_temperature(comparison: Comparison, name: str) -> None:
    """Draw what one temperature would mend."""
    results = load_calibrations(comparison)
    if results[name].scaled is None:
        st.info("No temperature was fitted.")
    else:
        left, right = st.columns(2)
        with left:
            say("temperature")
            draw_chart(drawn(charts.temperature_chart, results, name), AXES + LEGEND, key=f"temperature-{name}")
        with right:
            say("after_scaling", "Calibration error, before and after")
            draw_chart(drawn(charts.temperature_change_chart, results), AXES + LEGEND, key="change")
    frame_table(stacked(results).reindex(columns=list(SCALED)), "temperatures", SCALED, index=True)


def draw_curves(comparison: Comparison, name: str) -> None:
    """Draw ROC and precision-recall of a class or an average, and the areas of every class."""
    results = load_discriminations(comparison)
    found = results[name]
    frame = found.class_frame()
    numbers = frame["class_number"]
    classes = {str(number): str(label) for label, number in numbers.items()}
    which = choose_curve(classes)
    curve = int(which) if which.isdigit() else which
    for note in found.notes:
        st.caption(plain(note))
    left, right = st.columns(2)
    with left:
        say("auc", "ROC")
        draw_chart(drawn(roc_chart, results, curve), AXES + LEGEND, key=f"roc-{which}")
    with right:
        say("average_precision", "Precision-recall")
        draw_chart(drawn(precision_recall_chart, results, curve), AXES + LEGEND, key=f"pr-{which}")
    st.markdown(f"**Classes by {plain(name)}, lowest AUC first**")
    row = frame_table(frame[list(CLASSES)], f"classes-{name}", CLASSES, pick=True, index=True, height=300)
    if row is not None:
        put("roc", numbers.iloc[row])
        st.rerun()
    say("macro_average", "Averages")
    frame_table(stacked(results).reindex(columns=list(MEANS)), "averages", MEANS, index=True)


def choose_curve(classes: dict[str, str]) -> str:
    """Draw the choice of a class, the lowest AUC first, or an average; return its number or name."""
    options = [*AVERAGES, *classes]
    names = AVERAGES | classes
    chosen = get_choice("roc", options)
    picked = st.selectbox("Curves of", options, options.index(chosen), format_func=names.__getitem__)
    put("roc", picked)
    return picked


def draw_coverage(comparison: Comparison) -> None:
    """Draw accuracy by coverage, and top-k accuracy."""
    results = load_discriminations(comparison)
    left, right = st.columns(2)
    with left:
        say("coverage", "Coverage and accuracy")
        draw_chart(drawn(charts.coverage_chart, results), AXES + LEGEND, key="coverage")
    with right:
        say("top_k")
        draw_chart(drawn(charts.top_k_chart, results), AXES + LEGEND, key="top-k")
    frame_table(stacked(results).reindex(columns=list(SELECTIVE)), "selective", SELECTIVE, index=True)


def draw_costs(comparison: Comparison, name: str) -> None:
    """Draw what decisions cost under costs that can be typed in."""
    names = comparison.runs[0].class_names
    results = load_costs(comparison, edited_costs(names) if len(names) <= EDITED else None)
    if len(names) > EDITED:
        st.caption(f"Every mistake costs 1. With more than {EDITED} classes, give costs in Python: "
                   "diag\\.expected\\_cost(run, costs).")  # fmt: skip
    st.markdown(f"**{plain(name + results[name].sentence().removeprefix(results[name].name))}**")
    if len(names) == 2:
        draw_chart(drawn(charts.cost_chart, results, name), AXES + LEGEND, key="cost")
    frame = stacked(results)
    if "threshold" in frame:
        frame["threshold"] = frame["threshold"].map(threshold_text)
    frame_table(frame.reindex(columns=[column for column in COSTS if column in frame]), "costs", COSTS, index=True)
    changed = results[name].changed_samples()
    if len(changed):
        alone = load_comparison([comparison.run(name)])
        gallery(alone, f"{name}: answers that change", changed.tolist(), "cost-changed")


def threshold_text(value: float) -> str:
    """Return a threshold in words: one above 1 is reached by no probability."""
    return "–" if value != value else "never" if value > 1 else f"{value:.3f}"


def edited_costs(names: tuple[str, ...]) -> tuple[tuple[float, ...], ...]:
    """Draw the table of costs to type in; return it."""
    import pandas as pd

    labels = [label if names.count(label) == 1 else f"{place}: {label}" for place, label in enumerate(names)]
    start = pd.DataFrame(
        [[float(row != column) for column in range(len(names))] for row in range(len(names))],
        index=pd.Index(labels, name="true class"),
        columns=labels,
    )
    say("expected_cost", "Cost of saying a column where the row is true")
    settings = {label: st.column_config.NumberColumn(required=True, format="%g") for label in labels}
    edited = st.data_editor(start, column_config=settings, key=f"costs-{len(names)}")
    return tuple(tuple(float(value) for value in row) for row in edited.to_numpy())


def roc_chart(results: dict[str, Any], which: int | str) -> Any:
    """Return the ROC curves of all models."""
    return charts.roc_chart(charts.curve_rows(results, which)[0], list(results))


def precision_recall_chart(results: dict[str, Any], which: int | str) -> Any:
    """Return the precision-recall curves of all models."""
    return charts.precision_recall_chart(charts.curve_rows(results, which)[1], list(results))


def tall(chart: Any, around: int) -> Any:
    """Return a chart with its plot as high as it says, for what Streamlit takes from it for axes and legends."""
    return chart.properties(height=chart.height + around)


def stacked(results: dict[str, Any]) -> pd.DataFrame:
    """Return the figures of all models, one row a model under the name that it has in the comparison."""
    import pandas as pd

    return pd.DataFrame([{"model": name, **found.figures()} for name, found in results.items()]).set_index("model")
