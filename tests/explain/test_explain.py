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
    attribution = diag.explain(model, images[:3], background=images[3:])
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
    np.testing.assert_array_equal(one.values[..., 0], attribution.values[..., 1])


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


def test_layers_without_rules_are_named(tmp_path, layers, images):
    for culprit in (layers.PReLU(name="culprit"), layers.LayerNormalization(name="culprit")):
        model = saved(
            tmp_path, layers, layers.Flatten(), layers.Dense(4), culprit, layers.Dense(2, activation="softmax")
        )
        with pytest.raises(UnsupportedModelError, match="layer 'culprit'"):
            diag.explain(model, images[:1], background=images[1:], cache=False)
    pooling = [layers.Conv2D(3, 3), layers.GlobalMaxPooling2D(name="culprit"), layers.Dense(2, activation="softmax")]
    with pytest.raises(UnsupportedModelError, match="layer 'culprit'"):
        diag.explain(saved(tmp_path, layers, *pooling), images[:1], background=images[1:], cache=False)


@pytest.mark.parametrize("activation", ["leaky_relu", "gelu"])
def test_an_unsupported_layer_is_named_in_one_line(tmp_path, layers, images, activation):
    model = saved(
        tmp_path, layers, layers.Flatten(), layers.Dense(4, activation=activation, name="culprit"),
        layers.Dense(2, activation="softmax"),
    )  # fmt: skip
    with pytest.raises(UnsupportedModelError, match="layer 'culprit'") as caught:
        diag.explain(model, images[:1], background=images[1:])
    assert "\n" not in str(caught.value)


def test_an_inexact_map_says_so(tmp_path, layers, images):
    # DeepExplainer has no rule for swish and falls back to the gradient: its maps do not add up.
    stack = (layers.Rescaling(10.0), layers.Flatten(), layers.Dense(9, activation="swish"), layers.Dense(2))
    attribution = diag.explain(saved(tmp_path, layers, *stack), images[:2], background=images[2:])
    assert attribution.additivity_error.max() > attribution.tolerance
    assert "do not add up" in attribution.warning()


def test_refusals(tmp_path, layers, images):
    model = saved(tmp_path, layers, layers.Flatten(), layers.Dense(2, activation="softmax"))
    for arguments, said in [
        ({"indices": [8]}, "0..7"),
        ({"outputs": [2]}, "0..1"),
        ({"outputs": "best"}, "'best'"),
        ({"background": 0}, "at least 1"),
        ({"background": images[0]}, r"\(m, h, w, c\)"),
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
