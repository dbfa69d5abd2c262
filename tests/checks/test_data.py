"""DG501, DG502, DG503, DG504, and the small images and neighbours that they are made from."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diag.checks import duplicates, near_duplicates, small_test_set, suspicious_labels
from diag.checks.case import Case
from diag.checks.small_test_set import images_needed
from diag.io.datasets import load_dataset
from diag.metrics.neighbours import Neighbours, dimension, nearest, surprise
from diag.metrics.pixels import grey, prints, shrink
from tests.checks.cases import found, make_case, make_run, noise_images, one_hot, only, reason


@pytest.fixture(scope="module")
def digits():
    """Training and test images and labels of scikit-learn's digits, as diag ships them."""
    train, test = load_dataset("digits", "train"), load_dataset("digits")
    return np.asarray(train.images[:]), train.labels, np.asarray(test.images[:]), test.labels


# DG501


def ranked(n, right, others):
    """Return a case of a model with `right` right answers of n beside models with `others`."""
    y = np.arange(n) % 2
    images = noise_images(n, 4)

    def proba(count):
        return one_hot(np.where(np.arange(n) < count, y, 1 - y), 2)

    rivals = [make_run(y, proba(count), images=images, name=f"other {count}") for count in others]
    return make_case(y, proba(right), images=images, rivals=rivals)


def test_few_images_are_a_note_very_few_a_warning():
    # Wilson, 90 of 100: 0.8256 to 0.9448; 27 of 30: 0.7438 to 0.9654
    finding = only(small_test_set.CHECK, ranked(100, 90, []))
    assert finding.severity == "note"
    assert finding.measured["accuracy_low"] == pytest.approx(0.8256, abs=1e-4)
    assert only(small_test_set.CHECK, ranked(30, 27, [])).severity == "warning"
    assert found(small_test_set.CHECK, ranked(1000, 900, [])) == []


def test_models_that_the_data_does_not_separate_are_named_with_the_images_needed():
    finding = only(small_test_set.CHECK, ranked(1000, 900, [902, 500]))
    assert finding.severity == "note"
    row = finding.evidence[0].rows[0]
    assert row["model"] == "other 902"
    assert row["difference"] == pytest.approx(-0.002)
    assert row["images_needed"] == images_needed(0, 2, 1000)
    assert only(small_test_set.CHECK, ranked(100, 90, [92])).severity == "warning"
    assert found(small_test_set.CHECK, ranked(1000, 900, [500])) == []


def test_equal_models_need_no_number_of_images():
    assert images_needed(4, 4, 100) is None
    # Power of the exact test at the number found, by simulation, is near the 80 % asked for
    n = images_needed(7, 3, 100)
    rng = np.random.default_rng(0)
    from diag.metrics.comparison import mcnemar_exact

    tables = rng.multinomial(n, [0.07, 0.03, 0.9], 400)
    power = np.mean([mcnemar_exact(int(a), int(b)) < 0.05 for a, b, _ in tables])
    assert 0.7 < power < 0.87


# Small images


def test_images_are_averaged_over_blocks_of_uneven_size():
    image = np.arange(6.0).reshape(1, 1, 6, 1)
    assert shrink(image, 4)[0, 0, :, 0].tolist() == [0, 1.5, 3, 4.5]  # blocks of 1, 2, 1 and 2 pixels
    assert shrink(image, 6)[0, 0, :, 0].tolist() == list(range(6))


def test_grey_leaves_alpha_out():
    assert grey(np.array([[[[1.0, 2.0, 6.0, 255.0]]]], np.float32)).tolist() == [[[3.0]]]
    assert grey(np.array([[[[1.0, 255.0]]]], np.float32)).tolist() == [[[1.0]]]


def test_equal_pixels_have_equal_digests_as_bytes_and_as_floats():
    images = noise_images(5)
    rng = np.random.default_rng(0)
    whole = prints(load_dataset((images, np.zeros(5, int))), rng)
    for same in (images / 255, images.astype(np.int64), images.astype(np.float32)):
        assert prints(load_dataset((same, np.zeros(5, int))), rng).digests.tolist() == whole.digests.tolist()
    assert len(set(whole.digests.tolist())) == 5
    signed = prints(load_dataset((images / 127.5 - 1, np.zeros(5, int))), rng)
    assert not set(signed.digests.tolist()) & set(whole.digests.tolist())


# Neighbours


