"""Charts as Vega-Lite, kept between runs: building one and checking it against its schema takes a tenth of a second."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt
from diag_loaders_kept import shelf
from streamlit.dataframe_util import convert_anything_to_arrow_bytes

from diag.views import theme
from diag.views.shown import vega_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_altair = threading.Lock()
"""Altair's themes are one setting of the process."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A chart as ``st.vega_lite_chart`` takes it, its data as Arrow."""

    spec: Mapping[str, Any]

    @property
    def height(self) -> int:
        """Pixels of the plot."""
        return int(self.spec["height"])

    def properties(self, height: int) -> Drawn:
        """Return it with another height; named as Altair names it."""
        return Drawn({**self.spec, "height": height})


def drawn(build: Callable[..., Any], *values: Any, **options: Any) -> Drawn | None:
    """Return the chart that `build` makes of these, or None if it makes none.

    What is no number or text is known by being the same object, and held on to, so that it stays the same.
    """
    key = (f"{build.__module__}.{build.__qualname__}", _mark(values), _mark(options))
    return shelf().get(key, lambda: _made(build(*values, **options)), (values, options))


def legible(chart: Any) -> Any:
    """Return a chart with every label beside its mark, the first and the last too, and in a grey that can be read."""
    grey = {"labelColor": theme.LABEL, "titleColor": theme.LABEL}
    return chart.configure_axis(labelFlush=False, **grey).configure_legend(**grey)


def _made(chart: Any) -> Drawn | None:
    if chart is None:
        return None
    with _altair, alt.theme.enable("none"):
        spec = vega_spec(legible(chart))
    tables = {name: convert_anything_to_arrow_bytes(rows) for name, rows in spec.get("datasets", {}).items()}
    return Drawn({**spec, "datasets": tables})


def _mark(value: Any) -> Hashable:
    if value is None or isinstance(value, bool | int | float | str):
        return (type(value).__name__, value)
    if isinstance(value, tuple | list):
        return tuple(_mark(each) for each in value)
    if isinstance(value, dict):
        return tuple((name, _mark(each)) for name, each in value.items())
    return id(value)
