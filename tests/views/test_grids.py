"""Pictures of images in a grid: which pixels stand where, what stands below them, and what is left out."""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import diag
from diag.errors import InvalidInputError
from diag.io.datasets import load_dataset
from diag.views import grids
from diag.views.picture import Picture
from tests.fakes import build_run

HOSTILE = "<img src=x onerror=alert(1)>\u202e" + "very long " * 40


def pixels(picture):
    with Image.open(io.BytesIO(picture.png)) as page:
        return np.asarray(page.convert("RGB"))


def flat_images(n, height, width, channels=1):
    """Return images of one colour each, all different and none of them that of paper or letters."""
    values = np.array(list(itertools.product(range(20, 230, 14), repeat=channels)))
    values = values[np.random.default_rng(0).permutation(len(values))[:n]]
    values = np.resize(values, (n, channels))
    return np.broadcast_to(values[:, None, None, :], (n, height, width, channels)).astype(np.uint8)


def shown(picture, images):
    """Return the numbers of the images that the picture holds whole, by their places: row by row, left to right."""
    page = pixels(picture)
    height, width = images.shape[1:3]
    factor = max(1, grids.SIDE // max(height, width))
    wanted = {tuple(np.resize(image[0, 0], 3)): number for number, image in enumerate(images)}
    found = []
    for y, x in itertools.product(range(page.shape[0] - height * factor + 1), range(page.shape[1])):
        number = wanted.get(tuple(page[y, x]))
        fresh = number is not None and (page[y - 1, x] != page[y, x]).any() and (page[y, x - 1] != page[y, x]).any()
        if fresh and (page[y : y + height * factor, x : x + width * factor] == page[y, x]).all():
            found.append(number)
    return found


@pytest.mark.parametrize(("height", "width", "channels"), [(28, 28, 1), (9, 4, 3), (3, 48, 3)])
def test_the_tile_of_an_image_is_that_image(height, width, channels):
    images = flat_images(12, height, width, channels)
    data = load_dataset((images, np.arange(12) % 3))
    assert shown(grids.image_grid(data, [7, 2, 11, 5], columns=2), images) == [7, 2, 11, 5]


@given(st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=15, deadline=None)
def test_small_images_are_enlarged_by_a_whole_factor(height, width):
    image = np.random.default_rng(0).integers(0, 250, (1, height, width, 3), dtype=np.uint8)
    factor = grids.SIDE // max(height, width)
    page = pixels(grids.image_grid(load_dataset((image, np.array([0])))))
    tile = page[24 : 24 + height * factor, 24 : 24 + width * factor]
    np.testing.assert_array_equal(tile, image[0].repeat(factor, axis=0).repeat(factor, axis=1))


def test_large_images_are_made_smaller_and_keep_their_proportions():
    picture = grids.image_grid(load_dataset((np.full((1, 300, 600, 3), 90, np.uint8), np.array([0]))))
    dark = (pixels(picture) == 90).all(axis=2)
    assert (dark.any(axis=0).sum(), dark.any(axis=1).sum()) == (grids.SIDE, grids.SIDE // 2)


def test_a_data_set_has_its_classes_below(captions):
    data = load_dataset((flat_images(4, 8, 8), np.array([0, 2, 1, 1])), class_names=["cat", "dog", "owl"])
    grids.image_grid(data)
    assert [said for said, _ in captions][:4] == ["cat", "owl", "dog", "dog"]


def test_a_run_has_its_answers_below(captions):
    # 0: right, sure by 90 %; 1: a cat that is taken for a dog by 75 %.
    images = flat_images(2, 8, 8)
    run = build_run([0, 0], [[0.9, 0.1], [0.25, 0.75]], class_names=["cat", "dog"], images=images)
    picture = grids.image_grid(run, run.frame())
    assert shown(picture, images) == [0, 1]
    texts = dict(captions)
    assert {"cat 90.0%", "dog 75.0%", "true cat"} <= set(texts)
    right, wrong = texts["cat 90.0%"], texts["dog 75.0%"]
    assert right[2] > right[0]  # blue
    assert wrong[0] > wrong[2]  # orange


def test_no_probability_is_rounded_up_to_certainty(captions):
    # 0.999838 is 100.0 with one digit; 1 is exactly that.
    run = build_run([0, 0], [[0.999838, 0.000162], [0, 1]], class_names=["cat", "dog"], images=flat_images(2, 8, 8))
    grids.image_grid(run)
    assert {"cat >99.9%", "dog 100.0%"} <= {said for said, _ in captions}
    captions.clear()
    grids.confusion_grid(run)
    assert {">99.9%", "100.0%"} <= {said for said, _ in captions}


def test_a_frame_of_errors_chooses_the_images():
    images = flat_images(6, 8, 8)
    # Wrong are 1 (60 %), 3 (95 %), 4 (80 %): the worst comes first.
    proba = [[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.05, 0.95], [0.2, 0.8], [0.7, 0.3]]
    run = build_run([0] * 6, proba, images=images)
    assert shown(grids.image_grid(run, run.errors(n=2)), images) == [3, 4]


def test_classes_have_a_row_each(captions):
    images = flat_images(6, 8, 8)
    proba = [[0.9, 0.1, 0], [0.4, 0.6, 0], [0.2, 0, 0.8], [0.05, 0.95, 0], [0.2, 0.8, 0], [0.3, 0.7, 0]]
    run = build_run([0, 0, 0, 1, 1, 2], proba, class_names=["cat", "dog", "owl"], images=images)
    picture = grids.class_grid(run, run.errors())
    assert shown(picture, images) == [2, 1, 5]  # cat: 2 (80 %) before 1 (60 %); dog: none, so no row; owl: 5
    assert [said for said, _ in captions][:5] == ["cat", "owl 80.0%", "dog 60.0%", "owl", "dog 70.0%"]
    assert "A row a true class." in picture.alt
    assert "Classes without images are left out." in picture.alt
    # Two rows: two images with a line of letters each, and nothing for the third.
    assert pixels(picture).shape[0] == pixels(grids.class_grid(run, run.errors().query("true_class != 'dog'"))).shape[0]
    assert "A row a predicted class." in grids.class_grid(run, run.errors(group="predicted")).alt


def test_a_row_is_as_long_as_the_frame_and_what_is_left_out_is_said():
    # 25 right answers of each of two classes: 15 of a frame are all drawn, of 25 at most 20.
    images = np.zeros((50, 4, 4, 1), np.uint8)
    run = build_run([0] * 25 + [1] * 25, np.eye(2)[[0] * 25 + [1] * 25], images=images)
    fifteen = grids.class_grid(run, run.correct(per_class=15)).alt
    assert fifteen.startswith("30 images of")
    assert "at most" not in fifteen
    whole = grids.class_grid(run, run.correct(per_class=None)).alt
    assert whole.startswith("40 images of")
    assert "40 of 50 images, at most 20 of each class." in whole
    assert "6 of 50 images, at most 3 of each class." in grids.class_grid(run, run.correct(None), per_class=3).alt
    assert grids.class_grid(run).alt.startswith("20 images of")  # drawn at random: ten of each


def test_images_of_each_class_are_drawn_by_the_seed():
    images, labels = flat_images(12, 8, 8), np.arange(12) % 3
    data = load_dataset((images, labels))
    found = shown(grids.class_grid(data, per_class=2, seed=1), images)
    assert labels[found].tolist() == [0, 0, 1, 1, 2, 2]
    assert found == shown(grids.class_grid(data, per_class=2, seed=1), images)
    assert any(shown(grids.class_grid(data, per_class=2, seed=seed), images) != found for seed in range(2, 6))


def test_a_confusion_matrix_in_images_has_the_surest_of_each_cell(captions):
    # True 0: image 0 right, 1 and 2 taken for 1, of which 2 is surer. True 1: image 3 right. Down is the prediction.
    images = flat_images(4, 8, 8)
    run = build_run([0, 0, 0, 1], [[0.9, 0.1], [0.4, 0.6], [0.1, 0.9], [0.2, 0.8]], images=images)
    assert shown(grids.confusion_grid(run), images) == [0, 2, 3]
    said = [text for text, _ in captions]
    assert said[:3] == ["pred. \\ true", "0", "1"]
    assert said[3:11] == ["0", "1", "90.0%", "1", "2", "90.0%", "1", "80.0%"]


def test_a_cell_without_images_is_blank():
    images = flat_images(2, 8, 8)
    page = pixels(grids.confusion_grid(build_run([0, 1], [[1, 0], [0, 1]], images=images)))
    blank = (page == grids._EMPTY).all(axis=2)
    assert blank.sum() == 2 * grids.SIDE**2


def test_many_are_bounded_and_it_is_said():
    k, n = 100, 1000
    rng = np.random.default_rng(0)
    run = build_run(rng.integers(0, k, n), rng.dirichlet(np.ones(k), n), images=np.zeros((n, 4, 4, 1), np.uint8))
    assert "The first 200 of 1,000 images." in grids.image_grid(run, range(n)).alt
    assert "20 of 100 classes" in grids.class_grid(run, run.errors()).alt
    assert "The 12 of 100 classes with the most errors." in grids.confusion_grid(run).alt


def test_hostile_names_are_cut_and_shown_as_text(captions):
    names = [HOSTILE, HOSTILE + "2", "ok"]
    run = build_run([0, 1, 2], np.eye(3)[[1, 0, 2]], class_names=names, images=flat_images(3, 8, 8))
    for picture in (grids.image_grid(run), grids.class_grid(run, run.errors()), grids.confusion_grid(run)):
        assert picture.width < 900
    assert all("\u202e" not in said and len(said) < 150 for said, _ in captions)
    assert any(said.startswith("<img") and said.endswith("… 100.0%") for said, _ in captions)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda data: grids.image_grid(data, [99]), "0 to 2, or a frame with a column index. Received: 99 to 99"),
        (lambda data: grids.image_grid(data, [0.5]), "Received: float64"),
        (lambda data: grids.image_grid(data, columns=0), "columns: expected a whole number of at least 1. Received: 0"),
        (
            lambda data: grids.image_grid(data, columns=1.5),
            "columns: expected a whole number of at least 1. Received: 1.5",
        ),
        (
            lambda data: grids.image_grid(data, data.frame()[["label"]]),
            "a column index, such as run.errors(). Received: label",
        ),
        (lambda data: grids.image_grid("digits"), "expected a data set or an evaluation. Received: str"),
        (lambda data: grids.class_grid([data]), "expected a data set or an evaluation. Received: list"),
        (lambda data: grids.class_grid(data, [1, 2]), "columns class and index, such as run.errors(). Received: list"),
        (
            lambda data: grids.class_grid(data, data.frame().assign(**{"class": 1})),
            "expected names of classes: 0, 1, 2. Received: 1",
        ),
        (lambda data: grids.class_grid(data, seed=-1), "seed: expected a whole number of at least 0. Received: -1"),
        (lambda data: grids.confusion_grid(data), "expected an evaluation. Received: Dataset"),
        (lambda data: grids.class_grid(data, data.frame()), "columns class and index"),
        (lambda data: grids.class_grid(data, per_class=0), "per_class: expected a whole number from 1 to 20"),
        (lambda data: grids.class_grid(load_dataset(np.zeros((3, 4, 4), np.uint8))), "expected labelled images"),
    ],
)
def test_refusals(call, message):
    data = load_dataset((flat_images(3, 8, 8), np.arange(3)))
    with pytest.raises(InvalidInputError, match=re.escape(message)):
        call(data)


