"""The input of the classifying layer: against Keras's own layers, whatever stands around it."""

from __future__ import annotations

import numpy as np
import pytest

import diag
from diag.errors import InvalidInputError, UnsupportedModelError
from diag.filters import embedding
from tests.fakes import save_model

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def keras():
    from diag._lazy import import_keras

    return import_keras()


def images(n=3, h=6, w=6, c=1):
    return RNG.random((n, h, w, c), dtype=np.float32)


def embedded(path, given, **options):
    return diag.embed(diag.load_model(path), given, cache=False, **options)


def expected(keras, model, name, given):
    probe = keras.Model(model.inputs[0], model.get_layer(name).output)
    return np.asarray(probe(given, training=False)).reshape(len(given), -1)


@pytest.mark.parametrize("tail", ["softmax in the layer", "activation", "dropout between", "normalised"])
def test_whatever_stands_behind_the_last_dense_layer_is_skipped(tmp_path, keras, tail):
    layers = keras.layers
    ends = {
        "softmax in the layer": [layers.Dense(4, activation="softmax")],
        "activation": [layers.Dense(4), layers.Activation("softmax")],
        "dropout between": [layers.Dropout(0.5), layers.Dense(4), layers.Softmax()],
        "normalised": [layers.Dense(4), layers.BatchNormalization(), layers.Softmax()],
    }
    stack = [layers.Flatten(), layers.Dense(5, activation="relu", name="hidden"), *ends[tail]]
    model, given = save_model(tmp_path / "m.keras", stack, (6, 6, 1)), images()
    found = embedded(tmp_path / "m.keras", given)
    assert found.layer == "hidden"
    np.testing.assert_allclose(found.features, expected(keras, model, "hidden", given), atol=1e-6)
    assert found.features.dtype == np.float32
    assert not found.features.flags.writeable
    assert found.complete


def test_a_nested_network_with_a_head_in_a_functional_graph(tmp_path, keras):
    layers = keras.layers
    inner = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(3, 3, activation="relu", name="deep")], name="base")
    start = keras.Input((6, 6, 1))
    pooled = layers.GlobalAveragePooling2D(name="pool")(inner(start * 2.0 - 1.0))
    model = keras.Model(start, layers.Activation("softmax")(layers.Dense(4)(layers.Dropout(0.2)(pooled))))
    model.save(tmp_path / "m.keras")
    given = images()
    found = embedded(tmp_path / "m.keras", given)
    assert found.layer == "pool"
    by_hand = np.asarray(inner(given * 2 - 1)).mean(axis=(1, 2))
    np.testing.assert_allclose(found.features, by_hand, atol=1e-6)


def test_the_classifier_inside_a_nested_model(tmp_path, keras):
    layers = keras.layers
    inner = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(7, name="hidden"), layers.Dense(4)], name="whole"
    )
    save_model(tmp_path / "m.keras", [inner, layers.Softmax()], (6, 6, 1))
    given = images()
    found = embedded(tmp_path / "m.keras", given)
    assert (found.layer, found.features.shape) == ("hidden", (3, 7))
    np.testing.assert_allclose(found.features, expected(keras, inner, "hidden", given), atol=1e-6)


def test_a_1x1_convolution_and_pooling_is_a_classifier_too(tmp_path, keras):
    layers = keras.layers
    stack = [layers.Conv2D(5, 3, name="maps"), layers.Conv2D(4, 1, name="classes"), layers.GlobalAveragePooling2D()]
    model, given = save_model(tmp_path / "m.keras", stack, (6, 6, 1)), images()
    found = embedded(tmp_path / "m.keras", given)
    assert "'classes'" in found.note
    np.testing.assert_allclose(
        found.features, expected(keras, model, "maps", given).reshape(3, 16, 5).mean(axis=1), atol=1e-6
    )


