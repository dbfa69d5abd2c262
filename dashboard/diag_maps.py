"""Maps of one image in every model: which classes, one colour scale, and how far models disagree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from diag_loaders import load_attribution, load_proba
from diag_parts import SHORT, framed, said
from diag_state import plain

from diag import disagreement
from diag.errors import DiagError, InvalidInputError
from diag.views.figures import map_tiles, shared_limit
from diag.views.images import attribution_png, colour_bar_png, overlay_png, to_uint8

if TYPE_CHECKING:
    from diag.results import Attribution, Comparison, Evaluation
    from diag.views.figures import MapTile

TARGETS = {"probability": "Probability", "logit": "Logit"}
METHODS = {"deepshap": "DeepSHAP", "expected_gradients": "Expected gradients (an estimate)"}
UNITS = {"probability": "of probability", "logit": "of the logit"}
MOST = 12
"""Classes up to which all are shown."""
SIDE, LARGE, GAP = 84, 140, 16
ONE_ROW = 6
"""Fewer classes stand in one row, more in two."""
DIFFERENCE = (
    "1 minus the cosine similarity of the two maps, channels summed. 0: they mark the same pixels in the same "
    "proportions. 1: they have nothing in common. 2: one is the opposite of the other. How strong a map is does not "
    "count. Both models are asked the first one's question, whatever they answer."
)


@dataclass(frozen=True, slots=True)
class Block:
    """A model with its maps of an image, or why there are none."""

    name: str
    run: Evaluation
    index: int
    maps: Attribution | None
    message: str = ""


def load_blocks(comparison: Comparison, index: int, target: str, method: str) -> list[Block]:
    """Return every model's maps of an image, all of the same classes."""
    outputs = shown_classes(comparison, index)
    blocks = []
    for name, run in zip(comparison.names, comparison.runs, strict=True):
        try:
            blocks.append(Block(name, run, index, load_attribution(run, index, outputs, target, method)))
        except DiagError as error:
            blocks.append(Block(name, run, index, None, str(error)))
    return blocks


def shown_classes(comparison: Comparison, index: int) -> tuple[int, ...]:
    """Return the classes to show: all, or the true one, each model's first two, and the five most probable of any."""
    first = comparison.runs[0]
    if first.n_classes <= MOST:
        return tuple(range(first.n_classes))
    proba = np.stack([load_proba(run, index) for run in comparison.runs])
    likely = np.argsort(-proba.max(axis=0), kind="stable")
    wanted = {*np.argsort(-proba, axis=1, kind="stable")[:, :2].ravel().tolist(), *likely[:5].tolist()}
    true = int(first.samples["y_true"][index])
    return true, *(number for number in likely.tolist() if number in wanted - {true})


def draw_blocks(blocks: list[Block], target: str, strength: float) -> None:
    """Draw the colour bar, and below it model after model."""
    shown = [block for block in blocks if block.maps is not None]
    tiles = {block.name: map_tiles(block.maps, 0) for block in shown if block.maps is not None}
    limit = shared_limit([tile for found in tiles.values() for tile in found])
    if shown:
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.image(colour_bar_png(), width=160)
            st.caption(
                f"±{limit:.2g} {UNITS[target]} a pixel, in all maps below. Red speaks for the class, blue against it.",
                width=520,
            )
    for block in blocks:
        draw_block(block, shown[0] if shown else block, tiles.get(block.name, []), limit, strength)


