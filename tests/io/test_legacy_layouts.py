"""Hand-made files in the layouts of Keras 1, early Keras 2 and TF 2, as Keras's own legacy code describes them.

Expected outputs are computed with NumPy from the layers' definitions, or by a model built today with the same weights.
"""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from diag.errors import InvalidInputError, ModelLoadError
from diag.io.audit import audit
from diag.io.datasets import load_dataset
from diag.io.keras_files import load_keras
from diag.io.models import load_model
from tests.io.outputs import close, output
from tests.io.test_audit import dense, layer, sequential, write_h5
from tests.io.test_keras_files import correlate, softmax

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def node(name, *sources):
    """Return what joins a layer to others in a functional model."""
    return {"name": name, "inbound_nodes": [[[source, 0, 0, {}] for source in sources]] if sources else []}


# ---------------------------------------------------------------- layers that are no more


def test_highway_of_keras_1(tmp_path, rng):
    w, carry, b, b_carry = rng.normal(size=(4, 4)), rng.normal(size=(4, 4)), rng.normal(size=4), rng.normal(size=4)
    entry = layer("Highway", "h", activation="tanh", transform_bias=-2, bias=True, batch_input_shape=[None, 4])
    config = {"class_name": "Sequential", "config": [entry]}
    weights = {"h": {"h_W": w, "h_W_carry": carry, "h_b": b, "h_b_carry": b_carry}}
    x = rng.normal(size=(3, 4))
    share = sigmoid(x @ carry + b_carry)
    close(output(load_keras(write_h5(tmp_path / "a.h5", config, weights, keras=1)), x),
          share * np.tanh(x @ w + b) + (1 - share) * x)  # fmt: skip


def test_maxout_of_keras_1(tmp_path, rng):
    w, b = rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 2))
    entry = layer("MaxoutDense", "m", output_dim=2, nb_feature=3, bias=True, batch_input_shape=[None, 4])
    path = write_h5(
        tmp_path / "a.h5", {"class_name": "Sequential", "config": [entry]}, {"m": {"W": w, "b": b}}, keras=1
    )
    x = rng.normal(size=(5, 4))
    close(output(load_keras(path), x), (np.einsum("ni,kio->nko", x, w) + b).max(axis=1))


def test_locally_connected_has_a_kernel_for_every_place(tmp_path, rng):
    kernel, bias = rng.normal(size=(3 * 2, 2 * 2 * 2, 3)), rng.normal(size=(3, 2, 3))
    entry = layer("LocallyConnected2D", "l", filters=3, kernel_size=[2, 2], strides=[1, 1], padding="valid",
                  activation="linear", use_bias=True, batch_input_shape=[None, 4, 3, 2])  # fmt: skip
    path = write_h5(tmp_path / "a.h5", sequential(entry), {"l": {"l/kernel:0": kernel, "l/bias:0": bias}})
    x = rng.normal(size=(2, 4, 3, 2))
    expected = np.stack(
        [
            np.stack([x[:, r : r + 2, c : c + 2].reshape(2, -1) @ kernel[2 * r + c] for c in range(2)], 1)
            for r in range(3)
        ],
        1,
    )
    close(output(load_keras(path), x), expected + bias)


@pytest.mark.parametrize("kind", ["CuDNNLSTM", "CuDNNGRU"])
def test_weights_of_cudnn(tmp_path, rng, kind):
    """cuDNN has each gate's input kernel in its own memory order, recurrent kernels turned, and two biases."""
    import keras

    gates, units = {"CuDNNLSTM": 4, "CuDNNGRU": 3}[kind], 3
    today = keras.layers.LSTM(units) if gates == 4 else keras.layers.GRU(units, reset_after=True)
    model = keras.Sequential([keras.Input((5, 2)), today])
    parts, again = rng.normal(size=(gates, 2, units)), rng.normal(size=(gates, units, units))
    biases = rng.normal(size=(2, gates * units))
    model.set_weights([np.hstack(list(parts)), np.hstack(list(again)), biases.sum(axis=0) if gates == 4 else biases])
    weights = {
        "k": np.hstack([part.T.reshape(part.shape) for part in parts]),
        "r": np.hstack([part.T for part in again]),
        "b": biases.reshape(-1),
    }
    config = sequential(layer(kind, "r", units=units, batch_input_shape=[None, 5, 2], return_sequences=False))
    x = rng.normal(size=(4, 5, 2))
    close(output(load_keras(write_h5(tmp_path / "a.h5", config, {"r": weights})), x), output(model, x))


