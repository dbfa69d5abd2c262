"""What published files have that Keras's own documentation does not lead one to expect.

Configurations are written out by hand; expected outputs are computed with NumPy from the layers' definitions.
"""

from __future__ import annotations

import json
import sys

import h5py
import numpy as np
import pytest

from diag.errors import ModelLoadError, UnsafeModelError
from diag.io.early_keras import completed, from_keras_0
from diag.io.keras_files import load_keras
from diag.io.models import load_model
from tests.io.outputs import close, output
from tests.io.test_audit import dense, layer, sequential, write_h5
from tests.io.test_keras_files import correlate, softmax

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def write_by_place(path, *layers):
    """Write weights as Keras did before version 1: ``layer_0/param_0``."""
    with h5py.File(path, "w") as file:
        file.attrs["nb_layers"] = len(layers)
        for number, arrays in enumerate(layers):
            group = file.create_group(f"layer_{number}")
            group.attrs["nb_params"] = len(arrays)
            for place, array in enumerate(arrays):
                group.create_dataset(f"param_{place}", data=np.asarray(array, np.float32))
    return path


def write_json(path, values):
    path.write_text(json.dumps(values))
    return path


def old(name, **values):
    return {"name": name, "custom_name": name.lower(), "cache_enabled": True, "trainable": True, **values}


def node(entry, *sources):
    name = entry["config"]["name"]
    return {**entry, "name": name, "inbound_nodes": [[[source, 0, 0, {}] for source in sources]] if sources else []}


def functional(entries, inputs, outputs):
    ends = {"input_layers": [[name, 0, 0] for name in inputs], "output_layers": [[name, 0, 0] for name in outputs]}
    return {"class_name": "Model", "config": {"name": "m", "layers": entries, **ends}}


# ---------------------------------------------------------------- before version 1


def test_keras_before_version_1(tmp_path, rng):
    # Theano slides a kernel turned by 180 degrees. Eleven layers: layer_10 comes after layer_9, not after layer_1.
    kernel, bias = rng.normal(size=(2, 1, 2, 2)), rng.normal(size=2)
    w, b = rng.normal(size=(32, 3)), rng.normal(size=3)
    layers = [
        old("Convolution2D", nb_filter=2, nb_row=2, nb_col=2, subsample=[1, 1], border_mode="valid", dim_ordering="th",
            activation="linear", input_shape=[1, 5, 5], W_constraint=None),
        old("Flatten"),
        *[old("Dropout", p=0.5)] * 8,
        old("Dense", output_dim=3, activation="softmax", input_dim=None),
    ]  # fmt: skip
    text = write_json(tmp_path / "net.json", {"name": "Sequential", "layers": layers, "optimizer": {"name": "SGD"}})
    path = write_by_place(tmp_path / "net.h5", [kernel, bias], *[[]] * 9, [w, b])
    model = load_model(path, architecture=text)
    x = rng.normal(size=(2, 1, 5, 5))
    turned = np.transpose(kernel[:, :, ::-1, ::-1], (2, 3, 1, 0))
    maps = np.transpose(correlate(np.transpose(x, (0, 2, 3, 1)), turned) + bias, (0, 3, 1, 2))
    close(output(model.keras, x), softmax(maps.reshape(2, -1) @ w + b))
    assert model.file.n_params == 8 + 2 + 96 + 3
    assert any("Theano" in note for note in model.file.notes)


def test_keras_before_version_1_kept_standard_deviations(tmp_path, rng):
    gamma, beta, mean, spread = rng.normal(size=4), rng.normal(size=4), rng.normal(size=4), rng.uniform(0.5, 2, 4)
    w = rng.normal(size=(4, 3))
    layers = [old("BatchNormalization", epsilon=0.01, mode=0, momentum=0.9, input_shape=[4]),
              old("Dense", output_dim=3, activation="softmax")]  # fmt: skip
    text = write_json(tmp_path / "net.json", {"name": "Sequential", "layers": layers})
    path = write_by_place(tmp_path / "net.h5", [gamma, beta, mean, spread], [w, np.zeros(3)])
    x = rng.normal(size=(5, 4))
    expected = softmax((gamma * (x - mean) / (spread + 0.01) + beta) @ w)
    close(output(load_model(path, architecture=text).keras, x), expected)


def test_branches_before_version_1_are_brought_to_version_1():
    branch = {"name": "Sequential", "layers": [old("Dense", output_dim=2, input_shape=[3])]}
    merged = from_keras_0({"name": "Sequential", "layers": [old("Merge", mode="concat", layers=[branch])]}, "a.json")
    inner = merged["config"][0]["config"]["layers"][0]
    assert (inner["class_name"], inner["config"][0]["class_name"]) == ("Sequential", "Dense")
    assert merged["backend"] == "theano"


