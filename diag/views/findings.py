"""Findings become what a page shows: charts of their evidence, cells of its table, and numbers short enough to read."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from diag.errors import DataError
from diag.io.pairing import match_classes
from diag.results.diagnosis import SEVERITIES
from diag.views import theme
from diag.views.formats import probability

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from diag.io.datasets import Dataset
    from diag.io.models import Model
    from diag.results.diagnosis import Diagnosis, Evidence, Finding, Severity

SYMBOLS: dict[Severity, str] = {"critical": "✕", "warning": "▲", "note": "●"}
"""A shape for each severity, beside its word: colour alone says nothing to some readers and printers."""
_AXES: dict[str, dict[str, Any]] = {",d": {"format": ",d", "tickMinStep": 1}, ".1%": {"format": "~%"}}
MAX_BARS = 40
MAX_TABLE_ROWS = 60
MAX_SERIES = len(theme.MODELS)
_KNOWN_COLOURS = {"right": theme.RIGHT, "wrong": theme.WRONG, **theme.SPLITS}
_KNOWN_COLOURS |= {"training": theme.SPLITS["train"], "test": theme.SPLITS["validation"]}
_DIGITS = 4
_SHARES = {"accuracy", "share", "recall", "precision", "confidence", "rate", "coverage", "gap", "lost"}
"""Words in the name of a number in 0..1 that readers want in per cent."""
_MARKS: dict[str, dict[str, Any]] = {
    "bar": {"type": "bar"},
    "line": {"type": "line", "strokeWidth": 2, "point": {"size": 30}},
    "point": {"type": "point", "filled": True, "size": 55},
}


def number_text(value: Any) -> str:
    """Return a value as a reader wants it: thousands apart, four digits, no more.

    Parameters
    ----------
    value : number, str, bool, None, or a sequence of them

    Examples
    --------
    >>> number_text(0.123456), number_text(1797), number_text(12345.678), number_text(3.2e-07), number_text(None)
    ('0.1235', '1,797', '12,346', '3.2e-07', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(number_text(each) for each in value)
    if not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}" if math.isfinite(value) else "–"
    if value == 0 or float(f"{abs(value):.{_DIGITS}g}") >= 10 ** (_DIGITS - 1):
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 1e-4 else f"{value:.{_DIGITS}g}"


def label_text(name: str) -> str:
    """Return a column's or a figure's name without underscores."""
    return str(name).replace("_", " ")


def tooltip_title(name: str) -> str:
    """Return a column's name over its value in a tooltip, where Vega fetches an ``image`` and enlarges a ``title``."""
    return f"the {name}" if name in ("image", "title") else label_text(name)


def figure_text(name: str, value: Any) -> str:
    """Return a value as `number_text` does; a share, going by its name and its size, in per cent.

    Examples
    --------
    >>> figure_text("accuracy", 0.8675), figure_text("p_value", 0.8675), figure_text("share", 3.0)
    ('86.8%', '0.8675', '3')
    """
    return f"{value:.1%}" if _share(name, [value]) else number_text(value)


def measured_figures(finding: Finding) -> list[tuple[str, str]]:
    """Return a finding's numbers as (name, text)."""
    return [(label_text(name), figure_text(name, value)) for name, value in finding.measured.items()]


def evidence_table(evidence: Evidence, most: int = MAX_TABLE_ROWS) -> dict[str, Any]:
    """Return the first rows of evidence as a table of texts.

    Returns
    -------
    dict
        ``head``: (name, whether it holds numbers) for each column; ``rows``: texts; ``more``: rows left out.
    """
    columns = list(evidence.rows[0]) if evidence.rows else []
    numeric = {name: _numeric(row.get(name) for row in evidence.rows) for name in columns}
    shares = {name for name in columns if _share(name, [row.get(name) for row in evidence.rows])}
    return {
        "head": [(label_text(name), numeric[name]) for name in columns],
        "rows": [[_cell(row.get(name), name in shares) for name in columns] for row in evidence.rows[:most]],
        "more": max(0, len(evidence.rows) - most),
    }