# ---------------------------------------------------------------- Keras 1


@pytest.mark.parametrize(
    ("mode", "join"),
    [("sum", np.add), ("mul", np.multiply), ("max", np.maximum), ("ave", lambda a, b: (a + b) / 2)],
)
def test_models_merged_at_the_start_of_a_sequential(tmp_path, rng, mode, join):
    """Keras 1 kept whole models in a Merge layer; the result has two inputs."""
    kernels = rng.normal(size=(2, 4, 3))
    branches = [
        {
            "class_name": "Sequential",
            "config": [layer("Dense", f"d{n}", output_dim=3, bias=False, batch_input_shape=[None, 4])],
        }
        for n in range(2)
    ]
    config = {"class_name": "Sequential", "config": [layer("Merge", "m", mode=mode, layers=branches, concat_axis=-1)]}
    weights = {"m": {f"d{n}_W": kernels[n] for n in range(2)}}
    path = write_h5(tmp_path / "a.h5", config, weights, keras=1)
    a, b = rng.normal(size=(2, 5, 4))
    close(output(load_keras(path), a, b), join(a @ kernels[0], b @ kernels[1]))
    assert [end.shape for end in audit(path).inputs] == [(4,), (4,)]


def test_one_dimensional_convolution_of_keras_1(tmp_path, rng):
    kernel, bias = rng.normal(size=(3, 1, 2, 4)), rng.normal(size=4)
    entry = layer("Convolution1D", "c", nb_filter=4, filter_length=3, border_mode="valid", subsample_length=1,
                  bias=True, activation="linear", input_dim=2, input_length=6)  # fmt: skip
    after = layer("MaxPooling1D", "p", pool_length=2, stride=2, border_mode="valid")
    config = {"class_name": "Sequential", "config": [entry, after]}
    path = write_h5(tmp_path / "a.h5", config, {"c": {"c_W": kernel, "c_b": bias}}, keras=1)
    x = rng.normal(size=(2, 6, 2))
    maps = sum(x[:, row : row + 4] @ kernel[row, 0] for row in range(3)) + bias
    close(output(load_keras(path), x), np.maximum(maps[:, 0::2], maps[:, 1::2]))


def test_time_distributed_dense_and_wrapper_of_keras_1(tmp_path, rng):
    first, second = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
    config = {"class_name": "Sequential", "config": [
        layer("TimeDistributedDense", "a", output_dim=4, bias=False, activation="relu", batch_input_shape=[None, 5, 3]),
        layer("TimeDistributed", "b", layer=layer("Dense", "inner", output_dim=2, bias=False, activation="linear")),
    ]}  # fmt: skip
    path = write_h5(tmp_path / "a.h5", config, {"a": {"a_W": first}, "b": {"b_W": second}}, keras=1)
    x = rng.normal(size=(2, 5, 3))
    close(output(load_keras(path), x), np.maximum(x @ first, 0) @ second)


@pytest.mark.parametrize("words", ["without a version", "version 1"])
def test_the_earliest_files_say_no_version(tmp_path, rng, words):
    """No version, no backend, weights at the top of the file: what Keras 1.0 wrote."""
    kernel = rng.normal(size=(2, 1, 2, 2))  # (out, in, h, w)
    entry = layer("Convolution2D", "c", nb_filter=2, nb_row=2, nb_col=2, border_mode="valid", subsample=[1, 1],
                  bias=False, dim_ordering="th", init="uniform", batch_input_shape=[None, 1, 4, 5])  # fmt: skip
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": [entry]})
        if words == "version 1":
            file.attrs["keras_version"] = "1.0.4"
        file.attrs["layer_names"] = [b"c"]
        group = file.create_group("c")
        group.attrs["weight_names"] = [b"c_W"]
        group["c_W"] = kernel.astype(np.float32)
    x = rng.normal(size=(2, 1, 4, 5))
    expected = correlate(x.transpose(0, 2, 3, 1), kernel.transpose(2, 3, 1, 0)).transpose(0, 3, 1, 2)
    close(output(load_keras(path), x), expected)


