"""Pieces of the Trust page: the verdict of the checks, and tiles of mean maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st
from diag_loaders import load_mean_maps
from diag_maps import UNITS
from diag_parts import SHORT, card, framed
from diag_state import plain

import diag
from diag.views.trust import mean_map_tiles, prototype_tiles, strength_bar_png, strength_limit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.results import Evaluation, Faithfulness, MeanMaps, Prototypes
    from diag.views.trust import Tile

PARTS = {"checks": "Faithfulness", "where": "Where classes look", "ways": "Prototypes"}
HEIGHT = 340
SIDE, LARGE = 84, 112
MOST = 48
CARDS = 4
READ = (
    "Deletion replaces pixels by the mean reference, what the map marks most first. If the map is right, the "
    "probability falls faster than when pixels go at random, or edges first. Insertion brings them back in that order. "
    "The third chart draws the network's weights anew, layer after layer: maps that stay alike show the image, "
    "not what the model learned."
)


def asked(run: Evaluation) -> bool:
    """Draw the button that starts the checks, once a model; return whether they are wanted."""
    name = f"checked-{run.model.digest}-{run.data.digest}"
    if not st.session_state.get(name):
        st.caption(READ)
        # The callback runs before the page does: the button is gone when the checks begin.
        st.button(
            "Check the maps of this model", icon=":material/fact_check:", type="primary",
            on_click=lambda: st.session_state.update({name: True}),
        )  # fmt: skip
    return bool(st.session_state.get(name))


def draw_verdict(found: Faithfulness) -> None:
    """Draw the verdict in the colour of what it says, and what was checked."""
    box, icon = st.info, ":material/info:"
    if found.passed:
        box, icon = st.success, ":material/check_circle:"
    elif not found.beats_random:
        box, icon = st.warning, ":material/warning:"
    box(plain(found.verdict()), icon=icon)
    st.caption(
        f"{len(found)} images, as many of each class as can be; bands are 95% intervals over images. "
        f"{plain(found.method)}. {plain(found.background_note)}",
        help=READ,
    )


def draw_scale(maps: NDArray[Any], unit: str) -> None:
    """Draw the colour bar of maps without signs."""
    limit = strength_limit(maps)
    more = " and more" if maps.max(initial=0) > limit else ""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.image(strength_bar_png(), width=160)
        st.caption(f"0 to {limit:.2g}{more} {unit} a pixel, for and against alike, mean over the images", width=520)


def draw_mean_maps(maps: MeanMaps, side: int = SIDE) -> None:
    """Draw a tile a group, and what they were made with."""
    draw_scale(maps.maps, UNITS[maps.target])
    draw_tiles(mean_map_tiles(maps, side), side)
    st.caption(note(maps))


def draw_cell(run: Evaluation, cell: tuple[int, int]) -> None:
    """Draw the mean map of the chosen cell of the confusion matrix, on a scale of its own."""
    st.markdown("**The chosen cell of the confusion matrix**")
    if not len(run.cell(*cell)):
        st.caption("This model has no image in it.")
        return
    maps = load_mean_maps(run, cell)
    if maps.contrast:
        st.caption("Why the predicted class rather than the true one")
    draw_mean_maps(maps, LARGE)


def draw_tiles(tiles: list[Tile], side: int = SIDE) -> None:
    """Draw mean maps with their group, number of images and place; those with most images where there are too many."""
    shown = sorted(sorted(range(len(tiles)), key=lambda place: -tiles[place][1])[:MOST])
    if len(shown) < len(tiles):
        st.caption(f"The {len(shown)} of {len(tiles)} classes with most images")
    with st.container(horizontal=True, gap="small"):
        for name, count, place, png in (tiles[number] for number in shown):
            with st.container(width=side + 24, gap=None):
                st.image(framed(png), width=side)
                st.caption(f"**{plain(name, SHORT)}**  \n{images(count)}  \n{plain(place)}")


def images(count: int) -> str:
    """Return a number of images in words."""
    return "1 image" if count == 1 else f"{count:,} images"


def note(maps: MeanMaps | Prototypes) -> str:
    """Return what maps were made with."""
    return f"{plain(maps.method)}. {plain(maps.background_note)}"


def draw_clusters(run: Evaluation, found: Prototypes) -> None:
    """Draw each way of looking: its mean map, and its most typical images."""
    alone = diag.compare([run])
    st.caption("Each way of looking: its mean map, then its most typical images, the medoid first")
    for cluster, (share, count, place, png) in enumerate(prototype_tiles(found, LARGE)):
        st.markdown(f"**{share}** of the images ({images(count)}), judged by {plain(place)}")
        with st.container(horizontal=True, gap="small"):
            with st.container(width=LARGE + 24, gap=None):
                st.image(framed(png), width=LARGE)
            for index in found.members(cluster)[:CARDS].tolist():
                with st.container(width=LARGE + 24, gap=None):
                    card(alone, index, f"way-{cluster}-{index}")
