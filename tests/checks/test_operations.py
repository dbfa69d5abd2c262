"""What checks ask of a network itself: arrays and plain values in and out, on every kind of network."""

from __future__ import annotations

import json

import numpy as np
import pytest

from diag.checks.facts import Structure, WeightFacts
from diag.checks.units import observed
from diag.errors import UnsupportedModelError
from diag.io.backends import operation
from diag.io.store import Entry

NAMES = ["structure", "weight_statistics", "duplicate_filters", "units", "batch_statistics", "as_saved"]
OPTIONS = {"seed": 3, "sample": 50, "work": 1e9, "batch_numbers": 2000, "batch": 4}
SHAPES = {"recurrent": (8, 3), "no weights": (6,)}


def sequential(layers, keras):
    stem = [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten(), layers.Dropout(0.5)]
    return keras.Sequential([keras.Input((8, 8, 1)), *stem, layers.Dense(3, activation="softmax")])


def functional(layers, keras):
    inputs = keras.Input((8, 8, 1))
    one = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    joined = layers.Add()([one, layers.DepthwiseConv2D(3, padding="same")(one)])
    tensor = layers.GlobalAveragePooling2D()(layers.Dropout(0.5)(joined, training=True))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(tensor))


def nested(layers, keras):
    inner = keras.Sequential([keras.Input((64,)), layers.Dense(20), layers.BatchNormalization()], name="inner")
    inputs = keras.Input((8, 8, 1))
    return keras.Model(inputs, layers.Dense(3)(inner(layers.Flatten()(inputs))))


def two_inputs(layers, keras):
    one, two = keras.Input((8, 8, 1)), keras.Input((2,))
    joined = layers.Concatenate()([layers.Flatten()(one), two])
    return keras.Model([one, two], layers.Dense(3)(joined))


def recurrent(layers, keras):
    stem = [layers.Bidirectional(layers.LSTM(5)), layers.Dense(3, activation="softmax")]
    return keras.Sequential([keras.Input((8, 3)), *stem])


def no_weights(layers, keras):
    return keras.Sequential([keras.Input((6,)), layers.Softmax()])


def fixed_batch(layers, keras):
    stem = [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(3)]
    return keras.Sequential([keras.Input((8, 8, 1), batch_size=5), *stem])


BUILDERS = {
    "sequential": sequential,
    "functional": functional,
    "nested": nested,
    "two inputs": two_inputs,
    "recurrent": recurrent,
    "no weights": no_weights,
    "fixed batch": fixed_batch,
}