# ---------------------------------------------------------------- the input's shape is not in the file


def test_input_shapes_that_the_weights_tell(tmp_path, rng):
    cases = [
        (sequential(dense("d", 3)), {"d": {"k": (4, 3), "b": (3,)}}, (4,)),
        (sequential(layer("Flatten", "f"), dense("d", 3)), {"d": {"k": (784, 3), "b": (3,)}}, (784,)),
        (sequential(layer("LSTM", "l", units=2, return_sequences=False), dense("d", 3)),
         {"l": {"k": (5, 8), "r": (2, 8), "b": (8,)}, "d": {"k": (2, 3), "b": (3,)}}, (None, 5)),
        # 3 x 3 over 28 x 28 gives 26 x 26, halved 13 x 13; with 2 channels 338 rows.
        (sequential(layer("Conv2D", "c", filters=2, kernel_size=[3, 3], padding="valid", use_bias=False),
                    layer("MaxPooling2D", "p", pool_size=[2, 2]), layer("Flatten", "f"), dense("d", 3)),
         {"c": {"k": (3, 3, 1, 2)}, "d": {"k": (338, 3), "b": (3,)}}, (28, 28, 1)),
        (sequential(layer("Conv2D", "c", filters=2, kernel_size=[3, 3], use_bias=False),
                    layer("GlobalAveragePooling2D", "g"), dense("d", 3)),
         {"c": {"k": (3, 3, 3, 2)}, "d": {"k": (2, 3), "b": (3,)}}, (None, None, 3)),
    ]  # fmt: skip
    for number, (config, shapes, expected) in enumerate(cases):
        weights = {name: {key: rng.normal(size=shape) for key, shape in own.items()} for name, own in shapes.items()}
        path = write_h5(tmp_path / f"{number}.h5", config, weights)
        file = audit(path)
        assert file.input_shape == expected
        assert "does not say the input's shape" in file.notes[0]
        assert tuple(load_keras(path).inputs[0].shape[1:]) == expected


def test_an_input_shape_that_only_the_caller_knows(tmp_path, rng):
    kernel = rng.normal(size=(12, 3))
    config = sequential(layer("Reshape", "r", target_shape=[12]), dense("d", 3, use_bias=False))
    path = write_h5(tmp_path / "a.h5", config, {"d": {"k": kernel}})
    with pytest.raises(ModelLoadError, match=r"--input-shape HxWxC"):
        load_keras(path)
    x = rng.normal(size=(2, 3, 4, 1))
    model = load_model(path, input_shape=(3, 4, 1))
    close(output(model.keras, x), softmax(x.reshape(2, -1) @ kernel))
    assert model.native_shape == (3, 4, 1)


def test_open_sizes_of_an_input_are_filled_from_the_first_dense_layer(tmp_path, rng):
    """A convolution on (None, None, 1) before Flatten: Keras 3 says "Shapes used to initialize variables must ..."."""
    kernel = rng.normal(size=(32 * 32 * 2, 3))
    entries = [
        {**layer("InputLayer", "i", batch_input_shape=[None, None, None, 1]), **node("i")},
        {**layer("Conv2D", "c", filters=2, kernel_size=[1, 1], use_bias=False), **node("c", "i")},
        {**layer("Flatten", "f"), **node("f", "c")},
        {**dense("d", 3, use_bias=False), **node("d", "f")},
    ]
    ends = {"input_layers": [["i", 0, 0]], "output_layers": [["d", 0, 0]]}
    config = {"class_name": "Model", "config": {"name": "m", "layers": entries, **ends}}
    first = rng.normal(size=(1, 1, 1, 2))
    path = write_h5(tmp_path / "a.h5", config, {"c": {"k": first}, "d": {"k": kernel}})
    x = rng.normal(size=(2, 32, 32, 1))
    assert audit(path).input_shape == (32, 32, 1)
    close(output(load_keras(path), x), softmax((x @ first[0, 0]).reshape(2, -1) @ kernel))