def test_a_moved_darker_copy_has_distance_zero():
    images = noise_images(40, 16)[..., 0].astype(np.float32)
    moved = 0.5 * np.roll(images, (1, -1), (1, 2)) + 20
    close = nearest(moved[:5], images)
    assert close.numbers[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert close.distances[:, 0] == pytest.approx(np.zeros(5), abs=2e-3)
    assert (close.distances[:, 1] > 0.5).all()


def test_an_image_is_not_its_own_neighbour_and_none_comes_twice():
    images = noise_images(30, 16)[..., 0].astype(np.float32)
    rows = np.array([3, 7])
    close = nearest(images[rows], images, own=rows)
    assert not (close.numbers == rows[:, None]).any()
    assert all(len(set(numbers)) == len(numbers) for numbers in close.numbers.tolist())


def test_a_blank_image_has_no_neighbour():
    images = noise_images(30, 16)[..., 0].astype(np.float32)
    assert np.isinf(nearest(np.zeros((1, 16, 16), np.float32), images).distances).all()


def test_surprise_of_a_nearest_neighbour_by_hand():
    # Ratio 1/2 in two dimensions: share 1/4; of two neighbours it is the nearer one that is uniform below the other.
    close = Neighbours(np.zeros((1, 2), int), np.array([[1.0, 2.0]]))
    assert surprise(close, 2.0).tolist() == [0.25]
    three = Neighbours(np.zeros((1, 3), int), np.array([[1.0, 1.5, 2.0]]))
    assert surprise(three, 2.0).tolist() == [1 - 0.75**2]


@given(st.integers(2, 8))
@settings(max_examples=7, deadline=None)
def test_the_dimension_of_uniform_points_is_found_and_their_surprise_is_uniform(dimensions):
    rng = np.random.default_rng(dimensions)
    points = rng.random((1500, dimensions))
    queries = 0.25 + 0.5 * rng.random((600, dimensions))  # away from the border
    from scipy.spatial import cKDTree

    distances, numbers = cKDTree(points).query(queries, k=6)
    close = Neighbours(numbers, distances)
    estimate = dimension(close)
    assert estimate == pytest.approx(dimensions, rel=0.25)
    chance = surprise(close, dimensions)
    assert abs(np.mean(chance < 0.5) - 0.5) < 0.1
    assert np.mean(chance < 0.01) < 0.04


# DG502


def test_training_images_in_the_test_set_are_critical_when_many():
    train, test = noise_images(60, seed=1), noise_images(40, seed=2)
    y = np.arange(40) % 2
    test[[3, 30]] = train[[50, 7]]
    labels = np.concatenate([y, y[:20]])
    labels[[50, 7]] = y[[3, 30]]
    finding = only(duplicates.CHECK, make_case(y, one_hot(y, 2), images=test, train=(train, labels)))
    assert finding.severity == "warning"  # 2 of 40
    assert finding.samples == (3, 30)
    assert finding.train_samples == (50, 7)
    test[:12] = train[20:32]
    labels[20:32] = y[:12]
    finding = only(duplicates.CHECK, make_case(y, one_hot(y, 2), images=test, train=(train, labels)))
    assert finding.severity == "critical"
    assert finding.measured["share"] == pytest.approx(13 / 40)


def test_repeats_within_the_test_set_and_their_labels():
    images = noise_images(50)
    y = np.arange(50) % 2
    images[40:45] = images[:5]
    repeated = only(duplicates.CHECK, make_case(y, one_hot(y, 2), images=images))
    assert repeated.severity == "note"
    assert repeated.measured["repeats"] == 5
    y[40:45] = 1 - y[:5]
    first, conflict = found(duplicates.CHECK, make_case(y, one_hot(y, 2), images=images))
    assert first.measured["repeats"] == 5
    assert conflict.severity == "warning"
    assert conflict.samples == (0, 1, 2, 3, 4, 40, 41, 42, 43, 44)
    assert conflict.evidence[0].rows[0] == {"image": 40, "label": "1", "equal_to": "test image 0", "its_label": "0"}


def test_a_training_image_with_another_label_is_singled_out():
    train, test = noise_images(60, seed=1), noise_images(40, seed=2)
    y = np.arange(40) % 2
    test[3] = train[50]
    labels = np.arange(60) % 2  # image 50 is of class 0, test image 3 of class 1
    _, conflict = found(duplicates.CHECK, make_case(y, one_hot(y, 2), images=test, train=(train, labels)))
    assert conflict.severity == "note"
    assert conflict.evidence[0].rows[0]["equal_to"] == "training image 50"


def test_different_images_are_fine_and_labels_are_not_needed():
    y = np.arange(20) % 2
    assert found(duplicates.CHECK, make_case(y, one_hot(y, 2), train=(noise_images(20, seed=5), y))) == []
    case = make_case(y, one_hot(y, 2))
    unlabelled = Case(case.run.model, load_dataset(np.repeat(noise_images(5), 2, axis=0)), cache=False)
    assert only(duplicates.CHECK, unlabelled).measured["repeats"] == 5
    assert "no data" in reason(duplicates.CHECK, Case(case.run.model, None))


# DG503


def jpeg(images):
    files = [io.BytesIO() for _ in images]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image[..., 0]).save(file, "jpeg", quality=60)
    return np.stack([np.asarray(Image.open(file))[..., None] for file in files])


