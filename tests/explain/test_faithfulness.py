"""`faithfulness` against curves worked out by hand, and by what must hold for good maps and for useless ones."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import bootstrap, spearmanr

import diag
from diag.errors import InvalidInputError, UnsupportedModelError
from diag.explain.faithfulness import edges, faithfulness, rank_correlation, stratified_indices
from diag.explain.randomisation import reinitialised
from diag.results.faithfulness import KINDS, ORDERS, Faithfulness
from tests.fakes import save_model


@pytest.fixture(scope="module")
def layers():
    from diag._lazy import import_keras

    return import_keras().layers


def saved(tmp_path, *stack, shape=(6, 5, 1), name="m.keras"):
    save_model(tmp_path / name, list(stack), shape)
    return diag.load_model(tmp_path / name)


def linear(tmp_path, layers, weights, shape, name="linear.keras"):
    """Return a model with the logits w.x / 2 and -w.x / 2: p(class 0) = 1 / (1 + exp(-w.x))."""
    network = save_model(tmp_path / name, [layers.Flatten(), layers.Dense(2)], shape)
    kernel = np.stack([np.ravel(weights), -np.ravel(weights)], axis=1) / 2
    network.layers[-1].set_weights([kernel, np.zeros(2)])
    network.save(tmp_path / name)
    return diag.load_model(tmp_path / name)


def toy(n=8, shape=(6, 5, 1), seed=0, labels=None):
    images = np.random.default_rng(seed).random((n, *shape), dtype=np.float32)
    return diag.load_dataset((images, np.arange(n) % 2 if labels is None else labels))


@pytest.fixture(scope="module")
def good(tmp_path_factory, layers):
    """A linear model with weights of either sign, and its result on ten images."""
    weights = np.random.default_rng(1).normal(0, 2, (6, 5))
    model = linear(tmp_path_factory.mktemp("good"), layers, weights, (6, 5, 1))
    return model, faithfulness(model, toy(20), n=10, background=np.full((1, 6, 5, 1), 0.5), steps=10, cache=False)


def test_curves_of_a_linear_model_by_hand(tmp_path, layers):
    # Against zeros the map of w.x is w * x: pixels go in the order of 4, 3, 2, 1.
    model = linear(tmp_path, layers, [[2, 4], [1, 3]], (2, 2, 1))
    data = diag.load_dataset((np.ones((1, 2, 2, 1), np.float32), [0]))
    found = faithfulness(model, data, [0], background=np.zeros((1, 2, 2, 1), np.float32), steps=4)
    np.testing.assert_allclose(found.fractions, [0, 0.25, 0.5, 0.75, 1])
    deletion, insertion = expit([10, 6, 3, 1, 0]), expit([0, 4, 7, 9, 10])
    np.testing.assert_allclose(found.probabilities["map", "deletion"], [deletion], atol=1e-6)
    np.testing.assert_allclose(found.probabilities["map", "insertion"], [insertion], atol=1e-6)
    # Trapezoids of width 1/4: the ends count half.
    auc = (deletion[0] / 2 + deletion[1] + deletion[2] + deletion[3] + deletion[4] / 2) / 4
    assert found.auc("map", "deletion") == pytest.approx([auc], abs=1e-6)
    assert found.probabilities["random", "deletion"][0, [0, -1]] == pytest.approx(expit([10, 0]), abs=1e-6)


def test_steps_that_do_not_divide_the_pixels(tmp_path, layers):
    model = linear(tmp_path, layers, [[2, 4], [1, 3]], (2, 2, 1))
    data = diag.load_dataset((np.ones((1, 2, 2, 1), np.float32), [0]))
    found = faithfulness(model, data, background=np.zeros((1, 2, 2, 1), np.float32), steps=3)
    np.testing.assert_allclose(found.fractions, [0, 0.25, 0.75, 1])  # 4/3 and 8/3 pixels are 1 and 3
    np.testing.assert_allclose(found.probabilities["map", "deletion"], [expit([10, 6, 1, 0])], atol=1e-6)


def test_edges_of_a_step_by_hand():
    images = np.zeros((2, 3, 4, 2), np.float32)
    images[0, :, 2:] = [1, 3]  # the grey image steps from 0 to 2: Sobel gives (1 + 2 + 1) * 2 on both sides
    np.testing.assert_allclose(edges(images), [[[0, 8, 8, 0]] * 3, np.zeros((3, 4))])


def test_rank_correlation_by_hand():
    # 1 - 6 sum d^2 / (n (n^2 - 1)) = 1 - 6 * 2 / (4 * 15); the two pixels that neither marks do not count.
    before, after = np.array([0, 1, 2, 3, 4, 0.0]), np.array([0, 10, 20, 40, 30, 0.0])
    assert rank_correlation(before, after) == pytest.approx(0.8)
    assert rank_correlation(before, np.zeros(6)) == 0
    assert np.isnan(rank_correlation(np.zeros(6), after))
    assert np.isnan(rank_correlation(np.zeros(6), np.zeros(6)))


def test_stratified_indices_take_turns_among_the_classes():
    labels = np.array([0] * 30 + [1] * 3 + [2] * 7)
    data = toy(40, (2, 2, 1), labels=labels)
    drawn = stratified_indices(data, 12, seed=0)
    assert np.bincount(labels[drawn]).tolist() == [5, 3, 4] or np.bincount(labels[drawn]).tolist() == [4, 3, 5]
    assert (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(drawn, stratified_indices(data, 12, seed=0))
    assert drawn.tolist() != stratified_indices(data, 12, seed=1).tolist()
    assert stratified_indices(data, 99, seed=0).tolist() == list(range(40))
    assert len(stratified_indices(diag.load_dataset(np.zeros((9, 2, 2, 1), np.float32)), 4, seed=0)) == 4


def test_exact_maps_beat_random_and_edges(good):
    model, found = good
    assert len(found) == 10
    assert found.beats_random
    assert found.beats_edges
    assert found.differences()["better"].all()
    assert found.verdict().startswith("Maps are faithful: deleting what they mark lowers the probability faster than")
    # Nothing falls faster, step by step, than the order of an exact map of a linear model.
    for baseline in ("random", "edges"):
        assert (found.probabilities["map", "deletion"] <= found.probabilities[baseline, "deletion"] + 1e-6).all()
        assert (found.probabilities["map", "insertion"] >= found.probabilities[baseline, "insertion"] - 1e-6).all()
    proba = model.predict_proba(np.asarray(toy(20).images[found.indices]))
    for kind in KINDS:  # all begin with the image and end with the mean reference
        curves = found.probabilities[kind, "deletion"]
        np.testing.assert_allclose(curves[:, 0], proba.max(axis=1), atol=1e-6)
        np.testing.assert_allclose(curves[:, -1], found.probabilities[kind, "insertion"][:, 0], atol=1e-6)


def test_frames_are_tidy(good):
    _, found = good
    frame = found.frame()
    assert frame.columns.tolist() == ["index", "kind", "order", "auc"]
    assert len(frame) == 10 * len(KINDS) * len(ORDERS)
    picked = frame[(frame["kind"] == "edges") & (frame["order"] == "insertion")]
    np.testing.assert_allclose(picked["auc"], found.auc("edges", "insertion"))
    curves = found.curves()
    assert curves.columns.tolist() == ["order", "kind", "fraction", "mean", "low", "high"]
    assert len(curves) == 11 * len(KINDS) * len(ORDERS)
    assert (curves["low"] <= curves["mean"] + 1e-12).all()
    assert (curves["mean"] <= curves["high"] + 1e-12).all()
    sanity = found.sanity_frame()
    assert sanity.columns.tolist() == ["stage", "layer", "correlation", "signed_correlation"]
    assert not any(array.flags.writeable for array in (found.fractions, found.correlations, found.indices))
    assert not any(array.flags.writeable for array in found.probabilities.values())


def test_the_interval_is_scipys(good):
    _, found = good
    row = found.differences().iloc[0]
    assert (row["order"], row["baseline"]) == ("deletion", "random")
    difference = found.auc("map", "deletion") - found.auc("random", "deletion")
    assert row["difference"] == pytest.approx(difference.mean())
    options = {"method": "percentile", "n_resamples": 9999, "rng": np.random.default_rng(0)}
    expected = bootstrap((difference,), np.mean, **options).confidence_interval
    assert [row["low"], row["high"]] == pytest.approx([expected.low, expected.high], abs=0.01)


def test_the_randomisation_of_one_unit_by_hand(tmp_path, layers):
    # Against one reference r the map is w (x - r) times a number: with other weights w' the ranks are those of
    # w' (x - r), whatever the class.
    model = saved(tmp_path, layers.Flatten(), layers.Dense(1, activation="sigmoid", name="unit"))
    found = faithfulness(model, toy(), background=np.full((1, 6, 5, 1), 0.5), steps=2, seed=3)
    kernel = model.keras.layers[-1].get_weights()[0]
    drawn = np.random.default_rng(3).normal(0, kernel.std(), kernel.shape)
    away = np.asarray(toy().images).reshape(8, 30) - 0.5
    expected = [spearmanr(row * kernel[:, 0], row * drawn[:, 0]).statistic for row in away]
    strength = [spearmanr(np.abs(row * kernel[:, 0]), np.abs(row * drawn[:, 0])).statistic for row in away]
    assert found.layers == ("unit",)
    np.testing.assert_allclose(found.signed_correlations, [expected], atol=5e-3)
    np.testing.assert_allclose(found.correlations, [strength], atol=5e-3)


def test_a_constant_model_is_not_faithful(tmp_path, layers):
    model = linear(tmp_path, layers, np.zeros((6, 5)), (6, 5, 1))
    found = faithfulness(model, toy(), background=3, steps=4)
    assert not found.passed
    assert not found.differences()["better"].any()
    assert found.auc("map", "deletion") == pytest.approx([0.5] * 8)
    assert found.verdict().startswith("Maps are not faithful: deleting what they mark does not lower the probability")
    assert "not better than an edge detector" in found.verdict()
    assert "cannot be tested" in found.verdict()
    assert "\n" not in found.verdict()


def test_the_users_model_is_not_changed(good):
    model, _ = good
    before = [weight.copy() for weight in model.keras.get_weights()]
    digest = model.digest
    faithfulness(model, toy(4), background=2, steps=2, cache=False)
    for old, new in zip(before, model.keras.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.digest == digest


def test_a_seed_gives_the_same_again_with_and_without_the_cache(tmp_path, layers, empty_cache):
    model = saved(tmp_path, layers.Conv2D(2, 3, activation="relu"), layers.Flatten(), layers.Dense(3))
    options = {"n": 6, "background": 4, "steps": 5, "n_random": 2}
    calls = []
    first = faithfulness(model, toy(12), **options, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1][0] == calls[-1][1]
    assert all(a <= b for (a, _), (b, _) in pairwise(calls))
    again = faithfulness(model, toy(12), **options, cache=False)
    kept = faithfulness(model, toy(12), **options)
    # What is kept: the maps, and the result. Never the maps of a re-initialised network.
    assert len(list((empty_cache / "attributions").iterdir())) == 2
    for other in (again, kept):
        assert other.verdict() == first.verdict()
        assert other.layers == first.layers
        np.testing.assert_allclose(other.correlations, first.correlations)
        for key, values in first.probabilities.items():
            np.testing.assert_allclose(other.probabilities[key], values, atol=1e-6)
    changed = faithfulness(model, toy(12), **options, seed=1)
    assert changed.seed == 1
    assert np.abs(changed.probabilities["random", "deletion"] - first.probabilities["random", "deletion"]).max() > 0


def test_one_image_gives_numbers_and_no_claim(tmp_path, layers):
    model = linear(tmp_path, layers, np.arange(30) - 9, (6, 5, 1))
    found = faithfulness(model, toy(), [3], background=3, steps=5)
    assert found.indices.tolist() == [3]
    assert found.differences()["low"].isna().all()
    assert not found.passed
    assert found.verdict().startswith("Too few images to tell (1; at least 6)")
    assert len(found.curves()) == 6 * 6


def test_colour_and_channels_first_give_the_same(tmp_path, layers):
    # The same weights for the same pixels, in another order of axes; pixels are ordered by the sum over channels.
    weights = np.random.default_rng(2).normal(0, 1, (6, 5, 3))
    data = toy(6, (6, 5, 3))
    options = {"background": 4, "steps": 6, "cache": False}
    last = faithfulness(linear(tmp_path, layers, weights, (6, 5, 3)), data, **options)
    model = linear(tmp_path, layers, np.moveaxis(weights, -1, 0), (3, 6, 5), "first.keras")
    first = faithfulness(model, data, **options)
    for key, values in last.probabilities.items():
        np.testing.assert_allclose(first.probabilities[key], values, atol=1e-5)
    assert last.beats_random


def test_images_that_are_resized_and_flat_models(tmp_path, layers):
    save_model(tmp_path / "flat.keras", [layers.Dense(2, activation="softmax")], (16,))
    model = diag.load_model(tmp_path / "flat.keras", preprocessing=diag.Preprocessing(resize=(4, 4)))
    found = faithfulness(model, toy(2), background=2, steps=4)
    np.testing.assert_allclose(found.fractions, [0, 0.25, 0.5, 0.75, 1])


def test_one_sigmoid_unit(tmp_path, layers):
    model = saved(tmp_path, layers.Flatten(), layers.Dense(1, activation="sigmoid"))
    found = faithfulness(model, toy(), background=3, steps=5)
    assert found.beats_random
    assert (found.probabilities["map", "deletion"][:, 0] >= 0.5).all()


def test_reinitialised_goes_down_through_nested_networks(layers):
    from diag._lazy import import_keras

    keras = import_keras()
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((8, 8, 4)), layers.Conv2D(16, 3, name="inner")])
    shared = layers.Dense(16, name="shared")
    start = keras.Input((8, 8, 1))
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, padding="same", name="first")(start))
    x = shared(shared(layers.GlobalAveragePooling2D()(inner(x))))
    network = keras.Model(start, layers.Dense(3, bias_initializer="ones", name="last")(x))
    before = {weight.path: np.asarray(weight).copy() for weight in network.weights}
    stages = []
    for name in reinitialised(network, seed=0):
        changed = {w.path.split("/")[-2] for w in network.weights if not np.array_equal(before[w.path], w)}
        stages.append((name, changed))
    assert stages == [
        ("last", {"last"}),
        ("shared", {"last", "shared"}),
        ("inner", {"last", "shared", "inner"}),
        ("first", {"last", "shared", "inner", "first"}),
    ]
    for weight in network.weights:  # biases and batch normalisation stay; kernels keep their spread
        if len(weight.shape) < 2:
            np.testing.assert_array_equal(before[weight.path], weight)
        elif weight.shape[0] > 4:
            assert np.asarray(weight).std() == pytest.approx(before[weight.path].std(), rel=0.2)


def test_a_deep_network_has_six_stages_and_the_last_is_all_of_it(layers):
    from diag._lazy import import_keras

    keras = import_keras()
    network = keras.Sequential([keras.Input((4,)), *(layers.Dense(4, name=f"d{number}") for number in range(9))])
    assert list(reinitialised(network, 0)) == ["d8", "d6", "d5", "d3", "d2", "d0"]


def hand_made(drop=0.3, correlation=0.1, signed=0.0, edges_drop=0.0, insertion=0.3, n=8):
    """Return a result of curves that are flat: every AUC is its height."""
    spread = np.linspace(-0.01, 0.01, n)[:, None] * np.ones(3)
    heights = {
        ("map", "deletion"): 0.6 - drop, ("random", "deletion"): 0.6, ("edges", "deletion"): 0.6 - edges_drop,
        ("map", "insertion"): 0.5 + insertion, ("random", "insertion"): 0.5, ("edges", "insertion"): 0.5,
    }  # fmt: skip
    return Faithfulness(
        fractions=np.array([0, 0.5, 1]),
        probabilities=MappingProxyType(
            {key: height + (spread if key[0] == "map" else 0 * spread) for key, height in heights.items()}
        ),
        layers=("b", "a"),
        correlations=np.array([[0.9, 0.9], [correlation, correlation]]),
        signed_correlations=np.array([[0.9, 0.9], [signed, signed]]),
        indices=np.arange(n),
        y_pred=np.zeros(n, np.int64),
    )


def test_the_verdict_in_words():
    passed = hand_made()
    assert passed.passed
    assert passed.verdict() == (
        "Maps are faithful: deleting what they mark lowers the probability faster than random order (AUC 0.30 against "
        "0.60, difference -0.30, 95% -0.30 to -0.30) and than edges (AUC 0.30 against 0.60, difference -0.30, 95% "
        "-0.30 to -0.30); they depend on the weights (rank correlation 0.10, 0.00 with signs, after re-initialisation)."
    )
    assert passed.sanity_frame()["correlation"].tolist() == pytest.approx([0.9, 0.1])
    edges_too = hand_made(edges_drop=0.4)
    assert edges_too.beats_random
    assert not edges_too.passed
    assert "faithful in part" in edges_too.verdict()
    assert "not better than an edge detector (AUC 0.30 against 0.20" in edges_too.verdict()
    worse = hand_made(drop=-0.1, edges_drop=-0.3)
    assert worse.verdict().startswith("Maps are not faithful")
    assert "though faster than edges" in worse.verdict()
    contradicted = hand_made(insertion=-0.1)
    assert "inserting it does not raise it faster than random order or edges" in contradicted.verdict()


@pytest.mark.parametrize(
    ("correlation", "signed", "said"),
    [
        (
            0.7,
            0.7,
            "maps look alike for a re-initialised model (rank correlation 0.70, 0.70 with signs): they show the",
        ),
        (0.7, 0.0, "without their signs, maps look alike for a re-initialised model (rank correlation 0.70, 0.00 with"),
        (np.nan, np.nan, "cannot be tested"),
    ],
)
def test_maps_that_look_alike_for_another_model_do_not_pass(correlation, signed, said):
    found = hand_made(correlation=correlation, signed=signed)
    assert not found.depends_on_weights
    assert not found.passed
    assert said in found.verdict()
    assert found.signs_depend_on_weights == (signed == 0)


def test_nothing_to_reinitialise():
    found = replace(hand_made(), layers=(), correlations=np.zeros((0, 2)), signed_correlations=np.zeros((0, 2)))
    assert "cannot be tested" in found.verdict()
    assert len(found.sanity_frame()) == 0


def test_refusals(tmp_path, layers):
    model = saved(tmp_path, layers.Flatten(), layers.Dense(2, activation="softmax"))
    for arguments, said in [
        ({"indices": [8]}, r"0\.\.7"),
        ({"indices": []}, "at least one image"),
        ({"n": 0}, "n: expected a whole number of at least 1"),
        ({"steps": 2.5}, "steps: expected a whole number of at least 1. Received: 2.5"),
        ({"seed": -1}, "seed: expected a whole number of at least 0"),
        ({"n_random": 0}, "n_random"),
        ({"background": 0}, "at least 1"),
    ]:
        with pytest.raises(InvalidInputError, match=said):
            faithfulness(model, toy(), **arguments)
    with pytest.raises(InvalidInputError, match="expected a Dataset"):
        faithfulness(model, np.zeros((2, 6, 5, 1), np.float32))
    logistic = Path(__file__).resolve().parents[2] / "saved_models" / "digits" / "logistic_l1.skops"
    with pytest.raises(UnsupportedModelError, match="Keras network"):
        faithfulness(diag.load_model(logistic), toy())


def test_a_file_that_changed_since_does_not_matter(tmp_path, layers):
    first, second = np.random.default_rng(4).normal(0, 2, (2, 6, 5))
    model = linear(tmp_path, layers, first, (6, 5, 1))
    options = {"background": 2, "steps": 2, "cache": False}
    before = faithfulness(model, toy(), **options)
    changed = linear(tmp_path, layers, second, (6, 5, 1))
    after = faithfulness(model, toy(), **options)
    np.testing.assert_array_equal(after.signed_correlations, before.signed_correlations)
    other = faithfulness(changed, toy(), **options)
    assert not np.array_equal(other.signed_correlations, before.signed_correlations)
