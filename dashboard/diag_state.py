"""The selection: what is chosen lives in the session and in the URL, so that a link shows the same view again."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import streamlit as st
from diag_arguments import without_places

from diag.views.shown import MOST, shown

KEYS = (
    "data", "train", "models", "model", "cell", "index", "view", "list", "group", "target", "method", "over", "part",
    "class", "severity", "zoom", "find", "versus", "sort", "pair", "quadrant", "change", "ensemble", "bin", "combo",
    "slice", "metric", "curve", "bins", "roc",
    "with", "shown", "issue", "color", "map", "mapclass", "mapanswer", "points",
)  # fmt: skip
MOST_IN_URL = 100
"""Images that a link can name one by one."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$:~&])")
_BY_ITSELF = re.compile(
    r"(?<=https:)(?=//)|(?<=http:)(?=//)|(?<=www)(?=\.)|(?<=\S@)(?=\S)|(?<=:)(?=[\w+/-]+:)"
    r"|(?<=(?<!\S)[<>~-])(?=(?:->|[->=])(?!\S))",
    re.IGNORECASE,
)
"""Where an address, a mailbox, an icon, an arrow or a dash would become one although all marks are escaped."""
_JOINER = "\u2060"


def plain(text: Any, most: int = MOST) -> str:
    """Return a text from a file such that Markdown shows it as it is: no image, no link, no colour, no icon.

    For what Streamlit reads as Markdown: texts, labels, captions, the choices of segmented controls. Choices of select
    boxes and cells of tables are shown as they are.
    """
    line = " ".join(shown(without_places(str(text)), most).split())
    return _MARKDOWN.sub(r"\\\1", _BY_ITSELF.sub(_JOINER, line))


def get(key: str, default: str = "") -> str:
    """Return a part of the selection: the session's, else the URL's, else `default`."""
    return str(_selection().get(key) or default)


def put(key: str, value: Any) -> None:
    """Choose something."""
    _selection()[key] = "" if value is None else str(value)


def _selection() -> dict[str, str]:
    """Return the session's selection, which begins as the URL's."""
    if "selection" not in st.session_state:
        st.session_state["selection"] = {key: st.query_params[key] for key in KEYS if key in st.query_params}
    selection: dict[str, str] = st.session_state["selection"]
    return selection


def get_number(key: str, low: int, high: int) -> int:
    """Return a number of the selection, kept within low..high."""
    text = get(key, str(low))
    return min(max(int(text), low), high) if re.fullmatch(r"-?\d{1,12}", text) else low


def get_choice(key: str, options: list[str]) -> str:
    """Return a part of the selection that is one of `options`; the first when it is not."""
    value = get(key, options[0])
    return value if value in options else options[0]


def get_cell(n_classes: int) -> tuple[int, int] | None:
    """Return the chosen cell (true, predicted), or None."""
    found = re.fullmatch(r"(\d{1,6})-(\d{1,6})", get("cell"))
    if found is None:
        return None
    cell = int(found[1]), int(found[2])
    return cell if max(cell) < n_classes else None


def put_images(key: str, indices: list[int]) -> None:
    """Choose images: up to `MOST_IN_URL` go into the URL, in base 36; more are kept in the session only."""
    st.session_state[f"images-{key}"] = indices
    few = len(indices) <= MOST_IN_URL
    put(key, ".".join(np.base_repr(index, 36).lower() for index in indices) if few else None)


def get_images(key: str, n: int) -> list[int]:
    """Return the chosen images, ascending; what is no number below `n` is left out."""
    kept = st.session_state.get(f"images-{key}")
    if kept is None:
        kept = [int(text, 36) for text in get(key).split(".")[:MOST_IN_URL] if re.fullmatch(r"[0-9a-z]{1,8}", text)]
    return sorted({index for index in kept if index < n})


def enter(page: str) -> None:
    """Begin a run of a page. Widgets of the page before are forgotten: what they chose is in the selection."""
    if st.session_state.get("page") != page:
        for name in [name for name in st.session_state if str(name).startswith("widget-")]:
            del st.session_state[name]
    st.session_state["page"] = page


def widget(key: str, value: Any) -> str:
    """Return the name of a widget's state, which begins as `value`.

    A widget must get no default that changes from run to run: Streamlit then takes it for a new one and drops every
    second change. So its state is set once, here, and by the callers below when it can no longer be shown.
    """
    name = f"widget-{st.session_state.get('page', '')}-{key}"
    if name not in st.session_state:
        st.session_state[name] = value
    return name


def segmented(label: str, key: str, options: list[str], names: dict[str, str], *, labelled: bool = False) -> str:
    """Draw a switch whose choice is part of the selection."""
    before = get_choice(key, options)
    chosen = st.segmented_control(
        label,
        options,
        format_func=lambda name: names[name],
        key=widget(key, before),
        label_visibility="visible" if labelled else "collapsed",
    )
    put(key, chosen or before)
    return chosen or before


def numbered(label: str, key: str, last: int) -> int:
    """Draw the choice of a number in 0..last that is part of the selection."""
    name = widget(key, get_number(key, 0, last))
    if not 0 <= st.session_state[name] <= last:  # the data changed
        st.session_state[name] = get_number(key, 0, last)
    chosen = int(st.number_input(label, 0, last, key=name))
    put(key, chosen)
    return chosen


def slid(label: str, key: str, width: int) -> float:
    """Draw the choice of a share, in per cent, that is part of the selection; return it as 0..1."""
    name = widget(key, get_number(key, 0, 100))
    chosen = int(st.slider(label, 0, 100, step=5, format="%d %%", key=name, width=width))
    put(key, chosen or None)
    return chosen / 100


def selected(label: str, key: str, options: list[str]) -> str:
    """Draw the choice of one of `options` that is part of the selection."""
    name = widget(key, get_choice(key, options))
    if st.session_state[name] not in options:
        st.session_state[name] = get_choice(key, options)
    chosen = str(st.selectbox(label, options, key=name))
    put(key, chosen)
    return chosen


def keep_url() -> None:
    """Write the selection into the URL."""
    chosen = {key: value for key, value in _selection().items() if key in KEYS and value}
    if chosen != st.query_params.to_dict():
        st.query_params.from_dict(chosen)