def drawable(evidence: Evidence) -> bool:
    """Return whether evidence has a picture: it wants one, and the columns for it are there."""
    wanted = {evidence.x, evidence.y, evidence.colour or evidence.x}
    return evidence.mark != "table" and bool(evidence.rows) and wanted <= set(evidence.rows[0])


def evidence_chart(evidence: Evidence) -> Any:
    """Return the picture of evidence; None for a table, and where a column that it needs is not there.

    Parameters
    ----------
    evidence : Evidence
        ``bar``: one axis of names, one of numbers (two of numbers: those of x are taken for names); series side by
        side; long names stand on the upright axis, whichever was given. ``line``, ``point``: numbers or names along x.

    Returns
    -------
    alt.Chart or None
        As wide as its container. Its columns are called ``c0``, ``c1`` ... so that no name can be taken for a path
        or an expression; titles carry the names.
    """
    if not drawable(evidence):
        return None
    import altair as alt

    columns = list(evidence.rows[0])
    rows, _ = _shown_rows(evidence)
    kind = _kinds(evidence, columns)
    if evidence.mark == "bar" and kind[evidence.x] == "nominal" and _long(rows, evidence.x):
        evidence = replace(evidence, x=evidence.y, y=evidence.x)
    field = {name: f"c{place}" for place, name in enumerate(columns)}
    source: Any = {"values": [{field[name]: row.get(name) for name in columns} for row in rows]}
    chart = alt.Chart.from_dict({"data": source, "mark": _MARKS[evidence.mark], "encoding": {}})
    encodings = {
        "x": alt.X(field=field[evidence.x], type=kind[evidence.x], **_axis(evidence, "x", rows, kind[evidence.x])),
        "y": alt.Y(field=field[evidence.y], type=kind[evidence.y], **_axis(evidence, "y", rows, kind[evidence.y])),
        "color": _colour(evidence, rows, field),
        "tooltip": [
            alt.Tooltip(field=field[name], type=kind[name], title=tooltip_title(name), format=_format(rows, name))
            for name in columns
        ],
        **_beside(evidence, field, kind),
    }
    return chart.encode(**encodings).properties(width="container", height=_height(evidence, rows, kind))


def evidence_caption(evidence: Evidence) -> str:
    """Return the title of evidence, with what its chart leaves out."""
    return evidence.title + (_shown_rows(evidence)[1] if evidence.mark != "table" else "")


def training_labels(model: Model, train: Dataset, rows: Sequence[int]) -> list[str] | None:
    """Return the classes of training images, named as the model names them where they fit; None without labels."""
    if train.labels is None:
        return None
    try:
        names, labels, _ = match_classes(model, train)
    except DataError:
        names, labels = train.class_names, train.labels
    return [names[labels[row]] for row in rows]


def severity_counts(diagnosis: Diagnosis) -> list[dict[str, Any]]:
    """Return how many findings have each severity, the worst first."""
    return [{"severity": each, "symbol": SYMBOLS[each], "count": diagnosis.count(each)} for each in SEVERITIES]


def _numeric(values: Iterable[Any]) -> bool:
    given = [value for value in values if value is not None]
    return bool(given) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in given)


def _share(name: str, values: Sequence[Any]) -> bool:
    """Return whether numbers are shares: called so, and none beyond one."""
    words = set(re.split(r"[^a-z]+", str(name).lower()))
    given = [value for value in values if value is not None]
    fits = (
        _numeric(given) and all(abs(value) <= 1 for value in given) and not all(type(value) is int for value in given)
    )
    return bool(words & _SHARES) and fits


def _cell(value: Any, share: bool) -> str:
    return probability(value) if share and value is not None else number_text(value)


def _shown_rows(evidence: Evidence) -> tuple[list[Mapping[str, Any]], str]:
    """Return the rows that are drawn, and what the title says of those that are not."""
    rows = list(evidence.rows)
    if evidence.colour:
        series = list(dict.fromkeys(row[evidence.colour] for row in rows))
        rows = [row for row in rows if row[evidence.colour] in series[:MAX_SERIES]]
        if len(series) > MAX_SERIES:
            return rows, f" (the first {MAX_SERIES} of {len(series)} series)"
    if evidence.mark == "bar":
        along = evidence.y if not _numeric(row.get(evidence.y) for row in rows) else evidence.x
        places = list(dict.fromkeys(row[along] for row in rows))
        if len(places) > MAX_BARS:
            return [row for row in rows if row[along] in places[:MAX_BARS]], f" (the first {MAX_BARS} of {len(places)})"
    return rows, ""


