"""Kernels, activations and curves as a notebook shows them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from diag.errors import InvalidInputError
from diag.io.histories import load_history
from diag.results.activations import Activations
from diag.results.attribution import Attribution
from diag.results.training import training
from diag.views.figures import activation_figure, attribution_figure, kernel_figure
from diag.views.training_figure import training_chart


def pixels(picture):
    with Image.open(io.BytesIO(picture.png)) as page:
        return np.asarray(page.convert("RGB"))


def some_activations(layers, n=1):
    images = np.full((n, 4, 6, 1), 90, np.uint8)
    return Activations(layers, np.arange(7, 7 + n), images, model_name="model", model_digest="m")


def test_a_layer_alone_is_black_to_white_a_tile_a_filter():
    # Two filters of 2x2, enlarged 32 times: a tile of 64 pixels in a frame of 2.
    values = np.array([[[0, 5], [1, 5]], [[2, 5], [4, 9]]], np.float32)
    page = pixels(activation_figure(values))[..., 0]
    assert page.shape == (68, 136)
    assert page[2:66:32, 2:66:32].tolist() == [[0, 64], [128, 255]]
    assert page[2:66:32, 70:134:32].tolist() == [[0, 0], [0, 255]]


def test_every_layer_is_drawn_under_its_name(captions):
    rng = np.random.default_rng(0)
    layers = {"first": rng.random((1, 6, 6, 4)), "second": rng.random((1, 3, 3, 8))}
    picture = activation_figure(some_activations(layers))
    assert picture.alt == "model, image 7; first: 4 filters of 6x6; second: 8 filters of 3x3"
    one, two = (pixels(activation_figure(values[0])) for values in layers.values())
    page = pixels(picture)
    for sheet in (one, two):
        # Each layer's sheet stands in the page, twice as large.
        large = sheet.repeat(2, axis=0).repeat(2, axis=1)
        places = range(page.shape[0] - large.shape[0] + 1)
        assert any((page[y : y + large.shape[0], 16 : 16 + large.shape[1]] == large).all() for y in places)
    scale = "Each tile has its own grey scale: black its lowest value, white its highest."
    assert [said for said, _ in captions] == [*picture.alt.split("; "), scale]
    # The image, 4x6 of one grey, stands above them: enlarged 21 times to fit 128 pixels, and twice for sharp screens.
    grey = (page == 90).all(axis=2)
    assert (grey.sum(axis=0).max(), grey.sum(axis=1).max()) == (2 * 21 * 4, 2 * 21 * 6)


def test_of_several_images_the_first_is_drawn(captions):
    layers = {"first": np.random.default_rng(0).random((2, 6, 6, 4))}
    both = pixels(activation_figure(some_activations(layers, 2)))
    assert captions[-1][0].startswith("The first of 2 images. Each tile")
    one = pixels(activation_figure(some_activations({"first": layers["first"][:1]})))
    np.testing.assert_array_equal(both[:-60], one[:-60])  # all but the note


def test_filters_that_are_left_out_are_said():
    picture = activation_figure(some_activations({"first": np.zeros((1, 2, 2, 9))}), most=5)
    assert picture.alt == "model, image 7; first: the first 5 of 9 filters of 2x2"
    with pytest.raises(
        InvalidInputError, match=r"answer with maps. Received: head, whose answers have the shape \(3,\)"
    ):
        activation_figure(some_activations({"head": np.zeros((1, 3))}))


def test_of_all_kernels_those_of_the_first_layer_are_drawn():
    rng = np.random.default_rng(0)
    kernels = {"first": rng.random((3, 3, 1, 4)), "second": rng.random((5, 5, 4, 8))}
    picture = kernel_figure(kernels)
    assert picture.alt == "first: 4 kernels of 3x3"
    assert picture.png == kernel_figure({"first": kernels["first"]}).png
    # Over several input channels a kernel is their mean.
    deep = rng.random((3, 3, 2, 4))
    assert kernel_figure(deep).png == kernel_figure(deep.mean(axis=2, keepdims=True)).png


def test_no_layer_and_no_image_are_said():
    with pytest.raises(InvalidInputError, match="network without one"):
        kernel_figure({})
    with pytest.raises(InvalidInputError, match="expected a layer and an image"):
        activation_figure(some_activations({}))
    with pytest.raises(InvalidInputError, match="expected a layer and an image"):
        activation_figure(some_activations({"first": np.zeros((0, 2, 2, 1))}, 0))


def some_maps(name="model", y_true=(0, 1, -1)):
    values = np.random.default_rng(0).normal(size=(3, 4, 4, 1, 2)).astype(np.float32)
    return Attribution(
        values=values,
        base_values=np.zeros((3, 2)),
        predictions=np.full((3, 2), 0.5, np.float32),
        images=np.zeros((3, 4, 4, 1), np.float32),
        indices=np.array([5, 8, 9]),
        outputs=np.tile([0, 1], (3, 1)),
        class_names=("cat", "dog"),
        y_pred=np.zeros(3, int),
        y_true=None if y_true is None else np.array(y_true),
        model_name=name,
    )


def test_maps_say_which_image_it_is_and_what_it_was_taken_for(captions):
    picture = attribution_figure(some_maps())
    said = [text for text, _ in captions]
    feet = [said[place + 1] for place, text in enumerate(said) if text.startswith("index")]
    assert feet == ["right", "dog, taken for cat", "predicted cat"]
    assert [text for text in said if text.startswith("index")] == ["index 5", "index 8", "index 9"]
    assert picture.alt == "Attribution maps of model: 3 images, a column a class"
    assert picture.width * 2 == pixels(picture).shape[1]


def test_maps_of_two_models_have_their_names_and_the_image_below(captions):
    attribution_figure([some_maps("one"), some_maps("two")])
    said = [text for text, _ in captions]
    place = said.index("two")
    assert said[place + 1].startswith("index 5")


def test_loss_and_accuracy_stand_side_by_side(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("epoch,loss,accuracy,val_loss,val_accuracy\n0,2.0,0.5,1.5,0.6\n1,1.0,0.7,1.2,0.8\n")
    spec = training_chart(training({"one": load_history(path), "two": load_history(path)})).to_dict()
    drawn = [spec["datasets"][part["data"]["name"]] for part in spec["hconcat"]]
    for values, metric, last in zip(drawn, ("loss", "accuracy"), (1.2, 0.8), strict=True):
        assert {row["metric"] for row in values} == {metric}
        assert {(row["model"], row["split"]) for row in values} == {
            (model, split) for model in ("one", "two") for split in ("train", "validation")
        }
        assert [row["value"] for row in values if row["epoch"] == 2 and row["split"] == "validation"] == [last, last]
    # A legend in one chart picks the model out in both.
    assert [param["name"] for param in spec["params"]] == ["run"]


def test_a_history_without_loss_and_accuracy_is_said(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("epoch,lr\n0,0.1\n1,0.2\n")
    with pytest.raises(InvalidInputError, match="with loss or accuracy"):
        training_chart(training({"one": load_history(path)}))
