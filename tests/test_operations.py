"""What is asked of a network itself: arrays and JSON in and out, the same in this process and in another."""

from __future__ import annotations

import gc
import json
import weakref

import numpy as np
import pytest

import diag
from diag.errors import InvalidInputError
from diag.explain import network as explaining
from diag.filters import network as filtering
from diag.io.backends import OPERATIONS, operation

HOMES = ("diag.explain.", "diag.filters.", "diag.io.network_ends:")
OWN = sorted(name for name, place in OPERATIONS.items() if place.startswith(HOMES))
"""The others have tests beside them."""
NUMBERS = "biuf"
RNG = np.random.default_rng(0)
INPUTS = RNG.random((3, 8, 8, 1), dtype=np.float32)
CLASSES = np.array([[2, 0], [1, 2], [0, 1]])
MAPS = {"target": "probability", "tolerance": None, "seed": 0, "max_memory": 1e9, "activation": None, "look": True}


def requests(name):
    """Return what each operation is asked: (arrays, options)."""
    images = {"inputs": INPUTS, "references": INPUTS[::-1].copy()}
    return {
        "activations": [({"inputs": INPUTS}, {"layers": None, "max_memory": 1e9})],
        "ends": [({}, {})],
        "features": [({"inputs": INPUTS}, {"name": "m"}), ({}, {"name": "m"})],
        "kernels": [({}, {"max_memory": 1e9})],
        "maps": [
            ({**images, "classes": CLASSES}, {"method": "deepshap", **MAPS}),
            ({**images, "classes": CLASSES}, {"method": "deepshap", **MAPS, "tolerance": 0.1, "target": "logit"}),
            ({**images, "classes": CLASSES, "weights": np.array([0.5, 0.25, 0.25])}, {"method": "deepshap", **MAPS}),
            ({**images, "classes": CLASSES}, {"method": "expected_gradients", **MAPS}),
        ],
        "reinitialised_maps": [
            ({**images, "classes": CLASSES[:, 0]}, {"method": "deepshap", **MAPS, "classes": [0, 1, 2]})
        ],
    }[name]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Saved networks: a stack, and a graph with another inside it and a layer whose name begins oddly."""
    from diag._lazy import import_keras

    keras = import_keras()
    layers = keras.layers
    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("operations")
    ends = [layers.Flatten(), layers.Dense(3, activation="softmax")]
    keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3, activation="relu", name="_conv"), *ends]).save(
        folder / "stack.keras"
    )
    inner = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3, name="deep")], name="inner")
    start = keras.Input((8, 8, 1))
    end = layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Conv2D(3, 2)(inner(start))))
    keras.Model(start, end).save(folder / "graph.keras")
    return [diag.load_model(folder / name) for name in ("stack.keras", "graph.keras")]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_can_be_imported(name):
    assert callable(operation(name))


@pytest.mark.parametrize("name", OWN)
def test_arrays_and_json_in_and_out(models, name):
    for model in models:
        for arrays, options in requests(name):
            calls = []
            there = model.run(name, arrays, json.loads(json.dumps(options)))
            here = operation(name)(model.keras, arrays, options, lambda done, total, to=calls: to.append((done, total)))
            for entry in (there, here):
                assert not entry.samples
                assert json.loads(json.dumps(entry.meta)) == entry.meta
                assert all(type(array) is np.ndarray for array in entry.arrays.values())
                assert all(array.dtype.kind in NUMBERS for array in entry.arrays.values())
            assert there.meta == here.meta
            assert set(there.arrays) == set(here.arrays)
            for key, array in here.arrays.items():
                np.testing.assert_array_equal(there.arrays[key], array)
            assert calls == sorted(calls)
            assert len({total for _, total in calls}) <= 1
            assert not calls or calls[-1][0] == calls[-1][1]


def test_what_the_ends_of_a_network_are(models):
    assert models[1].run("ends").meta == {"inputs": [[None, 8, 8, 1]], "outputs": [[None, 3]]}


def test_the_network_is_left_as_it_is(models):
    network = models[0].keras
    before = [weight.copy() for weight in network.get_weights()]
    for name in OWN:
        for arrays, options in requests(name):
            operation(name)(network, arrays, options)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_what_is_kept_for_a_network_goes_with_it(models):
    network = diag.load_model(models[0].path).keras
    for name in ("maps", "features"):
        operation(name)(network, *requests(name)[0])
    assert network in explaining._ENGINES
    assert network in filtering._TAPS
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None


def test_one_engine_answers_again_and_few_are_kept(models):
    network = models[0].keras
    first = explaining._kept_engine(network, (8, 8, 1), "linear")
    assert explaining._kept_engine(network, (8, 8, 1), "linear") is first
    for number in range(explaining.KEPT_ENGINES):
        explaining._kept_engine(network, (8, 8, 1), f"other {number}")
    assert len(explaining._ENGINES[network]) == explaining.KEPT_ENGINES
    assert explaining._kept_engine(network, (8, 8, 1), "linear") is not first


def large(shape, filters, outputs=2):
    """Return a network whose one convolution answers in `filters` maps of the image's size."""
    from diag._lazy import import_keras

    keras = import_keras()
    stack = [keras.layers.Conv2D(filters, 1, name="wide"), keras.layers.GlobalMaxPooling2D()]
    return keras.Sequential([keras.Input(shape), *stack, keras.layers.Dense(outputs)])


