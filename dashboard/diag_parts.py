"""Pieces that several pages draw: images as cards, a section that may fail alone."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import streamlit as st
from diag_loaders import load_comparison, load_tile
from diag_state import get, get_choice, numbered, plain, put, widget

from diag.errors import DiagError
from diag.io.csv_out import escaped
from diag.views import formats
from diag.views.formats import probability
from diag.views.glossary import TERMS
from diag.views.shown import shown as shown_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from diag_loaders_charts import Drawn

    from diag.results import Comparison, Evaluation

CARD = 136
SIDE = 84
MOST_BESIDE, BESIDE = 6, 4
"""Models that a page draws side by side, at most; of more these so many at first."""
MANY = 3
"""Models that an image's card lists; of more it shows the chosen one."""
SHORT = 40
"""Characters of a name on an image's card, at most."""
FRAME = "#DFE3E8"
AXES, LEGEND = 60, 50
"""Pixels of axes and titles, and of a legend, which Streamlit takes from a chart's height."""
WRITTEN: dict[str | None, Callable[[float], str]] = {
    "share": formats.percent,
    "share2": lambda value: formats.percent(value, 2),
    "points": formats.points,
    "points_plain": lambda value: formats.decimal(value * 100, 1),
    "points_said": lambda value: f"{formats.points(value)} points",
    "p_value": formats.p_value,
}
"""Formats of columns that are the report's; others are Streamlit's own."""
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?%?")
SIGNED = ("points", "points_said")
RANGE = ("from", "to")


def draw_chart(chart: Drawn, around: int = AXES, key: str | None = None) -> None:
    """Draw a chart as wide as the page, with its plot as high as it says."""
    st.vega_lite_chart(spec=chart.properties(height=chart.height + around).spec, width="stretch", key=key)


def clicked(
    chart: Drawn, key: str, param: str, *, width: str = "stretch", around: int | None = None
) -> list[dict[str, Any]] | None:
    """Draw a chart with a point selection `param`; return the fields of what was clicked, once for each click.

    `around`: pixels of axes, titles and legends, which Streamlit takes from the chart's height.
    """
    shown = chart.properties(height=chart.height + (AXES + LEGEND if around is None else around))
    event = st.vega_lite_chart(spec=shown.spec, width=width, on_select="rerun", selection_mode=param, key=key)
    picked = event.selection.get(param)
    return _once(f"seen-{key}", picked)


def _once(name: str, picked: Any) -> Any:
    """Return what was picked when it is something new, so that an old click does not override a later choice."""
    fresh = picked if picked and st.session_state.get(name) != picked else None
    st.session_state[name] = picked
    return fresh


def table_columns(columns: Mapping[str, tuple[str, str | None]]) -> dict[str, Any]:
    """Return Streamlit's settings of columns: ``name: (term of the glossary or a label, format or None)``."""
    settings: dict[str, Any] = {}
    for name, (word, style) in columns.items():
        term = TERMS.get(word)
        label, meaning = (term.label, term.explanation) if term else (word, None)
        label += ", points" if style in ("points", "points_plain") and word not in RANGE else ""
        make = st.column_config.NumberColumn if style else st.column_config.Column
        settings[name] = make(label, help=meaning, **({"format": style} if style and style not in WRITTEN else {}))
    return settings


def written(frame: pd.DataFrame, columns: Mapping[str, tuple[str, str | None]], unitless: Sequence[bool] = ()) -> Any:
    """Return a frame whose numbers are shown as the report writes them, and sorted as numbers.

    `unitless`: for each row, whether its numbers are no shares: then they are shown as they are.
    """
    how = {name: WRITTEN[style] for name, (_, style) in columns.items() if style in WRITTEN and name in frame}
    shown = frame.style.format(how) if how else frame
    if any(unitless):
        for name in how:
            plainly = formats.signed if columns[name][1] in SIGNED else formats.decimal
            shown = shown.format(plainly, subset=(frame.index[list(unitless)], [name]))
    return shown