ALTERED = {
    "moved": lambda images: np.roll(images, (1, 1), (1, 2)),
    "darker": lambda images: (images * 0.7 + 20).astype(np.uint8),
    "compressed": jpeg,
    "mirrored": lambda images: images[:, :, ::-1],
    "upside down": lambda images: images[:, ::-1],
}


@pytest.mark.parametrize("how", list(ALTERED))
def test_altered_training_images_are_found_and_no_others(digits, how):
    x_train, y_train, x_test, y_test = digits
    planted = np.arange(10, 300, 20)
    test = x_test[:300].copy()
    test[planted] = ALTERED[how](x_train[planted])
    case = make_case(y_test[:300], one_hot(y_test[:300], 10), images=test, train=(x_train, y_train))
    finding = only(near_duplicates.CHECK, case)
    assert finding.severity == "warning"
    assert set(finding.samples) <= set(planted.tolist())
    assert len(finding.samples) >= 0.9 * len(planted)
    assert finding.samples == finding.train_samples


def test_clean_digits_have_no_near_duplicates(digits):
    x_train, y_train, x_test, y_test = digits
    case = make_case(y_test, one_hot(y_test, 10), images=x_test, train=(x_train, y_train))
    assert found(near_duplicates.CHECK, case) == []


def test_near_duplicates_need_training_images_of_the_same_size():
    y = np.arange(40) % 2
    assert "--train" in reason(near_duplicates.CHECK, make_case(y, one_hot(y, 2)))
    other = make_case(y, one_hot(y, 2), train=(noise_images(40, 20), y))
    assert "different sizes" in reason(near_duplicates.CHECK, other)
    few = make_case(y, one_hot(y, 2), train=(noise_images(10, seed=3), y[:10]))
    assert "too few" in reason(near_duplicates.CHECK, few)


# DG504


def noisy(digits, share, error=0.03):
    """Return a case of a model with some ordinary errors of its own, on test labels of which a share is wrong."""
    _, _, images, y = digits
    rng = np.random.default_rng(0)
    mistaken = rng.random(len(y)) < error
    proba = one_hot(np.where(mistaken, (y + 3) % 10, y), 10, 0.95)
    labels = y.copy()
    wrong = np.sort(rng.choice(len(y), round(share * len(y)), replace=False))
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, len(wrong))) % 10
    return make_case(labels, proba, images=images), set(wrong.tolist())


def test_wrong_labels_are_found_and_the_models_own_errors_are_not(digits):
    case, wrong = noisy(digits, 0.05)
    finding = only(suspicious_labels.CHECK, case)
    assert finding.severity == "warning"
    assert set(finding.samples) <= wrong
    assert len(finding.samples) > 0.6 * len(wrong)
    assert finding.measured["share_low"] < finding.measured["share"] < 0.05


def test_clean_labels_are_not_reported_whatever_the_model_gets_wrong(digits):
    for error in (0.03, 0.2):
        case, _ = noisy(digits, 0, error)
        assert all(each.severity == "note" for each in found(suspicious_labels.CHECK, case))


def test_swapped_classes_are_not_called_wrong_labels(digits):
    _, _, images, y = digits
    order = np.arange(10)
    order[[3, 8]] = 8, 3
    assert found(suspicious_labels.CHECK, make_case(order[y], one_hot(y, 10), images=images)) == []


def test_few_images_or_one_class_say_nothing_about_labels():
    y = np.arange(40) % 2
    assert "Fewer than 100" in reason(suspicious_labels.CHECK, make_case(y, one_hot(y, 2)))
    same = np.zeros(120, int)
    assert "one class" in reason(suspicious_labels.CHECK, make_case(same, one_hot(same, 2)))
