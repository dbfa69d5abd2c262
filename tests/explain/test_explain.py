"""`diag.explain` against hand computation, against shap itself, and by what must hold for every map."""

from __future__ import annotations

import numpy as np
import pytest

import diag
from diag.errors import InvalidInputError, UnsupportedModelError
from diag.results import Attribution
from tests.fakes import save_model


@pytest.fixture(scope="module")
def layers():
    from diag._lazy import import_keras

    return import_keras().layers


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((8, 6, 5, 1), dtype=np.float32)


def saved(tmp_path, layers, *stack, shape=(6, 5, 1), name="m.keras"):
    save_model(tmp_path / name, list(stack), shape)
    return diag.load_model(tmp_path / name)


def test_a_linear_model_by_hand(tmp_path, layers, images):
    # For f(x) = W x + b the SHAP value of a pixel is W (x - mean of the references): Lundberg & Lee 2017, corollary 1.
    model = saved(tmp_path, layers, layers.Flatten(), layers.Dense(3))
    attribution = diag.explain(model, images[:3], background=images[3:], target="logit")
    weights, _ = model.keras.layers[-1].get_weights()
    difference = images[:3] - images[3:].mean(axis=0)
    expected = difference.reshape(3, 6, 5, 1, 1) * weights.reshape(6, 5, 1, 3)
    np.testing.assert_allclose(attribution.values, expected, atol=1e-5)
    assert attribution.values.shape == (3, 6, 5, 1, 3)
    assert attribution.background_note == "5 references were given."


