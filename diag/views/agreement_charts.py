"""Charts of how far models agree, where they are wrong together, and what they give together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.views import theme
from diag.views.charts import named_axis

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from diag.results.agreement import Agreement
    from diag.results.ensembles import Ensembles

TITLES = {
    "same_answer": "share of images with the same answer",
    "kappa": "Cohen's kappa",
    "q_statistic": "Yule's Q of being right",
    "double_fault": "share of images that both have wrong",
    "disagreement": "share of images that exactly one has right",
}
TEXT_LIMIT = 12
"""Up to so many models a heat map has its numbers in the cells."""
LARGE, CELL = 320, 21
"""Width of a heat map of few models, and of a cell in one of many, in pixels: a name beside each line can be read."""
MAX_MEMBERS = 10
"""Models that are drawn beside ensembles, at most: the best."""
MAX_SUBSETS = 8
"""Averages of a part of the models that are drawn, at most: the most accurate."""
MAX_BARS, FEW = 20, 6
"""Sets of models that are drawn, at most: the most frequent. Few have narrow bars."""
DOT, BARS = 18, 130
"""Height of a model's line below the bars, and of the bars, in pixels."""


def agreement_chart(
    agreement: Agreement, measure: str = "kappa", *, size: int | None = None
) -> alt.LayerChart | alt.FacetChart:
    """Return a measure of every pair of models as a heat map.

    Parameters
    ----------
    agreement : Agreement
    measure : str
        One of `diag.results.agreement.MEASURES`.
    size : int, optional
        Width and height in pixels; more for many models when left out.

    Returns
    -------
    alt.LayerChart
        Rows carry ``a``, ``b``, ``value`` and ``pair`` (``"0-1"``), which is the field of the point selection ``pair``.
    """
    import altair as alt

    rows = _pair_rows(agreement, measure)
    share = measure in ("same_answer", "double_fault", "disagreement")
    form = ".1%" if share else ".2f"
    low, high = _ends(rows["value"].to_numpy(dtype=float))
    names = list(agreement.names)
    size = size or max(LARGE, CELL * len(names))
    angle = -40 if len(names) <= TEXT_LIMIT else -90
    axis = alt.Axis(title=None, labelLimit=95, ticks=False, domain=False, labelAngle=angle, labelOverlap=False)
    upright = alt.Axis(title=None, labelLimit=95, ticks=False, domain=False, labelOverlap=False)
    chosen = alt.selection_point(name="pair", fields=["pair"], on="click", empty=True)
    base = alt.Chart(rows).encode(
        x=alt.X("b:N", sort=names, scale=alt.Scale(domain=names), axis=axis),
        y=alt.Y("a:N", sort=names, scale=alt.Scale(domain=names), axis=upright),
        tooltip=[
            alt.Tooltip("a:N", title="A"),
            alt.Tooltip("b:N", title="B"),
            alt.Tooltip("value:Q", title=TITLES[measure], format=form),
        ],
    )
    color = alt.Color("value:Q", scale=alt.Scale(range=list(theme.SHARE), domain=[low, high], clamp=True), legend=None)
    cells = base.mark_rect(cursor="pointer", stroke="#FFFFFF", strokeWidth=1).encode(
        color=color, opacity=alt.condition(chosen, alt.value(1.0), alt.value(0.55))
    )
    layers: list[Any] = [cells.add_params(chosen)]
    if len(names) <= TEXT_LIMIT:
        dark = f"datum.value > {low + 0.55 * (high - low)}"
        text = base.mark_text(fontSize=11 if len(names) <= 8 else 9, cursor="pointer")
        layers.append(
            text.encode(
                text=alt.Text("value:Q", format=form),
                color=alt.condition(dark, alt.value("#FFFFFF"), alt.value("#1C2026")),
            )
        )
    return alt.layer(*layers).properties(
        width=size, height=size, title=alt.Title(TITLES[measure], fontWeight="normal", fontSize=12)
    )


def _pair_rows(agreement: Agreement, measure: str) -> pd.DataFrame:
    """Return one row a cell; a model beside itself is left out, and so is what is undefined."""
    import pandas as pd

    matrix = agreement.matrix(measure).to_numpy()
    a, b = np.nonzero(~np.eye(len(matrix), dtype=bool) & np.isfinite(matrix))
    names = np.asarray(agreement.names, dtype=object)
    pairs = [f"{min(one, two)}-{max(one, two)}" for one, two in zip(a.tolist(), b.tolist(), strict=True)]
    return pd.DataFrame({"a": names[a], "b": names[b], "value": matrix[a, b], "pair": pairs})


