"""Files that tf-keras, the last Keras 2, writes: each must predict here what it predicted there."""

from __future__ import annotations

import json
import warnings

import h5py
import numpy as np
import pytest

from diag.errors import ModelLoadError
from diag.io.audit import audit
from diag.io.keras_files import load_keras
from diag.io.models import load_model

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def chain(keras, *layers):
    return keras.Sequential(list(layers))


def convnet(keras):
    layers = keras.layers
    return chain(
        keras, layers.Input((12, 12, 3)), layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(),
        layers.MaxPooling2D(), layers.DepthwiseConv2D(2), layers.SeparableConv2D(3, 2),
        layers.PReLU(shared_axes=[1, 2]), layers.Conv2DTranspose(2, 3, strides=2), layers.LeakyReLU(0.1),
        layers.Flatten(), layers.Dropout(0.5),
        layers.Dense(3, activation="softmax"),
    )  # fmt: skip


def augmented(keras):
    layers = keras.layers
    augmentation = chain(keras, layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomZoom(0.1))
    return chain(
        keras, layers.Input((8, 8, 3)), augmentation, layers.Rescaling(1 / 255.0), layers.Conv2D(3, 3),
        layers.GlobalAveragePooling2D(), layers.Dense(2, activation="softmax"),
    )  # fmt: skip


def recurrent(keras):
    layers = keras.layers
    return chain(
        keras, layers.Input((6, 4)), layers.LSTM(5, return_sequences=True, recurrent_activation="hard_sigmoid"),
        layers.Bidirectional(layers.GRU(3, return_sequences=True, reset_after=False)),
        layers.Bidirectional(layers.LSTM(3), merge_mode="sum"), layers.Dense(2, activation="hard_sigmoid"),
        layers.Activation("hard_sigmoid"),
    )  # fmt: skip


def over_time(keras):
    layers = keras.layers
    inner = chain(keras, layers.Input((5, 5, 1)), layers.Conv2D(2, 3), layers.Flatten())
    return chain(
        keras, layers.Input((4, 5, 5, 1)), layers.TimeDistributed(inner), layers.TimeDistributed(layers.Dense(3)),
        layers.SimpleRNN(4), layers.Dense(2),
    )  # fmt: skip


def nested(keras):
    """Two convolutions with normalisation in a model inside the model, which is frozen."""
    layers = keras.layers
    base = chain(
        keras, layers.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Conv2D(4, 3),
        layers.BatchNormalization(),
    )  # fmt: skip
    base.trainable = False
    start = layers.Input((8, 8, 3))
    return keras.Model(start, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(base(start))))


def operations(keras):
    """Bare TensorFlow operations in a functional model: TFOpLambda and SlicingOpLambda."""
    import tensorflow as tf

    layers = keras.layers
    start = layers.Input((8, 8, 3))
    x = tf.cast(start, tf.float32) / 127.5 - 1.0
    x = tf.nn.relu(layers.Conv2D(4, 3)(x[..., ::-1]))
    x = tf.image.resize(x, (4, 4)) + tf.reduce_mean(x, axis=[1, 2], keepdims=True)
    x = tf.concat([tf.reshape(x, (-1, 64)), layers.Flatten()(x)], axis=-1)
    return keras.Model(start, layers.Dense(2)(tf.expand_dims(x, 1)[:, 0]))


def caffe(keras):
    start = keras.layers.Input((8, 8, 3))
    x = keras.applications.vgg16.preprocess_input(start)
    return keras.Model(start, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))


def attention(keras):
    layers = keras.layers
    start = layers.Input((6, 8))
    x = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(start, start) + start)
    return keras.Model(start, layers.Dense(3)(layers.GlobalAveragePooling1D()(layers.Attention()([x, x]))))


def shared(keras):
    """A layer called twice, its state handed on, and three ways joined."""
    layers = keras.layers
    start = layers.Input((4, 3))
    twice = layers.Dense(3, activation="relu")
    x = twice(twice(start))
    out, h, c = layers.LSTM(4, return_state=True)(x)
    again = layers.LSTM(4)(x, initial_state=[h, c])
    return keras.Model(start, layers.Dense(2)(layers.concatenate([out, again, layers.add([h, c])])))