def frame_table(
    frame: pd.DataFrame,
    key: str,
    columns: Mapping[str, tuple[str, str | None]],
    *,
    pick: bool = False,
    index: bool = False,
    height: int | None = None,
    unitless: Sequence[bool] = (),
) -> int | None:
    """Draw a table whose heads explain themselves; its toolbar downloads CSV.

    Parameters
    ----------
    frame : DataFrame
    key : str
    columns : mapping of str to tuple
        As `table_columns` takes them, a format of `WRITTEN` or of Streamlit; others keep their names.
    pick : bool
        Whether a row can be chosen.
    index : bool
        Whether the index is shown.
    height : int, optional
        In pixels; about ten rows when left out.
    unitless : sequence of bool
        As `written` takes it.

    Returns
    -------
    int or None
        The place of the row that was just chosen.
    """
    options: dict[str, Any] = {"hide_index": not index, "column_config": table_columns(columns), "key": key}
    options |= {"placeholder": "–"} | ({"height": height} if height else {})
    texts = as_texts(frame)
    options["column_config"] |= narrow_columns(texts, options["column_config"], index=index)
    styled = written(texts, columns, unitless)
    if not pick:
        st.dataframe(styled, **options)
        return None
    event = st.dataframe(styled, on_select="rerun", selection_mode="single-row", **options)
    fresh = _once(f"seen-{key}", list(event.selection.rows))
    return int(fresh[0]) if fresh else None


def narrow_columns(texts: pd.DataFrame, settings: Mapping[str, Any], *, index: bool) -> dict[str, Any]:
    """Return the settings of columns of long names with figures behind them, such that these can be seen."""
    figures = [place for place in range(texts.shape[1]) if texts.dtypes.iloc[place].kind in "iuf"]
    last = max(figures, default=0)
    held: dict[str, Any] = {texts.columns[place]: texts.iloc[:, place] for place in range(last) if place not in figures}
    held |= {"_index": texts.index} if index and figures else {}
    wide = [name for name, column in held.items() if max((len(str(each)) for each in column), default=0) > SHORT]
    return {name: {**(settings.get(name) or {}), "width": "medium"} for name in wide}


def as_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose texts are shown, and downloaded as CSV, as texts: none is a formula to a spreadsheet."""
    safe = frame.copy()
    for place in range(safe.shape[1]):
        column = safe.iloc[:, place]
        if column.dtype.kind not in "biufM":
            safe.isetitem(place, column.astype(object).map(_as_text))
    if safe.index.dtype.kind not in "biufM":
        safe.index = safe.index.map(_as_text)
    safe.columns = safe.columns.map(_as_text)
    return safe


def _as_text(value: Any) -> Any:
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return escaped(shown_text(value))


def headline(text: str) -> None:
    """Write the first sentence large, the others as text."""
    first, stop, rest = text.partition(". ")
    st.markdown(f"#### {plain(first + stop.strip())}")
    if rest:
        st.markdown(plain(rest))


def say(key: str, label: str | None = None) -> None:
    """Write a statistic's name, with what it means on hover."""
    term = TERMS[key]
    st.markdown(f"**{label or term.label}**", help=term.explanation)


def gallery(comparison: Comparison, title: str, indices: Sequence[int], key: str, *, limit: int = 24) -> None:
    """Draw a heading with the number of images, and the first of them with what every model says."""
    st.markdown(f"**{plain(title)}**: {len(indices):,} image{'' if len(indices) == 1 else 's'}")
    cards(comparison, indices, key, limit)


