"""DG101-DG103: images prepared in another way than in training, and labels in another order than the outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diag.checks import channel_order, class_order, wrong_preprocessing
from diag.errors import CheckNotApplicable
from diag.io.datasets import load_dataset
from diag.io.models import load_model
from diag.io.preprocessing import Preprocessing
from tests.checks.linear_models import BYTES, case_of, findings, linear, marked, pixels

SHIPPED = Path(__file__).resolve().parents[2] / "saved_models" / "digits"
CHECKS = (wrong_preprocessing.CHECK, channel_order.CHECK, class_order.CHECK)


@pytest.fixture(scope="module")
def digits():
    """300 images 28x28x1 and their labels."""
    data = load_dataset("digits").subset(np.arange(300))
    return np.asarray(data.images[:]), np.asarray(data.labels)


def shipped(name, **said):
    return load_model(SHIPPED / name, preprocessing=Preprocessing(**said) if said else None)


@pytest.mark.parametrize("name", ["dense.keras", "cnn_lungu.keras", "logistic_l1.skops", "logistic_l2.skops"])
def test_good_models_on_their_data_get_nothing(digits, name):
    case = case_of(shipped(name), *digits)
    assert findings(wrong_preprocessing.CHECK, case) == []
    assert findings(class_order.CHECK, case) == []


@pytest.mark.parametrize("name", ["dense.keras", "cnn_sd.h5"])
def test_images_that_are_too_dark_are_critical(digits, name):
    (found,) = findings(wrong_preprocessing.CHECK, case_of(shipped(name, scale=1 / 65025), *digits))
    assert found.severity == "critical"
    assert found.measured["accuracy"] < 0.5 < 0.9 < found.measured["accuracy_found"]
    assert "--scale 1/255" in found.remedy
    assert found.evidence[0].rows[0]["candidate"] == "0 to 1"
    assert len(set(found.samples)) == len(found.samples) > 100
    case = case_of(shipped(name, scale=1 / 65025), *digits)
    assert findings(class_order.CHECK, case) == []


def test_a_large_network_is_tried_with_other_scales_on_fewer_images(digits):
    case = case_of(shipped("dense.keras", scale=1 / 65025), *digits)
    case.sweep.cost = 1e9  # multiply-adds an image: 6,000 images are too many, 71 a scale are not
    (found,) = findings(wrong_preprocessing.CHECK, case)
    assert found.severity == "critical"
    assert "--scale 1/255" in found.measured["found"]
    # 14 scales on 71 images; the six best on four times as many when these cannot separate them.
    assert case.trial.found.n <= 4 * 71
    assert case.trial.found.n_predicted <= 14 * 71 + 6 * 4 * 71
    assert len(case.trial.places) == 100


def test_a_scale_that_only_makes_a_model_too_sure_is_a_warning(digits):
    (found,) = findings(wrong_preprocessing.CHECK, case_of(shipped("dense.keras", scale=1.0), *digits))
    assert found.severity == "warning"
    assert found.measured["log_loss"] > 2.5 * found.measured["log_loss_found"]
    used, better = (f"{found.measured[key]:.1%}" for key in ("accuracy", "accuracy_found"))
    said = f"the same accuracy of {used}" if used == better else f"{better} instead of {used} accuracy"
    assert f"on 300 images, at {said}: the images" in found.message


@pytest.mark.parametrize("fault", ["inverted", "transposed"])
def test_inverted_and_transposed_images_are_critical_and_no_matter_of_labels(digits, fault):
    x, y = digits
    case = case_of(shipped("dense.keras"), 255 - x if fault == "inverted" else x.swapaxes(1, 2), y)
    (found,) = findings(wrong_preprocessing.CHECK, case)
    assert found.severity == "critical"
    assert {"inverted": "--invert", "transposed": "--transpose"}[fault] in found.measured["found"].split()
    assert findings(class_order.CHECK, case) == []  # answers are mapped somehow, but the images are the cause


def test_what_was_detected_is_a_note_that_says_how_to_pin_it(tmp_path):
    places = [(1, 1), (1, 3), (3, 1), (3, 3)]
    labels = np.arange(80) % 4
    images = marked(labels, 5, 5, places)
    model = linear(tmp_path / "m.keras", pixels(5, 5, places, gain=10), preprocessing=None)
    (found,) = findings(wrong_preprocessing.CHECK, case_of(model, images, labels))
    assert found.severity == "note"
    assert found.measured["accuracy"] == 1.0
    assert "diag init" in found.remedy


def test_labels_that_have_nothing_to_do_with_the_images_are_a_warning(tmp_path):
    rng = np.random.default_rng(0)
    places = [(1, 1), (1, 3), (3, 1), (3, 3)]
    images = marked(rng.integers(0, 4, 200), 5, 5, places)
    model = linear(tmp_path / "m.keras", pixels(5, 5, places))
    (found,) = findings(wrong_preprocessing.CHECK, case_of(model, images, rng.integers(0, 4, 200)))
    assert found.severity == "warning"
    assert "better than chance" in found.message


def test_few_images_and_missing_labels_do_not_apply(tmp_path):
    places = [(1, 1), (1, 3), (3, 1), (3, 3)]
    model = linear(tmp_path / "m.keras", pixels(5, 5, places))
    with pytest.raises(CheckNotApplicable, match="there are 4"):
        findings(wrong_preprocessing.CHECK, case_of(model, marked([0, 1, 2, 3], 5, 5, places), [0, 1, 2, 3]))
    for check in CHECKS:
        with pytest.raises(CheckNotApplicable, match="no labels"):
            findings(check, case_of(model, marked([0, 1, 2, 3], 5, 5, places), None))


# Colours.


def colours(order=(0, 1, 2)):
    """Return 90 images of one colour: red, green, blue, with their channels in some order."""
    labels = np.arange(90) % 3
    images = np.random.default_rng(0).integers(0, 40, (90, 4, 4, 3))
    images[np.arange(90), :, :, labels] += 200
    return images[..., order].astype(np.uint8), labels


@pytest.fixture(scope="module")
def red_green_blue(tmp_path_factory):
    """Class 0, 1, 2 is the mean of red, green, blue."""
    templates = np.zeros((4, 4, 3, 3))
    for number in range(3):
        templates[:, :, number, number] = 1
    path = tmp_path_factory.mktemp("colours") / "m.keras"
    linear(path, templates)
    return path


def test_red_and_blue_exchanged_is_critical(red_green_blue):
    model = load_model(red_green_blue, preprocessing=BYTES)
    (found,) = findings(channel_order.CHECK, case_of(model, *colours((2, 1, 0))))
    assert found.severity == "critical"
    assert (found.measured["accuracy"], found.measured["accuracy_exchanged"]) == (pytest.approx(1 / 3), 1.0)
    # 60 of 90 images turn right and none wrong.
    assert found.measured["p_value"] == pytest.approx(0.5**60)
    assert "--channel-order bgr" in found.remedy
    assert set(found.samples) == {row for row in range(90) if row % 3 != 1}
    assert findings(wrong_preprocessing.CHECK, case_of(model, *colours((2, 1, 0)))) == []  # said once


def test_colours_in_their_order_are_not_reported(red_green_blue):
    model = load_model(red_green_blue, preprocessing=BYTES)
    assert findings(channel_order.CHECK, case_of(model, *colours())) == []


def test_other_labels_are_not_taken_for_an_exchange_of_colours(tmp_path):
    # Four classes that differ in brightness too, which exchanging red and blue keeps. Every label is one too large:
    # nothing is right, an exchange makes some right by accident, and the images are as they should be.
    levels = np.array([[250, 20, 60], [60, 20, 250], [20, 250, 20], [200, 200, 200]])
    templates = np.zeros((4, 4, 3, 4))
    for number, level in enumerate(levels / np.linalg.norm(levels, axis=1, keepdims=True)):
        templates[:, :, :, number] = level
    linear(tmp_path / "m.keras", templates)
    labels = np.arange(120) % 4
    images = np.tile(levels[labels][:, None, None], (1, 4, 4, 1)).astype(np.uint8)
    model = load_model(tmp_path / "m.keras", preprocessing=BYTES)
    case = case_of(model, images, (labels + np.array([1, -1, 1, -1])[labels]) % 4)
    assert not case.run.correct_mask.any()
    assert findings(channel_order.CHECK, case) == []
    (found,) = findings(class_order.CHECK, case)
    assert found.severity == "critical"


def test_grey_images_have_no_order_of_colours(digits):
    with pytest.raises(CheckNotApplicable, match="no colours"):
        findings(channel_order.CHECK, case_of(shipped("dense.keras"), *digits))


# Order of classes.

TWELVE = [(row, column) for row in (1, 3, 5) for column in (1, 3, 5, 7)]


@pytest.fixture(scope="module")
def twelve(tmp_path_factory):
    """A model that is always right on twelve classes, and its images and labels."""
    labels = np.arange(240) % 12
    model = linear(tmp_path_factory.mktemp("twelve") / "m.keras", pixels(9, 9, TWELVE))
    return model, marked(labels, 9, 9, TWELVE), labels


def by_text():
    """Return output -> its place when the numbers 0..11 are sorted as text: 0, 1, 10, 11, 2, ..."""
    return np.argsort([int(text) for text in sorted(map(str, range(12)))])


@pytest.mark.parametrize(
    ("numbers", "begins", "accuracy"),
    [
        (np.roll(np.arange(12), 1), "Labels are off by one", 0),
        (np.roll(np.arange(12), -1), "Labels are off by one", 0),
        (np.array([0, 1, 2, 8, 4, 5, 6, 7, 3, 9, 10, 11]), "Two classes are exchanged: 3 is output 8", 10 / 12),
        (by_text(), "Class numbers were sorted as text", 2 / 12),
        (np.arange(12)[::-1].copy(), "Classes stand in reverse order", 0),
        (np.array([1, 2, 0, 3, 4, 5, 6, 7, 8, 9, 10, 11]), "Labels stand in another order", 9 / 12),
    ],
)
def test_another_order_of_labels_is_critical_and_named(twelve, numbers, begins, accuracy):
    model, images, labels = twelve
    (found,) = findings(class_order.CHECK, case_of(model, images, numbers[labels]))
    assert found.severity == "critical"
    assert found.message.startswith(begins)
    assert found.measured["accuracy"] == pytest.approx(accuracy)
    assert found.measured["accuracy_in_that_order"] == 1.0
    fitting = {row["own_output"]: row["fitting_output"] for row in found.evidence[0].rows}
    assert fitting == {int(number): output for output, number in enumerate(numbers) if number != output}
    assert {labels[row] for row in found.samples} == {
        output for output, number in enumerate(numbers) if number != output
    }


def test_the_right_order_is_not_reported(twelve):
    model, images, labels = twelve
    assert findings(class_order.CHECK, case_of(model, images, labels)) == []


def test_classes_that_a_weak_model_confuses_are_no_other_order(tmp_path):
    """Classes 0 and 1 are called 0 and 1 with probability 0.4 and 0.6, the wrong way round; 2 to 9 are right."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 200)
    seen = np.where((labels < 2) & (rng.random(2000) < 0.6), 1 - labels, labels)
    places = [(2 * row, 2 * column) for row in (0, 1) for column in range(5)]
    case = case_of(linear(tmp_path / "m.keras", pixels(4, 10, places)), marked(seen, 4, 10, places), labels)
    assert findings(class_order.CHECK, case) == []  # exchanging them adds 20 % of 400 images: p < 0.001, but 0.2 < 0.25


def test_one_class_has_no_order(twelve):
    model, images, _ = twelve
    with pytest.raises(CheckNotApplicable, match="one class"):
        findings(class_order.CHECK, case_of(model, images, np.zeros(240, int)))


def test_labels_from_one_are_read_and_said(twelve):
    model, images, labels = twelve
    case = case_of(model, images, labels + 1)
    assert case.run.correct_mask.all()
    (found,) = findings(class_order.CHECK, case)
    assert found.severity == "note"
    assert "start at 1" in found.message


def test_one_class_tells_nothing_of_the_preprocessing(twelve):
    model, images, _ = twelve
    with pytest.raises(CheckNotApplicable, match="one class"):
        findings(wrong_preprocessing.CHECK, case_of(model, images, np.full(240, 3)))