def local(keras):
    layers = keras.layers
    return chain(
        keras, layers.Input((7, 6, 2)), layers.LocallyConnected2D(3, (3, 2), strides=(2, 1), activation="relu"),
        layers.Reshape((-1, 3)), layers.LocallyConnected1D(2, 3), layers.Flatten(), layers.Dense(2),
    )  # fmt: skip


def activations(keras):
    import tensorflow as tf

    layers = keras.layers
    return chain(
        keras, layers.Input((5,)), layers.Dense(6, activation=tf.nn.relu6), layers.Dense(6, activation="swish"),
        layers.Dense(6, activation=layers.LeakyReLU(0.1)), layers.ThresholdedReLU(0.2), layers.ELU(0.7),
        layers.ActivityRegularization(), layers.Dense(3, activation=tf.nn.softmax),
    )  # fmt: skip


def scaled(keras):
    layers = keras.layers
    normal = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0])
    return chain(
        keras, layers.Input((4, 4, 3)), normal, layers.Lambda(lambda x: x * 0.5 - 1), layers.Flatten(), layers.Dense(2)
    )


MODELS = (
    convnet,
    augmented,
    recurrent,
    over_time,
    nested,
    operations,
    caffe,
    attention,
    shared,
    local,
    activations,
    scaled,
)
NOT_IN_ARCHIVES = ("operations", "caffe")  # tf-keras itself fails to write an ellipsis there


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a function that gives (path, inputs, what tf-keras says) of a model and ending; files are made once."""
    import tf_keras

    folder, kept = tmp_path_factory.mktemp("keras2"), {}

    def made(build, ending):
        if (build, ending) not in kept:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tf_keras.backend.clear_session()
                tf_keras.utils.set_random_seed(0)
                model = build(tf_keras)
                rng = np.random.default_rng(0)
                for weight in model.weights:  # biases and moving statistics that matter
                    if weight.dtype == "float32" and len(weight.shape) == 1 and "norm" not in weight.name.split("/")[0]:
                        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
                path = folder / f"{build.__name__}.{ending}"
                model.save(path)
                x = rng.uniform(0, 2, (3, *model.input_shape[1:])).astype(np.float32)
                kept[build, ending] = path, x, model(x, training=False).numpy()
        return kept[build, ending]

    return made


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_what_keras_2_saved_predicts_the_same(written, build, ending):
    if ending == "keras" and build.__name__ in NOT_IN_ARCHIVES:
        with pytest.raises(TypeError, match="Ellipsis"):
            written(build, ending)
        return
    path, x, expected = written(build, ending)
    file = audit(path)
    model = load_keras(path, file)
    np.testing.assert_allclose(model(x, training=False), expected, rtol=1e-4, atol=1e-5)
    assert file.input_shape == x.shape[1:]
    assert file.keras_version[0] == "2"


# ---------------------------------------------------------------- the same files, worn


def without_input_shape(file, config):
    """As Keras 2.2 wrote a Sequential that was built by its first call."""
    config["config"]["layers"] = [
        {**entry, "config": {key: value for key, value in entry["config"].items() if "input_shape" not in key}}
        for entry in config["config"]["layers"]
        if entry["class_name"] != "InputLayer"
    ]
    config["config"].pop("build_input_shape", None)


def without_version(file, config):
    del file.attrs["keras_version"], file.attrs["backend"]


def attributes_of_other_kinds(file, config):
    """Names as texts rather than bytes, the version in an array of one, and no ``:0``."""
    file.attrs["keras_version"] = np.array([b"2.2.4-tf"])
    group = file["model_weights"]
    group.attrs["layer_names"] = [name.decode() for name in _as_bytes(group.attrs["layer_names"])]


def names_in_pieces(file, config):
    group = file["model_weights"]
    names = _as_bytes(group.attrs["layer_names"])
    del group.attrs["layer_names"]
    group.attrs["layer_names0"], group.attrs["layer_names1"] = names[:2], names[2:]


def groups_renamed(file, config):
    """The architecture was written by another session: weights are told by their order alone."""
    group = file["model_weights"]
    names = _as_bytes(group.attrs["layer_names"])
    for place, name in enumerate(names):
        group.move(name, f"other_{99 - place}")
    group.attrs["layer_names"] = [f"other_{99 - place}".encode() for place in range(len(names))]


def odd_training(file, config):
    file.attrs["training_config"] = b'{"loss": '
    for entry in config["config"]["layers"]:
        if "kernel_initializer" in entry["config"]:
            own = {"class_name": "Mine", "config": {"a": 1}, "module": "mine.things"}
            entry["config"] |= {"kernel_initializer": own, "kernel_regularizer": own, "groups_of_old": 3}


def _as_bytes(names):
    return [name if isinstance(name, bytes) else name.encode() for name in names]


WORN = (without_input_shape, without_version, attributes_of_other_kinds, names_in_pieces, groups_renamed, odd_training)


@pytest.mark.parametrize("wear", WORN, ids=lambda wear: wear.__name__)
def test_worn_files(written, tmp_path, wear):
    path, x, expected = written(convnet, "h5")
    worn = tmp_path / "worn.h5"
    worn.write_bytes(path.read_bytes())
    with h5py.File(worn, "a") as file:
        config = json.loads(file.attrs["model_config"])
        wear(file, config)
        file.attrs["model_config"] = json.dumps(config)
    file = audit(worn)
    np.testing.assert_allclose(load_keras(worn, file)(x, training=False), expected, rtol=1e-4, atol=1e-5)
    assert file.input_shape == (12, 12, 3)  # without a stated one: 3 of the kernel, 12 of the first Dense's rows
    assert bool(file.notes) == (wear is without_input_shape)


def test_a_nested_model_whose_weights_have_no_telling_names(written, tmp_path):
    """Keras 2 wrote trainable weights before the others; of a frozen model, layer by layer."""
    path, x, expected = written(nested, "h5")
    worn = tmp_path / "worn.h5"
    worn.write_bytes(path.read_bytes())
    with h5py.File(worn, "a") as file:
        (group,) = (file["model_weights"][name] for name in ("sequential",) if name in file["model_weights"])
        names = _as_bytes(group.attrs["weight_names"])
        for place, name in enumerate(names):
            group.move(name, f"w/{place:02}/{name.decode().split('/')[-1]}")
        group.attrs["weight_names"] = [
            f"w/{place:02}/{name.decode().split('/')[-1]}".encode() for place, name in enumerate(names)
        ]
    np.testing.assert_allclose(load_keras(worn)(x, training=False), expected, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- weights and architecture apart


@pytest.mark.parametrize("name", ["model.json", "net.json", "net_architecture.json"])
def test_weights_with_the_architecture_beside_them(written, tmp_path, name):
    path, x, expected = written(convnet, "h5")
    with h5py.File(path) as source, h5py.File(tmp_path / "net_weights.h5", "w") as target:
        config = source.attrs["model_config"]
        for key in source["model_weights"]:
            source["model_weights"].copy(key, target)
        target.attrs["layer_names"] = source["model_weights"].attrs["layer_names"]
    with pytest.raises(ModelLoadError, match=r"no architecture\. Pass it: --architecture model\.json"):
        load_model(tmp_path / "net_weights.h5")
    (tmp_path / name).write_text(config if isinstance(config, str) else config.decode())
    model = load_model(tmp_path / "net_weights.h5")
    np.testing.assert_allclose(model.keras(x), expected, rtol=1e-4, atol=1e-5)
    assert any(f"The architecture is that of {name}." in note for note in model.file.notes)
    assert model.digest != load_model(path).digest
    other = tmp_path / ("net.json" if name == "model.json" else "model.json")
    other.write_text((tmp_path / name).read_text())
    with pytest.raises(ModelLoadError, match="Beside it lie"):
        load_model(tmp_path / "net_weights.h5")
    chosen = load_model(tmp_path / "net_weights.h5", architecture=other)
    np.testing.assert_allclose(chosen.keras(x), expected, rtol=1e-4, atol=1e-5)
