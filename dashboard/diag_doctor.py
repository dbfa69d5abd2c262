"""What the doctor's page and the overview draw of findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
from diag_loaders import known_diagnosis, load_diagnosis, load_tile
from diag_loaders_charts import drawn
from diag_parts import AXES, LEGEND, SIDE, as_texts, card, draw_chart
from diag_state import plain, put

import diag
from diag.results.diagnosis import SEVERITIES
from diag.views.findings import (
    SYMBOLS,
    evidence_caption,
    evidence_chart,
    label_text,
    measured_figures,
    severity_counts,
    training_labels,
)

if TYPE_CHECKING:
    from diag.io.datasets import Dataset
    from diag.results import Comparison, Diagnosis, Evaluation, Finding
    from diag.results.diagnosis import Evidence

LEVELS = {"all": "All", **{each: f"{SYMBOLS[each]} {each.capitalize()}" for each in SEVERITIES}}
COLOURS = {"critical": "red", "warning": "orange", "note": "blue"}
STATES = {"found": "found something", "passed": "passed", "skipped": "did not apply"}
MOST = 12
AT_ONCE = 1
"""Models that the overview checks unasked: each takes some seconds."""
PAIR = 2 * SIDE + 24


def badges(found: Diagnosis) -> str:
    """Return the number of findings of each severity as Markdown badges: a shape, a number and a word."""
    parts = []
    for each in severity_counts(found):
        word = f"{each['severity']}s" if each["severity"] != "critical" and each["count"] != 1 else each["severity"]
        if each["count"]:
            parts.append(f":{COLOURS[each['severity']]}-badge[{each['symbol']} {each['count']} {word}]")
    return " ".join(parts) or ":green-badge[✓ nothing found]"


def draw_summary(comparison: Comparison, train: Dataset | None) -> None:
    """Draw a line for each model that was checked, the sickest first; a button checks the others.

    A single model is checked unasked.
    """
    wanted = f"doctor-{comparison.runs[0].data.digest}"
    asked = st.session_state.get(wanted, len(comparison.names) <= AT_ONCE)
    load = load_diagnosis if asked else known_diagnosis
    known = [(name, load(comparison, name, train)) for name in comparison.names]
    found = [(name, each) for name, each in known if each is not None]
    if found:
        st.markdown("**Findings**")
    for name, each in sorted(found, key=lambda pair: [-pair[1].count(severity) for severity in SEVERITIES]):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            if st.button(plain(name), key=f"doctor-{name}", type="tertiary", icon=":material/stethoscope:"):
                put("model", name)
                st.switch_page("app_pages/doctor.py", query_params={"model": name})
            first = f" {plain(each.findings[0].title)}" if each.findings else ""
            st.markdown(f"{badges(each)}{first}", width="content")
    if len(found) < len(known):
        label = "Check the models" if not found else f"Check the other {len(known) - len(found)}"
        st.button(
            label, icon=":material/stethoscope:", on_click=lambda: st.session_state.update({wanted: True}),
            help="Preprocessing, class order, dead units, duplicates, calibration, robustness and more: "
            "some seconds a model. Or open the Doctor page for one of them.",
        )  # fmt: skip


def draw_findings(run: Evaluation, found: Diagnosis, severity: str, train: Dataset | None) -> None:
    """Draw the findings of one severity, or all, each folding out to its proof; only what is open is drawn."""
    shown = [each for each in found.findings if severity in ("all", each.severity)]
    if not shown:
        st.caption("None." if found.findings else "Nothing to mend was found.")
    for number, finding in enumerate(shown):
        badge = f":{COLOURS[finding.severity]}-badge[{SYMBOLS[finding.severity]} {finding.severity}]"
        box = st.expander(
            f"{badge} **{plain(finding.title)}** {finding.code}",
            expanded=number == 0,
            key=f"finding-{found.model_digest[:12]}-{severity}-{finding.code}-{number}",
            on_change="rerun",
        )
        if box.open:
            with box:
                draw_finding(run, finding, train, f"{severity}-{number}")


def draw_finding(run: Evaluation, finding: Finding, train: Dataset | None, key: str) -> None:
    """Draw the message, the remedy, the numbers, the evidence and the images of a finding."""
    st.markdown(plain(finding.message))
    st.info(f"**To do** {plain(finding.remedy)}")
    figures = measured_figures(finding)
    if figures:
        st.caption(" · ".join(f"{plain(name)} **{plain(value)}**" for name, value in figures))
    shown = [each for each in finding.evidence if each.rows]
    columns = st.columns(min(2, len(shown))) if shown else []
    for place, evidence in enumerate(shown):
        with columns[place % len(columns)]:
            draw_evidence(evidence, f"{key}-{place}")
    if finding.samples:
        more = f", {MOST} of {len(finding.samples)}" if len(finding.samples) > MOST else ""
        beside = ", with the training image of each" if finding.train_samples and train is not None else ""
        st.markdown(f"**Images that show it{beside}{more}**")
        draw_samples(run, finding, train, key)
    st.caption(f"{finding.code} is explained in {plain(finding.anchor)}")


def draw_evidence(evidence: Evidence, key: str) -> None:
    """Draw evidence as the picture that it wants, with its table; or as a table alone."""
    st.markdown(f"**{plain(evidence_caption(evidence))}**")
    chart = drawn(evidence_chart, evidence)
    frame = as_texts(evidence.frame().rename(columns=label_text))
    if chart is None:
        st.dataframe(frame, hide_index=True, key=f"table-{key}")
        return
    picture, table = "Chart", "Table"
    shown = st.segmented_control("As", [picture, table], default=picture, key=f"as-{key}", label_visibility="collapsed")
    if shown == table:
        st.dataframe(frame, hide_index=True, key=f"table-{key}")
    else:
        draw_chart(chart, AXES + LEGEND, key=f"chart-{key}")


def draw_samples(run: Evaluation, finding: Finding, train: Dataset | None, key: str) -> None:
    """Draw the first images of a finding, each with its training image where there is one; a button leads to maps."""
    alone = diag.compare([run])
    partners = finding.train_samples if train is not None else ()
    with st.container(horizontal=True, gap="small"):
        for place, index in enumerate(finding.samples[:MOST]):
            if place >= len(partners):
                with st.container(width=SIDE + 52, gap=None):
                    card(alone, index, f"{key}-{place}")
            elif train is not None:
                with st.container(width=PAIR, gap=None):
                    draw_pair(alone, index, train, partners[place], f"{key}-{place}")


def draw_pair(alone: Comparison, index: int, train: Dataset, partner: int, key: str) -> None:
    """Draw an image, and beside it the training image that belongs to it."""
    with st.container(horizontal=True, gap="small"):
        with st.container(width=SIDE, gap=None):
            card(alone, index, key)
        with st.container(width=SIDE, gap=None):
            st.image(load_tile(train.digest, partner, SIDE, train), width=SIDE)
            labels = training_labels(alone.runs[0].model, train, [partner])
            st.caption(f"training {partner}" + (f"  \nclass **{plain(labels[0])}**" if labels else ""))


def draw_outcomes(found: Diagnosis) -> None:
    """Draw what became of every check."""
    frame = as_texts(found.outcomes_frame())
    frame["status"] = frame["status"].map(STATES)
    with st.expander(f"All {len(frame)} checks"):
        st.dataframe(frame, hide_index=True)
