"""How far maps can be trusted, and where classes look: charts of checks, and tiles of mean maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.results.faithfulness import ALIKE, ORDERS
from diag.views import theme
from diag.views.images import image_png

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd
    from numpy.typing import NDArray

    from diag.results.faithfulness import Faithfulness, Order
    from diag.results.prototypes import MeanMaps, Prototypes

    Tile = tuple[str, int, str, bytes]

STRENGTH = ((255, 255, 255), (218, 218, 235), (158, 154, 200), (106, 81, 163), (63, 0, 125))
"""How strong a map is, for and against alike: ColorBrewer's purples, neither the red nor the blue of signed maps."""
KINDS = {"map": ("map", theme.RIGHT), "random": ("random order", theme.NEUTRAL),
         "edges": ("edges", theme.MODELS[1])}  # fmt: skip
SIGNS = {"correlation": ("strength alone", "#6A51A3"), "signed_correlation": ("with signs", theme.RIGHT)}
TITLES = {
    "deletion": ("Deletion: lower is better", "share of pixels deleted"),
    "insertion": ("Insertion: higher is better", "share of pixels inserted"),
}
MAX_POINTS = 500
"""Points of a curve that are drawn."""


def faithfulness_chart(result: Faithfulness, order: Order | None = None) -> Any:
    """Return mean curves with their 95 % bands: the probability of the predicted class while pixels go, or come.

    Parameters
    ----------
    result : Faithfulness
    order : "deletion" or "insertion", optional
        One of them, as wide as its place; both side by side when left out.
    """
    import altair as alt

    if order is not None:
        return _curves(result, order).properties(width="container")
    return alt.hconcat(*(_curves(result, each).properties(width=300) for each in ORDERS))


def _curves(result: Faithfulness, order: Order) -> Any:
    import altair as alt

    frame = _thinned(result.curves())
    frame = frame[frame["order"] == order].assign(by=lambda rows: [KINDS[kind][0] for kind in rows["kind"]])
    title, across = TITLES[order]
    names = [name for name, _ in KINDS.values()]
    percent = alt.Axis(format="%", tickCount=5)
    base = alt.Chart(frame.drop(columns=["order", "kind"])).encode(
        x=alt.X("fraction:Q", title=across, axis=percent, scale=alt.Scale(domain=[0, 1])),
        color=alt.Color(
            "by:N", scale=alt.Scale(domain=names, range=[colour for _, colour in KINDS.values()]),
            legend=_legend(),
        ),
    )  # fmt: skip
    band = base.mark_area(opacity=0.16).encode(
        y=alt.Y("low:Q", title="probability", axis=percent, scale=alt.Scale(domain=[0, 1])), y2="high:Q"
    )
    shares = [alt.Tooltip(f"{name}:Q", format=".1%", title=said) for name, said in
              (("fraction", "pixels"), ("mean", "probability"), ("low", "from"), ("high", "to"))]  # fmt: skip
    lines = base.mark_line(strokeWidth=2).encode(y="mean:Q", tooltip=["by:N", *shares])
    return alt.layer(band, lines).properties(height=220, title=_title(title))


def _thinned(curves: pd.DataFrame) -> pd.DataFrame:
    """Return at most about `MAX_POINTS` points of each curve, its ends among them."""
    fractions = np.unique(curves["fraction"])
    if len(fractions) <= MAX_POINTS:
        return curves
    kept = fractions[np.linspace(0, len(fractions) - 1, MAX_POINTS).round().astype(int)]
    return curves[curves["fraction"].isin(kept)]


def sanity_chart(result: Faithfulness) -> alt.LayerChart | alt.FacetChart:
    """Return how alike maps stay while the network's weights are drawn anew, layer by layer from the output down.

    Lines are means over images; points are single images.
    """
    import altair as alt

    stages = result.sanity_frame()
    means = stages.melt(["stage", "layer"], list(SIGNS), var_name="kind", value_name="rank_correlation")
    scale = alt.Scale(domain=[name for name, _ in SIGNS.values()], range=[colour for _, colour in SIGNS.values()])
    base = alt.Chart(_said(means)).encode(
        x=alt.X("step:N", title="weights drawn anew, from the output down to", sort=list(_said(stages)["step"]),
                axis=alt.Axis(labelAngle=-30, labelLimit=130)),
        color=alt.Color("map:N", scale=scale, legend=_legend()),
    )  # fmt: skip
    axis = alt.Y("rank_correlation:Q", title="rank correlation", scale=alt.Scale(domain=[-1, 1]))
    tooltip = [alt.Tooltip("step:N", title="down to"), "map:N", alt.Tooltip("rank_correlation:Q", format=".2f")]
    lines = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=60)).encode(y=axis, tooltip=tooltip)
    single = base.mark_point(filled=True, size=18, opacity=0.35).encode(y=axis)
    single.data = _said(_images(result))
    level = alt.Chart(alt.InlineData([{"level": ALIKE, "means": "above this line, maps look alike"}]))
    rule = level.mark_rule(strokeDash=[4, 4], color=theme.NEUTRAL).encode(y="level:Q")
    text = level.mark_text(align="left", baseline="top", dx=4, dy=4, color=theme.NEUTRAL, fontSize=11)
    note = text.encode(x=alt.value(0), y="level:Q", text="means:N")
    title = _title("What is left of the maps when the weights are gone: lower is better")
    return alt.layer(rule, note, single, lines).properties(width="container", height=240, title=title)