@pytest.fixture(scope="module")
def networks():
    """Return the networks by name."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    return {name: build(layers, keras) for name, build in BUILDERS.items()}


def asked(network, name, shape=(8, 8, 1)):
    """Return what an operation finds out, options and plain values having gone through JSON, and its progress."""
    inputs = np.random.default_rng(0).random((10, *shape), dtype=np.float32)
    told = []
    entry = operation(name)(
        network, {"inputs": inputs}, json.loads(json.dumps(OPTIONS)), lambda done, total: told.append((done, total))
    )
    text = json.dumps(dict(entry.meta), allow_nan=False)
    assert not entry.samples
    return Entry(meta=json.loads(text), arrays=entry.arrays), told, entry.meta


@pytest.mark.parametrize("kind", BUILDERS)
@pytest.mark.parametrize("name", NAMES)
def test_arrays_and_plain_values_go_in_and_out(name, kind, networks):
    if kind == "two inputs" and name in ("units", "batch_statistics", "as_saved"):
        with pytest.raises(UnsupportedModelError, match="one input"):
            asked(networks[kind], name)
        return
    entry, told, meta = asked(networks[kind], name, SHAPES.get(kind, (8, 8, 1)))
    assert entry.meta == meta  # no tuple, no number of NumPy: nothing that JSON changes
    assert all(type(array) is np.ndarray and array.dtype.kind in "fibu" for array in entry.arrays.values())
    done = [each for each, _ in told]
    assert done == sorted(done)
    assert all(each <= total for each, total in told)


@pytest.mark.parametrize("kind", BUILDERS)
def test_what_was_found_out_becomes_facts(kind, networks):
    network = networks[kind]
    structure = Structure.of(asked(network, "structure")[0])
    assert structure.inputs == tuple(tuple(tensor.shape) for tensor in network.inputs)
    assert structure.batch == (5 if kind == "fixed batch" else None)
    assert (structure.places is None) == (kind == "two inputs")
    assert structure.has("BatchNormalization") == (kind in ("sequential", "nested", "fixed batch"))
    weights = WeightFacts.of(asked(network, "weight_statistics")[0])
    assert sum(kernel.size for kernel in weights.kernels) == sum(
        int(np.prod(variable.shape))
        for variable in network.weights
        if variable.name == "kernel" and kind != "recurrent"
    ) + (3 * 10 if kind == "recurrent" else 0)
    assert all(len(kernel.norms) == kernel.units for kernel in weights.kernels)
    assert not weights.not_finite


def test_parts_of_a_nested_network_have_their_full_names(networks):
    structure = Structure.of(asked(networks["nested"], "structure")[0])
    names = [layer.name for layer in structure.layers if layer.weights]
    assert names[0].startswith("inner/")
    assert "/" not in structure.layers[-1].own_name
    weights = WeightFacts.of(asked(networks["nested"], "weight_statistics")[0])
    assert [each.name for each in weights.normalisations] == [name for name in names if "norm" in name]


def test_units_come_back_step_by_step(networks):
    network = networks["sequential"]
    units = observed(asked(network, "units")[0])
    assert [each.place.kind for each in units] == [
        "", "Conv2D", "BatchNormalization", "ReLU", "Flatten", "Dense", "softmax"
    ]  # fmt: skip
    assert [len(each.mean) for each in units] == [1, 4, 4, 4, 144, 3, 3]
    assert {each.images for each in units} == {len(units[0].finite)} == {10}
    moving = units[2].moving
    np.testing.assert_array_equal(moving.variance, np.ones(4))
    assert moving.epsilon == pytest.approx(1e-3)
    assert not units[0].mean.flags.writeable


def test_figures_of_weights_by_hand():
    import keras
    from keras import layers

    network = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="a"), layers.Dense(1, name="b")])
    kernel = np.array([[3.0, 0.0], [4.0, 0.0]], dtype=np.float32)  # unit 0: (3, 4), unit 1: nothing
    network.set_weights([kernel, np.array([np.nan, 0.0]), np.ones((2, 1)), np.zeros(1)])
    facts = WeightFacts.of(asked(network, "weight_statistics")[0])
    one, two = facts.kernels
    np.testing.assert_allclose(one.norms, [5, 0])
    assert one.rms == pytest.approx(2.5)  # sqrt(25 / 4)
    assert (one.finite, one.zero, one.constant, one.untouched) == (False, False, False, False)
    assert (two.finite, two.zero, two.constant, two.untouched) == (True, False, True, True)
    assert (len(one.sample), len(two.sample)) == (0, 2)  # what was trained stays where it is
    (bad,) = facts.not_finite
    assert (bad.layer, bad.weight, bad.not_finite, bad.of) == ("a", "bias", 1, 2)


def test_large_kernels_are_looked_at_in_parts_and_drawn_from(monkeypatch):
    import keras
    from keras import layers

    from diag.checks import network_weights

    network = keras.Sequential([keras.Input((40,)), layers.Dense(30, bias_initializer="zeros")])
    whole = WeightFacts.of(asked(network, "weight_statistics")[0]).kernels[0]
    monkeypatch.setattr(network_weights, "CHUNK", 100)
    parts = WeightFacts.of(asked(network, "weight_statistics")[0]).kernels[0]
    np.testing.assert_array_equal(parts.norms, whole.norms)
    assert parts.rms == pytest.approx(whole.rms, rel=1e-12)
    assert len(whole.sample) == OPTIONS["sample"]
    assert np.isin(whole.sample, network.get_weights()[0]).all()


def test_a_kernel_whose_filters_would_cost_too_much_to_compare_is_left_out():
    import keras
    from keras import layers

    network = keras.Sequential([keras.Input((40,)), layers.Dense(30, name="large"), layers.Dense(4, name="small")])
    options = {"seed": 0, "work": 30 * 30 * 40 - 1}
    found = operation("duplicate_filters")(network, {}, options, None).meta["kernels"]
    assert [(each["layer"], each["groups"], each["head"]) for each in found] == [
        ("large", None, False),
        ("small", [], True),
    ]
