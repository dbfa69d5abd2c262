"""Charts and tiles of checks: their rows, their colours, one scale."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from diag.results import Faithfulness, MeanMaps, Prototypes
from diag.results.faithfulness import KINDS, ORDERS
from diag.views import trust


def checked(n=2, steps=2, layers=("dense", "conv", "conv")):
    fractions = np.linspace(0, 1, steps + 1)
    height = {"map": 0.2, "random": 0.5, "edges": 0.4}
    return Faithfulness(
        fractions=fractions,
        probabilities={
            (kind, order): np.tile(np.linspace(1, height[kind], steps + 1), (n, 1))
            for kind in KINDS
            for order in ORDERS
        },
        layers=layers,
        correlations=np.full((len(layers), n), 0.75),
        signed_correlations=np.tile([[0.5, -0.5, *[0.0] * (n - 2)]], (len(layers), 1))[:, :n],
        indices=np.arange(n),
        y_pred=np.zeros(n, np.int64),
    )


def rows(spec):
    return [row for values in spec["datasets"].values() for row in values]


def test_curves_have_a_line_and_a_band_for_each_kind():
    spec = trust.faithfulness_chart(checked(), "deletion").to_dict()
    found = rows(spec)
    assert {(row["by"], row["fraction"]): row["mean"] for row in found} == pytest.approx(
        {("map", 0): 1, ("map", 0.5): 0.6, ("map", 1): 0.2, ("random order", 0): 1, ("random order", 0.5): 0.75,
         ("random order", 1): 0.5, ("edges", 0): 1, ("edges", 0.5): 0.7, ("edges", 1): 0.4}
    )  # fmt: skip
    assert all(row["low"] <= row["mean"] + 1e-9 and row["mean"] <= row["high"] + 1e-9 for row in found)
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["area", "line"]
    assert spec["title"]["text"] == "Deletion: lower is better"
    assert spec["width"] == "container"


def test_without_an_order_both_stand_side_by_side():
    spec = trust.faithfulness_chart(checked()).to_dict()
    assert [part["title"]["text"] for part in spec["hconcat"]] == [
        "Deletion: lower is better",
        "Insertion: higher is better",
    ]


def test_never_more_than_5000_rows_and_the_ends_stay():
    spec = trust.faithfulness_chart(checked(steps=4000)).to_dict()
    found = rows(spec)
    assert len(found) < 5000
    assert {0.0, 1.0} <= {row["fraction"] for row in found}
    assert len(rows(trust.sanity_chart(checked(n=8, layers=tuple("abcdef"))).to_dict())) < 5000


def test_one_image_has_no_band():
    assert all(row["low"] is None for row in rows(trust.faithfulness_chart(checked(n=1), "insertion").to_dict()))


def test_sanity_shows_means_and_single_images_and_keeps_layers_of_one_name_apart():
    datasets = trust.sanity_chart(checked()).to_dict()["datasets"].values()
    found, images = (next(rows for rows in datasets if len(rows) == count) for count in (6, 12))
    means = {(row["step"], row["map"]): row["rank_correlation"] for row in found}
    assert means == {
        (step, kind): value
        for step in ("1 dense", "2 conv", "3 conv")
        for kind, value in (("strength alone", 0.75), ("with signs", 0.0))
    }
    single = [row["rank_correlation"] for row in images if row["map"] == "with signs"]
    assert single == [0.5, -0.5] * 3


def test_a_network_without_weights_still_has_a_chart():
    assert trust.sanity_chart(checked(layers=())).to_dict()


def pixels(png):
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_strength_is_white_to_purple():
    shown = pixels(trust.strength_png(np.array([[0.0, 0.5, 1.0, 9.0]]), limit=1.0))[0]
    assert [tuple(colour) for colour in shown] == [trust.STRENGTH[place] for place in (0, 2, 4, 4)]
    assert pixels(trust.strength_png(np.zeros((2, 3)), limit=0.0)).min() == 255
    assert pixels(trust.strength_png(np.zeros((2, 3)), 1.0, factor=4)).shape == (8, 12, 3)
    assert pixels(trust.strength_bar_png(30, 5)).shape == (5, 30, 3)


def test_mean_maps_have_one_scale():
    maps = np.zeros((2, 4, 4))
    maps[0, 0, 0], maps[1, 3, 3] = 2.0, 4.0
    result = MeanMaps(
        maps=maps, signed=maps, groups=("cat", "dog"), pairs=np.array([[0, -1], [1, -1]]), counts=np.array([5, 7]),
        by="true",
    )  # fmt: skip
    (first, second) = trust.mean_map_tiles(result, side=8)
    assert first[:3] == ("cat", 5, "the upper left corner")
    assert second[:3] == ("dog", 7, "the lower right corner")
    assert pixels(first[3]).shape == (16, 16, 3)  # four times as large: about twice eight pixels
    assert tuple(pixels(first[3])[0, 0]) == trust.STRENGTH[2]  # half of the largest
    assert tuple(pixels(second[3])[-1, -1]) == trust.STRENGTH[4]


def test_one_far_stronger_map_does_not_leave_the_others_white():
    maps = np.ones((5, 2, 2))
    maps[0] = 1000
    assert trust.strength_limit(maps) == 2
    assert trust.strength_limit(np.zeros((3, 2, 2))) == 0
    sparse = np.zeros((3, 1, 1))
    sparse[0] = 7
    assert trust.strength_limit(sparse) == 7


def test_clusters_are_called_by_their_share():
    result = Prototypes(
        labels=np.array([0, 0, 0, 1]), indices=np.arange(4), distances=np.zeros(4), embedding=np.zeros((4, 2)),
        sizes=np.array([3, 1]), medoids=np.array([0, 3]), maps=np.ones((2, 3, 3)) / 9, spread=np.zeros(2),
        eigenvalues=np.zeros(3), eigengap=0.5,
    )  # fmt: skip
    assert [tile[:2] for tile in trust.prototype_tiles(result, 6)] == [("75%", 3), ("25%", 1)]