def _kinds(evidence: Evidence, columns: Sequence[str]) -> dict[str, Any]:
    """Return Vega-Lite's type of each column. Bars need names on one axis: numbers along x are taken for names."""
    kind = {name: "quantitative" if _numeric(row.get(name) for row in evidence.rows) else "nominal" for name in columns}
    if evidence.mark == "bar" and kind[evidence.x] == kind[evidence.y] == "quantitative":
        kind[evidence.x] = "ordinal"
    return kind


def _beside(evidence: Evidence, field: Mapping[str, str], kind: Mapping[str, Any]) -> dict[str, Any]:
    """Return what puts the bars of several series side by side."""
    import altair as alt

    if evidence.mark != "bar" or evidence.colour is None or evidence.colour in (evidence.x, evidence.y):
        return {}
    if kind[evidence.y] == "quantitative":
        return {"xOffset": alt.XOffset(field=field[evidence.colour], type="nominal", sort=None)}
    return {"yOffset": alt.YOffset(field=field[evidence.colour], type="nominal", sort=None)}


def _long(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Return whether names need an axis that runs down the page."""
    names = {str(row.get(name)) for row in rows}
    return len(names) > 3 and max(len(each) for each in names) > 8


def _axis(evidence: Evidence, side: str, rows: Sequence[Mapping[str, Any]], kind: str) -> dict[str, Any]:
    import altair as alt

    name = evidence.x if side == "x" else evidence.y
    if kind == "quantitative":
        axis = alt.Axis(tickCount=6, **_AXES.get(_format(rows, name), {}))
        return {"title": label_text(name), "axis": axis, "scale": alt.Scale(zero=evidence.mark == "bar")}
    names = {str(row.get(name)) for row in rows}
    short = max((len(each) for each in names), default=0) <= 3 and len(names) <= 30
    upright = side == "y" or short or len(names) <= 3
    axis = alt.Axis(labelLimit=150 if side == "y" else 90, labelAngle=0 if upright else -45, labelOverlap=True)
    domain = alt.Scale(domain=list(dict.fromkeys(row.get(name) for row in rows)))  # see `diag.views.charts.named_axis`
    return {"title": label_text(name), "axis": axis, "sort": None, "scale": domain}


def _colour(evidence: Evidence, rows: Sequence[Mapping[str, Any]], field: Mapping[str, str]) -> Any:
    import altair as alt

    if not evidence.colour:
        return alt.value(theme.RIGHT)
    series = list(dict.fromkeys(row[evidence.colour] for row in rows))
    if set(series) <= set(_KNOWN_COLOURS):
        palette = [_KNOWN_COLOURS[each] for each in series]
    else:
        palette = list(theme.MODELS[: len(series)])
    legend = alt.Legend(title=None, orient="top", labelLimit=220, columns=4)
    scale = alt.Scale(domain=series, range=palette)
    return alt.Color(field=field[evidence.colour], type="nominal", scale=scale, legend=legend)


def _format(rows: Sequence[Mapping[str, Any]], name: str) -> Any:
    import altair as alt

    values = [row.get(name) for row in rows]
    if not _numeric(values):
        return alt.Undefined
    if _share(name, values):
        return ".1%"
    return ",d" if all(float(value).is_integer() for value in values if value is not None) else ".4~g"


def _height(evidence: Evidence, rows: Sequence[Mapping[str, Any]], kind: Mapping[str, str]) -> int:
    if kind[evidence.y] == "quantitative":
        return 190
    names = len({str(row.get(evidence.y)) for row in rows})
    series = len({row.get(evidence.colour) for row in rows}) if evidence.colour and evidence.mark == "bar" else 1
    return max(60, min(640, names * (18 if series == 1 else 10 * series + 6)))
