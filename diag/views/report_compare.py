"""The report's page that compares the models pair by pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag.views.report_pages import PageContext, ReportPage

if TYPE_CHECKING:
    from diag.results.comparison import Comparison


def compare_page(comparison: Comparison, context: PageContext) -> ReportPage | None:
    """Return the page; None for a single model."""
    if len(comparison.runs) < 2:
        return None
    return ReportPage("compare", "Compare")
