"""Results become Altair charts. A chart is a value: no statistics here, and never more than 5,000 rows."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.errors import DataError
from diag.io.arguments import require
from diag.io.datasets import Dataset
from diag.results.evaluation import Evaluation
from diag.views import theme

if TYPE_CHECKING:
    from collections.abc import Iterable

    import altair as alt
    import pandas as pd
    from numpy.typing import NDArray

    from diag.results.comparison import Comparison

TEXT_LIMIT = 24
"""Up to so many classes a confusion matrix has its numbers in the cells."""
MAX_CLASSES = 60
CROWDED = 24
"""With more bars than this their names stand upright, and those that do not fit are left out."""
N_HISTOGRAM = 20
_PERCENT = "datum.share < 0.005 ? '<1%' : datum.share >= 0.995 && datum.share < 1 ? '>99%' : format(datum.share, '.0%')"
"""A share in whole per cent, where few errors are not none."""


def confusion_chart(
    run: Evaluation,
    normalize: Literal["true"] | None = "true",
    *,
    blank_diagonal: bool = False,
    max_classes: int = MAX_CLASSES,
    size: int = 380,
) -> alt.LayerChart | alt.FacetChart:
    """Return a confusion matrix whose cells can be clicked.

    Parameters
    ----------
    run : Evaluation
    normalize : "true" or None
        Per cent of the true class, or counts.
    blank_diagonal : bool
        Leave right answers out, so that errors show.
    max_classes : int
        With more classes, those with the most errors are shown.
    size : int
        Width and height of the matrix in pixels.

    Returns
    -------
    alt.LayerChart
        The point selection ``cell`` has the fields ``y_true`` and ``y_pred``; rows also carry ``true_class``,
        ``predicted_class``, ``count`` and ``share``.

    Raises
    ------
    InvalidInputError
        If `run` is another thing.
    """
    import altair as alt

    require(run, Evaluation, "confusion_chart", "an evaluation: diag.evaluate(model, data)")
    rows, classes, total = confusion_rows(run, max_classes)
    names = [run.class_names[number] for number in classes]
    value = "share" if normalize == "true" else "count"
    if blank_diagonal:
        rows = rows[rows["y_true"] != rows["y_pred"]]
    palette = theme.ERRORS if blank_diagonal else theme.SHARE
    top = 1.0 if value == "share" and not blank_diagonal else float(max(rows[value].max() if len(rows) else 0, 1e-9))
    cell = alt.selection_point(name="cell", fields=["y_true", "y_pred"], on="click", empty=True)
    axis = alt.Axis(
        labelLimit=110,
        labelOverlap=len(names) > TEXT_LIMIT,
        ticks=False,
        domain=False,
        labelAngle=0 if _short(names) else -45,
    )
    base = alt.Chart(rows).encode(
        x=alt.X("predicted_class:N", title="predicted class", sort=names, scale=alt.Scale(domain=names), axis=axis),
        y=alt.Y("true_class:N", title="true class", sort=names, scale=alt.Scale(domain=names), axis=_upright(axis)),
        tooltip=[
            alt.Tooltip("true_class:N", title="true"),
            alt.Tooltip("predicted_class:N", title="predicted"),
            alt.Tooltip("count:Q", title="images"),
            alt.Tooltip("share:Q", title="of the true class", format=".1%"),
        ],
    )
    squares = base.mark_rect(cursor="pointer", stroke="#FFFFFF", strokeWidth=0.5 if len(names) <= 30 else 0).encode(
        color=alt.Color(f"{value}:Q", scale=alt.Scale(range=list(palette), domain=[0, top]), legend=None),
        opacity=alt.condition(cell, alt.value(1.0), alt.value(0.55)),
    )
    layers: list[Any] = [squares.add_params(cell)]
    if len(names) <= TEXT_LIMIT:
        label = alt.Text("percent:N") if value == "share" else alt.Text("count:Q", format=",d")
        shown = base.transform_filter("datum.count > 0").transform_calculate(percent=_PERCENT)
        shown = shown.mark_text(fontSize=11 if len(names) <= 12 else 9, cursor="pointer")
        dark = f"datum.{value} > {top * 0.55}"
        layers.append(shown.encode(text=label, color=alt.condition(dark, alt.value("#FFFFFF"), alt.value("#1C2026"))))
    title = "per cent of the true class" if value == "share" else "number of images"
    if blank_diagonal:
        title += ", right answers left out"
    if total > len(names):
        title += f"; the {len(names)} of {total} classes with most errors"
    return alt.layer(*layers).properties(
        width=size,
        height=size,
        title=alt.Title(title, fontWeight="normal", fontSize=12),
        view=alt.ViewBackground(fill=palette[0], stroke=None),  # a cell without images, also in a dark page
    )


def confusion_pair_chart(run: Evaluation, *, max_classes: int = MAX_CLASSES, size: int = 380) -> alt.HConcatChart:
    """Return two confusion matrices side by side: per cent of the true class, and counts without the right answers.

    Each has colours of its own: in the second they span the errors alone. A click on a cell picks it out in both.

    Parameters
    ----------
    run : Evaluation
    max_classes, size : int
        As in `confusion_chart`.
    """
    shares = confusion_chart(run, max_classes=max_classes, size=size)
    errors = confusion_chart(run, None, blank_diagonal=True, max_classes=max_classes, size=size)
    return side_by_side(shares, errors)


def side_by_side(*charts: Any) -> alt.HConcatChart:
    """Return charts in a row, each with colours of its own; what is selected in one is selected in all."""
    import altair as alt

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Automatically deduplicated selection parameter")
        row: alt.HConcatChart = alt.hconcat(*charts).resolve_scale(color="independent")
    return row


def confusion_rows(run: Evaluation, max_classes: int) -> tuple[pd.DataFrame, list[int], int]:
    """Return the cells to draw, the classes on the axes, and how many classes there are."""
    import pandas as pd

    counts = run.counts().confusion
    k = len(counts)
    classes = list(range(k))
    if k > max_classes:
        errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diagonal(counts)
        classes = sorted(int(number) for number in np.argsort(-errors, kind="stable")[:max_classes])
    part = counts[np.ix_(classes, classes)]
    wanted = np.ones_like(part, dtype=bool) if len(classes) <= TEXT_LIMIT else part > 0
    true, predicted = np.nonzero(wanted)
    support = counts.sum(axis=1)[classes]
    chosen, names = np.asarray(classes, dtype=int), np.asarray(run.class_names, dtype=object)
    frame = pd.DataFrame(
        {
            "y_true": chosen[true],
            "y_pred": chosen[predicted],
            "true_class": names[chosen[true]],
            "predicted_class": names[chosen[predicted]],
            "count": part[true, predicted],
            "share": part[true, predicted] / np.maximum(support[true], 1),
        }
    )
    return frame, classes, k


def accuracy_chart(comparison: Comparison) -> alt.LayerChart | alt.FacetChart:
    """Return each model's accuracy with its 95 % interval, best first."""
    import altair as alt

    table = comparison.table().reset_index()[["model", "accuracy", "accuracy_low", "accuracy_high"]]
    base = alt.Chart(table).encode(y=named_axis("model", table["model"], alt.Axis(labelLimit=220)))
    scale = alt.Scale(zero=False, nice=True)
    tooltip = ["model:N", *(alt.Tooltip(f"{name}:Q", format=".2%") for name in table.columns[1:])]
    percent = alt.Axis(format="%")
    bars = base.mark_rule(strokeWidth=2, color=theme.RIGHT).encode(
        x=alt.X("accuracy_low:Q", title="accuracy with 95 % interval", scale=scale, axis=percent),
        x2="accuracy_high:Q",
        tooltip=tooltip,
    )
    points = base.mark_point(filled=True, size=70, color=theme.RIGHT).encode(x="accuracy:Q", tooltip=tooltip)
    return alt.layer(bars, points).properties(width="container", height=26 * max(len(table), 2))