def test_large_maps_are_averaged_over_space_small_ones_kept(tmp_path, keras):
    layers = keras.layers
    stack = [layers.Conv2D(32, 3, padding="same", name="maps"), layers.Flatten(), layers.Dense(2)]
    for side, size in ((10, 3200), (12, 32)):  # 12 x 12 x 32 = 4,608 numbers
        model, given = save_model(tmp_path / "m.keras", stack, (side, side, 1)), images(h=side, w=side)
        found = embedded(tmp_path / "m.keras", given)
        assert found.features.shape == (3, size)
        maps = expected(keras, model, "maps", given)
        by_hand = maps if side == 10 else maps.reshape(3, -1, 32).mean(axis=1)
        np.testing.assert_allclose(found.features, by_hand, atol=1e-6)
        stack = [type(layer).from_config(layer.get_config()) for layer in stack]


def test_averages_of_networks_give_the_features_of_each(tmp_path, keras):
    layers = keras.layers
    start = keras.Input((6, 6, 1))
    flat = layers.Flatten()(start)
    a, b = layers.Dense(3, name="a")(flat), layers.Dense(5, name="b")(flat)
    outputs = layers.Average()([layers.Dense(2, activation="softmax")(each) for each in (a, b)])
    model = keras.Model(start, outputs)
    model.save(tmp_path / "m.keras")
    given = images()
    found = embedded(tmp_path / "m.keras", given)
    parts = [expected(keras, model, name, given) for name in found.layer.split(", ")]
    np.testing.assert_allclose(found.features, np.concatenate(parts, axis=1), atol=1e-6)
    assert found.features.shape == (3, 8)


def test_of_one_dense_layer_and_of_an_estimator_it_is_the_image():
    data = diag.load_dataset("digits")
    for name in ("dense.keras", "logistic_l1.skops"):
        model = diag.load_model(f"saved_models/digits/{name}")
        found = diag.embed(model, data, [3, 1], cache=False)
        if name == "logistic_l1.skops":
            assert found.layer == "input"
            assert "no layers" in found.note
            by_hand = model.resolve(data.images)[0].prepare(data.images[[3, 1]]).reshape(2, -1)
            np.testing.assert_array_equal(found.features, by_hand)
        assert found.indices.tolist() == [3, 1]
        assert not found.complete