def _images(result: Faithfulness) -> pd.DataFrame:
    """Return one row an image, stage and kind of correlation."""
    import pandas as pd

    parts = []
    for kind, values in (("correlation", result.correlations), ("signed_correlation", result.signed_correlations)):
        for stage, (layer, row) in enumerate(zip(result.layers, values, strict=True), start=1):
            parts += [{"stage": stage, "layer": layer, "kind": kind, "rank_correlation": float(one)} for one in row]
    return pd.DataFrame(parts, columns=["stage", "layer", "kind", "rank_correlation"])


def _said(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose stages and kinds are in words; two layers of one name stay apart."""
    steps = [f"{stage} {layer}" for stage, layer in zip(frame["stage"], frame["layer"], strict=True)]
    found = frame.assign(step=steps).drop(columns=["stage", "layer"])
    return found.assign(map=[SIGNS[kind][0] for kind in found.pop("kind")]) if "kind" in found else found


def mean_map_tiles(result: MeanMaps, side: int) -> list[Tile]:
    """Return each group's mean map as (group, number of images, location in words, PNG), on one scale.

    PNGs are enlarged without blur to about twice `side` pixels. White is nothing, full colour `strength_limit`.
    """
    return _tiles(result.maps, side, result.groups, result.counts.tolist(), result.locations)


def prototype_tiles(result: Prototypes, side: int) -> list[Tile]:
    """Return each cluster's mean map as (share of the images, number of images, location in words, PNG)."""
    names = tuple(f"{share:.0%}" for share in result.shares)
    return _tiles(result.maps, side, names, result.sizes.tolist(), result.locations)


def strength_limit(maps: NDArray[Any]) -> float:
    """Return which value of maps (g, h, w) gets full colour: the largest, or twice the maps' usual largest one.

    One map that is far stronger than the others would leave them white; so it is cut off.

    Examples
    --------
    >>> strength_limit(np.array([[[2.0]], [[4.0]]])), strength_limit(np.array([[[1.0]], [[2.0]], [[90.0]]]))
    (4.0, 4.0)
    """
    peaks = maps.reshape(len(maps), -1).max(axis=1) if len(maps) else np.zeros(1)
    usual = 2 * float(np.median(peaks))
    return float(peaks.max()) if not usual else min(float(peaks.max()), usual)


def strength_png(values: NDArray[Any], limit: float, factor: int = 1) -> bytes:
    """Return a map (h, w) of values from 0 as a PNG, each pixel `factor` times as large: white to `STRENGTH`'s last."""
    share = np.clip(np.asarray(values, np.float64) / (limit or 1.0), 0, 1) * (len(STRENGTH) - 1)
    stops, palette = np.arange(len(STRENGTH)), np.array(STRENGTH, np.float64)
    colours = np.stack([np.interp(share, stops, palette[:, channel]) for channel in range(3)], axis=-1)
    return image_png(np.rint(colours).astype(np.uint8).repeat(factor, axis=0).repeat(factor, axis=1))


def strength_bar_png(width: int = 160, height: int = 12) -> bytes:
    """Return the colours of `strength_png` from nothing to the most as a PNG."""
    return strength_png(np.linspace(0, 1, width)[None].repeat(height, axis=0), 1.0)


def _tiles(
    maps: NDArray[Any], side: int, names: tuple[str, ...], counts: list[int], locations: tuple[str, ...]
) -> list[Tile]:
    limit = strength_limit(maps)
    factor = max(1, round(2 * side / max(maps.shape[1:])))
    return [
        (name, count, place, strength_png(values, limit, factor))
        for name, count, place, values in zip(names, counts, locations, maps, strict=True)
    ]


def _legend() -> alt.Legend:
    import altair as alt

    return alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1)


def _title(text: str) -> alt.Title:
    import altair as alt

    return alt.Title(text, fontWeight="normal", fontSize=12)