def some_models(comparison: Comparison) -> Comparison:
    """Return the models that are drawn one beside the other: all, or of many those that are chosen.

    At first these are the chosen one and the best of the others.
    """
    ranked = list(comparison.ranked())
    if len(ranked) <= MOST_BESIDE:
        return comparison
    places = [place for place in get("shown").split("-") if place.isdigit() and int(place) < len(ranked)]
    known = [comparison.names[int(place)] for place in places][:MOST_BESIDE]
    first = get_choice("model", ranked)
    begin = known or [first, *(name for name in ranked if name != first)][:BESIDE]
    chosen = st.multiselect("Models side by side", ranked, key=widget("shown", begin), max_selections=MOST_BESIDE)
    put("shown", "-".join(str(comparison.names.index(name)) for name in chosen))
    return load_comparison([comparison.run(name) for name in chosen or begin])


@contextlib.contextmanager
def section() -> Iterator[None]:
    """Show the message of what fails inside, and go on."""
    try:
        yield
    except DiagError as error:
        st.warning(plain(error), icon=":material/info:")


def framed(png: bytes) -> bytes:
    """Return a picture with a thin grey frame, so that a pale map shows where it ends."""
    from PIL import Image, ImageOps

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        ImageOps.expand(picture.convert("RGB"), border=2, fill=FRAME).save(buffer, format="PNG")
    return buffer.getvalue()


def choose_image(comparison: Comparison) -> int:
    """Draw the choice of an image, and the image; return its index."""
    first = comparison.runs[0]
    last = len(first) - 1
    left, right = st.columns([1, 4])
    with left:
        index = numbered("Image", "index", last)
    with right:
        st.image(load_tile(first.data.digest, index, 112, first.data), width=112)
        true = plain(first.class_names[first.samples["y_true"][index]])
        st.caption(f"index {index}, true class **{true}**")
    return index


def is_right(run: Evaluation, index: int) -> bool:
    """Return whether a model has an image right."""
    return bool(run.samples["y_pred"][index] == run.samples["y_true"][index])


def said(run: Evaluation, index: int) -> str:
    """Return what a model says of an image, with its confidence."""
    predicted, confidence = run.samples["y_pred"][index], run.samples["confidence"][index]
    colour = "blue" if is_right(run, index) else "orange"
    return f":{colour}[{plain(run.class_names[predicted], SHORT)}] {probability(confidence, 0)}"


def cards(comparison: Comparison, indices: Sequence[int], key: str, limit: int = 48) -> None:
    """Draw images with what every model says of them; the button below one leads to its maps."""
    if not len(indices):
        st.caption("None.")
        return
    if len(indices) > limit:
        st.caption(f"{limit} of {len(indices):,} shown")
    shown = [int(index) for index in indices[:limit]]
    with st.container(horizontal=True, gap="small"):
        for index in shown:
            with st.container(width=CARD, gap=None):
                card(comparison, index, f"{key}-{index}")


def card(comparison: Comparison, index: int, key: str) -> None:
    """Draw one image, what every model says of it, and a button that leads to its maps."""
    first = comparison.runs[0]
    st.image(load_tile(first.data.digest, index, SIDE, first.data), width=SIDE)
    true = plain(first.class_names[first.samples["y_true"][index]], SHORT)
    several = len(comparison.runs) > 1
    shown = list(zip(comparison.names, comparison.runs, strict=True))
    lines = [f"true **{true}**"]
    if len(shown) > MANY:  # the chosen model, and a count of the others
        right = sum(is_right(run, index) for run in comparison.runs)
        shown = [pair for pair in shown if pair[0] == get_choice("model", list(comparison.names))]
        lines.append(f"right in {right} of {len(comparison.runs)} models")
    lines += [f"{plain(name, SHORT) if several else 'says'}: {said(run, index)}" for name, run in shown]
    st.markdown("  \n".join(f":small[{line}]" for line in lines))  # a caption's colours are too pale to read
    if st.button(f"Explain {index}", key=key, type="tertiary", icon=":material/visibility:"):
        put("index", index)
        st.switch_page("app_pages/explain.py", query_params={"index": str(index)})
