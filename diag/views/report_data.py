"""The report's page about the data: balance, and the first images of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag.views.charts import class_balance_chart
from diag.views.report_pages import PageContext, ReportPage

if TYPE_CHECKING:
    from diag.results.comparison import Comparison


def data_page(comparison: Comparison, context: PageContext) -> ReportPage:
    """Return the page."""
    first = comparison.runs[0]
    chart = class_balance_chart(first.data, first.class_names, first.samples["y_true"])
    return ReportPage("data", "Data", charts={"balance": chart})