# ---------------------------------------------------------------- several outputs and inputs


def two_headed(tmp_path, rng, second="linear", **ends):
    kernels = {"cls": rng.normal(size=(4, 3)), "box": rng.normal(size=(4, 5))}
    entries = [
        {**layer("InputLayer", "i", batch_input_shape=[None, 4]), **node("i")},
        {**dense("cls", 3, use_bias=False), **node("cls", "i")},
        {**dense("box", 5, use_bias=False, activation=second), **node("box", "i")},
    ]
    ends = {"output_layers": [["cls", 0, 0], ["box", 0, 0]], **ends}
    config = {"class_name": "Model", "config": {"name": "m", "layers": entries, "input_layers": [["i", 0, 0]], **ends}}
    path = write_h5(tmp_path / "two.h5", config, {name: {"k": kernel} for name, kernel in kernels.items()})
    return path, kernels


def test_the_output_that_looks_like_a_classifier_is_taken(tmp_path, rng):
    path, kernels = two_headed(tmp_path, rng)
    model, x = load_model(path), rng.normal(size=(2, 4))
    close(output(model.keras, x), softmax(x @ kernels["cls"]))
    assert (model.n_classes, model.file.output) == (3, "cls")
    assert "only 'cls' looks like a classifier" in model.output_notes()[0]
    other = load_model(path, output="box")
    close(output(other.keras, x), x @ kernels["box"])
    assert other.n_classes == 5
    assert len({model.digest, other.digest, load_model(path, output="cls").digest}) == 3


def test_two_classifiers_ask_for_a_choice(tmp_path, rng):
    path, kernels = two_headed(tmp_path, rng, second="softmax")
    with pytest.raises(ModelLoadError, match=r"2 outputs. Choose one: --output NAME .* of cls, box"):
        load_model(path)
    with pytest.raises(InvalidInputError, match=r"expected one of cls, box. Received: 'x'"):
        load_model(path, output="x")
    path.with_suffix(".toml").write_text('output = "box"')
    x = rng.normal(size=(2, 4))
    close(output(load_model(path).keras, x), softmax(x @ kernels["box"]))
    close(output(load_model(path, output="cls").keras, x), softmax(x @ kernels["cls"]))


def test_outputs_in_a_dictionary(tmp_path, rng):
    path, kernels = two_headed(tmp_path, rng, output_layers={"b": ["box", 0, 0], "a": ["cls", 0, 0]})
    x = rng.normal(size=(2, 4))
    assert [end.name for end in audit(path).outputs] == ["b", "a"]
    close(output(load_model(path, output="a").keras, x), softmax(x @ kernels["cls"]))


def test_several_inputs_are_fed_by_name(tmp_path, rng):
    """The picture and two further numbers; y = softmax([flat picture, numbers] k)."""
    kernel, images, meta = rng.normal(size=(18, 3)), rng.uniform(size=(9, 4, 4, 1)), rng.normal(size=(9, 2))
    entries = [
        {**layer("InputLayer", "meta", batch_input_shape=[None, 2]), **node("meta")},
        {**layer("InputLayer", "img", batch_input_shape=[None, 4, 4, 1]), **node("img")},
        {**layer("Flatten", "f"), **node("f", "img")},
        {**layer("Concatenate", "c", axis=-1), **node("c", "f", "meta")},
        {**dense("d", 3, use_bias=False), **node("d", "c")},
    ]
    ends = {"input_layers": [["meta", 0, 0], ["img", 0, 0]], "output_layers": [["d", 0, 0]]}
    config = {"class_name": "Model", "config": {"name": "m", "layers": entries, **ends}}
    path = write_h5(tmp_path / "in.h5", config, {"d": {"k": kernel}})
    np.savez(tmp_path / "d.npz", img=images.astype(np.float32), meta=meta, y=np.arange(9) % 3)
    data = load_dataset(tmp_path / "d.npz")
    model = load_model(path)
    assert (model.native_shape, data.images.shape) == ((4, 4, 1), (9, 4, 4, 1))
    expected = softmax(np.concatenate([images.reshape(9, -1), meta], axis=1) @ kernel)
    settled = model.resolve(data.images)[0]
    close(settled.predict_proba(data.images, batch_size=4), expected)
    some = data.subset([5, 2])
    close(settled.predict_proba(some.images), expected[[5, 2]])
    np.testing.assert_array_equal(some.inputs["meta"], meta[[5, 2]])
    with pytest.raises(InvalidInputError, match="also takes meta"):
        settled.predict_proba(images)