def test_logistic_regression_in_keras(tmp_path, keras):
    save_model(tmp_path / "m.keras", [keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")], (4, 4, 1))
    given = images(h=4, w=4)
    found = embedded(tmp_path / "m.keras", given)
    np.testing.assert_allclose(found.features, given.reshape(3, -1), atol=1e-6)
    assert "flatten" in found.layer
    assert "classifying layer" in found.note


def test_wide_inputs_are_hashed_and_keep_their_distances(tmp_path, keras):
    save_model(tmp_path / "m.keras", [keras.layers.Flatten(), keras.layers.Dense(2)], (80, 80, 1))
    given = images(n=20, h=80, w=80)
    found = embedded(tmp_path / "m.keras", given)
    assert found.features.shape == (20, embedding.LARGEST)
    assert "Hashed" in found.note
    flat = given.reshape(20, -1)
    kept = np.linalg.norm(found.features[0] - found.features[1:], axis=1)
    # Weinberger et al. 2009: the relative error of a squared distance has a deviation of about sqrt(2 / 4096) = 2 %.
    np.testing.assert_allclose(kept, np.linalg.norm(flat[0] - flat[1:], axis=1), rtol=0.06)


def test_a_fixed_batch_size(tmp_path, keras):
    model = keras.Sequential([keras.Input(batch_shape=(4, 3, 3, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    given = images(n=6, h=3, w=3)
    np.testing.assert_allclose(embedded(tmp_path / "m.keras", given).features, given.reshape(6, -1), atol=1e-6)


def test_batches_are_bounded_and_the_cache_gives_the_same(monkeypatch, empty_cache):
    data, model = diag.load_dataset("digits"), diag.load_model("saved_models/digits/cnn_sd.h5")
    whole = diag.embed(model, data)
    again = diag.embed(model, data)
    np.testing.assert_array_equal(whole.features, again.features)
    assert (empty_cache / "embeddings").is_dir()
    monkeypatch.setattr(embedding, "BATCH_BYTES", 28 * 28 * 4 * 100)
    seen = []
    small = diag.embed(model, data, cache=False, progress=lambda done, total: seen.append((done, total)))
    np.testing.assert_allclose(small.features, whole.features, atol=1e-4)
    assert seen[0] == (100, 797)
    assert seen[-1] == (797, 797)


def test_of_too_many_images_a_sample_is_drawn_by_class(monkeypatch):
    data, model = diag.load_dataset("digits"), diag.load_model("saved_models/digits/logistic_l2.skops")
    monkeypatch.setattr(embedding, "MOST", 100)
    one, two = (diag.embed(model, data, cache=False, seed=seed) for seed in (0, 1))
    assert len(one) == 100
    assert "100 of 797" in one.note
    shares = np.bincount(data.labels[one.indices]) - np.bincount(data.labels) * 100 / 797
    assert np.abs(shares).max() < 1
    assert not np.array_equal(one.indices, two.indices)


def test_rows_units_and_frame(tmp_path, keras):
    save_model(tmp_path / "m.keras", [keras.layers.Flatten(), keras.layers.Dense(2)], (1, 2, 1))
    given = np.array([[3, 4], [0, 0], [1, 0]], dtype=np.float32).reshape(3, 1, 2, 1)
    model = diag.load_model(tmp_path / "m.keras", preprocessing=diag.Preprocessing(scale=1.0))
    found = diag.embed(model, given, [2, 0, 1], cache=False)
    np.testing.assert_allclose(found.unit(), [[1, 0], [0.6, 0.8], [0, 0]], atol=1e-6)
    assert found.rows([0, 2, 0]).tolist() == [1, 0, 1]
    assert found.frame().columns.tolist() == ["index", "feature_0", "feature_1"]
    with pytest.raises(InvalidInputError, match="Received: image 7"):
        found.rows([7])
    assert diag.embed(model, given, [], cache=False).features.shape == (0, 0)


def test_an_ensemble_has_its_members_features_side_by_side():
    data = diag.load_dataset("digits").subset(np.arange(50))
    members = [diag.load_model(f"saved_models/digits/{name}") for name in ("logistic_l1.skops", "logistic_l2.skops")]
    both = diag.embed(diag.ensemble(members), data, [4, 2], cache=False)
    one = diag.embed(members[0], data, [4, 2], cache=False).features
    assert both.features.shape == (2, 2 * 784)
    np.testing.assert_allclose(both.features[:, :784], one / np.linalg.norm(one, axis=1).mean(), rtol=1e-5)
    assert both.indices.tolist() == [4, 2]
    assert both.note.startswith("Features of 2 members side by side")


def test_refusals(tmp_path, keras):
    layers = keras.layers
    save_model(tmp_path / "m.keras", [layers.Flatten(), layers.Dense(2)], (2, 2, 1))
    with pytest.raises(InvalidInputError, match=r"indices: expected 0..2"):
        embedded(tmp_path / "m.keras", images(h=2, w=2), indices=[3])
    a, b = keras.Input((2, 2, 1), name="picture"), keras.Input((1,), name="age")
    both = layers.Concatenate()([layers.Flatten()(a), b])
    keras.Model([a, b], layers.Dense(2, activation="softmax")(both)).save(tmp_path / "two.keras")
    with pytest.raises(UnsupportedModelError, match="one input"):
        embedded(tmp_path / "two.keras", images(h=2, w=2))
    model = save_model(
        tmp_path / "nan.keras", [layers.Flatten(), layers.Dense(3, name="h"), layers.Dense(2)], (2, 2, 1)
    )
    model.get_layer("h").set_weights([np.full((4, 3), np.nan), np.zeros(3)])
    model.save(tmp_path / "nan.keras")
    with pytest.raises(InvalidInputError, match="NaN or infinity for image 0"):
        embedded(tmp_path / "nan.keras", images(h=2, w=2))