@pytest.mark.parametrize("method", ["deepshap", "expected_gradients"])
def test_maps_that_need_too_much_memory_are_refused_before_any_work(method):
    # 1000 x 1000 x 256 numbers of 4 bytes, of which several copies are needed.
    network, images = large((1000, 1000, 1), 256), np.zeros((1, 1000, 1000, 1), np.float32)
    arrays = {"inputs": images, "references": images, "classes": np.array([[0]])}
    with pytest.raises(InvalidInputError, match=r"max_memory: expected at least [\d.]+ GB, which one .* Raise max_"):
        operation("maps")(network, arrays, {"method": method, **MAPS, "look": False})


@pytest.mark.parametrize("method", ["deepshap", "expected_gradients"])
def test_maps_that_are_too_large_themselves_are_refused(method):
    network, images = large((100, 100, 3), 1, 1000), np.zeros((20, 100, 100, 3), np.float32)
    arrays = {"inputs": images, "references": images[:1], "classes": np.tile(np.arange(1000), (20, 1))}
    # 20 images x 1,000 classes x 30,000 pixel values x 4 bytes
    said = r"20 images x 1,000 classes x 30,000 pixel values, which are 2.4 GB\. Ask for fewer"
    with pytest.raises(InvalidInputError, match=said):
        operation("maps")(network, arrays, {"method": method, **MAPS})


def test_points_of_expected_gradients_at_a_time():
    from diag.explain.expected_gradients import ExpectedGradients

    engine = ExpectedGradients(large((100, 100, 1), 9, 2))
    # Input, convolution, maximum, dense layer: 10,000 + 90,000 + 9 + 2 numbers of 4 bytes, twice.
    assert engine._batch((100, 100, 1), 1e9) == 64
    assert engine._batch((100, 100, 1), 10 * 8 * 100_011) == 10
    assert engine._batch((100, 100, 1), 1) == 1  # small ones are never refused


def test_thousands_of_classes_bound_the_references_at_a_time():
    from diag.explain.deepshap import THREADS, DeepShap, _Run

    engine = DeepShap(large((4, 4, 1), 1, 1000), (4, 4, 1), "linear")
    images = np.zeros((200, 4, 4, 1), np.float32)
    run = _Run(engine, images[:1], images, np.full(200, 1 / 200), None, "probability", 1e9, None)
    # A pair has 1,000 x 1,000 multipliers of 8 bytes, in four copies, in each thread; half of the memory is theirs.
    assert run.block == int(5e8 // (THREADS * 4 * 8e6))
    few = _Run(engine, images[:1], images, np.full(200, 1 / 200), np.array([[3]]), "probability", 1e9, None)
    assert few.block == 200


def test_activations_and_kernels_that_are_too_large_are_refused():
    network = large((100, 100, 1), 50)
    arrays = {"inputs": np.zeros((3, 100, 100, 1), np.float32)}
    with pytest.raises(InvalidInputError, match=r"answers to 3 images are 0\.006 GB\. Ask for fewer images"):
        operation("activations")(network, arrays, {"layers": None, "max_memory": 5e6})  # 3 x 500,000 x 4 bytes
    with pytest.raises(InvalidInputError, match=r"1 convolution layers with 2e-07 GB\. Raise max_memory"):
        operation("kernels")(network, {}, {"max_memory": 100})


def test_activations_in_parts_are_the_same(models, monkeypatch):
    arrays, options = requests("activations")[0]
    for model in models:
        whole = operation("activations")(model.keras, arrays, options)
        calls = []
        with monkeypatch.context() as patched:
            patched.setattr(filtering, "STEP_BYTES", 1)
            parts = operation("activations")(model.keras, arrays, options, lambda *done, to=calls: to.append(done))
        assert calls == [(1, 3), (2, 3), (3, 3)]
        for key, array in whole.arrays.items():
            np.testing.assert_allclose(parts.arrays[key], array, atol=1e-6)


def test_features_in_parts_are_the_same(models, monkeypatch):
    arrays, options = requests("features")[0]
    network = diag.load_model(models[1].path).keras
    whole = operation("features")(network, arrays, options)
    monkeypatch.setattr(filtering, "STEP_BYTES", 1)
    parts = operation("features")(network, arrays, options)
    np.testing.assert_allclose(parts.arrays["features"], whole.arrays["features"], atol=1e-6)
