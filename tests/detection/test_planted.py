"""Every convention, planted into a trained network or its data, is found: the accuracy is that of the training."""

from __future__ import annotations

import numpy as np
import pytest

from diag.detection import detect
from tests.detection.planted import accuracy_with, saved

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
CAFFE = np.array([103.939, 116.779, 123.68])


def found_on(trained, network, tmp_path, data=None, tolerance=0.01):
    """Return the detection, having checked that it reaches the accuracy that the network was trained to."""
    model, data = saved(network, tmp_path / "planted.keras"), data or trained.data()
    found = detect(model, data)
    assert accuracy_with(model, found, data) >= trained.accuracy - tolerance, found.verdict()
    assert found.status in ("decided", "equivalent")
    assert found.label_order is None
    assert found.label_rule is None
    return found


def test_the_networks_are_good_enough_to_tell(digits, colours):
    assert digits.accuracy > 0.9
    assert colours.accuracy > 0.85


@pytest.mark.parametrize(
    ("gain", "offset", "pins"),
    [
        (1, 0, {"scale": 1 / 255}),
        (255, 0, {"scale": 1.0}),
        (2, -1, {"scale": 2 / 255, "mean": 1.0}),
        (1, -0.5, {"scale": 1 / 255, "mean": 0.5}),
    ],
)  # fmt: skip
def test_scales(digits, tmp_path, gain, offset, pins):
    found = found_on(digits, digits.network(gain, offset), tmp_path)
    said = {key: value for key, value in found.pins.to_dict().items() if value is not False}
    assert said == pytest.approx(pins)
    assert found.chosen.accuracy > 0.85
    assert found.runner_up().p_value < 0.05


@pytest.mark.parametrize(("gain", "offset"), [(1, 0), (255, 0), (2, -1)])
def test_scales_of_data_in_0_to_1(digits, tmp_path, gain, offset):
    shares = digits.data(images=(digits.images / 255).astype(np.float32))
    found = found_on(digits, digits.network(gain, offset), tmp_path, shares)
    assert found.pins.scale == gain


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_other_ranges_of_data(digits, tmp_path, low):
    # Data in -1..1, and data in 0..16 as scikit-learn has it, for a network that takes 0..1.
    images = digits.images / 127.5 - 1 if low else digits.images / 255 * 16
    found = found_on(digits, digits.network(), tmp_path, digits.data(images=images))
    assert found.pins.scale == (0.5 if low else 1 / 16)
    assert found.chosen.name == "0 to 1"


def test_standardisation_by_the_data(digits, tmp_path):
    # The training set's figures, not the test sample's: what is found comes near enough.
    mean, std = digits.images.mean() / 255, digits.images.std() / 255
    found = found_on(digits, digits.network(1 / std, -mean / std), tmp_path)
    assert found.pins.mean == pytest.approx(mean * 255, rel=0.03)
    assert found.pins.std == pytest.approx(std * 255, rel=0.03)


def test_standardisation_of_each_image(digits, tmp_path, layers):
    from diag._lazy import import_keras

    keras = import_keras()
    keras.utils.set_random_seed(1)
    images = digits.images.astype(np.float32) * np.linspace(0.2, 1, len(digits.images))[:, None, None, None]
    mean, std = images.mean(axis=(1, 2, 3), keepdims=True), images.std(axis=(1, 2, 3), keepdims=True)
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    model.fit((images - mean) / std, digits.labels, epochs=10, verbose=0)
    data = digits.data(images=images.astype(np.uint8))
    assert detect(saved(model, tmp_path / "m.keras"), data).pins.standardize == "image"


