"""Kernels and activations: against NumPy, and against Keras's own layers."""

from __future__ import annotations

import numpy as np
import pytest

import diag
from diag.errors import InvalidInputError, UnsupportedModelError
from tests.fakes import save_model


@pytest.fixture(scope="module")
def layers():
    from diag._lazy import import_keras

    return import_keras().layers


def test_one_convolution_by_hand(tmp_path, layers):
    # A 2x2 kernel of ones over the pixels 0..8, divided by 255 by the preprocessing: sums of the four neighbours.
    model = save_model(
        tmp_path / "m.keras", [layers.Conv2D(1, 2, name="c"), layers.Flatten(), layers.Dense(2)], (3, 3, 1)
    )
    model.get_layer("c").set_weights([np.ones((2, 2, 1, 1)), np.zeros(1)])
    model.save(tmp_path / "m.keras")
    opened = diag.load_model(tmp_path / "m.keras")
    found = diag.activations(opened, np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1), cache=False)
    assert list(found) == ["c"]
    np.testing.assert_allclose(found["c"][0, ..., 0] * 255, [[8, 12], [20, 24]], rtol=1e-5)
    assert found.frame()["active"].tolist() == [1.0]
    kernel = diag.kernels(opened)
    assert kernel["c"].shape == (2, 2, 1, 1)
    assert (kernel["c"] == 1).all()
    assert not kernel["c"].flags.writeable


def test_channels_first_comes_out_channels_last(tmp_path, layers):
    stack = [layers.Conv2D(4, 2, data_format="channels_first", name="c"), layers.Flatten(), layers.Dense(2)]
    save_model(tmp_path / "m.keras", stack, (1, 6, 5))
    opened = diag.load_model(tmp_path / "m.keras")
    assert diag.activations(opened, np.ones((2, 6, 5, 1)))["c"].shape == (2, 5, 4, 4)


def test_nested_models_and_chosen_layers(tmp_path, layers):
    from diag._lazy import import_keras

    keras = import_keras()
    inner = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(2, 3, name="deep")], name="inner")
    model = save_model(tmp_path / "m.keras", [inner, layers.Flatten(), layers.Dense(3, name="head")], (6, 6, 1))
    opened = diag.load_model(tmp_path / "m.keras")
    images = np.random.default_rng(0).random((2, 6, 6, 1), dtype=np.float32)
    found = diag.activations(opened, images, layers=["head", "inner/deep"], indices=[1])
    assert list(found) == ["head", "inner/deep"]
    np.testing.assert_allclose(found["head"], model(images[1:]), atol=1e-6)
    np.testing.assert_allclose(found["inner/deep"], inner(images[1:]), atol=1e-6)
    assert found.indices.tolist() == [1]
    np.testing.assert_array_equal(found.images, images[1:])
    assert not found.images.flags.writeable


def test_a_network_inside_a_graph_and_a_layer_that_is_used_twice(tmp_path, layers):
    from diag._lazy import import_keras

    keras = import_keras()
    inner = keras.Sequential([keras.Input((6, 6, 2)), layers.Conv2D(2, 3, name="deep")], name="inner")
    start = keras.Input((6, 6, 1))
    twice = layers.Conv2D(2, 3, padding="same", name="twice")
    first = twice(layers.Concatenate()([start, start]))
    end = layers.Dense(3)(layers.GlobalAveragePooling2D()(inner(twice(first))))
    keras.Model(start, end).save(tmp_path / "m.keras")
    images = np.random.default_rng(0).random((2, 6, 6, 1), dtype=np.float32)
    found = diag.activations(diag.load_model(tmp_path / "m.keras"), images, cache=False)
    by_hand = twice(np.concatenate([images, images], axis=3))
    np.testing.assert_allclose(found["twice"], by_hand, atol=1e-6)  # of its first use
    np.testing.assert_allclose(found["inner/deep"], inner(twice(by_hand)), atol=1e-6)


def test_kinds_of_kernels(tmp_path, layers):
    stack = [
        layers.DepthwiseConv2D(3, name="depth"),
        layers.SeparableConv2D(5, 3, name="separable"),
        layers.Conv2DTranspose(4, 2, name="transposed"),
        layers.Flatten(),
        layers.Dense(2),
    ]
    save_model(tmp_path / "m.keras", stack, (8, 8, 3))
    shapes = {name: kernel.shape for name, kernel in diag.kernels(diag.load_model(tmp_path / "m.keras")).items()}
    assert shapes == {"depth": (3, 3, 3, 1), "separable": (3, 3, 3, 1), "transposed": (2, 2, 5, 4)}


def test_the_cache_gives_the_same(tmp_path, layers, empty_cache):
    save_model(tmp_path / "m.keras", [layers.Conv2D(2, 2, name="a_b"), layers.Flatten(), layers.Dense(2)], (4, 4, 1))
    opened, images = diag.load_model(tmp_path / "m.keras"), np.ones((1, 4, 4, 1))
    first, again = (diag.activations(opened, images) for _ in range(2))
    np.testing.assert_array_equal(first["a_b"], again["a_b"])


def test_refusals(tmp_path, layers):
    from pathlib import Path

    save_model(tmp_path / "m.keras", [layers.Flatten(), layers.Dense(2)], (4, 4, 1))
    opened = diag.load_model(tmp_path / "m.keras")
    assert len(diag.activations(opened, np.ones((1, 4, 4, 1)))) == 0
    assert len(diag.kernels(opened)) == 0
    with pytest.raises(InvalidInputError, match="'nose'"):
        diag.activations(opened, np.ones((1, 4, 4, 1)), layers=["nose"])
    with pytest.raises(InvalidInputError, match=r"0\.\.0"):
        diag.activations(opened, np.ones((1, 4, 4, 1)), indices=[1])
    with pytest.raises(InvalidInputError, match=r"indices: expected at least one image\. Received: none"):
        diag.activations(opened, np.ones((1, 4, 4, 1)), indices=[])
    with pytest.raises(InvalidInputError, match=r"indices: expected numbers of images, 0\.\.0\. Received: float64"):
        diag.activations(opened, np.ones((1, 4, 4, 1)), indices=[0.5])
    linear = Path(__file__).resolve().parents[2] / "saved_models" / "digits" / "logistic_l2.skops"
    with pytest.raises(UnsupportedModelError, match="scikit-learn LogisticRegression"):
        diag.kernels(diag.load_model(linear))