def test_nothing_to_show_is_said_in_a_line(captions):
    run = build_run([0, 1], np.eye(2), images=flat_images(2, 8, 8))
    for grid in (grids.image_grid, grids.class_grid):
        captions.clear()
        picture = grid(run, run.errors())
        assert [said for said, _ in captions] == ["No images."]
        assert picture.alt.startswith("0 images")
        assert picture.height < grids.SIDE / 2  # less than an image would take
    unlabelled = load_dataset(np.zeros((3, 4, 4), np.uint8))
    assert isinstance(grids.image_grid(unlabelled), Picture)


def test_a_picture_displays_and_saves_itself(tmp_path):
    picture = grids.image_grid(load_dataset((flat_images(3, 8, 8), np.arange(3))))
    png, size = picture._repr_png_()
    height, width = pixels(picture).shape[:2]
    assert (size["width"], size["height"]) == (width // 2, height // 2)
    assert repr(picture) == f"<Picture: {picture.alt}>"
    assert picture.save(tmp_path / "a.png").read_bytes() == png
    with pytest.raises(InvalidInputError, match="ends in"):
        picture.save(tmp_path / "a.csv")
    with pytest.raises(InvalidInputError, match=r"ends in \.png\. Received: \.jpg"):
        picture.save(tmp_path / "a.jpg")


def test_what_a_notebook_shows_is_found_by_name():
    for name in diag.views.__all__:
        assert callable(getattr(diag.views, name))
    page = (Path(__file__).parents[2] / "docs" / "figures.md").read_text(encoding="utf-8")
    named = set(re.findall(r"diag\.views\.(\w+)", page))
    assert len(named) > 8
    assert named <= set(diag.views.__all__)
    with pytest.raises(AttributeError, match=r"diag\.views"):
        diag.views.no_such_chart  # noqa: B018
