"""What building a model may cost, found out before the cost: variables, outputs, deep chains; and names of layers."""

from __future__ import annotations

import time

import numpy as np
import pytest

from diag.errors import ModelLoadError
from diag.io.audit import audit
from diag.io.keras_files import load_keras
from tests.io.outputs import close, output
from tests.io.test_audit import dense, layer, sequential, write_h5

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

SMALL = {"d": {"d/kernel:0": np.ones((4, 3)), "d/bias:0": np.ones(3)}}


def image(*sizes):
    return layer("InputLayer", "i", batch_input_shape=[None, *sizes])


# Each layer's size alone is one that weights of real models have; what they make of each other is not.
COSTLY = {
    "dense on a large flat": (image(4000, 4000, 1), layer("Flatten", "f"), dense("d", 300)),
    "units times units": (image(4), *[dense(f"d{number}", 2**14) for number in range(3)]),
    "filters": (image(8, 8, 1), *[
        layer("Conv2D", f"c{number}", filters=2**13, kernel_size=[9, 9], padding="same") for number in range(2)]),
    "table": (image(4), layer("Embedding", "e", input_dim=2**14, output_dim=2**14)),
    "cells": (image(4, 4), layer("LSTM", "l", units=2**14)),
    "low rank": (image(4), dense("d", 2**14), dense("e", 2**14, lora_rank=2**13)),
}  # fmt: skip


@pytest.mark.parametrize("kind", COSTLY)
def test_variables_are_counted_before_they_are_made(tmp_path, kind):
    path = write_h5(tmp_path / "a.h5", sequential(*COSTLY[kind]), SMALL, keras=2)
    with pytest.raises(ModelLoadError, match="far more parameters than the file stores"):
        load_keras(path)


LARGE = {
    "enlarged": (image(64, 64, 3), layer("UpSampling2D", "u", size=[200, 200])),
    "padded": (image(64, 64, 3), layer("ZeroPadding2D", "z", padding=[[9000, 9000], [9000, 9000]])),
    "resized": (image(64, 64, 3), layer("Resizing", "r", height=40_000, width=40_000)),
    "repeated": (image(64), layer("RepeatVector", "v", n=2**24)),
    "input": (image(10_000, 10_000, 3),),
    "in three dimensions": (image(8, 8, 8, 3), layer("UpSampling3D", "u", size=[80, 80, 80])),
}


@pytest.mark.parametrize("kind", LARGE)
def test_outputs_are_counted_before_they_are_computed(tmp_path, kind):
    path = write_h5(tmp_path / "a.h5", sequential(*LARGE[kind]), SMALL)
    with pytest.raises(ModelLoadError, match=r"numbers an image: too many .*DIAG_LIMITS=image_numbers="):
        load_keras(path)


def test_attention_over_very_many_places(tmp_path):
    import keras

    given = keras.Input((2**14, 2))
    out = keras.layers.GlobalAveragePooling1D()(keras.layers.Attention()([given, given]))
    keras.Model(given, keras.layers.Dense(2)(out)).save(tmp_path / "a.keras")
    with pytest.raises(ModelLoadError, match="268,435,456 numbers an image"):  # 2**14 squared
        load_keras(tmp_path / "a.keras")


@pytest.mark.parametrize("heads", [1, 5])
def test_each_head_of_attention_counts(tmp_path, heads):
    """Four heads over 4,096 places make as many numbers as one layer may give."""
    import keras

    given = keras.Input((2**12, 1))
    attention = keras.layers.MultiHeadAttention(heads, key_dim=1)(given, given)
    out = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(attention))
    keras.Model(given, out).save(tmp_path / "a.keras")
    if heads == 1:
        load_keras(tmp_path / "a.keras")
    else:
        with pytest.raises(ModelLoadError, match="83,886,080 numbers an image"):  # 5 times 2**12 squared
            load_keras(tmp_path / "a.keras")


def test_a_limit_that_was_raised_lets_it_pass(tmp_path, monkeypatch):
    path = write_h5(tmp_path / "a.h5", sequential(image(9000, 9000, 1), layer("GlobalMaxPooling2D", "g")), {})
    assert "DIAG_LIMITS=image_numbers=81000000" in audit(path).refusal  # 9,000 squared
    monkeypatch.setenv("DIAG_LIMITS", "image_numbers=81000000")
    assert audit(path).refusal is None


def test_weights_that_are_missing_are_found_before_building(tmp_path):
    config = sequential(image(4), *[dense(f"d{number}", 4) for number in range(500)])
    assert "weights for 500 layers" in audit(write_h5(tmp_path / "a.h5", config, SMALL)).refusal


def test_deep_chains_are_built_in_linear_time(tmp_path, rng):
    """Keras's own Sequential builds its model anew at each layer: 1,000 layers took 45 seconds."""

    def seconds(count):
        config = sequential(
            layer("InputLayer", "i", batch_input_shape=[None, 4]),
            *[layer("Activation", f"a{number}", activation="linear") for number in range(count)],
            dense("d", 3, use_bias=False),
        )
        path = write_h5(tmp_path / f"{count}.h5", config, {"d": {"d/kernel:0": kernel}})
        file, start = audit(path), time.process_time()
        model = load_keras(path, file)
        took = time.process_time() - start
        close(output(model, x), np.exp(x @ kernel) / np.exp(x @ kernel).sum(1, keepdims=True))
        return took

    kernel, x = rng.normal(size=(4, 3)), rng.normal(size=(2, 4))
    seconds(10)
    assert seconds(1200) < 12 * seconds(300) + 2  # four times as many; quadratic would be sixteen


NAMES = ["my <layer>", "_hidden", "__proto__", "a/b", "../x", "слой", "\u202eevil", "x" * 500, "a b", "a_b"]


@pytest.mark.parametrize("keras", [2, 3])
def test_any_name_of_a_layer_is_loaded_and_told_apart(tmp_path, rng, keras):
    kernels = {name: rng.normal(size=(3, 3)) for name in NAMES}
    entries = [dense(name, 3, activation="linear", use_bias=False) for name in NAMES]
    weights = {name: {"kernel": kernel} for name, kernel in kernels.items() if "/" not in name}
    entries = [entry for entry in entries if "/" not in entry["config"]["name"]]
    path = write_h5(tmp_path / "a.h5", sequential(image(3), *entries), weights, keras=keras)
    x = rng.normal(size=(2, 3))
    expected = x
    for name in NAMES:
        expected = expected @ kernels[name] if "/" not in name else expected
    close(output(load_keras(path), x), expected)


@pytest.mark.parametrize(("steps", "legal"), [(100_000, True), (100_001, False)])
def test_steps_of_a_sequence_are_bounded_before_they_are_gone(tmp_path, steps, legal):
    config = sequential(image(4), layer("RepeatVector", "r", n=steps), layer("SimpleRNN", "s", units=1), dense("d", 3))
    weights = {
        "s": {"k": np.ones((4, 1)), "r": np.ones((1, 1)), "b": np.ones(1)},
        "d": {"k": np.ones((1, 3)), "z": np.ones(3)},
    }
    path = write_h5(tmp_path / "a.h5", config, weights, keras=2)
    if legal:
        assert load_keras(path).layers[-1].units == 3
        return
    with pytest.raises(
        ModelLoadError, match=r"(?s)at most 100,000 steps.*layer 's'.*100,001.*DIAG_LIMITS=steps=100001"
    ):
        load_keras(path)