@pytest.mark.parametrize(("invert", "transpose"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize(("gain", "offset"), [(1, 0), (2, -1)])
def test_inverted_and_transposed_data(digits, tmp_path, invert, transpose, gain, offset):
    images = 255 - digits.images if invert else digits.images
    images = np.swapaxes(images, 1, 2) if transpose else images
    found = found_on(digits, digits.network(gain, offset), tmp_path, digits.data(images=images))
    assert (found.pins.invert, found.pins.transpose) == (invert, transpose)
    assert found.pins.scale == pytest.approx(gain / 255)


def test_inverted_data_in_other_units(digits, tmp_path):
    found = found_on(digits, digits.network(), tmp_path, digits.data(images=16 - digits.images / 255 * 16))
    assert found.pins.scale == -1 / 16  # 1 - x / 16, which flags can say
    assert found.pins.mean == -1


def test_channels_first_and_a_fixed_batch(digits, colours, tmp_path, layers):
    assert found_on(digits, digits.network(batch=7), tmp_path).pins.scale == 1 / 255
    first = colours.network(255, before=[layers.Permute((2, 3, 1))], shape=(3, 8, 8))
    found = found_on(colours, first, tmp_path)
    assert (found.preprocessing.layout, found.pins.scale) == ("channels_first", 1.0)


@pytest.mark.parametrize("layout", ["flat", "flat_channels_first"])
def test_the_order_of_flat_inputs(colours, tmp_path, layers, layout):
    back = [layers.Reshape((8, 8, 3))]
    if layout == "flat_channels_first":
        back = [layers.Reshape((3, 8, 8)), layers.Permute((2, 3, 1))]
    found = found_on(colours, colours.network(before=back, shape=(192,)), tmp_path)
    assert found.pins.layout == layout
    assert f"--layout {layout}" in found.flags


@pytest.mark.parametrize(
    ("layout", "shape", "back"),
    [("pixels", (64, 1), (8, 8, 1)), ("row", (1, 64), (8, 8, 1)), ("no_channels", (8, 8), (8, 8, 1))],
)
def test_layouts_of_recurrent_and_1d_networks(digits, tmp_path, layers, layout, shape, back):
    found = found_on(digits, digits.network(before=[layers.Reshape(back)], shape=shape), tmp_path)
    assert found.preprocessing.layout == layout


def test_blue_first(colours, tmp_path):
    found = found_on(colours, colours.network(kernel=colours.kernel[:, :, ::-1]), tmp_path)
    assert found.pins.channel_order == "bgr"
    assert found_on(colours, colours.network(), tmp_path).pins.channel_order == "rgb"


@pytest.mark.parametrize("mode", ["torch", "caffe"])
def test_the_conventions_of_keras_applications(colours, tmp_path, mode):
    # torch: (x / 255 - mean) / std; caffe: blue first, x less the means.
    if mode == "torch":
        network = colours.network(1 / STD, -MEAN / STD)
    else:
        network = colours.network(255, -CAFFE, kernel=colours.kernel[:, :, ::-1])
    found = found_on(colours, network, tmp_path)
    if mode == "torch":
        assert (found.pins.mean, found.pins.std) == (tuple(MEAN), tuple(STD))
    else:
        assert (found.pins.mean, found.pins.channel_order, found.pins.scale) == (tuple(CAFFE), "bgr", 1.0)


def test_ways_to_the_models_size(digits, tmp_path, layers):
    # Data with a border of noise that was cut off in training; data that was padded; data that was stretched.
    rng = np.random.default_rng(0)
    bordered = rng.integers(0, 255, (len(digits.images), 12, 12, 1), dtype=np.uint8)
    bordered[:, 2:10, 2:10] = digits.images
    found = found_on(digits, digits.network(), tmp_path, digits.data(images=bordered))
    assert (found.pins.fit, found.pins.resize) == ("center", (8, 8))
    wider = rng.integers(0, 255, (len(digits.images), 8, 14, 1), dtype=np.uint8)
    wider[:, :, 3:11] = digits.images
    assert found_on(digits, digits.network(), tmp_path, digits.data(images=wider)).pins.fit in ("center", "crop")
    padded = digits.network(before=[layers.Cropping2D(2)], shape=(12, 12, 1))
    assert found_on(digits, padded, tmp_path).pins.fit == "center"
    large = np.repeat(np.repeat(digits.images, 2, axis=1), 3, axis=2)
    found = found_on(digits, digits.network(), tmp_path, digits.data(images=large), tolerance=0.03)
    assert found.pins.fit == "stretch"


def test_grey_for_a_colour_network_and_colour_for_a_grey_one(digits, tmp_path):
    third = np.repeat(digits.kernel, 3, axis=2) / 3
    found = found_on(digits, digits.network(kernel=third, shape=(8, 8, 3)), tmp_path)
    assert found.preprocessing.channels == 3
    colour = digits.data(images=np.repeat(digits.images, 3, axis=3))
    assert found_on(digits, digits.network(), tmp_path, colour).preprocessing.channels == 1


def test_a_network_that_scales_its_input(digits, tmp_path, layers):
    found = found_on(digits, digits.network(before=[layers.Rescaling(1 / 255)]), tmp_path)
    assert found.pins.scale == 1.0


def test_candidates_that_are_one_and_the_same_are_a_harmless_tie(digits, tmp_path, layers):
    # The first layer divides each image by its length: 0..1 and 0..255 give the same answers.
    normal = [layers.Reshape((64,)), layers.UnitNormalization(), layers.Rescaling(4.0), layers.Reshape((8, 8, 1))]
    model = saved(digits.network(before=normal), tmp_path / "m.keras")
    found = detect(model, digits.data())
    assert found.status in ("decided", "equivalent")
    assert found.chosen.name == "0 to 255"  # the usual one for a network with a Rescaling layer
    assert "0 to 1" in [row.name for row in found.ties()]
    assert "nearly the same answers" in found.verdict()
    assert found.warnings() == ()