def _ends(values: Any) -> tuple[float, float]:
    """Return the ends of the scale of colours: those of the values, a little apart where all are equal."""
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high - low > 1e-9 else (low - 0.5, high + 0.5)


def overlap_chart(agreement: Agreement, max_sets: int = MAX_BARS) -> Any:
    """Return how many images each set of models has wrong together: bars above a matrix of dots (UpSet).

    Returns
    -------
    alt.LayerChart
        Rows carry the ``key`` of the set, as `Agreement.indices` takes it, ``models``, ``count`` and ``share``; the
        point selection ``set`` has the field ``key``.

    References
    ----------
    Lex et al. (2014), UpSet: visualization of intersecting sets. IEEE TVCG 20, 1983-1992.
    """
    import altair as alt

    sets = agreement.overlap().head(max_sets)
    dots, lines = _dots(agreement, sets)
    keys, names = list(sets["key"]), list(agreement.names)
    below = BARS + 14
    chosen = alt.selection_point(name="set", fields=["key"], on="click", empty=True)
    x = alt.X("key:N", sort=keys, scale=alt.Scale(domain=keys), axis=None)
    counts = alt.Scale(domain=[0, max(int(sets["count"].max()) if len(sets) else 1, 1)], range=[BARS, 12], nice=False)
    members = alt.Scale(domain=names, range=[below, below + DOT * len(names)])
    tooltip = [
        alt.Tooltip("models:N", title="wrong in"),
        alt.Tooltip("count:Q", title="images", format=","),
        alt.Tooltip("share:Q", title="of all", format=".1%"),
        alt.Tooltip("same_class:Q", title="same wrong class", format=","),
    ]
    faded = alt.condition(chosen, alt.value(1.0), alt.value(0.4))
    said = "datum.count < 1000 ? format(datum.count, ',') : format(datum.count, '.2~s')"
    bars = alt.Chart(sets).encode(x=x, tooltip=tooltip)
    height = alt.Y("count:Q", scale=counts, title=None, axis=None)
    width: Any = 40 if len(sets) <= FEW else {"band": 0.85}
    drawn = (
        bars.mark_bar(color=theme.WRONG, cursor="pointer", width=width)
        .encode(y=height, opacity=faded)
        .add_params(chosen)
    )
    numbers = bars.transform_calculate(said=said).mark_text(dy=-6, fontSize=10, cursor="pointer")
    numbers = numbers.encode(y=height, text="said:N")
    axis = alt.Axis(orient="left", labelLimit=150, labelOverlap=False, ticks=False, domain=False, grid=False)
    place = alt.Y("model:N", sort=names, scale=members, title=None, axis=axis)
    points = alt.Chart(dots).encode(x=x, y=place, tooltip=tooltip)
    marks = points.mark_point(filled=True, cursor="pointer").encode(
        color=alt.condition("datum.wrong", alt.value(theme.WRONG), alt.value(theme.NEUTRAL)),
        size=alt.condition("datum.wrong", alt.value(80), alt.value(14)),
        opacity=faded,
    )
    joined = (
        alt.Chart(lines).mark_rule(color=theme.WRONG, strokeWidth=2).encode(x=x, y=place, y2="last:N", opacity=faded)
    )
    upper = alt.layer(drawn, numbers)
    lower = alt.layer(joined, marks)
    return (
        alt.layer(upper, lower)
        .resolve_scale(y="independent")
        .properties(
            width="container",
            height=below + DOT * len(names),
            title=alt.Title(_overlap_title(agreement, len(sets)), fontWeight="normal", fontSize=12),
        )
    )


def _overlap_title(agreement: Agreement, shown: int) -> str:
    if agreement.n_sets > shown:
        return f"images that exactly these models have wrong: the {shown} most frequent of {agreement.n_sets} sets"
    return "images that exactly these models have wrong"