def test_equal_to_shap_and_additive(tmp_path, layers, images):
    from diag._lazy import import_shap

    model = saved(
        tmp_path, layers, layers.Conv2D(3, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    )  # fmt: skip
    attribution = diag.explain(model, images, indices=[1, 4], background=images[5:], cache=False)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = import_shap().DeepExplainer(model.keras, images[5:])
        expected = explainer.shap_values(images[[1, 4]], check_additivity=False)
    np.testing.assert_allclose(attribution.values, expected, atol=1e-6)
    assert attribution.additivity_error.max() < 1e-5
    np.testing.assert_allclose(attribution.predictions, model.predict_proba(images[[1, 4]]), atol=1e-6)
    assert attribution.indices.tolist() == [1, 4]
    some = diag.explain(model, images, indices=[1, 4], background=images[5:], outputs=[2, 0], cache=False)
    np.testing.assert_allclose(some.values, attribution.values[..., [2, 0]], atol=1e-6)
    np.testing.assert_allclose(some.base_values, attribution.base_values[:, [2, 0]], atol=1e-6)
    explanation = attribution.to_shap()
    assert explanation.shape == attribution.values.shape
    assert explanation.output_names == ["0", "1", "2"]


def test_channels_first_and_flat_give_the_image_shape(tmp_path, layers, images):
    first = saved(
        tmp_path, layers, layers.Conv2D(2, 3, data_format="channels_first"), layers.Flatten(),
        layers.Dense(2, activation="softmax"), shape=(1, 6, 5),
    )  # fmt: skip
    flat = saved(tmp_path, layers, layers.Dense(2, activation="softmax"), shape=(30,), name="flat.keras")
    for model in (first, flat):
        attribution = diag.explain(model, images[:2], background=images[2:])
        assert attribution.values.shape == (2, 6, 5, 1, 2)
        np.testing.assert_array_equal(attribution.images, images[:2])
        assert attribution.additivity_error.max() < 1e-5


def test_one_sigmoid_is_two_mirrored_classes(tmp_path, layers, images):
    model = saved(tmp_path, layers, layers.Flatten(), layers.Dense(1, activation="sigmoid"))
    attribution = diag.explain(model, images[:2], background=images[2:])
    np.testing.assert_allclose(attribution.values[..., 0], -attribution.values[..., 1])
    np.testing.assert_allclose(attribution.base_values.sum(axis=1), 1, atol=1e-6)
    one = diag.explain(model, images[:2], background=images[2:], outputs=[1])
    np.testing.assert_allclose(one.values[..., 0], attribution.values[..., 1], atol=1e-7)


def test_the_cache_gives_the_same(tmp_path, layers, images, empty_cache):
    model = saved(tmp_path, layers, layers.Flatten(), layers.Dense(2, activation="softmax"))
    first = diag.explain(model, images[:2], background=images[2:])
    called = []
    again = diag.explain(model, images[:2], background=images[2:], progress=lambda done, total: called.append(done))
    np.testing.assert_array_equal(first.values, again.values)
    assert called == []
    other = diag.explain(model, images[:2], background=images[3:])
    assert np.abs(other.values - first.values).max() > 0


def test_references_come_from_the_training_split():
    from pathlib import Path

    model = diag.load_model(Path(__file__).resolve().parents[2] / "saved_models" / "digits" / "dense.keras")
    data = diag.load_dataset("digits")
    first, second = (diag.explain(model, data, [0], background=5, cache=False) for _ in range(2))
    np.testing.assert_array_equal(first.values, second.values)
    assert "training split of digits" in first.background_note


def test_a_layer_without_a_rule_is_named_and_another_method_offered(tmp_path, layers, images):
    stack = (layers.Reshape((6, 5)), layers.LSTM(3, name="culprit"), layers.Dense(2, activation="softmax"))
    model = saved(tmp_path, layers, *stack)
    with pytest.raises(UnsupportedModelError, match=r"layer 'culprit' \(LSTM\).*expected_gradients") as caught:
        diag.explain(model, images[:1], background=images[1:], cache=False)
    assert "\n" not in str(caught.value)
    estimate = diag.explain(model, images[:2], background=images[2:], method="expected_gradients", cache=False)
    assert "estimate" in estimate.method
    # An estimate adds up on average only: within a few of its own standard errors.
    assert 0 < estimate.additivity_error.max() < 0.05
    assert (estimate.relative_error > 0).all()


def test_expected_gradients_of_a_linear_model_are_exact(tmp_path, layers, images):
    # The gradient is W everywhere, so the mean over references is W (x - mean): as in the first test.
    model = saved(tmp_path, layers, layers.Flatten(), layers.Dense(3))
    exact = diag.explain(model, images[:3], background=images[3:], target="logit")
    estimate = diag.explain(model, images[:3], background=images[3:], target="logit", method="expected_gradients")
    np.testing.assert_allclose(estimate.values, exact.values, atol=1e-5)


def test_expected_gradients_come_near_to_deepshap(tmp_path, layers, images):
    # Both follow the same path through a smooth layer, one by its end points, one by its gradients.
    model = saved(tmp_path, layers, layers.Flatten(), layers.Dense(5, "tanh"), layers.Dense(2, activation="softmax"))
    exact = diag.explain(model, images[:2], background=images[2:], target="logit")
    estimate = diag.explain(model, images[:2], background=images[2:], target="logit", method="expected_gradients")
    assert np.corrcoef(exact.values.ravel(), estimate.values.ravel())[0, 1] > 0.99


def test_logits_of_a_binary_model_are_mirrored(tmp_path, layers, images):
    model = saved(tmp_path, layers, layers.Flatten(), layers.Dense(1, activation="sigmoid"))
    found = diag.explain(model, images[:2], background=images[2:], target="logit")
    np.testing.assert_allclose(found.values[..., 0], -found.values[..., 1])
    proba = model.predict_proba(images[:2])
    np.testing.assert_allclose(found.predictions[:, 1], np.log(proba[:, 1] / proba[:, 0]), atol=1e-5)
    assert found.additivity_error.max() < 1e-5


def test_logit_models_are_explained_as_the_probabilities_they_are_shown_as(tmp_path, layers, images):
    model = saved(tmp_path, layers, layers.Flatten(), layers.Dense(3))
    found = diag.explain(model, images[:2], background=images[2:])
    np.testing.assert_allclose(found.predictions, model.predict_proba(images[:2]), atol=1e-6)
    assert found.additivity_error.max() < 1e-6


def test_outputs_by_name(tmp_path, layers, images):
    model = saved(tmp_path, layers, layers.Flatten(), layers.Dense(5, activation="softmax"))
    data = diag.load_dataset((images, np.array([0, 1, 2, 3, 4, 0, 1, 2])))
    every = diag.explain(model, data, background=images)
    order = np.argsort(-model.predict_proba(images), axis=1)
    for outputs, expected in (("predicted", order[:, :1]), ("top3", order[:, :3])):
        some = diag.explain(model, data, background=images, outputs=outputs)
        np.testing.assert_array_equal(some.outputs, expected)
        for row in range(len(images)):
            np.testing.assert_allclose(some.values[row], every.values[row][..., expected[row]], atol=1e-6)
    both = diag.explain(model, data, background=images, outputs="true+predicted")
    np.testing.assert_array_equal(both.outputs[:, 0], order[:, 0])
    right = order[:, 0] == data.labels
    np.testing.assert_array_equal(both.outputs[:, 1], np.where(right, order[:, 1], data.labels))
    contrast, same = both.contrast(), every.contrast()
    np.testing.assert_allclose(contrast.values, same.values, atol=1e-6)
    assert [contrast.labels(row) for row in range(8)] == [same.labels(row) for row in range(8)]
    np.testing.assert_array_equal(every.y_true, data.labels)
    np.testing.assert_array_equal(every.y_pred, order[:, 0])


def test_a_tolerance_uses_fewer_references_and_says_how_many(tmp_path, layers):
    pool = np.random.default_rng(1).random((300, 6, 5, 1), dtype=np.float32)
    model = saved(tmp_path, layers, layers.Flatten(), layers.Dense(8, "relu"), layers.Dense(3, activation="softmax"))
    exact = diag.explain(model, pool[:3], background=pool[3:], target="logit")
    loose = diag.explain(model, pool[:3], background=pool[3:], target="logit", tolerance=0.1)
    assert (exact.n_used == 297).all()
    assert (exact.relative_error == 0).all()
    assert (loose.n_used < 297).all()
    assert (loose.relative_error <= 0.1).all()
    distance = np.sqrt(np.square(loose.values - exact.values).mean(axis=(1, 2, 3))).max(axis=1)
    # The error that was promised is a standard error: the one found stays within four of them.
    assert (distance <= 4 * 0.1 * np.abs(exact.values).max(axis=(1, 2, 3, 4))).all()
    # References are met in random order until the error is small; the seed decides which.
    other = diag.explain(model, pool[:3], background=pool[3:], target="logit", tolerance=0.1, seed=1)
    assert np.abs(other.values - loose.values).max() > 0


def test_memory_bounds_the_chunks_and_not_the_values(tmp_path, layers, images, monkeypatch):
    from diag._lazy import import_keras

    monkeypatch.setenv("DIAG_ISOLATION", "off")  # another process does not report each piece of work
    import_keras().utils.set_random_seed(0)
    stack = (layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(3, activation="softmax"))
    model = saved(tmp_path, layers, *stack)
    whole = diag.explain(model, images, background=images, cache=False)
    done = []
    little = diag.explain(
        model, images, background=images, cache=False, max_memory=1, progress=lambda at, total: done.append((at, total))
    )
    np.testing.assert_allclose(little.values, whole.values, rtol=1e-6, atol=1e-6)
    assert done == [(at, 64) for at in range(1, 65)]


def test_backgrounds(tmp_path, layers, images):
    model = saved(tmp_path, layers, layers.Flatten(), layers.Dense(2, activation="softmax"))
    numbers = diag.explain(model, images, [0, 1], background=[3, 5])
    given = diag.explain(model, images, [0, 1], background=images[[3, 5]])
    np.testing.assert_array_equal(numbers.values, given.values)
    # Two groups of three and one equal images: their representatives weigh 3/4 and 1/4.
    groups = np.repeat(images[[0, 1]], [3, 1], axis=0)
    clustered = diag.explain(model, groups, background="kmeans:2")
    whole = diag.explain(model, groups, background=groups)
    assert clustered.n_background == 2
    np.testing.assert_allclose(clustered.values, whole.values, atol=1e-6)
    np.testing.assert_allclose(clustered.base_values, whole.base_values, atol=1e-6)


def test_drawn_by_class():
    from diag.explain.background import stratified

    labels = np.repeat([0, 1, 2], [60, 30, 10])
    # Shares of 10 are 6, 3 and 1.
    assert np.bincount(labels[stratified(labels, 10, 0, 100)]).tolist() == [6, 3, 1]
    # Shares of 7 are 4.2, 2.1 and 0.7: the last remainder is the largest.
    assert np.bincount(labels[stratified(labels, 7, 0, 100)]).tolist() == [4, 2, 1]
    assert len(stratified(labels, 100, 0, 100)) == 100


def test_two_threads_and_two_models_at_once(tmp_path, layers, images):
    from concurrent.futures import ThreadPoolExecutor

    models = [
        saved(tmp_path, layers, layers.Conv2D(3, 3, activation=name), layers.Flatten(), layers.Dense(3, "softmax"),
              name=f"{name}.keras")
        for name in ("relu", "gelu")
    ]  # fmt: skip
    alone = [diag.explain(model, images, background=images, cache=False).values for model in models]
    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(diag.explain, models[turn % 2], images, background=images, cache=False) for turn in range(12)
        ]
        for turn, job in enumerate(jobs):
            np.testing.assert_allclose(job.result().values, alone[turn % 2], atol=1e-6)