def test_a_graph_before_version_1_is_refused(tmp_path):
    text = write_json(tmp_path / "net.json", {"name": "Graph", "nodes": {}, "node_config": []})
    with pytest.raises(ModelLoadError, match="Received: Graph, which no later Keras has"):
        load_model(write_by_place(tmp_path / "net.h5", [np.ones((2, 2))]), architecture=text)


def test_weights_by_place_for_an_architecture_of_keras_1(tmp_path, rng):
    w, b = rng.normal(size=(4, 3)), rng.normal(size=3)
    config = {"class_name": "Sequential", "keras_version": "1.0.3", "config": [
        layer("Dropout", "drop", p=0.5, batch_input_shape=[None, 4]), layer("Dense", "d", output_dim=3, bias=True,
        activation="softmax")]}  # fmt: skip
    text, path = write_json(tmp_path / "net.json", config), write_by_place(tmp_path / "net.h5", [], [w, b])
    x = rng.normal(size=(2, 4))
    close(output(load_model(path, architecture=text).keras, x), softmax(x @ w + b))


# ---------------------------------------------------------------- Keras 1


def conv_1(name, **more):
    return layer("Convolution2D", name, nb_filter=2, nb_row=1, nb_col=1, subsample=[1, 1], border_mode="valid",
                 dim_ordering="th", activation="linear", bias=False, **more)  # fmt: skip


def test_padding_that_does_not_say_the_order_of_its_axes(tmp_path, rng):
    kernel = rng.normal(size=(2, 1, 1, 1))
    config = {"class_name": "Sequential", "config": [
        conv_1("c", batch_input_shape=[None, 1, 2, 3]), layer("ZeroPadding2D", "z", padding=[1, 2])]}  # fmt: skip
    path = write_h5(tmp_path / "a.h5", config, {"c": {"c_W": kernel}}, keras=1)
    x = rng.normal(size=(2, 1, 2, 3))
    expected = np.pad(x * kernel.reshape(1, 2, 1, 1), [(0, 0), (0, 0), (1, 1), (2, 2)])
    close(output(load_keras(path), x), expected)


@pytest.mark.parametrize(
    "padding", [{"top_pad": 1, "bottom_pad": 0, "left_pad": 2, "right_pad": 3}, [1, 0, 2, 3], [[1, 0], [2, 3]]]
)
def test_padding_of_each_side(tmp_path, rng, padding):
    config = {"class_name": "Sequential", "config": [
        layer("ZeroPadding2D", "z", padding=padding, dim_ordering="tf", batch_input_shape=[None, 2, 2, 1]),
        layer("Flatten", "f"), layer("Dense", "d", output_dim=2, bias=False, activation="linear")]}  # fmt: skip
    w = rng.normal(size=(21, 2))
    path = write_h5(tmp_path / "a.h5", config, {"d": {"W": w}}, keras=1)
    x = rng.normal(size=(2, 2, 2, 1))
    close(output(load_keras(path), x), np.pad(x, [(0, 0), (1, 0), (2, 3), (0, 0)]).reshape(2, -1) @ w)


def test_padding_of_sequences():
    entry = layer("ZeroPadding1D", "z", padding={"left_pad": 1, "right_pad": 2})
    assert completed({"class_name": "Sequential", "config": [entry]})["config"][0]["config"]["padding"] == [1, 2]


def test_normalization_of_each_sample(tmp_path, rng):
    gamma, beta = rng.normal(size=5), rng.normal(size=5)
    entry = layer("BatchNormalization", "n", mode=1, axis=-1, epsilon=1e-6, momentum=0.9, batch_input_shape=[None, 5])
    weights = {"n": {"g": gamma, "b": beta, "m": np.zeros(5), "s": np.ones(5)}}
    path = write_h5(tmp_path / "a.h5", {"class_name": "Sequential", "config": [entry]}, weights, keras=1)
    x = rng.normal(size=(3, 5))
    centred = x - x.mean(-1, keepdims=True)
    close(output(load_keras(path), x), gamma * centred / x.std(-1, keepdims=True) + beta)


