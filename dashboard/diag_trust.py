"""Pieces of the Trust page: the verdict of the checks, and tiles of mean maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
from diag_parts import card
from diag_state import plain

import diag
from diag.views.trust import prototype_tiles, strength_bar_png

if TYPE_CHECKING:
    from diag.results import Evaluation, Faithfulness, MeanMaps, Prototypes
    from diag.views.trust import Tile

PARTS = {"checks": "Are maps faithful", "where": "Where classes look", "ways": "Ways of looking at a class"}
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


def draw_scale(text: str) -> None:
    """Draw the colour bar of maps without signs."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.image(strength_bar_png(), width=160)
        st.caption(text, width=520)


def draw_tiles(tiles: list[Tile], side: int = SIDE) -> None:
    """Draw mean maps with their group, number of images and place; those with most images where there are too many."""
    shown = sorted(sorted(range(len(tiles)), key=lambda place: -tiles[place][1])[:MOST])
    if len(shown) < len(tiles):
        st.caption(f"The {len(shown)} of {len(tiles)} classes with most images")
    with st.container(horizontal=True, gap="small"):
        for name, count, place, png in (tiles[number] for number in shown):
            with st.container(width=side + 24, gap=None):
                st.image(png, width=side)
                st.caption(f"**{plain(name)}**  \n{images(count)}  \n{plain(place)}")


def images(count: int) -> str:
    """Return a number of images in words."""
    return "1 image" if count == 1 else f"{count:,} images"


def note(maps: MeanMaps | Prototypes) -> str:
    """Return what maps were made with."""
    return f"{plain(maps.method)}. {plain(maps.background_note)}"


def draw_clusters(run: Evaluation, found: Prototypes) -> None:
    """Draw each way of looking: its mean map, and its most typical images."""
    alone = diag.compare([run])
    for cluster, (share, count, place, png) in enumerate(prototype_tiles(found, LARGE)):
        st.markdown(f"**{share}** of the images ({images(count)}), judged by {plain(place)}")
        with st.container(horizontal=True, gap="small"):
            with st.container(width=LARGE + 24, gap=None):
                st.image(png, width=LARGE)
                st.caption("mean map")
            for order, index in enumerate(found.members(cluster)[:CARDS].tolist()):
                with st.container(width=LARGE + 24, gap=None):
                    card(alone, index, f"way-{cluster}-{index}")
                    st.caption("most typical" if order == 0 else "")