def test_refusals(tmp_path, layers, images):
    model = saved(tmp_path, layers, layers.Flatten(), layers.Dense(2, activation="softmax"))
    for arguments, said in [
        ({"indices": [8]}, "0..7"),
        ({"indices": []}, "indices: expected at least one image. Received: none. Choose"),
        ({"indices": [1.5]}, "indices: expected numbers of images"),
        ({"seed": -1}, "seed: expected a whole number of at least 0. Received: -1"),
        ({"outputs": [2]}, "0..1"),
        ({"outputs": "best"}, "'best'"),
        ({"background": 0}, "at least 1"),
        ({"background": images[0]}, r"\(m, h, w, c\)"),
        ({"background": "means:3"}, "'means:3'"),
        ({"background": [8]}, r"0\.\.7"),
        ({"outputs": "true+predicted"}, "labelled data"),
        ({"outputs": "top0"}, "'top0'"),
        ({"target": "odds"}, "'odds'"),
        ({"method": "lime"}, "'lime'"),
        ({"tolerance": 2}, "between 0 and 1"),
        ({"tolerance": 0.1, "method": "expected_gradients"}, "deepshap"),
        ({"max_memory": 0}, "above 0"),
    ]:
        with pytest.raises(InvalidInputError, match=said):
            diag.explain(model, images, **arguments)
    with pytest.raises(InvalidInputError, match=r"\(n, h, w, c\)"):
        diag.explain(model, images[0])


