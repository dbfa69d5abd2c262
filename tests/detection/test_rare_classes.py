"""Data of which nearly all is one class: what fits is found, whether or not the network knows how rare the rest is."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from diag.detection import detect
from diag.detection.label_order import label_order
from diag.detection.scores import Score, independence_p
from tests.detection.planted import Trained, saved

# Of scikit-learn's digits: the class of each, and the share of its images that are kept.
BINARY = ([0, 0, 0, 0, 0, 0, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0.18, 1, 1, 1])
FIVE = ([0, 0, 0, 0, 0, 0, 1, 2, 3, 4], [1, 1, 1, 1, 1, 1, 1, 1, 1, 0.09])


def parts_of_digits(task):
    """Return images as bytes and labels: training and test."""
    from sklearn.datasets import load_digits

    classes, shares = (np.asarray(each) for each in task)
    found = load_digits()
    images = np.clip(np.rint(found.images[..., None] * 255 / 16), 0, 255).astype(np.uint8)
    turn = np.zeros(len(images))
    for half in (slice(0, 1000), slice(1000, None)):
        for digit in range(10):
            rows = np.flatnonzero(found.target[half] == digit) + (half.start or 0)
            turn[rows] = np.arange(len(rows)) / len(rows)
    kept = turn < shares[found.target]
    parts = (kept & (np.arange(len(images)) < 1000), kept & (np.arange(len(images)) >= 1000))
    return [(images[part], classes[found.target[part]]) for part in parts]


@functools.cache
def trained(name, weighted):
    """Return a network trained on 0..1; with class weights it does not learn how rare a class is."""
    from diag._lazy import import_keras

    keras = import_keras()
    keras.utils.set_random_seed(0)
    (images, labels), test = parts_of_digits(TASKS[name])
    layers = keras.layers
    first = layers.Conv2D(12, 3, activation="relu")
    rest = [layers.Flatten(), layers.Dense(int(labels.max()) + 1, activation="softmax")]
    model = keras.Sequential([keras.Input((8, 8, 1)), first, *rest])
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    counts = np.bincount(labels)
    weights = (len(labels) / (len(counts) * counts))[labels] if weighted else None
    model.fit(images / np.float32(255), labels, sample_weight=weights, batch_size=32, epochs=12, verbose=0)
    kernel, bias = first.get_weights()
    return Trained(*test, kernel, bias, rest, 0.0)


def balanced_accuracy(model, preprocessing, data, shares=1):
    """Return the mean recall of a model, its probabilities divided by the classes' shares where these are given."""
    proba = replace(model, preprocessing=preprocessing, settled=True).predict_proba(data.images)
    predicted = (proba / np.asarray(shares)).argmax(axis=1)
    return np.mean([(predicted[data.labels == label] == label).mean() for label in np.unique(data.labels)])


TASKS = {"2 % positive": BINARY, "1 % of five": FIVE}


@pytest.mark.parametrize("weighted", [False, True], ids=["learnt shares", "class weights"])
@pytest.mark.parametrize("name", TASKS)
def test_what_a_network_wants_is_found(tmp_path, name, weighted):
    planted = trained(name, weighted)
    model, data = saved(planted.network(2, -1), tmp_path / "m.keras"), planted.data()
    found = detect(model, data)
    assert found.balanced_chance == 1 / len(np.unique(planted.labels))
    assert found.status in ("decided", "equivalent"), found.verdict()
    assert found.label_order is None
    assert "all classes counting the same" in found.verdict()
    shares = 1 if weighted else np.bincount(planted.labels) / len(planted.labels)
    truth = replace(model.preprocessing, scale=2 / 255, mean=1.0, layout="channels_last")
    best = balanced_accuracy(model, truth, data, shares)
    assert best > 0.85
    one_image = 1 / (len(np.unique(planted.labels)) * np.bincount(planted.labels).min())
    assert balanced_accuracy(model, found.preprocessing, data, shares) >= best - one_image - 0.01, found.verdict()
    if not weighted:
        assert found.chosen.name == "-1 to 1", found.verdict()


def test_even_classes_are_judged_by_accuracy(digits, tmp_path):
    found = detect(saved(digits.network(), tmp_path / "m.keras"), digits.data())
    assert found.balanced_chance is None
    assert not found.balanced
    assert "counting the same" not in found.verdict()


