"""What the page *Compare* draws: the verdict on a pair, where two models differ, errors in common, ensembles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st
from diag_loaders import load_comparison
from diag_loaders_charts import drawn
from diag_loaders_compare import load_agreement, load_differences, load_ensembles
from diag_parts import clicked, draw_chart, frame_table, gallery, say
from diag_state import get, get_choice, plain, put, selected

from diag.results.changes import change_title, changed_samples
from diag.views.agreement_charts import agreement_chart, ensembles_chart, overlap_chart, shown_ensembles
from diag.views.comparison_charts import (
    class_difference_chart,
    confusion_difference_chart,
    critical_difference_chart,
    difference_chart,
)
from diag.views.glossary import TERMS

if TYPE_CHECKING:
    import pandas as pd

    from diag.results import Comparison

PARTS = {"pair": "Two models", "all": "All models", "ensembles": "Ensembles"}
MOST_PAIRS, EVERY_PAIR = 45, "All pairs"
QUADRANTS = ("both_right", "only_a", "only_b", "both_wrong")
FIGURES = {
    "metric": ("figure", None),
    "value_a": ("A", "share2"),
    "value_b": ("B", "share2"),
    "difference": ("paired_difference", "points_said"),
    "low": ("bca_interval", "points_said"),
    "high": ("to", "points_said"),
    "favours": ("speaks for", None),
}
PAIRS = {
    "a": ("A", None),
    "b": ("B", None),
    "only_a": ("only A right", "localized"),
    "only_b": ("only B right", "localized"),
    "difference": ("paired_difference", "points"),
    "difference_low": ("from", "points"),
    "difference_high": ("to", "points"),
    "p_adjusted": ("p_adjusted", "p_value"),
    "relation": ("A is", None),
    "smallest_detectable": ("smallest_detectable", "points_plain"),
    "n_needed": ("n_needed", "localized"),
}
AGREED = {
    "same_answer": ("same_answer", "share"),
    "kappa": ("kappa", "%.3f"),
    "q_statistic": ("q_statistic", "%.3f"),
    "double_fault": ("double_fault", "share"),
    "disagreement": ("disagreement", "share"),
}
TOGETHER = {
    "name": ("model or ensemble", None),
    "members": ("of", None),
    "accuracy": ("accuracy", "share2"),
    "accuracy_low": ("from", "share"),
    "accuracy_high": ("to", "share"),
    "naive_accuracy": ("naive_accuracy", "share"),
    "log_loss": ("log_loss", "%.3f"),
    "difference": ("against the best", "points"),
    "difference_low": ("from", "points"),
    "difference_high": ("to", "points"),
    "p_adjusted": ("ensemble_p", "p_value"),
    "mends": ("mends", "localized"),
    "breaks": ("breaks", "localized"),
}


def choose_pair(comparison: Comparison) -> tuple[str, str]:
    """Draw the choice of two models; the best and the second best at first."""
    ranked = list(comparison.ranked())
    places = get("pair").split("-")
    names = [comparison.names[int(place)] for place in places if place.isdigit() and int(place) < len(comparison.names)]
    if len(names) == 2:
        put("pair-a", names[0])
        put("pair-b", names[1])
    left, right = st.columns(2)
    with left:
        a = selected("A", "pair-a", ranked)
    with right:
        b = selected("B", "pair-b", [name for name in ranked if name != a])
    put("pair", f"{comparison.names.index(a)}-{comparison.names.index(b)}")
    return a, b


def draw_pair(comparison: Comparison, a: str, b: str) -> None:
    """Draw the verdict on two models, who is right where, and the images of a cell of that table."""
    row = comparison.pair(a, b)
    st.markdown(f"**{plain(comparison.sentence(a, b))}**")
    left, right = st.columns([2, 3])
    with left:
        say("quadrants")
        which = draw_quadrants(row, a, b)
    with right:
        say("paired_difference")
        frame = load_differences(comparison, a, b)
        loss = (frame["metric"] == "log_loss").tolist()
        frame = frame.assign(metric=[TERMS[metric].label for metric in frame["metric"]])
        frame_table(frame, "differences", FIGURES, unitless=loss)
    titles = {
        "both_right": f"{a} and {b} are right",
        "only_a": f"Only {a} is right",
        "only_b": f"Only {b} is right",
        "both_wrong": f"{a} and {b} are wrong",
    }
    two = load_comparison([comparison.run(a), comparison.run(b)])
    gallery(two, titles[which], comparison.quadrant(a, b, which).tolist(), f"quadrant-{which}")


def draw_quadrants(row: dict[str, object], a: str, b: str) -> str:
    """Draw the 2x2 table as buttons; return the cell whose images are shown."""
    default = "only_a" if row["only_a"] else "only_b" if row["only_b"] else "both_wrong"
    chosen = get("quadrant", default)
    chosen = chosen if chosen in QUADRANTS else default
    words = {
        "both_right": "both right",
        "only_a": f"only {a} right",
        "only_b": f"only {b} right",
        "both_wrong": "both wrong",
    }
    for keys in (QUADRANTS[:2], QUADRANTS[2:]):
        with st.container(horizontal=True, gap="small"):
            for key in keys:
                kind = "primary" if key == chosen else "secondary"
                st.button(f"**{row[key]:,}**  \n{plain(words[key])}", key=f"quadrant-{key}", type=kind, on_click=put,
                          args=("quadrant", key), width="stretch")  # fmt: skip
    return chosen


def draw_changes(comparison: Comparison, a: str, b: str) -> None:
    """Draw where two models differ, class by class and cell by cell, with the images behind what is clicked."""
    left, right = st.columns(2)
    with left:
        st.markdown("**Recall, class by class**")
        chart = drawn(class_difference_chart, comparison, a, b)
        picked = clicked(chart, f"classes-{a}-{b}", "pick")
        if picked:
            put("change", f"c{picked[0]['y_true']}")
    with right:
        st.markdown("**Confusion, A minus B**")
        chart = drawn(confusion_difference_chart, comparison, a, b)
        picked = clicked(chart, f"matrix-{a}-{b}", "pick", width="content")
        if picked:
            put("change", f"{picked[0]['y_true']}-{picked[0]['y_pred']}")
    change = get("change")
    if change:
        two = load_comparison([comparison.run(a), comparison.run(b)])
        indices = changed_samples(comparison, a, b, change)
        gallery(two, change_title(comparison, a, b, change), indices.tolist(), f"change-{change}")


def draw_all(comparison: Comparison) -> None:
    """Draw the intervals of all differences, every pair, and average ranks."""
    picked = clicked(drawn(difference_chart, comparison), "forest", "pick")
    if picked:
        open_pair(picked[0]["pair"])
    pairs = listed_pairs(comparison)
    row = frame_table(pairs[list(PAIRS)], "pairs", PAIRS, pick=True)
    if row is not None:
        open_pair("-".join(str(comparison.names.index(pairs.iloc[row][key])) for key in "ab"))
    if len(comparison.runs) > 2:
        say("critical_difference")
        ranks = comparison.ranks()
        draw_chart(drawn(ranks_chart, comparison), key="ranks")
        st.caption(plain(ranks.sentence()))


def listed_pairs(comparison: Comparison) -> pd.DataFrame:
    """Return the pairs that are listed; of many those with a model that is chosen, the best at first."""
    pairs = comparison.pairs()
    if len(pairs) <= MOST_PAIRS:
        return pairs
    chosen = selected("Pairs with", "with", [*comparison.ranked(), EVERY_PAIR])
    if chosen == EVERY_PAIR:
        return pairs
    return pairs[(pairs["a"] == chosen) | (pairs["b"] == chosen)]


def ranks_chart(comparison: Comparison) -> Any:
    """Return the average ranks with the critical difference."""
    return critical_difference_chart(comparison.ranks())


def open_pair(pair: str) -> None:
    """Show two models, named by their places like ``"0-1"``."""
    put("pair", pair)
    put("part", "pair")
    put("quadrant", None)
    put("change", None)
    del st.session_state["page"]  # the switch above has to take the new choice
    st.rerun()


def draw_overlap(comparison: Comparison) -> None:
    """Draw which models are wrong on the same images, and how far they agree."""
    agreed = load_agreement(comparison)
    say("error_overlap")
    picked = clicked(drawn(overlap_chart, agreed), "overlap", "set")
    if picked:
        put("combo", picked[0]["key"])
    sets = {each.key: each for each in agreed.sets}
    combo = get_choice("combo", ["", *sets])
    if combo:
        models = ", ".join(comparison.names[number] for number in sets[combo].models)
        gallery(comparison, f"Wrong in exactly: {models}", sets[combo].indices.tolist(), f"combo-{combo}")
    say("kappa")
    picked = clicked(drawn(agreement_chart, agreed, "kappa"), "agreement", "pair", width="content")
    if picked:
        open_pair(picked[0]["pair"])
    frame_table(agreed.pairs(), "agreement-table", AGREED)


def draw_ensembles(comparison: Comparison) -> None:
    """Draw what the models give together, and the images that an ensemble mends and breaks."""
    found = load_ensembles(comparison)
    for note in found.notes:
        st.caption(plain(note))
    picked = clicked(drawn(ensembles_chart, found), "ensembles", "ensemble")
    if picked:
        put("ensemble", picked[0]["key"])
    frame = shown_ensembles(found)
    row = frame_table(frame[list(TOGETHER)], "together", TOGETHER, pick=True)
    if row is not None:
        put("ensemble", frame.iloc[row]["key"])
    chosen = frame[(frame["key"] == get("ensemble")) & ~frame["kind"].isin(["member", "oracle"])]
    if len(chosen):
        key, name = chosen.iloc[0]["key"], chosen.iloc[0]["name"]
        best = load_comparison([comparison.run(found.best_member)])
        gallery(best, f"{name} is right, {found.best_member} wrong", found.mended(key).tolist(), f"mended-{key}")
        gallery(best, f"{found.best_member} is right, {name} wrong", found.broken(key).tolist(), f"broken-{key}")
