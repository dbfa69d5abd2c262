"""Charts of calibration, ranking and costs; several models lie over each other, one of them is in front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.views import theme
from diag.views.charts import named_axis
from diag.views.rank_charts import short_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import altair as alt
    import pandas as pd

    from diag.results.calibration import Bins, Calibration
    from diag.results.decisions import ExpectedCost
    from diag.results.discrimination import Average, Discrimination

MOST_MODELS = 10
"""So many models at most lie over each other."""
HEIGHT = 300
LOW_HEIGHT = 110
FEWEST = 20
"""The accuracy of fewer answers than these is noise: the coverage curve begins here."""
WHEN = ("before", "after")


def shown_models(names: Sequence[str], chosen: str | None = None) -> list[str]:
    """Return the models that a chart shows: the first ten - give the best first -, the chosen one among them."""
    shown = list(names[:MOST_MODELS])
    return shown if chosen is None or chosen in shown else [chosen, *shown[:-1]]


def reliability_rows(results: Mapping[str, Calibration], chosen: str, kind: Bins = "width") -> pd.DataFrame:
    """Return the bins that hold images, of every model: ``model``, ``chosen``, ``sure`` (in words), and all figures."""
    import pandas as pd

    parts = []
    for name in shown_models(list(results), chosen):
        frame = results[name].bins_frame(kind)
        frame = frame[frame["count"] > 0]
        frame.insert(0, "model", name)
        frame.insert(1, "chosen", name == chosen)
        ends = zip(frame["low"], frame["high"], strict=True)
        frame["sure"] = [f"{_share(low)} to {_share(high)} % sure" for low, high in ends]
        parts.append(frame)
    return pd.concat(parts, ignore_index=True).drop(columns=["gap"])


def reliability_chart(
    results: Mapping[str, Calibration], chosen: str, kind: Bins = "width"
) -> alt.LayerChart | alt.FacetChart:
    """Return the reliability diagram of several models, with intervals and consistency bands of the chosen one.

    The area of a point says how many images it stands for. Of more than ten models the chosen one has a colour, and
    nine others are grey.

    Returns
    -------
    alt.LayerChart
        All layers have the rows of `reliability_rows`. The point selection ``bin`` has the field ``bin``.
    """
    import altair as alt

    rows = reliability_rows(results, chosen, kind)
    base = alt.Chart(rows)
    front, back = base.transform_filter("datum.chosen"), base.transform_filter("!datum.chosen")
    pick = alt.selection_point(name="bin", fields=["bin"], on="click", empty=True)
    x = alt.X("confidence:Q", title="mean confidence", scale=_unit(), axis=_percent())
    y = alt.Y("accuracy:Q", title="right answers", scale=_unit(), axis=_percent())
    color = _model_color(list(results), chosen)
    if len(results) > MOST_MODELS:
        color = alt.condition("datum.chosen", alt.value(theme.RIGHT), alt.value(theme.NEUTRAL))
    tooltip = [
        alt.Tooltip("model:N"),
        alt.Tooltip("sure:N", title="bin"),
        alt.Tooltip("count:Q", title="images", format=",d"),
        alt.Tooltip("wrong:Q", format=",d"),
        alt.Tooltip("confidence:Q", format=".1%"),
        alt.Tooltip("accuracy:Q", format=".1%"),
        alt.Tooltip("expected_low:Q", title="if calibrated, from", format=".1%"),
        alt.Tooltip("expected_high:Q", title="to", format=".1%"),
    ]
    band = front.mark_rule(color=theme.NEUTRAL, opacity=0.3, strokeWidth=12).encode(
        x=x, y=alt.Y("expected_low:Q", title="right answers"), y2="expected_high:Q"
    )
    size = alt.Size("count:Q", scale=alt.Scale(type="sqrt", range=[15, 240]), legend=None)
    others = back.mark_point(filled=True, opacity=0.5).encode(x=x, y=y, size=size, color=color, tooltip=tooltip[:6])
    faint = back.mark_line(strokeWidth=1, opacity=0.35).encode(x=x, y=y, color=color)
    line = front.mark_line(strokeWidth=1.5, opacity=0.6).encode(x=x, y=y, color=color)
    rules = front.mark_rule(strokeWidth=1.5).encode(
        x=x, y=alt.Y("accuracy_low:Q", title="right answers"), y2="accuracy_high:Q", color=color
    )
    points = front.mark_point(filled=True, opacity=1, cursor="pointer").encode(
        x=x, y=y, size=size, color=color, tooltip=tooltip
    )
    layers = [band, _diagonal(base), faint, others, line, rules, points.add_params(pick)]
    return alt.layer(*layers).properties(width="container", height=HEIGHT)


def bins_chart(results: Mapping[str, Calibration], chosen: str, kind: Bins = "width") -> Any:
    """Return how many images each bin of the chosen model holds, and how many of them are wrong; to click."""
    import altair as alt

    rows = reliability_rows({chosen: results[chosen]}, chosen, kind)
    pick = alt.selection_point(name="bin", fields=["bin"], on="click", empty=True)
    axis = alt.Axis(tickCount=3)
    base = (
        alt.Chart(rows)
        .transform_filter("datum.chosen")
        .encode(
            x=alt.X("low:Q", title="confidence", scale=_unit(), axis=_percent()),
            x2="high:Q",
            tooltip=[
                alt.Tooltip("sure:N", title="bin"),
                alt.Tooltip("count:Q", title="images", format=",d"),
                alt.Tooltip("wrong:Q", format=",d"),
            ],
        )
    )
    scale = alt.Scale(type="sqrt", zero=True)
    bar: dict[str, Any] = {"cursor": "pointer", "stroke": "#FFFFFF", "strokeWidth": 0.5}
    every = base.mark_rect(color=theme.RIGHT, opacity=0.75, **bar).encode(
        y=alt.Y("count:Q", title="images (√)", scale=scale, axis=axis), y2=alt.datum(0)
    )
    wrong = base.mark_rect(color=theme.WRONG, **bar).encode(y=alt.Y("wrong:Q", title="images (√)"), y2=alt.datum(0))
    return alt.layer(every.add_params(pick), wrong).properties(width="container", height=LOW_HEIGHT)


def temperature_rows(results: Mapping[str, Calibration], chosen: str) -> pd.DataFrame:
    """Return the bins before and after temperature scaling: ``model``, ``chosen``, ``when`` and the bins' figures."""
    import pandas as pd

    columns = ["confidence", "accuracy", "count"]
    parts = [pd.DataFrame({"model": [], "chosen": [], "when": [], **{name: [] for name in columns}})]
    for name in shown_models(list(results), chosen):
        if results[name].scaled is None:
            continue
        for when, kind in zip(WHEN, ("width", "scaled"), strict=True):
            frame = results[name].bins_frame(kind)  # type: ignore[arg-type]
            frame = frame.loc[frame["count"] > 0, columns]
            parts.append(frame.assign(model=name, chosen=name == chosen, when=when))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def temperature_chart(results: Mapping[str, Calibration], chosen: str) -> Any:
    """Return the reliability diagram of the chosen model before and after temperature scaling."""
    import altair as alt

    base = alt.Chart(temperature_rows(results, chosen))
    front = base.transform_filter("datum.chosen").encode(
        x=alt.X("confidence:Q", title="mean confidence", scale=_unit(), axis=_percent()),
        y=alt.Y("accuracy:Q", title="right answers", scale=_unit(), axis=_percent()),
        color=_when_color(),
        tooltip=[
            "when:N",
            alt.Tooltip("count:Q", title="images", format=",d"),
            alt.Tooltip("confidence:Q", format=".1%"),
            alt.Tooltip("accuracy:Q", format=".1%"),
        ],
    )
    lines = front.mark_line(strokeWidth=1.5, opacity=0.6)
    points = front.mark_point(filled=True, opacity=0.9).encode(
        size=alt.Size("count:Q", scale=alt.Scale(type="sqrt", range=[15, 240]), legend=None)
    )
    return alt.layer(_diagonal(base), lines, points).properties(width="container", height=260)