def test_a_network_that_never_names_the_rare_class_is_no_reason_to_doubt_the_data(tmp_path):
    # The bias keeps the rare class below one half for every image: accuracy is that of a constant answer.
    planted = trained("2 % positive", False)
    network = planted.network()
    kernel, bias = network.layers[-1].get_weights()
    network.layers[-1].set_weights([kernel / 4, bias / 4 + [4.0, 0.0]])
    model = saved(network, tmp_path / "m.keras")
    network.layers[-1].set_weights([kernel, bias])  # the last layer is shared
    data = planted.data()
    assert set(model.predict_proba(data.images).argmax(axis=1)) == {0}
    found = detect(model, data)
    assert found.status != "chance", found.verdict()
    shares = np.bincount(data.labels) / len(data.labels)
    assert balanced_accuracy(model, found.preprocessing, data, shares) > 0.8


def test_of_too_few_rare_images_it_is_said_that_they_cannot_tell(tmp_path):
    planted = trained("2 % positive", False)
    model = saved(planted.network(2, -1), tmp_path / "m.keras")
    rows = np.concatenate([np.flatnonzero(planted.labels == 0)[:98], np.flatnonzero(planted.labels == 1)[:2]])
    images = planted.images[rows].copy()
    images[98:] = images[:2]  # nothing to tell them by
    found = detect(model, planted.data(images, planted.labels[rows]))
    assert found.status == "chance"
    assert "98.0% of 100 labelled images are of one class; the other 2 may be too few to tell" in found.verdict()
    assert "\n" not in found.verdict()


def test_other_labels_are_still_told(tmp_path):
    planted = trained("2 % positive", False)
    model = saved(planted.network(), tmp_path / "m.keras")
    mixed = np.random.default_rng(0).permutation(planted.labels)
    assert detect(model, planted.data(labels=mixed)).status == "chance"
    turned = detect(model, planted.data(labels=1 - planted.labels))
    assert turned.label_order is not None
    assert turned.label_order.outputs == (1, 0)


def test_one_answer_for_all_is_no_order_of_labels():
    # 95 of 100 would be right if the outputs changed places, and nothing would be told apart.
    labels = np.array(([0] * 19 + [1]) * 5)
    assert label_order(labels, np.ones(100, np.int64), 2) is None
    assert label_order(labels, 1 - labels, 2).outputs == (1, 0)


def test_a_balanced_score_by_hand():
    # Class 0 has 30 images, class 1 has 10: each of its images counts three times as much.
    labels = np.repeat([0, 1], [30, 10])
    proba = np.tile(np.array([[0.6, 0.4]], np.float32), (40, 1))
    plain = Score.balanced(proba, labels, np.ones(2))
    assert plain.accuracy == pytest.approx(0.5)
    assert plain.log_loss == pytest.approx(-(np.log(0.6) + np.log(0.4)) / 2)
    # Divided by the shares 3/4 and 1/4: 0.8 to 1.6, so 1/3 and 2/3.
    learnt = Score.balanced(proba, labels, np.array([4 / 3, 4]))
    assert set(learnt.predicted) == {1}
    assert learnt.log_loss == pytest.approx(-(np.log(1 / 3) + np.log(2 / 3)) / 2)
    # Two images are no half of the evidence: they weigh 2/10 of a class.
    few = Score.balanced(proba, np.repeat([0, 1], [38, 2]), np.ones(2))
    assert few.accuracy == pytest.approx(1 / 1.2)
    broken = Score.balanced(np.array([[np.nan, 0.5], [0.9, 0.1]], np.float32), np.array([0, 0]), np.ones(2))
    assert broken.predicted.tolist() == [-1, 0]


def test_independence_by_hand():
    labels = np.repeat([0, 1], [12, 4])
    predicted = np.where(np.isin(np.arange(16), [0, 12, 13, 14]), 1, 0)
    # Of 16 images 4 are named 1, of which 3 are: (C(4,3) C(12,1) + C(4,4)) / C(16,4) = 49 / 1820, for two classes.
    assert independence_p(labels, predicted) == pytest.approx(2 * 49 / 1820)
    assert independence_p(labels, np.zeros(16, np.int64)) == 1.0
    assert independence_p(labels, 1 - labels) == 1.0
