"""Old files written again: plain Keras opens the new file, and it predicts what the old one did."""

from __future__ import annotations

import marshal
from base64 import b64encode

import numpy as np
import pytest
from click.testing import CliRunner

import diag
from diag.cli import cli
from diag.errors import InvalidInputError, UnsafeModelError
from diag.io.convert import convert
from diag.io.keras_files import load_keras
from tests.io.test_audit import dense, layer, linear_file, sequential, write_h5
from tests.io.test_keras_files import old_hard_sigmoid

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def in_plain_keras(path, *x):
    import keras

    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    arrays = [np.asarray(one, np.float32) for one in x]
    return np.asarray(model(arrays[0] if len(arrays) == 1 else arrays, training=False))


def keras_1_file(path, rng):
    """A Theano-ordered convolution of Keras 1 behind a Lambda."""
    code = b64encode(marshal.dumps((lambda x: (x - 3.0) / 2.0).__code__)).decode()
    config = {"class_name": "Sequential", "config": [
        layer("Lambda", "scale", function=[code, None, None], batch_input_shape=[None, 1, 5, 6]),
        layer("Convolution2D", "c", nb_filter=2, nb_row=3, nb_col=3, border_mode="valid", dim_ordering="th",
              activation="relu", bias=False),
        layer("Flatten", "f"), layer("Dense", "d", output_dim=3, activation="softmax", bias=False),
    ]}  # fmt: skip
    return write_h5(
        path, config, {"c": {"W": rng.normal(size=(2, 1, 3, 3))}, "d": {"W": rng.normal(size=(24, 3))}}, keras=1
    )


def test_a_file_of_keras_1_with_a_lambda_opens_in_plain_keras(tmp_path, rng):
    path, new = keras_1_file(tmp_path / "old.h5", rng), tmp_path / "new.keras"
    done = convert(diag.load_model(path), new)
    x = rng.normal(size=(4, 1, 5, 6))
    np.testing.assert_allclose(in_plain_keras(new, x), load_keras(path)(x.astype(np.float32)), rtol=1e-5, atol=1e-6)
    assert (done.path, done.n_samples) == (new, 4)
    assert done.difference < 1e-5
    assert sorted(found.name for found in tmp_path.iterdir()) == ["new.keras", "old.h5"]  # nothing left over


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "Dense", "Activation"])
def test_the_hard_sigmoid_of_keras_2_is_kept(tmp_path, rng, kind):
    """clip(0.2 x + 0.5) is today's clip(x / 6 + 0.5) of 1.2 x: the weights before it are scaled."""
    options = {"batch_input_shape": [None, 4, 3]}
    weights = {"k": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    if kind in ("LSTM", "GRU"):
        gates = 4 if kind == "LSTM" else 3
        options |= {"units": 2, "activation": "tanh", "recurrent_activation": "hard_sigmoid"}
        weights = {
            "k": rng.normal(size=(3, 2 * gates)),
            "r": rng.normal(size=(2, 2 * gates)),
            "b": rng.normal(size=2 * gates),
        }
    elif kind == "Dense":
        options |= {"units": 2, "activation": "hard_sigmoid"}
    else:
        options["activation"] = "hard_sigmoid"
    config = sequential(layer(kind, "a", **options), *([dense("a2", 2)] if kind == "Activation" else []))
    path = write_h5(tmp_path / "old.h5", config, {"a2" if kind == "Activation" else "a": weights})
    convert(diag.load_model(path), tmp_path / "new.keras")
    x = rng.normal(size=(5, 4, 3), scale=3).astype(np.float32)
    found = in_plain_keras(tmp_path / "new.keras", x)
    np.testing.assert_allclose(found, load_keras(path)(x), rtol=1e-4, atol=1e-5)
    if kind == "Dense":
        np.testing.assert_allclose(found, old_hard_sigmoid(x @ weights["k"] + weights["b"]), rtol=1e-4, atol=1e-5)


def test_one_of_several_outputs_is_written(tmp_path):
    import keras

    start = keras.Input((4,))
    ends = [keras.layers.Dense(3, activation="softmax", name="cls")(start), keras.layers.Dense(2, name="box")(start)]
    keras.Model(start, ends).save(tmp_path / "two.keras")
    convert(diag.load_model(tmp_path / "two.keras", output="box"), tmp_path / "one.keras")
    assert in_plain_keras(tmp_path / "one.keras", np.ones((2, 4))).shape == (2, 2)


def test_what_is_refused_leaves_no_file(tmp_path, rng):
    old, new = linear_file(tmp_path / "old.h5"), tmp_path / "new.keras"
    with pytest.raises(InvalidInputError, match=r"ends in \.keras"):
        convert(diag.load_model(old), tmp_path / "new.h5")
    with pytest.raises(InvalidInputError, match="folder that exists"):
        convert(diag.load_model(old), tmp_path / "no" / "new.keras")
    unknown = sequential(layer("Lambda", "l", function="mine", batch_input_shape=[None, 4]), dense("d", 3))
    with pytest.raises(UnsafeModelError, match="only its name, 'mine'"):
        convert(diag.load_model(write_h5(tmp_path / "bad.h5", unknown, {})), new)
    assert not new.exists()
    new.write_text("precious")
    with pytest.raises(InvalidInputError, match="--force"):
        convert(diag.load_model(old), new)
    assert new.read_text() == "precious"
    convert(diag.load_model(old), new, force=True)
    assert in_plain_keras(new, np.ones((1, 4))).shape == (1, 3)


def test_on_the_command_line(tmp_path, rng):
    path, new = keras_1_file(tmp_path / "old.h5", rng), tmp_path / "new.keras"
    done = CliRunner().invoke(cli, ["convert", str(path), str(new)])
    assert done.exit_code == 0
    assert "differ from the old one's by at most" in done.output
    assert done.output.rstrip().endswith("new.keras")
    shown = CliRunner().invoke(cli, ["inspect", str(new)])
    assert "Rescaling" in shown.output
    wrong = CliRunner().invoke(cli, ["inspect", str(path), "--input-shape", "28xa"])
    assert wrong.exit_code == 2
    assert "28x28x1" in wrong.output
