"""Charts of training runs: the curves of several models in one, and the gap between training and validation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from diag.views import theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt
    import pandas as pd

    from diag.results.training import Training

MANY = 10
"""Models up to which each has its own colour; of more, these so many of the best have one at first."""
DECADES = 50
"""Largest over smallest value from which on a scale is logarithmic."""
_LOWER = 8
"""Pixels by which the long symbols of the legend of dashes make it taller, above and below."""
_NAMES = {"lr": "learning rate"}
_SHARES = ("acc", "auc", "precision", "recall", "f1")


def metric_label(metric: str) -> str:
    """Return a metric's name as a chart and a choice show it.

    Examples
    --------
    >>> metric_label("sparse_categorical_accuracy"), metric_label("lr")
    ('sparse categorical accuracy', 'learning rate')
    """
    return _NAMES.get(metric, metric.replace("_", " "))


def curve_chart(trained: Training, metric: str = "loss", best: Sequence[str] = ()) -> alt.LayerChart | alt.FacetChart:
    """Return a metric by epoch of all models: a colour a model, training dashed, the best epoch marked.

    Parameters
    ----------
    trained : Training
    metric : str
        One of `Training.metrics`.
    best : sequence of str
        Names of models, the best first. Of more than ten models the first five have colours, the others are grey until
        they are clicked in the legend.

    Returns
    -------
    alt.LayerChart
        At most 5,000 rows. A click on a model in the legend (point selection ``run``, field ``model``) brings it
        forward.
    """
    import altair as alt

    frame = trained.curves(metric)
    share = any(word in metric for word in _SHARES) and bool(len(frame)) and float(frame["value"].max()) <= 1
    names = _in_order(trained, best)
    run = _chosen(names)
    wide = _spans_decades(frame)
    scale = alt.Scale(type="log", nice=False, padding=6) if wide else alt.Scale(zero=False, padding=6)
    axis = alt.Axis(format="%") if share else alt.Axis(format="~g", values=_decades(frame)) if wide else alt.Axis()
    title = f"{metric_label(metric)}, logarithmic" if wide else metric_label(metric)
    base = _base(frame, names, run).encode(
        y=alt.Y("value:Q", title=title, scale=scale, axis=axis),
        tooltip=[
            alt.Tooltip("model:N"),
            alt.Tooltip("epoch:Q"),
            alt.Tooltip("split:N", title="on"),
            alt.Tooltip("value:Q", title="value", format=".2%" if share else ".4g"),
        ],
    )
    splits = [name for name in theme.SPLITS if name in set(frame["split"])]
    dash = alt.StrokeDash(
        "split:N",
        scale=alt.Scale(domain=splits, range=[theme.DASHES[name] for name in splits]),
        legend=alt.Legend(
            title=None, orient="top", symbolStrokeColor=theme.NEUTRAL, symbolSize=700, labelFontSize=12, padding=0
        )
        if len(splits) > 1
        else None,
    )
    lines = base.mark_line(strokeWidth=2).encode(strokeDash=dash).add_params(run)
    points = base.mark_point(size=90, opacity=0, filled=True).encode(opacity=alt.value(0))  # what the pointer meets
    marked = bool((frame["best"] & (frame["split"] == "validation")).any())
    marks = _best_marks(base, "datum.best && datum.split == 'validation'", shown=marked, beside=len(splits) > 1)
    return alt.layer(lines, marks, points).properties(width="container", height=300)


def gap_chart(trained: Training, best: Sequence[str] = ()) -> alt.LayerChart | alt.FacetChart:
    """Return training minus validation accuracy by epoch, in percentage points; above 0 training is better.

    `best` is as `curve_chart` takes it.
    """
    import altair as alt

    frame = trained.gaps()
    frame = frame.assign(points=100 * frame["gap"].astype(float))
    names = _in_order(trained, best)
    run = _chosen(names)
    tooltip = [
        alt.Tooltip("model:N"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("points:Q", title="gap in points", format="+.1f"),
    ]
    base = _base(frame, names, run).encode(
        y=alt.Y("points:Q", title="training − validation accuracy, points", scale=alt.Scale(padding=6)),
        tooltip=tooltip,
    )
    zero = alt.Chart().mark_rule(color=theme.NEUTRAL, strokeDash=[2, 3]).encode(y=alt.datum(0))
    lines = base.mark_line(strokeWidth=2).add_params(run)
    points = base.mark_point(size=90, filled=True).encode(opacity=alt.value(0))
    marks = _best_marks(base, "datum.best", shown=bool(frame["best"].any()))
    return alt.layer(zero, lines, marks, points, data=frame).properties(width="container", height=220)


def _best_marks(base: alt.Chart, which: str, *, shown: bool, beside: bool = False) -> alt.Chart:
    """Return a dot at each model's best epoch, and a legend that says so where there is one.

    `beside` lowers it to the height of the legend of dashes.
    """
    import altair as alt

    symbol: dict[str, Any] = {"symbolFillColor": theme.NEUTRAL, "symbolStrokeWidth": 0, "symbolSize": 80}
    legend = alt.Legend(title=None, orient="top", labelFontSize=12, padding=_LOWER if beside else 0, **symbol)
    shape = alt.Shape(
        "dot:N", scale=alt.Scale(domain=["best epoch"], range=["circle"]), legend=legend if shown else None
    )
    dots = base.transform_filter(which).transform_calculate(dot="'best epoch'")
    marks: alt.Chart = dots.mark_point(filled=True, size=80, stroke="#FFFFFF", strokeWidth=1).encode(shape=shape)
    return marks


def _spans_decades(frame: pd.DataFrame) -> bool:
    """Return whether values differ so much that only a logarithmic scale shows the small ones."""
    low = float(frame["value"].min()) if len(frame) else 0.0
    return low > 0 and float(frame["value"].max()) > DECADES * low


def _decades(frame: pd.DataFrame) -> list[float]:
    """Return where a logarithmic axis has its lines: powers of ten, with 2 and 5 times them where there are few."""
    low, high = (math.log10(float(value)) for value in (frame["value"].min(), frame["value"].max()))
    steps = (1, 2, 5) if high - low < 4 else (1,)
    places = [step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    return [place for place in places if low <= math.log10(place) <= high]


def _in_order(trained: Training, best: Sequence[str]) -> list[str]:
    """Return the names of the models with a history; of many the best first."""
    names = [run.name for run in trained.told]
    if len(names) <= MANY:
        return names
    return [*(name for name in best if name in names), *(name for name in names if name not in best)]


def _chosen(names: Sequence[str]) -> Any:
    """Return the selection of models by the legend: at first all, of many the best."""
    import altair as alt

    options: dict[str, Any] = {"name": "run", "fields": ["model"], "bind": "legend"}
    if len(names) > MANY:
        options["value"] = [{"model": name} for name in names[: MANY // 2]]
    return alt.selection_point(**options)


def _base(frame: pd.DataFrame, names: Sequence[str], run: Any) -> alt.Chart:
    """Return what both charts share: epochs, a colour a model, and others faint when some are chosen."""
    import altair as alt

    present = [name for name in names if name in set(frame["model"])]
    colours = [theme.MODELS[list(names).index(name) % len(theme.MODELS)] for name in present]
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=150, labelFontSize=12, symbolType="stroke")
    color = alt.Color("model:N", scale=alt.Scale(domain=present, range=colours), legend=legend)
    many = len(names) > MANY
    return alt.Chart(frame).encode(
        x=alt.X(
            "epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(zero=False, nice=False)
        ),
        color=alt.condition(run, color, alt.value(theme.NEUTRAL)) if many else color,
        opacity=alt.condition(run, alt.value(1.0), alt.value(0.25 if many else 0.12)),
    )