def test_normalization_by_the_batch_at_hand_is_refused(tmp_path):
    entry = layer("BatchNormalization", "n", mode=2, axis=-1, epsilon=1e-6, batch_input_shape=[None, 5])
    weights = {"n": {key: np.ones(5) for key in "gbms"}}
    path = write_h5(tmp_path / "a.h5", {"class_name": "Sequential", "config": [entry]}, weights, keras=1)
    with pytest.raises(ModelLoadError, match="mode 2 normalizes each batch by itself"):
        load_keras(path)


@pytest.mark.parametrize("rate", ["0.5", 30, None])
def test_strange_dropout_rates(tmp_path, rng, rate):
    w = rng.normal(size=(4, 3))
    config = {"class_name": "Sequential", "config": [layer("Dropout", "o", p=rate, batch_input_shape=[None, 4]),
              layer("Dense", "d", output_dim=3, bias=False, activation="softmax")]}  # fmt: skip
    x = rng.normal(size=(2, 4))
    close(output(load_keras(write_h5(tmp_path / "a.h5", config, {"d": {"W": w}}, keras=1)), x), softmax(x @ w))


# ---------------------------------------------------------------- Keras 2


def test_the_backend_may_stand_in_the_configuration_only(tmp_path, rng):
    kernel = rng.normal(size=(2, 2, 1, 2))
    entry = layer("Conv2D", "c", filters=2, kernel_size=[2, 2], use_bias=False, batch_input_shape=[None, 4, 4, 1])
    config = sequential(entry) | {"backend": "theano", "keras_version": "2.0.8"}
    path = write_h5(tmp_path / "a.h5", config, {"c": {"c/kernel:0": kernel}}, backend=None)
    x = rng.normal(size=(2, 4, 4, 1))
    close(output(load_keras(path), x), correlate(x, kernel[::-1, ::-1]))


def test_shapes_written_as_objects(tmp_path, rng):
    w = rng.normal(size=(4, 3))
    shape = {"class_name": "TensorShape", "items": [None, 4]}
    config = sequential(layer("InputLayer", "i", batch_input_shape=shape), dense("d", 3, use_bias=False))
    x = rng.normal(size=(2, 4))
    close(output(load_keras(write_h5(tmp_path / "a.h5", config, {"d": {"d/kernel:0": w}})), x), softmax(x @ w))


def test_a_model_that_is_called_twice_gives_two_outputs(tmp_path, rng):
    # Keras 1 and 2 count its calls from 1; the weights of the last layer tell the two calls apart.
    inner, last = rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
    twin = {**sequential(dense("q", 2, activation="tanh", use_bias=False, batch_input_shape=[None, 3])), "name": "twin",
            "inbound_nodes": [[["a", 0, 0, {}]], [["b", 0, 0, {}]]]}  # fmt: skip
    twin["config"]["name"] = "twin"
    both = {**layer("Concatenate", "both", axis=-1), "name": "both", "inbound_nodes": [[["twin", 1, 0, {}],
            ["twin", 2, 0, {}]]]}  # fmt: skip
    ends = [node(layer("InputLayer", name, batch_input_shape=[None, 3])) for name in "ab"]
    config = functional([*ends, twin, both, node(dense("d", 2, use_bias=False), "both")], "ab", "d")
    path = write_h5(tmp_path / "a.h5", config, {"twin": {"q/kernel:0": inner}, "d": {"d/kernel:0": last}})
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    close(output(load_keras(path), a, b), softmax(np.hstack([np.tanh(a @ inner), np.tanh(b @ inner)]) @ last))


def test_arguments_that_a_base_class_took(tmp_path, rng):
    entry = layer("SpatialDropout2D", "s", rate=0.2, noise_shape=None, seed=None, batch_input_shape=[None, 2, 2, 1])
    w = rng.normal(size=(4, 3))
    path = write_h5(
        tmp_path / "a.h5", sequential(entry, layer("Flatten", "f"), dense("d", 3, use_bias=False)), {"d": {"k": w}}
    )
    x = rng.normal(size=(2, 2, 2, 1))
    close(output(load_keras(path), x), softmax(x.reshape(2, 4) @ w))


def test_layers_of_autokeras_are_replaced_not_imported(tmp_path, rng, monkeypatch):
    package = tmp_path / "autokeras"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    w = rng.normal(size=(4, 3))

    def custom(kind, name, **config):
        more = {"module": "autokeras.keras_layers", "registered_name": f"Custom>{kind}"}
        return layer(kind, name, dtype="float32", **config) | more

    config = sequential(
        layer("InputLayer", "i", batch_input_shape=[None, 2, 2]), custom("CastToFloat32", "cast"),
        custom("ExpandLastDim", "axis"), layer("Flatten", "f"), dense("d", 3, use_bias=False))  # fmt: skip
    x = rng.normal(size=(2, 2, 2))
    expected = softmax(x.reshape(2, 4) @ w)
    close(output(load_keras(write_h5(tmp_path / "a.h5", config, {"d": {"d/kernel:0": w}})), x), expected)
    assert "autokeras" not in sys.modules
    config["config"]["layers"][1]["module"] = "elsewhere.keras_layers"
    with pytest.raises(UnsafeModelError, match=r"'cast' .* is not one of Keras's own"):
        load_keras(write_h5(tmp_path / "b.h5", config, {"d": {"d/kernel:0": w}}))