def temperature_change_chart(results: Mapping[str, Calibration]) -> Any:
    """Return every model's calibration error before and after temperature scaling."""
    import altair as alt
    import pandas as pd

    rows = [
        {"model": name, "when": when, "ece": found.values[f"ece_{when}"], "temperature": found.values["temperature"]}
        for name, found in results.items()
        if found.scaled is not None
        for when in WHEN
    ]
    frame = pd.DataFrame(rows, columns=["model", "when", "ece", "temperature"])
    base = alt.Chart(frame).encode(
        x=alt.X("ece:Q", title="calibration error (ECE)", scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5)),
        y=named_axis("model", frame["model"], alt.Axis(labelLimit=160, ticks=False, domain=False)),
        tooltip=["model:N", "when:N", alt.Tooltip("ece:Q", format=".4f"), alt.Tooltip("temperature:Q", format=".2f")],
    )
    lines = base.mark_line(color=theme.NEUTRAL, strokeWidth=2, opacity=0.6).encode(detail="model:N")
    points = base.mark_point(filled=True, size=80, opacity=1).encode(color=_when_color())
    return alt.layer(lines, points).properties(width="container", height=max(26 * len(frame) // 2, 60))


def _when_color() -> Any:
    import altair as alt

    scale = alt.Scale(domain=list(WHEN), range=[theme.NEUTRAL, theme.RIGHT])
    return alt.Color("when:N", scale=scale, legend=alt.Legend(title=None, orient="top"))


def curve_rows(
    results: Mapping[str, Discrimination], which: int | Average, points: int = 200
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the points of all models' ROC and precision-recall curves: ``model``, ``x``, ``y``, ``share``.

    ``share`` is the class's share of the images: the precision of a model that knows nothing; NaN for averages.
    """
    import pandas as pd

    parts: list[list[pd.DataFrame]] = [[], []]
    for name in shown_models(list(results)):
        found = results[name]
        share = np.nan if isinstance(which, str) else found.share(int(which))
        for place, frame in enumerate((found.roc_frame(which, points), found.precision_recall_frame(which, points))):
            x, y = (frame.iloc[:, column].round(4) for column in (0, 1))
            parts[place].append(
                pd.DataFrame({"model": name, "x": x, "y": y, "share": round(share, 5)}).dropna(subset="y")
            )
    roc, pr = (pd.concat(each, ignore_index=True) for each in parts)
    return roc, pr


def roc_chart(rows: pd.DataFrame, names: Sequence[str]) -> Any:
    """Return ROC curves from the rows of `curve_rows`, one a model."""
    return _curves(rows, names, "other images caught (false positive rate)", "images found (recall)", True)


def precision_recall_chart(rows: pd.DataFrame, names: Sequence[str]) -> Any:
    """Return precision-recall curves from the rows of `curve_rows`, one a model."""
    return _curves(rows, names, "images found (recall)", "of the images caught, right (precision)", False)


def _curves(rows: pd.DataFrame, names: Sequence[str], x_title: str, y_title: str, roc: bool) -> Any:
    import altair as alt

    base = alt.Chart(rows)
    lines = base.mark_line(strokeWidth=2, interpolate="linear", opacity=0.9).encode(
        x=alt.X("x:Q", title=x_title, scale=_unit(), axis=_percent()),
        y=alt.Y("y:Q", title=y_title, scale=_unit(), axis=_percent()),
        color=_model_color(names),
        tooltip=[
            "model:N",
            alt.Tooltip("x:Q", title=x_title, format=".1%"),
            alt.Tooltip("y:Q", title=y_title, format=".1%"),
        ],
        order="order:Q",
    )
    lines = lines.transform_window(order="row_number()", groupby=["model"])
    if roc:
        chance = _diagonal(base)
    else:
        chance = (
            base.transform_filter("isValid(datum.share)")
            .transform_aggregate(share="mean(share)")
            .mark_rule(color=theme.NEUTRAL, strokeDash=[4, 4])
            .encode(y=alt.Y("share:Q", title=y_title))
        )
    return alt.layer(chance, lines).properties(width="container", height=HEIGHT)


def coverage_chart(results: Mapping[str, Discrimination]) -> Any:
    """Return the accuracy of the surest answers by the share of images that is answered, one line a model."""
    import altair as alt
    import pandas as pd

    parts = []
    for name in shown_models(list(results)):
        frame = results[name].coverage_frame()
        frame = frame[frame["count"] >= min(FEWEST, len(results[name].run))]
        parts.append(frame.assign(model=name))
    rows = pd.concat(parts, ignore_index=True)[["model", "coverage", "accuracy", "threshold", "count"]].round(5)
    return (
        alt.Chart(rows)
        .mark_line(strokeWidth=2, interpolate="linear")
        .encode(
            x=alt.X("coverage:Q", title="answered, the surest first", scale=_unit(), axis=_percent()),
            y=alt.Y("accuracy:Q", title="of these, right", scale=alt.Scale(zero=False, nice=True), axis=_percent()),
            color=_model_color(list(results)),
            tooltip=[
                "model:N",
                alt.Tooltip("coverage:Q", format=".1%"),
                alt.Tooltip("count:Q", title="images", format=",d"),
                alt.Tooltip("accuracy:Q", format=".2%"),
                alt.Tooltip("threshold:Q", title="least confidence", format=".3f"),
            ],
        )
        .properties(width="container", height=260)
    )


def top_k_chart(results: Mapping[str, Discrimination]) -> Any:
    """Return top-k accuracy with its 95 % interval, one line a model."""
    import altair as alt
    import pandas as pd

    parts = [results[name].top_k_frame().assign(model=name) for name in shown_models(list(results))]
    base = alt.Chart(pd.concat(parts, ignore_index=True)).encode(
        x=alt.X("k:O", title="k", axis=alt.Axis(labelAngle=0)), color=_model_color(list(results))
    )
    title = "true class among the k most probable"
    tooltip = ["model:N", "k:O", *(alt.Tooltip(f"accuracy{end}:Q", format=".2%") for end in ("", "_low", "_high"))]
    scale = alt.Scale(zero=False, nice=True)
    rules = base.mark_rule(strokeWidth=1.3, opacity=0.7).encode(
        y=alt.Y("accuracy_low:Q", title=title, scale=scale, axis=_percent()), y2="accuracy_high:Q"
    )
    lines = base.mark_line(strokeWidth=2, point={"size": 45, "filled": True}).encode(
        y=alt.Y("accuracy:Q", title=title), tooltip=tooltip
    )
    return alt.layer(rules, lines).properties(width="container", height=260)


def cost_chart(results: Mapping[str, ExpectedCost], chosen: str | None = None) -> Any:
    """Return the mean cost by threshold for two classes, one line a model; best thresholds are marked."""
    import altair as alt
    import pandas as pd

    parts, marks = [], []
    for name in shown_models(list(results), chosen):
        frame = results[name].threshold_frame()
        parts.append(frame[np.isfinite(frame["threshold"])].assign(model=name))
        values = results[name].values
        if np.isfinite(values["threshold"]):
            marks.append({"model": name, "threshold": values["threshold"], "cost": values["threshold_cost"]})
    second = next(iter(results.values())).run.class_names[1]
    base = alt.Chart(pd.concat(parts, ignore_index=True).round(6))
    x = alt.X("threshold:Q", title=f"say {short_name(second)} from this probability on", scale=_unit(), axis=_percent())
    tooltip = ["model:N", alt.Tooltip("threshold:Q", format=".3f"), alt.Tooltip("cost:Q", format=".4f")]
    lines = base.mark_line(strokeWidth=2, interpolate="linear").encode(
        x=x,
        y=alt.Y("cost:Q", title="mean cost an image"),
        color=_model_color(list(results)),
        tooltip=[
            *tooltip,
            alt.Tooltip("false_positives:Q", format=",d"),
            alt.Tooltip("false_negatives:Q", format=",d"),
        ],
    )
    best = (
        alt.Chart(pd.DataFrame(marks, columns=["model", "threshold", "cost"]))
        .mark_point(filled=True, size=90, opacity=1)
        .encode(x=x, y="cost:Q", color=_model_color(list(results)), tooltip=tooltip)
    )
    return alt.layer(lines, best).properties(width="container", height=260)


def _model_color(names: Sequence[str], chosen: str | None = None) -> Any:
    """Return each model's colour, by its place; a legend where there are several."""
    import altair as alt

    shown = shown_models(names, chosen)
    legend = alt.Legend(title=None, orient="top", columns=2 if len(shown) > 2 else len(shown), labelLimit=150)
    palette = [theme.MODELS[list(names).index(name) % len(theme.MODELS)] for name in shown]
    return alt.Color("model:N", scale=alt.Scale(domain=shown, range=palette), legend=legend if len(shown) > 1 else None)


def _diagonal(base: Any) -> Any:
    """Return the line of equal x and y, drawn once whatever the rows are."""
    import altair as alt

    return (
        base.transform_aggregate(n="count()")
        .mark_rule(color=theme.NEUTRAL, strokeDash=[4, 4])
        .encode(x=alt.datum(0), x2=alt.datum(1), y=alt.datum(0), y2=alt.datum(1))
    )


def _share(value: float) -> str:
    return f"{100 * value:.4g}"


def _unit() -> Any:
    import altair as alt

    return alt.Scale(domain=[0, 1], nice=False)


def _percent() -> Any:
    import altair as alt

    return alt.Axis(format="%", tickCount=6)