def per_class_chart(run: Evaluation, max_classes: int = MAX_CLASSES) -> alt.LayerChart | alt.FacetChart:
    """Return each class's recall with its 95 % interval, lowest first."""
    import altair as alt

    table = run.per_class().reset_index().sort_values("recall", kind="stable").head(max_classes)
    table = table[["class", "recall", "recall_low", "recall_high", "support"]]
    base = alt.Chart(table).encode(y=named_axis("class", table["class"], alt.Axis(labelLimit=160)))
    tooltip = ["class:N", "support:Q", *(alt.Tooltip(f"recall{end}:Q", format=".1%") for end in ("", "_low", "_high"))]
    rule = base.mark_rule(strokeWidth=2, color=theme.RIGHT).encode(
        x=alt.X(
            "recall_low:Q", title="recall with 95 % interval", axis=alt.Axis(format="%"), scale=alt.Scale(zero=False)
        ),
        x2="recall_high:Q",
        tooltip=tooltip,
    )
    point = base.mark_point(filled=True, size=55, color=theme.RIGHT).encode(x="recall:Q", tooltip=tooltip)
    return alt.layer(rule, point).properties(width="container", height=18 * max(len(table), 2))


def confidence_histogram(run: Evaluation) -> Any:
    """Return how sure the model was, of right and of wrong answers (counts on a square-root scale)."""
    import altair as alt
    import pandas as pd

    edges = np.linspace(0, 1, N_HISTOGRAM + 1)
    parts = []
    for name, mask in (("right", run.correct_mask), ("wrong", ~run.correct_mask)):
        count = np.histogram(run.samples["confidence"][mask], edges)[0]
        parts.append(pd.DataFrame({"from": edges[:-1], "to": edges[1:], "images": count, "answer": name}))
    frame = pd.concat(parts)
    color = alt.Color(
        "answer:N", scale=alt.Scale(domain=["right", "wrong"], range=[theme.RIGHT, theme.WRONG]),
        legend=alt.Legend(title=None, orient="top"),
    )  # fmt: skip
    return (
        alt.Chart(frame)
        .mark_bar(opacity=0.85, binSpacing=1)
        .encode(
            x=alt.X("from:Q", bin="binned", title="confidence", axis=alt.Axis(format="%")),
            x2="to:Q",
            y=alt.Y(
                "images:Q",
                scale=alt.Scale(type="sqrt"),
                title="images (√ scale)",
                stack=None,
                axis=alt.Axis(tickCount=4),
            ),
            color=color,
            row=alt.Row("answer:N", title=None, header=alt.Header(labels=False)),
            tooltip=[alt.Tooltip("from:Q", format=".0%"), alt.Tooltip("to:Q", format=".0%"), "answer:N", "images:Q"],
        )
        .resolve_scale(y="independent")
        .properties(width=320, height=90)
    )