def operation(name, function, source, **arguments):
    entry = layer("TFOpLambda", name, function=function)
    return {**entry, "name": name, "inbound_nodes": [[source, 0, 0, arguments]]}


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        ("nn.max_pool2d", {"ksize": 2, "strides": 2, "padding": "VALID"}, "blocks max"),
        ("nn.avg_pool2d", {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}, "blocks mean"),
        ("nn.space_to_depth", {"block_size": 2}, "blocks"),
        ("split", {"num_or_size_splits": [1, 3], "axis": 2}, "right"),
        ("split", {"num_or_size_splits": 2, "axis": 1}, "lower"),
    ],
)
def test_operations_of_tensorflow(tmp_path, rng, function, arguments, expected):
    x = rng.normal(size=(2, 4, 4, 1))
    blocks = x.reshape(2, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(2, 2, 2, 4)
    part = {"blocks max": blocks.max(-1), "blocks mean": blocks.mean(-1), "blocks": blocks, "right": x[:, :, 1:],
            "lower": x[:, 2:]}[expected].reshape(2, -1)  # fmt: skip
    w = rng.normal(size=(part.shape[1], 3))
    flat = layer("Flatten", "f")
    tensor = 1 if function == "split" else 0
    config = functional(
        [node(layer("InputLayer", "i", batch_input_shape=[None, 4, 4, 1])), operation("op", function, "i", **arguments),
         {**flat, "name": "f", "inbound_nodes": [[["op", 0, tensor, {}]]]}, node(dense("d", 3, use_bias=False), "f")],
        "i", "d")  # fmt: skip
    close(output(load_keras(write_h5(tmp_path / "a.h5", config, {"d": {"d/kernel:0": w}})), x), softmax(part @ w))


def test_a_model_that_is_called_for_two_sizes(tmp_path, rng):
    kernel, last = rng.normal(size=(1, 1, 1, 2)), rng.normal(size=(4, 2))
    twin = sequential(
        layer("Conv2D", "c", filters=2, kernel_size=[1, 1], use_bias=False, batch_input_shape=[None, None, None, 1]),
        layer("GlobalMaxPooling2D", "g"))  # fmt: skip
    twin |= {"name": "twin", "inbound_nodes": [[["i", 0, 0, {}]], [["p", 0, 0, {}]]]}
    both = {**layer("Concatenate", "both", axis=-1), "name": "both", "inbound_nodes": [[["twin", 1, 0, {}],
            ["twin", 2, 0, {}]]]}  # fmt: skip
    config = functional(
        [node(layer("InputLayer", "i", batch_input_shape=[None, 4, 4, 1])),
         node(layer("AveragePooling2D", "p", pool_size=[2, 2], strides=None), "i"), twin, both,
         node(dense("d", 2, use_bias=False), "both")], "i", "d")  # fmt: skip
    path = write_h5(tmp_path / "a.h5", config, {"twin": {"c/kernel:0": kernel}, "d": {"d/kernel:0": last}})
    x = rng.normal(size=(2, 4, 4, 1))
    small = x.reshape(2, 2, 2, 2, 2).mean(axis=(2, 4))[..., None]
    halves = [(size @ kernel[0, 0]).max(axis=(1, 2)) for size in (x, small)]
    close(output(load_keras(path), x), softmax(np.hstack(halves) @ last))


def test_masks_in_h5_files_of_keras_3(tmp_path):
    # Keras 3 writes a mask as an operation without its module into .h5, and does not open the file itself.
    import keras

    given = keras.Input((5,))
    x = keras.layers.LSTM(3)(keras.layers.Embedding(7, 4, mask_zero=True)(given))
    model = keras.Model(given, keras.layers.Dense(2, activation="softmax")(x))
    model.save(tmp_path / "a.h5")
    tokens = np.array([[1, 2, 3, 0, 0], [4, 0, 5, 6, 0]])
    close(output(load_keras(tmp_path / "a.h5"), tokens), output(model, tokens))
