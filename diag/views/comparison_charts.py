"""Charts of a comparison: differences with their intervals, ranks, classes, and the cells of two matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError
from diag.metrics.bootstrap import METRICS
from diag.results.verdict import per_cent
from diag.views import theme
from diag.views.charts import named_axis
from diag.views.rank_charts import critical_difference_chart as critical_difference_chart
from diag.views.rank_charts import short_name

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from diag.results.comparison import Comparison

MAX_PAIRS = 10
"""Up to so many pairs the differences of all are drawn; beyond, those with the best model."""
MAX_OTHERS = 40
MAX_CLASSES = 40
MATRIX_CLASSES = 60
TEXT_LIMIT = 16
LABELS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "log_loss": "log loss",
}
VERDICTS = ("told apart", "not told apart")
_SIGNIFICANT = ("significant", "not significant")


def difference_chart(comparison: Comparison, metric: str = "accuracy") -> alt.LayerChart | alt.FacetChart:
    """Return the differences of one figure between pairs of models, with their intervals.

    Parameters
    ----------
    comparison : Comparison
    metric : {"accuracy", "balanced_accuracy", "macro_f1", "log_loss"}

    Returns
    -------
    alt.LayerChart
        All pairs, or with more than 10 those with the best model. Each row is a minus b, the better model by accuracy
        first; accuracy has the interval and the adjusted verdict of `Comparison.pairs`, the others the bootstrap
        intervals of `Comparison.differences`. The point selection ``pick`` has the field ``pair``: the places of the
        two models in the comparison, like ``"0-1"``.

    Raises
    ------
    InvalidInputError
        For another metric.
    """
    import altair as alt

    if metric not in METRICS:
        raise InvalidInputError(f"metric: expected one of {', '.join(METRICS)}. Received: {metric!r}.")
    rows = difference_rows(comparison, metric)
    share = metric != "log_loss"
    form = ".2%" if share else ".4f"
    tooltip = [
        alt.Tooltip("a:N"),
        alt.Tooltip("b:N"),
        *(alt.Tooltip(f"{name}:Q", format=form) for name in ("difference", "low", "high")),
        alt.Tooltip("verdict:N", title="the two are"),
    ]
    better = "left" if metric == "log_loss" else "right"
    unit = ", points" if share else ""
    title = [f"difference in {LABELS[metric]}{unit}", f"{better}: the first is better; grey: {VERDICTS[1]}"]
    if len(rows) > 1 and rows["a"].nunique() == 1:
        first = short_name(str(rows["a"].iloc[0]))
        title = [f"{LABELS[metric]} of {first} minus the other's{unit}", f"grey: {VERDICTS[1]}"]
    title[0] += f", {per_cent(1 - comparison.level)} interval"
    axis = _points_axis(1) if share else alt.Axis(format="+.3f", tickCount=6, labelOverlap=True)
    chart = _forest(rows, "label", ("difference", "low", "high"), "pair", "verdict", VERDICTS, title, axis, tooltip)
    return chart.properties(width="container", height=26 * max(len(rows), 2))


def difference_rows(comparison: Comparison, metric: str) -> pd.DataFrame:
    """Return the rows of `difference_chart`: the pair with its label, the difference with its ends, what it tells."""
    import pandas as pd

    order = {str(name): place for place, name in enumerate(comparison.table().index)}
    if metric == "accuracy":
        frame = comparison.pairs().rename(columns={"difference_low": "low", "difference_high": "high"})
        frame["apart"] = frame["relation"].isin(["better", "worse"])
    else:
        frame = comparison.differences()
        frame = frame[frame["metric"] == metric]
        frame = frame.assign(apart=frame["favours"] != "")
    rows = []
    for row in frame.to_dict("records"):
        if order[row["a"]] > order[row["b"]]:
            row |= {"a": row["b"], "b": row["a"], "low": -row["high"], "high": -row["low"]}
            row["difference"] = -row["difference"]
        rows.append({name: row[name] for name in ("a", "b", "difference", "low", "high", "apart")})
    rows.sort(key=lambda row: (order[row["a"]], order[row["b"]]))
    if len(rows) > MAX_PAIRS:
        rows = [row for row in rows if order[row["a"]] == 0][:MAX_OTHERS]
    chosen = pd.DataFrame(rows, columns=["a", "b", "difference", "low", "high", "apart"])
    named = list(zip(chosen["a"], chosen["b"], strict=True))
    place = {name: number for number, name in enumerate(comparison.names)}
    chosen["label"] = _pair_labels(named)
    chosen["pair"] = ["-".join(str(number) for number in sorted((place[a], place[b]))) for a, b in named]
    chosen["verdict"] = np.where(chosen.pop("apart").to_numpy(dtype=bool), *VERDICTS)
    return chosen


def _pair_labels(named: list[tuple[str, str]]) -> list[str]:
    """Return what stands beside each row: both names, or the second where the first is always the same."""
    one = len(named) > 1 and len({a for a, _ in named}) == 1
    labels = [short_name(b) if one else f"{short_name(a, 18)} − {short_name(b, 18)}" for a, b in named]
    if len(set(labels)) == len(labels):
        return labels
    return [b if one else f"{a} − {b}" for a, b in named]


def _points_axis(digits: int) -> Any:
    """Return an axis that shows a difference of shares in percentage points, with its sign."""
    import altair as alt

    return alt.Axis(labelExpr=f"format(datum.value * 100, '+.{digits}f')", tickCount=6, labelOverlap=True)


def class_difference_chart(comparison: Comparison, a: str, b: str) -> alt.LayerChart | alt.FacetChart:
    """Return the difference of two models' recall by class, with intervals; significant ones are marked.

    Parameters
    ----------
    comparison : Comparison
    a, b : str
        Names of runs.

    Returns
    -------
    alt.LayerChart
        At most 40 classes, the largest differences first. The point selection ``pick`` has the field ``y_true``, the
        class's number.
    """
    import altair as alt

    frame = comparison.class_differences(a, b)
    frame = frame[frame["support"] > 0]
    order = np.argsort(-frame["difference"].abs().to_numpy(), kind="stable")[:MAX_CLASSES]
    rows = frame.iloc[order].reset_index(drop=True).rename(columns={"number": "y_true"})
    rows["found"] = np.where(rows["significant"].to_numpy(dtype=bool), *_SIGNIFICANT)
    share = [alt.Tooltip(f"{name}:Q", format=".1%") for name in ("difference", "difference_low", "difference_high")]
    tooltip = [
        alt.Tooltip("class:N"),
        alt.Tooltip("support:Q", title="images"),
        alt.Tooltip("only_a:Q", title=f"only {short_name(a)} right"),
        alt.Tooltip("only_b:Q", title=f"only {short_name(b)} right"),
        *share,
        alt.Tooltip("p_adjusted:Q", title="p, adjusted", format=".4f"),
    ]
    title = [
        f"difference in recall, points, {per_cent(1 - comparison.level)} interval",
        f"right: {short_name(a)} is better; grey: {_SIGNIFICANT[1]}",
    ]
    ends = ("difference", "difference_low", "difference_high")
    rows = rows[[*_CLASS_COLUMNS, "found"]]
    chart = _forest(rows, "class", ends, "y_true", "found", _SIGNIFICANT, title, _points_axis(0), tooltip)
    chart = chart.properties(width="container", height=20 * max(len(rows), 2))
    if len(frame) <= len(rows):
        return chart
    heading = f"the {len(rows)} of {len(frame)} classes with the largest differences"
    return chart.properties(title=alt.Title(heading, fontWeight="normal", fontSize=12))


def _forest(
    rows: pd.DataFrame,
    label: str,
    ends: tuple[str, str, str],
    picked: str,
    verdict: str,
    words: tuple[str, str],
    title: list[str],
    axis: Any,
    tooltip: list[Any],
) -> alt.LayerChart | alt.FacetChart:
    """Return a line a row: its value and interval, `ends`, blue where its verdict is the first of `words`, else grey.

    There is no legend, as it would be cut off in narrow windows: the axis title says what grey means.
    """
    import altair as alt

    middle, low, high = ends
    domain = _around_zero([float(value) for end in ends for value in rows[end]])
    names = alt.Axis(labelLimit=180, ticks=False, domain=False, labelOverlap=False)
    colour = alt.Scale(domain=list(words), range=[theme.RIGHT, theme.NEUTRAL])
    base = alt.Chart(rows).encode(
        y=named_axis(label, rows[label], names),
        color=alt.Color(f"{verdict}:N", scale=colour, legend=None),
        tooltip=tooltip,
    )
    axis.titleAnchor = "end"
    x = alt.X(f"{low}:Q", title=title, scale=alt.Scale(domain=domain, nice=True), axis=axis)
    pick = alt.selection_point(name="pick", fields=[picked], on="click", empty=True)
    rules = base.mark_rule(strokeWidth=2.5, cursor="pointer").encode(x=x, x2=f"{high}:Q")
    points = base.mark_point(filled=True, size=70, opacity=1, cursor="pointer").encode(x=f"{middle}:Q")
    return alt.layer(_zero_line(), rules.add_params(pick), points)


def confusion_difference_chart(
    comparison: Comparison, a: str, b: str, size: int = 380
) -> alt.LayerChart | alt.FacetChart:
    """Return the difference of two models' confusion matrices, in images: a minus b.

    Parameters
    ----------
    comparison : Comparison
    a, b : str
        Names of runs.
    size : int
        Width and height of the matrix in pixels.

    Returns
    -------
    alt.LayerChart
        With more than 60 classes those with the largest differences. The colour says which model a cell speaks for:
        more images on the diagonal, or fewer off it. The point selection ``pick`` has the fields ``y_true`` and
        ``y_pred``; rows also carry ``count_a``, ``count_b`` and ``difference``.
    """
    import altair as alt

    rows, classes, total = confusion_difference_rows(comparison, a, b)
    names = [comparison.runs[0].class_names[number] for number in classes]
    top = float(max(np.abs(rows["gain"]).max() if len(rows) else 0, 1))
    pick = alt.selection_point(name="pick", fields=["y_true", "y_pred"], on="click", empty=True)
    slanted = 0 if max((len(name) for name in names), default=0) <= 3 and len(names) <= 30 else -45
    axis = alt.Axis(labelLimit=110, labelOverlap=len(names) > TEXT_LIMIT, ticks=False, domain=False)
    turned = axis.copy()
    turned.labelAngle = slanted
    base = alt.Chart(rows).encode(
        x=alt.X(
            "predicted_class:N",
            title="predicted class",
            sort=names,
            scale=alt.Scale(domain=names),
            axis=turned,
        ),
        y=alt.Y("true_class:N", title="true class", sort=names, scale=alt.Scale(domain=names), axis=axis),
        tooltip=[
            alt.Tooltip("true_class:N", title="true"),
            alt.Tooltip("predicted_class:N", title="predicted"),
            alt.Tooltip("count_a:Q", title=f"images, {short_name(a)}"),
            alt.Tooltip("count_b:Q", title=f"images, {short_name(b)}"),
            alt.Tooltip("difference:Q", format="+d"),
        ],
    )
    squares = base.mark_rect(cursor="pointer", stroke="#FFFFFF", strokeWidth=0.5 if len(names) <= 30 else 0).encode(
        color=alt.Color(
            "gain:Q",
            scale=alt.Scale(range=list(theme.DIVERGING), domain=[-top, 0, top]),
            legend=None,
        ),
        opacity=alt.condition(pick, alt.value(1.0), alt.value(0.55)),
    )
    layers: list[Any] = [squares.add_params(pick)]
    if len(names) <= TEXT_LIMIT:
        shown = base.transform_filter("datum.difference != 0").mark_text(fontSize=11, cursor="pointer")
        dark = f"abs(datum.gain) > {top * 0.55}"
        text = alt.Text("difference:Q", format="+d")
        layers.append(shown.encode(text=text, color=alt.condition(dark, alt.value("#FFFFFF"), alt.value("#1C2026"))))
    title = [
        f"images, {short_name(a)} minus {short_name(b)}",
        f"blue speaks for {short_name(a)}, orange for {short_name(b)}",
    ]
    if total > len(names):
        title.append(f"the {len(names)} of {total} classes with the largest differences")
    return alt.layer(*layers).properties(
        width=size,
        height=size,
        title=alt.Title(title, fontWeight="normal", fontSize=12),
        view=alt.ViewBackground(fill=theme.DIVERGING[1], stroke=None),
    )


def confusion_difference_rows(comparison: Comparison, a: str, b: str) -> tuple[pd.DataFrame, list[int], int]:
    """Return the cells to draw (without those where nothing differs, if many), the classes, and how many there are."""
    import pandas as pd

    one, other = (comparison.run(name).counts().confusion for name in (a, b))
    delta = one - other
    k = len(delta)
    classes = np.arange(k)
    if k > MATRIX_CLASSES:
        moved = np.abs(delta).sum(axis=0) + np.abs(delta).sum(axis=1)
        classes = np.sort(np.argsort(-moved, kind="stable")[:MATRIX_CLASSES])
    part = delta[np.ix_(classes, classes)]
    wanted = np.ones_like(part, dtype=bool) if len(classes) <= TEXT_LIMIT else part != 0
    true, predicted = np.nonzero(wanted)
    y_true, y_pred = classes[true], classes[predicted]
    names = np.asarray(comparison.runs[0].class_names, dtype=object)
    difference = part[true, predicted]
    frame = pd.DataFrame(
        {
            "y_true": y_true,
            "y_pred": y_pred,
            "true_class": names[y_true],
            "predicted_class": names[y_pred],
            "count_a": one[y_true, y_pred],
            "count_b": other[y_true, y_pred],
            "difference": difference,
            "gain": np.where(y_true == y_pred, difference, -difference),
        }
    )
    return frame, [int(number) for number in classes], k


_CLASS_COLUMNS = [
    "y_true", "class", "support", "only_a", "only_b", "difference", "difference_low", "difference_high", "p_adjusted",
]  # fmt: skip


def _zero_line() -> Any:
    import altair as alt
    import pandas as pd

    return alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(color=theme.NEUTRAL, strokeDash=[4, 3]).encode(x="x:Q")


def _around_zero(values: list[float]) -> list[float]:
    """Return a range that holds all defined values and 0, a little wider."""
    found = [0.0, *(float(value) for value in values if np.isfinite(value))]
    low, high = min(found), max(found)
    margin = 0.04 * (high - low) or 0.01
    return [low - margin, high + margin]