def class_balance_chart(
    data: Dataset, class_names: tuple[str, ...] | None = None, labels: NDArray[Any] | None = None
) -> Any:
    """Return how many images each class has; with many classes, the largest and smallest ones.

    Parameters
    ----------
    data : Dataset
    class_names, labels : tuple of str, ndarray of int
        As a model names and numbers them; the data's own when left out.

    Raises
    ------
    DataError
        If there are no labels.
    InvalidInputError
        If `data` is another thing.
    """
    import altair as alt
    import pandas as pd

    if labels is None:
        require(data, Dataset, "class_balance_chart", "a data set: diag.load_dataset(...)")
    class_names = data.class_names if class_names is None else class_names
    labels = data.labels if labels is None else labels
    if labels is None:
        raise DataError(f"{data.name}: expected labels to count. Received: images without labels. Pass labelled data.")
    counts = np.bincount(labels, minlength=len(class_names))
    frame = pd.DataFrame({"class": list(class_names), "images": counts})
    frame["share"] = frame["images"] / max(len(labels), 1)
    title = "images a class"
    if len(frame) > MAX_CLASSES:
        ordered = frame.sort_values("images", ascending=False, kind="stable")
        frame = pd.concat([ordered.head(MAX_CLASSES // 2), ordered.tail(MAX_CLASSES // 2)])
        title = f"images a class: the {MAX_CLASSES // 2} largest and smallest of {len(class_names)}"
    frame["label"] = distinct_labels(list(frame["class"]))
    many = len(frame) > CROWDED
    axis = alt.Axis(
        labelLimit=90,
        labelAngle=-90 if many else 0 if _short(list(frame["class"])) else -45,
        labelOverlap="greedy" if many else False,
        labelExpr=f"{json.dumps(list(frame['label']))}[indexof({json.dumps(list(frame['class']))}, datum.value)]",
    )
    return (
        alt.Chart(frame.drop(columns="label"))
        .mark_bar(color=theme.NEUTRAL)
        .encode(
            x=alt.X("class:N", sort=None, title=None, axis=axis, scale=alt.Scale(domain=list(frame["class"]))),
            y=alt.Y("images:Q", title="images"),
            tooltip=["class:N", "images:Q", alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(width="container", height=150, title=alt.Title(title, fontWeight="normal", fontSize=12))
    )


def named_axis(field: str, names: Iterable[str], axis: alt.Axis) -> alt.Y:
    """Return an upright axis of names in the order given.

    The names are told to Vega, which would otherwise gather them as the keys of an object, where a class called
    ``constructor`` is there already.
    """
    import altair as alt

    domain = list(dict.fromkeys(names))
    return alt.Y(f"{field}:N", sort=None, title=None, axis=axis, scale=alt.Scale(domain=domain))


def distinct_labels(names: list[str], long: int = 14) -> list[str]:
    """Return names for an axis: where one is long, all without the words that all of them begin with."""
    first, last = min(names, default=""), max(names, default="")
    same = next((place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), 0)
    start = max(first[:same].rfind(mark) for mark in " _-/") + 1
    if not start or max(map(len, names)) <= long:
        return names
    return [f"…{name[start:]}" for name in names]


def _short(names: list[str]) -> bool:
    return max((len(name) for name in names), default=0) <= 3 and len(names) <= 30


def _upright(axis: Any) -> Any:
    upright = axis.copy()
    upright.labelAngle = 0
    return upright
