"""Loading Keras files of three generations. Expected outputs are computed here with NumPy from the same weights."""

from __future__ import annotations

import copy
import json
import zipfile

import h5py
import numpy as np
import pytest

from diag.errors import DiagError, ModelLoadError, UnsafeModelError
from diag.io.audit import audit
from diag.io.keras_files import load_keras
from tests.io.outputs import output
from tests.io.test_audit import dense, layer, linear_file, sequential, write_h5

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def correlate(images, kernel):
    """Valid 2D correlation of (n, h, w, in) with (kh, kw, in, out), by its definition."""
    kh, kw = kernel.shape[:2]
    n, h, w, _ = images.shape
    out = np.zeros((n, h - kh + 1, w - kw + 1, kernel.shape[3]))
    for row in range(kh):
        for column in range(kw):
            window = images[:, row : row + h - kh + 1, column : column + w - kw + 1]
            out += np.einsum("nhwi,io->nhwo", window, kernel[row, column])
    return out


def old_hard_sigmoid(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def lstm(x, kernel, recurrent, bias, units):
    """The last state of an LSTM (gates i, f, c, o) with the hard sigmoid of Keras 1 and 2."""
    h = c = np.zeros((len(x), units))
    for step in range(x.shape[1]):
        i, f, g, o = np.split(x[:, step] @ kernel + h @ recurrent + bias, 4, axis=1)
        c = old_hard_sigmoid(f) * c + old_hard_sigmoid(i) * np.tanh(g)
        h = old_hard_sigmoid(o) * np.tanh(c)
    return h


# ---------------------------------------------------------------- files of Keras 3


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_what_keras_3_saves_comes_back(tmp_path, rng, ending):
    import keras

    layers = [keras.Input((4,)), keras.layers.Dense(5, activation="relu"), keras.layers.BatchNormalization()]
    model = keras.Sequential([*layers, keras.layers.Dropout(0.5), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    model.save(tmp_path / f"m.{ending}")
    loaded = load_keras(tmp_path / f"m.{ending}")
    x = rng.normal(size=(3, 4))
    np.testing.assert_allclose(output(loaded, x), output(model, x), rtol=1e-6)
    assert not loaded.compiled


# ---------------------------------------------------------------- files of Keras 2


def test_batch_normalization_order(tmp_path, rng):
    gamma, beta, mean, variance = rng.uniform(0.5, 2, size=(4, 3))
    named = zip(("gamma", "beta", "moving_mean", "moving_variance"), (gamma, beta, mean, variance), strict=True)
    config = sequential(
        layer(
            "BatchNormalization", "bn", axis=[1], epsilon=0.001, momentum=0.99, batch_input_shape=[None, 3], fused=None
        )
    )
    path = write_h5(tmp_path / "bn.h5", config, {"bn": {f"bn/{name}:0": value for name, value in named}})
    x = rng.normal(size=(5, 3))
    expected = gamma * (x - mean) / np.sqrt(variance + 0.001) + beta  # the layer's definition
    np.testing.assert_allclose(output(load_keras(path), x), expected, rtol=1e-4, atol=1e-5)


def test_what_training_needed_and_slashes_in_names_do_not_matter(tmp_path, rng):
    kernel, bias = rng.normal(size=(4, 3)), rng.normal(size=3)
    config = sequential(
        dense(
            "block/d", 3, activation="softmax_v2", batch_input_shape=[None, 4],
            dtype={"class_name": "Policy", "config": {}}, kernel_regularizer={"class_name": "Mine", "config": {}},
            kernel_initializer={"class_name": "Own", "config": {}},
        )
    )  # fmt: skip
    path = write_h5(tmp_path / "a.h5", config, {"block/d": {"k:0": kernel, "b:0": bias}})
    x = rng.normal(size=(2, 4))
    np.testing.assert_allclose(output(load_keras(path), x), softmax(x @ kernel + bias), rtol=1e-5)
    assert audit(path).activation == "softmax"


@pytest.mark.parametrize("backend", ["tensorflow", "theano"])
def test_theano_turned_kernels_round(tmp_path, rng, backend):
    kernel, images = rng.normal(size=(2, 3, 1, 2)), rng.normal(size=(2, 1, 5, 6))
    config = sequential(
        layer("Conv2D", "c", filters=2, kernel_size=[2, 3], strides=[1, 1], padding="valid", activation="linear",
              data_format="channels_first", use_bias=False, batch_input_shape=[None, 1, 5, 6])
    )  # fmt: skip
    path = write_h5(tmp_path / "c.h5", config, {"c": {"c/kernel:0": kernel}}, backend=backend)
    used = kernel[::-1, ::-1] if backend == "theano" else kernel  # a true convolution, not a correlation
    expected = correlate(images.transpose(0, 2, 3, 1), used).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(output(load_keras(path), images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("first", [True, False])
def test_nested_model(tmp_path, rng, first):
    """The nested model's weights lie in its own group, named by the inner layers; it may be the first layer."""
    (k1, k2), (b1, b2) = rng.normal(size=(2, 4, 4)), rng.normal(size=(2, 4))
    entries = [
        {**layer("InputLayer", "i", batch_input_shape=[None, 4]), "name": "i", "inbound_nodes": []},
        {**dense("e/1", 4, activation="relu"), "name": "e/1", "inbound_nodes": [[["i", 0, 0, {}]]]},
    ]
    ends = {"input_layers": [["i", 0, 0]], "output_layers": [["e/1", 0, 0]]}
    inner = {"class_name": "Model", "config": {"name": "inner", "layers": entries, **ends}}
    before = [] if first else [layer("Activation", "a", activation="linear", batch_input_shape=[None, 4])]
    weights = {"inner": {"e/1/kernel:0": k1, "e/1/bias:0": b1}, "d": {"d/kernel:0": k2, "d/bias:0": b2}}
    path = write_h5(tmp_path / "n.h5", sequential(*before, inner, dense("d", 4)), weights)
    x = rng.normal(size=(3, 4))
    expected = softmax(np.maximum(x @ k1 + b1, 0) @ k2 + b2)
    np.testing.assert_allclose(output(load_keras(path), x), expected, rtol=1e-4)
    assert audit(path).n_params == 40  # twice 4 * 4 + 4


def test_bidirectional_with_the_old_hard_sigmoid(tmp_path, rng):
    kernels, recurrents, biases = rng.normal(size=(2, 3, 8)), rng.normal(size=(2, 2, 8)), rng.normal(size=(2, 8))
    inner = layer("LSTM", "l", units=2, activation="tanh", recurrent_activation="hard_sigmoid", implementation=1)
    config = sequential(layer("Bidirectional", "bi", layer=inner, merge_mode="concat", batch_input_shape=[None, 5, 3]))
    parts = zip(("forward", "backward"), kernels, recurrents, biases, strict=True)
    weights = {f"{way}/{name}:0": a for way, *arrays in parts for name, a in zip("krb", arrays, strict=True)}
    model = load_keras(write_h5(tmp_path / "b.h5", config, {"bi": weights}))
    x = rng.normal(size=(4, 5, 3))
    ways = [lstm(x, kernels[0], recurrents[0], biases[0], 2), lstm(x[:, ::-1], kernels[1], recurrents[1], biases[1], 2)]
    np.testing.assert_allclose(output(model, x), np.concatenate(ways, axis=1), rtol=1e-4, atol=1e-6)


# ---------------------------------------------------------------- files of Keras 1


def test_convolution_of_keras_1(tmp_path, rng):
    """Kernels are kept (out, in, h, w) there; one image of a fixed batch, a Dense named by output_dim."""
    kernel, bias, last = rng.normal(size=(2, 3, 3, 3)), rng.normal(size=2), rng.normal(size=(24, 3))
    conv = layer(
        "Convolution2D", "c", nb_filter=2, nb_row=3, nb_col=3, border_mode="valid", subsample=[1, 1], dim_ordering="th",
        init="glorot_uniform", activation="relu", bias=True, W_regularizer=None, input_dtype="float32",
        batch_input_shape=[2, 3, 5, 6],
    )  # fmt: skip
    end = layer("Dense", "d", output_dim=3, init="uniform", activation="softmax", bias=False, input_dim=None)
    config = {"class_name": "Sequential", "config": [conv, layer("Dropout", "p", p=0.5), layer("Flatten", "f"), end]}
    weights = {"c": {"c_W": kernel, "c_b": bias}, "d": {"d_W": last}}
    model = load_keras(write_h5(tmp_path / "k1.h5", config, weights, keras=1, backend=None))
    images = rng.normal(size=(2, 3, 5, 6))
    maps = np.maximum(correlate(images.transpose(0, 2, 3, 1), kernel.transpose(2, 3, 1, 0)) + bias, 0)
    flat = maps.transpose(0, 3, 1, 2).reshape(2, -1)  # Keras 1 flattened channels first
    np.testing.assert_allclose(output(model, images), softmax(flat @ last), rtol=1e-4, atol=1e-5)


def test_lstm_of_keras_1(tmp_path, rng):
    """Twelve weights, W, U, b of the gates i, c, f, o in that order."""
    gates = {gate: (rng.normal(size=(3, 2)), rng.normal(size=(2, 2)), rng.normal(size=2)) for gate in "icfo"}
    config = layer("LSTM", "l", output_dim=2, activation="tanh", inner_activation="hard_sigmoid", consume_less="cpu",
                   dropout_W=0.0, inner_init="orthogonal", batch_input_shape=[None, 4, 3])  # fmt: skip
    weights = {f"l_{part}_{gate}": gates[gate][place] for gate in "icfo" for place, part in enumerate("WUb")}
    model = load_keras(
        write_h5(tmp_path / "l.h5", {"class_name": "Sequential", "config": [config]}, {"l": weights}, keras=1)
    )
    x = rng.normal(size=(3, 4, 3))
    joined = [np.concatenate([gates[gate][part] for gate in "ifco"], axis=-1) for part in range(3)]
    np.testing.assert_allclose(output(model, x), lstm(x, *joined, 2), rtol=1e-4, atol=1e-6)


def test_gru_of_keras_1(tmp_path, rng):
    """Nine weights, W, U, b of the gates z, r, h; the reset gate acts before the recurrent product."""
    gates = {gate: (rng.normal(size=(3, 2)), rng.normal(size=(2, 2)), rng.normal(size=2)) for gate in "zrh"}
    config = layer("GRU", "g", output_dim=2, activation="tanh", inner_activation="hard_sigmoid",
                   batch_input_shape=[None, 4, 3])  # fmt: skip
    weights = {f"g_{part}_{gate}": gates[gate][place] for gate in "zrh" for place, part in enumerate("WUb")}
    model = load_keras(
        write_h5(tmp_path / "g.h5", {"class_name": "Sequential", "config": [config]}, {"g": weights}, keras=1)
    )
    x, h = rng.normal(size=(3, 4, 3)), np.zeros((3, 2))
    for step in range(4):
        z, r = (old_hard_sigmoid(x[:, step] @ gates[g][0] + h @ gates[g][1] + gates[g][2]) for g in "zr")
        new = np.tanh(x[:, step] @ gates["h"][0] + (r * h) @ gates["h"][1] + gates["h"][2])
        h = z * h + (1 - z) * new
    np.testing.assert_allclose(output(model, x), h, rtol=1e-4, atol=1e-6)


def test_merge_of_keras_1(tmp_path, rng):
    kernel = rng.normal(size=(4, 3))
    entries = [
        {**layer("InputLayer", "i", batch_input_shape=[None, 4]), "name": "i", "inbound_nodes": []},
        {**layer("Dense", "d", output_dim=3, bias=False), "name": "d", "inbound_nodes": [[["i", 0, 0]]]},
        {
            **layer("Merge", "m", mode="concat", concat_axis=-1, mode_type="raw"),
            "name": "m",
            "inbound_nodes": [[["i", 0, 0], ["d", 0, 0]]],
        },
    ]
    ends = {"input_layers": [["i", 0, 0]], "output_layers": [["m", 0, 0]]}
    config = {"class_name": "Model", "config": {"name": "x", "layers": entries, **ends}}
    x = rng.normal(size=(2, 4))
    model = load_keras(write_h5(tmp_path / "m.h5", config, {"d": {"d_W": kernel}}, keras=1))
    np.testing.assert_allclose(output(model, x), np.concatenate([x, x @ kernel], axis=1), rtol=1e-5)


# ---------------------------------------------------------------- refusals


def _lambda(name="lam", **more):
    return layer("Lambda", name, function=["4wAAAA==", None, None], function_type="lambda", **more)


UNSAFE = {
    "Lambda": _lambda(batch_input_shape=[None, 5, 4]),
    "wrapped Lambda": layer("TimeDistributed", "td", layer=_lambda(), batch_input_shape=[None, 5, 4]),
    "nested Lambda": {"class_name": "Sequential", "config": {"name": "s", "layers": [_lambda()]}},
    "SavedModel": layer("TFSMLayer", "lam", filepath="/somewhere", batch_input_shape=[None, 5, 4]),
    "own class": layer("MyLayer", "lam", batch_input_shape=[None, 5, 4]),
    "own module": {**layer("Dense", "lam", units=3), "module": "mine.layers", "registered_name": "mine>Dense"},
    "no layer of Keras": {**layer("get_file", "lam"), "module": "keras.utils"},
}


@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize("kind", UNSAFE)
def test_code_is_refused_by_name(tmp_path, kind, keras):
    config = sequential(copy.deepcopy(UNSAFE[kind]), dense("d", 3))
    path = write_h5(tmp_path / "a.h5", config, {}, keras=keras)
    expected = ModelLoadError if (kind, keras) == ("own class", 3) else UnsafeModelError
    with pytest.raises(expected, match=r"lam|MyLayer"):
        load_keras(path)


def test_lambda_in_an_archive(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x - len(x.shape), name="shift")])
    model.save(tmp_path / "a.keras")
    with pytest.raises(UnsafeModelError, match="'shift' is a Lambda"):
        load_keras(tmp_path / "a.keras")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (sequential(dense("d", 3, batch_input_shape=[None, 5])), r"\(5, 3\). Received: \(4, 3\)"),
        (sequential(layer("Reshape", "a", target_shape=[4]), dense("d", 3)), "input shape"),
        (sequential(), "input shape"),
        (sequential(dense("d", 3, batch_input_shape=[None, 4]), dense("e", 3)), "2 layers with weights"),
        (sequential(dense("d", 2 * 10**9, batch_input_shape=[None, 4])), "units=2,000,000,000"),
        (sequential(layer("Flatten", "f", batch_input_shape=[None, 10**6, 10**6])), "too many"),
        (
            sequential(layer("Conv2D", "c", filters=1, kernel_size=[10**7, 1], batch_input_shape=[None, 4, 4, 1])),
            "kernel_size=10,000,000",
        ),
        (sequential(layer("Highway", "h", batch_input_shape=[None, 4])), "layer h: its weights"),
        (sequential(layer("Merge", "m", mode="lambda", layers=[])), "a mode that Keras 3 no longer has"),
        (sequential(dense("d", 3, batch_input_shape=["a", -4])), "cannot build"),
        ({"class_name": "MyModel", "config": {}}, "MyModel"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(tmp_path, config, says):
    weights = {"d": {"d/kernel:0": np.ones((4, 3)), "d/bias:0": np.ones(3)}}
    with pytest.raises(ModelLoadError, match=says) as caught:
        load_keras(write_h5(tmp_path / "a.h5", config, weights))
    assert "\n" not in str(caught.value)


def test_two_outputs(tmp_path):
    import keras

    entry = keras.Input((4,))
    keras.Model(entry, [keras.layers.Dense(2)(entry), keras.layers.Dense(3)(entry)]).save(tmp_path / "a.keras")
    with pytest.raises(ModelLoadError, match=r"2 outputs. Choose one: --output NAME"):
        load_keras(tmp_path / "a.keras")


def test_a_skops_file_is_no_keras_model(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.skops", "w") as archive:
        archive.writestr("schema.json", json.dumps({"__class__": "LogisticRegression", "content": {}}))
    with pytest.raises(ModelLoadError, match="skops"):
        load_keras(tmp_path / "a.skops")


def test_mutated_configurations_end_in_one_line(tmp_path):
    """Every value of a good configuration replaced in turn: loading works, or says why not."""
    path = linear_file(tmp_path / "a.h5")
    good = sequential(
        layer("Conv2D", "c", filters=1, kernel_size=[2, 2], batch_input_shape=[None, 4, 4, 1]), dense("d", 3)
    )
    for place in ("class_name", "name", "filters", "kernel_size", "batch_input_shape"):
        for value in (None, -1, "x", [], {}, [None], {"class_name": "Dense", "config": {}}, 10**30):
            config = copy.deepcopy(good)
            entry = config["config"]["layers"][0]
            (entry if place == "class_name" else entry["config"])[place] = value
            with h5py.File(path, "a") as file:
                file.attrs["model_config"] = json.dumps(config).encode()
            with pytest.raises(DiagError) as caught:  # even unchanged, the file has no weights for "c"
                load_keras(path)
            assert "\n" not in str(caught.value)