def _dots(agreement: Agreement, sets: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row a set and model, and one row a set of several models for the line that joins its dots."""
    import pandas as pd

    dots: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    records: list[dict[str, Any]] = sets.to_dict("records")  # type: ignore[assignment]
    for row, each in zip(records, agreement.sets, strict=False):
        for number, name in enumerate(agreement.names):
            dots.append({**dict(row), "model": name, "wrong": number in each.models})
        if len(each.models) > 1:
            first, last = agreement.names[each.models[0]], agreement.names[each.models[-1]]
            lines.append({"key": row["key"], "model": first, "last": last})
    columns = [*sets.columns, "model", "wrong"]
    return pd.DataFrame(dots, columns=columns), pd.DataFrame(lines, columns=["key", "model", "last"])


def shown_ensembles(ensembles: Ensembles) -> pd.DataFrame:
    """Return the rows of `Ensembles.frame` that are shown: of many models the ten best, after the ensembles."""
    frame = ensembles.frame()
    member = frame["kind"] == "member"
    if member.sum() <= MAX_MEMBERS:
        return frame
    members = frame.index[member]  # the best first
    return frame.loc[[members[0], *frame.index[~member], *members[1:MAX_MEMBERS]]].reset_index(drop=True)


def ensembles_chart(ensembles: Ensembles, max_subsets: int = MAX_SUBSETS) -> alt.LayerChart | alt.FacetChart:
    """Return the accuracy of models - of many the ten best -, ensembles and the oracle, with 95 % intervals.

    Returns
    -------
    alt.LayerChart
        Rows carry ``key``, as `Ensembles.mended` takes it, ``name`` and ``kind``; the point selection ``ensemble`` has
        the field ``key``. A hollow mark is the accuracy on the images of the choice.
    """
    import altair as alt

    frame, n_models = shown_ensembles(ensembles), len(ensembles.names)
    subsets = frame.index[frame["kind"] == "subset"]
    frame = frame.drop(index=subsets[max_subsets:])
    frame["group"] = frame["kind"].map({"member": "model", "oracle": "oracle"}).fillna("ensemble")
    frame = frame[[
        "key", "name", "kind", "group", "members", "accuracy", "accuracy_low", "accuracy_high", "naive_accuracy",
        "mends", "breaks",
    ]]  # fmt: skip
    chosen = alt.selection_point(name="ensemble", fields=["key"], on="click", empty=True)
    color = alt.Color(
        "group:N", legend=alt.Legend(title=None, orient="top"),
        scale=alt.Scale(domain=["model", "ensemble", "oracle"], range=[theme.NEUTRAL, theme.RIGHT, theme.WRONG]),
    )  # fmt: skip
    faded = alt.condition(chosen, alt.value(1.0), alt.value(0.4))
    scale = alt.Scale(zero=False, nice=True)
    tooltip = [
        alt.Tooltip("name:N", title="ensemble"),
        alt.Tooltip("members:N", title="of"),
        *(
            alt.Tooltip(f"{field}:Q", title=title, format=".2%")
            for field, title in (
                ("accuracy", "accuracy"), ("accuracy_low", "from"), ("accuracy_high", "to"),
                ("naive_accuracy", "naive"),
            )
        ),
        alt.Tooltip("mends:Q", title="mends"),
        alt.Tooltip("breaks:Q", title="breaks"),
    ]  # fmt: skip
    base = alt.Chart(frame).encode(
        y=named_axis("name", frame["name"], alt.Axis(labelLimit=160, labelOverlap=False)), tooltip=tooltip
    )
    rules = base.mark_rule(strokeWidth=2, cursor="pointer").encode(
        x=alt.X("accuracy_low:Q", title="accuracy with 95 % interval", scale=scale, axis=alt.Axis(format="%")),
        x2="accuracy_high:Q", color=color, opacity=faded,
    )  # fmt: skip
    points = base.mark_point(filled=True, size=70, cursor="pointer").encode(x="accuracy:Q", color=color, opacity=faded)
    naive = base.transform_filter("isValid(datum.naive_accuracy)").mark_point(size=60, strokeWidth=1.5)
    best = alt.Chart(frame.head(1)).mark_rule(strokeDash=[3, 3], color=theme.NEUTRAL).encode(x="accuracy:Q")
    layers = [best, rules.add_params(chosen), points, naive.encode(x="naive_accuracy:Q", color=color)]
    chart = alt.layer(*layers).properties(width="container", height=24 * max(len(frame), 2))
    if n_models <= MAX_MEMBERS:
        return chart
    title = f"ensembles, and the {MAX_MEMBERS} best of {n_models} models"
    return chart.properties(title=alt.Title(title, fontWeight="normal", fontSize=12))
