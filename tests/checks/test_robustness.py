"""DG601-DG609 on models whose weights are written by hand: what a change does to them can be worked out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diag.checks import (
    blank_images,
    blur,
    border,
    brightness,
    jpeg_quality,
    mean_corruption,
    noise,
    rotation,
    shift,
    swaps,
    sweep,
)
from diag.checks.corruptions import FAMILIES
from diag.errors import CheckNotApplicable
from diag.io.datasets import load_dataset
from diag.io.models import load_model
from tests.checks.linear_models import case_of, findings, linear, marked, pixels
from tests.fakes import save_model

SHIPPED = Path(__file__).resolve().parents[2] / "saved_models" / "digits"
SWEEPS = (shift.CHECK, rotation.CHECK, brightness.CHECK, jpeg_quality.CHECK, noise.CHECK, blur.CHECK)
LABELS = np.arange(200) % 2


@pytest.fixture(scope="module")
def shipped():
    """A case of good models on their data, 250 images."""
    data = load_dataset("digits").subset(np.arange(250))
    return {
        name: case_of(load_model(SHIPPED / name), np.asarray(data.images[:]), data.labels)
        for name in ("dense.keras", "cnn_lungu.keras", "logistic_l2.skops")
    }


@pytest.fixture(scope="module")
def columns(tmp_path_factory):
    """Class 0 is a bright column 3, class 1 a bright column 4, of 8x8."""
    templates = np.zeros((8, 8, 1, 2))
    templates[:, 3, 0, 0] = templates[:, 4, 0, 1] = 10
    images = np.zeros((200, 8, 8, 1), np.uint8)
    images[LABELS == 0, :, 3] = images[LABELS == 1, :, 4] = 255
    return linear(tmp_path_factory.mktemp("columns") / "m.keras", templates), images


def test_a_shift_that_moves_one_class_onto_the_other_is_a_warning(columns):
    model, images = columns
    case = case_of(model, images, LABELS)
    (found,) = findings(shift.CHECK, case)
    # Right by one: class 0 becomes class 1, and class 1 leaves both columns (a tie, which goes to class 0).
    # Left by one: class 1 becomes class 0, class 0 ties and stays right.
    assert found.severity == "warning"
    assert (found.measured["direction"], found.measured["level"]) == ("right", 1)
    assert (found.measured["accuracy"], found.measured["accuracy_changed"]) == (1.0, 0.0)
    assert found.measured["p_value"] == pytest.approx(0.5**200)
    assert sorted(found.samples) == list(range(200))
    rows = {(row["series"], row["severity"]): row["accuracy"] for row in found.evidence[0].rows}
    assert rows["left", 1] == 0.5
    assert rows["up", 1] == rows["down", 3] == rows["right", 0] == 1.0


def test_samples_are_numbers_of_the_data_and_not_of_the_sample(columns):
    model, images = columns
    blank = np.concatenate([np.zeros((100, 8, 8, 1), np.uint8), images])  # 100 blank ones of class 0 stay class 0
    case = case_of(model, blank, np.concatenate([np.zeros(100, int), LABELS]), n=150)
    (found,) = findings(shift.CHECK, case)
    assert set(found.samples) <= set(range(100, 300))
    assert len(found.samples) > 20


def test_what_a_model_does_not_look_at_is_not_reported(columns):
    model, images = columns
    case = case_of(model, images, LABELS)
    for check in (brightness.CHECK, jpeg_quality.CHECK, noise.CHECK):
        assert findings(check, case) == []  # both columns change alike, or by far less than their distance


def test_a_single_far_pixel_is_lost_by_a_rotation(tmp_path):
    places = [(0, 13), (27, 13), (13, 0), (13, 27)]
    labels = np.arange(120) % 4
    images = marked(labels, 28, 28, places)
    # A turn by 5 degrees moves a pixel 13.5 from the centre by 1.18: none of the four reads anything any more.
    (found,) = findings(rotation.CHECK, case_of(linear(tmp_path / "m.keras", pixels(28, 28, places)), images, labels))
    assert found.severity == "warning"
    assert found.measured["level"] == 5
    assert found.measured["accuracy_changed"] == 0.25  # a tie of all classes goes to class 0


def test_a_threshold_on_brightness_is_a_warning_for_brightness(tmp_path):
    templates = np.zeros((4, 4, 1, 2))
    templates[..., 1] = 100 / 16  # class 1: the mean is above 0.5
    images = np.where(LABELS == 1, 140, 115)[:, None, None, None] * np.ones((1, 4, 4, 1))
    model = linear(tmp_path / "m.keras", templates, bias=[0, -50])
    found = findings(brightness.CHECK, case_of(model, images.astype(np.uint8), LABELS))
    assert [each.severity for each in found] == ["warning"]  # contrast leaves the mean as it is
    assert found[0].measured["accuracy_changed"] == 0.5  # 26 of 255 more or less: one class is taken for the other


def pattern_model(path, amplitude, side=16):
    """Return a model, images and labels: class 1 adds a random pattern of some amplitude to grey, class 0 takes it."""
    pattern = np.random.default_rng(0).permutation(np.tile([-1.0, 1.0], side * side // 2)).reshape(side, side, 1)
    templates = np.stack([-pattern, pattern], axis=-1)
    sign = np.where(LABELS == 1, 1, -1)[:, None, None, None]
    return linear(path, templates), (128 + amplitude * sign * pattern).astype(np.uint8)


def test_a_faint_pattern_is_lost_to_jpeg(tmp_path):
    # Quality 80 rounds the 8x8 DCT in steps from 4 to 48: a pattern of +-1 has coefficients of about 1, and is gone.
    model, images = pattern_model(tmp_path / "m.keras", 1)
    (found,) = findings(jpeg_quality.CHECK, case_of(model, images, LABELS))
    assert found.severity == "warning"
    strong, images = pattern_model(tmp_path / "n.keras", 60)
    assert findings(jpeg_quality.CHECK, case_of(strong, images, LABELS)) == []


def test_two_faint_pixels_are_lost_to_noise(tmp_path):
    places = [(1, 1), (5, 5)]
    model = linear(tmp_path / "m.keras", pixels(8, 8, places))
    faint = marked(LABELS, 8, 8, places, background=100, level=102)
    # The difference of two noisy pixels has a standard deviation of 0.02 * 255 * sqrt(2) = 7.2 against a distance of 2:
    # P(wrong) = Phi(-2 / 7.2) = 0.39.
    case = case_of(model, np.concatenate([faint, marked(LABELS, 8, 8, places)])[:200], LABELS)
    (found,) = findings(noise.CHECK, case)
    assert found.severity == "warning"
    assert found.measured["accuracy_changed"] == pytest.approx(0.61, abs=0.1)
    clear = case_of(model, marked(LABELS, 8, 8, places), LABELS)
    assert findings(noise.CHECK, clear) == []


def test_a_fine_pattern_is_lost_to_blur_and_a_coarse_one_is_not(tmp_path):
    fine = np.indices((8, 8)).sum(axis=0)[..., None] % 2 * 2.0 - 1
    templates = np.stack([np.zeros((8, 8, 1)), fine], axis=-1)
    images = np.where((LABELS == 1)[:, None, None, None], 128 + 100 * fine, 128).astype(np.uint8)
    # Class 1 scores 64 * 100 / 255 = 25. A Gaussian of 0.5 pixels leaves exp(-pi^2 / 4) = 8 % of a checkerboard: 2.
    (found,) = findings(blur.CHECK, case_of(linear(tmp_path / "m.keras", templates, [0, -12]), images, LABELS))
    assert (found.severity, found.measured["level"]) == ("warning", 0.5)
    assert findings(blur.CHECK, case_of(linear(tmp_path / "n.keras", templates, [0, -0.1]), images, LABELS)) == []


def test_the_mean_over_all_changes_is_a_note(tmp_path):
    model, images = pattern_model(tmp_path / "m.keras", 1)
    case = case_of(model, images, LABELS)
    (found,) = findings(mean_corruption.CHECK, case)
    assert found.severity == "note"
    accuracies = [found.measured[f"mean_accuracy_{name}"] for name in FAMILIES]
    assert found.measured["mean_accuracy"] == pytest.approx(np.mean(accuracies))
    assert {row["series"] for row in found.evidence[0].rows} == set(FAMILIES)


@pytest.mark.parametrize("name", ["dense.keras", "cnn_lungu.keras", "logistic_l2.skops"])
def test_good_models_get_notes_at_most(shipped, name):
    for check in (*SWEEPS, mean_corruption.CHECK, border.CHECK, blank_images.CHECK):
        assert [each.severity for each in findings(check, shipped[name]) if each.severity != "note"] == []


@pytest.mark.parametrize("check", [*SWEEPS, mean_corruption.CHECK], ids=lambda check: check.code)
def test_a_model_that_guesses_has_nothing_to_lose(tmp_path, check):
    model = linear(tmp_path / "m.keras", np.zeros((8, 8, 1, 2)), bias=[1, 0])
    case = case_of(model, np.zeros((200, 8, 8, 1), np.uint8), LABELS)
    with pytest.raises(CheckNotApplicable, match="100 of 200"):
        findings(check, case)


@pytest.mark.parametrize("check", [*SWEEPS, mean_corruption.CHECK, border.CHECK], ids=lambda check: check.code)
def test_without_labels_there_is_nothing_to_measure(columns, check):
    model, images = columns
    with pytest.raises(CheckNotApplicable, match="no labels"):
        findings(check, case_of(model, images, None))


# Cost.


def test_multiply_adds_of_a_small_network(tmp_path):
    from diag._lazy import import_keras

    layers = import_keras().layers
    save_model(tmp_path / "m.keras", [layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)], (8, 8, 1))
    # 4 * (9 + 1) weights at 6 * 6 places, and 144 * 2 + 2 once.
    assert sweep.multiply_adds(load_model(tmp_path / "m.keras"), (8, 8)) == 40 * 36 + 290
    first = [layers.Conv2D(4, 3, data_format="channels_first"), layers.Flatten(), layers.Dense(2)]
    save_model(tmp_path / "f.keras", first, (1, 8, 8))
    assert sweep.multiply_adds(load_model(tmp_path / "f.keras"), (8, 8)) == 40 * 36 + 290


@pytest.mark.parametrize(
    ("cost", "n", "levels", "every"),
    [
        (1e6, 400, 3, True),  # 30,000 passes: all 400 images, 3 levels, 4 directions
        (2e7, 125, 3, True),  # 1,500 passes
        (5e7, 200, 3, False),  # 600 passes: 50 images in each direction, so each image meets one
        (1e8, 100, 3, False),
        (2e8, 150, 1, False),  # 150 passes: the mildest level only
        (1e10, 32, 1, False),  # 3 passes: the least that is of use
    ],
)
def test_dear_networks_are_asked_less(columns, cost, n, levels, every):
    model, images = columns
    planned = sweep.Sweep(case_of(model, np.repeat(images, 2, axis=0), np.repeat(LABELS, 2)))
    planned.cost = cost
    rows, given, all_directions = planned.plan(FAMILIES["shift"])
    assert (len(rows), len(given), all_directions) == (n, levels, every)


def test_directions_in_turn_are_tested_together(columns):
    model, images = columns
    case = case_of(model, images, LABELS)
    case.sweep.cost = 2e8  # one level, 150 images, each moved in one direction
    (found,) = findings(shift.CHECK, case)
    assert found.measured["direction"] == sweep.ANY
    assert found.measured["n"] == 150
    assert found.severity == "warning"  # right loses all, left half, up and down nothing: 3/8
    assert found.measured["lost"] == pytest.approx(3 / 8, abs=0.06)


# A border or corner that carries the class.

TEN = np.arange(300) % 10
TOP = [(0, column) for column in range(10)]


def content(seed=0):
    """Return faint noise in the middle of 28x28."""
    images = np.zeros((300, 28, 28, 1), np.uint8)
    images[:, 8:20, 8:20] = np.random.default_rng(seed).integers(0, 60, (300, 12, 12, 1))
    return images


def tagged():
    images = content()
    images[np.arange(300), 0, TEN] = 255
    return images


def test_regions_of_28x28():
    masks = swaps.regions(28, 28)
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        **dict.fromkeys(("upper left corner", "upper right corner", "lower left corner", "lower right corner"), 16),
        **dict.fromkeys(("upper side", "lower side", "left side", "right side"), 56),
        "border": 28 * 28 - 24 * 24,
    }
    assert masks["lower right corner"][27, 27]
    assert "border" not in swaps.regions(6, 6)  # 20 of 36 pixels


def test_swap_takes_off_what_is_called_so_anyway():
    own = np.array([0, 0, 1, 0])
    answers = (np.array([1, 1, 2, 0]), np.array([1, 1, 1, 1]))
    swap = swaps.Swap("border", "data", 0.1, np.arange(4), own, np.array([1, 1, 2, 2]), *answers)
    # Called as pasted: 3 of 4; with their own border the model says 1, which is what was pasted for two of them.
    assert swap.followed() == 0.75 - 0.5
    assert swap.followed(swap.pasted == 2) == 0.5
    assert swap.followed(swap.pasted == 1) == 0.0
    assert swap.p_value() == 0.5  # one more, none less


def test_a_mark_in_the_top_row_is_critical(tmp_path):
    (found,) = findings(border.CHECK, case_of(linear(tmp_path / "m.keras", pixels(28, 28, TOP)), tagged(), TEN))
    assert found.severity == "critical"
    assert found.measured["region"] == "upper side"
    assert found.measured["followed"] == 1.0
    assert (found.measured["accuracy_own"], found.measured["accuracy_pasted"]) == (1.0, 0.0)
    assert found.measured["readable_alone"] == 1.0
    assert len(found.samples) == 200  # of 300
    shares = {(row["region"], row["what"]): row["share"] for row in found.evidence[0].rows}
    assert shares["upper side", "predictions that follow it"] == 1.0
    assert ("lower side", "predictions that follow it") not in shares  # the same in all images


def test_a_mark_of_one_class_is_a_warning_that_names_it(tmp_path):
    middle = [(14, 4 + 2 * number) for number in range(10)]
    templates = pixels(28, 28, middle)
    templates[27, 27, 0, 7] = 300
    images = content() // 4
    images[np.arange(300), 14, 4 + 2 * TEN] = 255
    images[TEN == 7, 26:, 26:] = 255
    case = case_of(linear(tmp_path / "m.keras", templates), images, TEN, names=[f"c{number}" for number in range(10)])
    (found,) = findings(border.CHECK, case)
    assert found.severity == "warning"
    assert found.measured["region"] == "lower right corner"
    assert "class c7" in found.message
    assert found.measured["followed"] == 1.0


def test_a_mark_in_the_training_data_alone_is_found_too(tmp_path):
    middle = [(14, 4 + 2 * number) for number in range(10)]
    images = content() // 4
    images[np.arange(300), 14, 4 + 2 * TEN] = 255
    model = linear(tmp_path / "m.keras", pixels(28, 28, middle) + 3 * pixels(28, 28, TOP))
    with pytest.raises(CheckNotApplicable, match="same in every image"):
        findings(border.CHECK, case_of(model, images, TEN))
    (found,) = findings(border.CHECK, case_of(model, images, TEN, train=(tagged(), TEN)))
    assert found.severity == "critical"
    assert "training data" in found.message


def test_a_mark_that_the_model_does_not_use_is_a_note(tmp_path):
    middle = [(14, 4 + 2 * number) for number in range(10)]
    images = content() // 4
    images[np.arange(300), 14, 4 + 2 * TEN] = 255
    images[np.arange(300), 0, TEN] = 255
    (found,) = findings(border.CHECK, case_of(linear(tmp_path / "m.keras", pixels(28, 28, middle)), images, TEN))
    assert found.severity == "note"
    assert found.measured == {"region": "upper side", "readable_alone": 1.0}


def test_a_border_without_a_mark_is_not_reported(tmp_path):
    middle = [(14, 4 + 2 * number) for number in range(10)]
    images = np.random.default_rng(0).integers(0, 60, (300, 28, 28, 1)).astype(np.uint8)
    images[np.arange(300), 14, 4 + 2 * TEN] = 255
    assert findings(border.CHECK, case_of(linear(tmp_path / "m.keras", pixels(28, 28, middle)), images, TEN)) == []


def test_one_class_has_no_border_to_exchange(tmp_path):
    model = linear(tmp_path / "m.keras", pixels(28, 28, TOP))
    with pytest.raises(CheckNotApplicable, match="one class"):
        findings(border.CHECK, case_of(model, tagged(), np.zeros(300, int)))


def test_a_tree_reads_nothing_from_noise():
    rng = np.random.default_rng(0)
    assert border.readable(rng.normal(size=(200, 16, 1)), rng.integers(0, 4, 200)) == 0.0
    assert border.readable(np.repeat(np.arange(200) % 4, 4).reshape(200, 4, 1), np.arange(200) % 4) == 1.0


# Images that show nothing.


def test_certainty_about_blank_images_is_a_note(tmp_path):
    images = np.tile(np.array([0, 255], np.uint8)[:, None, None, None], (10, 8, 8, 1))
    model = linear(tmp_path / "m.keras", np.zeros((8, 8, 1, 4)), bias=[0, 0, 10, 0])
    (found,) = findings(blank_images.CHECK, case_of(model, images, None))
    assert found.severity == "note"
    expected = np.exp(10) / (np.exp(10) + 3)  # whatever the image is
    assert found.measured == pytest.approx(
        dict.fromkeys((f"confidence_{name}" for name in ("black", "grey", "white", "noise")), expected)
    )
    assert "black is 2 with 99.99%" in found.message
    doubtful = linear(tmp_path / "n.keras", np.zeros((8, 8, 1, 4)))
    assert findings(blank_images.CHECK, case_of(doubtful, images, None)) == []


def test_without_data_there_is_nothing_to_blank(columns):
    from diag.checks.case import Case

    with pytest.raises(CheckNotApplicable, match="no data"):
        findings(blank_images.CHECK, Case(columns[0]))