def test_additivity_error_by_hand():
    # base .2 + map .3 against an output of .6: .1 is missing.
    values = np.full((1, 1, 1, 1, 1), 0.3, np.float32)
    attribution = Attribution(
        values=values, base_values=np.array([[0.2]]), predictions=np.array([[0.6]], np.float32),
        images=np.zeros((1, 1, 1, 1), np.float32), indices=np.array([4]), outputs=np.array([[0]]), class_names=("a",),
        y_pred=np.array([0]), method="m",
    )  # fmt: skip
    assert attribution.additivity_error[0] == pytest.approx(0.1)
    row = attribution.frame().iloc[0]
    assert (row["index"], row["class"]) == (4, "a")
    assert row["error"] == pytest.approx(0.1)


def hand_made(**changes):
    """Two images of 1x2 pixels, three classes; image 7 is an error (2 taken for 0), image 9 is right."""
    values = np.array([[[[[0.4, -0.1, -0.3]], [[0.1, 0.0, -0.1]]]], [[[[0.2, -0.1, -0.1]], [[0.0, 0.3, -0.3]]]]])
    fields = {
        "values": values.astype(np.float32),
        "base_values": np.array([[0.3, 0.3, 0.4]] * 2),
        "predictions": np.array([[0.8, 0.2, 0.0], [0.5, 0.5, 0.0]], np.float32),
        "images": np.zeros((2, 1, 2, 1), np.float32),
        "indices": np.array([7, 9]),
        "outputs": np.array([[0, 1, 2]] * 2),
        "class_names": ("a", "b", "c"),
        "y_pred": np.array([0, 0]),
        "y_true": np.array([2, 0]),
    }
    return Attribution(**{**fields, **changes})


def test_contrast_by_hand():
    contrast = hand_made().contrast()
    # The error is asked for predicted minus true, the right answer for predicted minus the second most probable.
    assert contrast.labels(0) == ("a rather than c",)
    assert contrast.labels(1) == ("a rather than b",)
    np.testing.assert_allclose(contrast.values[0, 0, :, 0, 0], [0.7, 0.2], atol=1e-6)
    np.testing.assert_allclose(contrast.values[1, 0, :, 0, 0], [0.3, -0.3], atol=1e-6)
    np.testing.assert_allclose(contrast.predictions, [[0.8], [0.0]], atol=1e-6)
    assert contrast.additivity_error.max() < 1e-6
    assert contrast.columns is None
    named = hand_made().contrast("b", "c")
    assert named.columns == ("b rather than c",)
    np.testing.assert_allclose(named.values[0, 0, :, 0, 0], [0.2, 0.1], atol=1e-6)
    assert named.frame()["class"].tolist() == ["b rather than c"] * 2


def test_contrast_refuses_what_is_not_there():
    two = hand_made(
        values=hand_made().values[..., :2], outputs=np.array([[0, 1]] * 2), base_values=hand_made().base_values[:, :2],
        predictions=hand_made().predictions[:, :2],
    )  # fmt: skip
    with pytest.raises(InvalidInputError, match="a map of class 'c' for image 7"):
        two.contrast()
    with pytest.raises(InvalidInputError, match="'z'"):
        two.contrast("z")
    with pytest.raises(InvalidInputError, match=r"0\.\.2"):
        two.contrast(3)
    with pytest.raises(InvalidInputError, match="maps of a contrast"):
        two.contrast("a", "b").contrast()


