"""The report's page on training: the curves of all models in one chart, and what each is a sign of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diag.results.training import training
from diag.views import training_charts
from diag.views.report_pages import PageContext, ReportPage

if TYPE_CHECKING:
    from diag.results.comparison import Comparison
    from diag.results.training import Training

MAX_METRICS = 8


def training_page(comparison: Comparison, context: PageContext) -> ReportPage:
    """Return the page; without any history, one that says so."""
    trained = training(comparison)
    notes = trained.notes()
    if not trained.told:
        return ReportPage("training", "Training", {"message": _nothing(notes)})
    metrics = trained.metrics()[:MAX_METRICS]
    best = list(comparison.ranked())
    charts: dict[str, Any] = {f"curves-{each}": training_charts.curve_chart(trained, each, best) for each in metrics}
    has_gap = len(trained.gaps()) > 0
    if has_gap:
        charts["gap"] = training_charts.gap_chart(trained, best)
    content = {"rows": _rows(trained, best), "notes": notes, "gap": has_gap, "first": metrics[0]}
    content["many"] = len(trained.told) > training_charts.MANY
    options = [[each, training_charts.metric_label(each)] for each in metrics]
    return ReportPage("training", "Training", content, {"metrics": options}, charts)


def _nothing(notes: list[str]) -> str:
    """Return one sentence; the reasons of at most three models."""
    said = " ".join(notes[:3])
    return f'{said} Name it in the card, such as history = "cnn.hist": .hist, a CSVLogger file, JSON or a log folder.'


def _rows(trained: Training, best: list[str]) -> list[dict[str, Any]]:
    """Return the table's rows, the best model first, with the signs as a list."""
    return [{**run.figures(), "signs": [{"text": sign.text, "severity": sign.severity} for sign in run.signs]}
            for run in sorted(trained.told, key=lambda run: best.index(run.name))]  # fmt: skip
