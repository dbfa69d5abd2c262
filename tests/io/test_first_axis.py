"""Networks that do not keep the first axis, on which the images lie."""

from __future__ import annotations

import numpy as np
import pytest

from diag import load_model
from diag.errors import UnsupportedModelError
from diag.worker import memory


def saved(path, end):
    """Save a network that gives three numbers for an image, changed by `end`."""
    import keras

    inputs = keras.Input((4, 4, 1))
    last = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(inputs))
    keras.Model(inputs, end(keras.ops, last)).save(path)
    return path


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (lambda ops, x: ops.repeat(x, 3, axis=0), "Received: 6"),
        (lambda ops, x: ops.pad(x, [[1, 0], [0, 0]]), "Received: 3"),
        (lambda ops, x: ops.mean(x, axis=0, keepdims=True), "Received: 1"),
    ],
)
def test_one_answer_for_each_image_is_expected(tmp_path, end, says):
    model = load_model(saved(tmp_path / "m.keras", end))
    with pytest.raises(UnsupportedModelError, match=rf"one answer for each of 2 images\. {says}"):
        model.ask(np.zeros((2, 4, 4, 1), "float32"))


def test_answers_that_take_more_memory_than_is_granted_name_the_limit(tmp_path):
    model = load_model(saved(tmp_path / "m.keras", lambda ops, x: ops.repeat(x, 2**28, axis=0)))
    with pytest.raises(UnsupportedModelError, match=r"less memory than 1\.0 GiB.*DIAG_LIMITS=model_memory_bytes="):
        model.ask(np.zeros((2, 4, 4, 1), "float32"))


def test_what_answers_may_take_is_the_limit_where_it_is_set(monkeypatch):
    monkeypatch.setattr(memory, "_ACCELERATORS", ())
    assert memory.answering(1000) == 2**30 + 1000
    monkeypatch.setenv("DIAG_LIMITS", "model_memory_bytes=4000000000")
    assert memory.answering(1000) == 4_000_000_000


def test_with_an_accelerator_answers_may_take_what_a_network_may(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_ACCELERATORS", (str(tmp_path),))
    assert memory.answering(0) == memory.most()