def test_disagreement_by_hand():
    from diag.results.attribution import disagreement

    first = hand_made()
    # Maps of image 7 are (.4, .1), (-.1, 0), (-.3, -.1); of image 9 (.2, 0), (-.1, .3), (-.1, -.3).
    np.testing.assert_allclose(disagreement(first, first), 0, atol=1e-12)
    np.testing.assert_allclose(disagreement(first, hand_made(values=-first.values)), 2, atol=1e-6)
    turned = np.flip(first.values, axis=2)
    # cos((.4, .1), (.1, .4)) = .08 / .17
    assert disagreement(first, hand_made(values=turned))[0, 0] == pytest.approx(1 - 0.08 / 0.17)
    nothing = hand_made(values=np.zeros_like(first.values))
    np.testing.assert_array_equal(disagreement(first, nothing), 1)
    np.testing.assert_array_equal(disagreement(nothing, nothing), 0)
    with pytest.raises(InvalidInputError, match="same images"):
        disagreement(first, hand_made(indices=np.array([1, 2])))


def test_a_map_that_cancels_in_itself_is_said_to():
    values = hand_made().values.copy()
    values[0, 0, 0, 0, 0] += 15
    values[0, 0, 1, 0, 0] -= 15
    loud = hand_made(values=values)
    # |15.4| + |-14.9| of the first map; the sums are as before.
    assert loud.gross[0, 0] == pytest.approx(30.3, abs=1e-5)
    assert loud.additivity_error.max() < 1e-5
    assert loud.warning().startswith("1 of 2 images have a map whose pixels for and against cancel")
    assert "are 30 of probability" in loud.warning()
    assert hand_made().warning() is None
    assert hand_made(values=values, target="logit").warning() is None


def test_an_ensemble_that_ends_in_no_activation_is_explained_as_what_it_is_shown_as(tmp_path, layers, images):
    # A mean of probabilities is one; a mean of logits goes through softmax, as in predict_proba.
    from diag._lazy import import_keras

    keras = import_keras()
    for activation in ("softmax", None):
        source = keras.Input((6, 5, 1))
        flat = layers.Flatten()(source)
        parts = [layers.Dense(3, activation=activation)(flat) for _ in range(2)]
        keras.Model(source, layers.Average()(parts)).save(tmp_path / f"{activation}.keras")
        model = diag.load_model(tmp_path / f"{activation}.keras")
        found = diag.explain(model, images[:2], background=images[2:], cache=False)
        np.testing.assert_allclose(found.predictions, model.predict_proba(images[:2]), atol=1e-6)
        assert found.additivity_error.max() < 1e-6


def test_a_softmax_that_is_not_over_all_outputs_stays_in_the_network(tmp_path, layers, images):
    # Two rows of three: each row sums to one, so the outputs together are no softmax of six.
    model = saved(tmp_path, layers, layers.Flatten(), layers.Dense(6), layers.Reshape((2, 3)), layers.Softmax())
    from diag.explain.deepshap import DeepShap

    engine = DeepShap(model.keras, (6, 5, 1))
    assert engine.head.kind == "probabilities"
    maps = engine.maps(images[:2], images[2:])
    rise = maps.predictions - maps.base_values
    np.testing.assert_allclose(maps.values.sum(axis=(1, 2, 3)), rise, atol=1e-6)
    np.testing.assert_allclose(maps.predictions.sum(axis=1), 2, atol=1e-6)


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("method", ["deepshap", "expected_gradients"])
def test_one_output_that_is_a_probability_itself_makes_two_classes(tmp_path, layers, images, method):
    # A mean of sigmoids ends in no activation; a softmax of one unit is always 1, so its maps are empty.
    from diag._lazy import import_keras

    keras = import_keras()
    source = keras.Input((6, 5, 1))
    parts = [layers.Dense(1, activation="sigmoid")(layers.Flatten()(source)) for _ in range(2)]
    keras.Model(source, layers.Average()(parts)).save(tmp_path / "mean.keras")
    model = diag.load_model(tmp_path / "mean.keras")
    found = diag.explain(model, images[:2], background=images[2:], method=method)
    np.testing.assert_allclose(found.values[..., 0], -found.values[..., 1], atol=1e-7)
    np.testing.assert_allclose(found.predictions, model.predict_proba(images[:2]), atol=1e-6)
    assert found.additivity_error.max() < (1e-6 if method == "deepshap" else 0.01)
    lone = saved(tmp_path, layers, layers.Flatten(), layers.Dense(1, activation="softmax"), name="lone.keras")
    empty = diag.explain(lone, images[:2], background=images[2:], method=method)
    assert not empty.values.any()
    np.testing.assert_allclose(empty.predictions, lone.predict_proba(images[:2]), atol=1e-6)
