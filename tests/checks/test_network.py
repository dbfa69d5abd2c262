"""Checks that look inside the network: a planted fault is found, the good network passes, odd cases are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diag.checks import (
    batch_statistics,
    dead_filters,
    dead_units,
    duplicate_filters,
    network_answers,
    nondeterministic,
    not_finite,
    saturated_units,
    untrained_weights,
    weight_scale,
)
from diag.checks.api import run_check
from diag.checks.case import Case
from diag.checks.kernels import kernels
from diag.checks.network import switched_on
from diag.checks.network_weights import MAX_WIDTH
from diag.checks.steps import execute, places
from diag.explain.graph import trace
from diag.io.datasets import load_dataset
from diag.io.models import load_model
from diag.io.preprocessing import Preprocessing
from tests.checks.conftest import AS_IS, change, rewired
from tests.fakes import save_model

CHECKS = [
    nondeterministic.CHECK,
    not_finite.CHECK,
    dead_units.CHECK,
    saturated_units.CHECK,
    dead_filters.CHECK,
    duplicate_filters.CHECK,
    weight_scale.CHECK,
    batch_statistics.CHECK,
    untrained_weights.CHECK,
]


def only(check, case):
    """Return the one finding of a check."""
    (found,) = list(check.run(case))
    return found


def status(check, case):
    found, outcome = run_check(check, case)
    return outcome.status, outcome.reason or (found[0].message if found else "")


def test_good_network_has_no_finding(spoil):
    case = spoil()
    found = {check.code: status(check, case)[0] for check in CHECKS}
    assert found == {**dict.fromkeys(found, "passed"), "DG302": "skipped"}  # it has no squashing activation


def test_without_data_the_network_alone_is_judged(spoil):
    case = spoil(data=False)
    found = {check.code: status(check, case)[0] for check in CHECKS}
    assert found == {**dict.fromkeys(found, "passed"), **dict.fromkeys(("DG301", "DG302", "DG306"), "skipped")}


def test_a_scikit_learn_model_has_no_layers():
    root = Path(__file__).resolve().parents[2]
    model, data = load_model(root / "saved_models/digits/logistic_l2.skops"), load_dataset("digits").subset(range(60))
    found = {check.code: status(check, Case(model, data, cache=False))[0] for check in CHECKS}
    assert found == {**dict.fromkeys(found, "skipped"), "DG107": "passed"}  # its images and predictions are looked at


def odd_networks():
    """Yield (name, layers, input shape, labels) of networks that checks must cope with."""
    from keras import layers

    yield "binary", [layers.Flatten(), layers.Dense(1, activation="sigmoid")], (8, 8, 1), 2
    yield "linear", [layers.Flatten(), layers.Dense(10)], (8, 8, 1), 10
    yield "flat", [layers.Dense(16, activation="relu"), layers.Dense(10, activation="softmax")], (64,), 10
    yield "rows", [layers.Reshape((8, 8)), layers.LSTM(4), layers.Dense(10, activation="softmax")], (8, 8, 1), 10
    nested = [layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(), layers.GlobalAveragePooling2D()]
    yield "many classes", [*nested, layers.Dense(1000, activation="softmax")], (8, 8, 1), 10


@pytest.mark.parametrize("name", ["binary", "linear", "flat", "rows", "many classes"])
@pytest.mark.parametrize("n", [60, 1])
def test_odd_networks_and_a_single_image_do_not_break_checks(name, n, good, tmp_path):
    layers, shape, k = next(each[1:] for each in odd_networks() if each[0] == name)
    save_model(tmp_path / "odd.keras", layers, shape)
    layout = "flat" if len(shape) == 1 else "channels_last"
    model = load_model(tmp_path / "odd.keras", preprocessing=Preprocessing(scale=1.0, layout=layout))
    case = Case(model, load_dataset((good.x[:n], good.y[:n] % k)), cache=False)
    for check in CHECKS:
        run_check(check, case)  # raises on anything but a finding, a pass or a reason


def test_steps_give_what_the_network_gives(good, tmp_path):
    for name, layers, shape, _ in odd_networks():
        network = save_model(tmp_path / f"{name}.keras", layers, shape)
        inputs = good.x[:5].reshape(5, *shape)
        *_, (_, _, value) = execute(network, trace(network), inputs)
        np.testing.assert_allclose(value, network(inputs, training=False), rtol=1e-5, atol=1e-6)


def test_a_fixed_batch_size_is_met(good, tmp_path):
    import keras
    from keras import layers

    stem = [layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(), layers.Flatten(), layers.Dense(10)]
    keras.Sequential([keras.Input((8, 8, 1), batch_size=16), *stem]).save(tmp_path / "fixed.keras")
    model = load_model(tmp_path / "fixed.keras", preprocessing=AS_IS)
    case = Case(model, load_dataset((good.x[:40], good.y[:40])), cache=False)
    reasons = [run_check(check, case)[1].reason for check in CHECKS]
    assert not [reason for reason in reasons if "could not be measured" in reason]
    assert case.units[0].images == 40


def test_channels_first_units_are_channels(good, tmp_path):
    from keras import layers

    stem = [layers.Permute((2, 3, 1)), layers.Conv2D(3, 3, activation="relu"), layers.Flatten(), layers.Dense(10)]
    save_model(tmp_path / "first.keras", stem, (1, 8, 8))
    model = load_model(tmp_path / "first.keras", preprocessing=Preprocessing(scale=1.0, layout="channels_first"))
    case = Case(model, load_dataset((good.x[:40], good.y[:40])), cache=False)
    assert [len(each.fired) for each in case.units if each.place.kind == "relu"] == [3]


# What the checks share: units and kernels, by hand.


def test_units_of_a_network_computed_by_hand(tmp_path):
    from keras import layers

    network = save_model(
        tmp_path / "hand.keras", [layers.Dense(2, activation="relu", name="a"), layers.Dense(1, name="b")], (2,)
    )
    network.set_weights([np.array([[1.0, 0.0], [0.0, -1.0]]), np.zeros(2), np.ones((2, 1)), np.zeros(1)])
    network.save(tmp_path / "hand.keras")
    # Images (1, 0), (3, 2), (-1, 4): before the rectifier (1, 0), (3, -2), (-1, -4); behind it (1, 0), (3, 0), (0, 0).
    x = np.array([[1, 0], [3, 2], [-1, 4]], dtype=np.float32).reshape(3, 1, 2, 1)
    model = load_model(tmp_path / "hand.keras", preprocessing=Preprocessing(scale=1.0, layout="flat"))
    case = Case(model, load_dataset((x, np.array([0, 1, 0]))), cache=False)
    image, before, behind, last = case.units
    assert (image.place.name, before.place.kind, behind.place.kind) == ("input", "Dense", "relu")
    assert before.place.hidden
    assert not last.place.hidden
    np.testing.assert_allclose(before.mean, [1, -2])
    np.testing.assert_allclose(before.var, [8 / 3, 8 / 3], rtol=1e-6)
    np.testing.assert_array_equal(behind.fired, [2, 0])
    np.testing.assert_allclose([behind.low, behind.high], [[0, 0], [3, 0]])
    assert last.spread == pytest.approx(np.sqrt(14 / 9))  # outputs 1, 3, 0


def test_units_do_not_depend_on_the_size_of_the_batches(spoil, monkeypatch):
    from diag.checks import units

    whole = spoil().units
    monkeypatch.setattr(units, "BATCH_NUMBERS", 20_000)  # about seven images
    for one, other in zip(whole, spoil().units, strict=True):
        for key in ("fired", "low", "high", "mean", "var"):
            np.testing.assert_allclose(getattr(one, key), getattr(other, key), rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(one.finite, other.finite)


def test_an_excitation_branch_is_a_gate_and_its_trunk_is_not(good, tmp_path):
    import keras
    from keras import layers

    inputs = keras.Input((8, 8, 1))
    trunk = layers.Conv2D(6, 3, activation="relu", name="trunk")(inputs)
    squeezed = layers.Dense(4, activation="relu", name="squeeze")(layers.GlobalAveragePooling2D()(trunk))
    gate = layers.Reshape((1, 1, 6))(layers.Dense(6, activation="sigmoid", name="excite")(squeezed))
    joined = layers.Flatten()(layers.Multiply()([trunk, gate]))
    keras.Model(inputs, layers.Dense(10, name="head")(joined)).save(tmp_path / "se.keras")
    case = Case(load_model(tmp_path / "se.keras", preprocessing=AS_IS), good.data, cache=False)
    gates = {each.place.name for each in case.units if each.place.gate}
    assert gates >= {"squeeze", "excite"}
    assert not gates & {"trunk", "head", "multiply"}


def test_a_hard_sigmoid_made_of_a_clipped_rectifier_is_a_gate_and_what_it_weighs_is_not():
    import keras
    from keras import layers

    inputs = keras.Input((6,))
    trunk = layers.ReLU(max_value=6.0, name="trunk")(layers.Dense(6, name="a")(inputs))
    gate = layers.ReLU(max_value=6.0, name="gate")(layers.Dense(6, name="b")(trunk) + 3.0) * (1 / 6)
    network = keras.Model(inputs, layers.Dense(2, name="c")(layers.Multiply()([trunk, gate])))
    found = {place.name: place.gate for place in places(trace(network))}
    assert [found[name] for name in ("trunk", "a", "gate", "b", "c")] == [False, False, True, True, False]


def test_a_leaky_rectifier_has_no_dead_units(good, tmp_path):
    from keras import layers

    stem = [layers.Flatten(), layers.Dense(8), layers.ReLU(negative_slope=0.1), layers.Dense(10)]
    network = save_model(tmp_path / "leaky.keras", stem, (8, 8, 1))
    change(network, network.layers[1].name, lambda weights: weights[1].fill(-100))
    network.save(tmp_path / "leaky.keras")
    case = Case(load_model(tmp_path / "leaky.keras", preprocessing=AS_IS), good.data, n=60, cache=False)
    assert status(dead_units.CHECK, case) == ("skipped", "No hidden layer has a rectifier.")


def test_kernels_as_rows_by_hand(tmp_path):
    from keras import layers

    stem = [
        layers.Conv2D(2, (1, 3), name="conv"),
        layers.DepthwiseConv2D((1, 2), name="depthwise"),
        layers.Conv2DTranspose(3, 1, name="transposed"),
        layers.Flatten(),
        layers.Dense(5, name="dense"),
    ]
    network = save_model(tmp_path / "rows.keras", stem, (4, 8, 1))
    conv = np.arange(6, dtype=np.float32).reshape(1, 3, 1, 2)  # filter 0: 0, 2, 4; filter 1: 1, 3, 5
    network.get_layer("conv").set_weights([conv, np.zeros(2)])
    network.save(tmp_path / "rows.keras")
    found = {each.layer: each for each in kernels(network)}
    np.testing.assert_array_equal(found["conv"].rows, [[0, 2, 4], [1, 3, 5]])
    assert (found["conv"].fan_in, found["conv"].fan_out) == (3, 6)
    assert found["depthwise"].depthwise
    assert [found[name].rows.shape for name in ("depthwise", "transposed", "dense")] == [(2, 2), (3, 2), (5, 60)]


# DG106


def test_dropout_that_the_file_switches_on_is_named_and_measured(spoil, good):
    def wavering(network):
        network.get_layer("dropout").rate = 0.8
        network.get_layer("dropout").seed = 3  # what chance does here is written in the file
        return rewired(network, dropout=True)

    found = only(nondeterministic.CHECK, spoil(wavering))
    assert (found.severity, found.measured["layers"]) == ("warning", ["dropout"])
    assert found.measured["largest_change"] > 0.01
    assert "dropout (Dropout)" in found.message
    # With four of five units switched off at random, accuracies vary, and are below that of the whole network.
    accuracies = found.evidence[0].frame()["accuracy"]
    assert len(accuracies) == 5
    assert accuracies.nunique() > 1
    low, high, off = (found.measured[f"accuracy_{name}"] for name in ("low", "high", "off"))
    assert (low, high) == (accuracies.min(), accuracies.max())
    assert low < off
    assert f"5 evaluations of 150 images have {low:.1%} to {high:.1%} right, without it {off:.1%}." in found.message


def test_without_labels_no_accuracy_is_said_of_dropout_that_is_switched_on(spoil, good):
    for data in (False, load_dataset(good.x[:40])):
        found = only(nondeterministic.CHECK, spoil(lambda network: rewired(network, dropout=True), data=data))
        assert "change their class." in found.message
        assert len(found.evidence) == 1


def test_batch_normalisation_that_the_file_switches_on_is_told_apart(spoil):
    found = only(nondeterministic.CHECK, spoil(lambda network: rewired(network, bn=True)))
    assert "normalises by the batch" in found.message


@pytest.mark.parametrize("layer", ["dropout", "bn"])
def test_asking_as_saved_leaves_the_network_as_it_was(layer, good):
    network = rewired(good.network, **{layer: True})
    before = [np.array(each) for each in network.variables]
    found = network_answers.as_saved(network, {"inputs": good.x[:20]}, {}, None).arrays
    assert found["outputs"].shape == (2, 20, 10)
    assert not np.allclose(found["outputs"][0], network(good.x[:20], training=False), atol=1e-3)
    for old, new in zip(before, network.variables, strict=True):
        np.testing.assert_array_equal(old, np.asarray(new))


def test_dropout_inside_a_nested_model_is_found_and_training_false_is_not(good, tmp_path):
    import keras
    from keras import layers

    inner = keras.Sequential([keras.Input((64,)), layers.Dropout(0.5, name="drop"), layers.Dense(10)], name="inner")
    for training, expected in ((True, [("inner/drop", "Dropout")]), (False, [])):
        inputs = keras.Input((64,))
        network = keras.Model(inputs, inner(inputs, training=training))
        assert list(switched_on(network)) == expected


def test_dropout_of_rate_zero_is_no_fault():
    import keras
    from keras import layers

    inputs = keras.Input((4,))
    assert not list(switched_on(keras.Model(inputs, layers.Dropout(0.0)(inputs, training=True))))


def test_softmax_over_the_batch_is_critical(spoil):
    import keras
    from keras import layers

    def edit(network):
        logits = keras.Model(network.inputs, network.layers[-2].output)
        return keras.Sequential([logits, layers.Dense(10, name="new"), layers.Softmax(axis=0)])

    found = only(nondeterministic.CHECK, spoil(edit))
    assert found.severity == "critical"
    assert "other images in the batch" in found.message
    assert set(found.samples) <= set(range(500))


def test_an_answer_that_differs_between_two_runs_is_critical(spoil, monkeypatch):
    case = spoil()
    rng = np.random.default_rng(0)
    model = case.model
    monkeypatch.setattr(type(model), "ask", lambda self, inputs: rng.random((len(inputs), 10), dtype=np.float32))
    found = only(nondeterministic.CHECK, case)
    assert found.severity == "critical"
    assert "between two runs" in found.message


# DG107


def put(value, name="hidden", count=1):
    def edit(weights):
        weights[0].reshape(-1)[:count] = value

    return lambda network: change(network, name, edit)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_counted_by_layer(value, spoil):
    found = only(not_finite.CHECK, spoil(put(value, count=3)))
    assert (found.severity, found.measured) == ("critical", {"not_finite": 3, "layers": ["hidden"]})
    assert dict(found.evidence[0].rows[0]) == {
        "layer": "hidden",
        "weight": "kernel",
        "not_finite": 3,
        "of": 16 * 36 * 32,
    }


def test_images_with_nan_are_named(spoil, good):
    x = good.x.copy()
    x[[7, 300], 2, 2] = np.nan
    found = only(not_finite.CHECK, spoil(data=load_dataset((x, good.y))))
    assert (found.severity, found.samples) == ("critical", (7, 300))


def test_outputs_that_overflow_are_named_with_the_layer_where_they_do(spoil, good):
    def edit(network):
        change(network, "hidden", lambda weights: weights[0].__imul__(np.float32(1e30)))
        change(network, "head", lambda weights: weights[0].__imul__(np.float32(1e30)))

    case = spoil(edit)
    found = only(not_finite.CHECK, case)
    bad = np.flatnonzero(~np.isfinite(case.model.raw_outputs(good.x)).all(axis=1))
    assert len(bad)
    assert found.samples == tuple(bad[:200])
    assert "overflow first in head" in found.message


def test_a_network_in_half_precision_that_overflows_says_so(good, tmp_path):
    from keras import layers

    stem = [layers.Flatten(), layers.Dense(8, dtype="float16", name="half"), layers.Dense(10, dtype="float32")]
    network = save_model(tmp_path / "half.keras", stem, (8, 8, 1))
    change(network, "half", lambda weights: weights[0].fill(30000))  # finite; the sum of three such is not
    network.save(tmp_path / "half.keras")
    case = Case(load_model(tmp_path / "half.keras", preprocessing=AS_IS), good.data, cache=False)
    assert "overflow first in half (Dense, float16)" in only(not_finite.CHECK, case).message


# DG301


def kill(name, units, bias=-100.0):
    def edit(weights):
        weights[1][units] = bias

    return lambda network: change(network, name, edit)


def test_dead_units_are_counted(spoil):
    found = only(dead_units.CHECK, spoil(kill("hidden", slice(0, 24))))
    row = next(row for row in found.evidence[0].rows if row["layer"] == "hidden")
    assert found.severity == "warning"
    assert row["units"] == 32
    assert 24 / 32 <= row["share"] < 1


def test_a_wholly_dead_layer_is_critical(spoil):
    found = only(dead_units.CHECK, spoil(kill("hidden", slice(None))))
    assert (found.severity, found.measured["largest_share"]) == ("critical", 1)


def test_a_few_dead_units_are_nothing(spoil):
    assert all(found.severity == "note" for found in dead_units.CHECK.run(spoil(kill("hidden", slice(0, 3)))))


def test_rarely_firing_units_are_not_dead(spoil):
    # 100 units, 50 never fired; of 30 seen in one image and 5 in two follow 9/10 * 30 * 29 / (2 * 6) = 65.25 unseen.
    units = next(each for each in spoil().units if each.place.kind == "relu")
    from dataclasses import replace

    fired = np.repeat([0, 1, 2, 9], [50, 30, 5, 15])
    assert dead_units.dead(replace(units, fired=fired, images=10)) == 0
    fired = np.repeat([0, 1, 2, 9], [50, 4, 5, 41])
    assert dead_units.dead(replace(units, fired=fired, images=10)) == pytest.approx(50 - 0.9 * 4 * 3 / 12)


# DG302


def squashed(activation, factor):
    import keras
    from keras import layers

    def edit(network):
        inputs = keras.Input((8, 8, 1))
        hidden = layers.Dense(16, activation=activation, name="squashed")
        tensor = layers.Dense(10, activation="softmax")(hidden(layers.Flatten()(inputs)))
        new = keras.Model(inputs, tensor)
        kernel = np.random.default_rng(0).normal(size=(64, 16)) * factor
        hidden.set_weights([kernel, np.zeros(16)])
        return new

    return edit


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "hard_sigmoid"])
def test_saturated_units_are_found_and_mild_ones_are_not(activation, spoil):
    found = only(saturated_units.CHECK, spoil(squashed(activation, 100.0)))
    assert (found.severity, found.measured["layer"]) == ("warning", "squashed")
    assert found.measured["share"] > 0.9
    assert status(saturated_units.CHECK, spoil(squashed(activation, 0.1)))[0] == "passed"


# DG303 and DG304


def test_zero_filters_are_counted(spoil):
    def edit(weights):
        weights[0][..., ::2] = 0
        weights[1][::2] = 0

    found = only(dead_filters.CHECK, spoil(lambda network: change(network, "conv_2", edit)))
    rows = {row["layer"]: row["zero"] for row in found.evidence[0].rows}
    assert found.severity == "warning"
    assert rows == {"conv": 0, "conv_2": 8, "hidden": 0, "head": 0}


def test_one_zero_filter_is_a_note(spoil):
    edit = lambda weights: weights[0][..., :1].fill(0)  # noqa: E731
    assert only(dead_filters.CHECK, spoil(lambda network: change(network, "conv_2", edit))).severity == "note"


def test_filters_that_see_nothing_answer_the_same(spoil):
    def edit(network):
        change(network, "bn", lambda weights: weights[0][4:].fill(0))  # channels 4 to 7 no longer depend on the image

        def blind(weights):
            weights[0][:, :, :4, :6] = 0  # and filters 0 to 5 see only those

        change(network, "conv_2", blind)

    found = only(dead_filters.CHECK, spoil(edit))
    assert {row["layer"]: row["constant"] for row in found.evidence[0].rows}["conv_2"] == 6


def test_copies_are_grouped_whatever_their_length(spoil):
    def edit(weights):
        for copy, factor in ((5, 1.0), (9, 2.0)):
            weights[0][..., copy] = factor * weights[0][..., 2]
            weights[1][copy] = factor * weights[1][2]

    found = only(duplicate_filters.CHECK, spoil(lambda network: change(network, "conv_2", edit)))
    assert (found.severity, found.measured) == ("note", {"copies": 2, "groups": 1})
    assert dict(found.evidence[1].rows[0]) == {"layer": "conv_2", "filters": "2, 5, 9"}


def test_long_rows_are_compared_through_projections(spoil):
    def edit(weights):
        weights[0][:, 20:31] = weights[0][:, :1]
        weights[1][20:31] = weights[1][0]

    found = only(duplicate_filters.CHECK, spoil(lambda network: change(network, "hidden", edit)))
    assert (found.severity, found.measured["copies"]) == ("warning", 11)
    assert MAX_WIDTH < 16 * 36


def test_equal_outputs_are_a_warning_and_a_common_bias_makes_no_copies(spoil):
    def edit(weights):
        weights[0][:, 3], weights[1][3] = weights[0][:, 8], weights[1][8]

    found = only(duplicate_filters.CHECK, spoil(lambda network: change(network, "head", edit)))
    assert found.severity == "warning"
    assert "Outputs 3 and 8 always" in found.message
    assert status(duplicate_filters.CHECK, spoil(kill("hidden", slice(0, 24))))[0] == "passed"


# DG305


@pytest.mark.parametrize(("factor", "word"), [(100, "Exploding"), (0.01, "Vanishing")])
@pytest.mark.parametrize("data", [None, False], ids=["images", "weights alone"])
def test_a_layer_out_of_scale_is_named(factor, word, data, spoil):
    def edit(weights):
        weights[0] *= np.float32(factor)

    found = only(weight_scale.CHECK, spoil(lambda network: change(network, "hidden", edit), data=data))
    assert found.severity == "warning"
    assert found.message.startswith(word)
    assert found.measured["layers"][0] == "hidden"


def test_scale_of_a_kernel_by_hand(spoil):
    edit = lambda weights: weights[0].fill(0.5)  # noqa: E731 - Glorot: sqrt(2 / (32 + 10))
    case = spoil(lambda network: change(network, "head", edit))
    assert weight_scale._scales(case)["head"] == pytest.approx(0.5 / np.sqrt(2 / 42))
    assert "conv" not in weight_scale._scales(case)  # batch normalisation follows: it has no scale of its own


def test_a_signal_that_grows_in_every_layer_is_found_though_no_layer_stands_out(spoil):
    import keras
    from keras import layers

    def edit(network):
        dense = [layers.Dense(32, activation="relu", name=f"d{place}") for place in range(6)]
        new = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), *dense, layers.Dense(10, name="head")])
        for layer in dense:
            change(new, layer.name, lambda weights: weights[0].__imul__(np.float32(6)))
        return new

    found = only(weight_scale.CHECK, spoil(edit))
    assert "as much as the input" in found.message


# DG306


def test_stale_statistics_that_cost_accuracy_are_critical(spoil):
    def edit(weights):
        weights[2] += 5 * np.sqrt(weights[3])

    found = only(batch_statistics.CHECK, spoil(lambda network: change(network, "bn", edit)))
    assert found.severity == "critical"
    assert found.measured["accuracy_batch"] > found.measured["accuracy"] + 0.2
    assert 4 < found.evidence[0].rows[0]["shift"] < 6  # five, and what sample and training data differ by


def test_batch_statistics_by_hand(tmp_path):
    from keras import layers

    network = save_model(tmp_path / "bn.keras", [layers.BatchNormalization(epsilon=0.0)], (2,))
    network.set_weights([np.array([2.0, 1.0]), np.array([0.0, 5.0]), np.array([9.0, 9.0]), np.array([7.0, 7.0])])
    inputs = np.array([[1, 10], [3, 30]], dtype=np.float32)
    outputs = network_answers.batch_statistics(network, {"inputs": inputs}, {"batch": 200}, None).arrays["outputs"]
    np.testing.assert_allclose(outputs, [[-2, 4], [2, 6]], rtol=1e-5)  # (x - mean) / std is -1 and 1
    np.testing.assert_array_equal(network.get_weights()[2], [9, 9])


def test_severity_of_a_rise_in_accuracy():
    near, off = batch_statistics.Layer("bn", 0.3, 1.0), batch_statistics.Layer("bn", 1.5, 1.0)
    severity = batch_statistics._severity
    assert severity([off], (0.5, 0.8, 1e-9)) == severity([], (0.5, 0.8, 1e-9)) == "critical"
    assert severity([off], (0.5, 0.8, 0.01)) == "note"  # may be chance
    assert [severity([], (0.9, 0.96, 1e-9)), severity([off], (0.9, 0.96, 1e-9))] == ["note", "warning"]
    assert severity([], (0.9, 0.9, 1.0)) is None
    assert not near.disagrees
    assert off.disagrees


def test_without_labels_only_a_far_disagreement_is_a_warning(spoil, good):
    for by, expected in ((2, "note"), (50, "warning")):

        def edit(weights, by=by):
            weights[2] += by * np.sqrt(weights[3])

        case = spoil(lambda network, edit=edit: change(network, "bn", edit), data=load_dataset(good.x))
        assert only(batch_statistics.CHECK, case).severity == expected


# DG307


def test_an_untrained_network_is_critical(spoil, good):
    found = only(untrained_weights.CHECK, spoil(lambda network: network.set_weights(good.fresh)))
    assert (found.severity, found.measured["layers"]) == ("critical", ["conv", "conv_2", "hidden", "head"])


def put_back(fresh, *places):
    def edit(network):
        weights = network.get_weights()
        for place in places:
            weights[place] = fresh[place]
        network.set_weights(weights)

    return edit


def test_an_untrained_hidden_layer_is_a_warning(spoil, good):
    found = only(untrained_weights.CHECK, spoil(put_back(good.fresh, -4, -3)))
    assert (found.severity, found.measured["layers"]) == ("warning", ["hidden"])


def test_an_untrained_head_is_critical_unless_the_model_works(spoil, good):
    other = [*good.fresh[:-2], -good.fresh[-2], good.fresh[-1]]  # as likely a draw, but not the one trained from
    found = only(untrained_weights.CHECK, spoil(put_back(other, -2, -1)))
    assert (found.severity, found.measured["layers"]) == ("critical", ["head"])
    case = spoil(put_back(good.fresh, -2, -1))  # the other layers were trained beside this head, which moved little
    assert case.run.correct_mask.mean() > 0.5
    assert only(untrained_weights.CHECK, case).severity == "warning"


@pytest.mark.parametrize(("value", "word"), [(0.0, "all zero"), (0.3, "all the same")])
def test_constant_kernels_are_told(value, word, spoil):
    found = only(untrained_weights.CHECK, spoil(put(value, "hidden", None)))
    assert f"hidden ({word})" in found.message


def test_statistics_that_were_never_filled_are_a_warning(spoil):
    def edit(weights):
        weights[2][:], weights[3][:] = 0, 1

    found = only(untrained_weights.CHECK, spoil(lambda network: change(network, "bn", edit)))
    assert (found.severity, found.measured["layers"]) == ("warning", ["bn"])
    case = spoil(lambda network: change(network, "bn", edit), data=False)
    assert only(untrained_weights.CHECK, case).severity == "note"


@pytest.mark.parametrize("name", ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_normal"])
@pytest.mark.parametrize("bias", [True, False])
def test_weights_as_keras_draws_them_are_recognised(name, bias, tmp_path):
    from keras import layers

    stem = [layers.Dense(40, kernel_initializer=name, use_bias=bias, name="a"), layers.BatchNormalization(name="b")]
    stem += [layers.Dense(10, kernel_initializer=name, use_bias=bias, name="c")]
    save_model(tmp_path / "drawn.keras", stem, (60,))
    found = only(untrained_weights.CHECK, Case(load_model(tmp_path / "drawn.keras"), cache=False))
    assert found.measured["layers"] == ["a", "c"]
