"""Which images the recipes see, and the tables that are written for two notebooks."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from diag import load_dataset
from diag.errors import DataError
from saved_models.recipes import data as recipe_data
from saved_models.recipes.data import Parts, harder_parts, harder_validation, load_parts, made_harder, with_pool

N_TRAIN, N_TEST = 26_000, 50


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A file in the layout of MNIST whose images hold their own number in the first two pixels; label: number % 10."""
    path = tmp_path_factory.mktemp("numbered") / "mnist.npz"
    number = np.arange(N_TRAIN + N_TEST)
    images = np.zeros((len(number), 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = number // 256, number % 256
    labels = (number % 10).astype(np.uint8)
    np.savez(path, x_train=images[:N_TRAIN], y_train=labels[:N_TRAIN], x_test=images[N_TRAIN:], y_test=labels[N_TRAIN:])
    return load_parts(str(path))


def numbers(part):
    images = part[0][..., 0].astype(int)
    return images[:, 0, 0] * 256 + images[:, 0, 1]


def test_parts_are_disjoint_and_test_images_take_no_part(numbered):
    fit, validation, pool, test = (
        set(numbers(part).tolist()) for part in (numbered.fit, numbered.validation, numbered.pool, numbered.test)
    )
    assert (len(validation), len(pool)) == (5_000, 5_000)
    assert fit | validation | pool == set(range(N_TRAIN))
    assert len(fit) + len(validation) + len(pool) == N_TRAIN
    assert test == set(range(N_TRAIN, N_TRAIN + N_TEST))


def test_labels_stay_with_their_images_and_classes_are_even(numbered):
    for images, labels in (numbered.fit, numbered.validation, numbered.pool, numbered.test):
        np.testing.assert_array_equal(numbers((images, labels)) % 10, labels)
        assert set(np.bincount(labels)) == {len(labels) // 10}


def test_validation_images_are_the_last_of_each_class(numbered):
    first_held = {label: numbers(numbered.validation)[numbered.validation[1] == label].min() for label in range(10)}
    for label in range(10):
        others = np.concatenate([numbers(part)[part[1] == label] for part in (numbered.fit, numbered.pool)])
        assert others.max() < first_held[label]


@pytest.mark.parametrize(
    ("shape", "classes", "received"),
    [((28, 28), 2, "28x28x1, 2 classes"), ((32, 32, 3), 10, "32x32x3, 10 classes")],
)
def test_other_images_than_ten_digits_are_refused(tmp_path, shape, classes, received):
    images, labels = np.zeros((40, *shape), np.uint8), np.arange(40) % classes
    np.savez(tmp_path / "other.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    with pytest.raises(DataError, match=f"expected images of 28x28x1 .* Received: {received}"):
        load_parts(str(tmp_path / "other.npz"))


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10"])
def test_other_sets_of_keras_are_refused_before_anything_is_fetched(name):
    with pytest.raises(DataError) as said:
        load_parts(name)
    assert str(said.value) == (
        f"{name}: expected digits, mnist, or a file in the layout of Keras's mnist.npz. Received: another set that "
        "Keras fetches. Save it in this layout and pass the file."
    )


def test_a_file_is_named_by_its_name_alone_and_a_copy_of_mnist_as_mnist(tmp_path, monkeypatch):
    images, labels = np.zeros((40, 28, 28), np.uint8), (np.arange(40) % 10).astype(np.uint8)
    path = tmp_path / "own.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)
    assert load_parts(str(path)).source == "own.npz"
    assert load_parts("digits").source == "digits"
    # tests/seeds/test_mnist.py holds the digest to MNIST itself.
    monkeypatch.setattr(recipe_data, "MNIST_LABELS", hashlib.sha256(bytes(range(10)) * 4).hexdigest())
    assert load_parts(str(path)).source == "mnist"


def test_digits_are_those_of_diag():
    parts, test = load_parts("digits"), load_dataset("digits", split="test")
    whole = with_pool(parts)
    assert [len(part[1]) for part in (parts.fit, parts.pool, parts.validation, parts.test)] == [600, 200, 200, 797]
    assert len(whole.fit[1]) == 800
    together = np.concatenate([whole.fit[0], whole.validation[0]])
    train = load_dataset("digits", split="train").images[:]
    assert sorted(image.tobytes() for image in together) == sorted(image.tobytes() for image in np.asarray(train))
    np.testing.assert_array_equal(parts.test[0], test.images[:])


def test_harder_images_are_the_same_again_and_pixels_still():
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28, 1), dtype=np.uint8)
    before = images.copy()
    hard = made_harder(images)
    np.testing.assert_array_equal(hard, made_harder(images))
    np.testing.assert_array_equal(images, before)
    assert (hard.shape, hard.dtype) == (images.shape, np.float32)
    assert hard.min() >= 0
    assert hard.max() <= 255
    np.testing.assert_array_equal(hard, hard.round(1))
    assert not np.array_equal(hard, made_harder(images, seed=1))


def test_a_square_of_4_to_9_pixels_is_covered(monkeypatch):
    # Without noise and rotation a black image keeps nothing but the square.
    rng = np.random.default_rng

    class Still:
        def __init__(self, seed):
            self.rng = rng(seed)
            self.integers = self.rng.integers

        def uniform(self, low, high):
            return {-25: 0.0, 0: 200.0, 10: 10.0}[low]

        def normal(self, mean, spread, shape):
            return np.zeros(shape)

    monkeypatch.setattr(np.random, "default_rng", Still)
    hard = made_harder(np.zeros((200, 28, 28, 1), np.uint8))[..., 0]
    sides = set()
    for image in hard:
        rows, columns = (np.flatnonzero((image == 200).any(axis=axis)) for axis in (1, 0))
        assert np.ptp(rows) == np.ptp(columns)
        assert (image == 200).sum() == len(rows) ** 2
        sides.add(len(rows))
    assert sides == {4, 5, 6, 7, 8, 9}


def test_noise_has_the_spread_that_is_documented():
    # In the middle between black and white hardly any of it is cut off: 10 to 70, and the mean of all is 40.
    spreads = [image[:9].std() for image in made_harder(np.full((200, 28, 28, 1), 128, np.uint8))[:, 9:19, 9:19, 0]]
    assert 5 < min(spreads) < 20
    assert np.median(spreads) == pytest.approx(40, abs=8)
    assert max(spreads) < 100


def test_harder_images_go_through_their_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe_data, "N_HARDER", 20)
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28, 1), dtype=np.uint8)
    part = images, np.arange(30) % 10
    cut = harder_parts(Parts("mnist", fit=part, validation=part, pool=part, test=part), tmp_path)
    hard = made_harder(images[:20])
    assert [len(labels) for _, labels in (cut.fit, cut.validation)] == [16, 4]
    np.testing.assert_allclose(np.concatenate([cut.fit[0], cut.validation[0]]), hard, atol=1e-4)
    np.testing.assert_array_equal(np.concatenate([cut.fit[1], cut.validation[1]]), part[1][:20])
    np.testing.assert_allclose(cut.test[0], made_harder(images, seed=1), atol=1e-4)
    np.testing.assert_array_equal(cut.test[1], part[1])
    # The same images without their table, to its one decimal.
    held, labels = harder_validation(Parts("mnist", fit=part, validation=part, pool=part, test=part))
    np.testing.assert_allclose(held, hard[16:], atol=1e-4)
    np.testing.assert_array_equal(labels, part[1][16:20])
