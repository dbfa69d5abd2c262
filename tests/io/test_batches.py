"""Batches: as asked for where images are small, fewer where they or a layer are large; answers are the same."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from diag.io import batches
from diag.io.batches import affordable
from diag.io.models import load_model
from tests.fakes import save_model


def file(input_shape, *outputs):
    return SimpleNamespace(input_shape=input_shape, layers=[SimpleNamespace(output_shape=shape) for shape in outputs])


@pytest.mark.parametrize(
    ("described", "images", "expected"),
    [
        (file((28, 28, 1), (28, 28, 32)), (5, 28, 28, 1), 256),
        (file((224, 224, 3), (224, 224, 64)), (5, 224, 224, 3), 256),
        (file((1000, 1000, 3), (10,)), (5, 1000, 1000, 3), 44),  # 2**27 / 3e6
        (file((1000, 1000, 3), (1000, 1000, 64)), (5, 1000, 1000, 3), 16),  # 2**30 / 6.4e7
        (file((None, None, 3), (None, None, 64)), (5, 1000, 800, 3), 16),
        (file((28, 28, 1), (28, 28, 32)), (5, 3000, 3000, 3), 4),  # 2**27 / 2.7e7
        (file(None, None), (5, 30_000, 30_000, 3), 1),
    ],
)
def test_large_images_and_layers_make_small_batches(described, images, expected):
    assert affordable(256, described, SimpleNamespace(shape=images)) == expected


def test_a_list_of_images_has_no_shape_and_gets_what_was_asked_for():
    assert affordable(7, file((2, 2, 1)), [np.zeros((2, 2, 1))]) == 7


def test_smaller_batches_give_the_same_answers(tmp_path, monkeypatch):
    from keras import layers

    save_model(tmp_path / "m.keras", [layers.Flatten(), layers.Dense(3, activation="softmax")], (4, 4, 1))
    model = load_model(tmp_path / "m.keras")
    images = np.random.default_rng(0).random((10, 4, 4, 1), dtype=np.float32)
    whole, raw = model.predict_proba(images), model.resolve(images)[0].raw_outputs(images)
    monkeypatch.setattr(batches, "INPUT_NUMBERS", 48)  # three images
    starts = [start for start, _ in model.resolve(images)[0].predict_batches(images)]
    assert starts == [0, 3, 6, 9]
    np.testing.assert_allclose(model.predict_proba(images), whole, rtol=1e-5)
    np.testing.assert_allclose(model.resolve(images)[0].raw_outputs(images), raw, rtol=1e-5)