# ---------------------------------------------------------------- architecture apart


def test_a_function_of_the_users_builds_the_architecture(tmp_path, rng, monkeypatch):
    (tmp_path / "nets_for_test.py").write_text(
        "import keras\n\n"
        "def small():\n"
        "    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation='softmax', name='d')])\n"
    )
    monkeypatch.chdir(tmp_path)
    kernel, x = rng.normal(size=(4, 3)), rng.normal(size=(2, 4))
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [b"other"]
        group = file.create_group("other")
        group.attrs["weight_names"] = [b"k", b"b"]
        group["k"], group["b"] = kernel.astype(np.float32), np.zeros(3, np.float32)
    model = load_model(tmp_path / "w.h5", architecture="nets_for_test:small")
    close(output(model.keras, x), softmax(x @ kernel))
    model.keras.save_weights(tmp_path / "new.weights.h5")  # Keras 3's own layout
    again = load_model(tmp_path / "new.weights.h5", architecture="nets_for_test:small")
    close(output(again.keras, x), softmax(x @ kernel))
    assert again.n_params == 15
    for wrong in ("nets_for_test:missing", "no_such_module:f", "nets_for_test:keras"):
        with pytest.raises(ModelLoadError, match="--architecture"):
            load_model(tmp_path / "w.h5", architecture=wrong)


def test_an_architecture_is_audited_like_a_file(tmp_path, rng):
    (tmp_path / "evil.json").write_text(json.dumps(sequential(layer("MyLayer", "mine", batch_input_shape=[None, 4]))))
    (tmp_path / "no.json").write_text('{"a": 1}')
    path = write_h5(tmp_path / "w.h5", sequential(dense("d", 3)), {"d": {"k": rng.normal(size=(4, 3))}})
    with pytest.raises(Exception, match="not one of Keras's own"):
        load_model(path, architecture=tmp_path / "evil.json").keras  # noqa: B018
    with pytest.raises(ModelLoadError, match="without class_name and config"):
        load_model(path, architecture=tmp_path / "no.json")


# ---------------------------------------------------------------- Keras 3 with what is not Keras's


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_own_initializers_losses_and_arguments_do_not_matter(tmp_path, rng, ending):
    """The author's own initializer and loss, and an argument of a later version, in files of Keras 3."""
    import zipfile

    import keras

    start = keras.Input((6, 6, 2))
    x = keras.layers.Flatten()(keras.layers.Conv2D(3, 3, name="c")(start))
    model = keras.Model(start, keras.layers.Dense(2, name="d")(x))
    model.save(tmp_path / f"a.{ending}")
    own = {"class_name": "Mine", "config": {}, "module": "mine.things", "registered_name": "mine>Mine"}
    if ending == "h5":
        with h5py.File(tmp_path / "a.h5", "a") as file:
            config = _odd(json.loads(file.attrs["model_config"]), own)
            file.attrs["model_config"] = json.dumps(config)
            file.attrs["training_config"] = json.dumps({"loss": own})
    else:
        with zipfile.ZipFile(tmp_path / "a.keras") as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        config = _odd(json.loads(parts["config.json"]), own)
        config["compile_config"] = {"loss": own}
        parts["config.json"] = json.dumps(config).encode()
        with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
    images = rng.normal(size=(2, 6, 6, 2))
    close(output(load_keras(tmp_path / f"a.{ending}"), images), output(model, images))


def _odd(config, own):
    for entry in config["config"]["layers"]:
        if entry["class_name"] in ("Conv2D", "Dense"):
            entry["config"] |= {"kernel_initializer": own, "bias_regularizer": own, "argument_of_keras_4": True}
    return config
