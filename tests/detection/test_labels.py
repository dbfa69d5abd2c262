"""Labels in another order, from 1, at random: what is said of them, and what is done."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import diag
from diag.detection import detect
from diag.detection.label_order import assignment, label_order, matched
from diag.errors import DataError
from diag.io.pairing import labelings, match_classes
from tests.detection.planted import saved

ORDER = np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])  # class c of the data is output ORDER[c]


@pytest.fixture(scope="module")
def model(digits, tmp_path_factory):
    return saved(digits.network(2, -1), tmp_path_factory.mktemp("labels") / "m.keras")


def test_the_best_assignment_by_hand():
    # Label 0 is answered 1 twice, label 1 is answered 0 once and 2 once, label 2 is answered 0: 0->1, 1->2, 2->0.
    labels, predicted = np.array([0, 0, 1, 1, 2]), np.array([1, 1, 0, 2, 0])
    assert assignment(labels, predicted, 3).tolist() == [1, 2, 0]
    assert assignment(np.array([], np.int64), np.array([], np.int64), 3).tolist() == [0, 1, 2]


@settings(deadline=None)  # the first call imports SciPy
@given(st.permutations(range(5)), st.integers(0, 100))
def test_a_perfect_model_in_any_order_is_matched(order, seed):
    labels = np.tile(np.arange(5), 8)
    np.random.default_rng(seed).shuffle(labels[:20])
    predicted = np.asarray(order)[labels]
    found = label_order(labels, predicted, 5)
    moved = [number for number, place in enumerate(order) if number != place]
    if not moved:
        assert found is None
        return
    assert found.outputs == tuple(order)
    assert found.moved() == tuple(moved)
    assert matched(labels, predicted, 5).mean() > 0.6  # a half may lack a class
    # The names come out in the order of outputs.
    names = found.class_names(("a", "b", "c", "d", "e"))
    assert all(names[place] == "abcde"[number] for number, place in enumerate(order))


def test_chance_answers_have_no_order():
    rng = np.random.default_rng(3)
    assert label_order(rng.integers(0, 10, 300), rng.integers(0, 10, 300), 10) is None


def test_a_weak_association_is_no_order():
    # Each class is answered by one wrong output in 3 of 10 cases, and by any otherwise.
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 1000)
    strong, weak = (
        np.where(rng.random(1000) < share, ORDER[labels], rng.integers(0, 10, 1000)) for share in (0.6, 0.3)
    )
    assert label_order(labels, strong, 10).outputs == tuple(ORDER.tolist())
    assert label_order(labels, weak, 10) is None


def test_a_permutation_is_reported_and_changes_no_figure(digits, model):
    inverse = np.argsort(ORDER)
    data = digits.data(labels=inverse[digits.labels])  # the data calls ORDER[c] c
    found = detect(model, data)
    assert found.label_order.outputs == tuple(ORDER.tolist())
    assert found.label_order.accuracy_matched > 0.85
    assert found.label_order.accuracy < 0.4
    assert found.pins.mean == 1.0  # the preprocessing is found all the same
    run = diag.evaluate(model, data)
    assert run.figures()["accuracy"] == pytest.approx((np.arange(10) == ORDER)[inverse[digits.labels]].mean(), abs=0.1)
    assert any("another order" in note for note in run.notes)
    assert "0 is output 3" in run.detection.label_sentence()
    assert run.detection.uncertain


def test_two_classes_that_changed_places_are_found(digits, model):
    swap = np.arange(10)
    swap[[4, 9]] = [9, 4]
    found = detect(model, digits.data(labels=swap[digits.labels]))
    assert found.label_order.moved() == (4, 9)
    assert found.label_order.accuracy > 0.6


def test_names_in_another_order_are_matched_by_the_card(digits, model, tmp_path):
    from dataclasses import replace

    inverse = np.argsort(ORDER)
    data = digits.data(labels=inverse[digits.labels])
    names = detect(model, data).label_order.class_names(data.class_names)
    named = replace(model, card=replace(model.card, class_names=names))
    run = diag.evaluate(named, data)
    assert run.figures()["accuracy"] == pytest.approx(digits.accuracy, abs=0.01)
    assert run.detection.label_order is None


def test_labels_from_1_are_moved_when_the_answers_fit(digits, model):
    run = diag.evaluate(model, digits.data(labels=digits.labels + 1))
    assert run.figures()["accuracy"] == pytest.approx(digits.accuracy, abs=0.01)
    assert run.class_names == tuple(str(number) for number in range(1, 11))
    assert run.detection.label_rule == "minus_one"
    assert any("1 was subtracted" in note for note in run.notes)


def test_the_last_label_may_be_the_first_class(digits, model):
    # As in SVHN, where 10 stands for the digit 0.
    labels = np.where(digits.labels == 0, 10, digits.labels)
    run = diag.evaluate(model, digits.data(labels=labels))
    assert run.figures()["accuracy"] == pytest.approx(digits.accuracy, abs=0.01)
    assert run.class_names[0] == "10"
    assert run.detection.label_rule == "last_is_first"


def test_labels_from_1_without_a_model_that_tells_are_refused(digits, model):
    rng = np.random.default_rng(0)
    noise = digits.data(labels=np.append(rng.integers(1, 10, len(digits.labels) - 1), 10))
    with pytest.raises(DataError, match="start at 1"):
        diag.evaluate(model, noise)


def test_numbers_as_names_are_numbers(digits, model):
    # Folders sort as texts; their names are numbers all the same.
    names = np.array(["10", "2", "1"])
    data = diag.load_dataset((np.zeros((3, 8, 8)), names))
    assert data.labels.tolist() == [1, 2, 0]  # sorted: 1, 10, 2
    found = labelings(model, data)
    assert list(found) == ["minus_one", "last_is_first", "alphabetical"]
    assert found["minus_one"].labels.tolist() == [9, 1, 0]
    assert found["last_is_first"].labels.tolist() == [0, 2, 1]
    assert found["alphabetical"].labels.tolist() == [1, 2, 0]
    assert match_classes(model, diag.load_dataset((np.zeros((2, 8, 8)), np.array(["9", "2"]))))[1].tolist() == [9, 2]


@pytest.mark.parametrize("rule", ["numbers", "alphabetical"])
def test_twelve_folders_in_either_order(digits, tmp_path, layers, rule):
    # Twelve classes: ten digits, and two more that are digits 0 and 1 upside down.
    flipped = np.flatnonzero(digits.labels < 2)
    images = np.concatenate([digits.images, 255 - digits.images[flipped]])
    numbers = np.concatenate([digits.labels, digits.labels[flipped] + 10])
    texts = sorted(str(number) for number in range(12))
    outputs = numbers if rule == "numbers" else np.array([texts.index(str(number)) for number in numbers])
    from diag._lazy import import_keras

    keras = import_keras()
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(12, activation="softmax")])
    network.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    network.fit(images / np.float32(255), outputs, epochs=12, verbose=0)
    data = diag.load_dataset((images, numbers.astype(str)))
    run = diag.evaluate(saved(network, tmp_path / "m.keras"), data)
    assert run.figures()["accuracy"] > 0.9
    assert run.detection.label_rule == (None if rule == "numbers" else "alphabetical")
    assert run.class_names == tuple(map(str, range(12)) if rule == "numbers" else texts)


def test_names_in_natural_order(model):
    data = diag.load_dataset((np.zeros((10, 8, 8)), np.array([f"f{number}" for number in range(1, 11)])))
    found = labelings(model, data)
    assert found["numbers"].class_names[:3] == ("f1", "f10", "f2")
    assert found["natural"].class_names == tuple(f"f{number}" for number in range(1, 11))
    assert found["natural"].labels.tolist() == list(range(10))


def test_clean_labels_give_no_other_order(digits, model):
    found = detect(model, digits.data())
    assert found.label_order is None
    assert found.label_sentence() is None
    assert found.warnings() == ()


def test_labels_at_random_are_at_chance_and_said(digits, model):
    labels = np.random.default_rng(1).permutation(digits.labels)
    found = detect(model, digits.data(labels=labels))
    assert found.status == "chance"
    assert found.label_order is None
    assert found.pins.flags()
    assert found.preprocessing.scale == 1 / 255  # what is assumed without labels
    assert "better than chance" in found.warnings()[0]
    assert "wrong data" not in found.verdict()
