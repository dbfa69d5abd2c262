"""The pages of the report: what each hands to its template, its script and the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from diag.errors import DiagError
from diag.io.store import plain
from diag.views.glossary import TERMS
from diag.views.html import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from diag.io.datasets import Dataset
    from diag.results.comparison import Comparison

    Stage = Callable[[str, int, int], None]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class ReportPage:
    """One page.

    Parameters
    ----------
    key : str
        Names its template ``pages/KEY.html.j2`` and its script ``pages/KEY.js``; stands in the URL.
    title : str
        In the navigation.
    content : mapping
        What the template gets as ``section``.
    payload : mapping
        Plain values; the script gets them as ``section``. NaN becomes null.
    charts : mapping of str to Altair chart
        By name; ``<figure class="chart" data-chart="KEY.NAME">`` shows one.
    samples : sequence of int
        Images that have to be in the file, the most important first.
    train_samples : sequence of int
        The same of the training data.
    """

    key: str
    title: str
    content: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    payload: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    charts: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    samples: Sequence[int] = ()
    train_samples: Sequence[int] = ()

    @property
    def template(self) -> str:
        """The template's name; that of a message when `content` has nothing else."""
        return "pages/message.html.j2" if "message" in self.content else f"pages/{self.key}.html.j2"


@dataclass(frozen=True, slots=True, eq=False)
class PageContext:
    """What a page may use beside the comparison.

    Parameters
    ----------
    train : Dataset or None
        The data that the models were trained on.
    seed : int
        Seeds every draw.
    stage : callable
        Gets (stage, done, total).
    cache : bool
        Use and keep results by content.
    checks : bool
        Whether what takes longer and is not about one figure is wanted: label issues, duplicates, slices.
    """

    train: Dataset | None
    seed: int
    stage: Stage
    cache: bool
    checks: bool


def build_pages(
    comparison: Comparison,
    context: PageContext,
    builders: Mapping[str, tuple[str, Callable[[Comparison, PageContext], ReportPage | None]]],
) -> list[ReportPage]:
    """Return the pages, in the order of `builders` (key to title and function); one that cannot be made says why."""
    pages = []
    for key, (title, build) in builders.items():
        try:
            page = build(comparison, context)
        except DiagError as error:
            page = ReportPage(key, title, {"message": str(error)})
        if page is not None:
            pages.append(page)
    return pages


def navigation(pages: Iterable[ReportPage]) -> list[dict[str, str]]:
    """Return the entries of the navigation bar in order: the comparison comes before the models, the rest after."""
    listed = list(pages)
    first = [{"key": page.key, "title": page.title} for page in listed if page.key == "compare"]
    rest = [{"key": page.key, "title": page.title} for page in listed if page.key != "compare"]
    return [{"key": "overview", "title": "Overview"}, *first, {"key": "model", "title": "Errors and maps"}, *rest]


def page_charts(pages: Iterable[ReportPage]) -> dict[str, Any]:
    """Return all charts of the pages as ``KEY.NAME``."""
    return {f"{page.key}.{name}": chart for page in pages for name, chart in page.charts.items()}


def page_payload(pages: Iterable[ReportPage]) -> dict[str, Any]:
    """Return what the pages' scripts get, and the glossary for their tables."""
    return {
        "pages": {page.key: plain(dict(page.payload)) for page in pages},
        "terms": {key: [term.label, term.explanation] for key, term in TERMS.items()},
    }


def script() -> str:
    """Return the report's own script: the core, what pages share, each page, and the start."""
    shared = [TEMPLATES / name for name in ("tables.js", "core.js", "report_maps.js")]
    parts = [*shared, *sorted((TEMPLATES / "pages").glob("*.js")), TEMPLATES / "model.js"]
    return "\n".join(part.read_text(encoding="utf-8") for part in parts) + "\nreport.start();\n"


def style() -> str:
    """Return the report's style sheet."""
    parts = [TEMPLATES / "report.css", *sorted((TEMPLATES / "pages").glob("*.css"))]
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


def records(frame: Any) -> list[dict[str, Any]]:
    """Return a frame's rows as plain dicts."""
    rows: list[dict[str, Any]] = frame.to_dict("records")
    return rows


def explained(key: str) -> tuple[str, str]:
    """Return a term's label and explanation, for the template's ``tip``."""
    term = TERMS[key]
    return term.label, term.explanation