def draw_block(block: Block, first: Block, tiles: list[MapTile], limit: float, strength: float) -> None:
    """Draw what a model says, why this rather than that, a map a class, how far from `first`'s, and how exact."""
    maps, says = block.maps, f"**{plain(block.name)}** says {said(block.run, block.index)}"
    if maps is None:
        st.markdown(says)
        other = " Choose it above: *Expected gradients*." if "expected_gradients" in block.message else ""
        st.warning(plain(block.message) + other, icon=":material/info:")
        return
    estimate = "estimate" in maps.method
    st.markdown(f"{says} :orange-badge[estimate]" if estimate else says)
    contrasts, classes = (tuple(tile for tile in tiles if tile.is_contrast is kind) for kind in (True, False))
    with st.container(horizontal=True, gap="small"):
        for tile in contrasts:
            draw_tile(tile, block, limit, strength, LARGE)
        across = len(classes) if len(classes) < ONE_ROW else math.ceil(len(classes) / 2)
        with st.container(horizontal=True, gap="small", width=across * (SIDE + GAP)):
            for tile in classes:
                draw_tile(tile, block, limit, strength, SIDE)
    if block is not first:
        st.caption(difference(first, block), help=DIFFERENCE)
    error = f"Additivity error {float(maps.additivity_error[0]):.1e}."
    st.caption(f"{plain(maps.method)}. {plain(error)} {plain(maps.background_note)}")
    if maps.warning():
        st.warning(plain(maps.warning()), icon=":material/warning:")


def draw_tile(tile: MapTile, block: Block, limit: float, strength: float, side: int) -> None:
    """Draw one map and what it speaks of."""
    if block.maps is not None:
        with st.container(width=side, gap=None):
            st.image(tile_png(tile, block, limit, strength, side), width=side)
            st.caption(tile_caption(tile, block.maps))


def tile_caption(tile: MapTile, maps: Attribution) -> str:
    """Return what stands below a map."""
    wrong = maps.y_true is not None and 0 <= maps.y_true[0] != maps.y_pred[0]
    if tile.is_contrast:
        kind = f"predicted rather than {'true' if wrong else 'second most probable'}"
        return f"**{plain(tile.label, 2 * SHORT)}** {tile.output:+.3f}  \n{kind}"
    roles = {"predicted": maps.y_pred, "true": maps.y_true}
    names = [role for role, held in roles.items() if held is not None and maps.class_names[held[0]] == tile.label]
    role = "right answer" if len(names) > 1 else "".join(names)
    return f"**{plain(tile.label, SHORT)}** {tile.output:.3f}  \n{role}"


def tile_png(tile: MapTile, block: Block, limit: float, strength: float, side: int) -> bytes:
    """Return one map as a PNG, on white, or over its image where `strength` is above 0."""
    factor = max(1, round(2 * side / max(tile.values.shape)))
    if strength > 0 and block.maps is not None:
        return framed(overlay_png(picture(block.maps, block.run), tile.values, limit, strength, factor))
    return framed(attribution_png(tile.values.repeat(factor, axis=0).repeat(factor, axis=1), limit))


def picture(maps: Attribution, run: Evaluation) -> Any:
    """Return the image below a map, paler: the data's own, or as the model sees it where that has another size."""
    own = np.asarray(run.data.images[int(maps.indices[0])])
    image = to_uint8(own if own.shape[:2] == maps.images.shape[1:3] else maps.images[0])
    return 255 - (255 - image) // 2  # red and blue do not show on black


def difference(first: Block, block: Block) -> str:
    """Return how far a model's maps differ from the first model's, on the first one's question and its answer."""
    ours, theirs = first.maps, block.maps
    if ours is None or theirs is None:
        return ""
    asked = ours.contrast()
    answer, rival = int(asked.outputs[0, 0]), int(asked.versus[0, 0]) if asked.versus is not None else None
    try:
        contrast = float(disagreement(asked, theirs.contrast(answer, rival))[0, 0])
        single = float(disagreement(ours, theirs)[0, ours.outputs[0].tolist().index(answer)])
    except InvalidInputError:
        return f"No disagreement with {plain(first.name)} can be given: the maps differ in size"
    return (
        f"Disagreement with {plain(first.name)}: **{contrast:.2f}** on why {plain(asked.labels(0)[0])}, "
        f"**{single:.2f}** on {plain(ours.class_names[answer])}"
    )
